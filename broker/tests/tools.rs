//! The tools that people use: mosquitto_sub, mosquitto_pub and paho.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::process::{Command, Output, Stdio};

use common::{Client, TestBroker, eventually};
use tokio::process::Child;

/// Runs a tool of mosquitto-clients; `args` follow those that say where and who.
fn mosquitto(tool: &str, broker: &TestBroker, account: &str, args: &[&str]) -> tokio::process::Command {
    let (host, port) = (broker.address.ip().to_string(), broker.address.port().to_string());
    let mut command = tokio::process::Command::new(tool);
    command.args(["-h", &host, "-p", &port, "-u", account, "-P", account, "-i", account]).args(args);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

async fn run(mut command: tokio::process::Command) -> Output {
    let running = command.output();
    common::within(running)
        .await
        .expect("mosquitto-clients must be installed: apt-get install mosquitto-clients")
}

async fn publish(broker: &TestBroker, account: &str, args: &[&str]) -> Output {
    run(mosquitto("mosquitto_pub", broker, account, args)).await
}

/// A mosquitto_sub that prints what it gets and ends after `count` messages.
fn subscriber(broker: &TestBroker, account: &str, count: usize, args: &[&str]) -> Child {
    let count = count.to_string();
    let args = [&["-v", "-C", &count], args].concat();
    mosquitto("mosquitto_sub", broker, account, &args)
        .spawn()
        .expect("mosquitto-clients must be installed: apt-get install mosquitto-clients")
}

async fn printed(child: Child) -> String {
    let output = common::within(child.wait_with_output()).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn mosquitto_of_either_version_publishes_and_subscribes() {
    let broker = TestBroker::start().await;
    for version in ["mqttv311", "mqttv5"] {
        let kept =
            publish(&broker, "agent", &["-V", version, "-q", "1", "-r", "-t", "status/agent", "-m", version])
                .await;
        assert!(kept.status.success());
        let reader =
            subscriber(&broker, "reader", 2, &["-V", version, "-q", "1", "-t", "status/+", "-t", "share/#"]);
        eventually("the reader is there", || broker.counters.snapshot().messages_out % 2 == 1).await;
        let live = publish(&broker, "agent", &["-V", version, "-t", "share/peer/agent", "-m", "live"]).await;
        assert!(live.status.success());
        assert_eq!(printed(reader).await, format!("status/agent {version}\nshare/peer/agent live\n"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mosquitto_sees_properties_and_subscription_identifiers() {
    let broker = TestBroker::start().await;
    let args = ["-V", "mqttv5", "-q", "1", "-r", "-t", "status/agent", "-m", "x"];
    let property =
        ["-D", "publish", "user-property", "unit", "ppm", "-D", "publish", "content-type", "text/plain"];
    assert!(publish(&broker, "agent", &[&args[..], &property].concat()).await.status.success());
    let format = [
        "-V",
        "mqttv5",
        "-D",
        "subscribe",
        "subscription-identifier",
        "7",
        "-F",
        "%C %P %S %r",
        "-t",
        "status/+",
    ];
    assert_eq!(printed(subscriber(&broker, "reader", 1, &format)).await, "text/plain unit:ppm 7 1\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn mosquitto_is_told_when_it_may_not() {
    let broker = TestBroker::start().await;
    let denied = run(mosquitto("mosquitto_sub", &broker, "agent", &["-t", "#", "-W", "5"])).await;
    let said = String::from_utf8_lossy(&denied.stderr).into_owned();
    assert!(said.contains("denied"), "{said}");
    let mut wrong = mosquitto("mosquitto_pub", &broker, "agent", &["-t", "status/agent", "-m", "x"]);
    let refused = run({
        wrong.args(["-P", "wrong"]);
        wrong
    })
    .await;
    assert!(!refused.status.success());
    let forged = publish(&broker, "agent", &["-V", "mqttv5", "-q", "1", "-t", "result/co2", "-m", "0"]).await;
    let said = String::from_utf8_lossy(&forged.stderr).into_owned();
    assert!(said.contains("Not authorized"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mosquitto_that_is_killed_leaves_its_will() {
    let broker = TestBroker::start().await;
    let mut peer: Client = broker.client("peer").await;
    peer.subscribe("status/+").await;
    let will = ["--will-topic", "status/agent", "--will-payload", "lost", "-t", "status/peer"];
    let mut agent = subscriber(&broker, "agent", 9, &will);
    peer.publish("status/peer", true, "seen").await;
    assert_eq!(peer.next().await.payload, "seen");
    // Logged in, will and all, as soon as it is sent something.
    eventually("the agent has it, too", || broker.counters.snapshot().messages_out == 2).await;
    agent.kill().await.unwrap();
    assert_eq!(peer.next().await.payload, "lost");
}

const PAHO: &str = r#"
import sys, queue, paho.mqtt.client as mqtt
host, port, version = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
heard, ready = queue.Queue(), queue.Queue()
def client(name):
    c = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=name, protocol=version)
    c.username_pw_set(name, name)
    c.on_connect = lambda c, u, f, reason, p: ready.put(str(reason))
    c.on_subscribe = lambda c, u, mid, reasons, p: ready.put(str(reasons[0]))
    c.on_message = lambda c, u, m: heard.put((m.topic, m.payload.decode(), m.retain))
    c.connect(host, port)
    c.loop_start()
    assert ready.get(timeout=20) == "Success"
    return c
peer, agent = client("peer"), client("agent")
peer.subscribe("share/peer/+", qos=1)
assert ready.get(timeout=20) == "Granted QoS 1"
peer.subscribe("share/other/+", qos=1)
print("denied:", ready.get(timeout=20))
for i in range(2000):
    agent.publish("share/peer/agent", str(i), qos=1)
for i in range(2000):
    assert heard.get(timeout=20) == ("share/peer/agent", str(i), False)
agent.disconnect(); peer.disconnect()
print("done")
"#;

#[tokio::test(flavor = "multi_thread")]
async fn paho_of_either_version_publishes_and_subscribes() {
    let installed = Command::new("python3").args(["-c", "import paho.mqtt.client"]).output();
    let installed = installed.is_ok_and(|output| output.status.success());
    assert!(installed, "paho must be installed for python3: pip install 'paho-mqtt>=2'");
    let broker = TestBroker::start().await;
    for version in ["4", "5"] {
        let (host, port) = (broker.address.ip().to_string(), broker.address.port().to_string());
        let mut python = tokio::process::Command::new("python3");
        python.args(["-c", PAHO, &host, &port, version]).kill_on_drop(true);
        let output = common::within(python.output()).await.unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.ends_with("done\n"), "{said}{}", String::from_utf8_lossy(&output.stderr));
        assert!(said.contains(if version == "5" {
            "denied: Not authorized"
        } else {
            "denied: Unspecified error"
        }));
    }
}
