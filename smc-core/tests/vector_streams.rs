//! Vectors: cut, shared, held and agreed on as a whole.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says no by panicking")]

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use smc_core::agent::{Agent, Dealt, Event, GapReason};
use smc_core::field::Fp;
use smc_core::peer::Blame;
use smc_core::protocol::input::{Input, plaintext_len};
use smc_core::protocol::terms::TERMS_BYTES;
use smc_core::protocol::terms::Terms;
use smc_core::roster::{AgentIndex, BundleIndex, MAX_PART_BITS, QuantityIndex, Roster};
use smc_core::shamir::{Sharing, recompose};
use smc_core::time::Timestamp;
use smc_sim::world::{Content, Fate, Packet, Sender, Site, World, peer, vector};

const NOON: Timestamp = Timestamp::from_secs(1_767_268_800);
const PERIOD: Duration = smc_sim::world::site::PERIOD;

/// An agent of `roster` and what it draws from.
fn agent(roster: &Arc<Roster>) -> (Agent, ChaCha20Rng) {
    let agent = Agent::new(AgentIndex(0), Arc::clone(roster), Terms::default(), None, NOON);
    (agent, ChaCha20Rng::seed_from_u64(7))
}

/// All that is shared until everything that is due by `until` is out.
fn shared(agent: &mut Agent, rng: &mut ChaCha20Rng, until: Timestamp) -> Vec<(Timestamp, Dealt)> {
    let mut all = Vec::new();
    while let Some(due) = agent.poll_timeout().filter(|&due| due <= until) {
        agent.handle_timeout(due, rng);
        all.extend(std::iter::from_fn(|| agent.poll_transmit()).map(|dealt| (due, dealt)));
    }
    all
}

fn events(agent: &mut Agent) -> Vec<Event> {
    std::iter::from_fn(|| agent.poll_event()).collect()
}

/// The vector whose shares these plaintexts hold, by bundle and peer; `None` if a part is a gap.
fn opened(roster: &Roster, parts: &[(BundleIndex, Vec<&[u8]>)]) -> Option<Vec<f64>> {
    let mut vector = Vec::new();
    for (bundle, plaintexts) in parts {
        let definition = roster.bundle(*bundle);
        let [stream] = &definition.streams[..] else { panic!("a part has one piece") };
        assert_eq!(vector.len(), stream.first_element as usize);
        let inputs: Vec<_> = plaintexts.iter().map(|bytes| Input::read(definition, bytes).unwrap()).collect();
        if !inputs[0].has(0) {
            return None;
        }
        let bits: Vec<_> = inputs.iter().map(|input| input.bits(0, stream).unwrap()).collect();
        for element in 0..stream.elements as usize {
            let at = element * stream.bits as usize..(element + 1) * stream.bits as usize;
            let share = |bits: &&[_]| recompose(&bits[at.clone()]).reveal();
            let partials: Vec<_> = roster.sharing().indices().zip(bits.iter().map(share)).collect();
            vector.push(roster.sharing().open(&partials).unwrap().value.to_u64() as f64);
        }
    }
    Some(vector)
}

fn opened_again(roster: &Roster, all: &[(Timestamp, Dealt)]) -> Option<Vec<f64>> {
    let bytes = |dealt: &'_ Dealt| -> Vec<Vec<u8>> {
        dealt.plaintexts.iter().map(|plaintext| plaintext.as_bytes().to_vec()).collect()
    };
    let parts: Vec<_> = all.iter().map(|(_, dealt)| (dealt.bundle, bytes(dealt))).collect();
    let parts: Vec<_> = parts
        .iter()
        .map(|(bundle, plaintexts)| (*bundle, plaintexts.iter().map(Vec::as_slice).collect()))
        .collect();
    opened(roster, &parts)
}

fn gradient(roster: &Roster) -> QuantityIndex {
    roster.quantity_named("gradient").unwrap()
}

