//! An output for one client's eyes alone, through all programs.

use std::process::{Command, Stdio};

use serde_json::Value;
use smc_core::result::Status;

use crate::support::outcome::{RESULTS, outcome};
use crate::support::site::Site;

/// A display that may know the greatest reading, and a room that asks for its rank.
fn site() -> Site {
    let mut site = Site::quick("30s", &["--agents", "6", "--clients", "display"]);
    site.edit("site.toml", |text| {
        let query = |name: &str, more: &str| {
            format!("\n[[query]]\nname = \"{name}\"\nfunction = \"{name}\"\nquantity = \"co2\"\n{more}\n")
        };
        let max = query("max", "audience = \"display\"");
        let rank = query("rank", "agent = \"room-3\"");
        format!("{text}{max}{rank}")
    });
    site
}

pub(crate) fn open(site: &Site, broker: &str, key: &str, query: &str) -> Option<Value> {
    let mut open = Command::new(env!("CARGO_BIN_EXE_murmur"));
    open.args(["open", "--once", "--json", "--broker", broker, "--query", query]);
    open.arg("--site").arg(site.path("site.toml")).arg("--key").arg(site.path(key));
    let output = open.stderr(Stdio::inherit()).output().unwrap();
    output.status.success().then(|| serde_json::from_slice(&output.stdout).unwrap())
}

#[test]
fn only_the_client_learns_the_output() {
    let mut site = site();
    let broker = site.start_broker();
    site.start_nodes();
    let observer = site.subscribe("observer-1", &[RESULTS]);
    let told = observer.wait_for("a result for the display", |message| {
        outcome(&message)
            .filter(|signed| signed.result.query.as_str() == "max" && signed.result.status == Status::Ok)
    });
    assert_eq!(told.result.value, None);
    assert_eq!(told.result.audience, "display".parse().ok());
    let url = format!("mqtt://{broker}");
    let max = open(&site, &url, "keys/display.key", "max").unwrap();
    assert_eq!(max["unit"], "ppm", "{max}");
    // An agent that was not heard before the first epoch began stays out of its cohort.
    assert!((5..=6).contains(&max["readings"].as_u64().unwrap()), "{max}");
    assert!((400.0..=5_000.0).contains(&max["value"].as_f64().unwrap()), "{max}");
    let rank = open(&site, &url, "keys/room-3.key", "rank").unwrap();
    assert!((1..=6).contains(&rank["value"].as_u64().unwrap()), "{rank}");
}
