//! `murmur bench footprint`: what the programs of a site hold, how soon they are ready, and what a peer writes to its disk.

mod node;
mod report;
mod written;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use smc_core::name::SiteName;
use smc_core::result::{SignedResult, Status};
use smc_core::roster::Span;
use smc_core::time::WindowIndex;
use smc_mqtt::connection::{Happening, Incoming, Publisher, connect};
use smc_mqtt::process;
use smc_mqtt::settings::{BrokerAddress, Secret};
use smc_mqtt::status::{self, Presence};
use smc_mqtt::topic::{Topic, Topics};
use tokio::time::timeout;

use self::node::Node;
pub(crate) use self::report::Report;
use self::report::{Flash, Role};
use self::written::Written;
use super::figures::Machine;
use super::{BenchError, LIMIT};
use crate::command::site;
use crate::stage::observer;

const SITE: &str = "footprint";
const PEERS: u32 = 3;
/// The peer whose writes are counted.
const WATCHED: u32 = 1;
/// Windows that are not counted: in the first, everybody makes everybody's keys and the cohort is chosen.
const WARM_UP: u32 = 2;
/// Windows between two heads of a peer's log: as many as there are of a minute in the five minutes that peers take.
const WINDOWS_PER_HEAD: u32 = 5;

/// What is measured.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) agents: u32,
    pub(crate) period: Span,
    pub(crate) windows: u32,
    /// Where the watched peer keeps its state; with the rest of the site if left out.
    pub(crate) state: Option<PathBuf>,
    /// Where the peers keep what need not outlive the machine; with their state if left out.
    pub(crate) run: Option<PathBuf>,
}

/// Measures. Says what it does on standard error.
pub(crate) async fn footprint(options: Options) -> Result<Report, BenchError> {
    tokio::select! {
        report = measure(options) => report,
        () = process::asked_to_end() => Err(BenchError::Interrupted),
    }
}

async fn measure(options: Options) -> Result<Report, BenchError> {
    let folder = tempfile::tempdir().map_err(BenchError::Folder)?;
    make_site(folder.path(), &options)?;
    let own = options.state.as_deref().map(tempfile::tempdir_in).transpose().map_err(BenchError::Folder)?;
    let state = own.as_ref().map_or_else(|| folder.path().join("state/peer-1"), |own| own.path().to_owned());
    let mut broker = Node::of(folder.path(), "smc-broker", "broker");
    broker.set("MURMUR_LISTEN", "127.0.0.1:0");
    let address = broker.start_listening().await?;
    let mut lookout = Lookout::new(folder.path(), &address)?;
    eprintln!("starting {} agents and {PEERS} peers, one after the other", options.agents);
    let mut agents = Vec::new();
    for number in 1..=options.agents {
        let mut agent = Node::of(folder.path(), "sensor-agent", &format!("room-{number}"));
        lookout.start(&mut agent, &address).await?;
        agents.push(agent);
    }
    let mut peers = Vec::new();
    for number in 1..=PEERS {
        let mut peer = peer(folder.path(), number, &options);
        if number == WATCHED {
            peer.set("MURMUR_STATE_DIR", &state.display().to_string());
        }
        lookout.start(&mut peer, &address).await?;
        peers.push(peer);
    }
    let patience = LIMIT + options.period.get() * (options.windows + 2 * WARM_UP + 2);
    lookout.values(WARM_UP, patience).await?;
    let before = Written::of(&peers, &state)?;
    lookout.values(options.windows, patience).await?;
    let flash = Flash::of(Written::of(&peers, &state)?.since(&before), &options);
    let roles = vec![Role::of("broker", &[broker]), Role::of("peer", &peers), Role::of("agent", &agents)];
    Ok(Report { machine: Machine::here(), told: (&options).into(), roles, flash })
}

/// A site as its owner would make it: one quantity, the usual three queries.
fn make_site(folder: &Path, options: &Options) -> Result<(), BenchError> {
    let (agents, period) = (options.agents.to_string(), options.period.to_string());
    let (name, peers) = (SITE.to_owned(), PEERS.to_string());
    let flags = ["--name", &name, "--peers", &peers, "--agents", &agents, "--period", &period];
    site::init(folder, &flags).map_err(BenchError::Footprint)
}

fn peer(folder: &Path, number: u32, options: &Options) -> Node {
    let name = format!("peer-{number}");
    let mut peer = Node::of(folder, "smc-peer", &name);
    let head_every = (options.period.get() * WINDOWS_PER_HEAD)
        .clamp(Duration::from_secs(1), smc_peer::HeadEvery::default().get());
    peer.set("MURMUR_AUDIT__HEAD_EVERY", &Span::new(head_every).to_string());
    if let Some(run) = &options.run {
        peer.set("MURMUR_RUN_DIR", &run.join(&name).display().to_string());
    }
    peer
}

/// Sees statuses and results as any reader may.
struct Lookout {
    topics: Topics,
    /// The connection lives as long as this does.
    _publisher: Publisher,
    incoming: Incoming,
}

impl Lookout {
    fn new(folder: &Path, address: &BrokerAddress) -> Result<Self, BenchError> {
        let site: SiteName = SITE.parse().map_err(|_| BenchError::Footprint("no such name".to_owned()))?;
        let password = std::fs::read_to_string(folder.join("keys/observer.password"));
        let password = Secret::from(password.map_err(BenchError::Folder)?.trim().to_owned());
        let topics = Topics::new(site);
        let settings = observer(address.clone(), password);
        let (publisher, incoming) = connect(settings, vec![topics.results(), topics.statuses()]);
        Ok(Self { topics, _publisher: publisher, incoming })
    }

    /// Starts a node and waits until it says that it is there.
    async fn start(&mut self, node: &mut Node, address: &BrokerAddress) -> Result<(), BenchError> {
        node.set("MURMUR_BROKER", &format!("mqtt://{address}"));
        let began = Instant::now();
        node.start()?;
        let there = async {
            loop {
                if let (Topic::Status { node: who }, payload) = self.next().await?
                    && who.as_str() == node.name()
                    && status::presence(&payload) == Some(Presence::Online)
                {
                    return Ok::<_, BenchError>(began.elapsed());
                }
            }
        };
        node.ready = timeout(LIMIT, there).await.map_err(|_| BenchError::Stalled(LIMIT))??;
        Ok(())
    }

    /// Waits for so many windows with values.
    async fn values(&mut self, windows: u32, patience: Duration) -> Result<(), BenchError> {
        let all = async {
            let mut seen = BTreeSet::<WindowIndex>::new();
            while seen.len() < windows as usize {
                let (Topic::Result { .. }, payload) = self.next().await? else { continue };
                let Ok(SignedResult { result, .. }) = serde_json::from_slice(&payload) else { continue };
                if result.status == Status::Ok && seen.insert(result.window.index) {
                    eprintln!("a value for window {}, from {} agents", result.window.start, result.cohort);
                }
            }
            Ok::<_, BenchError>(())
        };
        timeout(patience, all).await.map_err(|_| BenchError::Stalled(patience))?
    }

    async fn next(&mut self) -> Result<(Topic, bytes::Bytes), BenchError> {
        loop {
            match self.incoming.next().await {
                Some(Happening::Message { topic, payload, .. }) => {
                    if let Ok(topic) = self.topics.parse(&topic) {
                        return Ok((topic, payload));
                    }
                }
                Some(_) => {}
                None => return Err(BenchError::Interrupted),
            }
        }
    }
}
