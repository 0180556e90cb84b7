//! `murmur site init` as people run it.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use broker::settings::Settings;
use common::{files, murmur};
use sensor_agent::AgentConfig;
use smc_core::roster::{Roster, SiteDocument};
use smc_mqtt::config::{KeyFile, load_site};
use smc_mqtt::tls::{Facts, PemFiles, certificates};
use smc_peer::PeerConfig;
use tempfile::TempDir;

const ROOMS: &str = "room-101,room-102,room-103,room-104,room-105";

fn made(extra: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let run =
        murmur(folder.path(), &[&["site", "init", "hq", "--name", "hq", "--agents", ROOMS], extra].concat());
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    folder
}

#[test]
fn what_is_commented_out_in_a_peers_file_works_as_it_stands() {
    let folder = made(&[]);
    let path = folder.path().join("hq/peer-1.toml");
    let text = fs::read_to_string(&path).unwrap();
    // What is a comment for people begins with a space.
    let without =
        |line: &str| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(line).to_owned();
    fs::write(&path, text.lines().map(without).collect::<Vec<_>>().join("\n")).unwrap();
    let options = PeerConfig::load(&path).unwrap();
    assert_eq!(options.page.unwrap().listen.to_string(), "127.0.0.1:8088");
    assert_eq!(options.head_every.as_secs(), 300);
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn everything_that_was_written_reads_back() {
    let folder =
        made(&["--quantities", "co2,temperature,co2", "--period", "1s", "--broker", "mqtt://127.0.0.1:1884"]);
    let site = folder.path().join("hq");
    let roster = load_site(&site.join("site.toml")).unwrap();
    assert_eq!((roster.sharing().peers(), roster.sharing().threshold().get()), (3, 1));
    assert_eq!(roster.agents().len(), 5);
    let queries: Vec<_> = roster.queries().map(|(_, query)| query.name.to_string()).collect();
    let expected =
        ["co2-count", "co2-mean", "co2-sum", "temperature-count", "temperature-mean", "temperature-sum"];
    assert_eq!(queries, expected);

    let broker = Settings::load(&site.join("broker.toml")).unwrap();
    assert_eq!((broker.listen.unwrap().to_string().as_str(), broker.tls), ("127.0.0.1:1884", None));
    assert_eq!(broker.state_dir, Some(site.join("state/broker")));
    assert_eq!(broker.accounts.len(), 3 + 5 + 3);
    assert_eq!(broker.anonymous.as_deref(), Some("newcomer"));

    for (_, peer) in roster.peers() {
        let options = PeerConfig::load(&site.join(format!("{}.toml", peer.name))).unwrap();
        assert_eq!(options.secrets.keys.signing.verifying_key(), peer.identity);
        assert_eq!(*options.secrets.keys.sealing.public(), peer.sealing);
        assert_eq!(options.state_dir, Some(site.join(format!("state/{}", peer.name))));
        assert!(options.home_assistant.discovery);
    }
    for agent in roster.agents() {
        let options = AgentConfig::load(&site.join(format!("{}.toml", agent.node.name))).unwrap();
        assert_eq!(options.secrets.keys.signing.verifying_key(), agent.node.identity);
        assert_eq!(options.broker.unwrap().to_string(), "127.0.0.1:1884");
        let streams: Vec<_> =
            roster.bundle(agent.bundles[0]).streams.iter().map(|s| s.name.to_string()).collect();
        assert_eq!(streams, ["co2", "temperature"]);
    }
}

#[test]
fn every_login_opens_its_account_and_no_other() {
    let folder = made(&[]);
    let site = folder.path().join("hq");
    let accounts = Settings::load(&site.join("broker.toml")).unwrap().accounts;
    let key = |name: &str| KeyFile::load(&site.join(format!("keys/{name}.key")), &name.parse().unwrap());
    let word = |name: &str| fs::read_to_string(site.join(format!("keys/{name}.password"))).unwrap();
    // Newcomers have no password, and nobody knows that of their account.
    let (newcomers, accounts): (Vec<_>, Vec<_>) =
        accounts.into_iter().partition(|account| account.name == "newcomer");
    let mut passwords = Vec::new();
    for account in &accounts {
        let password = match key(&account.name) {
            Ok(file) => file.password.reveal().to_owned(),
            Err(_) => word(&account.name).trim_end().to_owned(),
        };
        passwords.push(broker::Password::new(password.as_bytes()));
    }
    for (mine, account) in accounts.iter().enumerate() {
        for (whose, password) in passwords.iter().enumerate() {
            assert_eq!(account.password.verify(password), mine == whose, "{} {whose}", account.name);
        }
    }
    assert!(
        newcomers.iter().all(|account| !passwords.iter().any(|password| account.password.verify(password)))
    );
    assert_eq!(newcomers.len(), 1);
    let reader = accounts.iter().find(|account| account.name == "observer").unwrap();
    assert!(reader.shared && reader.rules.publish.is_empty());
}

#[test]
fn secrets_are_for_their_owner_alone() {
    let folder = made(&[]);
    let site = folder.path().join("hq");
    assert_eq!(mode(&site.join("keys")), 0o700);
    let mut secrets = 0;
    for path in files(&site) {
        let secret = path.extension().is_some_and(|kind| kind == "key" || kind == "password");
        if secret {
            assert_eq!(mode(&site.join(&path)), 0o600, "{path:?}");
            secrets += 1;
        }
    }
    assert_eq!(secrets, 3 + 5 + 2);
    let public = fs::read_to_string(site.join("site.toml")).unwrap();
    for (_, peer) in load_site(&site.join("site.toml")).unwrap().peers() {
        let keys = KeyFile::load(&site.join(format!("keys/{}.key", peer.name)), &peer.name).unwrap();
        assert!(!public.contains(keys.password.reveal()));
        let file = fs::read_to_string(site.join(format!("keys/{}.key", peer.name))).unwrap();
        let document: serde_json::Value = serde_json::from_str(&file).unwrap();
        assert!(!public.contains(document["keys"]["signing"].as_str().unwrap()));
        assert!(!public.contains(document["keys"]["sealing"].as_str().unwrap()));
    }
}

#[test]
fn a_second_site_is_refused_and_changes_nothing() {
    let folder = made(&[]);
    let before: Vec<_> = files(folder.path());
    let site = fs::read(folder.path().join("hq/site.toml")).unwrap();
    let run = murmur(folder.path(), &["site", "init", "hq", "--name", "other", "--agents", "9"]);
    assert_eq!(run.code, 1);
    assert_eq!(run.stderr, "error: hq holds a site already; choose another folder\n");
    assert_eq!(files(folder.path()), before);
    assert_eq!(fs::read(folder.path().join("hq/site.toml")).unwrap(), site);
}

#[test]
fn what_is_there_stays_and_what_was_begun_goes() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("room-2.toml"), "mine").unwrap();
    fs::write(folder.path().join("notes.txt"), "mine").unwrap();
    let run = murmur(folder.path(), &["site", "init", ".", "--name", "hq", "--agents", "5"]);
    assert_eq!(run.code, 1);
    assert!(run.stderr.contains("room-2.toml exists; nothing is written over"), "{}", run.stderr);
    assert_eq!(files(folder.path()), [Path::new("notes.txt"), Path::new("room-2.toml")]);
    assert_eq!(fs::read_to_string(folder.path().join("room-2.toml")).unwrap(), "mine");
    fs::remove_file(folder.path().join("room-2.toml")).unwrap();
    assert_eq!(murmur(folder.path(), &["site", "init", ".", "--name", "hq", "--agents", "5"]).code, 0);
}

