//! `murmur soak`: a whole site as separate processes to which things happen, held against the truth all the while.

mod disk;
mod fault;
mod fleet;
mod hostile;
mod memory;
mod proxy;
mod report;
mod role;
mod site;
mod table;
mod truth;
mod watch;
mod world;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use smc_core::roster::Span;
use smc_core::time::Period;
use smc_mqtt::clock::Clock;
use smc_mqtt::process;
use tempfile::TempDir;
use tokio::time::timeout;

pub(crate) use self::disk::own_mounts;
pub(crate) use self::fault::Kind;
use self::fault::{Dice, Episode};
use self::memory::Memory;
pub(crate) use self::report::Report;
use self::report::{Cost, Figures, Processes};
pub(crate) use self::role::{RoleError, play};
pub(crate) use self::site::{Role, SiteError};
use self::table::EPOCH;
use self::watch::{Closed, Watch};
use self::world::World;

/// What a soak was asked to do.
#[derive(Debug, Clone)]
pub(crate) struct SoakOptions {
    /// For how long things go wrong.
    pub(crate) span: Duration,
    /// Says what goes wrong, and where readings are missing.
    pub(crate) seed: u64,
    pub(crate) peers: u8,
    pub(crate) threshold: u8,
    pub(crate) agents: usize,
    pub(crate) period: Period,
    /// What may go wrong; if nothing, the site is left alone and its memory is measured.
    pub(crate) kinds: Vec<Kind>,
    /// Whether disks can be mounted, and if not, why.
    pub(crate) mounts: Result<(), String>,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SoakError {
    #[error("a disk could not be filled or freed: {0}")]
    Disk(std::io::Error),
    #[error("a folder for the site could not be made: {0}")]
    Folder(std::io::Error),
    #[error("stopped before the first whole window")]
    Interrupted,
    #[error("the observer has no way to the broker")]
    Observer,
    #[error("the proxy can't listen: {0}")]
    Proxy(std::io::Error),
    #[error(transparent)]
    Site(#[from] SiteError),
    #[error("no window was whole within {0:?}; the nodes' logs are in {1}")]
    Start(Duration, String),
}

/// How long the site may take to come up, before its first cohort epoch.
const START: Duration = Duration::from_secs(90);
/// Readings are there for so much longer, as starting and the last recovery take their time.
const SPARE: Duration = Duration::from_secs(300);
/// How many cohort epochs may pass until all is well again. An epoch that began while nodes were away may withhold
/// results to its end.
const RECOVERY_EPOCHS: u32 = 2;
/// Beyond that, so much for starting and connecting.
const RECOVERY: Duration = Duration::from_secs(45);
/// What several faults at once are counted as.
const AT_ONCE: &str = "two at once";

/// Runs a soak to its end or until Ctrl-C. Says what happens on standard error.
pub(crate) async fn run(options: SoakOptions) -> Result<Report, SoakError> {
    let folder = tempfile::Builder::new().prefix("murmur-soak-").tempdir().map_err(SoakError::Folder)?;
    let clock = Clock::system();
    let span = options.span + start_limit(options.period) + SPARE;
    let world = World::start(folder.path(), &options, clock.now(), span).await?;
    let watch = Watch::start(&world.site, world.observer()?, clock.clone());
    let mut soak = Soak::new(options, world, watch, clock);
    let (outcome, interrupted) = tokio::select! {
        outcome = soak.direct() => (outcome, false),
        () = process::asked_to_end() => (Ok(()), true),
    };
    let started = soak.since.is_some();
    let report = soak.end().await;
    if matches!(outcome, Err(SoakError::Start(..))) || (started && !report.is_good()) {
        eprintln!("the nodes' logs are in {}", keep(folder));
    }
    outcome?;
    if interrupted && !started { Err(SoakError::Interrupted) } else { Ok(report) }
}

/// How long the site may take until its first whole window.
fn start_limit(period: Period) -> Duration {
    START + EPOCH as u32 * period.as_duration()
}

/// A soak at work.
struct Soak {
    options: SoakOptions,
    world: World,
    watch: Watch,
    clock: Clock,
    dice: Dice,
    /// When the first window was whole.
    since: Option<Instant>,
    /// The windows that closed since the last fault began.
    closed: Vec<Closed>,
    faults: BTreeMap<String, Figures>,
    unrecovered: u64,
    /// What the processes of an idle site hold.
    idle: Memory,
    /// What each process held when it first was in a quiet site, with how often its node had been started by then.
    memory: BTreeMap<String, (u32, f64)>,
}

impl Soak {
    fn new(options: SoakOptions, world: World, watch: Watch, clock: Clock) -> Self {
        let mut kinds = options.kinds.clone();
        kinds.retain(|kind| *kind != Kind::Disk || world.no_disks.is_none());
        let dice = Dice::new(&kinds, options.peers.into(), world.site.table);
        Self {
            options,
            world,
            watch,
            clock,
            dice,
            since: None,
            closed: Vec::new(),
            faults: BTreeMap::new(),
            unrecovered: 0,
            idle: Memory::default(),
            memory: BTreeMap::new(),
        }
    }

    async fn direct(&mut self) -> Result<(), SoakError> {
        let limit = start_limit(self.options.period);
        if self.recover(limit).await.is_none() {
            let log = self.world.site.log(site::BROKER);
            let folder = log.parent().map(|folder| folder.display().to_string());
            return Err(SoakError::Start(limit, folder.unwrap_or_default()));
        }
        let since = Instant::now();
        self.since = Some(since);
        self.watch.begin_to_count();
        self.weigh();
        self.measure(since);
        while since.elapsed() < self.options.span {
            let episode = self.dice.episode();
            self.play(episode).await?;
            self.measure(since);
        }
        Ok(())
    }

    fn measure(&mut self, since: Instant) {
        if self.options.kinds.is_empty() {
            self.idle.measure(self.world.fleet(), since.elapsed(), self.options.span);
        }
    }

    /// One episode: what goes wrong, until all is well again, and a quiet stretch.
    async fn play(&mut self, episode: Episode) -> Result<(), SoakError> {
        let before = self.options.period.window_at(self.clock.now());
        self.closed.retain(|closed| closed.window.next() >= before);
        meanwhile(&mut self.watch, &mut self.closed, self.world.inflict(&episode.faults)).await?;
        let undone = self.clock.now();
        let limit = RECOVERY + RECOVERY_EPOCHS * EPOCH as u32 * self.options.period.as_duration();
        let recovery = self.recover(limit).await;
        let lost = self.closed.iter().filter(|closed| closed.complete.is_none());
        let after = lost.clone().filter(|lost| self.options.period.end(lost.window) > undone).count() as u64;
        let cost = Cost { lost: lost.count() as u64, after, recovery };
        if !episode.faults.is_empty() {
            self.note(&episode, cost);
        }
        if recovery.is_some() {
            self.weigh();
        }
        for _ in 0..episode.quiet {
            let closed = self.watch.closed().await;
            self.closed.push(closed);
        }
        Ok(())
    }

    /// Waits until a window that ends from now on is whole; returns how long that took, if it did not take too
    /// long.
    async fn recover(&mut self, limit: Duration) -> Option<Duration> {
        let (from, now) = (Instant::now(), self.clock.now());
        let whole = async {
            loop {
                let closed = self.watch.closed().await;
                self.closed.push(closed);
                if closed.whole && self.options.period.end(closed.window) > now {
                    return closed.complete;
                }
            }
        };
        let complete = timeout(limit, whole).await.ok().flatten()?;
        Some(complete.saturating_duration_since(from))
    }

    fn note(&mut self, episode: &Episode, cost: Cost) {
        let name = match episode.faults.as_slice() {
            [fault] => fault.way.to_string(),
            _ => AT_ONCE.to_owned(),
        };
        self.faults.entry(name).or_default().add(cost);
        self.unrecovered += u64::from(cost.recovery.is_none());
        let passed = self.since.map_or(Duration::ZERO, |since| since.elapsed());
        let left = self.options.span.saturating_sub(passed).as_secs();
        let told: Vec<_> = episode.faults.iter().map(ToString::to_string).collect();
        let recovered = match cost.recovery {
            Some(recovery) => format!("well again after {:.2} s", recovery.as_secs_f64()),
            None => "NOT WELL AGAIN".to_owned(),
        };
        eprintln!(
            "{:>3}:{:02} left  {}: windows lost: {} and {} after it, {recovered}",
            left / 60,
            left % 60,
            told.join(" and "),
            cost.lost - cost.after,
            cost.after
        );
    }

    /// Notes what processes hold that are new since it was last quiet.
    fn weigh(&mut self) {
        for (name, _, life) in self.world.fleet().lives() {
            if self.memory.get(name).is_none_or(|(starts, _)| *starts != life.starts)
                && let Some(mib) = life.rss_mib()
            {
                self.memory.insert(name.to_owned(), (life.starts, mib));
            }
        }
    }

    /// Ends everything and tells what it came to.
    async fn end(self) -> Report {
        let mut processes: BTreeMap<Role, Processes> = BTreeMap::new();
        for (name, role, life) in self.world.fleet().lives() {
            let begin = self.memory.get(name).filter(|(starts, _)| *starts == life.starts);
            processes.entry(role).or_default().add(&life, begin.map(|(_, mib)| *mib));
        }
        self.world.fleet().close().await;
        let wanted = self.options.kinds.contains(&Kind::Disk);
        Report {
            seed: self.options.seed,
            peers: self.options.peers,
            threshold: self.options.threshold,
            agents: self.options.agents,
            period: Span::new(self.options.period.as_duration()).to_string(),
            seconds: self.since.map_or(0, |since| since.elapsed().as_secs()),
            results: self.watch.end().await,
            faults: self.faults,
            unrecovered: self.unrecovered,
            processes,
            idle: self.idle,
            skipped: self
                .world
                .no_disks
                .filter(|_| wanted)
                .map(|why| format!("disk: {why}"))
                .into_iter()
                .collect(),
        }
    }
}

/// Looks on until `work` is done.
async fn meanwhile<T>(watch: &mut Watch, closed: &mut Vec<Closed>, work: impl Future<Output = T>) -> T {
    tokio::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return done,
            window = watch.closed() => closed.push(window),
        }
    }
}

/// Leaves a folder where it is.
fn keep(folder: TempDir) -> String {
    folder.keep().display().to_string()
}
