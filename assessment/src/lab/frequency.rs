//! The frequency of the cores, on machines that let it be set (cpufreq of Linux).
//!
//! It is the whole machine's, so what it was before stands in a file of the lab's folder, from which the next lab puts it back
//! if this one is killed.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::LabError;

/// Where the kernel has them, a folder for each group of cores that have one frequency.
pub(super) const POLICIES: &str = "/sys/devices/system/cpu/cpufreq";
/// Where a lab notes what was before.
const KEPT: &str = "frequencies";

/// The frequencies of all cores.
#[derive(Debug)]
pub(super) struct Frequency {
    policies: PathBuf,
    kept: PathBuf,
}

/// Between which frequencies a group of cores may choose, in kHz, as text: as it is read and written.
struct Bounds {
    policy: String,
    least: String,
    most: String,
}

impl Frequency {
    /// That of the cores whose groups are in `policies`, for a lab with this folder.
    pub(super) fn new(policies: &Path, folder: &Path) -> Self {
        Self { policies: policies.to_owned(), kept: folder.join(KEPT) }
    }

    /// Has all cores run at so many MHz; none: as they did before.
    pub(super) fn set(&self, mhz: Option<u32>) -> Result<(), LabError> {
        let Some(mhz) = mhz else {
            self.put_back();
            return Ok(());
        };
        let all = groups(&self.policies);
        if all.is_empty() {
            return Err(LabError::NoFrequency { asked: mhz });
        }
        self.keep(&all)?;
        all.iter().try_for_each(|Bounds { policy, .. }| pin(&self.policies.join(policy), mhz))
    }

    /// Notes what is, before anything is changed.
    fn keep(&self, all: &[Bounds]) -> Result<(), LabError> {
        if self.kept.exists() {
            return Ok(());
        }
        let lines: String =
            all.iter().map(|Bounds { policy, least, most }| format!("{policy} {least} {most}\n")).collect();
        fs::write(&self.kept, lines).map_err(|source| LabError::Folder { path: self.kept.clone(), source })
    }

    /// What can't be put back stays noted.
    pub(super) fn put_back(&self) {
        let Ok(lines) = fs::read_to_string(&self.kept) else { return };
        let back = lines.lines().filter_map(noted).try_for_each(|Bounds { policy, least, most }| {
            let policy = self.policies.join(policy);
            fs::write(policy.join("scaling_max_freq"), most)?;
            fs::write(policy.join("scaling_min_freq"), least)
        });
        if back.is_ok() {
            let _ = fs::remove_file(&self.kept);
        }
    }
}

/// Puts back what a lab has left that is gone: its folder is to be this user's, or anybody could have root write.
pub(super) fn put_back_of(folder: &Path, policies: &Path) {
    let user = |of: io::Result<fs::Metadata>| of.map(|of| of.uid()).ok();
    let (theirs, ours) = (user(fs::symlink_metadata(folder)), user(fs::metadata("/proc/self")));
    if theirs.is_some() && theirs == ours {
        Frequency::new(policies, folder).put_back();
    }
}

/// The groups of cores and their bounds now.
fn groups(policies: &Path) -> Vec<Bounds> {
    let read = |policy: &str, file: &str| fs::read_to_string(policies.join(policy).join(file));
    let bounds = |policy: String| {
        let least = read(&policy, "scaling_min_freq").ok()?;
        let most = read(&policy, "scaling_max_freq").ok()?;
        noted(&format!("{policy} {} {}", least.trim(), most.trim()))
    };
    let entries = fs::read_dir(policies).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).filter_map(bounds).collect()
}

/// A line of what was noted, if it is one: nothing else gets into the kernel's files.
fn noted(line: &str) -> Option<Bounds> {
    let mut words = line.split(' ');
    let (policy, least, most) = (words.next()?, words.next()?, words.next()?);
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let known = policy.strip_prefix("policy").is_some_and(number) && number(least) && number(most);
    let [policy, least, most] = [policy, least, most].map(str::to_owned);
    (known && words.next().is_none()).then_some(Bounds { policy, least, most })
}

