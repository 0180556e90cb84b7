//! How deep stacks reached.
//!
//! The kernel gives a stack its pages as it grows, and takes none back: what is resident of the memory in which a thread's
//! stack pointer lies is how far it ever reached, in whole pages. The main thread's has a name; where the others are, the
//! kernel says of those that wait. A thread that is running just then is left out, and looked at the next time; what a thread
//! that has ended used is seen only if another one took over its stack.

use std::collections::BTreeSet;
use std::fs;

/// A mapping that is larger is no stack: 64 MiB.
const STACK_MAX_BYTES: u64 = 64 << 20;

/// As many threads are looked at.
const THREADS_MAX: usize = 1024;

/// The most that one of the process's stacks has touched.
pub(super) fn deepest_bytes(pid: u32) -> Option<u64> {
    let pointers = stack_pointers(pid);
    deepest(&fs::read_to_string(format!("/proc/{pid}/smaps")).ok()?, &pointers)
}

/// The stack pointers of the threads that wait in a system call. Its number and six arguments come before it.
fn stack_pointers(pid: u32) -> BTreeSet<u64> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten().take(THREADS_MAX);
    threads
        .filter_map(|thread| {
            let call = fs::read_to_string(thread.path().join("syscall")).ok()?;
            let fields: Vec<_> = call.split_ascii_whitespace().collect();
            // The last but one; a thread that waits for something else has fewer before it.
            let pointer = fields.len().checked_sub(2).and_then(|at| fields.get(at))?;
            u64::from_str_radix(pointer.strip_prefix("0x")?, 16).ok()
        })
        .collect()
}

/// From `/proc/<pid>/smaps`: of the mappings that are stacks, the most that is resident.
fn deepest(smaps: &str, pointers: &BTreeSet<u64>) -> Option<u64> {
    let (mut is_stack, mut most) = (false, None);
    for line in smaps.lines() {
        if let Some((from, until)) = range(line) {
            let holds_one = pointers.range(from..until).next().is_some();
            is_stack = line.ends_with("[stack]") || holds_one && until - from <= STACK_MAX_BYTES;
        } else if is_stack && let Some(kib) = line.strip_prefix("Rss:") {
            let kib: u64 = kib.trim().strip_suffix("kB")?.trim().parse().ok()?;
            most = most.max(Some(kib * 1024));
        }
    }
    most
}

/// The addresses of a mapping, if the line begins one.
fn range(line: &str) -> Option<(u64, u64)> {
    let (from, until) = line.split_once(' ')?.0.split_once('-')?;
    let (from, until) = (u64::from_str_radix(from, 16).ok()?, u64::from_str_radix(until, 16).ok()?);
    (from < until).then_some((from, until))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMAPS: &str = "\
7f0000000000-7f0000200000 rw-p 00000000 00:00 0 
Size:               2048 kB
Rss:                  40 kB
7f0000400000-7f0010400000 rw-p 00000000 00:00 0 
Rss:              200000 kB
7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0                          [stack]
Size:                132 kB
Rss:                  24 kB
";

    #[test]
    fn the_deepest_stack_counts_and_the_heap_does_not() {
        assert_eq!(deepest(SMAPS, &BTreeSet::new()), Some(24 << 10));
        assert_eq!(deepest(SMAPS, &BTreeSet::from([0x7f00_0010_0000])), Some(40 << 10));
        // A pointer into something far larger than any stack.
        assert_eq!(deepest(SMAPS, &BTreeSet::from([0x7f00_0050_0000])), Some(24 << 10));
    }

    #[test]
    fn this_thread_is_seen_to_use_its_stack() {
        fn deep(levels: u32) -> u64 {
            let ballast = std::hint::black_box([u64::from(levels); 512]);
            if levels == 0 { ballast[0] } else { deep(levels - 1) + std::hint::black_box(ballast)[7] }
        }
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let (reached, ready) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            reached.send(deep(60)).unwrap();
            wait.recv().unwrap_err();
        });
        ready.recv().unwrap();
        // The other thread may not wait yet.
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while deepest_bytes(std::process::id()).unwrap() < 60 * 4096 {
            assert!(std::time::Instant::now() < deadline, "{:?}", deepest_bytes(std::process::id()));
        }
        drop(go);
        thread.join().unwrap();
    }
}
