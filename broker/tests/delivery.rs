//! Messages between well-behaved clients of both versions.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Client, Raw, TestBroker, eventually, within};
use rumqttc::v5::mqttbytes::v5::{Filter, Packet, Publish, PublishProperties, SubscribeProperties};
use rumqttc::v5::{AsyncClient, Event, MqttOptions, mqttbytes};
use tokio::sync::mpsc;

/// A connected client of MQTT 5, and what it receives.
async fn version_5(
    broker: &TestBroker,
    account: &str,
    id: &str,
) -> (AsyncClient, mpsc::UnboundedReceiver<Packet>) {
    let mut options = MqttOptions::new(id, broker.address.ip().to_string(), broker.address.port());
    options.set_credentials(account, account);
    let (client, mut events) = AsyncClient::new(options, 100);
    let (sender, mut packets) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok(event) = events.poll().await {
            if let Event::Incoming(packet) = event
                && sender.send(packet).is_err()
            {
                return;
            }
        }
    });
    assert!(matches!(within(packets.recv()).await, Some(Packet::ConnAck(_))));
    (client, packets)
}

async fn next_publish(packets: &mut mpsc::UnboundedReceiver<Packet>) -> Publish {
    loop {
        if let Packet::Publish(publish) = within(packets.recv()).await.unwrap() {
            return publish;
        }
    }
}

async fn suback(packets: &mut mpsc::UnboundedReceiver<Packet>) {
    while !matches!(within(packets.recv()).await.unwrap(), Packet::SubAck(_)) {}
}

#[tokio::test]
async fn a_message_reaches_all_who_subscribed_it_and_nobody_else() {
    let broker = TestBroker::start().await;
    let mut peer = broker.client("peer").await;
    let mut reader = broker.client_as("reader", "reader-1").await;
    let mut other = broker.client_as("reader", "reader-2").await;
    assert!(peer.subscribe("share/peer/+").await);
    assert!(reader.subscribe("share/+/agent").await);
    assert!(other.subscribe("status/#").await);
    let agent = broker.client("agent").await;
    agent.publish("share/peer/agent", false, "one").await;
    agent.publish("status/agent", false, "two").await;
    for client in [&mut peer, &mut reader] {
        let message = client.next().await;
        assert_eq!((message.topic.as_str(), &message.payload[..]), ("share/peer/agent", &b"one"[..]));
    }
    assert_eq!(other.next().await.payload, "two");
    broker.end().await;
}

#[tokio::test]
async fn order_and_number_are_kept_beyond_every_buffer() {
    let broker = TestBroker::start().await;
    let mut peer = broker.client("peer").await;
    peer.subscribe("share/peer/+").await;
    let agent = broker.client("agent").await;
    let sending = async {
        for number in 0..20_000_u32 {
            agent.publish("share/peer/agent", false, &number.to_string()).await;
        }
    };
    let receiving = async {
        for number in 0..20_000_u32 {
            assert_eq!(peer.next().await.payload, number.to_string());
        }
    };
    tokio::join!(sending, receiving);
    let counters = broker.counters.snapshot();
    assert_eq!((counters.dropped_deliveries, counters.dropped_in_router), (0, 0));
}

#[tokio::test]
async fn quality_is_the_lower_of_the_two() {
    let broker = TestBroker::start().await;
    let mut peer = broker.client("peer").await;
    peer.subscribe("share/peer/+").await;
    let agent = broker.client("agent").await;
    for qos in [rumqttc::QoS::AtMostOnce, rumqttc::QoS::AtLeastOnce] {
        agent.mqtt.publish("share/peer/agent", qos, false, "x").await.unwrap();
        assert_eq!(peer.next().await.qos, qos);
    }
}

#[tokio::test]
async fn versions_3_1_1_and_5_hear_each_other() {
    let broker = TestBroker::start().await;
    let mut old = broker.client("peer").await;
    old.subscribe("status/+").await;
    let (new, mut packets) = version_5(&broker, "agent", "agent").await;
    new.subscribe("status/+", mqttbytes::QoS::AtLeastOnce).await.unwrap();
    suback(&mut packets).await;
    let properties = PublishProperties {
        user_properties: vec![("unit".into(), "ppm".into())],
        content_type: Some("text/plain".into()),
        ..Default::default()
    };
    new.publish_with_properties("status/agent", mqttbytes::QoS::AtLeastOnce, false, "from 5", properties)
        .await
        .unwrap();
    assert_eq!(old.next().await.payload, "from 5");
    let echo = next_publish(&mut packets).await.properties.unwrap();
    assert_eq!(echo.user_properties, [("unit".to_owned(), "ppm".to_owned())]);
    assert_eq!(echo.content_type.as_deref(), Some("text/plain"));
    old.publish("status/peer", false, "from 3.1.1").await;
    assert_eq!(next_publish(&mut packets).await.payload, "from 3.1.1");
}

#[tokio::test]
async fn subscription_identifiers_come_back_as_home_assistant_needs_them() {
    let broker = TestBroker::start().await;
    let (client, mut packets) = version_5(&broker, "reader", "mqtt.0H2xTzJ1f7Q").await;
    let identified = |id| SubscribeProperties { id: Some(id), user_properties: vec![] };
    let qos = mqttbytes::QoS::AtLeastOnce;
    client.subscribe_with_properties("status/+", qos, identified(7)).await.unwrap();
    suback(&mut packets).await;
    client.subscribe_with_properties("share/#", qos, identified(200)).await.unwrap();
    suback(&mut packets).await;
    let agent = broker.client("agent").await;
    // One after the other: there is no order among what comes by different filters.
    for (topic, id) in [("status/agent", 7), ("share/peer/agent", 200)] {
        agent.publish(topic, false, "x").await;
        let properties = next_publish(&mut packets).await.properties.unwrap();
        assert_eq!(properties.subscription_identifiers, [id]);
    }
}