#[test]
fn what_makes_no_site_is_refused_and_leaves_nothing() {
    for (arguments, code, says) in [
        (vec!["--name", "h/q", "--agents", ROOMS], 2, "'--name <NAME>': a name consists of letters"),
        (vec!["--agents", ROOMS], 2, "--name <NAME>"),
        (vec!["--name", "hq"], 2, "--agents <LIST|N|@FILE>"),
        (vec!["--name", "hq", "--agents", "a,b c"], 2, "`b c`: a name consists of letters"),
        (vec!["--name", "hq", "--agents", "a,b,a"], 1, "`a` names two nodes"),
        (vec!["--name", "hq", "--agents", "peer-1"], 1, "`peer-1` names two nodes"),
        (vec!["--name", "hq", "--agents", "site"], 1, "--agents: `site` is taken"),
        (vec!["--name", "hq", "--peers", "a,b,broker", "--agents", "5"], 1, "--peers: `broker` is taken"),
        (vec!["--name", "hq", "--agents", "@rooms.txt"], 1, "--agents: rooms.txt: No such file"),
        (vec!["--name", "hq", "--agents", "0"], 1, "--agents: no names"),
        (vec!["--name", "hq", "--agents", "100001"], 1, "at most 100000 agents"),
        (vec!["--name", "hq", "--agents", "5", "--peers", "2"], 1, "choose 3 to 9"),
        (vec!["--name", "hq", "--agents", "5", "--peers", "10"], 1, "choose 3 to 9"),
        (
            vec!["--name", "hq", "--agents", "5", "--threshold", "2"],
            1,
            "a threshold of 2 does not fit 3 peers",
        ),
        (
            vec!["--name", "hq", "--agents", "5", "--threshold", "0"],
            1,
            "a threshold of 0 does not fit 3 peers",
        ),
        (
            vec!["--name", "hq", "--agents", "5", "--period", "50ms"],
            1,
            "--period: a period lasts from 100 ms",
        ),
        (vec!["--name", "hq", "--agents", "5", "--period", "25h"], 1, "--period: a period lasts from 100 ms"),
        (vec!["--name", "hq", "--agents", "5", "--period", "soon"], 2, "`soon` is no length of time"),
        (
            vec!["--name", "hq", "--agents", "5", "--minimum-cohort", "2"],
            1,
            "minimum_cohort is 2; at least 3",
        ),
        (vec!["--name", "hq", "--agents", "5", "--quantities", "co2,joy"], 2, "known are co2, humidity"),
        (vec!["--name", "hq", "--agents", "5", "--broker", "http://a"], 2, "begins with `mqtt://`"),
        (vec!["--name", "hq", "--agents", "5", "--broker", "mqtts://a"], 1, "are made with --tls"),
        (vec!["--name", "hq", "--agents", "5", "--tls", "--broker", "mqtt://a"], 1, "begins with mqtts://"),
        (vec!["--name", "hq", "--agents", "5", "--tolerate", "all"], 2, "choose crash or malicious"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let run = murmur(folder.path(), &[vec!["site", "init", "a/b/hq"], arguments.clone()].concat());
        assert_eq!(run.code, code, "{arguments:?}: {}", run.stderr);
        assert!(run.stderr.contains(says), "{arguments:?}: {}", run.stderr);
        assert_eq!(run.stdout, "");
        assert!(files(folder.path()).is_empty(), "{arguments:?}");
    }
}

#[test]
fn a_folder_that_can_not_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let run = murmur(folder.path(), &["site", "init", "file/hq", "--name", "hq", "--agents", "5"]);
    assert_eq!(run.code, 1);
    assert!(run.stderr.starts_with("error: file/hq: ") && run.stderr.contains("directory"), "{}", run.stderr);
    assert_eq!(files(folder.path()), [Path::new("file")]);
}

