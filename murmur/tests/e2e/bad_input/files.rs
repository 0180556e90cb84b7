//! Files that can't be used: every program says which, what is wrong with it and what to do, and ends with 1.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::support::process::Process;
use crate::support::programs::Program;
use crate::support::site::Site;

/// What a program writes to standard error when it can't start; it must say all of `says`.
fn assert_refuses(name: &str, command: &mut Command, folder: &Path, says: &[&str]) {
    let mut process = Process::start(name, command, folder.join("refusal.log"));
    let ended = process.wait();
    let told = process.stderr();
    std::fs::remove_file(folder.join("refusal.log")).unwrap();
    assert_eq!(ended.code(), Some(1), "{name} should have said {says:?}: {told}");
    assert!(!told.contains("panicked"), "{told}");
    for text in says {
        assert!(told.contains(text), "{name} does not say {text:?}, but: {told}");
    }
    // One message for a person, not a dump.
    assert!(told.lines().count() <= 12, "{told}");
}

/// A site whose files are spoilt one at a time.
struct Spoilt(Site);

impl Spoilt {
    fn command(&self, program: Program, file: &str) -> Command {
        let mut command = program.command();
        command.arg("--config").arg(self.0.path(file));
        // Of no meaning to any but the broker.
        command.env("MURMUR_LISTEN", "127.0.0.1:0");
        command
    }

    /// `program` refuses `config` once `file` has been changed; the change is undone afterwards.
    fn refuses(
        &self,
        (program, config): (Program, &str),
        file: &str,
        change: impl Fn(&str) -> String,
        says: &[&str],
    ) {
        let path = self.0.path(file);
        let good = std::fs::read_to_string(&path).unwrap();
        let bad = change(&good);
        assert_ne!(good, bad, "{file} is not changed by what should lead to {says:?}");
        std::fs::write(&path, bad).unwrap();
        self.refuses_as_it_is((program, config), says);
        std::fs::write(&path, good).unwrap();
    }

    fn refuses_as_it_is(&self, (program, config): (Program, &str), says: &[&str]) {
        let mut command = self.command(program, config);
        assert_refuses(program.name(), &mut command, self.0.path("").as_path(), says);
    }
}

const PEER: (Program, &str) = (Program::Peer, "peer-1.toml");
const AGENT: (Program, &str) = (Program::Agent, "room-1.toml");
const BROKER: (Program, &str) = (Program::Broker, "broker.toml");

fn replaced<'a>(from: &'a str, to: &'a str) -> impl Fn(&str) -> String + use<'a> {
    move |text| text.replacen(from, to, 1)
}

fn spoilt() -> Spoilt {
    Spoilt(Site::init(&["--agents", "5"]))
}

#[test]
fn broken_configurations_are_refused_with_file_and_key() {
    let site = spoilt();
    for (role, file) in [(PEER, PEER.1), (AGENT, AGENT.1), (BROKER, BROKER.1)] {
        site.refuses(role, file, |_| "node = \n".to_owned(), &[file]);
        site.refuses(role, file, |text| format!("colour = \"red\"\n{text}"), &[file, "colour"]);
        site.refuses(role, file, |_| String::new(), &[file, "missing"]);
        site.refuses(role, file, |text| text.replacen("site = ", "site = [1] # ", 1), &[file, "site"]);
        let gone = (role.0, "no-such-file.toml");
        site.refuses_as_it_is(gone, &["no-such-file.toml", "No such file"]);
        std::fs::write(site.0.path("binary.toml"), [0xff, 0xfe, 0, 1, 2]).unwrap();
        site.refuses_as_it_is((role.0, "binary.toml"), &["binary.toml"]);
        site.refuses_as_it_is((role.0, "keys"), &["keys", "directory"]);
    }
    site.refuses(
        PEER,
        PEER.1,
        replaced("broker = \"mqtt://", "broker = \"http://"),
        &["peer-1.toml", "broker"],
    );
    site.refuses(PEER, PEER.1, replaced("node = \"peer-1\"", "node = \"peer 1\""), &["peer-1.toml", "node"]);
    site.refuses(
        AGENT,
        AGENT.1,
        replaced("kind = \"simulated\"", "kind = \"dreamt\""),
        &["room-1.toml", "dreamt"],
    );
    site.refuses(AGENT, AGENT.1, replaced("[\"co2\"]", "[\"radon\"]"), &["room-1", "radon"]);
    site.refuses(AGENT, AGENT.1, replaced("interval_s = ", "interval_s = -"), &["room-1.toml", "interval_s"]);
    site.refuses(BROKER, BROKER.1, replaced("$argon2", "$argon3"), &["broker.toml", "password_hash"]);
    site.refuses(BROKER, BROKER.1, replaced("role = \"peer\"", "role = \"king\""), &["broker.toml", "king"]);
    site.refuses(BROKER, BROKER.1, replaced("name = \"peer-2\"", "name = \"peer-1\""), &["peer-1"]);
    let limits = |text: &str| format!("{text}\n[limits]\nconnections = 0\n");
    site.refuses(BROKER, BROKER.1, limits, &["connections"]);
}

