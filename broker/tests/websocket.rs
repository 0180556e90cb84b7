//! MQTT over websockets: a real client, and what is refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::io::{Read, Write};
use std::process::Command;

use common::certificates::Authority;
use common::{Raw, TestBroker, config, eventually};
use smc_broker::{BrokerConfig, ClientCertificates, Limits, WebsocketListener};

/// Connects with paho, as in a browser: subscribes, publishes to itself, and says what came.
const CLIENT: &str = r#"
import ssl, sys, threading
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

port, ca = int(sys.argv[1]), sys.argv[2]
done = threading.Event()
client = mqtt.Client(CallbackAPIVersion.VERSION2, "device-1", transport="websockets", protocol=int(sys.argv[3]))
client.username_pw_set("device", "device")
client.ws_set_options(path="/mqtt", headers={"Origin": sys.argv[4]} if len(sys.argv) > 4 else None)
if ca != "-":
    client.tls_set(ca_certs=ca)
payload = bytes(range(256)) * 2000
client.on_connect = lambda c, *_: c.subscribe("device/#", 1)
client.on_subscribe = lambda c, *_: c.publish("device/1", payload, 1)
client.on_message = lambda c, _, m: (print(m.topic, m.payload == payload), done.set())
client.connect("localhost", port)
client.loop_start()
sys.exit(0 if done.wait(20) else "nothing came")
"#;

/// What the client printed, or what it complained of.
fn run(port: u16, ca: &str, version: &str, origin: &[&str]) -> Result<String, String> {
    let mut python = Command::new("python3");
    python.args(["-c", CLIENT, &port.to_string(), ca, version]).args(origin);
    let output = python.output().expect("python3 with paho-mqtt is needed for this test");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().trim().to_owned();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

fn listener(origins: &[&str]) -> Option<WebsocketListener> {
    let origins = origins.iter().map(|&origin| origin.to_owned()).collect();
    Some(WebsocketListener { listen: ([127, 0, 0, 1], 0).into(), origins })
}

#[tokio::test(flavor = "multi_thread")]
async fn paho_speaks_both_versions_over_websockets_with_and_without_tls() {
    let plain = TestBroker::with(BrokerConfig { websocket: listener(&[]), ..config() }).await;
    let authority = Authority::new("site");
    authority.issue("broker", &["localhost"], 90);
    let tls = Some(authority.listener(ClientCertificates::Off));
    let secure = TestBroker::with(BrokerConfig { tls, websocket: listener(&[]), ..config() }).await;
    let ca = authority.path("ca.pem").display().to_string();
    for (broker, ca) in [(&plain, "-"), (&secure, ca.as_str())] {
        for version in ["4", "5"] {
            let told = run(broker.websocket.unwrap().port(), ca, version, &[]);
            assert_eq!(told.as_deref(), Ok("device/1 True"), "version {version}, ca {ca}");
        }
    }
    plain.still_works().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_comes_in_from_the_pages_that_are_configured_alone() {
    let known = "https://dashboard.example";
    let broker = TestBroker::with(BrokerConfig { websocket: listener(&[known]), ..config() }).await;
    let port = broker.websocket.unwrap().port();
    assert_eq!(run(port, "-", "4", &[known]).as_deref(), Ok("device/1 True"));
    let mut raw = Raw::connect(broker.websocket.unwrap());
    raw.send(request("mqtt", "Origin: https://elsewhere.example\r\n").as_bytes());
    assert!(raw.read_to_close().starts_with(b"HTTP/1.1 403"));
    let mut raw = Raw::connect(broker.websocket.unwrap());
    raw.send(request("chat", "").as_bytes());
    assert!(raw.read_to_close().starts_with(b"HTTP/1.1 400"));
    eventually("counted", || broker.counters.snapshot().failed_handshakes == 2).await;
    let any = TestBroker::with(BrokerConfig { websocket: listener(&["*"]), ..config() }).await;
    assert!(run(any.websocket.unwrap().port(), "-", "4", &["https://elsewhere.example"]).is_ok());
}

fn request(protocol: &str, more: &str) -> String {
    format!(
        "GET /mqtt HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Protocol: {protocol}\r\n{more}\r\n"
    )
}

/// A connection on which websockets are spoken already.
fn upgraded(broker: &TestBroker) -> Raw {
    let mut raw = Raw::connect(broker.websocket.unwrap());
    raw.send(request("mqtt", "").as_bytes());
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.extend(raw.read(1));
    }
    assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
    raw
}

/// The header of a final, masked frame, and a mask that changes nothing.
fn frame(opcode: u8, len: u64) -> Vec<u8> {
    [&[0x80 | opcode, 0x80 | 127][..], &len.to_be_bytes(), &[0; 4]].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_mqtt_ends_its_own_connection_alone() {
    let limits = Limits { packet_bytes: 10_000, connect_timeout_ms: 1_000, ..Limits::default() };
    let broker = TestBroker::with(BrokerConfig { websocket: listener(&[]), limits, ..config() }).await;
    // A giant that is announced is not waited for; a text is no MQTT; nobody speaks without a mask.
    let mut giant = upgraded(&broker);
    giant.send(&frame(2, 1 << 40));
    let mut text = upgraded(&broker);
    text.send(&[&frame(1, 2)[..], b"hi"].concat());
    let mut unmasked = upgraded(&broker);
    unmasked.send(&[0x82, 2, 0x10, 0]);
    let mut silent = upgraded(&broker);
    silent.send(&[0x82]);
    let mut slow = Raw::connect(broker.websocket.unwrap());
    slow.send(b"GET /mqtt HTTP/1.1\r\n");
    for raw in [&mut giant, &mut text, &mut unmasked, &mut silent, &mut slow] {
        let mut rest = Vec::new();
        // Closed or reset, and in time.
        assert!(
            !matches!(raw.0.read_to_end(&mut rest), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
        );
    }
    let mut cut = upgraded(&broker);
    let hello = common::connect(4, "device", "device-1", None);
    // A CONNECT in two messages, and the second with a PINGREQ behind it.
    let (first, second) = hello.split_at(7);
    for part in [first, &[second, &[0xC0, 0]].concat()] {
        cut.0.write_all(&[&frame(2, part.len() as u64)[..], part].concat()).unwrap();
    }
    let mut answered = Vec::new();
    while answered.len() < 6 {
        let header = cut.read(2);
        assert_eq!(header[0], 0x82, "binary, and whole");
        answered.extend(cut.read(header[1].into()));
    }
    assert_eq!(answered, [0x20, 2, 0, 0, 0xD0, 0]);
    broker.still_works().await;
}
