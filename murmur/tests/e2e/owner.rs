//! What the owner of an agent says while it runs: nothing is shared from the next window on.

use std::process::Output;

use smc_core::result::{SignedResult, Status};

use crate::support::mosquitto::Subscriber;
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

/// Waits for a value of `query` over so many agents, with so many left out by their terms.
fn await_cohort(observer: &Subscriber, query: &str, cohort: u32, declined: u32) -> SignedResult {
    await_outcome(observer, query, &format!("{cohort} agents, {declined} decline"), |signed| {
        let result = &signed.result;
        result.status == Status::Ok && (result.cohort, result.declined) == (cohort, declined)
    })
}

#[test]
fn agents_whose_terms_or_owners_refuse_are_left_out_of_that_alone_and_counted() {
    let mut site = Site::quick("5s", &["--agents", "7", "--minimum-cohort", "3"]);
    site.edit("site.toml", |text| {
        let query = |name: &str, function: &str, purpose: &str| {
            format!("\n[[query]]\nname = \"{name}\"\nfunction = \"{function}\"\nquantity = \"co2\"\npurpose = \"{purpose}\"\n")
        };
        let queries = [("ads", "mean", "adverts"), ("air", "mean", "ventilation"), ("worst", "max", "ventilation")];
        queries.into_iter().fold(text.to_owned(), |text, (name, function, purpose)| {
            text + &query(name, function, purpose)
        })
    });
    // Three and four: what either part alone is in may stand beside what all are in.
    for agent in ["room-4", "room-5", "room-6", "room-7"] {
        site.edit(&format!("{agent}.toml"), |text| {
            format!("{text}\n[terms]\nfunctions = [\"count\", \"mean\", \"sum\"]\nrefused_purposes = [\"adverts\"]\n")
        });
    }
    site.start_all();
    let observer = site.subscribe("observer-1", &[RESULTS]);
    await_cohort(&observer, "air", 7, 0);
    await_cohort(&observer, "ads", 3, 4);
    await_cohort(&observer, "worst", 3, 4);

    // The owners of the other part, by either way.
    assert!(tell(&site, "room-1", &["pause", "--purpose", "ventilation"]).status.success());
    for agent in ["room-2", "room-3"] {
        std::fs::write(site.path(&format!("{agent}.control.toml")), "paused_purposes = [\"ventilation\"]\n")
            .unwrap();
    }
    await_cohort(&observer, "air", 4, 3);
    await_cohort(&observer, "co2-count", 7, 0);

    // Who shares nothing at all is no member any more, once the epoch that it was in is over.
    assert!(tell(&site, "room-7", &["pause"]).status.success());
    let left = await_cohort(&observer, "co2-count", 6, 0);
    assert_eq!((left.result.fresh, left.result.carried), (6, 0));
    site.assert_nobody_panicked();
}
