//! Which cores there are, and which of them a process gets.

use std::fmt;

use nix::sched::{CpuSet, sched_getaffinity};
use nix::unistd::Pid;

use super::LabError;

/// Some cores, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cores(Vec<usize>);

impl Cores {
    /// Those that this program may use.
    pub(super) fn allowed() -> Self {
        let set = sched_getaffinity(Pid::from_raw(0)).unwrap_or_default();
        Self((0..CpuSet::count()).filter(|core| set.is_set(*core).unwrap_or(false)).collect())
    }

    /// So many, and the last ones of them, so that the first ones are left to the relay and to everything else; none: all.
    pub(super) fn last(&self, asked: Option<u32>) -> Result<Self, LabError> {
        let Some(asked) = asked else { return Ok(self.clone()) };
        let wrong = || LabError::Cores { asked, there: self.0.len() as u32 };
        let first = self.0.len().checked_sub(asked as usize).ok_or_else(wrong)?;
        if asked == 0 { Err(wrong()) } else { Ok(Self(self.0.iter().skip(first).copied().collect())) }
    }

    /// As the kernel takes them.
    pub(super) fn to_set(&self) -> CpuSet {
        let mut set = CpuSet::new();
        for core in &self.0 {
            // They came out of such a set.
            let _ = set.set(*core);
        }
        set
    }
}

impl fmt::Display for Cores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers: Vec<_> = self.0.iter().map(usize::to_string).collect();
        f.write_str(&numbers.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_cores_are_taken_first() {
        let cores = Cores(vec![0, 1, 4, 5]);
        assert_eq!(cores.last(Some(1)).unwrap().to_string(), "5");
        assert_eq!(cores.last(Some(3)).unwrap().to_string(), "1,4,5");
        assert_eq!(cores.last(None).unwrap(), cores);
    }

    #[test]
    fn more_cores_than_there_are_is_refused_and_so_is_none() {
        let cores = Cores(vec![0, 1]);
        assert!(cores.last(Some(3)).unwrap_err().to_string().contains("1 to 2"));
        assert!(cores.last(Some(0)).is_err());
    }
}
