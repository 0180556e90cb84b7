//! MPyC on the same hosts and links: as many parties as peers compute the same function of as many readings of as many bits.
//!
//! There are no sensors in MPyC: the parties bring the readings, each its part, so a computation is from their sharing to
//! the output at all parties.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{ChildStdin, ChildStdout};
use tokio::time::timeout;

use super::{mpyc_computes, venv};
use crate::lab::{Host, Lab, LabError, Limits, Process, Wire};
use crate::meter::Usage;
use crate::observation::{Measure, Observation, Phase, Role, Subject};
use crate::parameters::Parameters;
use crate::stage::{PlayError, Run, Stage};

/// What each party runs.
const PARTY: &str = include_str!("mpyc.py");
/// Where the first party listens; the others on the ports after.
const PORT: u16 = 11_365;
/// Longer than this no party takes from one line to the next.
const PATIENCE: Duration = Duration::from_secs(300);

/// A stage that plays MPyC itself and leaves all else to another one.
#[derive(Debug)]
pub struct WithMpyc<S> {
    site: S,
    folder: PathBuf,
    /// Where MPyC is installed, or why it is not; nothing before the first run.
    python: Option<Result<PathBuf, String>>,
    hosts: BTreeMap<String, Host>,
}

impl<S> WithMpyc<S> {
    /// Plays this system and others by `site`, and MPyC, which is installed into `folder` when it is first played.
    pub fn new(site: S, folder: PathBuf) -> Self {
        Self { site, folder, python: None, hosts: BTreeMap::new() }
    }
}

impl<S: Stage<Lab>> Stage<Lab> for WithMpyc<S> {
    async fn play(
        &mut self,
        lab: &mut Lab,
        point: &Parameters,
        run: &Run,
    ) -> Result<Vec<Observation>, PlayError> {
        if run.subject != Subject::Mpyc {
            return self.site.play(lab, point, run).await;
        }
        let python = match &self.python {
            Some(known) => known.clone(),
            None => self.python.insert(venv::python(&self.folder).await).clone(),
        };
        let python = python.map_err(PlayError::Impossible)?;
        for party in 0..point.peers {
            if let Entry::Vacant(free) = self.hosts.entry(host_name(party)) {
                let host = lab.host(free.key()).await.map_err(|error| setup(free.key(), &error))?;
                free.insert(host);
            }
        }
        let hosts = (0..point.peers).filter_map(|party| self.hosts.get(&host_name(party))).collect();
        Parties { hosts, python, point, run }.play().await
    }
}

fn host_name(party: u8) -> String {
    format!("mpyc {}", party + 1)
}

/// What parties are told.
#[derive(Serialize)]
struct Task {
    computation: &'static str,
    bits: u8,
    readings: u32,
    seed: u64,
    warm_up: u32,
    windows: u32,
}

/// What a party says.
#[derive(Deserialize)]
#[serde(untagged)]
enum Said {
    Computed { ms: f64, right: bool },
    Done { done: bool },
    Ready { ready: bool },
}

/// All parties of one run.
struct Parties<'a> {
    hosts: Vec<&'a Host>,
    python: PathBuf,
    point: &'a Parameters,
    run: &'a Run,
}

