//! What came, in lines for people and for programs.

use std::io::{self, Write};

use serde_json::{Value, json};
use smc_core::function::Query;
use smc_core::name::NodeName;
use smc_core::request::{Decision, Request};
use smc_core::result::SignedResult;
use smc_core::roster::Roster;
use smc_mqtt::client::{Outlook, Standing};

use smc_peer::figure::{Figure, outcome, printable};

/// A line on the standard output, at once.
pub(crate) fn say(line: &str) -> io::Result<()> {
    let mut output = io::stdout().lock();
    writeln!(output, "{line}")?;
    output.flush()
}

/// What a peer says to a request.
pub(crate) fn decision(decision: &Decision) -> String {
    let Decision { peer, verdict, reason, rule, .. } = decision;
    let rule = rule.as_ref().map_or_else(String::new, |rule| format!(" (rule {rule})"));
    printable(&format!("  {peer:<16} {verdict:<10} {reason}{rule}"))
}

/// The same for programs.
pub(super) fn decision_json(decision: &Decision) -> Value {
    let Decision { peer, query, verdict, reason, rule, at, .. } = decision;
    json!({ "peer": peer, "query": query, "verdict": verdict, "reason": reason, "rule": rule, "at": at })
}

/// What is to be expected of all decisions together.
pub(super) fn outlook(standing: &Standing) -> String {
    let (allowed, needs, of) = (standing.allowed(), standing.needs(), standing.peers().count());
    match standing.outlook() {
        Outlook::Impossible => {
            format!("{allowed} of {of} peers allow it and {needs} must: there will be no results")
        }
        Outlook::Running => format!("{allowed} of {of} peers allow it, {needs} must: results come"),
        Outlook::Undecided => format!("{allowed} of {of} peers allow it so far, {needs} must"),
    }
}

/// The word for it.
pub(super) fn outlook_word(outlook: Outlook) -> &'static str {
    match outlook {
        Outlook::Impossible => "impossible",
        Outlook::Running => "running",
        Outlook::Undecided => "undecided",
    }
}

/// The peers that have not answered, if there are any.
pub(super) fn silent(standing: &Standing) -> Option<String> {
    let silent: Vec<_> = standing.silent().map(NodeName::as_str).collect();
    (!silent.is_empty()).then(|| format!("no answer from {}", silent.join(", ")))
}

/// A window's outcome in one line.
pub(super) fn result(signed: &SignedResult, roster: &Roster, query: Option<&Query>) -> String {
    let result = &signed.result;
    let figure = Figure::of_query(result, roster, query);
    let signers: Vec<_> = signed.signatures.keys().map(NodeName::as_str).collect();
    printable(&format!(
        "{} {} {}, cohort {} ({} fresh, {} carried), signed by {}",
        result.query,
        result.window.start,
        outcome(result, figure),
        result.cohort,
        result.fresh,
        result.carried,
        signers.join(" ")
    ))
}

/// A request in one line: function, quantity, and what limits it.
pub(crate) fn request(request: &Request) -> String {
    let query = &request.query;
    let scope: Vec<_> = query.scope.iter().map(|(label, value)| format!("{label}={value}")).collect();
    let scope = if scope.is_empty() { String::new() } else { format!(" where {}", scope.join(", ")) };
    let every = request.every.map_or_else(String::new, |every| format!(", every {every}"));
    let once = if request.once { ", once" } else { "" };
    let audience = query.audience.as_ref().map_or_else(String::new, |name| format!(", for {name} alone"));
    let Request { client, until, .. } = request;
    printable(&format!(
        "{} of {}{scope}{every}{once}{audience}, until {until}, asked by {client} for \"{}\"",
        query.function, query.quantity, query.purpose
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use smc_core::request::Verdict;
    use smc_core::time::Timestamp;

    #[test]
    fn a_peer_can_not_take_over_the_terminal_with_its_reason() {
        let told = decision(&Decision {
            v: 1,
            site: "hq".parse().unwrap(),
            peer: "peer-1".parse().unwrap(),
            query: "air".parse().unwrap(),
            client: "display".parse().ok(),
            request: None,
            verdict: Verdict::Denied,
            reason: "\u{1b}[2Jno".to_owned(),
            rule: Some("at-night".to_owned()),
            at: Timestamp::from_secs(0),
        });
        assert_eq!(told, "  peer-1           denied     \\u{1b}[2Jno (rule at-night)");
    }
}
