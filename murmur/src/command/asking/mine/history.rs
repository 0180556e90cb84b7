//! The same by what a peer logged: every window, and whether the agent was in its cohort.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use serde_json::{Value as Json, json};
use smc_core::audit::{Kind, Row, Voted};
use smc_core::charter::Register;
use smc_core::digest::Digest;
use smc_core::document::Signed;
use smc_core::name::{NodeName, QuantityName};
use smc_core::protocol::standing::Members;
use smc_core::request::{Decision, Request};
use smc_core::result::{ResultDocument, SignedResult, Status};
use smc_core::roster::{Roster, SiteDocument};
use smc_core::time::{Timestamp, WindowIndex};
use smc_mqtt::clock::Clock;
use smc_mqtt::config::load_document;
use smc_peer::LogFile;

use super::super::AskFailure;
use super::super::told::say;
use super::concern::{Concern, Concerns, Use, streams};
use super::place;
use crate::command::told::Told;

/// For how many windows of a quantity it is kept in mind whether the agent was in their cohorts.
const WINDOWS: usize = 64;

/// What `log` has of queries that concern `agent`; with `json` every window is printed as it is read.
pub(super) fn read(
    log: &LogFile,
    told: &Told,
    agent: &NodeName,
    since: Option<Timestamp>,
    json: bool,
) -> Result<Concerns, AskFailure> {
    let mut members = told.members()?;
    // Who came later is in no site file of before. What does not follow from that, or is known, counts for nothing.
    log.of_kind(Kind::Membership, |row| {
        let _ = serde_json::from_str(&row.body).map(|enacted| members.enact(enacted));
        ControlFlow::Continue(())
    })?;
    members.advance(Clock::system().now())?;
    let roster = members.roster()?;
    let mut history = History {
        concerns: Concerns::standing(&roster, place(&roster, agent)?),
        document: load_document(&told.site)?,
        roster,
        agent,
        since,
        lists: BTreeMap::new(),
        votes: BTreeMap::new(),
    };
    history.know(history.document.clone());
    let mut printed = Ok(());
    log.each(0, |row| {
        if let Some(line) = history.take(&row).filter(|_| json) {
            printed = say(&line.to_string());
        }
        if printed.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    printed?;
    Ok(history.concerns)
}

/// What was read so far.
struct History<'a> {
    concerns: Concerns,
    /// The site file, and what the charters that were read made of it.
    document: SiteDocument,
    roster: std::sync::Arc<Roster>,
    agent: &'a NodeName,
    since: Option<Timestamp>,
    /// Which streams of each quantity are the agent's, by the digest of the member list.
    lists: BTreeMap<Digest, BTreeMap<QuantityName, Vec<usize>>>,
    votes: BTreeMap<QuantityName, Votes>,
}

/// The last votes on a quantity.
#[derive(Default)]
struct Votes {
    members: Option<Members>,
    /// Whether the agent was in the cohort, if that can be told.
    windows: BTreeMap<WindowIndex, Option<bool>>,
}

impl History<'_> {
    /// Takes in an entry; a window that concerns the agent, for programs.
    fn take(&mut self, row: &Row) -> Option<Json> {
        match row.kind.parse().ok()? {
            Kind::Decision => {
                let decision: Signed<Decision> = serde_json::from_str(&row.body).ok()?;
                let query = &decision.document.query;
                self.concerns.get_mut(query)?.decide(&decision.document);
                None
            }
            Kind::Membership => {
                let enacted: smc_core::charter::Enacted = serde_json::from_str(&row.body).ok()?;
                let next = enacted.charter.change.apply(&self.document).ok()?;
                self.know(next);
                None
            }
            Kind::Request => {
                self.ask(&row.body);
                None
            }
            Kind::Result => {
                let SignedResult { result, .. } = serde_json::from_str(&row.body).ok()?;
                self.window(&result)
            }
            Kind::Vote => {
                self.vote(serde_json::from_str(&row.body).ok()?);
                None
            }
            Kind::Head | Kind::Intervention | Kind::Policy | Kind::Start => None,
        }
    }

    /// Notes where the agent stands in a list.
    fn know(&mut self, document: SiteDocument) {
        let list = Register::new(document.clone()).ok().map(|register| register.voters().clone());
        if let Some(list) = list
            && let Some(agent) = list.agent_named(self.agent.as_str())
        {
            let of = |name: &QuantityName| (name.clone(), streams(&list, agent, name.as_str()));
            let places = list.quantities().map(|(_, measured)| of(measured.quantity.name())).collect();
            self.lists.insert(Digest(*list.digest()), places);
        }
        self.document = document;
    }

    fn ask(&mut self, body: &str) {
        let Ok(Signed { document: request, .. }) = serde_json::from_str::<Signed<Request>>(body) else {
            // A cancellation; what each peer makes of it is in its decisions.
            return;
        };
        let agent = self.roster.agent_named(self.agent.as_str());
        match agent.and_then(|agent| Concern::asked(&self.roster, agent, &request)) {
            Some(concern) => self.concerns.add(concern),
            None => self.concerns.others += 1,
        }
    }

    fn vote(&mut self, Voted { quantity, window, roster, members, .. }: Voted) {
        let places = self.lists.get(&roster).map(|list| list.get(&quantity).cloned().unwrap_or_default());
        let votes = self.votes.entry(quantity).or_default();
        if members.is_some() {
            votes.members = members;
        }
        let is_in = |members: &Members| Some(places?.iter().any(|&place| members.contains(place)));
        let in_cohort = votes.members.as_ref().and_then(is_in);
        votes.windows.insert(window, in_cohort);
        if votes.windows.len() > WINDOWS {
            votes.windows.pop_first();
        }
    }

    fn window(&mut self, result: &ResultDocument) -> Option<Json> {
        let voted =
            self.votes.get(&result.quantity).and_then(|votes| votes.windows.get(&result.window.index));
        let used = match (result.status, voted) {
            (Status::Failed | Status::Withheld, _) | (Status::Ok, Some(Some(false))) => Use::No,
            // Who was left out by its terms is not told, nor who lacked the second of two quantities.
            (Status::Ok, Some(Some(true))) if result.declined == 0 => Use::Yes,
            (Status::Ok, _) => Use::Maybe,
        };
        let ResultDocument { query, window, status, cohort, fresh, carried, declined, reason, .. } = result;
        self.concerns.note(result, used, self.since).then(|| {
            json!({ "window": window, "query": query, "status": status, "cohort": cohort, "fresh": fresh,
                    "carried": carried, "declined": declined, "reason": reason, "used": used })
        })
    }
}
