//! `murmur doctor` at a healthy site, and at sites with one fault each.

use std::collections::BTreeSet;

use serde_json::Value;
use smc_core::result::Status;

use crate::clocks::{self, faketime, told};
use crate::support::mosquitto::Subscriber;
use crate::support::outcome::{RESULTS, all_fresh, await_outcome};
use crate::support::programs::Program;
use crate::support::site::{BROKER, Site};

/// What a diagnosis came to.
struct Diagnosis {
    code: Option<i32>,
    findings: Vec<Value>,
}

/// `murmur doctor --json` at a site, in an environment that has these variables besides.
fn diagnose_with(site: &Site, words: &[&str], environment: &[(&str, &str)]) -> Diagnosis {
    let mut command = Program::Murmur.command();
    command.current_dir(site.path("")).args(["doctor", "--json", "--site", "site.toml"]);
    command.args(["--broker", &site.url()]).args(words).envs(environment.iter().copied());
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let findings = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(!text.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    Diagnosis { code: output.status.code(), findings }
}

fn diagnose(site: &Site, words: &[&str]) -> Diagnosis {
    diagnose_with(site, words, &[])
}

impl Diagnosis {
    fn graded(&self, grade: &str) -> impl Iterator<Item = &Value> {
        self.findings.iter().filter(move |finding| finding["grade"] == grade)
    }

    /// Fails unless there is a problem of `check` that says all of `parts`, with a remedy that says `remedy`.
    #[track_caller]
    fn assert_finds(&self, check: &str, parts: &[&str], remedy: &str) {
        self.assert_grades("problem", check, parts, remedy);
        assert_eq!(self.code, Some(1));
    }

    /// Fails unless there is something to note that says all of `parts`.
    #[track_caller]
    fn assert_notes(&self, check: &str, parts: &[&str], remedy: &str) {
        self.assert_grades("note", check, parts, remedy);
    }

    #[track_caller]
    fn assert_grades(&self, grade: &str, check: &str, parts: &[&str], remedy: &str) {
        let says = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
        let fits = |finding: &&Value| {
            finding["check"] == check
                && parts.iter().all(|part| says(finding, "says").contains(part))
                && says(finding, "remedy").contains(remedy)
        };
        assert!(self.graded(grade).any(|finding| fits(&finding)), "{check} {parts:?}: {:#?}", self.findings);
    }
}

#[test]
fn a_healthy_site_is_well_and_each_thing_that_breaks_is_named_with_what_to_do() {
    let mut site = Site::quick("1h", &["--agents", "6"]);
    site.start_all();
    let observer = site.subscribe("observer-1", &[RESULTS]);
    await_outcome(&observer, "co2-sum", "a value of all", |signed| all_fresh(signed, 6));
    let files = ["--config", "peer-1.toml", "--config", "room-1.toml", "--config", "broker.toml"];
    let well = diagnose(&site, &files);
    assert_eq!((well.code, well.graded("problem").count()), (Some(0), 0), "{:#?}", well.findings);
    for check in [
        "agents", "broker", "clocks", "config", "disk", "keys", "peers", "policy", "results", "roster",
        "site", "versions",
    ] {
        assert!(well.graded("ok").any(|finding| finding["check"] == check), "{check}: {:#?}", well.findings);
    }
    // Long before anything happens: RabbitMQ tells of nothing afterwards to who comes with a wildcard.
    let statuses = site.subscribe("observer-2", &["murmur/hq/status/+"]);
    breaks_on_this_machine(&mut site);

    site.process("peer-3").kill();
    assert!(site.process("room-6").terminate().success());
    await_gone(&statuses, &["peer-3", "room-6"]);
    let broken = diagnose(&site, &[]);
    broken.assert_finds("peers", &["peer-3 is gone"], "smc-peer --config peer-3.toml");
    broken.assert_finds("agents", &["1 of 6 are gone: room-6"], "sensor-agent");

    site.process("peer-2").kill();
    await_gone(&statuses, &["peer-2"]);
    await_outcome(&observer, "co2-sum", "that there are too few", |signed| {
        signed.result.status == Status::Failed
    });
    let broken = diagnose(&site, &["--listen", "5s"]);
    broken.assert_finds("peers", &["1 of 3 peers take part, and a result takes 2"], "start the peers");
    broken.assert_finds("results", &["no value of", "waiting: 1 of 2 peers"], "start more peers");

    site.process(BROKER).terminate();
    diagnose(&site, &[]).assert_finds("broker", &["can't be reached"], "smc-broker --config broker.toml");
    site.assert_nobody_panicked();
}

/// Waits until all of these are gone. Brokers tell of a kill and of a farewell in whatever order they notice.
fn await_gone(statuses: &Subscriber, nodes: &[&str]) {
    let mut left: BTreeSet<_> = nodes.iter().map(|node| format!("murmur/hq/status/{node}")).collect();
    statuses.wait_for(&format!("{nodes:?} are gone"), |message| {
        if message.json()["state"] == "offline" {
            left.remove(&message.topic);
        }
        left.is_empty().then_some(())
    });
}

/// Faults that are found in files, beside a site that is well.
fn breaks_on_this_machine(site: &mut Site) {
    std::fs::write(site.path("wrong.password"), "not this one\n").unwrap();
    diagnose(site, &["--password-file", "wrong.password"]).assert_finds(
        "broker",
        // Not every broker says which of them is wrong.
        &["turns observer down", "password"],
        "smc-broker passwd",
    );
    let open = |file: &str, mode: u32| {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(site.path(file), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    open("keys/room-2.key", 0o644);
    let broken = diagnose(site, &["--config", "room-2.toml"]);
    broken.assert_finds("keys", &["room-2.key", "mode 0644"], "chmod 600 keys/room-2.key");
    open("keys/room-2.key", 0o600);
    std::fs::copy(site.path("keys/room-3.key"), site.path("keys/stranger.key")).unwrap();
    diagnose(site, &[]).assert_finds("keys", &["stranger.key", "the keys of `room-3`"], "restore");
    std::fs::remove_file(site.path("keys/stranger.key")).unwrap();

    std::fs::write(site.path("policy.cedar"), "permit (principal, action, resourse);\n").unwrap();
    site.edit("peer-1.toml", |text| format!("{text}\n[policy]\nfile = \"policy.cedar\"\n"));
    diagnose(site, &["--config", "peer-1.toml"]).assert_finds(
        "policy",
        &["policy.cedar", "denies everything"],
        "murmur policy check",
    );
    std::fs::write(site.path("none.toml"), "node = 7").unwrap();
    diagnose(site, &["--config", "none.toml"]).assert_finds("config", &["none.toml"], "mend");
}

#[test]
fn a_clock_that_is_off_is_named_be_it_a_peers_or_the_own() {
    let (site, clock, _observer, statuses) = clocks::with_a_clock();

    let wrong = [("LD_PRELOAD", &*faketime()), ("FAKETIME", "+30s"), ("FAKETIME_DONT_FAKE_MONOTONIC", "1")];
    let here = diagnose_with(&site, &[], &wrong);
    here.assert_finds("clocks", &["the clock of this machine is", "ahead of"], "timedatectl");

    clock.set("+9s");
    told(&statuses, "peer-3", "that its clock is ahead", |status| status["own_clock"].as_f64());
    let broken = diagnose(&site, &[]);
    broken.assert_finds("clocks", &["peer-3", "ahead of"], "NTP");
    // It alone, whoever says so: the others and this machine go by the same clock.
    for finding in broken.graded("problem").filter(|finding| finding["check"] == "clocks") {
        assert!(finding["says"].as_str().unwrap().contains("peer-3"), "{:#?}", broken.findings);
    }
    site.assert_nobody_panicked();
}

#[test]
fn a_peer_with_another_site_file_is_named() {
    // Its peers go on without one that they don't understand before the next window closes.
    let mut site = clocks::site();
    let text = std::fs::read_to_string(site.path("site.toml")).unwrap();
    let other = text.replace("minimum_cohort = ", "minimum_cohort = 1");
    assert_ne!(other, text);
    std::fs::write(site.path("other.toml"), other).unwrap();
    for node in site.agents().into_iter().chain(["peer-1".to_owned(), "peer-2".to_owned()]) {
        site.start(&node);
    }
    site.start_with("peer-3", &[("MURMUR_SITE", "other.toml")]);
    let observer = site.subscribe("observer-1", &[RESULTS]);
    let statuses = site.subscribe("observer-2", &["murmur/hq/status/+"]);
    await_outcome(&observer, "co2-sum", "a value of the others", |signed| {
        signed.result.status == Status::Ok && signed.result.peers.len() == 2
    });
    told(&statuses, "peer-1", "that it refuses", |status| status["refused"]["other_site_file"].as_u64());
    let broken = diagnose(&site, &[]);
    broken.assert_finds(
        "roster",
        &["another site file", "connected without taking part: peer-3"],
        "sha256sum",
    );
    site.edit("peer-3.toml", |text| text.replace("site.toml", "other.toml"));
    let broken = diagnose(&site, &["--config", "peer-3.toml"]);
    broken.assert_finds("roster", &["peer-3.toml", "is another site file"], "the same file");
    site.assert_nobody_panicked();
}

#[test]
fn certificates_are_looked_at_and_one_that_has_ended_is_named() {
    let mut site = Site::quick("1h", &["--agents", "6", "--tls"]);
    site.start_all();
    let observer = site.subscribe("observer-1", &[RESULTS]);
    await_outcome(&observer, "co2-sum", "a value of all", |signed| all_fresh(signed, 6));
    let well = diagnose(&site, &[]);
    assert_eq!((well.code, well.graded("problem").count()), (Some(0), 0), "{:#?}", well.findings);
    assert!(
        well.graded("ok")
            .any(|finding| finding["says"].as_str().unwrap().contains("broker.pem: holds until"))
    );

    let years = [("LD_PRELOAD", &*faketime()), ("FAKETIME", "+800d"), ("FAKETIME_DONT_FAKE_MONOTONIC", "1")];
    let broken = diagnose_with(&site, &[], &years);
    broken.assert_finds("certificates", &["broker.pem", "ended"], "murmur site renew");
    site.assert_nobody_panicked();
}

#[test]
fn what_peers_tell_of_certificates_windows_and_connections_is_named() {
    let mut site = Site::quick("1h", &["--agents", "3", "--minimum-cohort", "3"]);
    site.start_broker();
    let tell = |peer: &str, what: &str| {
        let since = r#""since":"2026-01-01T12:00:00Z""#;
        let status = format!(r#"{{"v":1,"node":"{peer}","state":"online",{since},{what}}}"#);
        site.login(peer, peer).publish_retained(&format!("murmur/hq/status/{peer}"), &status);
    };
    tell("peer-1", r#""certificates":[{"certificate":"broker","not_after":"2026-01-02T00:00:00Z"}]"#);
    tell("peer-2", r#""last_window":{"end":"2026-01-01T12:01:00Z","cohort":3}"#);
    tell(
        "peer-3",
        r#""workers":[{"client":"peer-3","state":"shared","shares":9,"broke":0},
            {"client":"peer-3.worker-2","state":"away","shares":7,"broke":1}]"#,
    );
    let told = diagnose(&site, &[]);
    told.assert_finds("certificates", &["peer-1", "`broker`", "ended 2026-01-02"], "murmur site renew");
    told.assert_notes("peers", &["peer-2", "no window since 2026-01-01T12:01:00Z"], "its log");
    told.assert_notes("peers", &["peer-3 is there", "peer-3.worker-2"], "its log tells why");
    tell(
        "peer-3",
        r#""workers":[{"client":"peer-3","state":"alone","shares":9,"broke":0},
            {"client":"peer-3.worker-2","state":"refused","shares":0,"broke":0}]"#,
    );
    let told = diagnose(&site, &[]);
    told.assert_notes("peers", &["does not divide the shares of peer-3 among 2"], "set `workers` to 1");
}
