//! Sessions that begin, pause and end while the site runs, at some peers or at all.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says no by panicking")]

use std::collections::BTreeMap;
use std::sync::Arc;

use smc_core::digest::Digest;
use smc_core::protocol::terms::Terms;
use smc_core::request::{Admissible, Request};
use smc_core::result::Status;
use smc_core::roster::Roster;
use smc_core::roster::document::QueryTable;
use smc_core::session::{Session, SessionError};
use smc_core::time::Timestamp;
use smc_sim::world::site::PERIOD;
use smc_sim::world::{NOON, Packet, Site, Step, World, peer};

/// The sum of CO2 over the agents with these labels, for as long as the tests run.
fn asked(name: &str, scope: &[(&str, &str)]) -> Admissible {
    let scope: BTreeMap<_, _> = scope.iter().map(|&(key, value)| (key.into(), value.into())).collect();
    let purpose = "a test".to_owned();
    let query = QueryTable::new(name.parse().unwrap(), "sum", "co2".parse().unwrap());
    let request = Request {
        v: 1,
        site: "harbour-school".parse().unwrap(),
        client: "display".parse().unwrap(),
        query: QueryTable { scope, purpose, ..query },
        every: None,
        not_before: Timestamp::from_secs(0),
        until: NOON + 1_000 * PERIOD,
        once: false,
    };
    let mut digest = [0; 32];
    digest[..name.len()].copy_from_slice(name.as_bytes());
    Admissible { request, digest: Digest(digest) }
}

fn session(roster: &Roster, asked: &Admissible) -> Arc<Session> {
    Arc::new(Session::asked(roster, asked).unwrap())
}

/// Has peer `i` compute `session`, or only know of it.
fn start(world: &mut World, i: u8, session: &Arc<Session>, computed: bool) {
    let machine = world.host(peer(i)).peer.as_mut().unwrap();
    machine.start(Arc::clone(session), computed).unwrap();
}

/// The peers behind the value of `query` in window `w`; none if there is no value.
fn computed_by(world: &World, query: &str, w: u64) -> usize {
    let published = world.published(query, w);
    let values: Vec<_> = published.iter().filter(|told| told.result.status == Status::Ok).collect();
    assert!(values.len() <= 1, "published twice");
    values.first().map_or(0, |told| told.result.peers.len())
}

#[test]
fn a_session_runs_from_the_window_that_closes_next_and_ends_like_that() {
    let mut world = World::new(Site::of(3, 1).agents(6));
    let air = session(&world.roster, &asked("air", &[]));
    world.run(2);
    assert_eq!(world.log.results.len(), 0, "nothing is asked");
    (1..=3).for_each(|i| start(&mut world, i, &air, true));
    world.run(4);
    for i in 1..=3 {
        assert!(world.host(peer(i)).peer.as_mut().unwrap().withdraw(&"air".parse().unwrap()));
    }
    world.run(7);
    let by: Vec<_> = (0..7).map(|w| computed_by(&world, "air", w)).collect();
    assert_eq!(by.iter().filter(|&&peers| peers == 3).count(), 2, "{by:?}");
    assert_eq!(&by[5..], [0, 0], "{by:?}");
    let value = world.published("air", 3)[0].result.value.clone().unwrap().as_number().unwrap();
    assert_eq!(value, (0..6).map(|agent| f64::from(400 + 37 * agent + 33)).sum::<f64>());
}

#[test]
fn a_quorum_computes_what_it_allows_and_the_others_only_know_of_it() {
    let mut world = World::new(Site::of(5, 2).agents(6).query("count"));
    let air = session(&world.roster, &asked("air", &[]));
    for i in 1..=5 {
        start(&mut world, i, &air, i <= 3);
    }
    world.run(2);
    assert_eq!((computed_by(&world, "air", 1), computed_by(&world, "count", 1)), (3, 5));
    // One of the three pauses: two are no quorum.
    start(&mut world, 3, &air, false);
    world.run(4);
    assert_eq!((computed_by(&world, "air", 3), computed_by(&world, "count", 3)), (0, 5));
    assert!(world.reason("air", 3).starts_with("withheld: fewer than 3 peers compute this query"));
}

