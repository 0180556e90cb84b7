//! Sweeps: what is played, what is kept, and what comes after something went wrong.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::future::{pending, ready};
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

use assessment::journal::{Header, JournalError, Outcome, Recorded, SAMPLES};
use assessment::lab::Calibration;
use assessment::meter::Machine;
use assessment::scenario::Scenario;
use assessment::sweep::{Progress, Sweep, SweepError, Swept};
use assessment::{PlayError, Subject};
use smc_core::time::Timestamp;

use crate::closed::{Closed, Formula};

pub(crate) fn scenario(rest: &str) -> Scenario {
    let text = format!("title = \"a\"\nquestion = \"b\"\nwindows = 4\nwarm_up = 0\n{rest}");
    Scenario::parse(Path::new("a.toml"), &text).unwrap()
}

pub(crate) fn sweep(folder: &Path, scenario: &Scenario) -> Sweep {
    let header = Header::new(scenario.digest(), scenario.title.clone(), 7, Machine::here());
    let (scenario, text) = (scenario.clone(), String::new());
    Sweep { scenario, text, folder: folder.to_owned(), header }
}

/// What was told, as it would stand on a terminal or in a file.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<u8>>>);

impl Write for Told {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Told {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

pub(crate) async fn run(sweep: Sweep, stage: &mut Formula) -> Result<(Swept, String), SweepError> {
    run_until(sweep, &mut Closed::default(), stage, pending()).await
}

async fn run_until(
    sweep: Sweep,
    ground: &mut Closed,
    stage: &mut Formula,
    stop: impl Future<Output = ()>,
) -> Result<(Swept, String), SweepError> {
    let told = Told::default();
    let mut progress = Progress::on(Box::new(told.clone()), false);
    let clock = || Timestamp::from_micros(1_764_000_000_000_000);
    let swept = sweep.run(ground, stage, clock, &mut progress, stop).await?;
    Ok((swept, told.text()))
}

#[tokio::test]
async fn every_point_is_played_as_often_as_asked_with_its_baselines_and_another_seed_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = scenario(
        "repetitions = 3\nbaselines = [\"plain_mqtt\", \"mpyc\"]\n[vary]\npeers = [3, 5]\nfunction = [\"sum\", \"variance\"]\n",
    );
    let mut stage = Formula::default();
    let (swept, told) = run(sweep(folder.path(), &scenario), &mut stage).await.unwrap();
    // MPyC has no variance.
    assert_eq!(swept, Swept { measured: 30, failed: 0, left: 0 });
    let mut seeds = BTreeMap::new();
    for (parameters, run) in &stage.played {
        let key = (parameters.peers, parameters.function.clone(), run.repetition);
        let first = *seeds.entry(key).or_insert(run.seed);
        assert_eq!(first, run.seed, "all subjects of a repetition draw the same readings");
    }
    let mut distinct: Vec<u64> = seeds.into_values().collect();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), 12);
    assert!(told.contains("1/30: peers = ") && told.contains("30/30, 0:00 left: "), "{told}");
    // A repetition is complete before the next one begins.
    let order: Vec<u32> = stage.played.iter().map(|(_, run)| run.repetition).collect();
    assert!(order.is_sorted(), "{order:?}");
}

#[tokio::test]
async fn the_same_seed_gives_the_same_order_and_another_one_another() {
    let scenario = scenario("[vary]\npeers = [3, 4, 5, 6, 7, 8, 9]\n");
    let order = async |seed: u64| {
        let folder = tempfile::tempdir().unwrap();
        let mut stage = Formula::default();
        let mut sweep = sweep(folder.path(), &scenario);
        sweep.header.seed = seed;
        run(sweep, &mut stage).await.unwrap();
        stage.played.iter().map(|(parameters, _)| parameters.peers).collect::<Vec<_>>()
    };
    assert_eq!(order(1).await, order(1).await);
    assert_ne!(order(1).await, order(2).await);
}

