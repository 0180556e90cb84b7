//! The relay: takes packets out of each host's TUN device, does to them what was asked, and puts them into another's.
//!
//! One thread does it all, and sleeps in the kernel until a packet comes or one is due. More threads would take the cores that
//! are to be measured.

mod air;
mod engine;
mod line;
mod pacer;
mod packet;
mod wander;

use std::io::{self, PipeWriter, Write};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};

use serde::Serialize;
use tappers::Tun;

use self::engine::{Command, Engine};
pub(super) use self::pacer::Pacer;
use super::LabError;
use super::impairment::Shape;
use super::urgent::{NotUrgent, become_urgent};

/// As many hosts a network has; the last octet of an address is its host's number and 1.
pub(super) const HOSTS_MAX: u8 = 250;

/// The address of the host of this number, at most [`HOSTS_MAX`].
pub(super) fn address(host: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 83, 0, host.saturating_add(1))
}

/// What the relay has done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct RelayCount {
    /// CPU time of its thread, in milliseconds.
    pub cpu_ms: f64,
    /// Packets that arrived.
    pub delivered_packets: u64,
    /// Their bytes.
    pub delivered_bytes: u64,
    /// Packets that were lost as asked.
    pub lost_packets: u64,
    /// Packets for which too much waited: for their host's line, or all in all.
    pub dropped_packets: u64,
    /// Packets that go to no host.
    pub stray_packets: u64,
    /// Packets that the kernel did not take, since their host is gone.
    pub refused_packets: u64,
}

/// A running relay; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Relay {
    commands: Sender<Command>,
    /// Rung after each command; closed, it ends the thread.
    bell: Option<PipeWriter>,
    tallies: Arc<Tallies>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread counts, for others to read.
#[derive(Debug, Default)]
struct Tallies {
    cpu_ns: AtomicU64,
    delivered_packets: AtomicU64,
    delivered_bytes: AtomicU64,
    lost: AtomicU64,
    dropped: AtomicU64,
    stray: AtomicU64,
    refused: AtomicU64,
}

impl Relay {
    /// Starts one without hosts or impairment, which throws by this seed, and says whether it goes before all else.
    pub(super) fn start(seed: u64) -> Result<(Self, Result<(), NotUrgent>), LabError> {
        let (sender, commands) = channel();
        let (ears, bell) = io::pipe().map_err(|error| LabError::Relay(error.to_string()))?;
        let tallies = Arc::new(Tallies::default());
        let engine = Engine::new(commands, ears, Arc::clone(&tallies), seed);
        let (say_urgent, urgent) = channel();
        let thread = thread::Builder::new()
            .name("lab-relay".to_owned())
            .spawn(move || {
                // Whoever started it waits for this, or is gone.
                let _ = say_urgent.send(become_urgent());
                engine.run();
            })
            .map_err(LabError::Thread)?;
        let urgent = urgent.recv().map_err(|error| LabError::Relay(error.to_string()))?;
        Ok((Self { commands: sender, bell: Some(bell), tallies, thread: Some(thread) }, urgent))
    }

    /// Joins the next host's device; the first one's is number 0.
    pub(super) fn attach(&self, device: Tun) -> Result<(), LabError> {
        self.say(Command::Attach(device))
    }

    /// From now on, packets meet with this. Those on their way go on as they were.
    pub(super) fn shape(&self, shape: Shape) -> Result<(), LabError> {
        self.say(Command::Shape(shape))
    }

    /// What it did so far. The CPU time is a tenth of a second old at most while packets pass.
    pub(super) fn count(&self) -> RelayCount {
        let read = |tally: &AtomicU64| tally.load(Ordering::Relaxed);
        let tallies = &self.tallies;
        RelayCount {
            cpu_ms: read(&tallies.cpu_ns) as f64 / 1e6,
            delivered_packets: read(&tallies.delivered_packets),
            delivered_bytes: read(&tallies.delivered_bytes),
            lost_packets: read(&tallies.lost),
            dropped_packets: read(&tallies.dropped),
            stray_packets: read(&tallies.stray),
            refused_packets: read(&tallies.refused),
        }
    }

    fn say(&self, command: Command) -> Result<(), LabError> {
        let gone = || LabError::Relay("its thread is gone".to_owned());
        self.commands.send(command).map_err(|_| gone())?;
        let mut bell = self.bell.as_ref().ok_or_else(gone)?;
        bell.write_all(&[0]).map_err(|_| gone())
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.bell = None;
        if let Some(thread) = self.thread.take() {
            // It has nothing left to say.
            let _ = thread.join();
        }
    }
}
