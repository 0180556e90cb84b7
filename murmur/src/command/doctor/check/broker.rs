//! Does the broker let us in, and how long does it take?

use smc_mqtt::connection::Refusal;
use smc_mqtt::settings::BrokerAddress;

use crate::command::doctor::findings::Findings;
use crate::command::doctor::look::Reached;

const CHECK: &str = "broker";

/// Whether anything was seen at all.
pub(in crate::command::doctor) fn check(
    broker: &BrokerAddress,
    user: &str,
    reached: &Reached,
    findings: &mut Findings,
) -> bool {
    match reached {
        Reached::Looked { took, denied, .. } => {
            let millis = took.as_secs_f64() * 1e3;
            let says =
                format!("{broker} lets {user} in; connection, login and subscriptions took {millis:.0} ms");
            findings.ok(CHECK, says);
            if !denied.is_empty() {
                findings.note(
                    CHECK,
                    format!("{broker} does not let {user} read {}", denied.join(", ")),
                    "look on as a reader, such as `observer`; see broker.toml",
                );
            }
            true
        }
        Reached::Refused(refusal) => {
            findings.problem(CHECK, format!("{broker} turns {user} down: {refusal}"), remedy(refusal));
            false
        }
        Reached::Unreachable(fault) => {
            let why = fault.as_ref().map_or_else(|| "no answer".to_owned(), |fault| fault.to_string());
            findings.problem(
                CHECK,
                format!("{broker}: {why}"),
                "start it (smc-broker --config broker.toml); if it runs, compare `listen` in broker.toml with `broker` of the nodes, and look at firewalls in between",
            );
            false
        }
    }
}

fn remedy(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::Login | Refusal::NotAuthorized => {
            "check --user and --password-file: the password must be the one whose hash stands at that account in broker.toml (smc-broker passwd makes hashes)"
        }
        Refusal::ClientId | Refusal::Subscription { .. } => "see the accounts in broker.toml",
        Refusal::Unavailable => {
            "the broker takes no more clients at present: see its log and `limits` in broker.toml"
        }
        Refusal::Version => "use a broker that speaks MQTT 3.1.1",
    }
}
