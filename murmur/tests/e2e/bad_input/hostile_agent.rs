//! An agent's login and keys in the wrong hands.

use broker::{Password, PasswordHash};
use smc_core::envelope::Binding;
use smc_core::protocol::input::plaintext_len;
use smc_core::protocol::terms::TERMS_BYTES;
use smc_core::time::WindowIndex;

use super::forge::{Forger, garbage, tampered, window};
use super::hostile_site::{Sender, assert_counted, await_value, plan, start};
use crate::support::brokers::Kind;
use crate::support::site::Site;

/// Whose login the enemy has.
const HOSTILE: &str = "room-6";
/// The broker knows it, the site does not.
const UNKNOWN: &str = "room-99";
const TOPIC: &str = "murmur/hq/share/peer-1/room-6";

fn binding(site: &Site, window: WindowIndex) -> Binding {
    let roster = site.roster();
    let bundle = roster.bundle(roster.agent(roster.agent_named(HOSTILE).unwrap()).bundles[0]);
    Binding::Input { period: bundle.period, window, part: 0, definition: bundle.digest }
}

/// A gap, as the agent itself would share it.
fn gap(site: &Site) -> Vec<u8> {
    vec![0; plaintext_len(&site.roster().bundles()[0])]
}

#[test]
fn whatever_an_agent_sends_is_counted_and_harms_nobody() {
    let mut site = plan();
    let hash = PasswordHash::of_random_key(&Password::new(UNKNOWN.as_bytes())).unwrap();
    site.tell_password(UNKNOWN, UNKNOWN);
    site.edit("broker.toml", |text| {
        format!("{text}\n[[account]]\nname = \"{UNKNOWN}\"\nrole = \"agent\"\npassword_hash = \"{hash}\"\n")
    });
    let observer = start(&mut site, HOSTILE);
    let mut sender = Sender::new(&site, HOSTILE);
    for (reason, payload) in garbage() {
        // Nothing that an agent with one stream says is that long.
        let reason = if payload.len() > 5_000 { "too_large" } else { reason };
        sender.send_bad(reason, TOPIC, payload);
    }
    let mut forger = Forger::new(&site, HOSTILE);
    sealed_nonsense(&site, &mut sender, &mut forger);
    await_value(&site, &observer, window(&site), "a value in between");
    one_window_twice(&site, &mut sender, &mut forger);
    beyond_its_rights(&site, &mut sender);

    // An agent that the broker lets in and the site does not know.
    let mut stranger = Sender::new(&site, HOSTILE);
    stranger.login.user = UNKNOWN.to_owned();
    stranger.login.client = UNKNOWN.to_owned();
    stranger.login.password = UNKNOWN.to_owned();
    let sealed = forger.seal("peer-1", &binding(&site, window(&site)), &gap(&site));
    stranger.send("murmur/hq/share/peer-1/room-99", sealed.replace(HOSTILE, UNKNOWN));
    *sender.due.entry("unknown_sender").or_default() += 1;

    let due = std::mem::take(&mut sender.due);
    assert_counted(&mut site, observer, &due, (HOSTILE, "equivocation"));
}

#[test]
fn an_agent_that_floods_is_named_and_harms_nobody() {
    let mut site = plan();
    let observer = start(&mut site, HOSTILE);
    let statuses = site.subscribe("statuses", &["murmur/hq/status/peer-1"]);
    let file = site.path("lines");
    std::fs::write(&file, "{}\n".repeat(5_000)).unwrap();
    let sent = site.login(HOSTILE, HOSTILE).publish_lines(TOPIC, &file);
    assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stderr));
    let refused = statuses.wait_for("peer-1 names it", |message| {
        let status = message.json();
        let accused = status["blamed"].as_array()?.iter();
        let mut floods = accused.filter(|blame| blame["node"] == HOSTILE && blame["reason"] == "flood");
        floods.next().map(|_| status["refused"].clone())
    });
    let counted = |reason: &str| refused[reason].as_u64().unwrap();
    assert!(counted("not_an_envelope") < 500, "nearly all of them are not even read: {refused}");
    assert!(counted("flood") > 100, "{refused}");
    await_value(&site, &observer, window(&site).next(), "a value after the flood");
    site.assert_nobody_panicked();
}