fn of_one(sharing: Sharing, bits: u32, elements: u32) -> Arc<Roster> {
    let (n, t) = (sharing.peers(), sharing.threshold().get());
    Arc::new(Site::of(n, t).vector("gradient", bits, elements).agent(&[], &["gradient"]).roster())
}

/// Fewest elements, one less than fit into so many parts, just as many, and one more.
fn elements(bits: u32) -> impl Strategy<Value = u32> {
    let most = MAX_PART_BITS / bits;
    prop::sample::select(vec![2, most - 1, most, most + 1, 2 * most, 2 * most + 1])
}

fn any_sharing() -> impl Strategy<Value = Sharing> {
    let all = (3..=9).flat_map(|n| (1..=(n - 1) / 2).map(move |t| Sharing::new(n, t).unwrap()));
    prop::sample::select(all.collect::<Vec<_>>())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn what_is_shared_opens_again_however_it_is_cut(
        (sharing, bits, elements) in
            (any_sharing(), 1..=32_u32).prop_flat_map(|(s, bits)| (Just(s), Just(bits), elements(bits))),
        value in 1..1_000_000_u32,
    ) {
        let roster = of_one(sharing, bits, elements);
        let quantity = &roster.quantity(gradient(&roster)).quantity;
        let (mut agent, mut rng) = agent(&roster);
        let values = vector(value.into(), quantity);
        let at = NOON + PERIOD;
        agent.handle_vector(at, &"s0".parse().unwrap(), at, &values).unwrap();
        let all = shared(&mut agent, &mut rng, NOON + 2 * PERIOD);
        prop_assert_eq!(all.len() as u32, elements.div_ceil(MAX_PART_BITS / bits));
        let known: Vec<_> = roster.parts(roster.quantity(gradient(&roster)).streams[0].0).collect();
        prop_assert_eq!(all.iter().map(|(_, dealt)| dealt.bundle).collect::<Vec<_>>(), known);
        prop_assert_eq!(opened_again(&roster, &all), Some(values));
    }
}

#[test]
fn a_part_is_found_by_its_number_and_bound_to_its_place() {
    let site = Site::of(3, 1).vector("gradient", 16, 5_000).vector("hessian", 1, 40_000);
    let roster = site.agent(&[], &["co2", "gradient", "hessian", "co2"]).agents(5).roster();
    let agent = roster.agent(AgentIndex(0));
    let period = roster.bundle(agent.bundles[0]).period;
    // Both co2 together; 2048 + 2048 + 904 elements; 32768 + 7232.
    let cut: Vec<_> = agent.bundles.iter().map(|&bundle| roster.bundle(bundle)).collect();
    let pieces: Vec<_> = cut[1..].iter().map(|part| (part.rest, part.streams[0].elements)).collect();
    assert_eq!(pieces, [(2, 2048), (1, 2048), (0, 904), (1, 32_768), (0, 7_232)]);
    assert_eq!((cut[0].streams.len(), cut[0].streams[1].first_bit), (2, 14));
    for (number, &bundle) in (0..).zip(&agent.bundles) {
        assert_eq!(roster.bundle_of(AgentIndex(0), period, number), Some(bundle));
        let others = agent.bundles.iter().filter(|&&other| other != bundle);
        assert!(others.into_iter().all(|&b| roster.bundle(b).digest != roster.bundle(bundle).digest));
    }
    assert_eq!(roster.bundle_of(AgentIndex(0), period, 6), None);
    assert_eq!(roster.bundle_of(AgentIndex(1), period, 1), None);
    let streams = &roster.quantity(gradient(&roster)).streams;
    assert_eq!(streams[..], [(agent.bundles[1], 0)], "one vector is one stream, however it is cut");
    assert!(cut.iter().all(|bundle| plaintext_len(bundle) <= TERMS_BYTES + 1 + 8 * MAX_PART_BITS as usize));
}

