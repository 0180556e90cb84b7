//! Nothing is left of a lab, however it ends: apart from the other tests, whose labs would sweep what is to be found here.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[allow(dead_code, reason = "the other tests use more of it")]
#[path = "lab/support.rs"]
mod support;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use assessment::lab::{Lab, LabOptions, Limits};
use tokio::io::AsyncBufReadExt;
use tokio::sync::Mutex;

use crate::support::{eventually, shell};

/// One test at a time.
static TURN: Mutex<()> = Mutex::const_new(());

/// Where the test below tells a lab that is going to be killed to have its folder.
const VICTIM: &str = "LAB_THAT_IS_KILLED";

/// What was started on a host: a foreign program that notices nothing, and one that has left its session, too.
const STUBBORN: &str =
    "trap '' HUP TERM; setsid sleep 1000 >/dev/null 2>&1 & echo $!; while :; do sleep 1000; done";

fn options(temporary: &Path) -> LabOptions {
    LabOptions { temporary: temporary.to_owned(), ..LabOptions::default() }
}

/// Not a test: what the next one starts and kills.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it waits to be killed"]
async fn a_lab_that_is_killed() {
    let Some(temporary) = std::env::var_os(VICTIM) else { return };
    let mut lab = Lab::open(options(Path::new(&temporary))).await.unwrap();
    let host = lab.host("one").await.unwrap();
    let mut process = host.spawn(shell(STUBBORN), &Limits::NONE).await.unwrap();
    let mut lines = tokio::io::BufReader::new(process.stdout().unwrap()).lines();
    lines.next_line().await.unwrap();
    let net = host.inside(|| fs::read_link("/proc/thread-self/ns/net")).unwrap().unwrap();
    let guarded = !lab.notes().iter().any(|note| note.starts_with("processes are not guarded"));
    println!("{VICTIM} {guarded} {} {} {}", lab.folder().display(), process.pid(), net.display());
    std::future::pending().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_lab_leaves_no_process_and_no_namespace_and_the_next_one_sweeps_the_rest() {
    let _turn = TURN.lock().await;
    let temporary = tempfile::tempdir().unwrap();
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "a_lab_that_is_killed", "--nocapture"])
        .env(VICTIM, temporary.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let said = BufReader::new(victim.stdout.take().unwrap())
        .lines()
        .find_map(|line| line.unwrap().split_once(VICTIM).map(|(_, rest)| rest.to_owned()))
        .unwrap();
    let [guarded, folder, pid, net] = said.split_ascii_whitespace().collect::<Vec<_>>()[..] else {
        panic!("{said}")
    };
    let name = Path::new(folder).file_name().unwrap().to_str().unwrap();
    assert!(holds_open(net, Path::new("/proc").join(pid)), "the namespace is not as the process says");
    let stubborn = children(victim.id());
    // A child of the guard's, the guard itself, and the shell.
    assert!(stubborn.len() >= 2, "{stubborn:?}");

    victim.kill().unwrap();
    victim.wait().unwrap();
    if guarded != "true" {
        return eprintln!("not tested here: without the right to guard processes");
    }
    eventually("the processes end", || stubborn.iter().all(|process| !is_there(process))).await;
    eventually("nobody has the namespace", || !processes().any(|process| holds_open(net, process))).await;
    assert!(Path::new(folder).is_dir(), "a kill lets nobody tidy up");

    // Somebody else's, and a living one's.
    let foreign = temporary.path().join("murmuration-assess-of-somebody");
    fs::create_dir(&foreign).unwrap();
    let foreign_group =
        groups("").first().map(|group| group.with_file_name("murmuration-assess-of-somebody"));
    foreign_group.iter().for_each(|group| fs::create_dir(group).unwrap());
    let living = Lab::open(options(temporary.path())).await.unwrap();
    let living_name = living.folder().file_name().unwrap().to_str().unwrap().to_owned();
    let next = Lab::open(options(temporary.path())).await.unwrap();

    assert!(!Path::new(folder).exists(), "the folder is there");
    assert_eq!(groups(name), Vec::<PathBuf>::new());
    assert!(foreign.is_dir() && foreign_group.iter().all(|group| group.is_dir()));
    assert!(living.folder().is_dir());
    let groups_of_living = groups(&living_name).len();
    next.close().await.unwrap();
    assert_eq!(groups(&living_name).len(), groups_of_living);
    drop(living);
    assert_eq!(groups(&living_name), Vec::<PathBuf>::new());
    foreign_group.iter().for_each(|group| fs::remove_dir(group).unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lab_that_is_closed_or_dropped_ends_its_processes_and_leaves_nothing() {
    let _turn = TURN.lock().await;
    for is_closed in [true, false] {
        let temporary = tempfile::tempdir().unwrap();
        let mut lab = Lab::open(options(temporary.path())).await.unwrap();
        let host = lab.host("one").await.unwrap();
        let mut process = host.spawn(shell(STUBBORN), &Limits::NONE).await.unwrap();
        fs::write(lab.folder().join("state"), "of a node").unwrap();
        let name = lab.folder().file_name().unwrap().to_str().unwrap().to_owned();
        if is_closed {
            lab.close().await.unwrap()
        } else {
            drop(lab)
        }
        assert!(!process.wait().await.unwrap().success());
        assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0);
        drop(process);
        assert_eq!(groups(&name), Vec::<PathBuf>::new());
    }
}

/// All processes that are there, by their folders.
fn processes() -> impl Iterator<Item = PathBuf> {
    let folders = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    folders
        .filter(|path| path.file_name().unwrap().to_str().unwrap().bytes().all(|byte| byte.is_ascii_digit()))
}

/// The fields of `/proc/<pid>/stat` from the state on; none if it is gone, or nothing of it but its exit code.
fn stat(process: &Path) -> Option<Vec<String>> {
    let stat = fs::read_to_string(process.join("stat")).ok()?;
    let fields: Vec<_> = stat.rsplit_once(')')?.1.split_ascii_whitespace().map(str::to_owned).collect();
    (fields[0] != "Z").then_some(fields)
}

/// A process that is told apart from a later one with its number.
type Named = (PathBuf, String);

fn is_there((process, started): &Named) -> bool {
    stat(process).is_some_and(|fields| fields[19] == *started)
}

/// All that a process has started, and that these have started.
fn children(of: u32) -> Vec<Named> {
    let mut found: Vec<Named> = Vec::new();
    let mut parents = vec![of.to_string()];
    while let Some(parent) = parents.pop() {
        for process in processes() {
            if let Some(fields) = stat(&process).filter(|fields| fields[1] == parent) {
                parents.push(process.file_name().unwrap().to_str().unwrap().to_owned());
                found.push((process, fields[19].clone()));
            }
        }
    }
    found
}

/// Whether a process is in a namespace, or has it open.
fn holds_open(namespace: &str, process: PathBuf) -> bool {
    let open = fs::read_dir(process.join("fd")).into_iter().flatten().flatten().map(|entry| entry.path());
    open.chain([process.join("ns/net")])
        .any(|link| fs::read_link(link).is_ok_and(|to| to == Path::new(namespace)))
}

/// Control groups of this name; without a name, those that labs may make groups beside.
fn groups(name: &str) -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let cpu = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>()).filter(|fields| {
        fields[2] == "cgroup"
            && fields[3].split(',').any(|option| ["cpu", "cpuacct", "cpuset"].contains(&option))
            || fields[2] == "cgroup2"
    });
    let roots: Vec<_> = cpu.map(|fields| PathBuf::from(fields[1])).collect();
    let entries = roots.iter().flat_map(|root| fs::read_dir(root).unwrap().flatten());
    let groups = entries.map(|entry| entry.path()).filter(|path| path.is_dir());
    groups.filter(|path| name.is_empty() || path.ends_with(name)).collect()
}