#[test]
fn a_query_that_one_peer_has_not_seen_waits_and_holds_up_nothing_else() {
    let mut world = World::new(Site::of(3, 1).agents(6).query("count"));
    let air = session(&world.roster, &asked("air", &[]));
    (1..=2).for_each(|i| start(&mut world, i, &air, true));
    world.run(2);
    assert_eq!((computed_by(&world, "air", 1), computed_by(&world, "count", 1)), (0, 3));
    start(&mut world, 3, &air, false);
    world.run(4);
    assert_eq!((computed_by(&world, "air", 3), computed_by(&world, "count", 3)), (2, 3));
}

#[test]
fn what_others_compute_counts_when_results_may_not_stand_beside_each_other() {
    // Floors 1 and 2 make up all but one agent: the three sums together would tell about it. Each pair of them is harmless,
    // and no peer computes all three.
    let site = (0..10).fold(Site::of(3, 1), |site, i| {
        site.agent(&[("floor", if i % 2 == 0 { "1" } else { "2" })], &["co2"])
    });
    let mut world = World::new(site.agent(&[], &["co2"]));
    let scopes: [(&str, &[(&str, &str)]); 3] =
        [("all", &[]), ("one", &[("floor", "1")]), ("two", &[("floor", "2")])];
    for (without, (name, scope)) in (1..).zip(scopes) {
        let session = session(&world.roster, &asked(name, scope));
        for i in 1..=3 {
            start(&mut world, i, &session, i != without);
        }
    }
    world.run(3);
    let by = |query| computed_by(&world, query, 2);
    assert_eq!((by("all"), by("one"), by("two")), (2, 2, 0));
    assert_eq!(world.reason("two", 2), "withheld: overlap: it would single out 1 agents, fewer than 5");
}

#[test]
fn a_query_of_two_quantities_is_computed_by_all_who_take_part_or_by_none() {
    let site = (0..6).fold(Site::of(4, 1), |site, _| site.agent(&[], &["co2", "occupancy"]));
    let mut world = World::new(site);
    let weighted = |name: &str| {
        let mut weighted = asked(name, &[]);
        weighted.request.query.function = "weighted_mean".to_owned();
        weighted.request.query.with = Some("occupancy".parse().unwrap());
        weighted
    };
    for (name, how_many) in [("all", 4), ("most", 3)] {
        let session = session(&world.roster, &weighted(name));
        (1..=4).for_each(|i| start(&mut world, i, &session, i <= how_many));
    }
    world.run(3);
    assert_eq!((computed_by(&world, "all", 2), computed_by(&world, "most", 2)), (4, 0));
    let why =
        "withheld: a query of two quantities is computed by all peers that take part in either, or by none";
    assert_eq!(world.reason("most", 2), why);
}

#[test]
fn a_peer_that_wants_nothing_of_a_quantity_does_not_keep_the_others_waiting() {
    let mut world = World::new(Site::of(3, 1).agents(6));
    let air = session(&world.roster, &asked("air", &[]));
    for i in 1..=3 {
        start(&mut world, i, &air, i < 3);
    }
    world.run(3);
    assert_eq!(computed_by(&world, "air", 2), 2);
    let closed = world.period().end(world.window(2));
    let is_vote = |packet: &Packet| packet.content.step() == Step::Vote;
    let votes = world.log.sent.iter().filter(|(at, packet)| *at > closed && is_vote(packet));
    let after = votes.map(|(at, _)| at.since(closed)).min().unwrap();
    assert!(after < smc_sim::world::site::GRACE + smc_sim::world::site::STEP, "{after:?}");
}

#[test]
fn a_session_keeps_its_rhythm_and_its_time() {
    let mut world = World::new(Site::of(3, 1).agents(6));
    let mut every = asked("air", &[]);
    every.request.every = Some("3s".parse().unwrap());
    (every.request.not_before, every.request.until) = (NOON + 2 * PERIOD, NOON + 10 * PERIOD);
    let air = session(&world.roster, &every);
    (1..=3).for_each(|i| start(&mut world, i, &air, true));
    world.run(14);
    let due: Vec<_> = (0..14).filter(|&w| world.window(w).next().0.is_multiple_of(3)).collect();
    let due: Vec<_> = due.into_iter().filter(|w| (2..10).contains(w)).collect();
    let ran: Vec<_> = (0..14).filter(|&w| computed_by(&world, "air", w) == 3).collect();
    assert_eq!(ran, due);
    assert!(ran.len() >= 2);
}

