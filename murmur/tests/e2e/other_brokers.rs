//! A whole site over brokers that other people made, by the configuration that `murmur site broker` writes and nothing else.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;
use std::time::Duration;

use smc_core::result::{SignedResult, Status};
use smc_mqtt::connection::{self, ConnectionSettings};

use crate::support::brokers::Kind;
use crate::support::mosquitto::{Login, Subscriber};
use crate::support::outcome::{RESULTS, all_fresh, await_outcome, outcome};
use crate::support::programs::Program;
use crate::support::site::Site;
use crate::{ask, audit, sealed};

/// Six rooms, a display that may ask, and a query for its eyes alone.
fn site(kind: Kind) -> Site {
    let mut site = Site::quick_on(kind, "10s", &["--agents", "6", "--clients", "display"]);
    let max = "[[query]]\nname = \"max\"\nfunction = \"max\"\nquantity = \"co2\"\naudience = \"display\"\n";
    site.edit("site.toml", |text| format!("{text}\n{max}"));
    for peer in site.peers() {
        site.edit(&format!("{peer}.toml"), |text| format!("{text}\n[audit]\nhead_every = \"1s\"\n"));
    }
    if kind == Kind::Mosquitto {
        // It alone divides the shares of a peer among several connections.
        site.edit("peer-2.toml", |text| format!("workers = 2\n{text}"));
    }
    site
}

/// All that a site does, over one broker.
fn everything_works(kind: Kind) {
    let mut site = site(kind);
    site.start_all();
    let observer = site.subscribe("observer-1", &[RESULTS]);
    let signed = await_outcome(&observer, "co2-sum", "a value of all, signed by all", |signed| {
        all_fresh(signed, 6) && signed.result.verified
    });
    signed.verify(site.roster()).unwrap();
    is_retained(&site);
    asks_and_opens(&site);
    forging_is_in_vain(&site);
    nodes_come_back(&mut site, &observer);
    the_broker_comes_back(&mut site);
    ends(&mut site);
}

/// Who comes later finds the last result, the cards, and what Home Assistant is told.
fn is_retained(site: &Site) {
    for (user, topic) in [
        ("observer", "murmur/hq/result/co2-mean"),
        ("observer", "murmur/hq/card/peer-2"),
        ("observer", "murmur/hq/audit/peer-1"),
        ("observer", "murmur/hq/status/room-3"),
        ("home-assistant", "homeassistant/sensor/murmur_hq/co2-mean/config"),
    ] {
        let login = site.login(user, &format!("{user}-late"));
        let late = Subscriber::start(&login, &[topic], site.path("late.log"));
        late.wait_for(topic, |message| message.retained.then_some(()));
    }
}

/// A client asks, operators decide, results come; and an output for one client alone is opened.
fn asks_and_opens(site: &Site) {
    assert_eq!(ask::ask(site, "mean", "air").with("asked"), ["air"]);
    for (peer, verb) in [("peer-1", "approve"), ("peer-2", "approve"), ("peer-3", "deny")] {
        ask::operate(site, peer, verb, "air").ends_with(0);
    }
    let said = ask::murmur(site, &["watch", "air", "--for-windows", "1", "--json"]).ends_with(0);
    assert!(said.with("result").iter().any(|result| result["status"] == "ok"), "{:?}", said.lines);
    ask::murmur(site, &["cancel", "air", "--wait", "20s"]).ends_with(0);
    ask::await_verdict(site, "peer-2", "air", "cancelled");
    let max = sealed::open(site, &site.url(), "keys/display.key", "max").unwrap();
    assert!((400.0..=5_000.0).contains(&max["value"].as_f64().unwrap()), "{max}");
}