/// Sealed by the agent's own keys, and still nothing that a peer can use.
fn sealed_nonsense(site: &Site, sender: &mut Sender<'_>, forger: &mut Forger<'_>) {
    let far = WindowIndex(window(site).0 + 1_000);
    let past = WindowIndex(window(site).0 - 5);
    let good = forger.seal("peer-1", &binding(site, past), &gap(site));
    for (reason, payload) in tampered(&good) {
        sender.send_bad(reason, TOPIC, payload);
    }
    // The window is covered by the seal, the sender by the topic.
    sender.send_bad(
        "forged",
        TOPIC,
        good.replace(&format!("\"window\":{past}"), &format!("\"window\":{far}")),
    );
    sender.send_bad("wrong_topic", TOPIC, good.replace("\"from\":\"room-6\"", "\"from\":\"room-5\""));
    // Replayed, and before its time.
    sender.send_bad("late", TOPIC, &good);
    sender.send_bad("late", TOPIC, &good);
    sender.send_bad("early", TOPIC, forger.seal("peer-1", &binding(site, far), &gap(site)));
    let foreign = forger.seal("peer-2", &binding(site, past), &gap(site));
    sender.send_bad("wrong_recipient", TOPIC, foreign);
    // Not bound to a window at all, or to other streams than the agent's.
    sender.send_bad("wrong_kind", TOPIC, forger.seal("peer-1", &Binding::Peer, &gap(site)));
    let Binding::Input { period, window, .. } = binding(site, window(site)) else { unreachable!() };
    let other = Binding::Input { period, window, part: 0, definition: [9; 32] };
    sender.send_bad("forged", TOPIC, forger.seal("peer-1", &other, &gap(site)));
    // Contents: too short, too long, neither reading nor gap, a gap with something in it, elements beyond the field.
    let current = binding(site, window);
    let mut contents = vec![Vec::new(), gap(site)[1..].to_vec(), [gap(site), vec![0]].concat()];
    let after_terms = |bytes: &[u8], rest: u8| {
        let mut content = gap(site);
        content[TERMS_BYTES..].fill(rest);
        content[TERMS_BYTES..][..bytes.len()].copy_from_slice(bytes);
        content
    };
    contents.extend([after_terms(&[7], 0), after_terms(&[0, 1], 0), after_terms(&[1], 0xff)]);
    // Terms that name a purpose and don't say what of it.
    let mut terms = gap(site);
    terms[TERMS_BYTES - 1] = 1;
    contents.push(terms);
    for content in contents {
        sender.send_bad("garbled_content", TOPIC, forger.seal("peer-1", &current, &content));
    }
}

/// The first message of a window counts. A second one that says the same is nothing; one that says otherwise is
/// evidence.
fn one_window_twice(site: &Site, sender: &mut Sender<'_>, forger: &mut Forger<'_>) {
    // The next window, half a period ahead at most: there is time to send three messages before it closes.
    let period = site.roster().bundles()[0].period;
    let next = window(site).next();
    let begins = period.start(next);
    crate::support::wait::eventually("the next window", || (super::forge::now() >= begins).then_some(()));
    let first = forger.seal("peer-1", &binding(site, next), &gap(site));
    let again = forger.seal("peer-1", &binding(site, next), &gap(site));
    let other = [&[0, 9], &gap(site)[2..]].concat();
    let otherwise = forger.seal("peer-1", &binding(site, next), &other);
    // Out of order, and twice.
    sender.send(TOPIC, again);
    sender.send(TOPIC, &first);
    sender.send(TOPIC, &first);
    sender.send_bad("contradiction", TOPIC, otherwise);
}

/// Topics of others, and more than the broker takes at once.
fn beyond_its_rights(site: &Site, sender: &mut Sender<'_>) {
    let forged = format!("{{\"v\":1,\"site\":\"hq\",\"query\":\"co2-mean\",\"window\":{}}}", window(site));
    for topic in [
        "murmur/hq/result/co2-mean",
        "murmur/hq/share/peer-1/room-5",
        "murmur/hq/status/peer-1",
        "murmur/hq/card/peer-1",
        "murmur/hq/peer/peer-1/peer-2",
        "homeassistant/sensor/murmur_hq/co2-mean/config",
    ] {
        sender.send_forbidden(topic, &forged);
    }
    let long = vec![b'x'; 2_000_000];
    if Kind::chosen() == Kind::Nats {
        // It bounds nothing that comes by MQTT (docs/brokers.md): the peer itself refuses it.
        sender.send_bad("too_large", TOPIC, long);
    } else {
        // RabbitMQ never answers it.
        sender.send_unanswered(TOPIC, long);
    }
}