#[test]
fn peers_agents_and_rules_are_as_asked() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("rooms.txt"), "# all\na-1\n\na-2\na-3\n").unwrap();
    let run = murmur(
        folder.path(),
        &[
            "site",
            "init",
            "lab",
            "--name",
            "lab",
            "--peers",
            "north,east,south,west,centre",
            "--agents",
            "@rooms.txt",
            "--threshold",
            "1",
            "--minimum-cohort",
            "3",
            "--tolerate",
            "malicious",
            "--period",
            "500ms",
        ],
    );
    assert_eq!(run.code, 0, "{}", run.stderr);
    let text = fs::read_to_string(folder.path().join("lab/site.toml")).unwrap();
    let document: SiteDocument = toml::from_str(&text).unwrap();
    assert_eq!(document.site.grace.to_string(), "100ms");
    let roster = Roster::try_from(document).unwrap();
    let peers: Vec<_> = roster.peers().map(|(_, node)| node.name.to_string()).collect();
    assert_eq!(peers, ["north", "east", "south", "west", "centre"]);
    let agents: Vec<_> = roster.agents().iter().map(|agent| agent.node.name.to_string()).collect();
    assert_eq!(agents, ["a-1", "a-2", "a-3"]);
    assert_eq!((roster.sharing().threshold().get(), roster.minimum_cohort()), (1, 3));
    assert_eq!(roster.quorum().size(), 4);
    for line in [
        "Made the site lab in lab: 5 peers, 3 agents.",
        "  smc-broker --config lab/broker.toml",
        "  smc-peer --config lab/centre.toml",
        "  sensor-agent --config lab/a-3.toml",
        "    murmur verify --site lab/site.toml",
    ] {
        assert!(run.stdout.lines().any(|printed| printed == line), "{line}\n{}", run.stdout);
    }
}

#[test]
fn two_sites_share_no_secret() {
    let (one, two) = (made(&[]), made(&[]));
    let key = |folder: &TempDir| fs::read_to_string(folder.path().join("hq/keys/room-101.key")).unwrap();
    assert_ne!(key(&one), key(&two));
    let password =
        |folder: &TempDir| fs::read_to_string(folder.path().join("hq/keys/observer.password")).unwrap();
    assert_ne!(password(&one), password(&two));
}

