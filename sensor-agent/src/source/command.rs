//! Readings that a program prints.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde::Deserialize;
use smc_core::name::StreamName;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::interval::Interval;
use super::pick::Pick;
use super::sensor::{Answer, Bytes, Sensor, Timeout, drawn};

/// A command source, as configured.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandConfig {
    /// The program: its path, or its name to be looked up in `PATH`. There is no shell but the one that is named here.
    pub program: PathBuf,
    /// What it is told, each by itself.
    #[serde(default)]
    pub arguments: Vec<String>,
    /// Seconds between readings, 0.1 to 3600.
    #[serde(default)]
    pub interval_s: Interval,
    /// How many seconds it may take, 0.1 to 300; then it is killed, with all that it started.
    #[serde(default)]
    pub timeout_s: Timeout,
    /// How many bytes it may print, at most 16 MiB.
    #[serde(default)]
    pub max_bytes: Bytes,
    /// Where each stream is in what it prints.
    pub readings: BTreeMap<StreamName, Pick>,
}

/// Why a program brings no reading.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// It said that it failed.
    #[error("{}: ended with {status}; run it by hand to see why", .program.display())]
    Failed {
        /// The program.
        program: PathBuf,
        /// How it ended.
        status: ExitStatus,
    },
    /// What it prints can't be read.
    #[error("{}: {error}", .program.display())]
    Read {
        /// The program.
        program: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// It takes too long.
    #[error(
        "{}: killed, as it had not ended after {timeout:?}; raise `timeout_s` if it needs longer",
        .program.display()
    )]
    Slow {
        /// The program.
        program: PathBuf,
        /// How long it may take.
        timeout: Duration,
    },
    /// It can't be started.
    #[error("{}: can't be started: {error}{}", .program.display(), remedy(.error))]
    Start {
        /// The program.
        program: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// It prints too much.
    #[error(
        "{}: killed, as it had printed more than {max} bytes; raise `max_bytes` if it must",
        .program.display()
    )]
    Talkative {
        /// The program.
        program: PathBuf,
        /// How much it may print.
        max: usize,
    },
}

fn remedy(error: &std::io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::NotFound => "; give its whole path as `program`, and what it is told as `arguments`",
        ErrorKind::PermissionDenied => "; make it executable for the user that the agent runs as",
        _ => "",
    }
}

/// The running source.
#[derive(Debug)]
pub(super) struct CommandSource(CommandConfig);

/// A program and all that it started, which are killed unless they have ended.
struct Group(Option<Pid>);

impl CommandSource {
    pub(super) fn new(config: CommandConfig) -> Self {
        Self(config)
    }

    /// What the program prints in one run.
    async fn printed(&self) -> Result<Zeroizing<Vec<u8>>, CommandError> {
        let program = || self.0.program.clone();
        let mut command = Command::new(&self.0.program);
        command.args(&self.0.arguments).process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(|error| CommandError::Start { program: program(), error })?;
        let mut group = Group::of(&child);
        let limit = self.0.timeout_s.get();
        let (printed, status) = timeout(limit, self.listen(&mut child))
            .await
            .map_err(|_| CommandError::Slow { program: program(), timeout: limit })??;
        group.0 = None;
        if status.success() { Ok(printed) } else { Err(CommandError::Failed { program: program(), status }) }
    }

    /// Listens until it has ended, and whatever else holds its output.
    async fn listen(&self, child: &mut Child) -> Result<(Zeroizing<Vec<u8>>, ExitStatus), CommandError> {
        let failed = |error| CommandError::Read { program: self.0.program.clone(), error };
        let max = self.0.max_bytes.get();
        let mut printed = Zeroizing::new(Vec::new());
        if let Some(output) = child.stdout.take() {
            output.take(max as u64 + 1).read_to_end(&mut printed).await.map_err(failed)?;
        }
        if printed.len() > max {
            return Err(CommandError::Talkative { program: self.0.program.clone(), max });
        }
        Ok((printed, child.wait().await.map_err(failed)?))
    }
}

impl Sensor for CommandSource {
    async fn ask(&mut self) -> Vec<Answer> {
        let printed = self.printed().await.map_err(Into::into);
        vec![drawn(&self.0.readings, self.0.max_bytes, printed)]
    }
}

impl Group {
    /// It leads a group that is called as it is.
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // It may have ended by itself just now.
            let _ = killpg(group, Signal::SIGKILL);
        }
    }
}
