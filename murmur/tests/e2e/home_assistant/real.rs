//! Home Assistant itself, from PyPI: what its sensors show.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use serde_json::Value;

use crate::support::outcome::{RESULTS, all_fresh, await_outcome};
use crate::support::site::Site;
use crate::support::wait::PATIENCE;

/// The last version for Python 3.13; newer ones want a newer Python.
const HOME_ASSISTANT: [&str; 2] = ["homeassistant==2025.4.4", "paho-mqtt==2.1.0"];

/// A Python that has Home Assistant, in the build folder; made once.
fn python() -> PathBuf {
    let venv = Path::new(env!("CARGO_TARGET_TMPDIR")).join("home-assistant");
    let python = venv.join("bin/python");
    let done = venv.join("installed");
    if !done.exists() {
        let run = |command: &mut Command| {
            let output = command.output().expect("python3.13 is needed");
            assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
        };
        run(Command::new("python3.13").args(["-m", "venv"]).arg(&venv));
        run(Command::new(&python).args(["-m", "pip", "install", "--quiet"]).args(HOME_ASSISTANT));
        std::fs::write(done, HOME_ASSISTANT.join("\n")).unwrap();
    }
    python
}

/// A running Home Assistant, ended with its handle.
struct HomeAssistant {
    process: Child,
    states: Receiver<Value>,
}

impl HomeAssistant {
    fn start(site: &Site, protocol: &str) -> Self {
        let login = site.login("home-assistant", "");
        let mut command = Command::new(python());
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/home_assistant/watch.py"));
        command.arg(site.path("home-assistant")).args([
            &login.broker.port().to_string(),
            &login.password,
            protocol,
        ]);
        let log = std::fs::File::create(site.path("home-assistant.log")).unwrap();
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let (sender, states) = channel();
        std::thread::spawn(move || {
            for state in lines.map_while(Result::ok).filter_map(|line| serde_json::from_str(&line).ok()) {
                if sender.send(state).is_err() {
                    return;
                }
            }
        });
        Self { process, states }
    }

    /// The next state of `entity` that `fits`.
    fn wait_for(&self, entity: &str, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let state = self.states.recv_timeout(left).unwrap_or_else(|_| panic!("no {what} of {entity}"));
            if state["id"] == entity && fits(&state) {
                return state;
            }
        }
    }
}

impl Drop for HomeAssistant {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn assert_shown(protocol: &str) {
    const MEAN: &str = "sensor.murmur_hq_temperature_mean";
    let mut site = Site::quick("8s", &["--agents", "5", "--quantities", "co2,temperature"]);
    site.start_all();
    let observer = site.subscribe("observer-1", &[RESULTS]);
    await_outcome(&observer, "temperature-mean", "a value", |signed| all_fresh(signed, 5));
    let assistant = HomeAssistant::start(&site, protocol);

    let number = |state: &Value| state["state"].as_str().unwrap().parse::<f64>().is_ok();
    let shown = assistant.wait_for(MEAN, "value", |state| number(state) && state["attributes"]["fresh"] == 5);
    let attributes = &shown["attributes"];
    assert_eq!(attributes["unit_of_measurement"], "°C");
    assert_eq!(attributes["device_class"], "temperature");
    assert_eq!((&attributes["cohort"], &attributes["verified"]), (&5.into(), &true.into()));

    site.process("room-5").kill();
    let gone = assistant.wait_for(MEAN, "unavailability", |state| state["state"] == "unavailable");
    assert!(gone["attributes"].get("fresh").is_none(), "{gone}");
    site.start("room-5");
    assistant.wait_for(MEAN, "value again", number);
    assert!(site.path("home-assistant.log").exists());
    let log = std::fs::read_to_string(site.path("home-assistant.log")).unwrap();
    let complaints: Vec<_> =
        log.lines().filter(|line| line.contains("mqtt") && !line.contains("DEBUG")).collect();
    assert!(complaints.is_empty(), "{complaints:?}");
}

#[test]
#[ignore = "installs Home Assistant from PyPI, half a gigabyte, and needs Python 3.13"]
fn home_assistant_shows_a_value_over_mqtt_3() {
    assert_shown("3.1.1");
}

#[test]
#[ignore = "installs Home Assistant from PyPI, half a gigabyte, and needs Python 3.13"]
fn home_assistant_shows_a_value_over_mqtt_5() {
    assert_shown("5");
}
