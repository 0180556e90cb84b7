//! What the owner of an agent says while it runs: nothing is shared from the next window on.

use std::process::Output;

use crate::support::outcome::{RESULTS, all_fresh, await_outcome};
use crate::support::programs::Program;
use crate::support::site::Site;

/// `murmur agent ...` for an agent.
fn tell(site: &Site, agent: &str, words: &[&str]) -> Output {
    let mut command = Program::Murmur.command();
    command.arg("agent").args(words).arg("--agent-config").arg(site.path(&format!("{agent}.toml")));
    command.env("MURMUR_BROKER", site.url());
    command.output().unwrap()
}

#[test]
fn a_paused_agent_shares_nothing_and_comes_back_when_its_owner_says_so() {
    let mut site = Site::quick("30s", &["--agents", "6"]);
    site.start_all();
    let observer = site.subscribe("observer-1", &[RESULTS]);
    let fresh = |count| {
        await_outcome(&observer, "co2-count", &format!("{count} fresh readings"), |signed| {
            signed.result.fresh == count && signed.result.status == smc_core::result::Status::Ok
        })
    };
    await_outcome(&observer, "co2-count", "all fresh", |signed| all_fresh(signed, 6));

    let paused = tell(&site, "room-1", &["pause"]);
    assert!(paused.status.success(), "{}", String::from_utf8_lossy(&paused.stderr));
    fresh(5);
    // Remembered, so that nobody can bring an older word back to an agent that restarts.
    assert!(site.path("room-1.control.signed.json").exists());
    assert!(tell(&site, "room-1", &["resume"]).status.success());
    fresh(6);

    std::fs::write(site.path("room-2.control.toml"), "paused_streams = [\"co2\"]\n").unwrap();
    fresh(5);
    std::fs::remove_file(site.path("room-2.control.toml")).unwrap();
    fresh(6);

    let unknown = tell(&site, "room-1", &["pause", "--stream", "noise"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("it has co2"), "{unknown:?}");
    assert_eq!(tell(&site, "peer-1", &["pause"]).status.code(), Some(1));
    site.assert_nobody_panicked();
}