/// Leaves the governor of a group no choice.
fn pin(policy: &Path, mhz: u32) -> Result<(), LabError> {
    let path = |file: &str| policy.join(file);
    let failed = |path: PathBuf| move |source: io::Error| LabError::Frequency { path, source };
    let read = |file: &str| fs::read_to_string(path(file)).map_err(failed(path(file)));
    let write = |file: &str, khz: &str| fs::write(path(file), khz).map_err(failed(path(file)));
    let (least, most) = (read("cpuinfo_min_freq")?, read("cpuinfo_max_freq")?);
    let khz = format!("{mhz}000");
    // The lower bound must not be above the upper one in between.
    write("scaling_min_freq", least.trim())?;
    write("scaling_max_freq", &khz)?;
    write("scaling_min_freq", &khz)?;
    // The kernel takes what is nearest.
    let is = [read("scaling_min_freq")?, read("scaling_max_freq")?];
    if is.iter().all(|is| is.trim() == khz) {
        return Ok(());
    }
    let mhz_of = |khz: &str| khz.trim().parse().unwrap_or(0) / 1000;
    Err(LabError::FrequencyRange { asked: mhz, least: mhz_of(&least), most: mhz_of(&most) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Files as a machine with two groups of cores has them; they take any number, as the kernel's do not.
    fn machine() -> tempfile::TempDir {
        let machine = tempfile::tempdir().unwrap();
        for (policy, most) in [("policy0", "1500000\n"), ("policy2", "1800000\n")] {
            let policy = machine.path().join(policy);
            fs::create_dir(&policy).unwrap();
            for (file, khz) in [("cpuinfo_min_freq", "600000\n"), ("scaling_min_freq", "600000\n")] {
                fs::write(policy.join(file), khz).unwrap();
            }
            for file in ["cpuinfo_max_freq", "scaling_max_freq"] {
                fs::write(policy.join(file), most).unwrap();
            }
        }
        machine
    }

    fn bounds(machine: &Path) -> Vec<String> {
        let mut all: Vec<String> = groups(machine)
            .iter()
            .map(|Bounds { policy, least, most }| format!("{policy} {least} {most}"))
            .collect();
        all.sort();
        all
    }

    const BEFORE: [&str; 2] = ["policy0 600000 1500000", "policy2 600000 1800000"];
    const AT_1000: [&str; 2] = ["policy0 1000000 1000000", "policy2 1000000 1000000"];

    #[test]
    fn all_cores_run_as_asked_and_then_as_before() {
        let (machine, folder) = (machine(), tempfile::tempdir().unwrap());
        let frequency = Frequency::new(machine.path(), folder.path());
        frequency.set(Some(1_000)).unwrap();
        assert_eq!(bounds(machine.path()), AT_1000);
        frequency.set(Some(800)).unwrap();
        frequency.set(None).unwrap();
        assert_eq!(bounds(machine.path()), BEFORE);
        assert!(!folder.path().join(KEPT).exists());
    }

    #[test]
    fn what_a_killed_lab_left_is_put_back() {
        let (machine, folder) = (machine(), tempfile::tempdir().unwrap());
        Frequency::new(machine.path(), folder.path()).set(Some(1_000)).unwrap();
        put_back_of(folder.path(), machine.path());
        assert_eq!(bounds(machine.path()), BEFORE);
    }

    #[test]
    fn what_is_no_note_of_ours_is_written_nowhere() {
        for line in
            ["../x 1 2", "policy0/../x 1 2", "policy0 1 x", "policy 1 2", "policy0 1", "policy0 1 2 3", ""]
        {
            assert!(noted(line).is_none(), "{line}");
        }
    }

    #[test]
    fn a_machine_without_is_told_with_the_remedy() {
        let empty = tempfile::tempdir().unwrap();
        let error = Frequency::new(empty.path(), empty.path()).set(Some(1_000)).unwrap_err().to_string();
        assert!(error.contains("frequency_mhz = 1000") && error.contains("cpu_percent"), "{error}");
    }
}
