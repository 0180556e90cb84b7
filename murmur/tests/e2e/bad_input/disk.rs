//! A full disk: whoever can't keep its promises makes none and says why, and the others go on.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use smc_core::result::Status;

use crate::support::brokers::is_elsewhere;
use crate::support::outcome::{RESULTS, all_fresh, await_outcome};
use crate::support::site::{BROKER, Site};

/// A small file system of its own; gone with its handle.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// None where that takes rights that this process lacks.
    fn mount(at: PathBuf) -> Option<Self> {
        std::fs::create_dir_all(&at).unwrap();
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=8m", "tmpfs"]).arg(&at).output();
        mount.is_ok_and(|mount| mount.status.success()).then_some(Self(at))
    }

    /// Leaves not a byte.
    fn fill(&self) {
        let mut file = File::create(self.0.join("filler")).unwrap();
        while file.write(&[0; 4_096]).is_ok() {}
    }

    fn make_room(&self) {
        std::fs::remove_file(self.0.join("filler")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily, since whoever writes there may still be on its way out.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn mounted(folder: &Path) -> Option<SmallDisk> {
    let disk = SmallDisk::mount(folder.to_owned());
    if disk.is_none() {
        println!("skipped: mounting a small file system takes the rights of root");
    }
    disk
}

#[test]
fn a_peer_whose_disk_is_full_votes_no_more_says_so_and_is_back_once_there_is_room() {
    let mut site = Site::quick("1h", &["--agents", "5"]);
    let Some(disk) = mounted(&site.path("state/peer-1")) else { return };
    site.start_all();
    let observer = site.subscribe("observer-1", &[RESULTS]);
    let statuses = site.subscribe("statuses", &["murmur/hq/status/peer-1"]);
    await_outcome(&observer, "co2-mean", "a verified value", |signed| signed.result.verified);
    disk.fill();
    let said = statuses.wait_for("peer-1 says why it is idle", |message| {
        let status = message.json();
        (status["state"] == "idle").then(|| status["disk"].as_str().unwrap().to_owned())
    });
    assert!(said.contains("full") && !said.contains("state"), "what and not where: {said}");
    let log = site.log_of("peer-1");
    assert!(log.contains("full") && log.contains("state/peer-1"), "{log}");
    let without = await_outcome(&observer, "co2-mean", "a value of the others", |signed| {
        signed.result.status == Status::Ok && signed.result.peers.len() == 2
    });
    disk.make_room();
    statuses
        .wait_for("peer-1 is back by itself", |message| (message.json()["state"] == "online").then_some(()));
    // The cohort is that of before: it is frozen for the hour, and nothing of it was lost.
    let back = await_outcome(&observer, "co2-mean", "a value of all", |signed| {
        signed.result.verified && signed.result.window.index > without.result.window.index
    });
    assert_eq!((back.result.cohort, back.result.peers.len()), (5, 3));
    site.assert_nobody_panicked();
}

#[test]
fn a_peer_that_starts_on_a_full_disk_is_idle_until_there_is_room() {
    let mut site = Site::quick("1h", &["--agents", "5"]);
    let Some(disk) = mounted(&site.path("state/peer-1")) else { return };
    disk.fill();
    site.start_all();
    let observer = site.subscribe("observer-1", &[RESULTS]);
    let statuses = site.subscribe("statuses", &["murmur/hq/status/peer-1"]);
    let idle = || {
        let said = statuses.wait_for("peer-1 says why it is idle", |message| {
            let status = message.json();
            (status["state"] == "idle").then(|| status["disk"].as_str().unwrap().to_owned())
        });
        assert!(said.contains("disk") && !said.contains("state"), "what and not where: {said}");
    };
    let all_take_part =
        || await_outcome(&observer, "co2-mean", "a value of all", |signed| signed.result.verified);
    idle();
    await_outcome(&observer, "co2-mean", "a value of the others", |signed| {
        signed.result.status == Status::Ok && signed.result.peers.len() == 2
    });
    disk.make_room();
    assert_eq!(all_take_part().result.peers.len(), 3);

    // Now with something to remember, which can't be read either without room.
    site.process("peer-1").kill();
    disk.fill();
    site.start("peer-1");
    idle();
    disk.make_room();
    let last = all_take_part();
    await_outcome(&observer, "co2-mean", "a later value of all", |signed| {
        signed.result.verified && signed.result.window.index > last.result.window.index
    });
    let log = site.log_of("peer-1");
    assert!(log.contains("the store or the log can't be opened") && log.contains("state/peer-1"), "{log}");
    site.assert_nobody_panicked();
}

#[test]
fn a_peer_whose_disk_is_full_when_the_member_list_changes_is_idle_and_goes_on_with_the_new_one() {
    if is_elsewhere("only the embedded broker takes logins from the member list") {
        return;
    }
    let mut site = Site::quick("10s", &["--agents", "6"]);
    let Some(disk) = mounted(&site.path("state/peer-1")) else { return };
    for peer in site.peers() {
        site.set(&format!("{peer}.toml"), "consent", "\"auto\"");
    }
    site.start_all();
    let observer = site.subscribe("observer-1", &[RESULTS]);
    let statuses = site.subscribe("statuses", &["murmur/hq/status/peer-1"]);
    await_outcome(&observer, "co2-sum", "a value of all six", |signed| all_fresh(signed, 6));
    disk.fill();
    let add = ["member", "add", "room-7", "--config", "peer-2.toml", "--streams", "co2", "--lead", "2s"];
    let said = site.murmur(&add);
    assert!(said.contains("revision 1 "), "the others are enough: {said}");
    site.start("room-7");
    statuses.wait_for("peer-1 is idle", |message| (message.json()["state"] == "idle").then_some(()));
    await_outcome(&observer, "co2-sum", "seven rooms and the other peers", |signed| {
        all_fresh(signed, 7) && signed.result.peers.len() == 2
    });
    disk.make_room();
    await_outcome(&observer, "co2-sum", "seven rooms and all peers", |signed| {
        all_fresh(signed, 7) && signed.result.peers.len() == 3
    });
    assert!(site.log_of("peer-1").contains("the member list is on disk"), "{}", site.log_of("peer-1"));
    site.assert_nobody_panicked();
}

#[test]
fn a_peer_whose_state_can_not_be_there_says_so_and_ends() {
    let mut site = Site::quick("1h", &["--agents", "5"]);
    std::fs::create_dir_all(site.path("state")).unwrap();
    std::fs::write(site.path("state/peer-1"), "a file where a folder belongs").unwrap();
    site.start_broker();
    site.start("peer-1");
    let status = site.process("peer-1").wait();
    assert!(!status.success());
    let log = site.log_of("peer-1");
    assert!(log.contains("state/peer-1") && log.contains("check `state_dir`"), "{log}");
}

#[test]
fn a_broker_starts_on_a_full_disk_with_what_it_can_read() {
    if is_elsewhere("the disk is the embedded broker's") {
        return;
    }
    let mut site = Site::quick("1h", &["--agents", "5"]);
    let Some(disk) = mounted(&site.path("state/broker")) else { return };
    site.start_all();
    let observer = site.subscribe("observer-1", &[RESULTS]);
    await_outcome(&observer, "co2-mean", "a value", |signed| all_fresh(signed, 5));
    site.process(BROKER).kill();
    // As a kill in the middle of a record leaves it.
    let log = site.path("state/broker/retained.log");
    File::options().append(true).open(&log).unwrap().write_all(&[0, 0, 0, 99, 1]).unwrap();
    disk.fill();
    site.start_broker();
    let late = site.subscribe("observer-2", &[RESULTS]);
    late.wait_for("a retained result", |message| message.retained.then_some(()));
    await_outcome(&late, "co2-mean", "values go on", |signed| all_fresh(signed, 5));
    assert!(site.log_of(BROKER).contains("no room to set the damaged file aside"));
    site.assert_nobody_panicked();
}

#[test]
fn a_broker_whose_disk_is_full_still_carries_messages() {
    if is_elsewhere("the disk is the embedded broker's") {
        return;
    }
    let mut site = Site::quick("10s", &["--agents", "5"]);
    let Some(disk) = mounted(&site.path("state/broker")) else { return };
    site.start_all();
    let observer = site.subscribe("observer-1", &[RESULTS]);
    let before = await_outcome(&observer, "co2-mean", "a value", |signed| all_fresh(signed, 5));
    disk.fill();
    await_outcome(&observer, "co2-mean", "values go on", |signed| {
        signed.result.status == Status::Ok && signed.result.window.index.0 > before.result.window.index.0 + 3
    });
    // Those who come later still find the last one.
    let late = site.subscribe("observer-2", &["murmur/hq/result/co2-mean"]);
    late.wait_for("a retained result", |message| message.retained.then_some(()));
    site.assert_nobody_panicked();
}
