//! From inventories to the cohort of a window (docs/protocol.md, 4.3 and 4.4): a pure function, so that peers who
//! heard the same come to the same plan.

use std::collections::BTreeMap;

use super::epoch::Epoch;
use super::inventory::Held;
use super::standing::{self, Heard, InDoubt, Members, Standing};
use super::terms::Terms;
use crate::digest::Digest;
use crate::mutation::{Rule, disabled};
use crate::peers::PeerSet;
use crate::roster::Quorum;
use crate::shamir::PeerIndex;
use crate::time::WindowIndex;

/// What one peer reported.
#[derive(Debug, Clone, Copy)]
pub struct Report<'a> {
    /// Who.
    pub peer: PeerIndex,
    /// What it holds, per stream.
    pub held: &'a [Held],
    /// All different terms that agents demand with these readings.
    pub terms: &'a [Terms],
    /// Which of them hold for which stream, by stream, ascending.
    pub demands: &'a [(u32, u32)],
    /// Its last vote. One of an earlier epoch binds nobody any more.
    pub vote: Option<&'a Standing>,
    /// The definitions of the queries that it computes, ascending.
    pub queries: &'a [Digest],
    /// The definitions of those that it only knows of, ascending.
    pub known: &'a [Digest],
    /// For each peer of the site the name of its contribution to the common keys, as far as this one has it.
    pub seeds: &'a [Option<Digest>],
}

/// Who computes on what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// P: the peers that compute.
    pub peers: PeerSet,
    /// The cohort, ascending by stream.
    pub cohort: Vec<Member>,
    /// Whether the epoch stood on this cohort before.
    pub frozen: bool,
    /// The definitions of the queries that all of P know and a quorum computes, ascending, each with the peers that do.
    /// What is released together has to be known everywhere, or results that no peer would release both could become known.
    pub queries: Vec<(Digest, PeerSet)>,
    /// The names of the contributions of all of P to the common keys, ascending by peer; empty unless all of P have the
    /// same ones: then nothing can be multiplied or checked in this window.
    pub keys: Vec<Digest>,
    /// Whether the inputs of the cohort were checked and are what they claim to be.
    pub validated: bool,
}

/// A stream of the cohort.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// Its place among the streams of the quantity.
    pub stream: usize,
    /// The window whose reading stands for it: the planned one (fresh) or an earlier one (carried).
    pub window: WindowIndex,
    /// What its agent demands of results: all that any of P was told.
    pub terms: Terms,
}

/// Why there is no plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The epoch has just begun, and many of the last cohort are not there yet: what is frozen now shuts them out.
    #[error(
        "{back} of the {before} of the last cohort are there; waiting for more as the cohort epoch begins"
    )]
    Early {
        /// How many streams of the last cohort have a reading.
        back: usize,
        /// How many streams the last cohort has.
        before: usize,
    },
    /// More than one cohort may have been agreed.
    #[error(transparent)]
    InDoubt(#[from] InDoubt),
    /// No quorum of peers holds a reading of every member of the frozen cohort.
    #[error("no quorum of peers holds readings of the whole cohort; {missing} are missing")]
    Incomplete {
        /// How many members lack a common reading.
        missing: usize,
    },
    /// Too few peers were heard.
    #[error("waiting: {have} of {need} peers")]
    NoQuorum {
        /// How many were heard.
        have: usize,
        /// q.
        need: usize,
    },
}

