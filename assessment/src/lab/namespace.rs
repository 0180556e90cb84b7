//! Network namespaces without names: each is held by a file descriptor alone, so that the kernel takes it away when this
//! process ends, in whatever way.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::thread;

use nix::sched::{CloneFlags, setns, unshare};

use super::{LabError, netlink};

/// A network namespace.
#[derive(Debug)]
pub(super) struct Namespace {
    net: OwnedFd,
}

impl Namespace {
    /// Makes one whose loopback is up, and calls `job` inside of it.
    ///
    /// # Errors
    ///
    /// Without the right to make one, and what `job` fails with.
    pub(super) fn make<T: Send>(
        job: impl FnOnce() -> Result<T, LabError> + Send,
    ) -> Result<(Self, T), LabError> {
        on_a_thread(|| {
            unshare(CloneFlags::CLONE_NEWNET).map_err(|error| LabError::Namespace(error.into()))?;
            settle().map_err(|source| LabError::Network { what: "its loopback", source })?;
            let net = File::open("/proc/thread-self/ns/net").map_err(LabError::Namespace)?;
            Ok((Self { net: net.into() }, job()?))
        })?
    }

    /// What other programs can find it by, while this one runs.
    pub(super) fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.net.as_raw_fd())
    }

    /// Calls `job` on a thread inside.
    ///
    /// # Errors
    ///
    /// Without the right to enter.
    pub(super) fn run<T: Send>(&self, job: impl FnOnce() -> T + Send) -> Result<T, LabError> {
        on_a_thread(|| {
            setns(&self.net, CloneFlags::CLONE_NEWNET).map_err(|error| LabError::Namespace(error.into()))?;
            Ok(job())
        })?
    }
}

/// A thread that has been in a namespace is in no state to do anything else: it ends with its job.
pub(super) fn on_a_thread<T: Send>(job: impl FnOnce() -> T + Send) -> Result<T, LabError> {
    thread::scope(|scope| {
        let thread = thread::Builder::new()
            .name("lab-inside".to_owned())
            .spawn_scoped(scope, job)
            .map_err(LabError::Thread)?;
        thread.join().map_err(|_| LabError::Thread(io::Error::other("it ended early")))
    })
}

/// What a fresh namespace needs: a loopback, and silence.
fn settle() -> io::Result<()> {
    // Otherwise each interface would begin to look for neighbours and routers, and be counted for it. Kernels without IPv6 have
    // no such file.
    for which in ["default", "all"] {
        match std::fs::write(format!("/proc/sys/net/ipv6/conf/{which}/disable_ipv6"), "1") {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    // What one point's connections found out about a link must not help the next one's. A hint, not a condition.
    let _ = std::fs::write("/proc/sys/net/ipv4/tcp_no_metrics_save", "1");
    netlink::set_up(netlink::LOOPBACK)
}
