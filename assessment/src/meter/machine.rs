//! What machine it was, and which programs: figures say nothing without.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

/// A machine and what runs on it, for the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// What the processor calls itself.
    pub processor: String,
    /// The architecture that this program was built for.
    pub architecture: String,
    /// Cores that this program may use.
    pub cores: u32,
    /// What sets the cores' frequency; none: this machine does not say, or lets nobody.
    pub governor: Option<String>,
    /// The lowest and the highest frequency that can be set, in MHz; none: none can.
    pub frequency_mhz: Option<(u32, u32)>,
    /// Memory.
    pub memory_bytes: u64,
    /// The kernel's version.
    pub kernel: String,
    /// What TCP does about loss: much depends on it.
    pub congestion_control: String,
    /// The distribution.
    pub distribution: String,
    /// Programs, and what they say of their version.
    pub programs: BTreeMap<String, String>,
}

impl Machine {
    /// This one, without programs.
    pub fn here() -> Self {
        let unknown = || "unknown".to_owned();
        let read = |file: &str| fs::read_to_string(file).ok();
        let memory_kib = read("/proc/meminfo").and_then(|text| {
            value(&text, "MemTotal:").and_then(|kib| kib.strip_suffix("kB")?.trim().parse::<u64>().ok())
        });
        Self {
            processor: read("/proc/cpuinfo").and_then(|text| processor(&text)).unwrap_or_else(unknown),
            architecture: std::env::consts::ARCH.to_owned(),
            cores: std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32),
            governor: cpufreq("scaling_governor"),
            frequency_mhz: mhz("cpuinfo_min_freq").zip(mhz("cpuinfo_max_freq")),
            memory_bytes: memory_kib.unwrap_or(0).saturating_mul(1024),
            kernel: read("/proc/sys/kernel/osrelease").map_or_else(unknown, |text| text.trim().to_owned()),
            congestion_control: read("/proc/sys/net/ipv4/tcp_congestion_control")
                .map_or_else(unknown, |text| text.trim().to_owned()),
            distribution: read("/etc/os-release")
                .and_then(|text| value(&text, "PRETTY_NAME="))
                .map_or_else(unknown, |name| name.trim_matches('"').to_owned()),
            programs: BTreeMap::new(),
        }
    }

    /// Notes the first line that a program says when it is asked for its version, if it can be asked.
    pub fn note(&mut self, name: &str, command: &mut Command) {
        if let Some(said) = first_line(command) {
            self.programs.insert(name.to_owned(), said);
        }
    }

    /// Notes the commit of the checkout that a file lies in, such as this program, if it lies in one; it says if something is not
    /// committed.
    pub fn note_commit(&mut self, file: &Path) {
        let Some(folder) = file.parent() else { return };
        let git = || {
            let mut git = Command::new("git");
            git.arg("-C").arg(folder);
            git
        };
        if let Some(commit) = first_line(git().args(["rev-parse", "HEAD"])) {
            let changed = first_line(git().args(["status", "--porcelain", "--untracked-files=no"])).is_some();
            let changed = if changed { ", and changes" } else { "" };
            self.programs.insert("commit".to_owned(), format!("{commit}{changed}"));
        }
    }
}

/// What the kernel says of the first core's frequency.
fn cpufreq(file: &str) -> Option<String> {
    let said = fs::read_to_string(Path::new("/sys/devices/system/cpu/cpu0/cpufreq").join(file)).ok()?;
    Some(said.trim().to_owned())
}

fn mhz(file: &str) -> Option<u32> {
    cpufreq(file)?.parse::<u32>().ok().map(|khz| khz / 1000)
}

/// The first line of what a command says; some say it to standard error.
fn first_line(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).output().ok()?;
    let said = if output.stdout.is_empty() { output.stderr } else { output.stdout };
    let said = String::from_utf8_lossy(&said);
    let line = said.lines().next()?.trim();
    // `git` says nothing of a version but what is wrong, where there is no checkout.
    (!line.is_empty() && !line.starts_with("fatal:")).then(|| line.to_owned())
}

/// x86 has the name of a model; ARM, on some machines, that of the board.
fn processor(cpuinfo: &str) -> Option<String> {
    let named =
        |key: &str| value(cpuinfo, key).and_then(|text| Some(text.split_once(':')?.1.trim().to_owned()));
    named("model name").or_else(|| named("Model")).or_else(|| named("Hardware"))
}

/// What follows a key at the beginning of a line.
fn value(text: &str, key: &str) -> Option<String> {
    text.lines().find_map(|line| line.strip_prefix(key)).map(|rest| rest.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_found_by_the_names_that_they_have() {
        assert_eq!(processor("processor\t: 0\nmodel name\t: Some CPU\n").as_deref(), Some("Some CPU"));
        assert_eq!(processor("processor\t: 0\n\nModel\t\t: Some Pi\n").as_deref(), Some("Some Pi"));
        assert_eq!(processor("processor\t: 0\n"), None);
    }

    #[test]
    fn this_machine_has_memory_a_kernel_and_programs() {
        let mut machine = Machine::here();
        assert!(machine.memory_bytes > 1 << 20 && machine.cores > 0);
        assert!(machine.kernel.contains('.'), "{}", machine.kernel);
        machine.note("shell", Command::new("sh").args(["-c", "echo version 7; echo more"]));
        machine.note("nothing", &mut Command::new("/nonexistent"));
        assert_eq!(machine.programs.get("shell").map(String::as_str), Some("version 7"));
        assert_eq!(machine.programs.len(), 1);
    }
}
