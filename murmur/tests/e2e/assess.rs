//! `murmur assess`: a small sweep as somebody runs it who stops it, whose machine fails, and who goes on.

use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::process::Process;
use crate::support::programs::Program;
use crate::support::wait::eventually;

/// Two points, each played once, and once in the clear.
const SCENARIO: &str = "\
title = \"Latency\"
question = \"How does the time to a result grow with the latency of links?\"
repetitions = 1
warm_up = 1
windows = 2
period = \"1s\"
baselines = [\"plain_mqtt\"]

[fixed]
agents = 10

[vary]
latency_ms = [1.0, 25.0]

[[figure]]
x = \"latency_ms\"
";

struct Sweep {
    folder: TempDir,
    started: u32,
}

impl Sweep {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("latency.toml"), SCENARIO).unwrap();
        std::fs::create_dir(folder.path().join("tmp")).unwrap();
        Self { folder, started: 0 }
    }

    fn start(&mut self) -> Process {
        self.started += 1;
        let mut command = Program::Murmur.command();
        command.arg("assess").arg(self.folder.path().join("latency.toml")).arg("--out").arg(self.out());
        // What a laboratory leaves lies where it can be found.
        command.env("TMPDIR", self.folder.path().join("tmp")).stdout(Stdio::piped());
        Process::start("assess", &mut command, self.log())
    }

    fn out(&self) -> std::path::PathBuf {
        self.folder.path().join("out")
    }

    fn log(&self) -> std::path::PathBuf {
        self.folder.path().join(format!("assess-{}.log", self.started))
    }

    /// Waits until it says so.
    fn await_word(&self, word: &str) {
        eventually(word, || std::fs::read_to_string(self.log()).unwrap().contains(word).then_some(()));
    }

    /// How many laboratories have something lying about.
    fn leavings(&self) -> usize {
        std::fs::read_dir(self.folder.path().join("tmp")).unwrap().count()
    }
}

/// The processes of control groups of a sweep that is dead; none where there are no such groups.
fn processes_of(pid: u32) -> Vec<String> {
    let mut processes = Vec::new();
    for root in ["/sys/fs/cgroup/cpu", "/sys/fs/cgroup"] {
        let Ok(groups) = std::fs::read_dir(root) else { continue };
        let own = format!("murmuration-assess-{pid}-");
        for group in groups.flatten().filter(|group| group.file_name().to_string_lossy().starts_with(&own)) {
            collect(&group.path(), &mut processes);
        }
    }
    processes
}

fn collect(group: &Path, processes: &mut Vec<String>) {
    if let Ok(inside) = std::fs::read_to_string(group.join("cgroup.procs")) {
        processes.extend(inside.lines().map(str::to_owned));
    }
    for entry in std::fs::read_dir(group).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            collect(&entry.path(), processes);
        }
    }
}

fn times(report: &Value, subject: &str) -> Vec<f64> {
    let points = report["points"].as_array().unwrap();
    let time = |point: &Value| {
        let medians = point["medians"].as_array().unwrap().iter();
        let mut of_windows = medians.filter(|median| {
            median["subject"] == subject
                && median["role"] == "site"
                && median["phase"] == "whole"
                && median["measure"] == "wall_ms"
        });
        of_windows.next().unwrap()["median"].as_f64().unwrap()
    };
    points.iter().map(time).collect()
}

#[test]
fn a_sweep_goes_on_after_it_was_stopped_and_killed_and_leaves_nothing_behind() {
    let mut sweep = Sweep::new();
    let mut stopped = sweep.start();
    sweep.await_word("2/4");
    stopped.signal("INT");
    assert_eq!(stopped.wait().code(), Some(4), "{}", stopped.stderr());
    assert_eq!(sweep.leavings(), 0);

    let mut killed = sweep.start();
    sweep.await_word("1 of 4 runs are there already");
    sweep.await_word("2/4");
    let pid = killed.id();
    killed.kill();
    eventually("what it started ends with it", || processes_of(pid).is_empty().then_some(()));

    let mut last = sweep.start();
    assert!(last.wait().success(), "{}", last.stderr());
    assert_eq!(sweep.leavings(), 0, "what the killed one left is swept");
    let report = std::fs::read_to_string(sweep.out().join("report.json")).unwrap();
    let report: Value = serde_json::from_str(&report).unwrap();
    let (ours, plain) = (times(&report, "murmuration"), times(&report, "plain_mqtt"));
    // A message goes by way of the broker. A result takes six of them, one after the other, and one more to whoever looks on;
    // in the clear there is that one alone.
    let message_ms = 2.0 * (25.0 - 1.0);
    assert!(ours[1] - ours[0] > 0.9 * 7.0 * message_ms, "{ours:?}");
    assert!(plain[1] - plain[0] > 0.9 * message_ms && plain[1] < ours[1], "{plain:?}");
    assert!(std::fs::read_to_string(sweep.out().join("report.html")).unwrap().contains("<svg"));
}

#[test]
fn what_can_not_be_assessed_is_refused_before_anything_is_made() {
    let sweep = Sweep::new();
    let refused = |scenario: &str, more: &[&str]| {
        let file = sweep.folder.path().join("refused.toml");
        std::fs::write(&file, scenario).unwrap();
        let mut command = Program::Murmur.command();
        let output =
            command.arg("assess").arg(&file).arg("--out").arg(sweep.out()).args(more).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(!sweep.out().exists());
        String::from_utf8(output.stderr).unwrap()
    };
    let high = SCENARIO.replace("agents = 10", "threshold = 2");
    let told = refused(&high, &[]);
    assert!(told.contains("refused.toml") && told.contains("choose 1 to 1"), "{told}");
    let told = refused(&SCENARIO.replace("agents = 10", "agent = 10"), &[]);
    assert!(told.contains("line 10: `agent`: there is no such parameter"), "{told}");
    let told = refused(SCENARIO, &["--only", "latency_ms=3"]);
    assert!(told.contains("--only: no point has latency_ms = 3; there is 1, 25"), "{told}");
}