/// Plans `window`, which is of `epoch`, of a quantity with `streams` streams.
///
/// # Errors
/// When no quorum can go on with the cohort of the epoch, or it is too early to choose one.
pub fn plan(
    quorum: Quorum,
    epoch: Epoch,
    window: WindowIndex,
    streams: usize,
    reports: &[Report<'_>],
) -> Result<Plan, PlanError> {
    let heard = reports.len();
    if heard < quorum.size() {
        return Err(PlanError::NoQuorum { have: heard, need: quorum.size() });
    }
    let (standings, before): (Vec<_>, Vec<_>) = reports.iter().map(|report| report.votes(epoch)).unzip();
    match standing::frozen(quorum, &standings)? {
        Some(members) if !disabled(Rule::FrozenCohort) => carry_on(quorum, window, &members, reports),
        _ => {
            let plan = start_afresh(quorum, window, streams, reports)?;
            if window < epoch.settled { most_are_back(quorum, streams, &before, plan) } else { Ok(plan) }
        }
    }
}

/// The cohort is frozen: leave out as few peers as possible so that the others share a reading of every member.
fn carry_on(
    quorum: Quorum,
    window: WindowIndex,
    members: &Members,
    reports: &[Report<'_>],
) -> Result<Plan, PlanError> {
    let places: Vec<usize> = members.iter().collect();
    let mut peers = reports.to_vec();
    loop {
        let missing = places.len() - covered(&peers, &places);
        if missing == 0 {
            return Ok(agree(quorum, window, &peers, &places, true));
        }
        if peers.len() == quorum.size() {
            return Err(PlanError::Incomplete { missing });
        }
        peers.remove(most_costly(&peers, &places).0);
    }
}

/// The epoch begins: everyone takes part whose reading all of P hold. A peer that lacks more than half of what
/// another holds stays out, and so does one that would cost the cohort more than a tenth while a quorum remains.
fn start_afresh(
    quorum: Quorum,
    window: WindowIndex,
    streams: usize,
    reports: &[Report<'_>],
) -> Result<Plan, PlanError> {
    let holds = |report: &Report<'_>| report.held.iter().filter(|held| held.ages().next().is_some()).count();
    let best = reports.iter().map(holds).max().unwrap_or(0);
    let mut peers: Vec<_> = reports.iter().filter(|report| 2 * holds(report) >= best).copied().collect();
    if peers.len() < quorum.size() {
        return Err(PlanError::NoQuorum { have: peers.len(), need: quorum.size() });
    }
    let places: Vec<usize> = (0..streams).collect();
    while peers.len() > quorum.size() {
        let (costly, without) = most_costly(&peers, &places);
        if 10 * without <= 11 * covered(&peers, &places) {
            break;
        }
        peers.remove(costly);
    }
    Ok(agree(quorum, window, &peers, &places, false))
}

/// The plan, if no more than a tenth of the last cohort (or one) is missing in it: of the streams that more peers voted
/// with than may lie.
fn most_are_back(
    quorum: Quorum,
    streams: usize,
    before: &[Option<&Members>],
    plan: Plan,
) -> Result<Plan, PlanError> {
    let voted_with = |stream| before.iter().flatten().filter(|members| members.contains(stream)).count();
    let last = Members::new(streams, (0..streams).filter(|&stream| voted_with(stream) >= quorum.refuting()));
    let (back, before) =
        (plan.cohort.iter().filter(|member| last.contains(member.stream)).count(), last.len());
    if before - back > (before / 10).max(1) { Err(PlanError::Early { back, before }) } else { Ok(plan) }
}

/// The report whose absence leaves the most of `places` covered, and how many; of equals the last.
fn most_costly(peers: &[Report<'_>], places: &[usize]) -> (usize, usize) {
    let without = |out: usize| {
        let mut others = peers.to_vec();
        others.remove(out);
        covered(&others, places)
    };
    (0..peers.len()).map(|out| (out, without(out))).max_by_key(|&(_, covered)| covered).unwrap_or((0, 0))
}

fn covered(peers: &[Report<'_>], places: &[usize]) -> usize {
    places.iter().filter(|&&place| common(peers, place).is_some()).count()
}

fn agree(quorum: Quorum, window: WindowIndex, peers: &[Report<'_>], places: &[usize], frozen: bool) -> Plan {
    let member = |&stream: &usize| {
        let age = common(peers, stream)?;
        let window = WindowIndex(window.0.checked_sub(u64::from(age))?);
        Some(Member { stream, window, terms: demanded(peers, stream) })
    };
    Plan {
        peers: peers.iter().map(|report| report.peer).collect(),
        cohort: places.iter().filter_map(member).collect(),
        frozen,
        queries: queries_of_a_quorum(quorum, peers),
        keys: common_keys(peers).unwrap_or_default(),
        validated: false,
    }
}

/// The contributions of all of `peers`, if all have the same.
fn common_keys(peers: &[Report<'_>]) -> Option<Vec<Digest>> {
    let key = |contributor: &Report<'_>| {
        let named = |report: &Report<'_>| report.seeds.get(contributor.peer.offset()).copied().flatten();
        let name = named(contributor)?;
        peers.iter().all(|report| named(report) == Some(name)).then_some(name)
    };
    peers.iter().map(key).collect()
}

/// The age of the newest reading of the stream at `place` that all of `peers` hold.
fn common(peers: &[Report<'_>], place: usize) -> Option<u16> {
    let held = |report: &Report<'_>| report.held.get(place).copied().unwrap_or(Held::NOTHING);
    let (first, others) = peers.split_first()?;
    held(first).ages().find(|&age| others.iter().all(|other| held(other).has(age)))
}

/// All that the agent whose stream is at `place` demands.
fn demanded(peers: &[Report<'_>], place: usize) -> Terms {
    let demand = |report: &Report<'_>| {
        let at = report.demands.binary_search_by_key(&place, |&(place, _)| place as usize).ok()?;
        report.terms.get(report.demands[at].1 as usize).copied()
    };
    peers.iter().filter_map(demand).fold(Terms::default(), Terms::and)
}

fn queries_of_a_quorum(quorum: Quorum, peers: &[Report<'_>]) -> Vec<(Digest, PeerSet)> {
    let mut computed: BTreeMap<Digest, PeerSet> = BTreeMap::new();
    for report in peers {
        for query in report.queries {
            let by = computed.entry(*query).or_insert(PeerSet::EMPTY);
            *by = by.with(report.peer);
        }
    }
    let knows = |report: &Report<'_>, query: &Digest| {
        [report.queries, report.known].iter().any(|list| list.binary_search(query).is_ok())
    };
    let counts = |(query, by): &(Digest, PeerSet)| {
        (by.len() >= quorum.size() || disabled(Rule::SessionQuorum))
            && peers.iter().all(|report| knows(report, query))
    };
    computed.into_iter().filter(counts).collect()
}

impl<'a> Report<'a> {
    /// The vote of this epoch, and the cohort of one of an earlier epoch: there is one of them at most.
    fn votes(&self, epoch: Epoch) -> (Heard<'a>, Option<&'a Members>) {
        match self.vote {
            Some(vote) if vote.epoch != epoch.index => ((self.peer, None), Some(&vote.members)),
            vote => ((self.peer, vote), None),
        }
    }
}

impl Plan {
    /// The plan once all inputs were checked, without those of the streams at these places, which are not valid.
    #[must_use]
    pub fn validated_but(&self, invalid: &[usize]) -> Self {
        let mut plan = Self { validated: true, ..self.clone() };
        plan.cohort.retain(|member| !invalid.contains(&member.stream));
        plan
    }

    /// The peers that compute the query with this definition; nobody, unless a quorum does.
    pub fn computing(&self, query: &Digest) -> PeerSet {
        let at = self.queries.binary_search_by_key(query, |&(query, _)| query);
        at.map_or(PeerSet::EMPTY, |at| self.queries[at].1)
    }

    /// The name of the contribution of `peer` to the common keys.
    pub fn key_of(&self, peer: PeerIndex) -> Option<Digest> {
        self.keys.get(self.peers.iter().position(|computes| computes == peer)?).copied()
    }

    /// The cohort as a set out of `streams` streams.
    pub fn members(&self, streams: usize) -> Members {
        Members::new(streams, self.cohort.iter().map(|member| member.stream))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roster::Tolerate;
    use crate::shamir::Sharing;

    const W: WindowIndex = WindowIndex(100);
    const EPOCH: Epoch = Epoch { index: 1, first: W, settled: W };

    /// Inventories of peers 1, 2, ... written as ages per stream: `[0, 1]` holds this window and the last.
    fn plan_of(
        quorum_of: (u8, u8),
        held: &[&[&[u16]]],
        standing: Option<&Standing>,
    ) -> Result<Plan, PlanError> {
        plan_while(false, quorum_of, held, standing)
    }

    fn plan_while(
        waits: bool,
        quorum_of: (u8, u8),
        held: &[&[&[u16]]],
        standing: Option<&Standing>,
    ) -> Result<Plan, PlanError> {
        let quorum = Quorum::new(Sharing::new(quorum_of.0, quorum_of.1).unwrap(), Tolerate::Crash);
        let window = |age: &u16| WindowIndex(W.0 - u64::from(*age));
        let held: Vec<Vec<Held>> = held
            .iter()
            .map(|streams| {
                let ages = |ages: &&[u16]| Held::at(W, [ages.first().map(window), ages.get(1).map(window)]);
                streams.iter().map(ages).collect()
            })
            .collect();
        let streams = held[0].len();
        let reports: Vec<_> =
            first(9).iter().zip(&held).map(|(peer, held)| report(peer, held, standing)).collect();
        let settled = if waits { W.next() } else { W };
        plan(quorum, Epoch { settled, ..EPOCH }, W, streams, &reports)
    }

    fn report<'a>(peer: PeerIndex, held: &'a [Held], vote: Option<&'a Standing>) -> Report<'a> {
        Report { peer, held, terms: &[], demands: &[], vote, queries: &[], known: &[], seeds: &[] }
    }

    fn first(peers: u8) -> PeerSet {
        (1..=peers).map(|peer| PeerIndex::new(peer).unwrap()).collect()
    }

    fn ages(plan: &Plan) -> Vec<(usize, u64)> {
        plan.cohort.iter().map(|member| (member.stream, W.0 - member.window.0)).collect()
    }

    fn voted(members: &[usize]) -> Standing {
        let members = Members::new(3, members.iter().copied());
        let (window, roster) = (WindowIndex(W.0 - 1), Digest([0; 32]));
        Standing { epoch: 1, window, peers: first(3), members, frozen: false, roster }
    }

    #[test]
    fn the_strictest_demand_and_the_queries_of_a_quorum_count() {
        let quorum = Quorum::new(Sharing::new(3, 1).unwrap(), Tolerate::Crash);
        let held = [Held::at(W, [Some(W), None]); 3];
        let [a, b, c] = [1, 2, 3].map(|byte| Digest([byte; 32]));
        // The agent behind stream 1 told the peers different things.
        let terms = [5, 7, 9].map(Terms::of_at_least);
        let demands: [&[(u32, u32)]; 3] = [&[(1, 1)], &[(0, 0)], &[(1, 2)]];
        let queries: [&[Digest]; 3] = [&[a, b, c], &[a, c], &[c]];
        let known: [&[Digest]; 3] = [&[], &[b], &[a]];
        let report = |(peer, ((demands, queries), known))| Report {
            terms: &terms,
            demands,
            queries,
            known,
            ..report(peer, &held, None)
        };
        let told = demands.into_iter().zip(queries).zip(known);
        let mut reports: Vec<_> = first(3).iter().zip(told).map(report).collect();
        let planned = |reports: &[Report<'_>]| plan(quorum, EPOCH, W, 3, reports).unwrap();
        let plan = planned(&reports);
        assert_eq!(
            plan.cohort.iter().map(|member| member.terms.minimum_cohort).collect::<Vec<_>>(),
            [5, 9, 0]
        );
        let ac = first(2);
        assert_eq!(plan.queries, [(a, ac), (c, first(3))]);
        assert_eq!((plan.computing(&a), plan.computing(&b)), (ac, PeerSet::EMPTY));
        reports[2].known = &[];
        let plan = planned(&reports);
        assert_eq!(plan.queries, [(c, first(3))], "a query that one of P does not know is left alone");
    }

    #[test]
    fn a_silent_stream_is_carried_within_its_epoch() {
        let held: &[&[u16]] = &[&[0, 1], &[1], &[]];
        let plan = plan_of((3, 1), &[held, held, held], Some(&voted(&[0, 1]))).unwrap();
        assert_eq!(ages(&plan), [(0, 0), (1, 1)]);
        assert_eq!(plan.peers.len(), 3);
    }

    #[test]
    fn nobody_joins_a_frozen_cohort() {
        let held: &[&[u16]] = &[&[0, 1], &[0, 1], &[0]];
        let plan = plan_of((3, 1), &[held, held, held], Some(&voted(&[0, 1]))).unwrap();
        assert_eq!(ages(&plan), [(0, 0), (1, 0)]);
    }

    #[test]
    fn a_message_lost_to_one_peer_falls_back_to_the_reading_that_all_hold() {
        let all: &[&[u16]] = &[&[0, 1], &[0, 1], &[0, 1]];
        let lost: &[&[u16]] = &[&[0, 1], &[1, 2], &[0, 1]];
        let plan = plan_of((3, 1), &[all, all, lost], Some(&voted(&[0, 1, 2]))).unwrap();
        assert_eq!(ages(&plan), [(0, 0), (1, 1), (2, 0)]);
    }

    #[test]
    fn a_peer_without_a_carried_reading_stays_out() {
        let all: &[&[u16]] = &[&[0, 1], &[3], &[0, 1]];
        let returned: &[&[u16]] = &[&[0], &[], &[0]];
        let plan = plan_of((3, 1), &[all, all, returned], Some(&voted(&[0, 1, 2]))).unwrap();
        assert_eq!(plan.peers, first(2));
        assert_eq!(ages(&plan), [(0, 0), (1, 3), (2, 0)]);
    }

    #[test]
    fn without_a_quorum_for_the_whole_cohort_there_is_no_plan() {
        let (a, b): (&[&[u16]], &[&[u16]]) = (&[&[0], &[], &[0]], &[&[0], &[3], &[0]]);
        assert_eq!(
            plan_of((3, 1), &[a, b], Some(&voted(&[0, 1, 2]))),
            Err(PlanError::Incomplete { missing: 1 })
        );
        assert_eq!(plan_of((3, 1), &[a], None), Err(PlanError::NoQuorum { have: 1, need: 2 }));
    }

    #[test]
    fn a_peer_that_just_came_back_does_not_shrink_the_cohort_of_an_epoch() {
        let all: &[&[u16]] = &[&[0], &[0], &[0]];
        let late: &[&[u16]] = &[&[0], &[0], &[]];
        let plan = plan_of((3, 1), &[all, late, all], None).unwrap();
        assert_eq!(plan.cohort.len(), 3);
        assert_eq!(plan.peers.iter().map(PeerIndex::get).collect::<Vec<_>>(), [1, 3]);
    }

    #[test]
    fn a_new_cohort_waits_for_the_members_of_the_last_one_only_while_it_may() {
        let held: &[&[u16]] = &[&[], &[], &[0]];
        let last = |members| Standing { epoch: 0, ..voted(members) };
        let planned = |waits, last: Option<&Standing>| plan_while(waits, (3, 1), &[held, held], last);
        let early = PlanError::Early { back: 1, before: 3 };
        assert_eq!(planned(true, Some(&last(&[0, 1, 2]))), Err(early));
        assert_eq!(planned(false, Some(&last(&[0, 1, 2]))).unwrap().cohort.len(), 1);
        // One may be missing of few, and nobody is missed who wasn't there before.
        assert_eq!(planned(true, Some(&last(&[1, 2]))).unwrap().cohort.len(), 1);
        assert_eq!(planned(true, None).unwrap().cohort.len(), 1);
    }

    #[test]
    fn a_peer_that_lacks_more_than_half_stays_out_even_if_that_costs_the_quorum() {
        let (all, late): (&[&[u16]], &[&[u16]]) = (&[&[0], &[0], &[0]], &[&[0], &[], &[]]);
        assert_eq!(plan_of((3, 1), &[all, late], None), Err(PlanError::NoQuorum { have: 1, need: 2 }));
    }
}