#[test]
fn all_parts_of_a_window_are_of_one_reading_and_at_instants_of_their_own() {
    let roster = of_one(Sharing::new(3, 1).unwrap(), 32, 2_500);
    let quantity = &roster.quantity(gradient(&roster)).quantity;
    let (mut agent, mut rng) = agent(&roster);
    let stream = "s0".parse().unwrap();
    let begin = agent.poll_timeout().unwrap();
    let mut all = Vec::new();
    for value in 1..=3 {
        // A new reading comes before every part.
        let due = agent.poll_timeout().unwrap();
        agent.handle_vector(due, &stream, due, &vector(value.into(), quantity)).unwrap();
        assert!(events(&mut agent).is_empty(), "it is shared when all of it is");
        agent.handle_timeout(due, &mut rng);
        all.push((due, agent.poll_transmit().unwrap()));
        assert!(agent.poll_transmit().is_none(), "one part at a time");
    }
    assert_eq!(opened_again(&roster, &all), Some(vector(1.0, quantity)));
    let instants: Vec<_> = all.iter().map(|(due, _)| due.since(begin).as_millis()).collect();
    assert_eq!(instants, [0, 33, 66], "within a tenth of the period");
    assert!(all.iter().all(|(_, dealt)| dealt.window == all[0].1.window));
    let Some(Event::Published { bundle, readings, .. }) = events(&mut agent).pop() else { panic!("untold") };
    assert_eq!((bundle, readings.len()), (all[0].1.bundle, 1));
    // The next window has the newest.
    let next = shared(&mut agent, &mut rng, begin + PERIOD + PERIOD / 10);
    assert_eq!(opened_again(&roster, &next), Some(vector(3.0, quantity)));
}

#[test]
fn one_wrong_element_makes_a_gap_of_the_whole_vector_of_the_same_size() {
    let roster = of_one(Sharing::new(3, 1).unwrap(), 2, 20_000);
    let (mut agent, mut rng) = agent(&roster);
    let stream = "s0".parse().unwrap();
    let good = vec![3.0; 20_000];
    let with = |place: usize, element: f64| {
        let mut vector = good.clone();
        vector[place] = element;
        vector
    };
    let sizes = |all: &[(Timestamp, Dealt)]| -> Vec<(BundleIndex, Vec<usize>)> {
        let lengths = |dealt: &Dealt| dealt.plaintexts.iter().map(|plain| plain.as_bytes().len()).collect();
        all.iter().map(|(_, dealt)| (dealt.bundle, lengths(dealt))).collect()
    };
    let mut window = |agent: &mut Agent| {
        let due = agent.poll_timeout().unwrap();
        shared(agent, &mut rng, due + PERIOD / 5)
    };
    let mut now = NOON + PERIOD;
    agent.handle_vector(now, &stream, now, &good).unwrap();
    let whole = window(&mut agent);
    assert_eq!((whole.len(), opened_again(&roster, &whole)), (2, Some(good.clone())));
    events(&mut agent);
    for (values, reason) in [
        (good[1..].to_vec(), GapReason::WrongLength),
        ([&good[..], &[0.0]].concat(), GapReason::WrongLength),
        (vec![], GapReason::WrongLength),
        (with(19_999, 3.5), GapReason::AboveMaximum),
        (with(0, -0.001), GapReason::BelowMinimum),
        (with(12_345, f64::NAN), GapReason::NotANumber),
    ] {
        now = now + PERIOD;
        agent.handle_vector(now, &stream, now, &values).unwrap();
        let gap = window(&mut agent);
        assert_eq!((opened_again(&roster, &gap), sizes(&gap)), (None, sizes(&whole)));
        assert!(gap.iter().all(|(_, dealt)| {
            let definition = roster.bundle(dealt.bundle);
            dealt.plaintexts.iter().all(|p| !Input::read(definition, p.as_bytes()).unwrap().has(0))
        }));
        let told = events(&mut agent);
        let [Event::Published { readings, .. }] = &told[..] else { panic!("{told:?}") };
        assert_eq!(readings[..], [Err(reason)]);
    }
    // A single number is no vector, nor the reverse.
    now = now + PERIOD;
    agent.handle_reading(now, &stream, now, 1.0).unwrap();
    assert_eq!(opened_again(&roster, &window(&mut agent)), None);
    let told = events(&mut agent);
    assert!(
        matches!(&told[..], [Event::Published { readings, .. }] if readings[0] == Err(GapReason::WrongType))
    );
}

