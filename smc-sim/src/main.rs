//! Plays histories in the simulator, replays one, shrinks what fails.

use std::ops::Range;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use clap::Parser;
use smc_sim::Schedule;
use smc_sim::coverage::Coverage;
use smc_sim::run::{Violation, run, tell};
use smc_sim::shrink::shrink;

/// Histories between two lines of progress.
const PROGRESS: u64 = 1000;

/// A site whose network, broker, peers and agents do what a seed says; and what must hold whatever they do.
#[derive(Debug, Parser)]
#[command(name = "smc-sim", version)]
struct Options {
    /// The seeds to play: from the first up to, not including, the last.
    #[arg(long, value_name = "A..B", value_parser = range, default_value = "0..1000", conflicts_with_all = ["seed", "schedule"])]
    seeds: Range<u64>,

    /// One seed, told step by step.
    #[arg(long, conflicts_with = "schedule")]
    seed: Option<u64>,

    /// A history in a file, told step by step.
    #[arg(long, value_name = "FILE")]
    schedule: Option<PathBuf>,

    /// Writes what fails, shrunk, into this file.
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,

    /// How many histories are played at once.
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,

    /// Prints what was found as JSON.
    #[arg(long)]
    json: bool,

    /// Switches off one safety rule after the other, or those that are named, and tells which seed notices it.
    #[arg(long, value_name = "RULE", num_args = 0..)]
    mutations: Option<Vec<String>>,
}

fn range(text: &str) -> Result<Range<u64>, String> {
    let (first, end) = text.split_once("..").ok_or("two numbers with .. between them")?;
    let number = |text: &str| text.parse::<u64>().map_err(|error| format!("{text}: {error}"));
    let (first, end) = (number(first)?, number(end)?);
    if first < end { Ok(first..end) } else { Err(format!("no seeds between {first} and {end}")) }
}

fn main() -> ExitCode {
    let options = Options::parse();
    let ok = if let Some(rules) = &options.mutations {
        mutations(&options, rules)
    } else if let Some(path) = &options.schedule {
        match read(path) {
            Ok(schedule) => one(&options, &schedule),
            Err(error) => {
                eprintln!("error: {}: {error}", path.display());
                false
            }
        }
    } else if let Some(seed) = options.seed {
        one(&options, &Schedule::from_seed(seed))
    } else {
        many(&options)
    };
    if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn read(path: &PathBuf) -> Result<Schedule, String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    serde_json::from_str(&text).map_err(|error| error.to_string())
}

/// Tells one history.
fn one(options: &Options, schedule: &Schedule) -> bool {
    println!("{}", json(schedule));
    let outcome = tell(schedule);
    outcome.history.iter().for_each(|line| println!("{line}"));
    match &outcome.violation {
        None => {
            println!("\n{}all of it holds", outcome.coverage);
            true
        }
        Some(violation) => {
            failed(options, schedule, violation);
            false
        }
    }
}

/// Plays many histories, several at once, until one fails or Ctrl-C ends it.
fn many(options: &Options) -> bool {
    let stop = stopped_by_ctrl_c();
    let (seeds, began) = (&options.seeds, Instant::now());
    let (coverage, failure) = search(seeds.clone(), jobs(options), stop, |done| {
        let per_second = done as f64 / began.elapsed().as_secs_f64();
        eprintln!("{done} of {} histories, {per_second:.0}/s", seeds.end - seeds.start);
    });
    let seconds = began.elapsed().as_secs_f64();
    let per_second = coverage.schedules as f64 / seconds;
    if options.json {
        let failed = failure.as_ref().map(|(seed, violation)| (seed, violation.to_string()));
        let report = serde_json::json!({
            "failed": failed, "per_second": per_second, "coverage": coverage,
        });
        println!("{report}");
    } else {
        println!("{coverage}");
        let Coverage { schedules, published, asked, declined, .. } = coverage;
        println!("{schedules} histories in {seconds:.1} s, {per_second:.1}/s; {published} values published");
        println!("{asked} of queries asked for while the site ran, {declined} without agents that declined");
    }
    let Some((seed, violation)) = failure else { return true };
    failed(options, &Schedule::from_seed(seed), &violation);
    false
}

