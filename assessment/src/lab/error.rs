//! Why a network or a process on it can't be had, and what to do about it.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why something in a lab failed.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// A control group that is there does not take what is written to it.
    #[error("{}: {source}; run as root, or without cores and cpu_percent", path.display())]
    Cgroup {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// More cores than there are.
    #[error("cores = {asked}: this program may use {there}: choose 1 to {there}, or leave it out")]
    Cores {
        /// As many were asked for.
        asked: u32,
        /// As many there are.
        there: u32,
    },
    /// A share of CPU time that is none.
    #[error("cpu_percent = {0}: choose 1 or more; 100 is one core")]
    CpuPercent(u32),
    /// A TUN device can't be made.
    #[error("/dev/net/tun: {0}; `modprobe tun`, and let this user read and write it, or choose the proxy")]
    Device(#[source] io::Error),
    /// A folder or file of the lab's own.
    #[error("{}: {source}; choose another folder with TMPDIR", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A frequency that can't be set.
    #[error("{}: {source}; run as root, or without frequency_mhz", path.display())]
    Frequency {
        /// The kernel's file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A frequency that the cores do not have.
    #[error("frequency_mhz = {asked}: choose what this machine has from {least} to {most}")]
    FrequencyRange {
        /// As many MHz were asked for.
        asked: u32,
        /// The lowest there is.
        least: u32,
        /// The highest there is.
        most: u32,
    },
    /// No frequency can be set.
    #[error("frequency_mhz = {asked}: this machine lets no frequency be set; cpu_percent can stand for it")]
    NoFrequency {
        /// As many MHz were asked for.
        asked: u32,
    },
    /// A network that can't be.
    #[error("{key} = {value}: choose {remedy}")]
    Impairment {
        /// The parameter.
        key: &'static str,
        /// What was asked.
        value: f64,
        /// What can be asked.
        remedy: &'static str,
    },
    /// A host of this name is there already.
    #[error("two hosts named {0:?}: give each a name of its own")]
    Name(String),
    /// A namespace can't be made.
    #[error(
        "a network namespace: {0}; it needs CAP_SYS_ADMIN and CAP_NET_ADMIN: run as root, or choose the proxy"
    )]
    Namespace(#[source] io::Error),
    /// The kernel's own emulation can't be had.
    #[error(
        "netem, {program}: {said}; install iproute2, `modprobe sch_netem veth bridge`, or choose the relay"
    )]
    Netem {
        /// What was run.
        program: String,
        /// What it said.
        said: String,
    },
    /// A namespace is there, and can't be set up.
    #[error("setting up a network namespace, {what}: {source}")]
    Network {
        /// What was done.
        what: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// The system says nothing of processes.
    #[error("/proc is not mounted, or says nothing of this process: mount it")]
    Proc,
    /// A proxy does not listen.
    #[error("a proxy for {to}: {source}")]
    Proxy {
        /// What it leads to.
        to: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// The relay ended.
    #[error("the relay ended: {0}")]
    Relay(String),
    /// A program does not start.
    #[error("{program}: {source}")]
    Spawn {
        /// Which.
        program: String,
        /// Why not.
        source: io::Error,
    },
    /// A thread can't be had.
    #[error("a thread: {0}; raise the limit of processes (`ulimit -u`)")]
    Thread(#[source] io::Error),
    /// As many hosts as a network has addresses.
    #[error("a network has room for {0} hosts")]
    TooManyHosts(u8),
    /// CPU time is to be limited, and nothing limits it.
    #[error(
        "cpu_percent = {percent}: nothing limits CPU time here, so that the figures would be wrong; run as root, \
             with control groups whose controller cpu can be written, or leave it out"
    )]
    Unlimited {
        /// What was asked.
        percent: u32,
    },
}
