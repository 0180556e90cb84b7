//! Nodes and commands that nobody told where the broker is.

use std::process::Output;

use crate::support::brokers::is_elsewhere;
use crate::support::outcome::{RESULTS, all_fresh, await_outcome};
use crate::support::programs::Program;
use crate::support::site::{BROKER, Site};
use crate::support::wait::eventually;

/// `murmur queries` without `--broker`.
fn ask(site: &Site) -> Output {
    let mut command = Program::Murmur.command();
    command.args(["queries", "--site"]).arg(site.path("site.toml"));
    command.arg("--key").arg(site.path("keys/display.key")).output().unwrap()
}

#[test]
fn a_site_finds_its_broker_by_itself_until_the_broker_says_goodbye() {
    if is_elsewhere("only the embedded broker announces a site") {
        return;
    }
    let mut site = Site::quick("5s", &["--agents", "3", "--minimum-cohort", "3", "--clients", "display"]);
    // Another run of these tests on this machine must not be taken for this one.
    site.hide_broker(&format!("found-{}", std::process::id()));
    let address = site.start_broker();
    site.start_nodes();
    let results = RESULTS.replace("hq", site.roster().site().as_str());
    let observer = site.subscribe("observer-1", &[&results]);
    await_outcome(&observer, "co2-count", "all fresh", |signed| all_fresh(signed, 3));
    for node in ["peer-1", "room-1"] {
        let said = site.log_of(node);
        assert!(said.contains("found a broker") && said.contains(&address.to_string()), "{node}: {said}");
    }
    let asked = ask(&site);
    assert!(asked.status.success(), "{asked:?}");
    assert!(String::from_utf8_lossy(&asked.stdout).contains("co2-count"), "{asked:?}");

    assert!(site.process(BROKER).terminate().success());
    // What was on its way when it said goodbye may still be heard by the first one who asks.
    let said = eventually("nobody finds the broker any more", || {
        let asked = ask(&site);
        let said = String::from_utf8(asked.stderr).unwrap();
        said.contains("no broker announced the site").then_some(said)
    });
    assert!(said.contains("--broker") && said.contains("`broker = "), "{said}");
    site.assert_nobody_panicked();
}
