//! A site with an enemy inside: somebody who has the login and the keys of one of its nodes.

use std::collections::BTreeMap;

use smc_core::result::Status;
use smc_core::time::WindowIndex;

use super::forge::window;

use crate::support::mosquitto::{Login, Subscriber};
use crate::support::outcome::{RESULTS, outcome};
use crate::support::site::Site;

/// Five honest agents and two or three honest peers, at work; windows long enough to reach a certain one by hand.
pub(super) fn start(site: &mut Site, hostile: &str) -> Subscriber {
    site.start_broker();
    for node in site.agents().into_iter().chain(site.peers()).filter(|node| node != hostile) {
        site.start(&node);
    }
    let observer = site.subscribe("observer-1", &[RESULTS]);
    await_value(site, &observer, WindowIndex(0), "a value before the attack");
    observer
}

/// A site that has not started.
pub(super) fn plan() -> Site {
    let mut site = Site::init(&["--agents", "6", "--period", "3s"]);
    site.set("site.toml", "grace", "\"400ms\"");
    site.set("site.toml", "step", "\"800ms\"");
    site.set("site.toml", "cohort_epoch", "\"6s\"");
    site
}

/// Waits for the value of a window from `first` on; every result on the way must be vouched for by peers.
pub(super) fn await_value(site: &Site, observer: &Subscriber, first: WindowIndex, what: &str) {
    observer.wait_for(what, |message| {
        let signed = outcome(&message)?;
        signed.verify(site.roster()).unwrap_or_else(|error| panic!("{error}: {signed:?}"));
        let result = &signed.result;
        (!message.retained && result.status == Status::Ok && result.window.index >= first).then_some(())
    });
}

/// Sends payloads as they come.
pub(super) struct Sender<'a> {
    pub(super) site: &'a Site,
    pub(super) login: Login,
    /// What the messages sent so far must be refused for, and how often.
    pub(super) due: BTreeMap<&'static str, u64>,
}

impl<'a> Sender<'a> {
    pub(super) fn new(site: &'a Site, node: &str) -> Self {
        Self { site, login: site.login(node, node), due: BTreeMap::new() }
    }

    /// Publishes what may be taken or ignored.
    pub(super) fn send(&self, topic: &str, payload: impl AsRef<[u8]>) {
        let file = self.site.path("payload");
        std::fs::write(&file, payload).unwrap();
        let sent = self.login.publish_file(topic, &file);
        assert!(sent.status.success(), "{topic}: {}", String::from_utf8_lossy(&sent.stderr));
    }

    /// Publishes what peer-1 must refuse for `reason`.
    pub(super) fn send_bad(&mut self, reason: &'static str, topic: &str, payload: impl AsRef<[u8]>) {
        self.send(topic, payload);
        *self.due.entry(reason).or_default() += 1;
    }

    /// Publishes what the broker itself does not let pass, in its own way.
    pub(super) fn send_forbidden(&self, topic: &str, payload: impl AsRef<[u8]>) {
        let file = self.site.path("payload");
        std::fs::write(&file, payload).unwrap();
        self.login.publish_file(topic, &file);
    }

    /// The same, where it may never say what came of it.
    pub(super) fn send_unanswered(&self, topic: &str, payload: impl AsRef<[u8]>) {
        let file = self.site.path("payload");
        std::fs::write(&file, payload).unwrap();
        self.login.publish_file_unanswered(topic, &file);
    }
}

/// Restarts the broker, upon which everybody says again how it is, and compares what peer-1 refused with what it had
/// to. Honest nodes on a busy machine are late now and then; all else must match exactly.
pub(super) fn assert_counted(
    site: &mut Site,
    observer: Subscriber,
    due: &BTreeMap<&'static str, u64>,
    blamed: (&str, &str),
) {
    // Of a window that is still to begin, so that peer-1 has got round to all that was sent before.
    await_value(site, &observer, window(site).next(), "a value after the attack");
    drop(observer);
    site.end_broker();
    site.start_broker();
    let statuses = site.subscribe("statuses", &["murmur/hq/status/peer-1"]);
    let refused = statuses.wait_for("peer-1 tells what it refused", |message| {
        let status = message.json();
        let refused = status.get("refused")?.as_object()?.clone();
        let accused = status["blamed"].as_array().into_iter().flatten();
        let mut accused =
            accused.map(|blame| (blame["node"].as_str().unwrap(), blame["reason"].as_str().unwrap()));
        assert!(accused.any(|accused| accused == blamed), "nobody blamed {blamed:?}: {status}");
        Some(
            refused
                .into_iter()
                .map(|(reason, count)| (reason, count.as_u64().unwrap()))
                .collect::<BTreeMap<_, _>>(),
        )
    });
    let refused_as = |reason: &str| refused.get(reason).copied().unwrap_or(0);
    for (&reason, &count) in due {
        let have = refused_as(reason);
        let right = match reason {
            // On a busy machine it comes when it is late.
            "early" => (count.saturating_sub(refused_as("late"))..=count).contains(&have),
            "late" => have >= count,
            _ => have == count,
        };
        assert!(
            right,
            "{have} instead of {count} refused as {reason}: {refused:?}\n{}",
            site.log_of("peer-1")
        );
    }
    let observer = site.subscribe("observer-2", &[RESULTS]);
    await_value(site, &observer, window(site), "a value after the broker's restart");
    site.assert_nobody_panicked();
}