/// Rules hold: an agent can't speak for others, nor see what is not for it; a stranger can do nothing.
fn forging_is_in_vain(site: &Site) {
    let watching = site.subscribe("observer-3", &["murmur/hq/result/forged", "murmur/hq/status/room-2"]);
    let spying = Subscriber::start(
        &site.login("room-2", "room-2-spy"),
        &["murmur/hq/share/#", "murmur/hq/peer/#"],
        site.path("spy.log"),
    );
    let agent = site.login("room-2", "room-2-forger");
    let file = site.path("forged.json");
    std::fs::write(&file, "{}").unwrap();
    // Some brokers say that they take it, some end the connection; nobody gets it.
    agent.publish_file("murmur/hq/result/forged", &file);
    agent.publish_file("murmur/hq/share/peer-1/room-3", &file);
    let stranger = Login { user: String::new(), client: "stranger".into(), ..agent.clone() };
    stranger.publish_file("murmur/hq/result/forged", &file);
    // One thing it may do: ask to be let in.
    stranger.publish("murmur/hq/pair/ask/peer-1", "{}");
    // What is allowed comes after it on the same way.
    agent.publish("murmur/hq/status/room-2", "{\"forged\":false}");
    watching.wait_for("what the agent may say", |message| {
        assert_ne!(message.topic, "murmur/hq/result/forged", "{message:?}");
        message.text().contains("forged").then_some(())
    });
    let seen = spying.drain();
    assert!(seen.is_empty(), "{seen:?}");
}

/// A peer and an agent are killed: results go on without them, and with them again.
fn nodes_come_back(site: &mut Site, observer: &Subscriber) {
    let next = |what: &str, fits: &dyn Fn(&SignedResult) -> bool| {
        await_outcome(observer, "co2-sum", what, |signed| signed.result.status == Status::Ok && fits(signed))
    };
    site.process("peer-1").kill();
    let two = next("a value of two peers", &|signed| signed.result.peers.len() == 2);
    site.start("peer-1");
    next("a value of all peers", &|signed| {
        signed.result.verified && signed.result.window.index > two.result.window.index
    });
    site.process("room-4").kill();
    next("a value without a fresh reading of one agent", &|signed| signed.result.fresh == 5);
    site.start("room-4");
    next("a value of all agents", &|signed| all_fresh(signed, 6));
}

/// The broker is ended and started again: everybody finds it, and it has not forgotten what is retained.
fn the_broker_comes_back(site: &mut Site) {
    site.end_broker();
    site.start_broker();
    is_retained(site);
    let observer = site.subscribe("observer-4", &[RESULTS]);
    let after = observer.wait_for("a new result", |message| {
        outcome(&message).filter(|signed| !message.retained && signed.result.status == Status::Ok)
    });
    await_outcome(&observer, "co2-mean", "a value of all", |signed| {
        all_fresh(signed, 6)
            && signed.result.verified
            && signed.result.window.index >= after.result.window.index
    });
}

/// Everybody ends when asked to; the logs of the peers fit together.
fn ends(site: &mut Site) {
    for node in site.agents().into_iter().chain(site.peers()) {
        assert_eq!(site.process(&node).terminate().code(), Some(0), "{node}: {}", site.log_of(&node));
    }
    for peer in site.peers() {
        let verdict = audit::verify(site, &peer);
        assert_eq!(verdict["verdict"], "ok", "{verdict}");
    }
    site.end_broker();
    site.assert_nobody_panicked();
}

#[test]
fn everything_works_over_mosquitto() {
    everything_works(Kind::Mosquitto);
}

#[test]
fn everything_works_over_nats() {
    everything_works(Kind::Nats);
}

#[test]
fn everything_works_over_rabbitmq() {
    everything_works(Kind::Rabbitmq);
}

/// What the tests of long packets publish on.
const OF_ROOM_2: &str = "murmur/hq/status/room-2";

/// A site whose broker takes packets of 4 KiB at most, and somebody who looks at what room-2 says.
fn with_short_packets(kind: Kind) -> (Site, Subscriber) {
    let mut site = Site::quick_on(kind, "10s", &["--agents", "3"]);
    site.edit("broker.toml", |text| format!("{text}\n[limits]\npacket_bytes = 4096\n"));
    site.start_broker();
    let watching = site.subscribe("observer-1", &[OF_ROOM_2]);
    (site, watching)
}

fn short_comes_first(watching: &Subscriber) {
    watching.wait_for("what is short enough", |message| {
        assert_eq!(message.text(), "short");
        Some(())
    });
}

/// As at the embedded broker, `packet_bytes` is about what is read at all; and Mosquitto has nothing to note about how it is told.
#[test]
fn mosquitto_cuts_off_whoever_sends_a_packet_that_is_too_long() {
    let (site, watching) = with_short_packets(Kind::Mosquitto);
    let agent = site.login("room-2", "room-2-writer");
    let file = site.path("long");
    std::fs::write(&file, vec![b'x'; 5_000]).unwrap();
    let sent = agent.publish_file(OF_ROOM_2, &file);
    assert!(!sent.status.success(), "{sent:?}");
    agent.publish(OF_ROOM_2, "short");
    short_comes_first(&watching);
    let log = site.log_of("broker");
    assert!(!log.contains("Note:"), "{log}");
}

