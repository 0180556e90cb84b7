//! Counters of the processor, where the kernel lets them be read: often not in virtual machines.

use perf_event::events::{Event, Hardware};
use perf_event::{Builder, Counter};

/// The counters of one process and all that it starts.
#[derive(Debug)]
pub(crate) struct Events {
    cycles: Option<Counter>,
    instructions: Option<Counter>,
}

impl Events {
    /// Of the process that this thread starts next, from its first instruction on.
    pub(crate) fn of_next_process() -> Self {
        Self { cycles: counter(Hardware::CPU_CYCLES), instructions: counter(Hardware::INSTRUCTIONS) }
    }

    /// What is to be told where there are none.
    pub(crate) fn note() -> Option<&'static str> {
        counter(Hardware::CPU_CYCLES).is_none().then_some(
            "cycles and instructions are not counted: the kernel or the machine has no such counters, or \
             kernel.perf_event_paranoid is above 1; set it to 1, or run as root on real hardware",
        )
    }

    /// CPU cycles.
    pub(crate) fn cycles(&mut self) -> Option<u64> {
        read(&mut self.cycles)
    }

    /// Instructions.
    pub(crate) fn instructions(&mut self) -> Option<u64> {
        read(&mut self.instructions)
    }
}

/// Counts nothing of this thread, since only what is executed next enables it: in the children, which inherit it.
fn counter(event: impl Event) -> Option<Counter> {
    let mut builder = Builder::new(event);
    builder.inherit(true).enable_on_exec(true).include_kernel();
    builder.build().ok()
}

/// Where there are fewer counters than are asked for, each counts for a part of the time.
fn read(counter: &mut Option<Counter>) -> Option<u64> {
    let read = counter.as_mut()?.read_full().ok()?;
    let (enabled, running) = (read.time_enabled()?, read.time_running()?);
    if running.is_zero() {
        return (read.count() == 0 && enabled.is_zero()).then_some(0);
    }
    Some((read.count() as f64 * (enabled.as_secs_f64() / running.as_secs_f64())) as u64)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use perf_event::events::Software;

    use super::*;

    /// A virtual machine may have no counter of the processor, but the kernel has one of its own: the way to both is the same.
    #[test]
    fn what_a_process_starts_is_counted_and_this_thread_is_not() {
        let mut clock = counter(Software::TASK_CLOCK);
        if clock.is_none() {
            eprintln!("the kernel does not let events be counted");
            return;
        }
        let busy: u64 = std::hint::black_box((0..2_000_000).sum());
        assert_eq!(read(&mut clock), Some(0), "{busy}");
        let script = "sh -c 'i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done'";
        assert!(Command::new("sh").args(["-c", script]).status().unwrap().success());
        let ns = read(&mut clock).unwrap();
        assert!((5_000_000..5_000_000_000).contains(&ns), "{ns} ns");
    }
}