fn failed(options: &Options, schedule: &Schedule, violation: &Violation) {
    eprintln!("seed {}: {violation}", schedule.seed);
    eprintln!("replay: cargo run --release -p smc-sim -- --seed {}", schedule.seed);
    let shrunk = shrink(schedule);
    eprintln!("shrunk from {} actions to {}:", schedule.actions.len(), shrunk.actions.len());
    eprintln!("{}", json(&shrunk));
    if let Some(path) = &options.save {
        match std::fs::write(path, json(&shrunk) + "\n") {
            Ok(()) => {
                eprintln!("replay: cargo run --release -p smc-sim -- --schedule {}", path.display());
            }
            Err(error) => eprintln!("error: {}: {error}", path.display()),
        }
    }
}

fn json(schedule: &Schedule) -> String {
    serde_json::to_string(schedule).unwrap_or_default()
}

fn jobs(options: &Options) -> usize {
    options.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from)).max(1)
}

fn stopped_by_ctrl_c() -> &'static AtomicBool {
    static STOP: AtomicBool = AtomicBool::new(false);
    // A second one ends the program as usual.
    let handler = || {
        if STOP.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    };
    if let Err(error) = ctrlc::set_handler(handler) {
        eprintln!("warning: Ctrl-C will end this without a summary: {error}");
    }
    &STOP
}

/// The lowest seed that fails, and what all came by; `progress` is told how many are done.
fn search(
    seeds: Range<u64>,
    jobs: usize,
    stop: &AtomicBool,
    progress: impl Fn(u64) + Sync,
) -> (Coverage, Option<(u64, Violation)>) {
    let (next, end) = (AtomicU64::new(seeds.start), AtomicU64::new(seeds.end));
    let found = Mutex::new((Coverage::default(), None::<(u64, Violation)>));
    let play = || {
        while !stop.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end.load(Ordering::Relaxed) {
                break;
            }
            let outcome = run(&Schedule::from_seed(seed));
            let Ok(mut found) = found.lock() else { break };
            found.0.add(&outcome.coverage);
            if found.0.schedules.is_multiple_of(PROGRESS) {
                progress(found.0.schedules);
            }
            if let Some(violation) = outcome.violation
                && found.1.as_ref().is_none_or(|(lowest, _)| seed < *lowest)
            {
                end.fetch_min(seed, Ordering::Relaxed);
                found.1 = Some((seed, violation));
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(play);
        }
    });
    found.into_inner().unwrap_or_default()
}

#[cfg(not(mutation))]
fn mutations(_: &Options, _: &[String]) -> bool {
    eprintln!(
        "error: this build has all its safety rules; one whose rules can be switched off is built and run with"
    );
    eprintln!(
        "RUSTFLAGS='--cfg mutation' cargo run --release -p smc-sim --target-dir target/mutation -- --mutations"
    );
    false
}

/// Whether every rule is missed by some seed; a rule that Ctrl-C cut short is not told.
#[cfg(mutation)]
fn mutations(options: &Options, rules: &[String]) -> bool {
    use smc_core::mutation::{Rule, disable};
    let stop = stopped_by_ctrl_c();
    let mut all = true;
    println!("{:<22} {:>6}  {:<16} what was noticed", "without", "seed", "by");
    let is_meant = |rule: &Rule| rules.is_empty() || rules.contains(&format!("{rule:?}"));
    for rule in Rule::ALL.into_iter().filter(is_meant) {
        disable(Some(rule));
        let progress = |done| eprintln!("without {rule:?}: {done} histories");
        let (_, found) = search(options.seeds.clone(), jobs(options), stop, progress);
        disable(None);
        if found.is_none() && stop.load(Ordering::Relaxed) {
            return false;
        }
        let name = format!("{rule:?}");
        match &found {
            Some((seed, by)) => println!("{name:<22} {seed:>6}  {:<16} {}", by.invariant, by.what),
            None => println!("{name:<22}   none of {:?}", options.seeds),
        }
        all &= found.is_some();
    }
    all
}
