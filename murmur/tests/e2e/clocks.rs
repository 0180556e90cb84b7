//! Processes whose clocks differ and jump: libfaketime stands between them and the operating system.

use std::path::PathBuf;

use serde_json::Value;
use smc_core::result::Status;

use crate::support::mosquitto::{Message, Subscriber};
use crate::support::outcome::{RESULTS, all_fresh, await_outcome};
use crate::support::site::Site;

/// The library that tells a process another time.
pub(crate) fn faketime() -> String {
    let folders = std::fs::read_dir("/usr/lib").unwrap().filter_map(Result::ok);
    let library = |folder: PathBuf| folder.join("faketime/libfaketime.so.1");
    let found = folders.map(|folder| library(folder.path())).find(|path| path.exists());
    let found = found.expect("libfaketime is needed: apt-get install libfaketime");
    found.to_str().unwrap().to_owned()
}

/// A node's clock, which a test may set while the node runs.
pub(crate) struct FakeClock(PathBuf);

impl FakeClock {
    /// Starts `node` with a clock that is right.
    pub(crate) fn start(site: &mut Site, node: &str) -> Self {
        Self::start_at(site, node, "+0")
    }

    /// Starts `node` with a clock that differs by `offset`.
    pub(crate) fn start_at(site: &mut Site, node: &str, offset: &str) -> Self {
        let clock = Self(site.path(&format!("{node}.clock")));
        clock.set(offset);
        let file = clock.0.to_str().unwrap();
        let environment = [
            ("LD_PRELOAD", faketime()),
            ("FAKETIME_TIMESTAMP_FILE", file.to_owned()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            // Timers go on as they do when a machine's clock is set.
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ];
        let environment: Vec<_> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
        site.start_with(node, &environment);
        clock
    }

    pub(crate) fn set(&self, offset: &str) {
        // At once: half a file would be read as no offset.
        let new = self.0.with_extension("new");
        std::fs::write(&new, offset).unwrap();
        std::fs::rename(new, &self.0).unwrap();
    }
}

/// Waits until the status of `node` has something to say.
pub(crate) fn told<T>(
    statuses: &Subscriber,
    node: &str,
    what: &str,
    mut find: impl FnMut(&Value) -> Option<T>,
) -> T {
    let topic = format!("murmur/hq/status/{node}");
    statuses.wait_for(&format!("{node}: {what}"), |message: Message| {
        if message.topic == topic { find(&message.json()) } else { None }
    })
}

/// A site whose peers wait for each other no longer than for the next window.
pub(crate) fn site() -> Site {
    // With fewer than all of them a cohort does not freeze: nobody who was late at the start stays out for an hour.
    let mut site = Site::quick("1h", &["--agents", "6", "--minimum-cohort", "6"]);
    site.set("site.toml", "step", "\"800ms\"");
    site.start_broker();
    site
}

/// That site at work, with a clock of `peer-3` that a test may set; its results and statuses from then on.
pub(crate) fn with_a_clock() -> (Site, FakeClock, Subscriber, Subscriber) {
    let mut site = site();
    for node in site.agents().into_iter().chain(["peer-1".to_owned(), "peer-2".to_owned()]) {
        site.start(&node);
    }
    let clock = FakeClock::start(&mut site, "peer-3");
    let observer = site.subscribe("observer-1", &[RESULTS]);
    let statuses = site.subscribe("observer-2", &["murmur/hq/status/+"]);
    await_outcome(&observer, "co2-sum", "a value of all", |signed| signed.result.verified);
    (site, clock, observer, statuses)
}

#[test]
fn a_clock_that_jumps_is_told_of_by_all_and_costs_nobody_else_a_window() {
    let (site, clock, observer, statuses) = with_a_clock();

    clock.set("+9s");
    let ahead =
        told(&statuses, "peer-1", "whose clock is ahead", |status| status["clocks"]["peer-3"].as_f64());
    assert!((7.0..=9.5).contains(&ahead), "{ahead}");
    let own = told(&statuses, "peer-3", "that it is its own", |status| {
        status["refused"]["window_skipped"].as_u64().filter(|&windows| windows >= 5)?;
        status["own_clock"].as_f64()
    });
    assert!((7.0..=9.5).contains(&own), "{own}");
    let without = await_outcome(&observer, "co2-sum", "a value of the others", |signed| {
        signed.result.status == Status::Ok && signed.result.peers.len() == 2
    });

    // It is set right, which is back: the peer waits until the time has caught up.
    clock.set("+0");
    let back = told(&statuses, "peer-3", "that it was set back", |status| status["set_back"].as_f64());
    assert!((0.1..=9.5).contains(&back), "{back}");
    let whole = await_outcome(&observer, "co2-sum", "a value of all, by itself", |signed| {
        signed.result.verified && signed.result.window.index > without.result.window.index
    });
    assert_eq!((whole.result.peers.len(), whole.result.cohort), (3, 6));
    site.assert_nobody_panicked();
}

#[test]
fn an_agent_whose_clock_is_ahead_by_less_than_half_a_period_is_told_of_and_heard() {
    let mut site = site();
    for node in site.peers().into_iter().chain(site.agents()).filter(|node| node != "room-4") {
        site.start(&node);
    }
    let clock = FakeClock::start(&mut site, "room-4");
    clock.set("+0.4s");
    let observer = site.subscribe("observer-1", &[RESULTS]);
    let statuses = site.subscribe("observer-2", &["murmur/hq/status/+"]);
    await_outcome(&observer, "co2-sum", "a value of all, fresh", |signed| all_fresh(signed, 6));
    let ahead =
        told(&statuses, "peer-2", "whose clock is ahead", |status| status["clocks"]["room-4"].as_f64());
    assert!((0.2..=0.5).contains(&ahead), "{ahead}");
    await_outcome(&observer, "co2-sum", "a value of all, fresh, again", |signed| all_fresh(signed, 6));
    site.assert_nobody_panicked();
}
