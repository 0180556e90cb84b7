//! Whole windows of whole sites whose nodes all work.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says no by panicking")]

use std::collections::BTreeMap;
use std::time::Duration;

use smc_core::result::SignedResult;
use smc_sim::world::{Content, Fate, Sender, Site, World, peer};

#[test]
fn every_function_equals_the_plain_computation_for_every_n_and_t() {
    for n in 3..=9 {
        for t in 1..=(n - 1) / 2 {
            let mut world = World::new(Site::of(n, t).agents(6).query("count").query("sum").query("mean"));
            world.run(1);
            world.assert_sound();
            for w in 0..=1 {
                let all: Vec<_> = (0..6).map(|agent| (agent, w)).collect();
                for function in ["count", "sum", "mean"] {
                    let plain = world.plainly(function, &all);
                    assert_eq!(world.value(function, w), plain, "{function} of ({n}, {t})");
                }
                let result = &world.published("sum", w)[0].result;
                assert_eq!((result.cohort, result.fresh, result.carried), (6, 6, 0));
                assert_eq!((result.peers.len(), result.verified), (usize::from(n), true));
                assert_eq!(world.published("sum", w)[0].signatures.len(), usize::from(n));
            }
        }
    }
}

#[test]
fn the_last_reading_of_a_silent_agent_stands_in_for_the_missing_one() {
    let mut world = World::new(Site::of(3, 1).agents(7).query("sum"));
    world.read(|agent, w| (agent != 2 || ![1, 2, 4].contains(&w)).then_some((100 * agent as u64 + w) as f64));
    world.run(5);
    world.assert_sound();
    for (w, of_2) in [(0, 0), (1, 0), (2, 0), (3, 3), (4, 3), (5, 5)] {
        let covered: Vec<_> = (0..7).map(|agent| (agent, if agent == 2 { of_2 } else { w })).collect();
        assert_eq!(world.value("sum", w), world.plainly("sum", &covered), "window {w}");
        let result = &world.published("sum", w)[0].result;
        assert_eq!(result.carried, u32::from(of_2 != w), "window {w}");
        assert_eq!(result.cohort, 7);
    }
}

#[test]
fn nobody_joins_or_leaves_before_the_epoch_ends() {
    let mut world = World::new(Site::of(3, 1).agents(8).query("count").query("sum"));
    // Agent 6 falls silent for good in window 3; agent 7 first speaks in window 1.
    let speaks = |agent, w| match agent {
        6 => w < 3,
        7 => w >= 1,
        _ => true,
    };
    world.read(move |agent, w| speaks(agent, w).then_some(500.0 + agent as f64));
    world.run(11);
    world.assert_sound();
    for w in 0..10 {
        let plan = world.plan(smc_sim::world::peer(1), world.window(w)).unwrap();
        let members: Vec<_> = world.covered("sum", plan).into_iter().map(|(agent, _)| agent).collect();
        assert_eq!(members, [0, 1, 2, 3, 4, 5, 6], "window {w}");
    }
    for w in 10..12 {
        let plan = world.plan(smc_sim::world::peer(1), world.window(w)).unwrap();
        let members: Vec<_> = world.covered("sum", plan).into_iter().map(|(agent, _)| agent).collect();
        assert_eq!(members, [0, 1, 2, 3, 4, 5, 7], "window {w}");
    }
}

#[test]
fn an_epoch_need_not_be_a_whole_number_of_windows() {
    let site = Site::of(3, 1).agents(6).query("sum");
    let site = site.with(|site| site.cohort_epoch = "2500ms".parse().unwrap());
    let mut world = World::new(site);
    world.read(|agent, w| (agent != 5 || w % 2 == 0).then_some(700.0));
    world.run(10);
    world.assert_sound();
    // Epochs begin with windows 0, 3, 5, 8 and 10; agent 5 takes part in those that begin with an even window.
    let cohort = |w: u64| world.published("sum", w)[0].result.cohort;
    assert_eq!((0..=10).map(cohort).collect::<Vec<_>>(), [6, 6, 6, 5, 5, 5, 5, 5, 6, 6, 6]);
}

