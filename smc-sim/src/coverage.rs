//! What histories have come by: kinds of actions, fates of messages, outcomes of windows, refusals and blame.

use std::collections::BTreeMap;

use serde::Serialize;
use smc_core::peer::Blame;
use smc_core::result::Status;

use crate::action::{Action, Schedule};
use crate::adversary::Adversary;
use crate::world::World;

/// Counts, each by kind.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Coverage {
    /// Histories played.
    pub schedules: u64,
    /// Values that were published.
    pub published: u64,
    /// Those of queries that were asked for while the site ran.
    pub asked: u64,
    /// Those that agents were left out of by their terms.
    pub declined: u64,
    /// How many histories each kind of site, function and action was in.
    pub drawn: BTreeMap<String, u64>,
    /// How many messages met with what.
    pub messages: BTreeMap<String, u64>,
    /// What peers decided about what was asked.
    pub decisions: BTreeMap<String, u64>,
    /// What windows came to, at each honest peer.
    pub outcomes: BTreeMap<String, u64>,
    /// Why messages were refused.
    pub refusals: BTreeMap<String, u64>,
    /// What nodes were named for.
    pub blame: BTreeMap<String, u64>,
}

impl Coverage {
    /// What one history has come by.
    pub fn of(schedule: &Schedule, world: &World, adversary: &Adversary) -> Self {
        let mut coverage = Self { schedules: 1, ..Self::default() };
        let (site, one) = (&schedule.site, |kinds: &mut BTreeMap<_, _>, kind| {
            kinds.insert(kind, 1);
        });
        let tolerate = if site.malicious { "malicious" } else { "crash" };
        one(&mut coverage.drawn, format!("site ({}, {}) {tolerate}", site.peers, site.threshold));
        one(&mut coverage.drawn, format!("function {}", site.function));
        for timed in &schedule.actions {
            one(&mut coverage.drawn, kind(&timed.action));
        }
        let met = adversary.met.iter().map(|(&met, &count)| (met.to_owned(), count));
        coverage.messages = met.filter(|(met, _)| met != "nothing").collect();
        for told in world.log.results.iter().filter(|told| !world.liars.contains(told.peer)) {
            let result = &told.signed.result;
            let published = told.publish && result.status == Status::Ok;
            coverage.published += u64::from(published);
            coverage.asked += u64::from(published && world.roster.query_named(&result.query).is_none());
            coverage.declined += u64::from(published && result.declined > 0);
            let reason = result.reason.as_deref().unwrap_or(if result.validated { "validated" } else { "" });
            count(&mut coverage.outcomes, format!("{}: {}", result.status, without_numbers(reason)));
        }
        for (_, _, decision) in &world.log.decided {
            count(&mut coverage.decisions, decision.verdict.to_string());
        }
        for (_, refusal) in &world.log.refused {
            count(&mut coverage.refusals, refusal.to_string());
        }
        for (_, blame) in &world.log.blamed {
            count(&mut coverage.blame, named(blame).to_owned());
        }
        coverage
    }

    /// Adds what others have come by.
    pub fn add(&mut self, other: &Self) {
        self.schedules += other.schedules;
        self.published += other.published;
        self.asked += other.asked;
        self.declined += other.declined;
        for (sum, add) in [
            (&mut self.drawn, &other.drawn),
            (&mut self.messages, &other.messages),
            (&mut self.decisions, &other.decisions),
            (&mut self.outcomes, &other.outcomes),
            (&mut self.refusals, &other.refusals),
            (&mut self.blame, &other.blame),
        ] {
            for (kind, count) in add {
                *sum.entry(kind.clone()).or_default() += count;
            }
        }
    }
}

impl std::fmt::Display for Coverage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts = [
            ("histories with", &self.drawn),
            ("messages that met with", &self.messages),
            ("decisions", &self.decisions),
            ("windows that came to", &self.outcomes),
            ("messages refused as", &self.refusals),
            ("nodes named for", &self.blame),
        ];
        for (title, kinds) in parts {
            writeln!(f, "{title}")?;
            for (kind, count) in kinds {
                writeln!(f, "  {count:>10}  {kind}")?;
            }
        }
        Ok(())
    }
}

fn count(kinds: &mut BTreeMap<String, u64>, kind: String) {
    *kinds.entry(kind).or_default() += 1;
}

/// What an action is, without whom it hits.
fn kind(action: &Action) -> String {
    let name = match action {
        Action::Agent { lie, .. } => {
            let lie = format!("{lie:?}");
            return format!("agent lies: {}", lie.split(' ').next().unwrap_or_default());
        }
        Action::Crash { loss, after, .. } => {
            let when = if after.is_some() { "while it sends" } else { "between messages" };
            return format!("crash {when}, losing {loss:?}");
        }
        Action::Peer { lie, .. } => return format!("peer lies: {lie:?}"),
        Action::Withhold { step, .. } => return format!("broker withholds: {step:?}"),
        Action::Ask(ask) if ask.once => "request for one value",
        Action::Ask(_) => "request",
        Action::Cancel { .. } => "cancellation",
        Action::Clock { .. } => "clock off",
        Action::Flood { peer: None, .. } => "flood of an agent",
        Action::Flood { peer: Some(_), .. } => "flood of a peer",
        Action::Gaps { .. } => "gaps",
        Action::Order { verb, .. } => return format!("order to {verb}"),
        Action::Partition { .. } => "partition",
        Action::Replay { .. } => "replay",
        Action::Rumour { .. } => "rumour",
        Action::Weather { .. } => "weather",
        Action::Wish { .. } => "an agent's terms",
    };
    name.to_owned()
}

fn named(blame: &Blame) -> &'static str {
    match blame {
        Blame::Equivocation { .. } => "two inputs",
        Blame::FalsePartial { .. } => "a false share of an output",
        Blame::InvalidInput { .. } => "an input that is none",
        Blame::OtherResult { .. } => "a signature under another result",
        Blame::TwoFaced { .. } => "two messages in one step",
    }
}

/// Numbers and who it was make no other kind.
fn without_numbers(reason: &str) -> String {
    let mut short = String::new();
    for letter in reason.chars() {
        match letter {
            '0'..='9' if short.ends_with('#') => {}
            '0'..='9' => short.push('#'),
            letter => short.push(letter),
        }
    }
    short
}
