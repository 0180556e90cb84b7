//! All nodes as processes of their own. A keeper per node starts it again when it ends by itself, as an init system
//! does, and otherwise does to it what it is ordered. No process outlives the command: each is killed with its
//! keeper; each ends when its standard input closes; and each has a process group of its own, which loses its
//! parent with the command, so that the kernel hangs up and wakes even one that is stopped.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::role::LISTENING;
use super::site::{BROKER, Role, Site};
use crate::usage;

/// How long a keeper waits before it starts again what ended by itself.
const RESTART: Duration = Duration::from_millis(500);
/// How long a node may take to end when asked, and a broker to listen.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is done to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// It is stopped (SIGSTOP).
    Stop,
    /// It goes on (SIGCONT).
    Continue,
    /// It is killed (SIGKILL) and stays down.
    Kill,
    /// It is asked to end (SIGTERM) and stays down.
    End,
    /// It is started, if it is down.
    Start,
}

/// What became of a node so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Life {
    /// Its process, if it has one.
    pub(super) pid: Option<u32>,
    /// How often it was started.
    pub(super) starts: u32,
    /// When it was last started.
    pub(super) since: Option<Instant>,
    /// How often it ended by itself.
    pub(super) exits: u32,
    /// How often of these it crashed, rather than saying why it ends.
    pub(super) crashes: u32,
    /// How often it had to be killed since it did not end when asked.
    pub(super) stubborn: u32,
}

/// All nodes.
#[derive(Debug)]
pub(super) struct Fleet {
    nodes: BTreeMap<String, Node>,
    broker: watch::Receiver<Option<SocketAddr>>,
    /// Aborted when dropped; then they kill their nodes.
    keepers: JoinSet<()>,
}

#[derive(Debug)]
struct Node {
    role: Role,
    orders: mpsc::Sender<(Order, oneshot::Sender<()>)>,
    life: watch::Receiver<Life>,
}

impl Fleet {
    /// Starts the broker, which tells `address` where it listens.
    pub(super) fn launch(site: &Site, address: watch::Sender<Option<SocketAddr>>) -> Self {
        let broker = address.subscribe();
        let mut fleet = Self { nodes: BTreeMap::new(), broker, keepers: JoinSet::new() };
        fleet.add(site, BROKER, Some(address));
        fleet
    }

    /// Starts a node.
    pub(super) fn start(&mut self, site: &Site, node: &str) {
        self.add(site, node, None);
    }

    fn add(&mut self, site: &Site, node: &str, address: Option<watch::Sender<Option<SocketAddr>>>) {
        let (orders, ordered) = mpsc::channel(4);
        let (tell, life) = watch::channel(Life::default());
        let role = site.role(node);
        let (config, log) = (site.config(node), site.log(node));
        self.keepers.spawn(Keeper { role, config, log, address, life: tell }.keep(ordered));
        self.nodes.insert(node.to_owned(), Node { role, orders, life });
    }

    /// Where the broker listens, if it does.
    pub(super) fn broker(&self) -> Option<SocketAddr> {
        *self.broker.borrow()
    }

    /// Orders the same of several nodes at once; waits until it is done.
    pub(super) async fn order(&self, nodes: &[String], order: Order) {
        let mut done = Vec::with_capacity(nodes.len());
        for node in nodes.iter().filter_map(|node| self.nodes.get(node)) {
            let (tell, told) = oneshot::channel();
            if node.orders.send((order, tell)).await.is_ok() {
                done.push(told);
            }
        }
        for told in done {
            let _ = told.await;
        }
    }

    /// What became of each node so far.
    pub(super) fn lives(&self) -> impl Iterator<Item = (&str, Role, Life)> {
        self.nodes.iter().map(|(name, node)| (name.as_str(), node.role, node.life.borrow().clone()))
    }

    /// Ends all nodes tidily, the broker last.
    pub(super) async fn close(&self) {
        let (last, first): (Vec<_>, Vec<_>) = self.nodes.keys().cloned().partition(|node| node == BROKER);
        self.order(&first, Order::End).await;
        self.order(&last, Order::End).await;
    }
}

impl Life {
    /// What it holds now, in MiB.
    pub(super) fn rss_mib(&self) -> Option<f64> {
        self.pid.and_then(usage::rss_mib)
    }
}

/// Who looks after one node.
struct Keeper {
    role: Role,
    config: PathBuf,
    log: PathBuf,
    /// Told where a broker listens.
    address: Option<watch::Sender<Option<SocketAddr>>>,
    life: watch::Sender<Life>,
}