#[test]
fn sites_that_do_not_hold_together_are_refused() {
    let site = spoilt();
    for (role, change, says) in [
        (PEER, replaced("threshold = 1", "threshold = 2"), "threshold"),
        (PEER, replaced("minimum_cohort = 5", "minimum_cohort = 2"), "minimum_cohort"),
        (AGENT, replaced("name = \"room-2\"", "name = \"room-1\""), "room-1"),
        (AGENT, replaced("streams = [\"co2\"]", "streams = [\"radon\"]"), "radon"),
        (PEER, replaced("function = \"mean\"", "function = \"mode\""), "no function `mode`"),
        (PEER, replaced("function = \"mean\"", "function = \"quantile\""), "needs `q`"),
        (PEER, replaced("function = \"mean\"", "function = \"quantile\"\nq = 1.5"), "`q`"),
        (PEER, replaced("function = \"mean\"", "function = \"max\"\nq = 0.5"), "takes no `q`"),
        (PEER, replaced("function = \"mean\"", "function = \"histogram\"\nedges = [2, 1]"), "`edges`"),
        (PEER, replaced("period = \"1m\"", "period = \"1ms\""), "period"),
        (AGENT, replaced("identity = \"", "identity = \"AAAA"), "site.toml"),
        (PEER, replaced("[[peer]]", "[[pear]]"), "pear"),
    ] {
        site.refuses(role, "site.toml", change, &["site.toml", says]);
    }
    site.refuses(PEER, PEER.1, replaced("site.toml", "elsewhere.toml"), &["elsewhere.toml", "No such file"]);
    // A node that the site does not know in this role.
    site.refuses_as_it_is((Program::Peer, "room-1.toml"), &["room-1"]);
    site.refuses_as_it_is((Program::Agent, "peer-1.toml"), &["peer-1"]);
}

#[test]
fn keys_that_others_may_read_or_that_are_not_the_nodes_own_are_refused() {
    let site = spoilt();
    let other = Site::init(&["--agents", "5"]);
    for (role, node) in [(PEER, "peer-1"), (AGENT, "room-1")] {
        let file = format!("keys/{node}.key");
        let path = site.0.path(&file);
        for mode in [0o644, 0o640, 0o604] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            site.refuses_as_it_is(role, &[&file, "chmod 600"]);
        }
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        site.refuses(role, &file, |_| "{}".to_owned(), &[&file, "not a key file"]);
        site.refuses(role, &file, |_| "[".repeat(100_000), &[&file, "not a key file"]);
        // Sealing keys are longer than what is left of this one.
        site.refuses(role, &file, |text| text.replacen("\"sealing\": \"", "\"sealing\": \"=", 1), &[&file]);
        let foreign = std::fs::read_to_string(other.path(&file)).unwrap();
        site.refuses(role, &file, |_| foreign.clone(), &[node, "not those that the site file states"]);
        std::fs::rename(&path, site.0.path("away")).unwrap();
        site.refuses_as_it_is(role, &[&file, "No such file"]);
        std::fs::rename(site.0.path("away"), &path).unwrap();
    }
    site.refuses(PEER, PEER.1, replaced("keys/peer-1", "keys/peer-2"), &["keys of `peer-2`", "`peer-1`"]);
    site.refuses(AGENT, AGENT.1, replaced("keys/room-1", "keys/peer-1"), &["keys of `peer-1`", "`room-1`"]);
}

