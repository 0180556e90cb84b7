//! Outputs for one client's eyes alone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says no by panicking")]

use std::collections::BTreeMap;

use smc_core::field::Fp;
use smc_core::message::{PeerMessage, Purpose};
use smc_core::name::NodeName;
use smc_core::output::{self, OutputError, SealedOutput};
use smc_core::result::Status;
use smc_core::roster::document::{ClientTable, QueryTable};
use smc_sim::world::{Content, Fate, Sender, Site, World, peer};

const FUNCTIONS: [&str; 5] = ["argmax", "max", "mean", "median", "sum"];

/// A site on which `display` asks for each function, and room-103 for its rank.
fn site(n: u8, t: u8) -> Site {
    let mut site = Site::of(n, t).agents(7);
    let sealing = *site.keys[0].sealing.public();
    site.document.client.push(ClientTable {
        name: "display".parse().unwrap(),
        identity: None,
        sealing,
        groups: Vec::new(),
    });
    let query = |name: &str| QueryTable::new(name.parse().unwrap(), name, "co2".parse().unwrap());
    for name in FUNCTIONS {
        site.document.query.push(QueryTable { audience: "display".parse().ok(), ..query(name) });
    }
    site.document.query.push(QueryTable { agent: "room-103".parse().ok(), ..query("rank") });
    site
}

/// What the peers sealed in window `w`, by query; through the text form.
fn sealed(world: &World, w: u64) -> BTreeMap<String, BTreeMap<NodeName, SealedOutput>> {
    let mut all: BTreeMap<String, BTreeMap<NodeName, SealedOutput>> = BTreeMap::new();
    for (_, to, output) in world.log.outputs.iter().filter(|(_, _, o)| o.window == world.window(w)) {
        let output = SealedOutput::from_bytes(&output.to_bytes()).unwrap();
        assert_eq!(to.as_str(), if output.query.as_str() == "rank" { "room-103" } else { "display" });
        let of_query = all.entry(output.query.to_string()).or_default();
        assert!(of_query.insert(output.from.clone(), output).is_none(), "handed over twice");
    }
    all
}

#[test]
fn the_client_opens_what_no_peer_learns() {
    for (n, t) in [(3, 1), (4, 1), (5, 2)] {
        let mut world = World::new(site(n, t));
        world.read(|agent, w| Some((400 + (agent as u64 * 977 + w * 331) % 5_000) as f64));
        world.run(2);
        let readings: Vec<f64> = (0..7).map(|agent| (world.readings)(agent, 2).unwrap()).collect();
        let mut sorted = readings.clone();
        sorted.sort_by(f64::total_cmp);
        let sum: f64 = readings.iter().sum();
        let above = readings.iter().filter(|&&x| x > readings[2]).count() as f64;
        let mean = (sum / 7.0 * 100.0).round() / 100.0;
        let plain = BTreeMap::from([
            ("max", sorted[6]),
            ("mean", mean),
            ("median", sorted[3]),
            ("rank", above + 1.0),
            ("sum", sum),
        ]);
        for (query, outputs) in sealed(&world, 2) {
            let opened = output::open(&world.roster, &outputs).unwrap();
            if query == "argmax" {
                let greatest = (0..7).find(|&agent| readings[agent] == sorted[6]).unwrap();
                let text = opened.value.to_string();
                assert!(text.contains(&format!("room-{}", 101 + greatest)), "{text}");
                continue;
            }
            assert_eq!(opened.value.as_number(), Some(plain[query.as_str()]), "{query} ({n}, {t})");
            let result = &world.published(&query, 2)[0].result;
            assert_eq!((result.status, result.value.is_none()), (Status::Ok, true));
            assert_eq!((result.cohort, result.audience.is_some()), (7, true));
            assert_eq!(world.published(&query, 2)[0].verify(&world.roster), Ok(()));
        }
        // A sum needs no round at all now: nothing of it goes from peer to peer.
        assert!(!world.log.sent.iter().any(|(_, packet)| {
            matches!(&packet.content, Content::Peer(PeerMessage::Partial(partial))
                if partial.of == Purpose::Query("sum".parse().unwrap()))
        }));
        world.assert_one_vote();
    }
}