#[tokio::test]
async fn a_client_may_ask_not_to_hear_itself() {
    let broker = TestBroker::start().await;
    let (client, mut packets) = version_5(&broker, "device", "device").await;
    let filter = |path: &str, nolocal| {
        let mut filter = Filter::new(path, mqttbytes::QoS::AtLeastOnce);
        filter.nolocal = nolocal;
        filter
    };
    client.subscribe_many([filter("device/a", true), filter("device/b", false)]).await.unwrap();
    suback(&mut packets).await;
    for topic in ["device/a", "device/b"] {
        client.publish(topic, mqttbytes::QoS::AtLeastOnce, false, topic).await.unwrap();
    }
    assert_eq!(next_publish(&mut packets).await.payload, "device/b");
}

#[tokio::test]
async fn retained_messages_come_first_and_with_their_flag() {
    let broker = TestBroker::start().await;
    let agent = broker.client("agent").await;
    agent.publish("status/agent", true, "online").await;
    eventually("the message is kept", || broker.counters.snapshot().retained == 1).await;
    let mut peer = broker.client("peer").await;
    peer.subscribe("status/+").await;
    let kept = peer.next().await;
    assert_eq!((&kept.payload[..], kept.retain), (&b"online"[..], true));
    agent.publish("status/agent", true, "busy").await;
    let live = peer.next().await;
    assert_eq!((&live.payload[..], live.retain), (&b"busy"[..], false));
    agent.publish("status/agent", true, "").await;
    assert_eq!(peer.next().await.payload, "");
    eventually("the message is forgotten", || broker.counters.snapshot().retained == 0).await;
}

#[tokio::test]
async fn retained_messages_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    for expected in [None, Some("1"), Some("2")] {
        let broker = TestBroker::with_state(folder.path()).await;
        let mut agent = broker.client("agent").await;
        agent.subscribe("status/+").await;
        if let Some(expected) = expected {
            let kept = agent.next().await;
            assert_eq!((&kept.payload[..], kept.retain), (expected.as_bytes(), true));
        }
        let next = expected.map_or(1, |last| last.parse::<u32>().unwrap() + 1).to_string();
        agent.publish("status/agent", true, &next).await;
        assert_eq!(agent.next().await.payload, next);
        broker.end().await;
    }
}

#[tokio::test]
async fn a_will_is_published_unless_the_client_says_goodbye() {
    let broker = TestBroker::start().await;
    let mut peer = broker.client("peer").await;
    peer.subscribe("status/+").await;
    let mut options = broker.options("agent");
    options.set_last_will(rumqttc::LastWill::new("status/agent", "lost", rumqttc::QoS::AtLeastOnce, true));
    let polite = Client::connect(options.clone()).await;
    polite.mqtt.disconnect().await.unwrap();
    eventually("the client is gone", || broker.counters.snapshot().connections_open == 1).await;
    Client::connect(options).await.vanish();
    let will = peer.next().await;
    assert_eq!((will.topic.as_str(), &will.payload[..]), ("status/agent", &b"lost"[..]));
    assert_eq!(broker.counters.snapshot().retained, 1);
}

#[tokio::test]
async fn the_same_account_takes_over_and_the_old_connection_ends_first() {
    let broker = TestBroker::start().await;
    let mut watcher = broker.client("peer").await;
    watcher.subscribe("status/+").await;
    let mut options = broker.options("agent");
    options.set_last_will(rumqttc::LastWill::new("status/agent", "lost", rumqttc::QoS::AtLeastOnce, false));
    let mut old = Client::connect(options).await;
    let new = broker.client("agent").await;
    old.closed().await;
    new.publish("status/agent", false, "back").await;
    assert_eq!(watcher.next().await.payload, "lost");
    assert_eq!(watcher.next().await.payload, "back");
    assert_eq!(broker.counters.snapshot().taken_over, 1);
}

#[tokio::test]
async fn an_unsubscribed_filter_is_silent() {
    let broker = TestBroker::start().await;
    let mut device = broker.client("device").await;
    device.subscribe("device/a").await;
    device.subscribe("device/b").await;
    device.mqtt.unsubscribe("device/a").await.unwrap();
    device.publish("device/a", false, "unheard").await;
    device.publish("device/b", false, "heard").await;
    assert_eq!(device.next().await.payload, "heard");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_client_id_is_filled_in_where_the_account_is_shared() {
    let broker = TestBroker::start().await;
    let mut shared = Raw::connect(broker.address);
    shared.send(&common::connect(5, "reader", "", None));
    let answer = shared.read(2);
    let rest = shared.read(usize::from(answer[1]));
    assert_eq!((answer[0], rest[1]), (0x20, 0));
    assert!(String::from_utf8_lossy(&rest).contains("reader-"), "{rest:?}");
    let mut lone = Raw::connect(broker.address);
    lone.send(&common::connect(4, "agent", "", None));
    assert_eq!(lone.read_to_close(), [0x20, 2, 0, 2]);
}

#[tokio::test]
async fn the_tap_sees_every_accepted_message() {
    let (tap, mut events) = mpsc::channel(10);
    let broker = TestBroker::with_tap(tap).await;
    let agent = broker.client("agent").await;
    agent.publish("share/other/peer", false, "refused").await;
    agent.publish("status/agent", true, "online").await;
    let event = within(events.recv()).await.unwrap();
    assert_eq!(
        (&*event.client, &event.topic[..], &event.payload[..]),
        ("agent", &b"status/agent"[..], &b"online"[..])
    );
    assert!(event.retain);
    assert_eq!(event.qos, smc_broker::QoS::AtLeastOnce);
}