#[test]
fn a_cohort_below_the_minimum_is_withheld() {
    let mut world = World::new(Site::of(3, 1).agents(5).query("sum"));
    world.read(|agent, _| (agent != 3).then_some(500.0));
    world.run(1);
    assert_eq!(world.reason("sum", 0), "withheld: cohort 4 of 5");
    assert_eq!(world.succeeded("sum"), 0);
    // No share of any output was ever released.
    let partials = world.log.sent.iter().filter(|(_, p)| p.content.step() == smc_sim::world::Step::Partial);
    assert_eq!(partials.count(), 0);
}

#[test]
fn too_few_agents_do_not_freeze_the_cohort() {
    let mut world = World::new(Site::of(3, 1).agents(5).query("sum"));
    world.read(|agent, w| (agent != 3 || w >= 2).then_some(500.0));
    world.run(2);
    assert_eq!(world.reason("sum", 1), "withheld: cohort 4 of 5");
    assert_eq!(world.value("sum", 2), 2500.0);
    world.assert_sound();
}

#[test]
fn an_agents_own_terms_hold_for_every_result_that_covers_it() {
    let site = Site::of(3, 1).agents(12).query("sum").scoped("floor-1", "sum", &[("floor", "1")]);
    let mut world = World::new(site.scoped("floor-2", "sum", &[("floor", "2")]));
    world.demand(1, 7);
    world.run(1);
    world.assert_sound();
    assert_eq!(world.reason("floor-2", 0), "withheld: cohort 6 of 7");
    assert_eq!(world.value("floor-1", 0), (0..6).map(|i| 400.0 + 74.0 * f64::from(i)).sum::<f64>());
    // `sum` covers it together with eleven others, but beside `floor-1` it would tell about six.
    assert_eq!(world.reason("sum", 0), "withheld: overlap: it would single out 6 agents, fewer than 7");
}

#[test]
fn results_that_would_single_somebody_out_together_are_withheld() {
    // All but floor 1 are five agents: enough by the site file, too few once one is missing.
    let site = Site::of(3, 1).agents(10).query("sum").scoped("floor-1", "sum", &[("floor", "1")]);
    let mut world = World::new(site);
    world.read(|agent, w| (agent != 3 || w >= 10).then_some(600.0));
    world.run(10);
    world.assert_sound();
    for w in 0..10 {
        assert_eq!(world.value("floor-1", w), 3000.0);
        let reason = world.reason("sum", w);
        assert_eq!(reason, "withheld: overlap: it would single out 4 agents, fewer than 5");
    }
    assert_eq!(world.value("sum", 10), 6000.0);
}

#[test]
fn nobody_can_follow_one_agent_by_holding_the_others_back() {
    let mut world =
        World::new(Site::of(3, 1).agents(10).query("sum").scoped("floor-1", "sum", &[("floor", "1")]));
    let begin = world.window(2);
    // From window 2 on the network lets agent 4 through, later agents 0 to 4: too few for `floor-1`, too.
    let more = world.window(5);
    world.intercept(move |packet| match packet.from {
        Sender::Agent(4) => Fate::Pass,
        Sender::Agent(i) if packet.content.window() >= more && i < 4 => Fate::Pass,
        Sender::Agent(_) if packet.content.window() >= begin => Fate::Drop,
        _ => Fate::Pass,
    });
    world.run(7);
    world.assert_sound();
    let carried = "with most readings carried, the others would stand out";
    for w in 2..5 {
        assert_eq!(world.reason("sum", w), format!("withheld: fresh 1 of 5: {carried}"));
        assert_eq!(world.reason("floor-1", w), format!("withheld: fresh 1 of 5: {carried}"));
    }
    for w in 5..8 {
        assert_eq!(world.reason("floor-1", w), format!("withheld: fresh 3 of 5: {carried}"));
        assert_eq!(world.published("sum", w)[0].result.fresh, 5);
    }
}

#[test]
fn all_queries_on_a_quantity_share_one_agreement() {
    let site = Site::of(3, 1).agents(10).query("sum").query("mean").query("count");
    let mut world = World::new(site.scoped("floor-1", "mean", &[("floor", "1")]));
    world.run(3);
    world.assert_sound();
    assert_eq!(world.log.agreed.len(), 3 * 4, "once per peer and window");
    let mut votes = BTreeMap::new();
    for (_, packet) in world.log.sent.iter().filter(|(_, p)| p.content.step() == smc_sim::world::Step::Vote) {
        *votes.entry((packet.from, packet.content.window())).or_insert(0) += 1;
    }
    assert_eq!(votes.len(), 3 * 4);
    assert!(votes.values().all(|&sent| sent == 2), "one vote, to two others");
    assert_eq!(world.value("mean", 3), world.value("sum", 3) / 10.0);
}

