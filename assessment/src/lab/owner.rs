//! Whose leftovers are whose: names that say which process made something, in a way that can be proven.
//!
//! A process is its number and the instant at which it began, so that a number given again is told apart; and the namespace
//! that the number is of, since in another one it says nothing.

use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;

/// What all names begin with.
const PREFIX: &str = "murmuration-assess-";

/// A process that has things outside of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owner {
    pid: u32,
    /// In clock ticks since the machine was started.
    started: u64,
    /// The namespace of process numbers.
    numbering: u64,
    /// Which lab of this process.
    lab: u32,
}

impl Owner {
    /// This process, for its lab of this number; none if the system does not say.
    pub(super) fn current(lab: u32) -> Option<Self> {
        let pid = std::process::id();
        Some(Self { pid, started: started(pid)?, numbering: numbering()?, lab })
    }

    /// Reads a name that [`fmt::Display`] wrote.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let mut parts = name.strip_prefix(PREFIX)?.split('-');
        let owner = Self {
            pid: parts.next()?.parse().ok()?,
            started: parts.next()?.parse().ok()?,
            numbering: parts.next()?.parse().ok()?,
            lab: parts.next()?.parse().ok()?,
        };
        // Whatever reads differently was written by somebody else.
        (owner.to_string() == name).then_some(owner)
    }

    /// Whether it is certain that the process is gone.
    pub(super) fn is_gone(&self) -> bool {
        numbering() == Some(self.numbering) && started(self.pid) != Some(self.started)
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}-{}-{}-{}", self.pid, self.started, self.numbering, self.lab)
    }
}

/// When a process began; none if there is none, or nothing of it but its exit code.
fn started(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may have anything in it. The state is field 3, the instant field 22.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") { None } else { fields.nth(18)?.parse().ok() }
}

fn numbering() -> Option<u64> {
    Some(fs::metadata("/proc/self/ns/pid").ok()?.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_living_process_is_not_gone() {
        let owner = Owner::current(3).unwrap();
        assert_eq!(Owner::parse(&owner.to_string()), Some(owner));
        assert!(!owner.is_gone());
    }

    #[test]
    fn another_process_with_the_number_is_not_the_owner() {
        let owner = Owner::current(0).unwrap();
        assert!(Owner { started: owner.started + 1, ..owner }.is_gone());
    }

    #[test]
    fn numbers_of_another_namespace_say_nothing() {
        let owner = Owner::current(0).unwrap();
        assert!(!Owner { started: owner.started + 1, numbering: owner.numbering + 1, ..owner }.is_gone());
    }

    #[test]
    fn names_that_others_wrote_are_not_read() {
        for name in ["", "murmuration-assess-", "murmuration-assess-1-2-3", "murmuration-assess-1-2-3-4-5"] {
            assert_eq!(Owner::parse(name), None, "{name}");
        }
        assert_eq!(Owner::parse("murmuration-assess-01-2-3-4"), None);
        assert_eq!(Owner::parse("murmuration-assess-+1-2-3-4"), None);
        assert!(Owner::parse("murmuration-assess-1-2-3-4").is_some());
    }
}
