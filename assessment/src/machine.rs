//! The machine that something is measured on.

use std::fs;
use std::process::Command;

/// The processor's name as the kernel has it.
pub fn processor() -> String {
    let cpuinfo = read("/proc/cpuinfo");
    let named = cpuinfo.lines().find_map(|line| line.strip_prefix("model name"));
    named.map_or("unknown", |name| name.trim_start_matches([' ', '\t', ':'])).to_owned()
}

/// The cores that this process may use.
pub fn cores() -> u32 {
    std::thread::available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(u32::MAX))
}

/// What a log of measurements says about the machine and the foreign programs that take part: name and value.
pub fn here() -> Vec<(String, String)> {
    let pairs = [
        ("processor", Some(processor())),
        ("cores", Some(cores().to_string())),
        ("memory", memory()),
        ("kernel", Some(read("/proc/sys/kernel/osrelease").trim().to_owned())),
        ("distribution", distribution()),
        ("mosquitto", version("mosquitto", "-h")),
        ("python", version("python3", "--version")),
    ];
    let known = pairs.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    known.collect()
}

fn memory() -> Option<String> {
    let kib: f64 = read("/proc/meminfo")
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:")?.split_ascii_whitespace().next()?.parse().ok())?;
    Some(format!("{:.1} GiB", kib / 1_048_576.0))
}

fn distribution() -> Option<String> {
    let text = read("/etc/os-release");
    let name = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    Some(name.trim_matches('"').to_owned())
}

/// What a program says first when it is asked; none where it is not installed. Debian keeps servers where not everybody looks.
fn version(program: &str, asked: &str) -> Option<String> {
    let said = [program.to_owned(), format!("/usr/sbin/{program}")]
        .iter()
        .find_map(|program| Command::new(program).arg(asked).output().ok())?;
    let said = [said.stdout, said.stderr].concat();
    let first = String::from_utf8_lossy(&said).lines().next()?.trim().to_owned();
    (!first.is_empty()).then_some(first)
}

/// What is not there says nothing.
fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}