#[tokio::test]
async fn what_was_interrupted_goes_on_where_it_ended() {
    let folder = tempfile::tempdir().unwrap();
    let few = scenario("repetitions = 2\n[vary]\npeers = [3, 5]\n");
    let mut stage = Formula::default();
    run(sweep(folder.path(), &few), &mut stage).await.unwrap();
    // A point was added, a line was begun.
    let path = folder.path().join(SAMPLES);
    OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"run\":{\"poi").unwrap();
    let more = scenario("repetitions = 2\n[vary]\npeers = [3, 5, 7]\n");
    let mut stage = Formula::default();
    let stopped = run_until(sweep(folder.path(), &more), &mut Closed::default(), &mut stage, ready(())).await;
    assert_eq!(stopped.unwrap().0, Swept { measured: 4, failed: 0, left: 2 });
    assert!(stage.played.is_empty());
    let (swept, told) = run(sweep(folder.path(), &more), &mut stage).await.unwrap();
    assert_eq!(swept, Swept { measured: 6, failed: 0, left: 0 });
    assert!(stage.played.iter().all(|(parameters, _)| parameters.peers == 7));
    assert!(told.contains("4 of 6 runs are there already"), "{told}");
    assert!(!Recorded::read(folder.path()).unwrap().torn);
}

#[tokio::test]
async fn a_torn_line_is_told_and_measured_again() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = scenario("repetitions = 2\n");
    run(sweep(folder.path(), &scenario), &mut Formula::default()).await.unwrap();
    let path = folder.path().join(SAMPLES);
    let length = std::fs::metadata(&path).unwrap().len();
    OpenOptions::new().write(true).open(&path).unwrap().set_len(length - 5).unwrap();
    assert!(Recorded::read(folder.path()).unwrap().torn);
    let mut stage = Formula::default();
    let (swept, told) = run(sweep(folder.path(), &scenario), &mut stage).await.unwrap();
    assert_eq!((swept.measured, stage.played.len()), (2, 1));
    assert!(told.contains("the last sample was not written to its end"), "{told}");
    assert_eq!(Recorded::read(folder.path()).unwrap().entries.len(), 2);
}

fn died() -> PlayError {
    PlayError::Died { node: "peer-2".to_owned(), how: "killed by signal 9".to_owned() }
}

#[tokio::test]
async fn what_failed_is_tried_once_more_at_the_end_and_then_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = scenario("repetitions = 1\n[vary]\npeers = [3, 5, 7]\n");
    let mut stage = Formula { script: [died()].into(), ..Formula::default() };
    let (swept, told) = run(sweep(folder.path(), &scenario), &mut stage).await.unwrap();
    assert_eq!(swept, Swept { measured: 3, failed: 0, left: 0 });
    let peers: Vec<u8> = stage.played.iter().map(|(parameters, _)| parameters.peers).collect();
    assert_eq!((peers.len(), peers.first()), (4, peers.last()));
    assert!(told.contains("failed: peer-2 ended before it should: killed by signal 9"), "{told}");

    let folder = tempfile::tempdir().unwrap();
    let mut stage = Formula { script: vec![died(); 6].into(), ..Formula::default() };
    let (swept, _) = run(sweep(folder.path(), &scenario), &mut stage).await.unwrap();
    assert_eq!((swept, stage.played.len()), (Swept { measured: 0, failed: 3, left: 0 }, 6));
    let mut stage = Formula::default();
    let (swept, _) = run(sweep(folder.path(), &scenario), &mut stage).await.unwrap();
    assert_eq!((swept.failed, stage.played.len()), (3, 0));
}

#[tokio::test]
async fn what_is_not_possible_here_is_tried_once() {
    let folder = tempfile::tempdir().unwrap();
    let why = "mosquitto is not installed".to_owned();
    let mut stage = Formula { script: [PlayError::Impossible(why.clone())].into(), ..Formula::default() };
    let (swept, _) = run(sweep(folder.path(), &scenario("repetitions = 1\n")), &mut stage).await.unwrap();
    assert_eq!((swept, stage.played.len()), (Swept { measured: 0, failed: 1, left: 0 }, 1));
    let recorded = Recorded::read(folder.path()).unwrap();
    assert_eq!(recorded.entries[0].outcome, Outcome::Failed { reason: why, hopeless: true });
}