/// A process, for as long as this end of its standard input is open.
struct Alive {
    child: Child,
    _stdin: Option<ChildStdin>,
    // Open, so that what it may say goes somewhere.
    _stdout: Option<BufReader<ChildStdout>>,
}

impl Keeper {
    async fn keep(self, mut orders: mpsc::Receiver<(Order, oneshot::Sender<()>)>) {
        let mut alive = self.start().await;
        loop {
            tokio::select! {
                ordered = orders.recv() => {
                    let Some((order, done)) = ordered else { return };
                    alive = self.obey(order, alive).await;
                    let _ = done.send(());
                }
                status = ended(&mut alive) => {
                    self.over();
                    self.life.send_modify(|life| {
                        life.exits += 1;
                        life.crashes += u32::from(status.is_some_and(is_crash));
                    });
                    sleep(RESTART).await;
                    alive = self.start().await;
                }
            }
        }
    }

    async fn obey(&self, order: Order, alive: Option<Alive>) -> Option<Alive> {
        match (order, alive) {
            (Order::Start, None) => self.start().await,
            (Order::Start, alive) | (_, alive @ None) => alive,
            (Order::Stop, Some(alive)) => {
                alive.signal(Signal::SIGSTOP);
                Some(alive)
            }
            (Order::Continue, Some(alive)) => {
                alive.signal(Signal::SIGCONT);
                Some(alive)
            }
            (Order::Kill, Some(mut alive)) => {
                let _ = alive.child.kill().await;
                self.over();
                None
            }
            (Order::End, Some(mut alive)) => {
                alive.signal(Signal::SIGTERM);
                // One that is stopped hears it only then.
                alive.signal(Signal::SIGCONT);
                if timeout(PATIENCE, alive.child.wait()).await.is_err() {
                    let _ = alive.child.kill().await;
                    self.life.send_modify(|life| life.stubborn += 1);
                }
                self.over();
                None
            }
        }
    }

    fn over(&self) {
        self.life.send_modify(|life| life.pid = None);
        if let Some(address) = &self.address {
            address.send_replace(None);
        }
    }

    /// Starts the node; none if that can't be done now, in which case it is as if it had ended at once.
    async fn start(&self) -> Option<Alive> {
        let started = self.spawn();
        let Ok(mut child) = started else {
            self.life.send_modify(|life| life.exits += 1);
            return None;
        };
        self.life.send_modify(|life| {
            life.pid = child.id();
            life.starts += 1;
            life.since = Some(Instant::now());
        });
        let stdin = child.stdin.take();
        let mut stdout = child.stdout.take().map(BufReader::new);
        if let (Some(address), Some(stdout)) = (&self.address, &mut stdout) {
            let mut line = String::new();
            let _ = timeout(PATIENCE, stdout.read_line(&mut line)).await;
            let listening = line.trim().strip_prefix(LISTENING).and_then(|address| address.parse().ok());
            address.send_replace(listening);
        }
        Some(Alive { child, _stdin: stdin, _stdout: stdout })
    }

    fn spawn(&self) -> std::io::Result<Child> {
        let log = File::options().create(true).append(true).open(&self.log)?;
        let role = clap::ValueEnum::to_possible_value(&self.role);
        let stdout = if self.address.is_some() { Stdio::piped() } else { Stdio::null() };
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["soak", "role"]).args(role.as_ref().map(|role| role.get_name()));
        command.arg("--config").arg(&self.config);
        // What would override the site's files.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("MURMUR"))
        {
            command.env_remove(name);
        }
        command.stdin(Stdio::piped()).stdout(stdout).stderr(log).process_group(0).kill_on_drop(true).spawn()
    }
}

impl Alive {
    fn signal(&self, signal: Signal) {
        // A process that was waited for has no id any more, so no stranger is ever hit.
        if let Some(pid) = self.child.id().and_then(|pid| i32::try_from(pid).ok()) {
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }
}

/// Whether a process that nobody touched ended by a signal, or with the exit code of a panic.
fn is_crash(status: ExitStatus) -> bool {
    const PANIC: i32 = 101;
    status.code().is_none_or(|code| code == PANIC)
}

/// Resolves when the process ends.
async fn ended(alive: &mut Option<Alive>) -> Option<ExitStatus> {
    match alive {
        Some(alive) => alive.child.wait().await.ok(),
        None => std::future::pending().await,
    }
}
