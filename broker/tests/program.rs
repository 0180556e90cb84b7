//! `smc-broker` as people run it: a process with a configuration file.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::io::{BufRead, BufReader, Seek, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use common::{Raw, publish, subscribe};
use smc_broker::{Password, PasswordHash};

const PROGRAM: &str = env!("CARGO_BIN_EXE_smc-broker");

fn program(config: &Path) -> Command {
    let mut command = Command::new(PROGRAM);
    command.arg("--config").arg(config).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A configuration with an agent and a shared device; each has its name as password.
fn config(folder: &Path, listen: &str) -> PathBuf {
    let hash = |name: &str| PasswordHash::of_random_key(&Password::new(name.as_bytes())).unwrap();
    let text = format!(
        r#"
site = "hq"
listen = "{listen}"
state_dir = "state"

[[account]]
name = "room-101"
role = "agent"
password_hash = "{}"

[[account]]
name = "device"
role = "device"
password_hash = "{}"
subscribe = ["murmur/hq/status/+"]
"#,
        hash("room-101"),
        hash("device"),
    );
    let path = folder.join("broker.toml");
    std::fs::write(&path, text).unwrap();
    path
}

struct Running {
    child: Child,
    address: SocketAddr,
}

impl Running {
    fn start(config: &Path) -> Self {
        Self::spawn(program(config))
    }

    /// A broker whose files can't grow beyond a few KiB, as on a full disk.
    fn start_on_full_disk(config: &Path) -> Self {
        let mut shell = Command::new("sh");
        shell.args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$0\" --config \"$1\"", PROGRAM]).arg(config);
        shell.stdout(Stdio::piped());
        Self::spawn(shell)
    }

    fn spawn(mut command: Command) -> Self {
        // Not through a pipe, which would fill up where nobody reads.
        let mut log = tempfile::tempfile().unwrap();
        let mut child = command.stderr(log.try_clone().unwrap()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let Some(address) = line.strip_prefix("listening on ") else {
            child.wait().unwrap();
            log.rewind().unwrap();
            panic!("{line:?}, and it logged: {}", std::io::read_to_string(log).unwrap());
        };
        Self { child, address: address.trim().parse().unwrap() }
    }

    fn signal(&self, name: &str) {
        assert!(Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap().success());
    }

    /// `kill -9`. Returns when it is gone and has let go of its files, which may be long after the signal: a process that
    /// waits for a busy disk can't end before the disk has answered.
    fn kill(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

fn failure(output: Output) -> String {
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!said.contains("panicked"), "{said}");
    said
}

#[test]
fn it_ends_tidily_on_either_signal() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), "127.0.0.1:0");
    for signal in ["-TERM", "-INT"] {
        let mut broker = Running::start(&config);
        Raw::login(broker.address, "device", "device-1");
        broker.signal(signal);
        assert_eq!(broker.child.wait().unwrap().code(), Some(0), "{signal}");
    }
}

#[test]
fn what_was_acknowledged_survives_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), "127.0.0.1:0");
    let topic = b"murmur/hq/status/room-101";
    for round in 1..=3_u8 {
        let mut broker = Running::start(&config);
        if round > 1 {
            let mut device = Raw::login(broker.address, "device", "device-1");
            device.send(&subscribe("murmur/hq/status/+"));
            assert_eq!(device.read(5), [0x90, 3, 0, 1, 1]);
            let mut expected = publish(topic, Some(1), &[round - 1]);
            expected[0] |= 1;
            assert_eq!(device.read(expected.len()), expected, "the message of the killed broker, retained");
        }
        let mut agent = Raw::login(broker.address, "room-101", "room-101");
        let mut retained = publish(topic, Some(9), &[round]);
        retained[0] |= 1;
        agent.send(&retained);
        assert_eq!(agent.read(4), [0x40, 2, 0, 9]);
        broker.kill();
    }
}

#[test]
fn a_full_disk_costs_only_what_found_no_room() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), "127.0.0.1:0");
    let retained = |payload: &[u8]| {
        let mut bytes = publish(b"murmur/hq/status/room-101", Some(9), payload);
        bytes[0] |= 1;
        bytes
    };
    let mut broker = Running::start_on_full_disk(&config);
    let mut agent = Raw::login(broker.address, "room-101", "room-101");
    for payload in [&[1; 100][..], &[2; 20_000]] {
        agent.send(&retained(payload));
        assert_eq!(agent.read(4), [0x40, 2, 0, 9]);
    }
    let newest = |broker: &Running, payload: &[u8]| {
        let mut device = Raw::login(broker.address, "device", "device-1");
        device.send(&subscribe("murmur/hq/status/+"));
        assert_eq!(device.read(5), [0x90, 3, 0, 1, 1]);
        let received = device.read(retained(payload).len());
        assert!(received.ends_with(payload));
    };
    newest(&broker, &[2; 20_000]);
    broker.kill();
    newest(&Running::start(&config), &[1; 100]);
}

#[test]
fn a_taken_port_is_said_with_a_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    let said = failure(program(&config(folder.path(), &listen)).output().unwrap());
    assert!(said.contains(&listen) && said.contains("another program has port"), "{said}");
}

