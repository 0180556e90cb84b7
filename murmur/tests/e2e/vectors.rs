//! Vectors from a device to a result: through all programs, in more than one message, and across a restart.

use smc_core::result::{SignedResult, Status};
use smc_core::time::WindowIndex;

use crate::mqtt_source::{DEVICE, PASSWORD, let_devices_in};
use crate::support::mosquitto::{Login, Subscriber};
use crate::support::outcome::{RESULTS, all_fresh, outcome};
use crate::support::site::Site;

/// Two parts: 32,768 elements of a bit, and the rest.
const ELEMENTS: usize = 40_000;
/// How many windows anything may take: an epoch, and what a busy machine needs beyond.
const WINDOWS: usize = 25;

/// Three agents with a vector each, counted; the first one's comes from a device.
fn federation() -> Site {
    let mut site = Site::quick("15s", &["--agents", "3", "--minimum-cohort", "3", "--quantities", "co2"]);
    site.set("site.toml", "period", "\"3s\"");
    site.edit("site.toml", |text| {
        let (before, _) = text.split_once("[[query]]\nname = \"co2-sum\"").unwrap();
        let text = before.replace("[\"co2\"]", "[\"gradient\"]").replace("\"co2", "\"gradient");
        let range = "minimum = 0\nmaximum = 1\nresolution = 1";
        format!("{text}\n[[quantity]]\nname = \"gradient\"\n{range}\nelements = {ELEMENTS}\n")
    });
    for agent in ["room-2", "room-3"] {
        site.set_source(agent, "kind = \"simulated\"\ninterval_s = 1.5\n");
    }
    let tap = "[source.topics.gradient]\ntopic = \"tele/learner\"\npointer = \"/gradient\"\n";
    site.set_source("room-1", &format!("kind = \"mqtt\"\nmax_payload = 200000\n{tap}"));
    let_devices_in(&mut site);
    site
}

/// Lets the device read a vector of this length and waits for the next result.
fn publish(device: &Login, observer: &Subscriber, elements: usize) -> SignedResult {
    let payload = format!("{{\"round\":7,\"gradient\":[{}0]}}", "1,".repeat(elements - 1));
    device.publish("tele/learner", &payload);
    observer.wait_for("any result", |message| outcome(&message))
}

/// Publishes whole vectors until there is a result that `fits`.
fn publish_until(
    device: &Login,
    observer: &Subscriber,
    what: &str,
    fits: impl Fn(&SignedResult) -> bool,
) -> WindowIndex {
    let mut results = (0..WINDOWS).map(|_| publish(device, observer, ELEMENTS));
    let fit = results.find(fits).unwrap_or_else(|| panic!("{WINDOWS} windows without {what}"));
    fit.result.window.index
}

#[test]
fn vectors_are_agreed_on_whole_also_after_a_restart() {
    let mut site = federation();
    let broker = site.start_broker();
    site.start_nodes();
    let observer = site.subscribe("observer-1", &[RESULTS]);
    let device =
        Login { broker, user: DEVICE.into(), password: PASSWORD.into(), client: "device-1".into(), ca: None };
    let three = |signed: &SignedResult| all_fresh(signed, 3) && signed.result.verified;
    let first = publish_until(&device, &observer, "three vectors", three);

    site.process("peer-2").kill();
    site.start("peer-2");
    let again = |signed: &SignedResult| three(signed) && signed.result.window.index.0 > first.0 + 1;
    publish_until(&device, &observer, "three vectors after a restart", again);
    assert!(!site.log_of("peer-2").contains("do not open any more"));

    // One element too few: a gap, so that the last vector is carried; two fresh ones are too few for a result. In an
    // epoch that begins without a whole one there is nothing to carry: then once more.
    let withheld = |signed: &SignedResult| {
        let reason = signed.result.reason.as_deref().unwrap_or_default();
        signed.result.status == Status::Withheld && reason.starts_with("fresh 2 of 3")
    };
    let gap = (0..WINDOWS).any(|_| {
        publish_until(&device, &observer, "three vectors before a gap", three);
        (0..2).any(|_| withheld(&publish(&device, &observer, ELEMENTS - 1)))
    });
    assert!(gap && site.log_of("room-1").contains("wrong_length"));
    site.assert_nobody_panicked();
}