/// RabbitMQ closes the channel behind a connection over such a message. It then takes no notice of later ones, and still answers pings.
#[test]
fn a_message_that_rabbitmq_finds_too_long_does_not_hold_up_those_that_come_after() {
    let (site, watching) = with_short_packets(Kind::Rabbitmq);
    let login = site.login("room-2", "room-2");
    let mut settings = ConnectionSettings::new(login.broker.to_string().parse().unwrap(), login.client);
    settings.login = Some(connection::Login { user: login.user, password: login.password.into() });
    settings.keep_alive = Duration::from_secs(1);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let publisher = {
        let _inside = runtime.enter();
        connection::connect(settings, Vec::new()).0
    };
    publisher.publish(OF_ROOM_2, vec![b'x'; 5_000], false).unwrap();
    publisher.publish(OF_ROOM_2, "short", false).unwrap();
    short_comes_first(&watching);
    assert_eq!(runtime.block_on(publisher.close()), 0);
    let counters = publisher.counters();
    assert_eq!((counters.acknowledged, counters.given_up), (1, 1), "{counters:?}");
}

/// `murmur site broker` for a site in `folder`.
fn configure(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Program::Murmur.command();
    command.current_dir(folder).args(["site", "broker"]).args(arguments).output().unwrap()
}

fn error(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_configuration_is_for_its_owner_alone_and_nothing_is_written_over() {
    let site = Site::init(&["--agents", "3"]);
    let folder = site.path("");
    for (kind, files) in [
        ("mosquitto", ["mosquitto.conf", "mosquitto.passwd", "mosquitto.acl"].as_slice()),
        ("nats", &["nats-server.conf"]),
        ("rabbitmq", &["rabbitmq.conf", "definitions.json", "enabled_plugins"]),
    ] {
        let made = configure(&folder, &[kind, "."]);
        assert!(made.status.success(), "{}", error(&made));
        for file in files {
            let path = folder.join(kind).join(file);
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{file}");
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(!text.contains(&site.login_password("room-1")), "{file} has a password");
        }
        let first = folder.join(kind).join(files[0]);
        std::fs::write(&first, "mine").unwrap();
        let refused = configure(&folder, &[kind, "."]);
        assert_eq!(refused.status.code(), Some(1));
        assert!(error(&refused).contains("--force"), "{}", error(&refused));
        assert_eq!(std::fs::read_to_string(&first).unwrap(), "mine");
        assert!(configure(&folder, &[kind, ".", "--force"]).status.success());
        assert_ne!(std::fs::read_to_string(&first).unwrap(), "mine");
    }
}

#[test]
fn what_is_missing_for_a_configuration_is_named() {
    let mut site = Site::init(&["--agents", "3"]);
    let folder = site.path("");
    let refusal = |arguments: &[&str]| {
        let refused = configure(&folder, arguments);
        assert_eq!(refused.status.code(), Some(1), "{arguments:?}");
        error(&refused)
    };
    assert!(refusal(&["nats", ".", "--listen", "127.0.0.1:0"]).contains("--listen"));
    assert!(refusal(&["nats", ".", "--tls-cert", "a.crt", "--tls-key", "a.key"]).contains("a.crt"));
    std::fs::rename(folder.join("keys/room-2.key"), folder.join("room-2.key")).unwrap();
    assert!(refusal(&["mosquitto", "."]).contains("room-2"));
    std::fs::copy(folder.join("keys/observer.password"), folder.join("keys/room-2.password")).unwrap();
    assert!(refusal(&["mosquitto", "."]).contains("not the password"));
    std::fs::remove_file(folder.join("keys/room-2.password")).unwrap();
    std::fs::rename(folder.join("room-2.key"), folder.join("keys/room-2.key")).unwrap();
    site.edit("broker.toml", |text| {
        text.replacen("name = \"observer\"\n", "name = \"observer\"\nsubscribe = [\"shelly/1.2/+\"]\n", 1)
    });
    for kind in ["nats", "rabbitmq"] {
        assert!(refusal(&[kind, "."]).contains("full stop"), "{kind}");
    }
    assert!(configure(&folder, &["mosquitto", "."]).status.success());
}
