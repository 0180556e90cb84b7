//! `kill -9` at any moment, of any role: what it costs, and that nobody has to be asked to come back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use smc_core::agent::Agent;
use smc_core::protocol::terms::Terms;
use smc_core::result::{SignedResult, Status};
use smc_core::roster::AgentIndex;
use smc_core::time::{Timestamp, WindowIndex};
use smc_mqtt::clock::Clock;

use crate::support::brokers::{is_elsewhere, is_rabbitmq};
use crate::support::mosquitto::Subscriber;
use crate::support::outcome::{RESULTS, all_fresh, await_outcome, outcome};
use crate::support::site::{BROKER, Site};
use crate::support::wait::eventually;

/// All results of one query, in the order they came, none of them looked at twice.
struct Story<'a> {
    site: &'a Site,
    observer: &'a Subscriber,
    told: BTreeMap<WindowIndex, SignedResult>,
}

impl<'a> Story<'a> {
    fn new(site: &'a Site, observer: &'a Subscriber) -> Self {
        Self { site, observer, told: BTreeMap::new() }
    }

    /// Goes on until `fits`; fails if anything is not vouched for, or if a window has two values.
    fn until(&mut self, what: &str, fits: impl Fn(&SignedResult) -> bool) -> SignedResult {
        let (site, told) = (self.site, &mut self.told);
        self.observer.wait_for(what, |message| {
            let signed = outcome(&message).filter(|signed| signed.result.query.as_str() == "co2-sum")?;
            signed.verify(site.roster()).unwrap_or_else(|error| panic!("{error}: {signed:?}"));
            let before = told.insert(signed.result.window.index, signed.clone());
            if let Some(value) = before.filter(|before| before.result.status == Status::Ok) {
                assert!(message.retained || value.result == signed.result, "{value:?}, then {signed:?}");
            }
            fits(&signed).then_some(signed)
        })
    }

    /// The windows after `first` and before `last` that have no value.
    fn lost(&self, first: WindowIndex, last: WindowIndex) -> Vec<WindowIndex> {
        let value =
            |w: &WindowIndex| self.told.get(w).is_some_and(|signed| signed.result.status == Status::Ok);
        (first.0 + 1..last.0).map(WindowIndex).filter(|w| !value(w)).collect()
    }
}

/// A site of six rooms at work, with one cohort for the hour, and an observer that has seen a value of all.
fn at_work() -> (Site, Subscriber) {
    let mut site = Site::quick("1h", &["--agents", "6"]);
    site.start_all();
    let observer = site.subscribe("observer-1", &[RESULTS]);
    await_outcome(&observer, "co2-sum", "a verified value of all", |signed| {
        all_fresh(signed, 6) && signed.result.verified
    });
    (site, observer)
}

fn now() -> Timestamp {
    Clock::system().now()
}

/// Waits for the instant `percent` of a period after the beginning of the next window, and returns that window.
fn await_instant(site: &Site, percent: u32) -> WindowIndex {
    let period = site.roster().bundles()[0].period;
    let window = period.window_at(now()).next();
    let at = period.start(window) + period.as_duration() * percent / 100;
    eventually("the next window", || (now() >= at).then_some(window))
}

#[test]
fn a_peer_killed_at_any_moment_costs_at_most_the_running_window() {
    let (mut site, observer) = at_work();
    let mut told = BTreeMap::new();
    // While agents speak, at the window's end, and while the peers compute on the one before.
    for (victim, percent) in [("peer-1", 50), ("peer-2", 95), ("peer-3", 42), ("peer-1", 45)] {
        let running = await_instant(&site, percent);
        site.process(victim).kill();
        site.start(victim);
        let mut story = Story { told: std::mem::take(&mut told), ..Story::new(&site, &observer) };
        let back = story.until("a value of all peers", |signed| {
            signed.result.verified && signed.result.window.index > running
        });
        assert_eq!(back.result.peers.len(), 3);
        // The window that runs and the one that is computed: one of them, whichever the peer was needed for.
        let before = WindowIndex(running.0.saturating_sub(2));
        let lost = story.lost(before, back.result.window.index);
        assert!(lost.len() <= 1, "{victim} killed at {percent}% of {running} cost {lost:?}");
        told = story.told;
    }
    site.assert_nobody_panicked();
}

#[test]
fn a_broker_killed_at_any_moment_costs_at_most_two_windows() {
    if is_rabbitmq("its start takes ten windows") {
        return;
    }
    let (mut site, _observer) = at_work();
    let mut last = WindowIndex(0);
    // Often enough that pauses which doubled each time would cost windows.
    for (turn, percent) in [(2, 20), (3, 60), (4, 45), (5, 30), (6, 70), (7, 50)] {
        let running = await_instant(&site, percent);
        site.process(BROKER).kill();
        site.start_broker();
        let observer = site.subscribe(&format!("observer-{turn}"), &[RESULTS]);
        let mut story = Story::new(&site, &observer);
        let back = story.until("a value of all, after the broker's end", |signed| {
            signed.result.window.index >= running && all_fresh(signed, 6) && signed.result.peers.len() == 3
        });
        let lost = back.result.window.index.0 - running.0;
        assert!(lost <= 2, "the broker's end at {percent}% of {running} cost windows until {back:?}");
        assert!(back.result.window.index > last);
        last = back.result.window.index;
    }
    site.assert_nobody_panicked();
}

