//! The processes of a site, and what they say.

use std::collections::BTreeMap;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use assessment::PlayError;
use assessment::lab::{Host, Limits, Process};
use assessment::meter::Usage;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{ChildStdin, ChildStdout};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};

use super::setup;
use crate::bench::said::{Look, Said};
use crate::bench::{Role, Setup, role_command};

/// How many lines of all processes may wait.
const WAITING: usize = 1_024;
/// The most lines that are kept of a process: its windows are far fewer.
const KEPT: usize = 100_000;
/// How long a process may take to get ready, to answer or to end.
const PATIENCE: Duration = Duration::from_secs(60);
/// How much of what makes no sense is repeated.
const REPEATED: usize = 120;

/// Where a process runs, and how much of that machine it may use.
pub(super) struct Place<'a> {
    pub(super) host: &'a Host,
    pub(super) limits: &'a Limits,
}

/// A process, and what it said.
pub(super) struct Actor {
    /// That of its host.
    pub(super) name: String,
    /// None of a foreign program.
    pub(super) role: Option<Role>,
    pub(super) said: Vec<Said>,
    process: Process,
    stdin: Option<ChildStdin>,
    is_ready: bool,
    looked: Option<Look>,
}

/// What a process has used, and what it tells of itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Looked {
    pub(super) usage: Usage,
    pub(super) look: Option<Look>,
}

/// All processes of a site.
pub(super) struct Company {
    actors: Vec<Actor>,
    teller: mpsc::Sender<(usize, Heard)>,
    heard: mpsc::Receiver<(usize, Heard)>,
}

enum Heard {
    Line(String),
    Ended,
}

impl Company {
    pub(super) fn new() -> Self {
        let (teller, heard) = mpsc::channel(WAITING);
        Self { actors: Vec::new(), teller, heard }
    }

    pub(super) fn actors(&self) -> &[Actor] {
        &self.actors
    }

    /// Starts this very program in `role`, and waits until it is ready.
    pub(super) async fn start(
        &mut self,
        role: Role,
        name: &str,
        place: &Place<'_>,
        told: &Setup,
    ) -> Result<(), PlayError> {
        let command = role_command(role).map_err(|error| setup(name, &error))?;
        let index = self.spawn(name, Some(role), place, command).await?;
        self.write(index, &told.line()).await?;
        self.hear(|actors| actors[index].is_ready, PATIENCE).await?.then_some(()).ok_or_else(|| {
            let how = format!("it was not ready after {} s", PATIENCE.as_secs());
            PlayError::Died { node: name.to_owned(), how }
        })
    }

    /// Starts a program that is not of this project, which says nothing.
    pub(super) async fn start_foreign(
        &mut self,
        name: &str,
        place: &Place<'_>,
        command: Command,
    ) -> Result<(), PlayError> {
        self.spawn(name, None, place, command).await.map(drop)
    }

    async fn spawn(
        &mut self,
        name: &str,
        role: Option<Role>,
        place: &Place<'_>,
        command: Command,
    ) -> Result<usize, PlayError> {
        let spawned = place.host.spawn(command, place.limits).await;
        let mut process = spawned.map_err(|error| setup(name, &error))?;
        let (stdin, index) = (process.stdin(), self.actors.len());
        if let Some(stdout) = process.stdout() {
            tokio::spawn(repeat(stdout, index, self.teller.clone()));
        }
        let (name, said) = (name.to_owned(), Vec::new());
        self.actors.push(Actor { name, role, said, process, stdin, is_ready: false, looked: None });
        Ok(index)
    }

    async fn write(&mut self, index: usize, line: &[u8]) -> Result<(), PlayError> {
        let actor = &mut self.actors[index];
        let Some(stdin) = &mut actor.stdin else { return Ok(()) };
        stdin.write_all(line).await.map_err(|error| setup(&actor.name, &error))
    }

    /// Hears what is said until `enough` says so of a line, or the time is over; whether it was enough.
    pub(super) async fn hear_until(
        &mut self,
        mut enough: impl FnMut(&Said) -> bool,
        limit: Duration,
    ) -> Result<bool, PlayError> {
        let deadline = Instant::now() + limit;
        loop {
            match self.next(deadline).await? {
                None => return Ok(false),
                Some(index) => {
                    if self.actors[index].said.last().is_some_and(&mut enough) {
                        return Ok(true);
                    }
                }
            }
        }
    }