#[test]
fn quantities_with_other_periods_run_beside_each_other() {
    let mut site = (0..6).fold(Site::of(3, 1), |site, _| site.agent(&[], &["co2", "door"]));
    let door = r#"{"name":"door","minimum":0,"maximum":4095,"resolution":1,"period":"3s"}"#;
    site.document.quantity.push(serde_json::from_str(door).unwrap());
    let mut site = site.query("sum");
    let mut doors = site.document.query[0].clone();
    (doors.name, doors.quantity) = ("doors".parse().unwrap(), "door".parse().unwrap());
    site.document.query.push(doors);
    let mut world = World::new(site);
    world.read(|agent, _| Some(10.0 * agent as f64));
    world.run(7);
    assert_eq!(world.value("sum", 7), 150.0);
    let ok = world.log.results.iter().filter(|told| told.publish && told.signed.result.value.is_some());
    let doors: Vec<_> = ok.filter(|told| told.signed.result.query.as_str() == "doors").collect();
    assert_eq!(doors.len(), 2, "of 0 to 3 s and of 3 to 6 s after noon");
    assert!(doors.iter().all(|told| told.signed.result.value.as_ref().unwrap().as_number() == Some(150.0)));
}

#[test]
fn an_agents_messages_have_one_size_and_one_rhythm_whatever_it_reads() {
    let record = |readings: fn(usize, u64) -> Option<f64>| {
        let mut world = World::new(Site::of(3, 1).agents(5).query("sum"));
        world.read(readings);
        world.run(6);
        let size = |content: &Content| match content {
            Content::Input { plaintext, .. } => plaintext.len(),
            Content::Asked { .. } | Content::Peer(_) => 0,
        };
        let agents = world.log.sent.iter().filter(|(_, packet)| matches!(packet.from, Sender::Agent(_)));
        agents.map(|(at, packet)| (*at, packet.from, packet.to, size(&packet.content))).collect::<Vec<_>>()
    };
    let still = record(|_, _| Some(400.0));
    assert_eq!(still.len(), 5 * 8 * 3);
    assert_eq!(still, record(|agent, w| Some((agent as u64 * 911 + w * 577) as f64)));
    assert_eq!(still, record(|_, _| None), "gaps");
    assert_eq!(still, record(|agent, w| (agent as u64 + w).is_multiple_of(3).then_some(1e9)), "out of range");
}

#[test]
fn what_is_held_does_not_grow() {
    let mut site = Site::of(3, 1).agents(5).query("sum").query("count");
    site = site.agent(&[], &["co2", "co2", "co2"]).with(|site| site.cohort_epoch = "1h".parse().unwrap());
    let mut world = World::new(site);
    // Agent 0 speaks once, agent 1 now and then, agent 2 never; the others always.
    world.read(|agent, w| match agent {
        0 => (w == 0).then_some(400.0),
        1 => (w % 17 == 0).then_some(410.0),
        2 => None,
        _ => Some(420.0),
    });
    let mut most = 0;
    for w in 0..500 {
        world.run(w);
        let held = world.peers.iter().map(|host| {
            let held = host.peer.as_ref().unwrap().inputs_held();
            assert_eq!(held, host.disk.inputs.len(), "what is dropped is erased");
            held
        });
        most = held.max().unwrap();
        assert!(most <= 6 * 4, "{most} inputs in window {w}");
        world.log = smc_sim::world::Log::default();
    }
    assert!(most >= 6);
}

#[test]
fn any_changed_field_breaks_the_signatures() {
    let mut world = World::new(Site::of(3, 1).agents(6).query("sum"));
    world.read(|agent, w| (agent < 5 || w == 0).then_some(500.0));
    world.run(1);
    for w in 0..=1 {
        let signed = world.published("sum", w)[0];
        let json = serde_json::to_value(signed).unwrap();
        let read = |json: &serde_json::Value| serde_json::from_value::<SignedResult>(json.clone());
        assert_eq!(read(&json).unwrap().verify(&world.roster), Ok(()));
        let fields: Vec<_> = json.as_object().unwrap().keys().cloned().collect();
        assert_eq!(fields.len(), 17);
        for within in ["", "/window"] {
            let mut added = json.clone();
            added.pointer_mut(within).unwrap()["values"] = 1.into();
            assert!(read(&added).unwrap_err().to_string().contains("unknown field `values`"));
        }
        for field in fields {
            let mut changed = json.clone();
            change(&mut changed[&field]);
            assert_ne!(changed, json, "{field}");
            let read = read(&changed);
            assert!(read.is_err() || read.unwrap().verify(&world.roster).is_err(), "{field}");
        }
    }
}