#[test]
fn a_state_folder_in_use_is_said_with_a_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), "127.0.0.1:0");
    let _first = Running::start(&config);
    let said = failure(program(&config).output().unwrap());
    assert!(said.contains("in use by another broker"), "{said}");
}

#[test]
fn broken_configurations_are_explained() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("broker.toml");
    let missing = failure(program(&path).output().unwrap());
    assert!(missing.contains("broker.toml") && missing.contains("--help"), "{missing}");
    for (text, named) in [
        ("site = \"hq\"\nlimit = 3", "limit"),
        ("site = \"hq\"\n[limits]\npacket_bytes = 1", "packet_bytes must be from 1024"),
        ("site = \"hq\"\nanonymous = \"all\"", "anonymous"),
        ("site: hq", "broker.toml"),
    ] {
        std::fs::write(&path, text).unwrap();
        let said = failure(program(&path).output().unwrap());
        assert!(said.contains(named), "{named}: {said}");
    }
}

#[test]
fn passwd_prints_a_hash_that_works() {
    let mut child = Command::new(PROGRAM)
        .args(["passwd", "dashboard"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"a long password\n").unwrap();
    let output = child.wait_with_output().unwrap();
    let line = String::from_utf8(output.stdout).unwrap();
    let hash: PasswordHash = line.trim().parse().unwrap();
    assert!(hash.verify(&Password::new(b"a long password")));
    let empty = Command::new(PROGRAM).args(["passwd", "x"]).stdin(Stdio::null()).output().unwrap();
    assert!(failure(empty).contains("no password"));
}

#[test]
fn help_shows_how() {
    let output = Command::new(PROGRAM).arg("--help").output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success()
            && said.contains("smc-broker --config broker.toml")
            && said.contains("passwd")
    );
    assert_eq!(Command::new(PROGRAM).output().unwrap().status.code(), Some(2), "without arguments: usage");
}

#[test]
fn the_example_in_the_help_works() {
    let output = Command::new(PROGRAM).arg("--help").output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let (_, example) = said.split_once("A configuration file:\n").unwrap();
    let (example, _) = example.split_once("MURMUR_LISTEN").unwrap();
    let hash = PasswordHash::of_random_key(&Password::new(b"device")).unwrap().to_string();
    let example =
        example.replace("$argon2id$...", &hash).replace(":1883", ":0").replace("zigbee2mqtt\"", "device\"");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("broker.toml");
    std::fs::write(&path, example).unwrap();
    let broker = Running::start(&path);
    let mut device = Raw::login(broker.address, "device", "any-id");
    device.send(&subscribe("zigbee2mqtt/#"));
    assert_eq!(device.read(5), [0x90, 3, 0, 1, 1]);
}

#[test]
fn accounts_follow_the_file_and_a_file_with_a_mistake_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = config(folder.path(), "127.0.0.1:0");
    let broker = Running::start(&path);
    let logs_in = |account: &str| {
        let mut raw = Raw::connect(broker.address);
        raw.send(&common::connect(4, account, account, None));
        raw.read(4)[3] == 0
    };
    let until = |what: &str, mut holds: Box<dyn FnMut() -> bool + '_>| {
        let deadline = std::time::Instant::now() + common::PATIENCE;
        while !holds() {
            assert!(std::time::Instant::now() < deadline, "never: {what}");
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    };
    let mut stays = Raw::login(broker.address, "room-101", "room-101");
    let mut goes = Raw::login(broker.address, "device", "device-1");
    let first = std::fs::read_to_string(&path).unwrap();
    let write = |text: &str| std::fs::write(&path, text).unwrap();

    // Another topic for the one, a new account, and nothing new for the other: without a signal.
    let newcomer = first.split("[[account]]").nth(1).unwrap().replace("room-101", "room-102");
    let more = first.replace("status/+", "card/+") + "[[account]]" + &newcomer;
    write(&more);
    assert!(goes.read_to_close().is_empty(), "its topics are others");
    assert!(logs_in("device"));
    // Hashed with the password of room-101, which is what it logs in with.
    let mut raw = Raw::connect(broker.address);
    let mut hello = common::connect(4, "room-102", "room-102", None);
    *hello.last_mut().unwrap() = b'1';
    raw.send(&hello);
    assert_eq!(raw.read(4), [0x20, 2, 0, 0]);

    // A mistake, and then what would take `device` away: only the second counts.
    write(&(more.clone() + "[[account]]\nname = \"x\"\n"));
    broker.signal("-HUP");
    assert!(logs_in("device"));
    let mut device = Raw::login(broker.address, "device", "device-1");
    let fewer = more.replace("name = \"device\"", "name = \"gadget\"");
    write(&fewer);
    broker.signal("-HUP");
    assert!(device.read_to_close().is_empty());
    until("the account is gone", Box::new(|| !logs_in("device")));
    stays.send(&[0xC0, 0]);
    assert_eq!(stays.read(2), [0xD0, 0], "who has not changed stays connected");
}