#[tokio::test]
async fn links_are_calibrated_once_each_and_nothing_is_measured_if_they_are_off() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = scenario("repetitions = 1\n[vary]\npeers = [3, 5]\nlatency_ms = [1, 5]\n");
    let mut ground = Closed::default();
    run_until(sweep(folder.path(), &scenario), &mut ground, &mut Formula::default(), pending())
        .await
        .unwrap();
    assert_eq!(ground.calibrations, 2);

    let folder = tempfile::tempdir().unwrap();
    let (mut ground, mut stage) = (Closed { added_ms: 2.0, ..Closed::default() }, Formula::default());
    let off =
        run_until(sweep(folder.path(), &scenario), &mut ground, &mut stage, pending()).await.unwrap_err();
    let told = off.to_string();
    assert!(told.contains("latency_ms: asked 1, measured 3.000"), "{told}");
    assert_eq!((ground.calibrations, stage.played.len()), (3, 0));
}

#[tokio::test]
async fn links_that_are_off_for_a_moment_are_measured_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut ground = Closed { added_ms: 2.0, at_first: Some(2), ..Closed::default() };
    let sweep = sweep(folder.path(), &scenario("repetitions = 1\n"));
    run_until(sweep, &mut ground, &mut Formula::default(), pending()).await.unwrap();
    let calibrations = Recorded::read(folder.path()).unwrap().calibrations;
    assert_eq!((ground.calibrations, calibrations.iter().all(Calibration::holds)), (3, true));
}

#[tokio::test]
async fn another_scenario_or_machine_or_a_second_sweep_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let ours = scenario("");
    run(sweep(folder.path(), &ours), &mut Formula::default()).await.unwrap();
    let kept = std::fs::read(folder.path().join(SAMPLES)).unwrap();
    let longer = Scenario { windows: 5, ..ours.clone() };
    let told = run(sweep(folder.path(), &longer), &mut Formula::default()).await.unwrap_err().to_string();
    assert!(told.contains("another scenario") && told.contains("--out"), "{told}");
    let mut elsewhere = sweep(folder.path(), &ours);
    elsewhere.header.machine.cores = 640;
    let told = run(elsewhere, &mut Formula::default()).await.unwrap_err().to_string();
    assert!(told.contains("another machine") && told.contains("cores 640"), "{told}");
    let lock = std::fs::File::create(folder.path().join("lock")).unwrap();
    lock.lock().unwrap();
    let busy = run(sweep(folder.path(), &ours), &mut Formula::default()).await.unwrap_err();
    assert!(matches!(busy, SweepError::Journal(JournalError::Busy(_))), "{busy}");
    assert_eq!(std::fs::read(folder.path().join(SAMPLES)).unwrap(), kept);
}

#[test]
fn a_line_that_is_none_of_ours_is_refused_with_its_number() {
    let folder = tempfile::tempdir().unwrap();
    let told = |text: &str| {
        std::fs::write(folder.path().join(SAMPLES), text).unwrap();
        Recorded::read(folder.path()).unwrap_err().to_string()
    };
    assert!(told("hello\n").contains("samples.jsonl, line 1: "));
    assert!(told("").contains("nothing was measured there"));
    let header =
        serde_json::to_string(&Header::new(String::new(), String::new(), 1, Machine::here())).unwrap();
    assert!(
        told(&format!("{{\"header\":{header}}}\n{{\"header\":{header}}}\n"))
            .contains("line 2: there is a second header")
    );
}

/// A disk of a few kilobytes; unmounted whatever happens.
struct Small(tempfile::TempDir);

impl Small {
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mount = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=16k", "tmpfs"])
            .arg(folder.path())
            .output();
        mount.is_ok_and(|output| output.status.success()).then_some(Self(folder))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(self.0.path()).status();
    }
}

#[tokio::test]
async fn a_full_disk_is_told_and_finished_points_stay() {
    let Some(disk) = Small::mount() else {
        eprintln!("SKIPPED: small disks can't be mounted without the right to");
        return;
    };
    let folder = disk.0.path();
    let scenario = scenario("repetitions = 100\n");
    let mut stage = Formula::default();
    let told = run(sweep(folder, &scenario), &mut stage).await.unwrap_err().to_string();
    assert!(told.contains("No space left") && told.contains("finished runs stay"), "{told}");
    let recorded = Recorded::read(folder).unwrap();
    assert!(!recorded.torn);
    assert!(!recorded.entries.is_empty() && recorded.entries.len() == stage.played.len() - 1);
    assert!(recorded.entries.iter().all(|entry| entry.run.subject == Subject::Murmuration));
}
