//! Requests by other programs, and what is wrong with some of them.

use std::process::Command;

use serde_json::Value;
use smc_core::time::Timestamp;

use super::{await_verdict, murmur};
use crate::support::mosquitto::Subscriber;
use crate::support::site::Site;
use crate::support::wait::eventually;

const PAGE: &str = include_str!("../../../../docs/queries.md");
/// How many requests of one client a peer reads at once.
const FLOOD: usize = 400;

/// The program that docs/queries.md shows, with `key` signing.
fn python(site: &Site, node: &str, name: &str, until: &str) -> String {
    let (_, rest) = PAGE.split_once("```python\n").unwrap();
    let program = site.path("ask.py");
    std::fs::write(&program, rest.split_once("```").unwrap().0).unwrap();
    let mut command = Command::new("python3");
    command.arg(&program).arg(site.path(&format!("keys/{node}.key"))).args(["hq", name, until]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A request that `murmur ask --print` writes and nobody sends.
fn printed(site: &Site, flags: &[&str]) -> String {
    let common = ["ask", "mean", "co2", "--for", "a test", "--print"];
    murmur(site, &[&common[..], flags].concat()).ends_with(0).lines.remove(0)
}

fn send(site: &Site, topic: &str, payload: &str) {
    let client = topic.split('/').nth(3).unwrap();
    site.login(client, &format!("{client}-pub")).publish(topic, payload);
}

/// Waits until all peers have denied `query`, and for this reason. Returns what else they said meanwhile.
fn await_denials(observer: &Subscriber, query: &str, reason: &str) -> Vec<Value> {
    let (mut denied, mut others) = (0, Vec::new());
    observer.wait_for(&format!("three denials of {query}: {reason}"), |message| {
        let decision: Value = message.json();
        if decision["query"] == query && decision["verdict"] == "denied" {
            assert!(decision["reason"].as_str().unwrap().contains(reason), "{decision}");
            denied += 1;
        } else {
            others.push(decision);
        }
        (denied == 3).then(|| std::mem::take(&mut others))
    })
}

/// A site whose file states no identity for one of its two clients.
fn site() -> Site {
    let mut site = Site::quick("30s", &["--agents", "6", "--clients", "display,kiosk,meter"]);
    site.edit("site.toml", |text| {
        let (before, kiosk) = text.split_once("name = \"kiosk\"\n").unwrap();
        let (_, after) = kiosk.split_once('\n').unwrap();
        format!("{before}name = \"kiosk\"\n{after}")
    });
    site.start_broker();
    for peer in site.peers() {
        site.start(&peer);
    }
    site
}

#[test]
fn any_program_that_can_sign_may_ask_and_whatever_is_wrong_is_told_to_it() {
    let site = site();
    let observer = site.subscribe("observer-1", &["murmur/hq/decision/+/+"]);
    let topic = |query: &str| format!("murmur/hq/request/display/{query}");

    let honest = python(&site, "display", "schild", "2027-01-01T00:00:00Z");
    site.login("display", "display-pub").publish_retained(&topic("schild"), &honest);
    for peer in site.peers() {
        assert_eq!(await_verdict(&site, &peer, "schild", "asked")["client"], "display");
    }
    // Another text under the same name is another request.
    send(&site, &topic("schild"), &python(&site, "display", "schild", "2027-01-02T00:00:00Z"));
    await_denials(&observer, "schild", "another query is called `schild`");

    send(&site, &topic("forged"), &honest.replace("schild", "forged"));
    await_denials(&observer, "forged", "signature");
    send(&site, &topic("stolen"), &honest);
    await_denials(&observer, "stolen", "another client or query");
    send(&site, &topic("expired"), &python(&site, "display", "expired", "2026-01-02T00:00:00Z"));
    await_denials(&observer, "expired", "expired");
    send(&site, &topic("far"), &printed(&site, &["--name", "far", "--until", "3000-01-01"]));
    await_denials(&observer, "far", "too far ahead");
    send(
        &site,
        &topic("early"),
        &printed(&site, &["--name", "early", "--not-before", "2999-01-01", "--until", "3000-01-01"]),
    );
    await_denials(&observer, "early", "too far ahead");
    send(&site, &topic("garbage"), "{\"v\":1,");
    await_denials(&observer, "garbage", "not a request");
    send(
        &site,
        "murmur/hq/request/kiosk/stranger",
        &python(&site, "kiosk", "stranger", "2027-01-01T00:00:00Z"),
    );
    await_denials(&observer, "stranger", "`kiosk` is no client with an `identity`");

    // What was taken back stays so, whoever brings the request back.
    murmur(&site, &["cancel", "schild", "--wait", "20s"]).ends_with(0);
    send(&site, &topic("schild"), &honest);
    send(&site, &topic("after"), "{}");
    let said = await_denials(&observer, "after", "signature");
    let after: Vec<_> = said.iter().filter(|decision| decision["query"] == "schild").collect();
    // A decision of before may be told again for who came late.
    let at = |decision: &Value| decision["at"].as_str().unwrap().parse::<Timestamp>().unwrap();
    let cancelled = |decision: &&&Value| decision["verdict"] == "cancelled";
    let since = after.iter().filter(cancelled).map(|decision| at(decision)).min();
    assert!(after.iter().all(|decision| cancelled(&decision) || Some(at(decision)) < since), "{after:?}");

    let flood = site.path("flood.jsonl");
    std::fs::write(&flood, "{}\n".repeat(FLOOD)).unwrap();
    site.login("display", "display-flood").publish_lines(&topic("flood"), &flood);
    for peer in site.peers() {
        eventually("the flood is noticed", || site.log_of(&peer).contains("flood_of_requests").then_some(()));
    }
    let told = |decision: &Value| decision["reason"].as_str().unwrap().contains("came at once than are read");
    observer.wait_for("whoever floods is told", |message| told(&message.json()).then_some(()));
    // Nobody else comes to harm.
    let other = python(&site, "meter", "other", "2027-01-01T00:00:00Z");
    site.login("meter", "meter-pub").publish_retained("murmur/hq/request/meter/other", &other);
    for peer in site.peers() {
        await_verdict(&site, &peer, "other", "asked");
    }
    site.assert_nobody_panicked();
}
