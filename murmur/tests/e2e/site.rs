//! A site from `murmur site init` to its end: what is published, what happens when somebody fails.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Output, Stdio};

use smc_core::result::{SignedResult, Status};
use smc_core::time::WindowIndex;

use crate::support::mosquitto::Message;
use crate::support::outcome::{RESULTS, all_fresh, await_outcome, number, outcome};
use crate::support::programs::Program;
use crate::support::site::Site;

/// `murmur verify` of these lines.
pub(crate) fn verify(site: &Path, lines: &[String]) -> Output {
    let mut command = Program::Murmur.command();
    command.arg("verify").arg("--site").arg(site);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(lines.join("\n").as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn lines(messages: &[Message]) -> Vec<String> {
    messages.iter().map(|message| message.text().to_owned()).collect()
}

/// The windows of `query` with a value, in the order they came.
fn windows_with_value(messages: &[Message], query: &str) -> Vec<WindowIndex> {
    let results = messages.iter().filter(|message| !message.retained).filter_map(outcome);
    let valued = results.map(|signed| signed.result);
    let valued = valued.filter(|result| result.query.as_str() == query && result.status == Status::Ok);
    valued.map(|result| result.window.index).collect()
}

#[test]
fn separate_processes_publish_results_that_verify_accepts_and_end_tidily() {
    let mut site = Site::quick("10s", &["--agents", "6", "--quantities", "co2,temperature"]);
    site.start_all();
    let observer = site.subscribe("observer-1", &[RESULTS]);

    // Every query of one window, over everybody.
    let mut messages = Vec::new();
    let mut windows: BTreeMap<WindowIndex, BTreeMap<String, SignedResult>> = BTreeMap::new();
    let complete = observer.wait_for("a window with all results over six agents", |message| {
        let signed = outcome(&message)?;
        messages.push(message);
        let of_window = windows.entry(signed.result.window.index).or_default();
        let fits = all_fresh(&signed, 6) && signed.result.verified;
        fits.then(|| of_window.insert(signed.result.query.to_string(), signed.clone()));
        (of_window.len() == 6).then(|| of_window.clone())
    });
    let value = |query: &str| number(&complete[query]).unwrap();
    assert_eq!(value("co2-count"), 6.0);
    assert!((value("co2-sum") / 6.0 - value("co2-mean")).abs() < 0.01);
    assert!((300.0..5000.0).contains(&value("co2-mean")), "no room has {} ppm", value("co2-mean"));
    assert!((5.0..40.0).contains(&value("temperature-mean")));
    for signed in complete.values() {
        assert_eq!(signed.signatures.len(), 3, "{signed:?}");
        assert_eq!(signed.result.peers.len(), 3);
    }

    // What was published is vouched for; the smallest change is not.
    let site_file = site.path("site.toml");
    let all = lines(&messages);
    let accepted = verify(&site_file, &all);
    assert!(accepted.status.success(), "{}", String::from_utf8_lossy(&accepted.stdout));
    let good = serde_json::to_string(&complete["co2-mean"]).unwrap();
    let cohort = good.replace("\"cohort\":6", "\"cohort\":7");
    let peer = good.replace("\"site\":\"hq\"", "\"site\":\"hr\"");
    for changed in [cohort, peer] {
        assert_ne!(changed, good);
        let refused = verify(&site_file, &[good.clone(), changed]);
        assert_eq!(refused.status.code(), Some(1), "{}", String::from_utf8_lossy(&refused.stdout));
        let stdout = String::from_utf8_lossy(&refused.stdout).into_owned();
        assert!(stdout.lines().nth(1).unwrap().starts_with("REFUSED line 2"), "{stdout}");
    }

    // Whoever comes later finds the last result.
    let late = site.subscribe("observer-2", &["murmur/hq/result/co2-mean"]);
    late.wait_for("a retained result", |message| message.retained.then_some(message));

    // Everybody ends when asked to, and says so.
    let nodes: Vec<String> = site.agents().into_iter().chain(site.peers()).collect();
    for node in &nodes {
        assert_eq!(site.process(node).terminate().code(), Some(0), "{node}: {}", site.log_of(node));
    }
    let topics: Vec<_> = nodes.iter().map(|node| format!("murmur/hq/status/{node}")).collect();
    let topics: Vec<_> = topics.iter().map(String::as_str).collect();
    let statuses = site.subscribe("observer-3", &topics);
    let mut offline = BTreeMap::new();
    statuses.wait_for("every node is offline, retained", |message| {
        assert!(message.retained, "{message:?}");
        offline.insert(message.topic.clone(), message.json()["state"] == "offline");
        (offline.len() == nodes.len()).then_some(())
    });
    assert!(offline.values().all(|&offline| offline), "{offline:?}");
    site.end_broker();
    site.assert_nobody_panicked();
}

#[test]
fn results_go_on_without_a_killed_peer_and_are_verified_again_once_it_is_back() {
    let mut site = Site::quick("10s", &["--agents", "6"]);
    site.start_all();
    let observer = site.subscribe("observer-1", &[RESULTS, "murmur/hq/status/peer-1"]);
    let mut messages = Vec::new();
    let mut next = |what: &str, fits: &dyn Fn(&SignedResult) -> bool| {
        observer.wait_for(what, |message| {
            let signed = outcome(&message)?;
            messages.push(message);
            (signed.result.query.as_str() == "co2-mean" && fits(&signed)).then_some(signed)
        })
    };
    let before = next("a verified result", &|signed| all_fresh(signed, 6) && signed.result.verified);
    assert_eq!(before.result.peers.len(), 3);

    // The one that publishes dies in the middle of its work.
    site.process("peer-1").kill();
    let without = next("a result of the others", &|signed| {
        signed.result.status == Status::Ok && !signed.result.verified
    });
    let peers: Vec<_> = without.result.peers.iter().map(ToString::to_string).collect();
    assert_eq!(peers, ["peer-2", "peer-3"]);
    assert_eq!(without.signatures.keys().map(ToString::to_string).collect::<Vec<_>>(), peers);
    assert!(without.result.window.index > before.result.window.index);
    let lost = without.result.window.index.0 - before.result.window.index.0 - 1;
    assert!(lost <= 3, "{lost} windows were lost when a peer died");

    site.start("peer-1");
    let died = without.result.window.index;
    let back =
        next("a verified result", &|signed| signed.result.verified && signed.result.window.index > died);
    assert_eq!(back.result.peers.len(), 3);
    // A second or two for the process to start on a busy machine, and a few windows to find its place again.
    let took = back.result.window.index.0 - died.0;
    assert!(took <= 10, "it took {took} windows until the peer took part again");
    next("one more", &|signed| signed.result.window.index > back.result.window.index);

    for query in ["co2-count", "co2-sum", "co2-mean"] {
        let windows = windows_with_value(&messages, query);
        assert!(windows.is_sorted_by(|a, b| a < b), "two results of one window: {windows:?}");
    }
    let accepted = verify(&site.path("site.toml"), &lines(&messages));
    assert!(accepted.status.success(), "{}", String::from_utf8_lossy(&accepted.stdout));
    site.assert_nobody_panicked();
}

#[test]
fn a_peer_that_hangs_is_waited_for_no_longer_than_a_step() {
    let mut site = Site::quick("10s", &["--agents", "6"]);
    site.set("site.toml", "step", "\"400ms\"");
    site.start_all();
    let observer = site.subscribe("observer-1", &[RESULTS]);
    let next = |what: &str, fits: &dyn Fn(&SignedResult) -> bool| {
        await_outcome(&observer, "co2-mean", what, |signed| {
            signed.result.status == Status::Ok && fits(signed)
        })
    };
    next("a verified value", &|signed| signed.result.verified);
    // It is connected, so nobody is told that it is gone.
    let statuses = site.subscribe("observer-2", &["murmur/hq/status/peer-2"]);
    site.process("peer-1").signal("STOP");
    statuses.wait_for("peer-2 finds it slow", |message| {
        (message.json()["peers"]["peer-1"] == "slow").then_some(())
    });
    let without = next("a value of the others", &|signed| signed.result.peers.len() == 2);
    let windows = without.result.window.index;
    next("a value of the others, again", &|signed| signed.result.window.index.0 >= windows.0 + 3);
    site.process("peer-1").signal("CONT");
    next("a value of all", &|signed| signed.result.verified && signed.result.window.index > windows);
    assert_eq!(site.process("peer-1").terminate().code(), Some(0));
    site.assert_nobody_panicked();
}

#[test]
fn a_silent_agent_is_carried_within_its_epoch_and_then_too_few_are_withheld() {
    const EPOCH: u64 = 12;
    let mut site = Site::quick("12s", &["--agents", "6"]);
    site.start_all();
    let observer = site.subscribe("observer-1", &[RESULTS]);
    let next = |what: &str, fits: &dyn Fn(&SignedResult) -> bool| {
        await_outcome(&observer, "co2-sum", what, |signed| {
            let result = &signed.result;
            assert!(result.status != Status::Ok || result.cohort >= 5, "{result:?}");
            assert_eq!(result.status == Status::Ok, result.value.is_some(), "{result:?}");
            assert_eq!(
                result.cohort,
                result.fresh + result.carried + if result.value.is_some() { 0 } else { result.cohort }
            );
            fits(signed)
        })
    };
    let epoch = |signed: &SignedResult| signed.result.window.index.0 / EPOCH;

    // Early in an epoch, so that there is time to see somebody carried in it.
    let whole = next("six fresh readings early in an epoch", &|signed| {
        all_fresh(signed, 6) && signed.result.window.index.0 % EPOCH < 4
    });
    site.process("room-6").kill();
    let carried = next("a reading carried", &|signed| signed.result.carried == 1);
    assert_eq!((carried.result.cohort, carried.result.fresh), (6, 5));
    assert_eq!(epoch(&carried), epoch(&whole), "nobody is carried into another epoch");
    // With two of six carried, the four others would stand out in the difference to the window before.
    site.process("room-5").kill();
    let stale = next("too few fresh readings", &|signed| signed.result.status == Status::Withheld);
    assert!(stale.result.reason.as_ref().unwrap().starts_with("fresh 4 of 5: "), "{stale:?}");
    assert_eq!(epoch(&stale), epoch(&whole));

    // The next epoch waits for them for 5 s; then they are gone, and four are too few.
    let waits = next("the last cohort waited for", &|signed| {
        signed.result.reason.as_ref().is_some_and(|reason| reason.contains("of the 6 of the last cohort"))
    });
    assert_eq!((waits.result.status, waits.result.window.index.0 % EPOCH), (Status::Withheld, 0));
    assert_eq!(epoch(&waits), epoch(&whole) + 1);
    let too_few = Some("cohort 4 of 5".to_owned());
    let withheld = next("too small a cohort", &|signed| signed.result.reason == too_few);
    assert_eq!(withheld.result.status, Status::Withheld);
    assert_eq!(withheld.result.window.index.0 % EPOCH, 5);
    assert_eq!(epoch(&withheld), epoch(&waits));
    let retained = site.subscribe("observer-2", &["murmur/hq/result/co2-mean"]);
    let message =
        retained.wait_for("the last word on the mean", |message| message.retained.then_some(message));
    assert!(message.json()["value"].is_null() && message.json()["status"] == "withheld", "{message:?}");

    // A cohort that was never agreed on binds nobody: they are back as soon as they speak again.
    site.start("room-5");
    site.start("room-6");
    next("six fresh readings again", &|signed| all_fresh(signed, 6));
    site.assert_nobody_panicked();
}