#[test]
fn agents_whose_terms_do_not_cover_a_query_are_left_out_and_counted() {
    let mut world = World::new(Site::of(3, 1).agents(12));
    let terms = Terms::default();
    let end = NOON + 60 * PERIOD;
    let demands = [
        terms.only_functions(["mean", "count"]).unwrap(),
        terms.allow_purpose("heating").unwrap(),
        terms.refuse_purpose("a test").unwrap(),
        terms.not_after(end),
        terms.only_functions(["sum"]).unwrap().allow_purpose("a test").unwrap(),
    ];
    demands.into_iter().enumerate().for_each(|(agent, terms)| world.demand_terms(agent, terms));
    let air = session(&world.roster, &asked("air", &[]));
    let mut heating = asked("heat", &[]);
    (heating.request.query.purpose, heating.request.query.function) = ("heating".into(), "mean".into());
    let heating = session(&world.roster, &heating);
    for i in 1..=3 {
        start(&mut world, i, &air, true);
        start(&mut world, i, &heating, true);
    }
    world.run(2);
    let covered = |world: &World, query: &str, w| {
        let result = &world.published(query, w)[0].result;
        (result.status, result.cohort, result.declined)
    };
    assert_eq!(covered(&world, "air", 1), (Status::Ok, 9, 3));
    // Beside the sum over nine, another cohort would tell about the few in which they differ.
    assert_eq!(covered(&world, "heat", 1).0, Status::Withheld);
    let sum = (3..12).map(|agent| f64::from(400 + 37 * agent + 11)).sum::<f64>();
    assert_eq!(world.published("air", 1)[0].result.value.clone().unwrap().as_number(), Some(sum));
    // What was demanded until an instant ends with it, within a minute.
    world.run(61);
    assert_eq!(covered(&world, "air", 58), (Status::Ok, 9, 3));
    world.run(122);
    assert_eq!(covered(&world, "air", 121), (Status::Ok, 8, 4));
}

#[test]
fn what_the_site_cannot_compute_is_refused_in_words() {
    let site = Site::of(3, 1).agents(12).agent(&[("floor", "3")], &["co2"]).query("sum");
    let (roster, world) = (site.roster(), World::new(site));
    let refused = |change: &dyn Fn(&mut Request)| {
        let mut asked = asked("air", &[]);
        change(&mut asked.request);
        Session::asked(&roster, &asked).unwrap_err()
    };
    let named = refused(&|request| request.query.name = "sum".parse().unwrap());
    assert_eq!(named, SessionError::NameTaken { name: "sum".parse().unwrap() });
    let every = refused(&|request| request.every = "1500ms".parse().ok());
    assert!(matches!(every, SessionError::Every { .. }) && every.to_string().contains("1000 ms"));
    let few = refused(&|request| {
        request.query.scope.insert("floor".into(), "3".into());
    });
    assert_eq!(few, SessionError::Few { agents: 1, minimum: 5 });
    let unknown = refused(&|request| request.query.function = "guess".into());
    assert!(matches!(unknown, SessionError::Site(_)) && unknown.to_string().contains("guess"));
    // All but the agent on floor 3 would single it out beside the sum over all.
    let sessions = world.peers[0].peer.as_ref().unwrap().sessions();
    let floors = |floor: &str| Session::asked(&roster, &asked("air", &[("floor", floor)])).unwrap();
    assert_eq!(sessions.admit(&roster, &floors("1")), Ok(()));
    let mut all = sessions.clone();
    all.insert(Arc::new(floors("1")), true).unwrap();
    let mut rest = asked("rest", &[("floor", "2")]);
    rest.request.query.minimum_cohort = 6;
    let rest = Session::asked(&roster, &rest).unwrap();
    assert_eq!(all.admit(&roster, &rest), Err(SessionError::Overlap { agents: 1, minimum: 6 }));
}
