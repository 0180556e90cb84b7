//! What is done at the door, and to it: clients that say nothing, too much, or what means nothing.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use smc_mqtt::settings::Login;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::bench::BenchError;
use crate::garbage::garbled_greeting;

/// Connections that never come to a CONNECT.
const HALF_OPEN: usize = 500;
/// Readers that don't read; below what one shared account may have.
const DEAF: usize = 20;
/// Clients that send garbage, or altered packets, at the same time.
const AT_ONCE: usize = 4;
/// How large the messages of a flood are.
const FLOOD_BYTES: usize = 1_024;
/// Garbage and altered packets go on for no longer than this, answered or not.
const ANSWER: Duration = Duration::from_millis(200);
/// From whose numbers everything is drawn.
const SEED: u64 = 1;

/// The broker, and who attacks it.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) broker: SocketAddr,
    /// An agent's login.
    pub(super) agent: Login,
    /// A reader's login.
    pub(super) reader: Login,
    /// A topic of the agent's that nobody subscribes.
    pub(super) share: String,
    /// The topic of the agent's status.
    pub(super) status: String,
    /// What the reader may subscribe.
    pub(super) everything: String,
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attack {
    HalfOpen,
    Garbage,
    Altered,
    Logins,
    Flood,
    Deaf,
}

/// An attack that goes on.
pub(super) struct Running {
    tasks: JoinSet<()>,
    times: Arc<AtomicU64>,
}

impl Running {
    /// Ends it: how often it was done.
    pub(super) async fn end(mut self) -> u64 {
        self.tasks.shutdown().await;
        self.times.load(Ordering::Relaxed)
    }
}

impl Attack {
    pub(super) const ALL: [Self; 6] =
        [Self::HalfOpen, Self::Garbage, Self::Altered, Self::Logins, Self::Flood, Self::Deaf];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::HalfOpen => "500 connections that stop within CONNECT",
            Self::Garbage => "four clients that connect and send garbage",
            Self::Altered => "four clients that log in and send packets with flipped bits",
            Self::Logins => "four clients that try passwords",
            Self::Flood => "an agent that publishes as fast as it may",
            Self::Deaf => "the same, and 20 readers that do not read",
        }
    }

    /// Starts it; it goes on until it is ended.
    pub(super) async fn start(self, target: &Target) -> Result<Running, BenchError> {
        let (mut tasks, times) = (JoinSet::new(), Arc::new(AtomicU64::new(0)));
        let target = Arc::new(target.clone());
        let count = match self {
            Self::HalfOpen => HALF_OPEN,
            Self::Garbage | Self::Altered | Self::Logins => AT_ONCE,
            Self::Flood => 1,
            Self::Deaf => DEAF + 1,
        };
        for number in 0..count {
            let (target, times) = (Arc::clone(&target), Arc::clone(&times));
            let rng = ChaCha20Rng::seed_from_u64(SEED + number as u64);
            tasks.spawn(async move {
                let attacker = Attacker { target, times, rng };
                match self {
                    Self::HalfOpen => attacker.stop_within_connect().await,
                    Self::Garbage => attacker.babble().await,
                    Self::Altered => attacker.alter().await,
                    Self::Logins => attacker.guess().await,
                    Self::Flood => attacker.flood().await,
                    Self::Deaf if number == 0 => attacker.flood().await,
                    Self::Deaf => attacker.be_deaf(number).await,
                }
            });
        }
        Ok(Running { tasks, times })
    }
}

impl fmt::Display for Attack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

struct Attacker {
    target: Arc<Target>,
    times: Arc<AtomicU64>,
    rng: ChaCha20Rng,
}

impl Attacker {
    fn count(&self) {
        self.times.fetch_add(1, Ordering::Relaxed);
    }

    async fn open(&self) -> TcpStream {
        loop {
            if let Ok(stream) = TcpStream::connect(self.target.broker).await {
                return stream;
            }
            // Turned away, or out of ports for a moment.
            sleep(Duration::from_millis(1)).await;
        }
    }

    /// A connection that is logged in.
    async fn log_in(&self, login: &Login, client_id: &str) -> Option<TcpStream> {
        let mut stream = self.open().await;
        stream.write_all(&connect(&login.user, login.password.reveal(), client_id)).await.ok()?;
        let mut answer = [0; 4];
        timeout(Duration::from_secs(5), stream.read_exact(&mut answer)).await.ok()?.ok()?;
        (answer == [0x20, 2, 0, 0]).then_some(stream)
    }

