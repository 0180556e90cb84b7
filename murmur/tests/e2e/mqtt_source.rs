//! Readings that other devices publish: over the agent's own connection, and from a broker of their own.

use std::io::Write;
use std::process::Stdio;

use smc_core::result::SignedResult;

use crate::support::mosquitto::Login;
use crate::support::outcome::{RESULTS, number, outcome};
use crate::support::programs::Program;
use crate::support::site::Site;
use crate::support::wait::eventually;

pub(crate) const DEVICE: &str = "zigbee2mqtt";
pub(crate) const PASSWORD: &str = "let the sensors in";

/// What `smc-broker passwd` makes of [`PASSWORD`].
fn hash() -> String {
    let mut command = Program::Broker.command();
    command.args(["passwd", DEVICE]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    writeln!(child.stdin.take().unwrap(), "{PASSWORD}").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Lets devices publish and look on, and two of the agents read what they say.
pub(crate) fn let_devices_in(site: &mut Site) {
    let hash = hash();
    site.tell_password(DEVICE, PASSWORD);
    site.edit("broker.toml", |text| {
        let may = "publish = [\"zigbee2mqtt/#\", \"tele/#\"]\nsubscribe = [\"zigbee2mqtt/#\", \"tele/#\"]";
        let device = format!(
            "[[account]]\nname = \"{DEVICE}\"\nrole = \"device\"\npassword_hash = \"{hash}\"\n{may}\n"
        );
        let agent = |text: String, agent: &str| {
            let (before, rest) = text.split_once(&format!("name = \"{agent}\"\n")).unwrap();
            format!("{before}name = \"{agent}\"\nsubscribe = [\"zigbee2mqtt/#\", \"tele/#\"]\n{rest}")
        };
        format!("{}\n{device}", agent(agent(text.to_owned(), "room-1"), "room-2"))
    });
}

#[test]
fn what_devices_publish_becomes_a_result() {
    let flags = ["--agents", "3", "--minimum-cohort", "3", "--quantities", "temperature"];
    let mut site = Site::quick("5s", &flags);
    let_devices_in(&mut site);
    let broker = site.start_broker();
    for agent in site.agents() {
        site.edit(&format!("{agent}.toml"), |text| {
            text.replace("# maximum_age = \"5m\"", "maximum_age = \"5m\"")
        });
    }
    // As zigbee2mqtt says it, as Tasmota does, and in plain text from a broker with a login of its own.
    site.set_source(
        "room-1",
        "kind = \"mqtt\"\n[source.topics.temperature]\ntopic = \"zigbee2mqtt/office/1\"\npointer = \"/temperature\"\n",
    );
    site.set_source(
        "room-2",
        "kind = \"mqtt\"\n[source.topics.temperature]\ntopic = \"tele/+/SENSOR\"\npointer = \"/SCD40/Temperature\"\n",
    );
    site.set_source(
        "room-3",
        &format!(
            "kind = \"mqtt\"\n[source.broker]\naddress = \"mqtt://{broker}\"\nclient_id = \"room-3-sensors\"\n\
             login = {{ user = \"{DEVICE}\", password = \"{PASSWORD}\" }}\n\
             [source.topics.temperature]\ntopic = \"zigbee2mqtt/plain\"\nscale = 0.001\n"
        ),
    );
    site.start_nodes();
    let observer = site.subscribe("observer-1", &[RESULTS]);
    let device =
        Login { broker, user: DEVICE.into(), password: PASSWORD.into(), client: "device-1".into(), ca: None };
    let publish = |office: f64, tasmota: f64, plain: f64| {
        let tasmota = format!(
            r#"{{"Time":"2024-01-01T10:31:09","SCD40":{{"CarbonDioxide":1204,"Temperature":{tasmota}}}}}"#
        );
        device.publish("zigbee2mqtt/office/1", &format!(r#"{{"temperature":{office},"linkquality":120}}"#));
        device.publish("tele/sensor/SENSOR", &tasmota);
        device.publish("zigbee2mqtt/plain", &format!("{}", plain * 1000.0));
    };
    let sum_of = |office: f64, tasmota: f64, plain: f64| {
        let expected = format!("{:.2}", office + tasmota + plain);
        eventually("the sum of what the devices published", || {
            publish(office, tasmota, plain);
            let outcomes: Vec<SignedResult> = observer.drain().iter().filter_map(outcome).collect();
            outcomes.into_iter().find(|signed| {
                let value = number(signed).map(|value| format!("{value:.2}"));
                signed.result.query.as_str() == "temperature-sum" && value.as_ref() == Some(&expected)
            })
        })
    };
    let first = sum_of(20.5, 28.81, 21.37);
    assert_eq!((first.result.cohort, first.result.verified), (3, true));
    sum_of(-3.25, 0.0, 84.99);

    // What is no reading, or none of these sensors', is a gap for its own room alone.
    for nonsense in
        ["", "{", "{\"temperature\":\"hot\"}", "{\"temperature\":579.27}", "{\"humidity\":40}", "[1]"]
    {
        device.publish("zigbee2mqtt/office/1", nonsense);
    }
    device.publish("tele/sensor/SENSOR", "{\"SCD40\":{\"CarbonDioxide\":1204}}");
    sum_of(20.0, 21.0, 22.0);
    site.assert_nobody_panicked();
}