#[test]
fn what_is_retained_outlives_a_broker_that_is_killed() {
    if is_elsewhere("what others lose when they are killed, nodes say again") {
        return;
    }
    let (mut site, observer) = at_work();
    drop(observer);
    // Nobody is left who could say it again.
    let nodes: Vec<String> = site.agents().into_iter().chain(site.peers()).collect();
    nodes.iter().for_each(|node| site.process(node).kill());
    site.process(BROKER).kill();
    site.start_broker();
    let late = site.subscribe("observer-2", &["murmur/hq/#"]);
    let (mut topics, mut results) = (BTreeSet::new(), 0);
    late.wait_for("cards, heads, statuses and results of before", |message| {
        assert!(message.retained, "{message:?}");
        results += u32::from(outcome(&message).is_some());
        // A bare value is there only beside a value.
        if !message.topic.ends_with("/state") {
            topics.insert(message.topic);
        }
        // Three cards, three heads of logs, a status of each node, three queries.
        (topics.len() == 3 + 3 + nodes.len() + 3).then_some(())
    });
    assert_eq!(results, 3);
}

#[test]
fn readings_shared_while_the_broker_is_gone_come_in_time_for_their_window() {
    if is_rabbitmq("its start takes longer than a window") {
        return;
    }
    let mut site = Site::init(&["--agents", "12", "--period", "6s"]);
    site.set("site.toml", "grace", "\"1s\"");
    site.set("site.toml", "step", "\"3s\"");
    site.set("site.toml", "cohort_epoch", "\"1h\"");
    site.start_all();
    let observer = site.subscribe("observer-1", &[RESULTS]);
    await_outcome(&observer, "co2-sum", "a value", |signed| all_fresh(signed, 12));

    // Nobody speaks in a window's first tenth.
    let running = await_instant(&site, 1);
    let began = now();
    site.process(BROKER).kill();
    let gone_until = began + Duration::from_millis(1_500);
    eventually("some have spoken to nobody", || (now() >= gone_until).then_some(()));
    let roster = Arc::clone(site.roster());
    let speaks = |agent: u32| {
        let agent = Agent::new(AgentIndex(agent), Arc::clone(&roster), Terms::default(), None, began);
        // A new agent begins with the next window, at the instant at which all speak in every window.
        agent.poll_timeout().unwrap() - roster.bundles()[0].period.as_duration()
    };
    let unheard = (0..12).filter(|&agent| (began..gone_until).contains(&speaks(agent))).count();
    assert!(unheard >= 2, "no agent of these names speaks early enough");
    site.start_broker();
    let observer = site.subscribe("observer-2", &[RESULTS]);
    let mut story = Story::new(&site, &observer);
    let whole = story.until("the running window", |signed| signed.result.window.index >= running);
    assert_eq!(whole.result.window.index, running);
    assert!(all_fresh(&whole, 12), "{unheard} agents spoke while the broker was gone: {whole:?}");
    site.assert_nobody_panicked();
}

#[test]
fn fewer_than_a_quorum_wait_and_go_on_alone() {
    let (mut site, observer) = at_work();
    let statuses = site.subscribe("observer-2", &["murmur/hq/status/peer-2"]);
    site.process("peer-1").kill();
    site.process("peer-3").kill();
    statuses.wait_for("peer-2 misses both", |message| {
        let peers = message.json()["peers"].clone();
        (peers["peer-1"] == "gone" && peers["peer-3"] == "gone").then_some(())
    });
    let waiting = Some("waiting: 1 of 2 peers".to_owned());
    await_outcome(&observer, "co2-sum", "the last one waits", |signed| signed.result.reason == waiting);
    site.start("peer-3");
    let back = await_outcome(&observer, "co2-sum", "two go on", |signed| signed.result.status == Status::Ok);
    assert_eq!(back.result.peers.iter().map(ToString::to_string).collect::<Vec<_>>(), ["peer-2", "peer-3"]);
    statuses.wait_for("peer-2 sees one of them again", |message| {
        let peers = message.json()["peers"].clone();
        (peers["peer-1"] == "gone" && peers["peer-3"] == "online").then_some(())
    });
    site.assert_nobody_panicked();
}

#[test]
fn an_agent_that_is_killed_is_carried_until_it_is_back() {
    let (mut site, observer) = at_work();
    site.process("room-3").kill();
    let carried = await_outcome(&observer, "co2-sum", "it is carried", |signed| signed.result.carried == 1);
    assert_eq!((carried.result.cohort, carried.result.status), (6, Status::Ok));
    site.start("room-3");
    await_outcome(&observer, "co2-sum", "it speaks again", |signed| all_fresh(signed, 6));
    site.assert_nobody_panicked();
}