    async fn hear(&mut self, enough: impl Fn(&[Actor]) -> bool, limit: Duration) -> Result<bool, PlayError> {
        let deadline = Instant::now() + limit;
        while !enough(&self.actors) {
            if self.next(deadline).await?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Hears one line; who said it. None when the time is over.
    async fn next(&mut self, deadline: Instant) -> Result<Option<usize>, PlayError> {
        // The other end is here, too: it does not close.
        let Ok(Some((index, heard))) = timeout_at(deadline, self.heard.recv()).await else { return Ok(None) };
        match heard {
            Heard::Line(line) => self.actors[index].take(&line)?,
            Heard::Ended => return Err(self.died(index).await),
        }
        Ok(Some(index))
    }

    async fn died(&mut self, index: usize) -> PlayError {
        let actor = &mut self.actors[index];
        let status = timeout(PATIENCE, actor.process.wait()).await;
        let how = match status {
            Ok(Ok(status)) => how(status),
            _ => "it closed its output".to_owned(),
        };
        PlayError::Died { node: actor.name.clone(), how }
    }

    /// What each has used and carried until now, by name.
    pub(super) async fn look(&mut self) -> Result<BTreeMap<String, Looked>, PlayError> {
        for index in 0..self.actors.len() {
            self.actors[index].looked = None;
            self.write(index, b"look\n").await?;
        }
        let all =
            |actors: &[Actor]| actors.iter().all(|actor| actor.role.is_none() || actor.looked.is_some());
        if !self.hear(all, PATIENCE).await? {
            let silent = self.actors.iter().find(|actor| actor.role.is_some() && actor.looked.is_none());
            let node = silent.map(|actor| actor.name.clone()).unwrap_or_default();
            return Err(PlayError::Died { node, how: "it does not answer".to_owned() });
        }
        let looked = self.actors.iter_mut().map(|actor| {
            let looked = Looked { usage: actor.process.usage(), look: actor.looked };
            (actor.name.clone(), looked)
        });
        Ok(looked.collect())
    }

    /// Ends everybody, the last ones first, so that the broker stays until the nodes have taken their leave.
    pub(super) async fn part(mut self) -> Result<(), PlayError> {
        // Whoever still says something is not to wait for somebody to hear it.
        self.heard.close();
        let mut outcome = Ok(());
        while let Some(mut actor) = self.actors.pop() {
            let ended = actor.end().await;
            if outcome.is_ok() {
                outcome = ended;
            }
        }
        outcome
    }
}

impl Actor {
    /// Takes a line in: the first one says that it is ready.
    fn take(&mut self, line: &str) -> Result<(), PlayError> {
        if !self.is_ready || self.role.is_none() {
            self.is_ready = true;
            return Ok(());
        }
        let said: Said = serde_json::from_str(line).map_err(|_| {
            let said = line.chars().take(REPEATED).collect();
            PlayError::Garbled { node: self.name.clone(), said }
        })?;
        if let Said::Look(look) = &said {
            self.looked = Some(*look);
        }
        if self.said.len() < KEPT {
            self.said.push(said);
        }
        Ok(())
    }

    async fn end(&mut self) -> Result<(), PlayError> {
        self.stdin = None;
        if self.role.is_none() {
            self.process.ask_to_end().map_err(|error| setup(&self.name, &error))?;
        }
        let how = match timeout(PATIENCE, self.process.wait()).await {
            Ok(Ok(status)) if status.success() || self.role.is_none() => return Ok(()),
            Ok(Ok(status)) => how(status),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "it did not end when it was asked to".to_owned(),
        };
        Err(PlayError::Died { node: self.name.clone(), how })
    }
}

fn how(status: ExitStatus) -> String {
    format!("{status}; what it said of that stands above")
}

/// Hands on what a process says, until it ends or nobody listens.
async fn repeat(stdout: ChildStdout, index: usize, teller: mpsc::Sender<(usize, Heard)>) {
    let mut lines = BufReader::new(stdout).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if teller.send((index, Heard::Line(line))).await.is_err() {
            break;
        }
    }
    let _ = teller.send((index, Heard::Ended)).await;
    // A pipe that nobody reads holds up who writes.
    while let Ok(Some(_)) = lines.next_line().await {}
}
