//! The group of one process.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::super::{LabError, Limits};
use super::{Cgroups, make};

/// Over which time a quota counts, in microseconds: short, so that a process is slow rather than stopped. The kernel takes no
/// quota below 1000.
const PERIOD_US: u32 = 10_000;

/// How often the removal of a group is tried, and how long is waited in between: a process that was killed takes a moment.
const REMOVALS_MAX: u32 = 100;
const REMOVAL_PAUSE: Duration = Duration::from_millis(2);

/// Where a process is, in each hierarchy once.
#[derive(Debug)]
pub(in crate::lab) struct Group {
    folders: Vec<PathBuf>,
    cpuacct: Option<PathBuf>,
    unified: bool,
}

impl Group {
    /// Makes the lab's group of this number, with these limits, whose cores are these.
    pub(in crate::lab) fn make(
        groups: &Cgroups,
        number: u32,
        limits: &Limits,
        cores: &str,
    ) -> Result<Self, LabError> {
        let name = number.to_string();
        let mut group = Self {
            folders: Vec::new(),
            cpuacct: groups.cpuacct.as_ref().map(|folder| folder.join(&name)),
            unified: groups.unified,
        };
        for base in groups.all() {
            group.folders.push(make(base, &name)?);
        }
        if let (Some(_), Some(cpuset)) = (limits.cores, &groups.cpuset) {
            write(&cpuset.join(&name).join("cpuset.cpus"), cores)?;
        }
        if let (Some(percent), Some(cpu)) = (limits.cpu_percent, &groups.cpu) {
            group.limit(&cpu.join(&name), percent)?;
        }
        Ok(group)
    }

    fn limit(&self, cpu: &Path, percent: u32) -> Result<(), LabError> {
        // A hundredth of a period is 100 us per percent; less than a tenth needs a longer period.
        let period = PERIOD_US.max(100_000 / percent.max(1));
        let quota = u64::from(period) * u64::from(percent) / 100;
        if self.unified {
            return write(&cpu.join("cpu.max"), &format!("{quota} {period}"));
        }
        write(&cpu.join("cpu.cfs_period_us"), &period.to_string())?;
        write(&cpu.join("cpu.cfs_quota_us"), &quota.to_string())
    }

    /// Moves this thread there, and so what it starts. Version 2 moves whole processes only: see [`Self::take`].
    pub(in crate::lab) fn enter(&self) -> Result<(), LabError> {
        if self.unified {
            return Ok(());
        }
        self.folders.iter().try_for_each(|folder| write(&folder.join("tasks"), "0"))
    }

    /// In version 2, moves a process there that has just been started.
    pub(in crate::lab) fn take(&self, pid: u32) -> Result<(), LabError> {
        if !self.unified {
            return Ok(());
        }
        self.folders.iter().try_for_each(|folder| write(&folder.join("cgroup.procs"), &pid.to_string()))
    }

    /// CPU time of all that were in it, also those that have ended, in nanoseconds.
    pub(in crate::lab) fn cpu_ns(&self) -> Option<u64> {
        let folder = self.cpuacct.as_ref()?;
        if !self.unified {
            return fs::read_to_string(folder.join("cpuacct.usage")).ok()?.trim().parse().ok();
        }
        let stat = fs::read_to_string(folder.join("cpu.stat")).ok()?;
        let us = stat.lines().find_map(|line| line.strip_prefix("usage_usec "))?;
        us.trim().parse::<u64>().ok()?.checked_mul(1000)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for folder in &self.folders {
            end(folder);
        }
    }
}

/// Kills what is in a group without children, and removes it. What can't be removed the next lab sweeps.
pub(super) fn end(group: &Path) {
    for _ in 0..REMOVALS_MAX {
        let members = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
        // 0 is a process that can't be seen from here, and to `kill` it is something else. This one is a member while a thread
        // of it starts another.
        let own = Pid::this().as_raw();
        let pids = members.lines().filter_map(|line| line.parse().ok());
        for pid in pids.filter(|pid| *pid > 1 && *pid != own) {
            // It may be gone already.
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        if fs::remove_dir(group).is_ok() || !group.exists() {
            return;
        }
        thread::sleep(REMOVAL_PAUSE);
    }
}

fn write(file: &Path, text: &str) -> Result<(), LabError> {
    fs::write(file, text).map_err(|source| LabError::Cgroup { path: file.to_owned(), source })
}
