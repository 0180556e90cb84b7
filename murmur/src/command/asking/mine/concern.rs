//! A query that concerns an agent, and what came of it.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value as Json, json};
use smc_core::name::{NodeName, QueryName};
use smc_core::request::{Decision, Request, Verdict};
use smc_core::result::{ResultDocument, Status};
use smc_core::roster::{AgentIndex, Roster};
use smc_core::time::Timestamp;

use super::super::told;

/// Whether the agent's reading went into a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Use {
    /// It may have: nobody who says so knows it.
    Maybe,
    /// It did not.
    No,
    /// It did, by what the peers agreed on.
    Yes,
}

impl Use {
    /// What can be said where the cohort is not known: without a value nothing of anybody was told.
    pub(super) fn of_status(status: Status) -> Self {
        if status == Status::Ok { Self::Maybe } else { Self::No }
    }
}

/// What windows came to.
#[derive(Debug, Default, Serialize)]
struct Windows {
    /// How many had a value, and how many none.
    values: u64,
    without_value: u64,
    /// Of those with a value: how many the agent's reading went into, or may have.
    used: u64,
    may_have_used: u64,
    /// The smallest and the largest cohort of a value.
    cohorts: Option<(u32, u32)>,
    /// The most agents that were left out of a value by their own terms.
    declined: u32,
    /// The first and the last window.
    first: Option<String>,
    last: Option<String>,
    /// Why the last one without a value has none.
    reason: Option<String>,
}

/// A query that concerns an agent.
#[derive(Debug)]
pub(super) struct Concern {
    query: QueryName,
    /// Who asks; nobody, if it stands in the site file.
    client: Option<NodeName>,
    /// What is asked, in words.
    asked: String,
    purpose: String,
    pub(super) cancelled: bool,
    decisions: BTreeMap<NodeName, Decision>,
    windows: Windows,
}

impl Concern {
    /// A request, if its scope covers the agent and it is about something that the agent measures.
    pub(super) fn asked(roster: &Roster, agent: AgentIndex, request: &Request) -> Option<Self> {
        let query = &request.query;
        let labels = &roster.agent(agent).labels;
        let covered = query.scope.iter().all(|(key, value)| labels.get(key) == Some(value));
        let quantities = [Some(&query.quantity), query.with.as_ref()];
        let measured =
            quantities.into_iter().flatten().any(|quantity| measures(roster, agent, quantity.as_str()));
        (covered && measured).then(|| Self {
            query: query.name.clone(),
            client: Some(request.client.clone()),
            asked: told::request(request),
            purpose: query.purpose.clone(),
            cancelled: false,
            decisions: BTreeMap::new(),
            windows: Windows::default(),
        })
    }

    /// Takes in what a peer decided, if that is newer than what it decided before.
    pub(super) fn decide(&mut self, decision: &Decision) {
        let newer = self.decisions.get(&decision.peer).is_none_or(|known| known.at <= decision.at);
        if newer {
            self.decisions.insert(decision.peer.clone(), decision.clone());
        }
    }

    /// Whether a peer will not compute it, or not any more by its operator's word.
    pub(super) fn is_refused(&self) -> bool {
        let refused = |decision: &Decision| matches!(decision.verdict, Verdict::Denied | Verdict::Withdrawn);
        self.decisions.values().any(refused)
    }

    fn note(&mut self, result: &ResultDocument, used: Use) {
        let windows = &mut self.windows;
        let start = &result.window.start;
        windows.first.get_or_insert_with(|| start.clone());
        windows.last = Some(start.clone());
        if result.status != Status::Ok {
            windows.without_value += 1;
            windows.reason = result.reason.clone().or_else(|| Some(result.status.to_string()));
            return;
        }
        windows.values += 1;
        windows.used += u64::from(used == Use::Yes);
        windows.may_have_used += u64::from(used == Use::Maybe);
        let (least, most) = windows.cohorts.unwrap_or((result.cohort, result.cohort));
        windows.cohorts = Some((least.min(result.cohort), most.max(result.cohort)));
        windows.declined = windows.declined.max(result.declined);
    }

    pub(super) fn json(&self) -> Json {
        let decisions: Vec<_> = self.decisions.values().map(told::decision_json).collect();
        json!({ "query": self.query, "client": self.client, "asked": self.asked, "purpose": self.purpose,
                "cancelled": self.cancelled, "refused": self.is_refused(), "decisions": decisions,
                "windows": self.windows })
    }

