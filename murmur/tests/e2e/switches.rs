//! An agent's switches in the Home Assistant of its owner, at the owner's own broker.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use smc_core::result::Status;

use self::broker::Mosquitto;
use crate::support::mosquitto::{Login, Subscriber};
use crate::support::outcome::{RESULTS, await_outcome};
use crate::support::site::Site;
use crate::support::wait::eventually;

#[path = "../../../smc-mqtt/tests/mosquitto/mod.rs"]
#[allow(unreachable_pub, reason = "shared with another package's tests")]
mod broker;

const AVAILABLE: &str = "murmur/hq/switch/room-1/available";

/// Home Assistant, as far as switches go.
struct Assistant {
    login: Login,
    heard: Subscriber,
    switches: BTreeMap<String, Value>,
}

impl Assistant {
    fn start(site: &Site, broker: &Mosquitto) -> Self {
        let (user, password) = (String::new(), String::new());
        let login = Login {
            broker: broker.address().parse().unwrap(),
            user,
            password,
            client: "assistant".into(),
            ca: None,
        };
        let listener = Login { client: "assistant-ears".into(), ..login.clone() };
        let heard =
            Subscriber::start(&listener, &["homeassistant/#", "murmur/#"], site.path("assistant.log"));
        Self { login, heard, switches: BTreeMap::new() }
    }

    /// Waits until the switches with these names announced themselves.
    fn discover(&mut self, names: &[&str]) {
        let mut switches = BTreeMap::new();
        self.heard.wait_for(&format!("switches {names:?}"), |message| {
            if message.topic.starts_with("homeassistant/switch/murmur_hq_room-1/") {
                let switch = message.json();
                switches.insert(switch["name"].as_str().unwrap().to_owned(), switch);
            }
            (switches.keys().map(String::as_str).collect::<Vec<_>>() == names).then_some(())
        });
        self.switches = switches;
    }

    fn touch(&self, name: &str, payload: &str) {
        self.login.publish(self.switches[name]["command_topic"].as_str().unwrap(), payload);
    }

    fn await_state(&self, name: &str, state: &str) {
        self.await_text(self.switches[name]["state_topic"].as_str().unwrap(), state);
    }

    fn await_text(&self, topic: &str, text: &str) {
        self.heard.wait_for(&format!("{topic} says {text}"), |message| {
            (message.topic == topic && message.text() == text).then_some(())
        });
    }
}

/// A site all of whose queries are for ventilation, for which alone `room-1` shares, with switches at `broker`.
fn site(broker: &Mosquitto) -> Site {
    let mut site = Site::quick("5s", &["--agents", "6", "--minimum-cohort", "3"]);
    site.edit("site.toml", |text| text.replace("[[query]]\n", "[[query]]\npurpose = \"ventilation\"\n"));
    site.edit("room-1.toml", |text| {
        let address = broker.address();
        format!(
            "{text}\n[terms]\npurposes = [\"ventilation\"]\n\n[home_assistant]\naddress = \"mqtt://{address}\"\nclient_id = \"room-1\"\n"
        )
    });
    site
}

#[test]
fn an_owner_pauses_an_agent_and_a_purpose_by_a_touch_in_home_assistant() {
    let broker = Mosquitto::open();
    let mut site = site(&broker);
    site.start_all();
    let observer = site.subscribe("observer-1", &[RESULTS]);
    let covers = |cohort, declined| {
        await_outcome(&observer, "co2-count", &format!("{cohort} agents, {declined} decline"), |signed| {
            let result = &signed.result;
            result.status == Status::Ok && (result.cohort, result.declined) == (cohort, declined)
        })
    };
    let mut assistant = Assistant::start(&site, &broker);
    let (all, stream, purpose) = ("Sharing", "Sharing co2", "Sharing for ventilation");
    assistant.discover(&[all, stream, purpose]);
    let switch = &assistant.switches[stream];
    assert_eq!(switch["unique_id"], "murmur_hq_room-1_stream-co2");
    assert_eq!(switch["default_entity_id"], "switch.murmur_hq_room_1_stream_co2");
    assert_eq!(switch["availability"], json!([{ "topic": AVAILABLE }]));
    assistant.await_text(AVAILABLE, "online");
    covers(6, 0);

    assistant.touch(purpose, "OFF");
    assistant.await_state(purpose, "OFF");
    covers(5, 1);
    // Gone without a word, and back as it was.
    site.process("room-1").kill();
    assistant.await_text(AVAILABLE, "offline");
    site.start("room-1");
    assistant.await_state(purpose, "OFF");
    assistant.await_text(AVAILABLE, "online");
    covers(5, 1);
    assistant.touch(purpose, "ON");
    covers(6, 0);

    // What no switch can be told changes nothing; what the broker kept is nobody's touch of now.
    let command = assistant.switches[all]["command_topic"].as_str().unwrap();
    assistant.login.publish(command, "off");
    assistant.login.publish(&command.replace("sharing", "stream-noise"), "OFF");
    eventually("nonsense is counted", || site.log_of("room-1").contains("bad_switch").then_some(()));
    assistant.login.publish_retained(command, "ON");
    assistant.touch(stream, "OFF");
    assistant.await_state(stream, "OFF");
    let fewer = covers(5, 0);
    assert_eq!((fewer.result.fresh, fewer.result.carried), (5, 0));

    // What the file pauses no switch brings back.
    std::fs::write(site.path("room-1.control.toml"), "paused = true\n").unwrap();
    assistant.await_state(all, "OFF");
    assistant.touch(all, "ON");
    assistant.await_state(all, "OFF");
    assert!(site.process("room-1").terminate().success());
    assistant.await_text(AVAILABLE, "offline");
    site.assert_nobody_panicked();
}