#[test]
fn a_site_with_tls_has_certificates_that_its_files_name() {
    let folder = made(&["--tls", "--broker", "mqtts://broker.example"]);
    let site = folder.path().join("hq");
    let broker = Settings::load(&site.join("broker.toml")).unwrap();
    let tls = broker.tls.unwrap();
    assert_eq!((broker.listen, tls.listen.to_string().as_str()), (None, "0.0.0.0:8883"));
    let chain = certificates(&tls.certificate).unwrap();
    let names = Facts::read(&chain[0]).unwrap().names;
    for name in ["localhost", "127.0.0.1", "::1", "broker.example", "hq.murmur.internal"] {
        assert!(names.iter().any(|known| known == name), "{name}: {names:?}");
    }
    for secret in ["keys/ca-key.pem", "keys/broker-key.pem"] {
        assert_eq!(mode(&site.join(secret)), 0o600, "{secret}");
    }
    PemFiles { certificate: &tls.certificate, key: &tls.key }.read().unwrap();
    let peer = PeerConfig::load(&site.join("peer-1.toml")).unwrap();
    assert_eq!(peer.broker.unwrap().to_string(), "mqtts://broker.example:8883");
    assert_eq!(peer.tls.unwrap().authority(), Some(site.join("ca.pem").as_path()));
    let agent = AgentConfig::load(&site.join("room-101.toml")).unwrap();
    assert_eq!(agent.tls.unwrap().authority(), Some(site.join("ca.pem").as_path()));
    let authority = Facts::read(&certificates(&site.join("ca.pem")).unwrap()[0]).unwrap();
    assert!(authority.not_after.since(authority.not_before).as_secs() > 3_650 * 24 * 3_600);
}

#[test]
fn certificates_are_renewed_before_they_end_by_the_same_authority_and_not_sooner() {
    let folder = made(&["--tls"]);
    let read = |file: &str| fs::read_to_string(folder.path().join("hq").join(file)).unwrap();
    let all = || ["ca.pem", "broker.pem", "keys/broker-key.pem", "keys/ca-key.pem"].map(read);
    let before = all();
    let run = murmur(folder.path(), &["site", "renew", "hq"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert_eq!(run.stdout.matches("nothing to do").count(), 2, "{}", run.stdout);
    assert_eq!(all(), before);

    let run = murmur(folder.path(), &["site", "renew", "hq", "--name", "10.0.0.7", "--name", "mqtt.example"]);
    assert!(run.stdout.contains("ca.pem holds until") && run.stdout.contains("broker.pem is renewed"));
    let after = all();
    assert!(after[0] == before[0] && after[3] == before[3] && after[1] != before[1] && after[2] != before[2]);
    let names = Facts::read(&certificates(&folder.path().join("hq/broker.pem")).unwrap()[0]).unwrap().names;
    for name in ["localhost", "10.0.0.7", "mqtt.example"] {
        assert_eq!(names.iter().filter(|known| *known == name).count(), 1, "{name}: {names:?}");
    }
    assert_eq!(mode(&folder.path().join("hq/keys/broker-key.pem")), 0o600);

    // Another certificate of the same key: what was signed before is still believed.
    let run = murmur(folder.path(), &["site", "renew", "hq", "--days", "4000"]);
    assert!(run.stdout.contains("ca.pem is renewed"), "{}{}", run.stdout, run.stderr);
    let last = all();
    assert!(last[0] != after[0] && last[3] == after[3]);

    fs::remove_file(folder.path().join("hq/keys/ca-key.pem")).unwrap();
    let run = murmur(folder.path(), &["site", "renew", "hq"]);
    assert!(run.code == 1 && run.stderr.contains("keys/ca-key.pem: "), "{}", run.stderr);
}

/// A window without a fresh reading is a gap: rooms that are read too seldom would come and go.
#[test]
fn simulated_rooms_are_read_in_every_window() {
    for (period, interval) in [("100ms", 0.1), ("1s", 0.5), ("60s", 5.0), ("24h", 5.0)] {
        let folder = made(&["--period", period]);
        let path = folder.path().join("hq/room-101.toml");
        let document: toml::Table = fs::read_to_string(&path).unwrap().parse().unwrap();
        let have = &document["source"][0]["interval_s"];
        let seconds = have.as_float().or(have.as_integer().map(|whole| whole as f64));
        assert_eq!(seconds, Some(interval), "{period}");
        AgentConfig::load(&path).unwrap();
    }
}