    /// The agent's second client, as its owner may have one.
    fn second(&self) -> String {
        format!("{}.open", self.target.agent.user)
    }

    async fn stop_within_connect(self) {
        loop {
            let mut stream = self.open().await;
            if stream.write_all(&[0x10, 0x40, 0, 4, b'M']).await.is_ok() {
                self.count();
            }
            // Until the broker hangs up.
            let _ = stream.read(&mut [0; 16]).await;
        }
    }

    async fn babble(mut self) {
        loop {
            let mut stream = self.open().await;
            let _ = stream.write_all(&garbled_greeting(&mut self.rng)).await;
            self.count();
            let _ = timeout(ANSWER, stream.read(&mut [0; 64])).await;
        }
    }

    async fn guess(mut self) {
        loop {
            let wrong = format!("{:016x}", self.rng.next_u64());
            let mut stream = self.open().await;
            let _ = stream.write_all(&connect(&self.target.agent.user, &wrong, &self.second())).await;
            self.count();
            let _ = timeout(ANSWER, stream.read(&mut [0; 64])).await;
        }
    }

    /// Packets that were right but for a few bits, one after the other until the broker hangs up.
    async fn alter(mut self) {
        // Each needs a client id of its own, which a reader may choose.
        let id = format!("altered-{:08x}", self.rng.next_u32());
        let sound = [
            connect(&self.target.reader.user, self.target.reader.password.reveal(), &id),
            subscribe(&self.target.everything),
            publish(&self.target.status, b"x"),
            vec![0xA2, 4, 0, 1, 0, 0],
            vec![0x40, 2, 0, 1],
            vec![0xC0, 0],
        ];
        loop {
            let Some(mut stream) = self.log_in(&self.target.reader, &id).await else { continue };
            loop {
                let which = self.rng.next_u32() as usize % sound.len();
                let mut packet = sound.get(which).cloned().unwrap_or_default();
                for _ in 0..=self.rng.next_u32() % 3 {
                    let (at, bit) = (self.rng.next_u32() as usize % packet.len(), self.rng.next_u32() % 8);
                    packet[at] ^= 1 << bit;
                }
                self.count();
                if stream.write_all(&packet).await.is_err() {
                    break;
                }
                // What the broker answers, if at all; an end, if that is what it does.
                let read = timeout(Duration::from_millis(2), stream.read(&mut [0; 256])).await;
                if matches!(read, Ok(Ok(0) | Err(_))) {
                    break;
                }
            }
        }
    }

    async fn flood(self) {
        let Some(mut stream) = self.log_in(&self.target.agent, &self.second()).await else { return };
        let message = publish(&self.target.share, &[b'x'; FLOOD_BYTES]);
        while stream.write_all(&message).await.is_ok() {
            self.count();
        }
    }

    /// Subscribes and reads nothing; again when the broker has had enough of that.
    async fn be_deaf(self, number: usize) {
        loop {
            let id = format!("deaf-{number}");
            let Some(mut stream) = self.log_in(&self.target.reader, &id).await else { continue };
            let _ = stream.write_all(&subscribe(&self.target.everything)).await;
            // The broker's end of it tells by the error state of the socket, without anything being read.
            while stream.write_all(&[0xC0, 0]).await.is_ok() {
                sleep(Duration::from_millis(500)).await;
            }
        }
    }
}

/// CONNECT of MQTT 3.1.1 with a clean session.
fn connect(user: &str, password: &str, client_id: &str) -> Vec<u8> {
    let head = [&[0, 4][..], b"MQTT", &[4, 0xC2, 0, 60]].concat();
    packet(0x10, &[head, text(client_id), text(user), text(password)].concat())
}

fn subscribe(filter: &str) -> Vec<u8> {
    packet(0x82, &[&[0, 1][..], &text(filter), &[0]].concat())
}

/// PUBLISH with QoS 0.
fn publish(topic: &str, payload: &[u8]) -> Vec<u8> {
    packet(0x30, &[&text(topic), payload].concat())
}

fn text(text: &str) -> Vec<u8> {
    let len = u16::try_from(text.len()).unwrap_or(u16::MAX);
    [&len.to_be_bytes()[..], text.as_bytes()].concat()
}

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let (mut bytes, mut len) = (vec![first], body.len());
    while len > 0x7f {
        bytes.push((len & 0x7f) as u8 | 0x80);
        len >>= 7;
    }
    bytes.push(len as u8);
    bytes.extend(body);
    bytes
}
