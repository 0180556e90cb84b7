//! Do results come, and if not, why?

use std::collections::{BTreeMap, VecDeque};

use smc_core::function::Query;
use smc_core::result::{SignedResult, Status};
use smc_core::time::Timestamp;

use crate::command::doctor::findings::{Findings, list};
use crate::command::doctor::seen::Seen;

const CHECK: &str = "results";
/// How many windows may pass without an outcome.
const WINDOWS: u32 = 3;

pub(in crate::command::doctor) fn check(seen: &Seen, now: Timestamp, findings: &mut Findings) {
    let (mut silent, mut old, mut without) = (Vec::new(), Vec::new(), BTreeMap::<String, Vec<&str>>::new());
    let (mut good, mut carried) = (0, Vec::new());
    for (_, query) in seen.roster.queries() {
        let name = query.name.as_str();
        let outcomes = seen.outcomes.get(&query.name);
        let Some((newest, outcomes)) = outcomes.and_then(|all| Some((all.back()?, all))) else {
            silent.push(name);
            continue;
        };
        if is_old(seen, query, newest, now) {
            old.push(name);
        } else if !has_value(outcomes) {
            let reason = newest.result.reason.clone().unwrap_or_else(|| newest.result.status.to_string());
            without.entry(reason).or_default().push(name);
        } else {
            good += 1;
            if newest.result.carried > 0 {
                carried.push(name);
            }
        }
    }
    if !silent.is_empty() {
        let says = format!("nothing was published yet about {}", list(silent));
        findings.problem(
            CHECK,
            says,
            "results come once a window has passed with enough peers and agents; see peers and agents",
        );
    }
    if !old.is_empty() {
        let says = format!("no window came to anything lately of {}", list(old));
        findings.problem(CHECK, says, "the peers stopped, or don't get through to the broker, or this machine's clock is wrong; see peers and clocks");
    }
    for (reason, queries) in without {
        findings.problem(CHECK, format!("no value of {}: {reason}", list(queries)), remedy(&reason));
    }
    for (query, why) in &seen.false_results {
        let says = format!("somebody published a result of {query} that the peers don't vouch for: {why}");
        findings.problem(CHECK, says, "see who may publish results at the broker (broker.toml), and whether this is the peers' site file");
    }
    if !carried.is_empty() {
        let says = format!("the last readings of silent sensors stand in for new ones in {}", list(carried));
        findings.note(
            CHECK,
            says,
            "see agents, and whether their sensors still speak; it ends with the cohort epoch",
        );
    }
    if findings.is_well(CHECK) || good > 0 {
        findings.ok(
            CHECK,
            format!("{good} of {} queries have values of the last windows", seen.roster.queries().count()),
        );
    }
}

fn has_value(outcomes: &VecDeque<SignedResult>) -> bool {
    outcomes.iter().rev().take(WINDOWS as usize).any(|signed| signed.result.status == Status::Ok)
}

/// Whether the newest window ended too long ago.
fn is_old(seen: &Seen, query: &Query, newest: &SignedResult, now: Timestamp) -> bool {
    let period = seen.roster.quantity(query.quantity).quantity.period().as_duration();
    let timing = seen.roster.timing();
    let allowed = WINDOWS * period + timing.grace + 2 * timing.step;
    let end = newest.result.window.end.parse::<Timestamp>();
    end.is_ok_and(|end| now.since(end) > allowed)
}

/// What to do about a window without a value, by how its reason begins or what it speaks of (`smc_core::result::Reason`).
fn remedy(reason: &str) -> &'static str {
    let remedies = [
        ("waiting: ", "start more peers; see peers"),
        (
            "cohort ",
            "more agents must take part: see agents (who comes late takes part from the next cohort epoch on); or lower `minimum_cohort` of query and site",
        ),
        (
            "fresh ",
            "the sensors of most agents are silent: see agents, and what their logs say of their sources",
        ),
        ("overlap", "two queries differ by too few agents to answer both: change the scope of one"),
        (
            "fewer than ",
            "the query is not in the site files of enough peers: add it to all, and restart them one by one",
        ),
        ("a query of two quantities", "add the query to the site files of all peers"),
        (
            "no common keys",
            "the peers have not exchanged their keys yet: that takes a few windows; if it stays, see peers",
        ),
        (
            "the next window closed",
            "let `step` in the site file be about half of the shortest period; see also clocks",
        ),
        (
            "the peers saw different readings",
            "messages come late at some peer: see clocks and peers; a longer `grace` in the site file helps",
        ),
        ("products need", "start more peers; see peers"),
        ("inputs seem invalid", "a peer computes falsely: see whom the peers blame"),
        ("out of range", "an agent or a peer gave a false share: see whom the peers blame"),
        (
            "in time",
            "some peers are slow or away: see peers and clocks; a longer `step` in the site file gives them more time",
        ),
        ("no agreement on the second", "see what is said about the queries on that quantity"),
    ];
    let found = remedies.iter().find(|(part, _)| reason.contains(part));
    found.map_or("the logs of the peers tell more", |(_, remedy)| remedy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use smc_core::result::Reason;

    #[test]
    fn what_peers_say_of_windows_without_a_value_has_a_remedy() {
        let reasons = [
            Reason::Check { invalid: 3, of: 4 },
            Reason::ChecksMissing { have: 1, need: 2 },
            Reason::Cohort { cohort: 4, minimum: 5 },
            Reason::Endorsements { have: 1, need: 2 },
            Reason::Fresh { fresh: 1, minimum: 5 },
            Reason::NotShared { need: 2 },
            Reason::NotSharedByAll,
            Reason::Overlap { agents: 1, minimum: 5 },
            Reason::Overtaken,
            Reason::Partner,
            Reason::PartialsMissing { have: 1, need: 2 },
            Reason::Products { have: 2, need: 3 },
            Reason::Range,
            Reason::VotesDiffer { peer: "peer-1".parse().unwrap() },
            Reason::VotesMissing { have: 1, need: 2 },
        ];
        for reason in reasons {
            assert_ne!(remedy(&reason.to_string()), remedy("?"), "{reason}");
        }
        assert_eq!(remedy("waiting: 1 of 2 peers"), "start more peers; see peers");
    }
}
