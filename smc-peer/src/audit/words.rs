//! Entries in plain words.

use serde_json::Value as Json;
use smc_core::audit::{Kind, PolicyRead, Row, Started, Voted};
use smc_core::charter::Enacted;
use smc_core::protocol::standing::Members;
use smc_core::result::SignedResult;

use crate::figure::{printable, told};

/// Longer texts of others are cut off.
const SHOWN: usize = 200;

/// What an entry says, without its number, time and kind; nothing in it moves a terminal's cursor.
pub fn words(row: &Row) -> String {
    let body: Json = serde_json::from_str(&row.body).unwrap_or_default();
    let said = row.kind.parse().ok().and_then(|kind| say(kind, &body));
    // What a later version wrote, or somebody else.
    let said = said.unwrap_or_else(|| row.body.clone());
    printable(&said.chars().take(SHOWN).collect::<String>())
}

fn say(kind: Kind, body: &Json) -> Option<String> {
    let text = |key: &str| body[key].as_str();
    match kind {
        Kind::Decision => {
            let reason = text("reason").filter(|reason| !reason.is_empty());
            let reason = reason.map_or_else(String::new, |reason| format!(": {reason}"));
            Some(format!("{} {} of {}{reason}", text("verdict")?, text("query")?, text("client")?))
        }
        Kind::Head => Some(format!("the log of {} had {} entries", text("peer")?, body["size"].as_u64()?)),
        Kind::Intervention => {
            let reason = text("reason").filter(|reason| !reason.is_empty());
            let reason = reason.map_or_else(String::new, |reason| format!(": {reason}"));
            Some(format!("the operator orders: {} {}{reason}", text("order")?, text("subject")?))
        }
        Kind::Membership => {
            let Enacted { charter, signatures } = serde_json::from_value(body.clone()).ok()?;
            let signers: Vec<_> = signatures.keys().map(|peer| peer.as_str()).collect();
            let change = serde_json::to_string(&charter.change).ok()?;
            let (revision, signers) = (charter.revision, signers.join(", "));
            Some(format!(
                "revision {revision} of the member list from {} on, signed by {signers}: {change}",
                charter.effective
            ))
        }
        Kind::Policy => {
            let PolicyRead { taken, rules, mistake, .. } = serde_json::from_value(body.clone()).ok()?;
            let mistake = mistake.unwrap_or_default();
            Some(if taken {
                format!("a policy of {rules} rules is in force")
            } else {
                format!("a policy was refused, one of {rules} rules is in force: {mistake}")
            })
        }
        Kind::Request => {
            if let Some(query) = text("cancel") {
                return Some(format!("{} needs {query} no longer", text("client")?));
            }
            let query = &body["query"];
            let asked = |key: &str| query[key].as_str();
            let purpose = asked("purpose").filter(|purpose| !purpose.is_empty());
            let purpose = purpose.map_or_else(String::new, |purpose| format!(", for {purpose}"));
            let (function, quantity) = (asked("function")?, asked("quantity")?);
            Some(format!(
                "{} asks for the {function} of {quantity} ({}){purpose}",
                text("client")?,
                asked("name")?
            ))
        }
        Kind::Result => result(body),
        Kind::Start => {
            let Started { version, queries, .. } = serde_json::from_value(body.clone()).ok()?;
            Some(format!("started, version {version}, with {} standing queries", queries.len()))
        }
        Kind::Vote => vote(body),
    }
}

fn result(body: &Json) -> Option<String> {
    let SignedResult { result, signatures } = serde_json::from_value(body.clone()).ok()?;
    let signers: Vec<_> = signatures.keys().map(|peer| peer.as_str()).collect();
    let outcome = match (&result.value, &result.parts, &result.audience, &result.reason) {
        (Some(value), ..) => told(value, &result.unit),
        (None, Some(parts), ..) => format!("a value in {} parts", parts.count()),
        (None, None, Some(audience), None) => format!("sealed for {audience}"),
        (.., Some(reason)) => format!("{} ({reason})", result.status),
        _ => result.status.to_string(),
    };
    Some(format!("{} {} {outcome}, signed by {}", result.query, result.window.start, signers.join(", ")))
}

fn vote(body: &Json) -> Option<String> {
    let Voted { quantity, window, peers, members, .. } = serde_json::from_value(body.clone()).ok()?;
    let cohort = members.as_ref().map(Members::len);
    let cohort = cohort.map_or_else(|| "the same streams".to_owned(), |streams| format!("{streams} streams"));
    let peers: Vec<_> = peers.iter().map(|peer| peer.get().to_string()).collect();
    Some(format!("voted on window {window} of {quantity}: {cohort}, with peers {}", peers.join(" ")))
}
