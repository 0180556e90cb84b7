//! The relay's thread.

use std::io::{self, PipeReader, Read};
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::prctl::set_timerslack;
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime};
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use tappers::Tun;

use super::super::impairment::Shape;
use super::air::Air;
use super::line::{Fate, Line};
use super::packet::{self, MTU};
use super::{Tallies, address};

/// Packets that are taken from one host before the next one has its turn.
const TURN_PACKETS: usize = 32;

/// How often the thread writes down its CPU time: a system call.
const CPU_EVERY_NS: u64 = 100_000_000;

/// What the relay is told.
pub(super) enum Command {
    /// Another host's device.
    Attach(Tun),
    /// What packets meet with from now on.
    Shape(Shape),
}

/// All that the thread has.
pub(super) struct Engine {
    commands: Receiver<Command>,
    ears: PipeReader,
    hosts: Vec<Port>,
    shape: Shape,
    air: Air,
    dice: ChaCha8Rng,
    tallies: Arc<Tallies>,
    began: Instant,
    cpu_read_ns: u64,
}

/// Where a host's packets come from and go to.
struct Port {
    /// None: it is gone, with its namespace.
    device: Option<Tun>,
    line: Line,
}

impl Engine {
    pub(super) fn new(
        commands: Receiver<Command>,
        ears: PipeReader,
        tallies: Arc<Tallies>,
        seed: u64,
    ) -> Self {
        Self {
            commands,
            ears,
            hosts: Vec::new(),
            shape: Shape::NONE,
            air: Air::default(),
            dice: ChaCha8Rng::seed_from_u64(seed),
            tallies,
            began: Instant::now(),
            cpu_read_ns: 0,
        }
    }

    /// Runs until the bell is closed.
    pub(super) fn run(mut self) {
        // The kernel may wake a thread 50 us late, so that it can wake several at once; here that would be the error of every
        // delay. Where it is not allowed, calibration shows it.
        let _ = set_timerslack(1);
        let mut packet = [0; MTU];
        let mut ready = Vec::new();
        while self.wait(&mut ready) {
            for host in ready.drain(..) {
                self.take_turn(host, &mut packet);
            }
            self.land();
            self.note_cpu();
        }
    }

    /// Waits until a packet comes or is due, and says at which hosts there are some; false: it is over.
    fn wait(&mut self, ready: &mut Vec<usize>) -> bool {
        let readable = PollFlags::POLLIN;
        let mut watched = Vec::with_capacity(self.hosts.len() + 1);
        watched.push(PollFd::new(self.ears.as_fd(), readable));
        let mut numbers = Vec::with_capacity(self.hosts.len());
        for (host, port) in self.hosts.iter().enumerate() {
            if let Some(device) = &port.device {
                watched.push(PollFd::new(device.as_fd(), readable));
                numbers.push(host);
            }
        }
        let timeout = self.air.next_ns().map(|due| {
            let wait = due.saturating_sub(self.now());
            TimeSpec::from_duration(Duration::from_nanos(wait))
        });
        // An interrupted wait is one that found nothing.
        if ppoll(&mut watched, timeout, None).unwrap_or(0) == 0 {
            return true;
        }
        let rung = watched.first().is_some_and(|bell| bell.any().unwrap_or(true));
        let hosts = watched.iter().skip(1).zip(numbers);
        ready.extend(hosts.filter(|(fd, _)| fd.any().unwrap_or(true)).map(|(_, host)| host));
        drop(watched);
        !rung || self.obey()
    }

    /// Does what it was told; false: nobody will tell it anything more.
    fn obey(&mut self) -> bool {
        let mut rings = [0; 64];
        if !matches!(self.ears.read(&mut rings), Ok(1..)) {
            return false;
        }
        while let Ok(command) = self.commands.try_recv() {
            match command {
                Command::Attach(device) => {
                    self.hosts.push(Port { device: Some(device), line: Line::default() })
                }
                Command::Shape(shape) => self.shape = shape,
            }
        }
        true
    }

    /// Takes what a host has sent, and sends it off.
    fn take_turn(&mut self, host: usize, packet: &mut [u8]) {
        for _ in 0..TURN_PACKETS {
            let Some(port) = self.hosts.get_mut(host) else { return };
            let Some(device) = &port.device else { return };
            match device.recv(packet) {
                Ok(length) => self.take(host, packet.get(..length).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // Otherwise it would be ready for ever.
                Err(_) => return port.device = None,
            }
        }
    }

    fn take(&mut self, host: usize, packet: &[u8]) {
        let to = packet::destination(packet).and_then(number).filter(|to| *to < self.hosts.len());
        let Some(to) = to else { return add(&self.tallies.stray, 1) };
        let now = self.now();
        let Some(port) = self.hosts.get_mut(host) else { return };
        match port.line.fate(now, to, packet.len(), &self.shape, &mut self.dice) {
            // What has nothing to wait for, and nothing before it, need not be copied.
            Fate::Arrives(at) if at <= now && self.air.next_ns().is_none_or(|next| next > now) => {
                self.deliver(to, packet);
            }
            Fate::Arrives(at) => {
                if !self.air.launch(at, to, packet) {
                    add(&self.tallies.dropped, 1);
                }
            }
            Fate::Dropped => add(&self.tallies.dropped, 1),
            Fate::Lost => add(&self.tallies.lost, 1),
        }
    }

    /// Delivers all that is due.
    fn land(&mut self) {
        let now = self.now();
        while let Some(flying) = self.air.land(now) {
            self.deliver(flying.to, &flying.bytes);
        }
    }

    fn deliver(&self, to: usize, packet: &[u8]) {
        let device = self.hosts.get(to).and_then(|port| port.device.as_ref());
        match device.map(|device| device.send(packet)) {
            Some(Ok(_)) => {
                add(&self.tallies.delivered_packets, 1);
                add(&self.tallies.delivered_bytes, packet.len() as u64);
            }
            Some(Err(_)) | None => add(&self.tallies.refused, 1),
        }
    }

    fn note_cpu(&mut self) {
        let now = self.now();
        if now.saturating_sub(self.cpu_read_ns) < CPU_EVERY_NS {
            return;
        }
        self.cpu_read_ns = now;
        if let Ok(used) = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID) {
            self.tallies.cpu_ns.store(Duration::from(used).as_nanos() as u64, Ordering::Relaxed);
        }
    }

    /// Nanoseconds since the relay began: centuries fit.
    fn now(&self) -> u64 {
        self.began.elapsed().as_nanos() as u64
    }
}

/// The number of the host with this address; that no host has is for the caller to see.
fn number(destination: Ipv4Addr) -> Option<usize> {
    let [.., last] = destination.octets();
    let host = last.checked_sub(1)?;
    (address(host) == destination).then_some(usize::from(host))
}

fn add(tally: &AtomicU64, more: u64) {
    tally.fetch_add(more, Ordering::Relaxed);
}
