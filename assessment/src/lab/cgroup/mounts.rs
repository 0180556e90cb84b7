//! Where control groups are mounted.

use std::fs;
use std::path::{Path, PathBuf};

/// In which folder groups with a controller can be made.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Mounts {
    pub(super) cpu: Option<PathBuf>,
    pub(super) cpuacct: Option<PathBuf>,
    pub(super) cpuset: Option<PathBuf>,
    pub(super) unified: bool,
}

impl Mounts {
    /// Those of this machine.
    pub(super) fn find() -> Self {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        Self::read(&mounts, &own, |group| fs::read_to_string(group.join("cgroup.subtree_control")).ok())
    }

    /// Each folder once.
    pub(super) fn bases(&self) -> Vec<&Path> {
        let mut bases: Vec<_> =
            [&self.cpu, &self.cpuacct, &self.cpuset].into_iter().flatten().map(PathBuf::as_path).collect();
        bases.dedup();
        bases
    }

    /// From `/proc/self/mounts`, `/proc/self/cgroup`, and what a group of version 2 hands down.
    fn read(mounts: &str, own: &str, handed_down: impl Fn(&Path) -> Option<String>) -> Self {
        let first = |controller: &str| version_1(mounts, own, controller);
        let mounts_1 =
            Self { cpu: first("cpu"), cpuacct: first("cpuacct"), cpuset: first("cpuset"), unified: false };
        if mounts_1 != Self::default() {
            return mounts_1;
        }
        // Processes may only be in leaves, so that a program can't make groups beneath its own: beneath the root it can.
        let Some(root) = mounted(mounts, |kind, _| kind == "cgroup2") else { return mounts_1 };
        let controllers = handed_down(&root).unwrap_or_default();
        let has = |name: &str| controllers.split_ascii_whitespace().any(|controller| controller == name);
        Self {
            cpu: Some(root.clone()),
            // Version 2 counts CPU time in each group.
            cpuacct: Some(root.clone()),
            cpuset: has("cpuset").then_some(root),
            unified: true,
        }
    }
}

/// This process's own group in the hierarchy of a controller: beneath it is what it may use.
fn version_1(mounts: &str, own: &str, controller: &str) -> Option<PathBuf> {
    let has = |list: &str| list.split(',').any(|item| item == controller);
    let root = mounted(mounts, |kind, options| kind == "cgroup" && has(options))?;
    let path = own.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        if has(parts.next()?) { parts.next() } else { None }
    });
    let group = root.join(path.unwrap_or_default().trim_start_matches('/'));
    // In a container the path may be that of the machine outside.
    Some(if group.is_dir() { group } else { root })
}

/// Where the first file system is mounted whose kind and options fit.
fn mounted(mounts: &str, fits: impl Fn(&str, &str) -> bool) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let (folder, kind, options) = (fields.next()?, fields.next()?, fields.next()?);
        fits(kind, options).then(|| PathBuf::from(folder))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hierarchies_of_version_1_may_have_several_controllers() {
        let mounts = "cgroup /nowhere/cpu,cpuacct cgroup rw,nosuid,cpu,cpuacct 0 0\n\
                      cgroup /nowhere/cpuset cgroup rw,cpuset 0 0\n\
                      cgroup2 /nowhere/unified cgroup2 rw 0 0\n";
        let read = Mounts::read(mounts, "2:cpu,cpuacct:/user\n", |_| None);
        assert_eq!(read.cpu.as_deref(), Some(Path::new("/nowhere/cpu,cpuacct")));
        assert_eq!(read.cpu, read.cpuacct);
        assert_eq!(read.cpuset.as_deref(), Some(Path::new("/nowhere/cpuset")));
        assert!(!read.unified);
    }

    #[test]
    fn version_2_has_what_its_root_hands_down() {
        let mounts = "cgroup2 /nowhere cgroup2 rw,nosuid 0 0\n";
        let read = Mounts::read(mounts, "0::/user.slice\n", |_| Some("cpu io memory\n".to_owned()));
        assert_eq!(read.cpu.as_deref(), Some(Path::new("/nowhere")));
        assert_eq!(read.cpuset, None);
        assert!(read.unified);
    }

    #[test]
    fn without_control_groups_there_are_none() {
        assert_eq!(Mounts::read("proc /proc proc rw 0 0\n", "", |_| None), Mounts::default());
    }
}
