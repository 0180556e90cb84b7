//! Verdicts, for people and for programs.

use serde_json::json;
use smc_core::result::{ResultDocument, SignedResult, Status};
use smc_core::roster::Roster;

use super::check::Refused;
use crate::figure::Figure;

/// A verdict in one line of text.
pub(super) fn text(number: u64, checked: &Result<SignedResult, Refused>, roster: &Roster) -> String {
    match checked {
        Ok(signed) => good(signed, roster),
        Err(refused) => bad(number, refused),
    }
}

fn good(signed: &SignedResult, roster: &Roster) -> String {
    let signers: Vec<_> = signed.signatures.keys().map(|peer| peer.as_str()).collect();
    let ResultDocument { query, window, .. } = &signed.result;
    let outcome = outcome(&signed.result, roster);
    printable(&format!("ok {query} {} {outcome}, signed by {}", window.start, signers.join(", ")))
}

fn bad(number: u64, refused: &Refused) -> String {
    printable(&format!("REFUSED line {number}: {refused}"))
}

fn outcome(result: &ResultDocument, roster: &Roster) -> String {
    if let (Status::Ok, Some(audience)) = (result.status, &result.audience) {
        return format!("sealed for {audience}");
    }
    match (Figure::of(result, roster), &result.reason) {
        (Some(figure), _) => figure.to_string(),
        (None, Some(reason)) => format!("{} ({reason})", result.status),
        (None, None) => result.status.to_string(),
    }
}

/// A verdict as one JSON object.
pub(super) fn json(number: u64, checked: &Result<SignedResult, Refused>) -> String {
    let verdict = match checked {
        Ok(SignedResult { result, signatures }) => json!({
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
    verdict.to_string()
}

/// Text from elsewhere that can't take over a terminal.
fn printable(text: &str) -> String {
    let escaped = |c: char| if c.is_control() { c.escape_unicode().to_string() } else { c.to_string() };
    text.chars().map(escaped).collect()
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