#[test]
fn vectors_that_are_held_wait_and_numbers_do_not() {
    let site = Site::of(3, 1).vector("gradient", 32, 2_500).agent(&[], &["co2", "gradient"]);
    let roster = Arc::new(site.roster());
    let (mut agent, mut rng) = agent(&roster);
    let begin = agent.poll_timeout().unwrap();
    let of = |all: &[(Timestamp, Dealt)]| -> Vec<u32> {
        all.iter().map(|(_, dealt)| roster.bundle(dealt.bundle).part).collect()
    };
    assert_eq!(of(&shared(&mut agent, &mut rng, begin)), [0, 1]);
    agent.hold_vectors(true);
    assert_eq!(of(&shared(&mut agent, &mut rng, begin + PERIOD / 2)), [] as [u32; 0]);
    // Late, yet within the window: the rest of it, one at a time.
    agent.hold_vectors(false);
    agent.handle_timeout(begin + PERIOD / 5, &mut rng);
    assert_eq!(agent.poll_transmit().map(|dealt| roster.bundle(dealt.bundle).part), Some(2));
    assert!(agent.poll_transmit().is_none());
    // Held beyond the window's end: what is left of it, and the windows after, are skipped.
    agent.hold_vectors(true);
    assert_eq!(of(&shared(&mut agent, &mut rng, begin + 3 * PERIOD)), [0, 0, 0]);
    events(&mut agent);
    agent.hold_vectors(false);
    let late = begin + 3 * PERIOD + PERIOD / 20;
    let mut parts = Vec::new();
    while agent.poll_timeout().unwrap() <= late {
        agent.handle_timeout(late, &mut rng);
        parts.extend(std::iter::from_fn(|| agent.poll_transmit()).map(|dealt| (late, dealt)));
    }
    assert_eq!(of(&parts), [1, 2]);
    assert_eq!(parts[0].1.window.0, (begin + 3 * PERIOD).as_micros() / PERIOD.as_micros() as u64);
    assert!(matches!(events(&mut agent)[..], [Event::Skipped { windows: 3 }]));
}

/// Four agents with a vector in two parts, the second of a single element, counted.
fn federation() -> World {
    let site = Site::of(3, 1).with(|site| site.minimum_cohort = 3).query("count");
    let site = site.vector("gradient", 1, MAX_PART_BITS + 1);
    let mut site = (0..4).fold(site, |site, _| site.agent(&[], &["gradient"]));
    site.document.query[0].quantity = "gradient".parse().unwrap();
    World::new(site)
}

/// Part `part` of agent 0 in window `w` on its way to `to`.
fn is_part(world: &World, part: u32, w: u64) -> impl Fn(&Packet) -> bool + use<> {
    let (roster, window) = (Arc::clone(&world.roster), world.window(w));
    move |packet| match packet.content {
        Content::Input { bundle, window: of, .. } => {
            (packet.from, of) == (Sender::Agent(0), window) && roster.bundle(bundle).part == part
        }
        Content::Asked { .. } | Content::Peer(_) => false,
    }
}

/// Fresh and carried readings of the count in window `w`.
fn counted(world: &World, w: u64) -> (u32, u32) {
    assert_eq!(world.value("count", w), 4.0);
    let published = world.published("count", w);
    (published[0].result.fresh, published[0].result.carried)
}

