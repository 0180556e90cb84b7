//! Control groups, of version 1 or 2: where processes are limited, and what they use is counted.
//!
//! A lab has a group, and in it one for each process. Their names say whose they are ([`Owner`]), so that the next lab can
//! take away what a killed one left.

mod group;
mod mounts;

use std::fs;
use std::path::{Path, PathBuf};

pub(super) use self::group::Group;
use self::mounts::Mounts;
use super::LabError;
use super::owner::Owner;

/// The groups of one lab.
#[derive(Debug)]
pub(super) struct Cgroups {
    pub(super) cpu: Option<PathBuf>,
    pub(super) cpuacct: Option<PathBuf>,
    pub(super) cpuset: Option<PathBuf>,
    /// Version 2: one hierarchy for all controllers.
    pub(super) unified: bool,
}

impl Cgroups {
    /// Sweeps what dead labs left, and makes this lab's groups, as far as can be. What can't is noted.
    pub(super) fn open(owner: &Owner, notes: &mut Vec<String>) -> Self {
        let mounts = Mounts::find();
        for base in mounts.bases() {
            sweep(base);
        }
        let groups = Self::beneath(&mounts, &owner.to_string());
        if groups.unified {
            groups.hand_down();
        }
        let cpu_is_limited = groups.limits_cpu();
        if !cpu_is_limited {
            notes.push(
                "CPU time is not limited: no control group with the controller cpu can be written; run as root"
                    .to_owned(),
            );
        }
        if groups.cpuset.is_none() {
            notes.push(
                "cores are limited by affinity: no control group with the controller cpuset can be written"
                    .to_owned(),
            );
        }
        groups
    }

    /// Makes a group of this name in each hierarchy: one for all controllers that are in it.
    fn beneath(mounts: &Mounts, name: &str) -> Self {
        let mut bases = mounts.bases();
        bases.retain(|base| make(base, name).is_ok());
        let group = |base: &Option<PathBuf>| {
            let base = base.as_deref()?;
            bases.contains(&base).then(|| base.join(name))
        };
        Self {
            cpu: group(&mounts.cpu),
            cpuacct: group(&mounts.cpuacct),
            cpuset: group(&mounts.cpuset),
            unified: mounts.unified,
        }
    }

    /// Whether a process can be kept from using all of a core.
    pub(super) fn limits_cpu(&self) -> bool {
        let quota = if self.unified { "cgroup.subtree_control" } else { "cpu.cfs_quota_us" };
        self.cpu.as_deref().is_some_and(|cpu| match fs::read_to_string(cpu.join(quota)) {
            Ok(text) => !self.unified || text.split_ascii_whitespace().any(|controller| controller == "cpu"),
            Err(_) => false,
        })
    }

    /// The lab's groups, each once.
    pub(super) fn all(&self) -> Vec<&Path> {
        let mut all: Vec<_> =
            [&self.cpu, &self.cpuacct, &self.cpuset].into_iter().flatten().map(PathBuf::as_path).collect();
        all.dedup();
        all
    }

    /// Ends what is in them, and removes them.
    pub(super) fn remove(&self) {
        for group in self.all() {
            remove(group);
        }
    }

    /// In version 2, a group's children have the controllers that it says.
    fn hand_down(&self) {
        let Some(group) = &self.cpu else { return };
        for controller in ["+cpu", "+cpuset"] {
            // One that the parent does not hand down is looked for, and noted, afterwards.
            let _ = fs::write(group.join("cgroup.subtree_control"), controller);
        }
    }
}

impl Drop for Cgroups {
    fn drop(&mut self) {
        self.remove();
    }
}

/// Makes a group. In a new group of version 1, no core and no memory is allowed until some are.
fn make(base: &Path, name: &str) -> Result<PathBuf, LabError> {
    let group = base.join(name);
    let failed = |source| LabError::Cgroup { path: group.clone(), source };
    fs::create_dir(&group).map_err(failed)?;
    for file in ["cpuset.mems", "cpuset.cpus"] {
        if let Ok(parents) = fs::read_to_string(base.join(file))
            && !parents.trim().is_empty()
        {
            fs::write(group.join(file), parents.trim()).map_err(failed)?;
        }
    }
    Ok(group)
}

/// Removes the groups of labs that are certainly gone, and ends the processes in them.
fn sweep(base: &Path) {
    let Ok(entries) = fs::read_dir(base) else { return };
    for entry in entries.flatten() {
        let gone = entry.file_name().to_str().and_then(Owner::parse).is_some_and(|owner| owner.is_gone());
        if gone {
            remove(&entry.path());
        }
    }
}

/// Ends what is in a lab's group, and removes it with its children.
fn remove(group: &Path) {
    let children = fs::read_dir(group).into_iter().flatten().flatten();
    for child in children.filter(|child| child.path().is_dir()) {
        group::end(&child.path());
    }
    group::end(group);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controllers_in_one_hierarchy_share_a_group() {
        let folder = tempfile::tempdir().unwrap();
        let (shared, own) = (folder.path().join("cpu,cpuacct"), folder.path().join("cpuset"));
        fs::create_dir(&shared).unwrap();
        fs::create_dir(&own).unwrap();
        let mounts = Mounts {
            cpu: Some(shared.clone()),
            cpuacct: Some(shared.clone()),
            cpuset: Some(own.clone()),
            unified: false,
        };
        let groups = Cgroups::beneath(&mounts, "lab");
        assert_eq!((&groups.cpu, &groups.cpuacct), (&Some(shared.join("lab")), &groups.cpu));
        assert_eq!(groups.cpuset, Some(own.join("lab")));
        assert_eq!(groups.all(), [shared.join("lab"), own.join("lab")]);
    }

    #[test]
    fn a_hierarchy_that_cannot_be_written_to_is_left_out() {
        let gone = Some(PathBuf::from("/nonexistent/cpu"));
        let mounts = Mounts { cpu: gone.clone(), cpuacct: gone, ..Mounts::default() };
        assert_eq!(Cgroups::beneath(&mounts, "lab").all(), Vec::<&Path>::new());
    }
}