impl Parties<'_> {
    async fn play(self) -> Result<Vec<Observation>, PlayError> {
        let computation = mpyc_computes(&self.point.function)
            .ok_or_else(|| PlayError::Impossible(format!("MPyC is not asked for {}", self.point.function)))?;
        let task = Task {
            computation,
            bits: self.point.bits,
            readings: self.point.agents.saturating_mul(self.point.streams),
            seed: self.run.seed,
            warm_up: self.run.warm_up,
            windows: self.run.windows,
        };
        let task = serde_json::to_string(&task).unwrap_or_default();
        let mut parties = Vec::with_capacity(self.hosts.len());
        // Each connects to those after it, and takes a connection that a proxy closes at once for one.
        for party in (0..self.point.peers).rev() {
            let host = self.hosts[usize::from(party)];
            parties.push(self.start(party, host, &task).await?);
            // Nobody connects to the first one.
            if party > 0 {
                listening(host, PORT + u16::from(party)).await?;
            }
        }
        for party in &mut parties {
            party.ready().await?;
        }
        let mut before = Vec::with_capacity(parties.len());
        for party in &mut parties {
            before.push(party.sample()?);
        }
        for party in &mut parties {
            party.go().await?;
        }
        let mut times = Vec::with_capacity(parties.len());
        for party in &mut parties {
            times.push(party.times().await?);
        }
        let mut observations = self.slowest(&times);
        for (party, before) in parties.iter_mut().zip(before) {
            let after = party.sample()?;
            observations.extend(party.used(before, after, self.run.windows));
        }
        // All of them at once: each waits for the others before it leaves.
        let leaving: Vec<Leaving<'_>> = parties.into_iter().map(Party::leave).collect();
        for party in leaving {
            party.end().await?;
        }
        Ok(observations)
    }

    async fn start<'h>(&self, party: u8, host: &'h Host, task: &str) -> Result<Party<'h>, PlayError> {
        let mut command = Command::new(&self.python);
        command.args(["-c", PARTY]).env("ASSESSED", task).stderr(Stdio::null());
        for (port, other) in (PORT..).zip(&self.hosts) {
            let at = SocketAddr::new(other.address(), port);
            // A party listens at its own address.
            let reached = if std::ptr::eq(*other, host) { Ok(at) } else { host.reach(at) };
            let reached = reached.map_err(|error| setup(host.name(), &error))?;
            command.arg("-P").arg(reached.to_string());
        }
        command
            .arg("-I")
            .arg(party.to_string())
            .arg("-T")
            .arg(self.point.threshold.to_string())
            .arg("--no-log");
        let spawned = host.spawn(command, &Limits::from(self.point)).await;
        let mut process = spawned.map_err(|error| setup(host.name(), &error))?;
        let no_pipe = || PlayError::Setup { what: host.name().to_owned(), why: "it has no pipes".to_owned() };
        let stdin = process.stdin().ok_or_else(no_pipe)?;
        let lines = BufReader::new(process.stdout().ok_or_else(no_pipe)?).lines();
        Ok(Party { host, process, stdin, lines })
    }

    /// A computation takes as long as its slowest party.
    fn slowest(&self, times: &[Vec<f64>]) -> Vec<Observation> {
        let window = |window: u32| {
            let value =
                times.iter().filter_map(|of| of.get(window as usize)).fold(0.0, |a, b| f64::max(a, *b));
            Observation {
                subject: Subject::Mpyc,
                role: Role::Site,
                node: String::new(),
                phase: Phase::Whole,
                window: Some(window),
                measure: Measure::WallMs,
                value,
            }
        };
        (0..self.run.windows).map(window).collect()
    }
}

/// How often it is looked whether a party listens.
const LOOK: Duration = Duration::from_millis(20);