#[test]
fn tables_and_topics_that_can_not_be_read_are_refused() {
    let site = spoilt();
    std::fs::write(site.0.path("table.csv"), "time,ppm\n0,400\n").unwrap();
    let source = |text: &'static str| {
        move |config: &str| format!("{}[[source]]\n{text}\n", config.split_once("[[source]]").unwrap().0)
    };
    for (text, says) in [
        (
            "kind = \"csv\"\ntime_column = \"time\"\npath = \"none.csv\"\ncolumns = { co2 = \"ppm\" }",
            "none.csv",
        ),
        ("kind = \"csv\"\ntime_column = \"when\"\npath = \"table.csv\"\ncolumns = { co2 = \"ppm\" }", "when"),
        ("kind = \"csv\"\ntime_column = \"time\"\npath = \"table.csv\"\ncolumns = { co2 = \"co2\" }", "co2"),
        (
            "kind = \"csv\"\ntime_column = \"time\"\npath = \"table.csv\"\ncolumns = { radon = \"ppm\" }",
            "radon",
        ),
        ("kind = \"csv\"\ntime_column = \"time\"\npath = \"keys\"\ncolumns = { co2 = \"ppm\" }", "keys"),
        ("kind = \"mqtt\"\ntopics = { co2 = { topic = \"a/#/b\" } }", "room-1.toml"),
        ("kind = \"mqtt\"\ntopics = { co2 = { topic = \"a\", pointer = \"co2\" } }", "pointer"),
        ("kind = \"mqtt\"\ntopics = { }", "room-1"),
    ] {
        site.refuses(AGENT, AGENT.1, source(text), &[says]);
    }
}

#[test]
fn state_folders_that_can_not_be_used_are_refused() {
    let site = spoilt();
    // A file where the folder should be: not even root can write there.
    for (role, state) in [(PEER, "state/peer-1"), (BROKER, "state/broker")] {
        site.refuses(role, role.1, |text| text.replacen(state, "site.toml", 1), &["site.toml"]);
        site.refuses(role, role.1, |text| text.replacen(state, "site.toml/state", 1), &["site.toml/state"]);
    }
    assert!(!site.0.path("state").exists(), "a program that refuses leaves nothing behind");
}

#[test]
fn a_taken_port_is_told_of() {
    let site = spoilt();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut broker = site.command(BROKER.0, BROKER.1);
    broker.env("MURMUR_LISTEN", &address);
    assert_refuses("smc-broker", &mut broker, &site.0.path(""), &[&address, "in use"]);
    let mut demo = Program::Murmur.command();
    demo.args(["demo", "--windows", "1", "--json", "--listen", &address]);
    assert_refuses("murmur demo", &mut demo, &site.0.path(""), &[&address, "in use"]);

    // MQTT's own port is so often taken that any other will do; unless somebody has it already, this test does.
    let _held = TcpListener::bind("127.0.0.1:1883");
    let demo = Program::Murmur.command().args(["demo", "--windows", "1", "--json"]).output().unwrap();
    let told = String::from_utf8_lossy(&demo.stderr);
    assert!(demo.status.success() && told.contains("port 1883 is taken"), "{told}");
}

#[test]
fn the_command_line_refuses_what_makes_no_sense() {
    let site = spoilt();
    let folder = site.0.path("");
    let there = folder.to_str().unwrap();
    let site_file = site.0.path("site.toml").display().to_string();
    let cases: [(&[&str], &[&str]); 5] = [
        (&["site", "init", there, "--name", "hq", "--agents", "5"], &[there, "holds a site already"]),
        (&["site", "init", "/proc/site", "--name", "hq", "--agents", "5"], &["/proc/site"]),
        (&["verify", "none.jsonl", "--site", &site_file], &["none.jsonl"]),
        (&["verify", &site_file, "--site", "none.toml"], &["none.toml"]),
        (&["demo", "--replay", "none.csv", "--listen", "127.0.0.1:0"], &["none.csv"]),
    ];
    for (arguments, says) in cases {
        assert_refuses("murmur", Program::Murmur.command().args(arguments), &folder, says);
    }
    for (table, says) in [
        ("", "time"),
        ("time,agent,co2\n", "no row"),
        ("time,agent,co2\nnoon,room-1,400\n", "noon"),
        ("time,agent,co2\n60,room 1,400\n", "room 1"),
        ("time,agent,co2\n60,room-1\n", "line 2"),
    ] {
        std::fs::write(site.0.path("table.csv"), table).unwrap();
        let mut demo = Program::Murmur.command();
        demo.args(["demo", "--listen", "127.0.0.1:0", "--replay"]).arg(site.0.path("table.csv"));
        assert_refuses("murmur demo", &mut demo, &folder, &[says]);
    }
}
