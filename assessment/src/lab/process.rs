//! A process of a lab.

use std::io;
use std::process::ExitStatus;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, ChildStdin, ChildStdout};

use super::cgroup::Group;
use crate::meter::{Events, Usage};

/// A process on a host. It is killed when this is dropped.
#[derive(Debug)]
pub struct Process {
    pid: u32,
    child: Child,
    group: Group,
    events: Events,
    /// What was known of it last; the kernel forgets memory and stacks when a process ends.
    last: Usage,
}

impl Process {
    pub(super) fn new(pid: u32, child: Child, group: Group, events: Events) -> Self {
        Self { pid, child, group, events, last: Usage::default() }
    }

    /// Its number, as this program sees it.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// What it reads from; once.
    pub fn stdin(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    /// What it writes to; once.
    pub fn stdout(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// What it has used so far. Of a process that has ended, CPU time is complete, and memory as it was read last.
    pub fn usage(&mut self) -> Usage {
        self.last = Usage::read(self.pid, self.group.cpu_ns(), &mut self.events, &self.last);
        self.last
    }

    /// Waits for its end. Its standard input is closed first, if nobody took it: programs of this project end then.
    ///
    /// # Errors
    ///
    /// If the system does not say.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Its exit status, if it has ended.
    ///
    /// # Errors
    ///
    /// If the system does not say.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Asks it to end, as an operator does: SIGTERM.
    ///
    /// # Errors
    ///
    /// If the system does not let it be asked. One that has ended need not be asked.
    pub fn ask_to_end(&mut self) -> io::Result<()> {
        // Not yet waited for, so that the number is still its own.
        if self.try_wait()?.is_none() {
            kill(Pid::from_raw(self.pid.cast_signed()), Signal::SIGTERM)?;
        }
        Ok(())
    }

    /// Kills it and waits for its end.
    ///
    /// # Errors
    ///
    /// If the system does not let it be killed.
    pub async fn kill(&mut self) -> io::Result<()> {
        self.child.kill().await
    }
}