/// Changes the first leaf into another value of its type.
fn change(value: &mut serde_json::Value) {
    use serde_json::Value;
    match value {
        Value::Null => *value = Value::String("because".to_owned()),
        Value::Bool(flag) => *flag = !*flag,
        Value::Number(number) => *value = (number.as_i64().unwrap() + 1).into(),
        Value::String(text) if text.is_empty() => text.push('m'),
        Value::String(text) if text == "ok" => *text = "failed".to_owned(),
        Value::String(text) => {
            // Some letter of the middle, for the ends of a base64 text may be fixed.
            let middle = text.len() / 2;
            let other = if text.as_bytes()[middle] == b'1' { "2" } else { "1" };
            text.replace_range(middle..=middle, other);
        }
        Value::Array(items) => drop(items.pop()),
        Value::Object(entries) => change(entries.values_mut().next().unwrap()),
    }
}

#[test]
fn a_missing_signature_of_a_quorum_is_noticed() {
    let mut world = World::new(Site::of(5, 2).agents(6).query("sum"));
    world.run(0);
    let mut signed = world.published("sum", 0)[0].clone();
    for (need, left) in [(3, 4), (3, 3)] {
        signed.signatures.pop_first();
        assert_eq!(signed.signatures.len(), left);
        assert!(left >= need && signed.verify(&world.roster).is_ok());
    }
    signed.signatures.pop_first();
    let refused = signed.verify(&world.roster).unwrap_err();
    assert_eq!(refused.to_string(), "2 signatures; at least 3 peers must have signed a result");
}

#[test]
fn a_clock_that_jumps_skips_windows_and_then_goes_on() {
    let mut world = World::new(Site::of(3, 1).agents(6).query("sum"));
    world.run(2);
    world.now = world.now + Duration::from_secs(5);
    world.run(9);
    assert_eq!(world.log.skipped.len(), 3);
    assert!(world.log.skipped.iter().all(|&(_, windows)| windows == 4));
    world.assert_values_are_plain();
    // The window that the jump landed after has no inputs: all readings would be carried.
    let reason = world.reason("sum", 7);
    assert_eq!(reason, "withheld: fresh 0 of 5: with most readings carried, the others would stand out");
    assert_eq!(world.value("sum", 9), (0..6).map(|i| f64::from(400 + 37 * i + 99)).sum::<f64>());
    world.assert_one_vote();
}

#[test]
fn functions_that_multiply_take_more_rounds_and_come_to_the_plain_value() {
    for (n, t) in [(3, 1), (5, 2)] {
        let mut world = World::new(Site::of(n, t).agents(8).query("max").scoped("top-1", "max", &[]));
        world.read(|agent, w| Some((400 + (agent as u64 * 977 + w * 331) % 5_000) as f64));
        world.run(3);
        world.assert_sound();
        for w in 1..=3 {
            let most = (0..8).filter_map(|agent| (world.readings)(agent, w)).fold(0.0, f64::max);
            assert_eq!(world.value("max", w), most);
            assert_eq!(world.value("top-1", w), most);
            assert!(world.published("max", w)[0].result.validated);
        }
    }
}

#[test]
fn products_need_more_peers_than_sums() {
    let mut world = World::new(Site::of(3, 1).agents(6).query("max").query("sum"));
    world.run(1);
    world.crash(peer(2));
    world.run(2);
    world.restart(peer(2));
    world.run(4);
    assert_eq!(world.reason("max", 2), "failed: 2 of 3 peers: products need that many");
    let sum = world.published("sum", 2)[0];
    assert!(sum.result.value.is_some() && !sum.result.validated && !sum.result.verified);
    // The reborn peer has contributed anew.
    let after = world.published("max", 4)[0];
    assert!(after.result.value.is_some() && after.result.validated, "{after:?}");
}
