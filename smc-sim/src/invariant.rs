//! What must hold whatever happens, looked at after every step. Each invariant reads on where it stopped in the world's log.
//!
//! They look at what honest peers send and tell, never at what a peer thinks. Liars are held to nothing.

mod blame;
mod consent;
mod declined;
mod first_input;
mod labels;
mod liveness;
mod memory;
mod minimum;
mod one_cohort;
mod one_result;
mod one_vote;
mod overlap;
mod steps;
mod values;

use std::collections::BTreeSet;
use std::sync::Arc;

use smc_core::name::QueryName;
use smc_core::protocol::plan::{Member, Plan};
use smc_core::result::Status;
use smc_core::roster::{AgentIndex, QuantityIndex};
use smc_core::session::Session;
use smc_core::shamir::PeerIndex;
use smc_core::time::WindowIndex;

use crate::action::Schedule;
use crate::world::{Told, World};

/// What an invariant may look at.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// The world.
    pub world: &'a World,
    /// The history that is played.
    pub schedule: &'a Schedule,
    /// The agents and windows whose inputs are not what was read.
    pub lied: &'a BTreeSet<(usize, WindowIndex)>,
}

/// Something that must hold.
pub trait Invariant {
    /// A name for it.
    fn name(&self) -> &'static str;

    /// Looks at what has happened since the last time.
    ///
    /// # Errors
    /// What does not hold.
    fn check(&mut self, view: &View<'_>) -> Result<(), String>;

    /// Looks once more when all is over.
    ///
    /// # Errors
    /// What does not hold.
    fn finish(&mut self, _: &View<'_>) -> Result<(), String> {
        Ok(())
    }
}

/// All of them.
pub fn all() -> Vec<Box<dyn Invariant>> {
    vec![
        Box::<blame::Blame>::default(),
        Box::<consent::Consent>::default(),
        Box::<declined::Declined>::default(),
        Box::<first_input::FirstInput>::default(),
        Box::<labels::Labels>::default(),
        Box::<liveness::Liveness>::default(),
        Box::<memory::Memory>::default(),
        Box::<minimum::Minimum>::default(),
        Box::<one_cohort::OneCohort>::default(),
        Box::<one_result::OneResult>::default(),
        Box::<one_vote::OneVote>::default(),
        Box::<overlap::Overlap>::default(),
        Box::<steps::Steps>::default(),
        Box::<values::Values>::default(),
    ]
}

/// Where an invariant has stopped reading.
#[derive(Default)]
struct Cursor(usize);

impl Cursor {
    fn unread<'a, T>(&mut self, list: &'a [T]) -> &'a [T] {
        let new = &list[self.0..];
        self.0 = list.len();
        new
    }
}

/// A reading that a result covers: of one quantity, or a pair of two.
struct Lane {
    agent: AgentIndex,
    member: Member,
    with: Option<Member>,
}

impl Lane {
    fn members(&self) -> impl Iterator<Item = &Member> {
        std::iter::once(&self.member).chain(&self.with)
    }

    fn is_fresh(&self, window: WindowIndex) -> bool {
        self.member.window == window && self.with.is_none_or(|with| with.window == window)
    }
}

impl<'a> View<'a> {
    fn is_honest(&self, peer: PeerIndex) -> bool {
        !self.world.liars.contains(peer)
    }

    /// What a peer means by the name of a query: of the site file, or what it decided about last.
    fn session(&self, at: PeerIndex, name: &QueryName) -> Option<Arc<Session>> {
        if let Some(standing) = self.world.roster.query_named(name) {
            return Some(Arc::new(Session::standing(&self.world.roster, standing)));
        }
        let mut decided = self.world.log.decided.iter().rev();
        let (_, _, decision) = decided.find(|(_, peer, decision)| *peer == at && decision.query == *name)?;
        self.world.asked.get(&decision.request?).cloned()
    }

    /// What a result is of.
    fn told_of(&self, told: &Told) -> Result<Arc<Session>, String> {
        let query = &told.signed.result.query;
        self.session(told.peer, query)
            .ok_or_else(|| format!("{} told a result of {query}, which it does not know", told.peer))
    }

    /// The plan that a peer agreed to.
    fn plan(&self, at: PeerIndex, quantity: QuantityIndex, window: WindowIndex) -> Option<&'a Arc<Plan>> {
        let agreed = self.world.log.agreed.iter().rev();
        let mut agreed = agreed.filter(|(peer, q, w, _)| (*peer, *q, *w) == (at, quantity, window));
        agreed.next().map(|(_, _, _, plan)| plan)
    }

    /// What a value covers, by the plans that its teller agreed to.
    fn lanes(&self, told: &Told) -> Result<Vec<Lane>, String> {
        Ok(self.lanes_and_declined(told)?.0)
    }

    /// The same, and what is left out of it because of what the peers agreed that agents demand.
    fn lanes_and_declined(&self, told: &Told) -> Result<(Vec<Lane>, Vec<Lane>), String> {
        let (session, window) = (self.told_of(told)?, told.signed.result.window.index);
        let lanes = self.scoped_lanes(told.peer, &session, window)?;
        let (query, end) = (session.query(), self.world.period().end(window));
        let covers = |lane: &Lane| lane.members().all(|member| member.terms.cover(query, end));
        Ok(lanes.into_iter().partition(covers))
    }

    /// The readings of the agreed cohort within the scope of a query.
    fn scoped_lanes(
        &self,
        at: PeerIndex,
        session: &Session,
        window: WindowIndex,
    ) -> Result<Vec<Lane>, String> {
        let query = session.query();
        let missing = || format!("{at} told a value of {} without an agreement", query.name);
        let readings = |quantity| -> Result<Vec<(AgentIndex, Member)>, String> {
            let plan = self.plan(at, quantity, window).ok_or_else(missing)?;
            Ok(plan.cohort.iter().map(|&member| (self.agent_of(quantity, member.stream), member)).collect())
        };
        let covered = |agent: &AgentIndex| query.covers(&self.world.roster.agent(*agent).labels);
        let own = readings(query.quantity)?.into_iter().filter(|(agent, _)| covered(agent));
        let Some(with) = query.with else {
            return Ok(own.map(|(agent, member)| Lane { agent, member, with: None }).collect());
        };
        // The simulator's agents have one stream of each quantity.
        let others = readings(with)?;
        let partner = |agent| others.iter().find(|(other, _)| *other == agent).map(|&(_, member)| member);
        let pair = |(agent, member)| Some(Lane { agent, member, with: Some(partner(agent)?) });
        Ok(own.filter_map(pair).collect())
    }

    fn agent_of(&self, quantity: QuantityIndex, stream: usize) -> AgentIndex {
        let roster = &self.world.roster;
        roster.bundle(roster.quantity(quantity).streams[stream].0).agent
    }

    fn epoch(&self, window: WindowIndex) -> u64 {
        window.0 / self.schedule.site.epoch
    }
}

/// The values among some outcomes that honest peers told.
fn values<'a>(view: &'a View<'_>, told: &'a [Told]) -> impl Iterator<Item = &'a Told> {
    let ok = told.iter().filter(|told| told.signed.result.status == Status::Ok);
    ok.filter(|told| view.is_honest(told.peer))
}