#[test]
fn a_client_notices_wrong_missing_and_foreign_shares() {
    let mut world = World::new(site(4, 1));
    world.run(1);
    let good = sealed(&world, 1).remove("sum").unwrap();
    let name = |i: u8| format!("peer-{i}").parse::<NodeName>().unwrap();
    let spoilt = |change: &dyn Fn(&mut BTreeMap<NodeName, SealedOutput>)| {
        let mut outputs = good.clone();
        change(&mut outputs);
        output::open(&world.roster, &outputs)
    };
    let corrected = spoilt(&|outputs| outputs.get_mut(&name(2)).unwrap().shares.0[0] += Fp::ONE).unwrap();
    assert_eq!((corrected.corrected, corrected.verified), (vec![name(2)], true));
    let wrong = spoilt(&|outputs| {
        outputs.remove(&name(4));
        outputs.get_mut(&name(2)).unwrap().shares.0[0] += Fp::ONE;
    });
    assert!(matches!(wrong, Err(OutputError::Open(_))), "{wrong:?}");
    let few = spoilt(&|outputs| outputs.retain(|peer, _| *peer == name(1)));
    assert!(matches!(few, Err(OutputError::Open(_))), "{few:?}");
    let unconfirmed = spoilt(&|outputs| outputs.retain(|peer, _| *peer <= name(2))).unwrap();
    assert!(!unconfirmed.verified);
    let first_differs = spoilt(&|outputs| outputs.get_mut(&name(1)).unwrap().readings += 1);
    assert_eq!(first_differs, Err(OutputError::Differs { peer: name(1) }));
    let differs = spoilt(&|outputs| outputs.get_mut(&name(3)).unwrap().readings += 1);
    assert_eq!(differs, Err(OutputError::Differs { peer: name(3) }));
    let borrowed = spoilt(&|outputs| outputs.get_mut(&name(3)).unwrap().from = name(2));
    assert_eq!(borrowed, Err(OutputError::Differs { peer: name(3) }));
    let stranger = spoilt(&|outputs| {
        let mut output = outputs[&name(1)].clone();
        output.from = "room-101".parse().unwrap();
        outputs.insert(output.from.clone(), output);
    });
    assert_eq!(stranger, Err(OutputError::NotAPeer { peer: "room-101".parse().unwrap() }));
    assert!(spoilt(&BTreeMap::clear).is_err());
}

#[test]
fn what_too_few_peers_sealed_does_not_count_as_verified() {
    let mut world = World::new(site(3, 1));
    world.run(1);
    world.crash(peer(3));
    world.run(2);
    assert!(world.published("sum", 1)[0].result.verified);
    assert!(!world.published("sum", 2)[0].result.verified);
    assert!(!output::open(&world.roster, &sealed(&world, 2)["sum"]).unwrap().verified);
}

#[test]
fn garbled_outputs_are_refused() {
    let mut world = World::new(site(3, 1));
    world.run(1);
    let bytes = world.log.outputs[0].2.to_bytes().to_vec();
    for cut in [0, 1, 40, bytes.len() - 1] {
        assert_eq!(SealedOutput::from_bytes(&bytes[..cut]), Err(OutputError::Malformed), "{cut}");
    }
    let mut above_p = bytes.clone();
    let end = above_p.len();
    above_p[end - 8..].fill(0xff);
    assert_eq!(SealedOutput::from_bytes(&above_p), Err(OutputError::Malformed));
}

#[test]
fn a_peer_that_is_cut_off_in_the_middle_leaves_no_output_behind() {
    let mut world = World::new(site(3, 1));
    let cut = world.window(1);
    world.intercept(move |packet| {
        let late = packet.from == Sender::Peer(peer(3)) && packet.content.window() == cut;
        let computing = matches!(&packet.content, Content::Peer(PeerMessage::Partial(partial))
            if partial.of == Purpose::Query("max".parse().unwrap()) && partial.round > 2);
        if late && computing { Fate::Drop } else { Fate::Pass }
    });
    world.run(2);
    // Peer 3 hears the others and comes to its end; alone its shares tell nothing.
    let outputs = sealed(&world, 1).remove("max").unwrap_or_default();
    assert!(output::open(&world.roster, &outputs).is_err());
    assert!(world.reason("max", 1).starts_with("failed: "));
    assert!(output::open(&world.roster, &sealed(&world, 2)["max"]).is_ok());
}
