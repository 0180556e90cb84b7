//! A page in a browser that reads results over websockets, with mqtt.js.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::brokers::{free_address, is_elsewhere};
use crate::support::chromium::Chromium;
use crate::support::site::Site;

const MQTT_JS: &str = "5.16.0";

/// Its file for browsers, fetched once.
fn mqtt_js() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mqtt.js");
    let file = folder.join("node_modules/mqtt/dist/mqtt.min.js");
    if !file.exists() {
        std::fs::create_dir_all(&folder).unwrap();
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"]).arg(&folder);
        assert!(npm.arg(format!("mqtt@{MQTT_JS}")).status().unwrap().success(), "mqtt.js is not there");
    }
    file
}

/// Connects and keeps what it is told. A file has no origin, which browsers call `null`.
fn page(script: &Path, broker: &str, password: &str, version: u8) -> String {
    format!(
        "<script src=\"{}\"></script><script>
        const told = [];
        let closed = 0;
        const client = mqtt.connect('{broker}', {{
            protocolVersion: {version}, username: 'observer', password: '{password}', clientId: 'observer-page-{version}',
        }});
        client.on('connect', () => client.subscribe('murmur/hq/result/+', {{ qos: 1 }}));
        client.on('close', () => closed++);
        client.on('message', (topic, payload) => told.push(JSON.parse(payload)));
        </script>",
        script.display()
    )
}

#[test]
#[ignore = "fetches mqtt.js: ./check --full"]
fn a_page_in_a_browser_reads_results_over_websockets_if_it_is_one_of_those_that_may() {
    if is_elsewhere("it is the embedded broker's own door") {
        return;
    }
    let (script, doors) = (mqtt_js(), free_address());
    let mut site = Site::quick("5s", &["--agents", "5", "--minimum-cohort", "3"]);
    site.edit("broker.toml", |text| {
        format!("{text}\n[websocket]\nlisten = \"{doors}\"\norigins = [\"https://dashboard.example\"]\n")
    });
    site.start_all();
    let password = site.login("observer", "observer-page").password;
    let open = |site: &Site, version: u8, name: &str| {
        let file = site.path(&format!("{name}.html"));
        std::fs::write(&file, page(&script, &format!("ws://{doors}/mqtt"), &password, version)).unwrap();
        Chromium::open(&format!("file://{}", file.display()), &site.path(&format!("{name}.log")))
    };
    let mut stranger = open(&site, 5, "stranger");
    stranger.await_true("closed > 1 && !client.connected && told.length === 0");

    site.end_broker();
    site.edit("broker.toml", |text| text.replace("https://dashboard.example", "null"));
    site.start_broker();
    for version in [4, 5] {
        let mut browser = open(&site, version, &format!("page-{version}"));
        browser.await_true("told.some((result) => result.status === 'ok' && result.fresh === 5)");
    }
    site.assert_nobody_panicked();
}
