//! A peer whose shares come by several connections, at brokers that divide them and at one that does not.

use serde_json::Value;

use crate::clocks::told;
use crate::support::brokers::{Kind, is_elsewhere};
use crate::support::mosquitto::Subscriber;
use crate::support::outcome::{RESULTS, all_fresh, await_outcome, number};
use crate::support::site::Site;

const AGENTS: usize = 6;

/// Rooms whose readings stay what they are, and a first peer that is to have two workers; the sum of all readings.
fn site(kind: Kind) -> (Site, f64) {
    let mut site = Site::quick_on(kind, "10s", &["--agents", &AGENTS.to_string()]);
    let mut sum = 0;
    for (place, room) in site.agents().into_iter().enumerate() {
        let co2 = 600 + 37 * place;
        sum += co2;
        site.set_source(
            &room,
            &format!("kind = \"command\"\nprogram = \"echo\"\narguments = [\"{co2}\"]\ninterval_s = 0.2\nreadings.co2 = {{}}\n"),
        );
    }
    site.edit("peer-1.toml", |text| format!("workers = 2\n{text}"));
    (site, sum as f64)
}

/// Waits until the first peer tells something of its workers.
fn await_workers<T>(statuses: &Subscriber, what: &str, find: impl Fn(&[Value]) -> Option<T>) -> T {
    told(statuses, "peer-1", what, |status| find(status["workers"].as_array()?))
}

fn is(worker: &Value, client: &str, state: &str) -> bool {
    worker["client"] == client && worker["state"] == state
}

fn both_share(workers: &[Value]) -> bool {
    matches!(workers, [first, second] if is(first, "peer-1", "shared") && is(second, "peer-1.worker-2", "shared"))
}

fn shares(worker: &Value) -> u64 {
    worker["shares"].as_u64().unwrap()
}

/// Waits for a result of all peers over all rooms, and holds it against the truth.
fn await_truth(observer: &Subscriber, what: &str, truth: f64) {
    let signed = await_outcome(observer, "co2-sum", what, |signed| {
        all_fresh(signed, AGENTS as u32) && signed.result.verified && signed.result.peers.len() == 3
    });
    assert_eq!(number(&signed), Some(truth));
}

#[test]
fn two_workers_of_a_peer_divide_its_shares_over_mosquitto_and_results_stay_true_when_one_is_cut_off() {
    let (mut site, truth) = site(Kind::Mosquitto);
    site.start_broker();
    let statuses = site.subscribe("observer-1", &["murmur/hq/status/+"]);
    let observer = site.subscribe("observer-2", &[RESULTS]);
    site.start_nodes();
    await_workers(&statuses, "that both have joined", |workers| both_share(workers).then_some(()));
    await_truth(&observer, "a result by two workers", truth);

    // Whoever connects under a client id pushes off who had it. What was on its way to it is asked for again, by the card.
    let cards = site.subscribe("observer-3", &["murmur/hq/card/peer-1"]);
    cards.wait_for("the card as it is", |message| message.retained.then_some(()));
    assert!(site.login("peer-1", "peer-1.worker-2").comes_in());
    let cut = await_workers(&statuses, "that one was cut off", |workers| {
        (workers[1]["broke"] == 1).then(|| (shares(&workers[0]), shares(&workers[1])))
    });
    cards.wait_for("the card once more", |message| (!message.retained).then_some(()));
    await_workers(&statuses, "that it is back", |workers| both_share(workers).then_some(()));
    await_truth(&observer, "a result by both, again", truth);
    let later = await_workers(&statuses, "that both took shares since", |workers| {
        let (first, second) = (shares(&workers[0]), shares(&workers[1]));
        (first > cut.0 && second > cut.1).then_some((first, second))
    });
    assert!(site.login("peer-1", "peer-1").comes_in());
    await_workers(&statuses, "that the first was cut off", |workers| {
        workers[0]["state"].as_str().filter(|state| *state != "shared").map(drop)
    });
    await_workers(&statuses, "that both share again", |workers| both_share(workers).then_some(()));
    await_truth(&observer, "a result by both, once more", truth);
    let more = (later.0 - cut.0) as f64 / (later.1 - cut.1) as f64;
    assert!((0.2..=5.0).contains(&more), "one took nearly all of them: {cut:?}, then {later:?}");
    site.assert_nobody_panicked();
}

#[test]
fn a_broker_that_divides_no_shares_is_told_of_and_all_of_them_come_by_one_connection() {
    if Kind::chosen() == Kind::Mosquitto && is_elsewhere("Mosquitto divides them") {
        return;
    }
    let (mut site, truth) = site(Kind::chosen());
    site.start_broker();
    let statuses = site.subscribe("observer-1", &["murmur/hq/status/+"]);
    let observer = site.subscribe("observer-2", &[RESULTS]);
    site.start_nodes();
    await_workers(&statuses, "that one takes them all", |workers| {
        matches!(workers, [first, second] if is(first, "peer-1", "alone") && is(second, "peer-1.worker-2", "refused"))
            .then_some(())
    });
    await_truth(&observer, "a result by one connection", truth);
    let log = site.log_of("peer-1");
    assert!(log.contains("set `workers` to 1, or take a broker that does (docs/brokers.md)"), "{log}");
    site.assert_nobody_panicked();
}
