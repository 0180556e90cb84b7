//! Verdicts, for people and for programs.

use serde_json::json;
use smc_core::result::{Parts, ResultDocument, SignedResult};
use smc_core::roster::Roster;

use super::assembly::Part;
use super::check::{Good, Refused};
use smc_peer::figure::{self, Figure, printable};

/// A verdict in one line of text.
pub(super) fn text(number: u64, checked: &Result<Good, Refused>, roster: &Roster) -> String {
    match checked {
        Ok(Good::Members(revision)) => format!("ok revision {revision} of the member list"),
        Ok(Good::Part(part)) => good_part(part, roster),
        Ok(Good::Result(signed)) => {
            good(signed, &figure::outcome(&signed.result, Figure::of(&signed.result, roster)))
        }
        Err(refused) => bad(number, refused),
    }
}

fn good_part(Part { signed, number, whole }: &Part, roster: &Roster) -> String {
    let of = signed.result.parts.as_ref().map_or(0, Parts::count);
    let part = format!("part {number} of {of}");
    let figure =
        whole.as_ref().and_then(|whole| Some(Figure::of(&signed.result, roster)?.with(whole).to_string()));
    good(signed, &figure.map_or(part.clone(), |figure| format!("{part}, the last one: {figure}")))
}

fn good(signed: &SignedResult, outcome: &str) -> String {
    let signers: Vec<_> = signed.signatures.keys().map(|peer| peer.as_str()).collect();
    let ResultDocument { query, window, .. } = &signed.result;
    printable(&format!("ok {query} {} {outcome}, signed by {}", window.start, signers.join(", ")))
}

fn bad(number: u64, refused: &Refused) -> String {
    printable(&format!("REFUSED line {number}: {refused}"))
}

/// A verdict as one JSON object.
pub(super) fn json(number: u64, checked: &Result<Good, Refused>) -> String {
    let mut verdict = match checked {
        Ok(Good::Members(revision)) => json!({ "line": number, "verdict": "ok", "revision": revision }),
        Ok(Good::Part(Part { signed: SignedResult { result, signatures }, number: part, whole })) => json!({
            "line": number,
            "verdict": "ok",
            "query": result.query,
            "window": result.window,
            "part": part,
            "parts": result.parts.as_ref().map(Parts::count),
            "value": whole,
            "unit": result.unit,
            "signed_by": signatures.keys().collect::<Vec<_>>(),
        }),
        Ok(Good::Result(SignedResult { result, signatures })) => json!({
            "line": number,
            "verdict": "ok",
            "query": result.query,
            "window": result.window,
            "status": result.status,
            "value": result.value,
            "unit": result.unit,
            "reason": result.reason,
            "signed_by": signatures.keys().collect::<Vec<_>>(),
        }),
        Err(refused) => json!({ "line": number, "verdict": "refused", "why": refused.to_string() }),
    };
    if let Ok(Good::Result(signed)) = checked
        && let Some(parts) = &signed.result.parts
    {
        verdict["parts"] = json!(parts.count());
    }
    verdict.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_can_not_take_over_the_terminal() {
        let hostile = Refused::ForeignTopic { topic: "\u{1b}[2J\u{9b}31m".to_owned() };
        let line = bad(3, &hostile);
        assert!(line.starts_with("REFUSED line 3: `\\u{1b}[2J\\u{9b}31m`"), "{line}");
        assert!(!line.contains(char::is_control));
    }
}