#[test]
fn peers_hold_and_agree_on_whole_vectors() {
    let mut world = federation();
    world.run(2);
    world.assert_sound();
    let quantity = world.roster.quantity(gradient(&world.roster)).clone();
    for w in 1..=2 {
        assert_eq!(counted(&world, w), (4, 0));
    }
    for (agent, &(first, _)) in quantity.streams.iter().enumerate() {
        let parts: Vec<_> = world.roster.parts(first).collect();
        assert_eq!(parts.len(), 2);
        let held = |&part: &BundleIndex| {
            let key = (part, world.window(2));
            (part, world.peers.iter().map(|host| host.disk.inputs[&key].as_slice()).collect())
        };
        let held: Vec<_> = parts.iter().map(held).collect();
        let read = (world.readings)(agent, 2).unwrap();
        assert_eq!(opened(&world.roster, &held), Some(vector(read, &quantity.quantity)));
    }
}

#[test]
fn a_vector_that_lacks_a_part_is_carried_whole_and_its_other_parts_are_forgotten() {
    for (part, lost_to) in [(1, vec![1, 2, 3]), (2, vec![2])] {
        let mut world = federation();
        let lost = is_part(&world, part, 2);
        let to = lost_to.clone();
        world.intercept(
            move |packet| {
                if lost(packet) && to.contains(&packet.to.get()) { Fate::Drop } else { Fate::Pass }
            },
        );
        world.run(4);
        world.assert_sound();
        let rows: Vec<_> = (1..=3).map(|w| counted(&world, w)).collect();
        assert_eq!(rows, [(4, 0), (3, 1), (4, 0)], "part {part} lost to {lost_to:?}");
        let plan = world.plan(peer(1), world.window(2)).unwrap();
        assert_eq!(plan.cohort[0].window, world.window(1));
        // The two newest whole vectors, and what the running windows bring: nothing of the broken one.
        for host in &world.peers {
            let of_agent = host.disk.inputs.keys().filter(|(bundle, _)| bundle.0 < 2);
            let windows: Vec<_> = of_agent.map(|&(bundle, w)| (bundle.0, world.since_noon(w))).collect();
            let kept = [if lost_to.contains(&host.index.get()) { 1 } else { 2 }, 3, 4, 5];
            let all = kept.map(|w| (0, w)).into_iter().chain(kept.map(|w| (1, w)));
            assert_eq!(windows, all.collect::<Vec<_>>());
        }
    }
}

#[test]
fn the_strictest_demand_among_the_parts_counts() {
    let mut world = federation();
    let demanding = is_part(&world, 2, 2);
    world.intercept(move |packet| {
        let strict = demanding(packet);
        if let Content::Input { plaintext, .. } = &mut packet.content
            && strict
        {
            plaintext[..2].copy_from_slice(&7_u16.to_be_bytes());
        }
        Fate::Pass
    });
    world.run(2);
    assert_eq!(counted(&world, 1), (4, 0));
    assert_eq!(world.reason("count", 2), "withheld: cohort 4 of 7");
}

#[test]
fn every_part_is_checked_for_being_of_bits() {
    let mut world = federation();
    let lying = is_part(&world, 2, 2);
    world.intercept(move |packet| {
        let lies = lying(packet);
        if let Content::Input { plaintext, .. } = &mut packet.content
            && lies
        {
            // Two more than the bit, consistently.
            let share = &mut plaintext[TERMS_BYTES + 1..TERMS_BYTES + 9];
            let changed = Fp::from_bytes(share.try_into().unwrap()).unwrap() + Fp::from(2);
            share.copy_from_slice(&changed.to_bytes());
        }
        Fate::Pass
    });
    world.run(2);
    assert_eq!(counted(&world, 1), (4, 0));
    let result = &world.published("count", 2)[0].result;
    assert_eq!((result.cohort, result.fresh, result.validated), (3, 3, true), "{result:?}");
    let (agent, window) = ("room-101".parse().unwrap(), world.window(2));
    let expected = Blame::InvalidInput { agent, window };
    assert!(!world.log.blamed.is_empty() && world.log.blamed.iter().all(|(_, blame)| *blame == expected));
}