    /// In lines.
    pub(super) fn text(&self) -> String {
        let cancelled = if self.cancelled { ", cancelled" } else { "" };
        let mut lines = vec![format!("{}: {}{cancelled}", self.query, self.asked)];
        lines.extend(self.decisions.values().map(told::decision));
        lines.push(format!("  {}", self.windows.text()));
        lines.join("\n")
    }
}

impl Windows {
    fn text(&self) -> String {
        let (Some(first), Some(last)) = (&self.first, &self.last) else {
            return "no result is known".to_owned();
        };
        let mut parts = Vec::new();
        if let Some((least, most)) = self.cohorts {
            let sizes = if least == most { least.to_string() } else { format!("{least} to {most}") };
            let use_of = match (self.used, self.may_have_used) {
                (0, 0) => "your agent was in none of them".to_owned(),
                (used, 0) => format!("your agent was in {used} of them"),
                (0, maybe) => format!("your agent may have been in {maybe} of them"),
                (used, maybe) => format!("your agent was in {used} of them and may have been in {maybe}"),
            };
            parts.push(format!("{} values over {sizes} agents: {use_of}", self.values));
        }
        if self.declined > 0 {
            parts.push(format!("up to {} agents left out by their terms", self.declined));
        }
        if self.without_value > 0 {
            let reason = self.reason.as_deref().unwrap_or_default();
            parts.push(format!("{} windows without a value ({reason})", self.without_value));
        }
        let span =
            if first == last { format!("window {first}") } else { format!("windows {first} to {last}") };
        format!("{span}: {}", parts.join("; "))
    }
}

/// All that is known of queries, as far as it concerns one agent.
#[derive(Debug, Default)]
pub(super) struct Concerns {
    queries: BTreeMap<QueryName, Concern>,
    /// How many queries do not concern it.
    pub(super) others: u64,
    /// Of how many it is not known what they ask.
    pub(super) unknown: u64,
}

impl Concerns {
    /// The queries of the site file.
    pub(super) fn standing(roster: &Roster, agent: AgentIndex) -> Self {
        let mut concerns = Self::default();
        for (index, query) in roster.queries() {
            let quantity = roster.quantity(query.quantity).quantity.name();
            let with = query.with.map(|with| roster.quantity(with).quantity.name());
            let measured = [Some(quantity), with]
                .into_iter()
                .flatten()
                .any(|name| measures(roster, agent, name.as_str()));
            if !measured || !roster.covers(index, agent) {
                concerns.others += 1;
                continue;
            }
            let function = query.function.entry().name;
            concerns.add(Concern {
                query: query.name.clone(),
                client: None,
                asked: format!("{function} of {quantity}, standing in the site file"),
                purpose: query.purpose.clone(),
                cancelled: false,
                decisions: BTreeMap::new(),
                windows: Windows::default(),
            });
        }
        concerns
    }

    pub(super) fn add(&mut self, concern: Concern) {
        self.queries.insert(concern.query.clone(), concern);
    }

    pub(super) fn get_mut(&mut self, query: &QueryName) -> Option<&mut Concern> {
        self.queries.get_mut(query)
    }

    /// Takes in what a window came to, unless it began before `since`; whether it concerns the agent.
    pub(super) fn note(&mut self, result: &ResultDocument, used: Use, since: Option<Timestamp>) -> bool {
        let began = result.window.start.parse::<Timestamp>();
        let recent = since.is_none_or(|since| began.is_ok_and(|began| began >= since));
        match self.queries.get_mut(&result.query).filter(|_| recent) {
            Some(concern) => {
                concern.note(result, used);
                true
            }
            None => false,
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Concern> {
        self.queries.values()
    }
}

/// Whether the agent has a stream of `quantity`.
fn measures(roster: &Roster, agent: AgentIndex, quantity: &str) -> bool {
    !streams(roster, agent, quantity).is_empty()
}

/// The places of the agent's streams among those of `quantity`, as cohorts count them.
pub(super) fn streams(roster: &Roster, agent: AgentIndex, quantity: &str) -> Vec<usize> {
    let Some(quantity) = roster.quantity_named(quantity) else { return Vec::new() };
    let streams = roster.quantity(quantity).streams.iter().enumerate();
    streams.filter(|(_, (bundle, _))| roster.bundle(*bundle).agent == agent).map(|(place, _)| place).collect()
}
