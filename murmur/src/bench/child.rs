//! A role as a process of its own, and what the operating system knows of it.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use super::role::Role;
use super::setup::Setup;
use crate::usage::{self, Usage};

/// A process that plays one role. It ends when this end of its standard input closes, so none is ever left behind.
pub(crate) struct Child {
    role: Role,
    process: tokio::process::Child,
    stdin: Option<ChildStdin>,
    stdout: Lines<BufReader<ChildStdout>>,
}

/// Why a role's process can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChildError {
    #[error("the process of a role ended early; see above")]
    Ended,
    #[error("the process of a role said something unexpected")]
    Garbled,
    #[error("the process of a role could not be started: {0}")]
    Start(std::io::Error),
}

/// How long a process may take to get ready or to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// What starts this very program in `role`; it waits for [`Setup::line`] on its standard input.
pub(crate) fn command(role: Role) -> std::io::Result<std::process::Command> {
    let mut command = std::process::Command::new(std::env::current_exe()?);
    command.args(["bench", "role", &role.to_string()]);
    // A role that is late while everybody connects would fill the screen.
    command.env("RUST_LOG", std::env::var("RUST_LOG").unwrap_or_else(|_| "error".to_owned()));
    Ok(command)
}

impl Child {
    /// Starts this very program in `role`.
    pub(crate) async fn start(role: Role, setup: &Setup) -> Result<Self, ChildError> {
        let mut process = Command::from(command(role).map_err(ChildError::Start)?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(ChildError::Start)?;
        let (Some(mut stdin), Some(stdout)) = (process.stdin.take(), process.stdout.take()) else {
            return Err(ChildError::Ended);
        };
        stdin.write_all(&setup.line()).await.map_err(ChildError::Start)?;
        Ok(Self { role, process, stdin: Some(stdin), stdout: BufReader::new(stdout).lines() })
    }

    pub(crate) fn role(&self) -> Role {
        self.role
    }

    /// Waits until it says that it is ready, and returns what it says.
    pub(crate) async fn ready(&mut self) -> Result<String, ChildError> {
        match timeout(PATIENCE, self.stdout.next_line()).await {
            Ok(Ok(Some(line))) => Ok(line),
            _ => Err(ChildError::Ended),
        }
    }

    /// The next line that it says, whenever that is.
    pub(crate) async fn line(&mut self) -> Result<String, ChildError> {
        self.stdout.next_line().await.ok().flatten().ok_or(ChildError::Ended)
    }

    /// What it has used so far.
    pub(crate) fn usage(&self) -> Usage {
        self.process.id().map(Usage::of).unwrap_or_default()
    }

    /// What it holds now, in MiB.
    pub(crate) fn rss_mib(&self) -> f64 {
        self.process.id().and_then(usage::rss_mib).unwrap_or(0.0)
    }

    /// Asks it to end and waits until it has.
    pub(crate) async fn stop(&mut self) -> Result<(), ChildError> {
        self.stdin = None;
        match timeout(PATIENCE, self.process.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            _ => Err(ChildError::Ended),
        }
    }
}
