//! What ends a lab's processes when the program is killed.
//!
//! All of them are in a namespace of process numbers whose first process is a guard that reads from a pipe. Nobody ever writes
//! into it; it closes when this program ends, in whatever way. Then the guard ends, and with a namespace's first process the
//! kernel kills all others, whoever wrote them and whatever they started.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::time::Duration;

use nix::sched::{CloneFlags, setns, unshare};
use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::LabError;
use super::namespace::on_a_thread;

/// Copies its standard input to nowhere until it ends; part of every system.
const GUARD: &str = "cat";

/// How long the guard may take to end. Its end waits for those of all others to be noticed.
const END: Duration = Duration::from_secs(2);

/// The guard and its namespace.
#[derive(Debug)]
pub(super) struct Guard {
    process: Child,
    numbers: OwnedFd,
}

impl Guard {
    /// Makes the namespace and starts its guard.
    pub(super) fn start(runtime: &Handle) -> Result<Self, LabError> {
        on_a_thread(|| {
            unshare(CloneFlags::CLONE_NEWPID).map_err(|error| LabError::Namespace(error.into()))?;
            let failed = |source| LabError::Spawn { program: GUARD.to_owned(), source };
            let _inside = runtime.enter();
            let process = Command::new(GUARD)
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .kill_on_drop(true)
                .spawn()
                .map_err(failed)?;
            let pid = process.id().unwrap_or_default();
            let numbers = File::open(format!("/proc/{pid}/ns/pid")).map_err(LabError::Namespace)?;
            Ok(Self { process, numbers: numbers.into() })
        })?
    }

    /// Lets the processes that this thread starts be guarded.
    pub(super) fn enter(&self) -> Result<(), LabError> {
        setns(&self.numbers, CloneFlags::CLONE_NEWPID).map_err(|error| LabError::Namespace(error.into()))
    }

    /// Ends all that is guarded.
    pub(super) async fn end(mut self) {
        // It is killed when it is dropped, at the latest.
        drop(self.process.stdin.take());
        let _ = timeout(END, self.process.wait()).await;
    }
}