/// Waits until somebody on the host listens on the port. A connection to try would be taken for a party.
async fn listening(host: &Host, port: u16) -> Result<(), PlayError> {
    let looked = async {
        loop {
            let table = host.inside(|| std::fs::read_to_string("/proc/thread-self/net/tcp"));
            let table = table.map_err(|error| setup(host.name(), &error))?;
            if table.is_ok_and(|table| listens(&table, port)) {
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    timeout(PATIENCE, looked).await.unwrap_or_else(|_| {
        let how = format!("it did not listen within {} s", PATIENCE.as_secs());
        Err(PlayError::Died { node: host.name().to_owned(), how })
    })
}

/// From the kernel's table: a number, the address with the port in hexadecimal, the other end, and the state, of which `0A` is
/// listening.
fn listens(table: &str, port: u16) -> bool {
    let port = format!(":{port:04X}");
    table.lines().any(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().take(4).collect();
        matches!(fields.as_slice(), [_, local, _, "0A"] if local.ends_with(&port))
    })
}

/// One party.
struct Party<'a> {
    host: &'a Host,
    process: Process,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl<'a> Party<'a> {
    async fn said(&mut self) -> Result<Said, PlayError> {
        let line = timeout(PATIENCE, self.lines.next_line()).await;
        let line = line.map_err(|_| self.died(format!("it said nothing for {} s", PATIENCE.as_secs())))?;
        match line {
            Ok(Some(line)) => serde_json::from_str(&line)
                .map_err(|_| PlayError::Garbled { node: self.host.name().to_owned(), said: line }),
            Ok(None) => {
                let how = match self.process.wait().await {
                    Ok(status) => status.to_string(),
                    Err(error) => error.to_string(),
                };
                Err(self.died(how))
            }
            Err(error) => Err(self.died(error.to_string())),
        }
    }

    fn died(&self, how: String) -> PlayError {
        PlayError::Died { node: self.host.name().to_owned(), how }
    }

    async fn ready(&mut self) -> Result<(), PlayError> {
        match self.said().await? {
            Said::Ready { ready: true } => Ok(()),
            _ => Err(self.garbled("something before it was ready")),
        }
    }

    async fn go(&mut self) -> Result<(), PlayError> {
        self.stdin.write_all(b"go\n").await.map_err(|error| self.died(error.to_string()))
    }

    async fn times(&mut self) -> Result<Vec<f64>, PlayError> {
        let mut times = Vec::new();
        loop {
            match self.said().await? {
                Said::Computed { ms, right: true } => times.push(ms),
                Said::Computed { right: false, .. } => return Err(self.garbled("a wrong value")),
                Said::Done { done: true } => return Ok(times),
                Said::Done { .. } | Said::Ready { .. } => return Err(self.garbled("that it is not done")),
            }
        }
    }

    fn garbled(&self, said: &str) -> PlayError {
        PlayError::Garbled { node: self.host.name().to_owned(), said: said.to_owned() }
    }

    fn sample(&mut self) -> Result<(Usage, Wire), PlayError> {
        let wire = self.host.wire().map_err(|error| setup(self.host.name(), &error))?;
        Ok((self.process.usage(), wire))
    }

    /// What it used and sent per computation.
    fn used(&self, before: (Usage, Wire), after: (Usage, Wire), windows: u32) -> Vec<Observation> {
        let each = |before: u64, after: u64| after.saturating_sub(before) as f64 / f64::from(windows);
        let packets =
            before.1.sent_packets.zip(after.1.sent_packets).map(|(before, after)| each(before, after));
        let measured = [
            (Measure::CpuMs, Some((after.0.cpu_ms - before.0.cpu_ms) / f64::from(windows))),
            (Measure::RssPeakBytes, Some(after.0.rss_peak_bytes as f64)),
            (Measure::WireSentBytes, Some(each(before.1.sent_bytes, after.1.sent_bytes))),
            (Measure::WireSentPackets, packets),
        ];
        let observation = |(measure, value): (Measure, Option<f64>)| {
            Some(Observation {
                subject: Subject::Mpyc,
                role: Role::Peer,
                node: self.host.name().to_owned(),
                phase: Phase::Whole,
                window: None,
                measure,
                value: value?,
            })
        };
        measured.into_iter().filter_map(observation).collect()
    }

    /// Lets it leave: its standard input ends, and with it its reason to be there.
    fn leave(self) -> Leaving<'a> {
        let Self { host, process, stdin, lines } = self;
        drop(stdin);
        Leaving { host, process, _lines: lines }
    }
}

/// One party that has nothing more to do.
struct Leaving<'a> {
    host: &'a Host,
    process: Process,
    /// Whom it would write to.
    _lines: Lines<BufReader<ChildStdout>>,
}

impl Leaving<'_> {
    async fn end(mut self) -> Result<(), PlayError> {
        let died = |how: String| PlayError::Died { node: self.host.name().to_owned(), how };
        match timeout(PATIENCE, self.process.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(died(status.to_string())),
            Ok(Err(error)) => Err(died(error.to_string())),
            Err(_) => Err(died(format!("it did not leave within {} s", PATIENCE.as_secs()))),
        }
    }
}

fn setup(what: &str, why: &LabError) -> PlayError {
    PlayError::Setup { what: what.to_owned(), why: why.to_string() }
}
