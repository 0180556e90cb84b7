//! Clients that misbehave: each gets what the standard says, and nobody else notices.

mod common;

use std::io::Write;
use std::time::{Duration, Instant};

use common::{Client, Raw, TestBroker, connect, eventually, packet, publish, subscribe, text, within};
use smc_broker::{Limits, Pace, Paces};

#[tokio::test(flavor = "multi_thread")]
async fn garbage_ends_its_own_connection_alone() {
    let broker = TestBroker::start().await;
    let garbage: [&[u8]; 8] = [
        b"GET / HTTP/1.1\r\nHost: broker\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        &[0xff; 64],
        &[0x00; 64],
        &[0x10, 0xff, 0xff, 0xff, 0xff, 0x7f],
        &[0x10, 0xff, 0xff, 0xff, 0x7f],
        &[0x10, 4, 0, 4, b'M', b'Q'],
        &[0xC0, 0],
    ];
    for bytes in garbage {
        let mut raw = Raw::connect(broker.address);
        raw.send(bytes);
        let answer = raw.read_to_close();
        assert!(answer.is_empty() || answer[0] == 0x20 && answer[3] != 0, "{bytes:?}: {answer:?}");
    }
    assert_eq!(broker.counters.snapshot().protocol_errors, 8);
    broker.still_works().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_packets_after_login_end_the_connection() {
    let broker = TestBroker::start().await;
    let five_kinds: [Vec<u8>; 12] = [
        packet(0x30, &[0, 9, b't']),
        packet(0x32, &[&text("status/agent")[..], &[0, 0]].concat()),
        packet(0x36, &[&text("status/agent")[..], &[0, 1]].concat()),
        packet(0x34, &[&text("status/agent")[..], &[0, 1]].concat()),
        packet(0x30, &[0, 2, 0xff, 0xfe]),
        packet(0x30, &[0, 1, 0]),
        packet(0x82, &[0, 1]),
        packet(0x80, &[&[0, 1][..], &text("status/+"), &[0]].concat()),
        packet(0xA2, &[0]),
        packet(0x20, &[0, 0]),
        packet(0xF0, &[]),
        connect(4, "agent", "agent", None),
    ];
    for bytes in five_kinds {
        let mut raw = Raw::login(broker.address, "agent", "agent");
        raw.send(&bytes);
        assert!(raw.read_to_close().is_empty(), "{bytes:?}");
    }
    assert_eq!(broker.counters.snapshot().protocol_errors, 12);
    broker.still_works().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_announced_giant_is_not_waited_for() {
    let broker = TestBroker::with_limits(Limits { packet_bytes: 10_000, ..Limits::default() }).await;
    let mut raw = Raw::login(broker.address, "agent", "agent");
    raw.send(&[0x30, 0xff, 0xff, 0xff, 0x7f]);
    assert!(raw.read_to_close().is_empty());
    let mut five = Raw::connect(broker.address);
    five.send(&connect(5, "agent", "agent", None));
    let len = usize::from(five.read(2)[1]);
    five.read(len);
    five.send(&[0x30, 0xff, 0xff, 0xff, 0x7f]);
    assert_eq!(five.read_to_close(), [0xE0, 1, 0x95], "DISCONNECT: packet too large");
    broker.still_works().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_connect_is_cut_off_and_holds_nobody_up() {
    let broker = TestBroker::with_limits(Limits { connect_timeout_ms: 300, ..Limits::default() }).await;
    let mut silent: Vec<Raw> = (0..20).map(|_| Raw::connect(broker.address)).collect();
    silent.iter_mut().for_each(|raw| raw.send(&[0x10, 0x40]));
    broker.still_works().await;
    for raw in &mut silent {
        assert!(raw.read_to_close().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn logins_are_answered_with_the_right_codes() {
    let broker = TestBroker::start().await;
    let answer = |bytes: &[u8]| {
        let mut raw = Raw::connect(broker.address);
        raw.send(bytes);
        raw.read_to_close()
    };
    let wrong = |level| {
        let mut bytes = connect(level, "agent", "agent", None);
        *bytes.last_mut().unwrap() = b'!';
        bytes
    };
    assert_eq!(answer(&wrong(4)), [0x20, 2, 0, 4]);
    assert_eq!(answer(&wrong(5)), [0x20, 3, 0, 0x86, 0]);
    assert_eq!(answer(&connect(4, "nobody", "nobody", None)), [0x20, 2, 0, 4]);
    let anonymous = packet(0x10, &[&text("MQTT")[..], &[4, 2, 0, 60], &text("agent")].concat());
    assert_eq!(answer(&anonymous), [0x20, 2, 0, 5]);
    let mut will_qos_2 = connect(5, "agent", "agent", Some(("status/agent", "x")));
    will_qos_2[9] |= 0x10;
    assert_eq!(answer(&will_qos_2), [0x20, 3, 0, 0x9B, 0]);
    let old = packet(0x10, &[&text("MQIsdp")[..], &[3, 2, 0, 60], &text("agent")].concat());
    assert_eq!(answer(&old), [0x20, 2, 0, 1]);
    broker.still_works().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_id_belongs_to_its_account() {
    let broker = TestBroker::start().await;
    let mut victim = broker.client("peer").await;
    victim.subscribe("share/peer/+").await;
    let refused = |account: &str, id: &str| {
        let mut raw = Raw::connect(broker.address);
        raw.send(&connect(4, account, id, None));
        raw.read_to_close()
    };
    for (account, id) in [
        ("agent", "peer"),
        ("agent", "agent-2"),
        ("agent", "peer.open"),
        ("reader", "agent.open"),
        ("reader", "peer"),
        ("reader", "a+b"),
        ("reader", "a#b"),
        ("reader", "a$b"),
        ("reader", "a/b"),
        ("reader", "\u{e9}"),
        ("reader", &"x".repeat(129)),
    ] {
        assert_eq!(refused(account, id), [0x20, 2, 0, 2], "{account} {id}");
    }
    for _ in 0..2 {
        Raw::login(broker.address, "reader", "reader-1");
    }
    // The owner of an account looks on beside it.
    Raw::login(broker.address, "agent", "agent.open");
    let agent = broker.client("agent").await;
    agent.publish("share/peer/agent", false, "to the victim").await;
    assert_eq!(victim.next().await.payload, "to the victim");
    assert_eq!(broker.counters.snapshot().refused_logins, 11);
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_that_say_more_than_the_rules_are_denied() {
    let broker = TestBroker::start().await;
    let mut agent = broker.client("agent").await;
    for filter in ["#", "+/+", "status/#", "share/agent/+", "$SYS/#", "$share/g/status/+", "smc-broker/#"] {
        assert!(!agent.subscribe(filter).await, "{filter}");
    }
    assert!(agent.subscribe("status/+").await && agent.subscribe("status/peer").await);
    assert_eq!(broker.counters.snapshot().refused_subscribes, 7);
    drop(agent);
    let mut raw = Raw::login(broker.address, "device", "device");
    for filter in ["a#", "device/#/b", "device/+b", "device/\u{e9}"] {
        raw.send(&subscribe(filter));
        assert_eq!(raw.read(5), [0x90, 3, 0, 1, 0x80], "{filter}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_publishes_are_acknowledged_and_dropped() {
    let broker = TestBroker::start().await;
    let mut reader = broker.client("reader").await;
    for filter in ["share/#", "status/#", "result/#"] {
        reader.subscribe(filter).await;
    }
    let mut raw = Raw::login(broker.address, "agent", "agent");
    let forged: [&[u8]; 7] = [
        b"share/peer/other",
        b"result/co2",
        b"status/peer",
        b"$SYS/a",
        "\u{e9}tage/co2".as_bytes(),
        b"smc-broker/watchdog",
        b"status/agent/\x07",
    ];
    for (topic, id) in forged.into_iter().zip(1..) {
        raw.send(&publish(topic, Some(id), b"forged"));
        assert_eq!(raw.read(4), [0x40, 2, 0, id as u8], "{topic:?}");
    }
    raw.send(&publish(b"status/agent", Some(9), b"genuine"));
    assert_eq!(reader.next().await.payload, "genuine");
    assert_eq!(broker.counters.snapshot().refused_publishes, 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn version_5_is_told_why_a_publish_is_refused() {
    let broker = TestBroker::start().await;
    let mut raw = Raw::connect(broker.address);
    raw.send(&connect(5, "agent", "agent", None));
    let len = usize::from(raw.read(2)[1]);
    raw.read(len);
    let publish = |topic: &str| packet(0x32, &[&text(topic)[..], &[0, 1, 0], b"x"].concat());
    raw.send(&publish("result/co2"));
    assert_eq!(raw.read(5), [0x40, 3, 0, 1, 0x87]);
    raw.send(&publish("\u{e9}/co2"));
    assert_eq!(raw.read(5), [0x40, 3, 0, 1, 0x90]);
    raw.send(&packet(0x34, &[&text("status/agent")[..], &[0, 1, 0], b"x"].concat()));
    assert_eq!(raw.read_to_close(), [0xE0, 1, 0x9B], "DISCONNECT: QoS not supported");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retained_share_is_refused_be_it_a_message_or_a_will() {
    let broker = TestBroker::start().await;
    let mut raw = Raw::login(broker.address, "agent", "agent");
    let retained = |topic: &str, id: u8| packet(0x33, &[&text(topic)[..], &[0, id], b"kept"].concat());
    for (topic, id) in [("share/peer/agent", 1), ("status/agent", 2)] {
        raw.send(&retained(topic, id));
        assert_eq!(raw.read(4), [0x40, 2, 0, id]);
    }
    let counters = broker.counters.snapshot();
    assert_eq!((counters.refused_publishes, counters.retained), (1, 1));
    let mut will = connect(4, "agent", "agent", Some(("share/peer/agent", "kept")));
    will[9] |= 0x20;
    let mut second = Raw::connect(broker.address);
    second.send(&will);
    assert_eq!(second.read_to_close(), [0x20, 2, 0, 5]);
    let mut reader = broker.client("reader").await;
    reader.subscribe("share/#").await;
    reader.subscribe("status/#").await;
    let first = reader.next().await;
    assert_eq!((first.topic.as_str(), first.retain), ("status/agent", true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_will_is_denied() {
    let broker = TestBroker::start().await;
    for (level, answer) in [(4, &[0x20, 2, 0, 5][..]), (5, &[0x20, 3, 0, 0x87, 0])] {
        let mut raw = Raw::connect(broker.address);
        raw.send(&connect(level, "agent", "agent", Some(("result/co2", "9999"))));
        assert_eq!(raw.read_to_close(), answer);
    }
    broker.still_works().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_far_behind_may_leave_at_any_time() {
    let broker = TestBroker::start().await;
    let agent = broker.client("agent").await;
    for behind in [1, 199, 200, 201, 1_000] {
        let mut lazy = Raw::login(broker.address, "peer", "peer");
        lazy.send(&subscribe("share/peer/+"));
        assert_eq!(lazy.read(5), [0x90, 3, 0, 1, 1]);
        let before = broker.counters.snapshot().messages_in;
        for _ in 0..behind {
            agent.publish("share/peer/agent", false, "unread").await;
        }
        eventually("all are in", || broker.counters.snapshot().messages_in == before + behind).await;
        lazy.send(&[0xE0, 0]);
        lazy.read_to_close();
    }
    drop(agent);
    broker.still_works().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_loses_messages_and_then_its_connection() {
    let limits = Limits { write_timeout_ms: 500, queue_messages: 100, inflight: 32_768, ..Limits::default() };
    let broker = TestBroker::with_limits(limits).await;
    let mut deaf = Raw::login(broker.address, "reader", "reader-deaf");
    deaf.send(&subscribe("share/#"));
    let mut peer = broker.client("peer").await;
    peer.subscribe("share/peer/+").await;
    let agent = broker.client("agent").await;
    let payload = "x".repeat(100_000);
    let deadline = Instant::now() + common::PATIENCE;
    while broker.counters.snapshot().write_timeouts == 0 {
        assert!(Instant::now() < deadline, "the deaf client is not cut off");
        agent.publish("share/peer/agent", false, &payload).await;
        assert_eq!(peer.next().await.payload.len(), payload.len());
    }
    let counters = broker.counters.snapshot();
    assert!(counters.dropped_deliveries > 0 && counters.dropped_in_router == 0, "{counters:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_client_is_cut_off_after_one_and_a_half_times_its_keep_alive() {
    let broker = TestBroker::start().await;
    let mut bytes = connect(4, "agent", "agent", Some(("status/agent", "lost")));
    bytes[11] = 1;
    let mut watcher = broker.client("peer").await;
    watcher.subscribe("status/+").await;
    let start = Instant::now();
    let mut raw = Raw::connect(broker.address);
    raw.send(&bytes);
    raw.read(4);
    assert!(raw.read_to_close().is_empty());
    let elapsed = start.elapsed();
    assert!(elapsed >= Duration::from_millis(1_400) && elapsed < Duration::from_secs(5), "{elapsed:?}");
    assert_eq!(watcher.next().await.payload, "lost");
    assert_eq!(broker.counters.snapshot().keep_alive_timeouts, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_is_slowed_to_its_rate() {
    let publish = Paces { peer: Pace { rate: 1_000, burst: 100 }, ..Paces::default() };
    let limits = Limits { publish, ..Limits::default() };
    let broker = TestBroker::with_limits(limits).await;
    let mut peer = broker.client("peer").await;
    peer.subscribe("share/peer/+").await;
    let agent = broker.client("agent").await;
    let start = Instant::now();
    for _ in 0..1_600 {
        agent.publish("share/peer/agent", false, "x").await;
    }
    for _ in 0..1_600 {
        peer.next().await;
    }
    assert!(start.elapsed() >= Duration::from_millis(1_400), "{:?}", start.elapsed());
    let counters = broker.counters.snapshot();
    assert!(counters.throttled > 0 && counters.dropped_deliveries == 0, "{counters:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_bounded() {
    let limits = Limits { connections: 5, connections_per_account: 2, ..Limits::default() };
    let broker = TestBroker::with_limits(limits).await;
    let held: Vec<Client> =
        vec![broker.client_as("reader", "reader-1").await, broker.client_as("reader", "reader-2").await];
    assert!(Client::try_connect(broker.options_as("reader", "reader-3")).await.is_err());
    eventually("the refused one is gone", || broker.counters.snapshot().connections_open == 2).await;
    let _idle: Vec<Raw> = (0..3).map(|_| Raw::connect(broker.address)).collect();
    eventually("all are counted", || broker.counters.snapshot().connections_open == 5).await;
    assert!(Raw::connect(broker.address).read_to_close().is_empty());
    assert_eq!(broker.counters.snapshot().connections_refused, 1);
    held.into_iter().for_each(Client::vanish);
    eventually("places are free", || broker.counters.snapshot().connections_open == 3).await;
    broker.client_as("reader", "reader-4").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn subscriptions_are_bounded() {
    let limits = Limits { subscriptions: 2, subscriptions_of_home_assistant: 100, ..Limits::default() };
    let broker = TestBroker::with_limits(limits).await;
    let mut device = broker.client("device").await;
    for (filter, granted) in [("device/#", true), ("device/b", true), ("device/c", false), ("device/b", true)]
    {
        assert_eq!(device.subscribe(filter).await, granted, "{filter}");
    }
    // It subscribes each topic by itself: two per kind of entity, one per query and node.
    let mut assistant = broker.client("home-assistant").await;
    for number in 0..101 {
        let granted = assistant.subscribe(&format!("homeassistant/kind-{number}/+/config")).await;
        assert_eq!(granted, number < 100, "{number}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_keeps_so_many_topics_at_a_time_however_many_it_has_ever_had() {
    let limits = Limits { topics_per_account: 3, ..Limits::default() };
    let broker = TestBroker::with_limits(limits).await;
    let mut device = broker.client("device").await;
    assert!(device.subscribe("device/#").await);
    let topic = |round: usize, number: usize| format!("device/{round}-{number}");
    for round in 0..20 {
        for number in 0..5 {
            device.publish(&topic(round, number), true, "kept").await;
        }
        for number in 0..5 {
            device.publish(&topic(round, number), true, "").await;
        }
        device.publish("device/unkept", false, &round.to_string()).await;
        let mut arrived = Vec::new();
        while arrived.last().is_none_or(|last| *last != round.to_string()) {
            arrived.push(device.next().await.payload);
        }
        assert_eq!(arrived.iter().filter(|payload| **payload == "kept").count(), 3, "in round {round}");
    }
    let counters = broker.counters.snapshot();
    assert_eq!((counters.refused_publishes, counters.refused_over_quota, counters.retained), (40, 40, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_packet_may_come_byte_by_byte_or_all_at_once() {
    let broker = TestBroker::start().await;
    let mut peer = broker.client("peer").await;
    peer.subscribe("share/peer/+").await;
    let mut raw = Raw::connect(broker.address);
    raw.0.set_nodelay(true).unwrap();
    let all = [connect(4, "agent", "agent", None), publish(b"share/peer/agent", None, b"in pieces")].concat();
    for byte in &all {
        raw.0.write_all(&[*byte]).unwrap();
    }
    assert_eq!(peer.next().await.payload, "in pieces");
    let many = publish(b"share/peer/agent", None, &[b'x'; 50]).repeat(5_000);
    raw.send(&many);
    for _ in 0..5_000 {
        assert_eq!(peer.next().await.payload.len(), 50);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ending_the_broker_says_goodbye_and_leaves_wills() {
    let folder = tempfile::tempdir().unwrap();
    let broker = TestBroker::with_state(folder.path()).await;
    let mut options = broker.options("agent");
    options.set_last_will(rumqttc::LastWill::new("status/agent", "lost", rumqttc::QoS::AtLeastOnce, true));
    let mut agent = Client::connect(options).await;
    let counters = broker.counters.clone();
    let mut five = Raw::connect(broker.address);
    five.send(&connect(5, "peer", "peer", None));
    let len = usize::from(five.read(2)[1]);
    five.read(len);
    within(broker.end()).await;
    agent.closed().await;
    assert_eq!(five.read_to_close(), [0xE0, 1, 0x8B], "DISCONNECT: server shutting down");
    assert_eq!(counters.snapshot().retained, 1);
}
