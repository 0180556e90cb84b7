//! What one connection carries: publishes a second, and messages a second to one subscriber, beside
//! `rumqttc::EventLoop` on the same broker. Run with `cargo bench -p smc-mqtt --bench connection`.

// A bench that can't run has nothing better to do than to stop.
#![allow(clippy::expect_used)]

#[path = "../tests/mosquitto/mod.rs"]
mod mosquitto;

use std::time::{Duration, Instant};

use mosquitto::Mosquitto;
use smc_mqtt::connection::{ConnectionSettings, Happening, connect};

const COUNT: u32 = 200_000;
const SIZE: usize = 256;

fn main() {
    let broker =
        Mosquitto::with("allow_anonymous true\nmax_queued_messages 0\nmax_inflight_messages 1000\n", &[]);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        report("publish, ours", publish_ours(&broker).await);
        report("publish, rumqttc::EventLoop", publish_rumqttc(&broker).await);
        report("publish and receive, ours", round_ours(&broker).await);
    });
}

fn report(what: &str, took: (Duration, f64)) {
    let rate = f64::from(COUNT) / took.0.as_secs_f64();
    println!("{what:<30} {rate:>9.0} messages/s, {:.2} us of our CPU each", took.1 * 1e6 / f64::from(COUNT));
}

/// From the first publish to the last acknowledgement.
async fn publish_ours(broker: &Mosquitto) -> (Duration, f64) {
    let settings = ConnectionSettings::new(broker.address().parse().expect("address"), "ours");
    let (publisher, mut incoming) = connect(settings, vec![]);
    assert_eq!(incoming.next().await, Some(Happening::Connected));
    let (began, cpu) = (Instant::now(), cpu_seconds());
    let payload = bytes::Bytes::from(vec![7; SIZE]);
    for _ in 0..COUNT {
        publisher.publish_wait("bench/a", payload.clone(), false).await.expect("open");
    }
    assert_eq!(publisher.close().await, 0);
    (began.elapsed(), cpu_seconds() - cpu)
}

async fn publish_rumqttc(broker: &Mosquitto) -> (Duration, f64) {
    use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
    let address = broker.address();
    let (host, port) = address.split_once(':').expect("host and port");
    let mut options = MqttOptions::new("theirs", host, port.parse::<u16>().expect("port"));
    options.set_inflight(1000);
    let (client, mut events) = AsyncClient::new(options, 4096);
    events.network_options.set_tcp_nodelay(true);
    let (began, cpu) = (Instant::now(), cpu_seconds());
    let payload = bytes::Bytes::from(vec![7; SIZE]);
    tokio::spawn(async move {
        for _ in 0..COUNT {
            client.publish_bytes("bench/a", QoS::AtLeastOnce, false, payload.clone()).await.expect("open");
        }
        std::future::pending::<()>().await;
    });
    let mut acknowledged = 0;
    while acknowledged < COUNT {
        if matches!(events.poll().await.expect("connected"), Event::Incoming(Packet::PubAck(_))) {
            acknowledged += 1;
        }
    }
    (began.elapsed(), cpu_seconds() - cpu)
}

/// From the first publish to the last message received, on one connection that does both.
async fn round_ours(broker: &Mosquitto) -> (Duration, f64) {
    let settings = ConnectionSettings::new(broker.address().parse().expect("address"), "round");
    let (publisher, mut incoming) = connect(settings, vec!["bench/b".into()]);
    assert_eq!(incoming.next().await, Some(Happening::Connected));
    let (began, cpu) = (Instant::now(), cpu_seconds());
    let payload = bytes::Bytes::from(vec![7; SIZE]);
    tokio::spawn(async move {
        for _ in 0..COUNT {
            publisher.publish_wait("bench/b", payload.clone(), false).await.expect("open");
        }
    });
    for _ in 0..COUNT {
        assert!(matches!(incoming.next().await, Some(Happening::Message { .. })));
    }
    (began.elapsed(), cpu_seconds() - cpu)
}

/// User and system time of this process so far, from `/proc` (clock ticks of 10 ms).
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    after_name.split_whitespace().skip(11).take(2).filter_map(|t| t.parse::<f64>().ok()).sum::<f64>() / 100.0
}
