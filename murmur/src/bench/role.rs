//! What a process of the measurement does: one role, until its standard input closes.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use broker::{Broker, BrokerConfig, ClientCertificates, Limits, TlsListener};
use sensor_agent::source::{Happened, Observation, Reading};
use sensor_agent::{AgentOptions, Feed};
use smc_core::name::{QuantityName, StreamName};
use smc_core::protocol::terms::Terms;
use smc_core::shamir::PeerIndex;
use smc_mqtt::clock::Clock;
use smc_mqtt::settings::BrokerAddress;
use smc_mqtt::tls::Tls;
use smc_mqtt::traffic::Traffic;
use smc_peer::{HeadEvery, PeerOptions};
use tokio::io::{AsyncBufReadExt, BufReader, stdin};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::said::{Look, Said, say};
use super::setup::Setup;
use super::{BenchError, asking, heap, lookout, plain, timeline};
use crate::stage::{Cast, accounts};

/// What a process plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Role {
    /// All agents.
    Agents,
    /// The broker.
    Broker,
    /// Who looks on.
    Lookout,
    /// One peer.
    Peer(PeerIndex),
    /// All publishers of plain readings.
    Publishers,
    /// One subscriber that computes a plain mean.
    Subscriber(PeerIndex),
}

/// No role of a measurement.
#[derive(Debug, thiserror::Error)]
#[error("not a role")]
pub(crate) struct NoRole;

impl FromStr for Role {
    type Err = NoRole;
    fn from_str(text: &str) -> Result<Self, NoRole> {
        let index = |number: &str| number.parse().ok().and_then(|n| PeerIndex::new(n).ok()).ok_or(NoRole);
        match text.split_once('-') {
            None if text == "agents" => Ok(Self::Agents),
            None if text == "broker" => Ok(Self::Broker),
            None if text == "lookout" => Ok(Self::Lookout),
            None if text == "publishers" => Ok(Self::Publishers),
            Some(("peer", number)) => index(number).map(Self::Peer),
            Some(("subscriber", number)) => index(number).map(Self::Subscriber),
            _ => Err(NoRole),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agents => f.write_str("agents"),
            Self::Broker => f.write_str("broker"),
            Self::Lookout => f.write_str("lookout"),
            Self::Peer(peer) => write!(f, "peer-{peer}"),
            Self::Publishers => f.write_str("publishers"),
            Self::Subscriber(peer) => write!(f, "subscriber-{peer}"),
        }
    }
}

/// Plays `role` as the setup on standard input says.
pub(crate) async fn play(role: Role) -> Result<(), BenchError> {
    let mut lines = BufReader::new(stdin()).lines();
    let told = lines.next_line().await.ok().flatten().unwrap_or_default();
    let setup: Setup = serde_json::from_str(&told).map_err(|error| BenchError::Setup(error.to_string()))?;
    let cast = setup.cast()?;
    let (end, ended) = watch::channel(false);
    tokio::spawn(async move {
        // A line asks to look; the other end closes when the measurement is over, or dies.
        while let Ok(Some(_)) = lines.next_line().await {
            say(&Said::Look(Look { traffic: Traffic::of_this_process(), heap: heap::used() }));
        }
        end.send_replace(true);
    });
    let over = Over(ended);
    match role {
        Role::Agents => agents(&setup, cast, &over).await,
        Role::Broker => serve(&setup, &cast, &over).await,
        Role::Lookout => lookout::look(&setup, &over).await,
        Role::Peer(peer) => compute(&setup, cast, peer, &over).await,
        Role::Publishers => plain::publish(&setup, cast, &over).await,
        Role::Subscriber(peer) => plain::subscribe(&setup, cast, peer, &over).await,
    }
}

/// Tells when the measurement is over.
#[derive(Debug, Clone)]
pub(crate) struct Over(watch::Receiver<bool>);

impl Over {
    pub(crate) fn wait(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut over = self.0.clone();
        async move {
            let _ = over.wait_for(|over| *over).await;
        }
    }
}

/// Tells the measuring process that this one is ready.
pub(crate) fn ready(what: &str) {
    println!("{what}");
}

/// Where the broker of the measurement is.
pub(crate) fn address(setup: &Setup) -> Result<BrokerAddress, BenchError> {
    let unknown = || BenchError::Setup("no broker".to_owned());
    let address = setup.broker.ok_or_else(unknown)?;
    let address = BrokerAddress::new(&address.ip().to_string(), address.port()).map_err(|_| unknown())?;
    Ok(match &setup.tls {
        Some(tls) => address.with_tls().trusting(Tls::of_authority(&tls.ca)),
        None => address,
    })
}

async fn serve(setup: &Setup, cast: &Cast, over: &Over) -> Result<(), BenchError> {
    let tls = setup.tls.as_ref().map(|tls| TlsListener {
        listen: setup.listen,
        certificate: tls.certificate.clone(),
        key: tls.key.clone(),
        client_ca: None,
        client_certificates: ClientCertificates::Off,
        certificate_logs_in: false,
    });
    let config = BrokerConfig {
        listen: tls.is_none().then_some(setup.listen),
        tls,
        websocket: None,
        state_dir: None,
        limits: Limits::default(),
        accounts: accounts(&cast.roster, &cast.secrets, &cast.observer)?,
        anonymous: None,
        tap: None,
        members: None,
        announce: None,
        file: None,
    };
    let broker = Broker::bind(config).await.map_err(crate::stage::StageError::from)?;
    ready(&broker.local_addr().to_string());
    Ok(broker.run(over.wait()).await.map_err(crate::stage::StageError::from)?)
}

async fn compute(setup: &Setup, mut cast: Cast, peer: PeerIndex, over: &Over) -> Result<(), BenchError> {
    let missing = || BenchError::Setup("no such peer".to_owned());
    let name = cast.roster.peer(peer).ok_or_else(missing)?.name.clone();
    let options = PeerOptions {
        members: None,
        consent: smc_peer::Consent::Ask,
        secrets: cast.secrets.remove(&name).ok_or_else(missing)?,
        roster: cast.roster,
        broker: Some(address(setup)?),
        tls: None,
        state_dir: setup.state_dir.as_ref().map(|folder| folder.join(name.as_str())),
        run_dir: None,
        head_every: HeadEvery::default().get(),
        homie: false,
        home_assistant: smc_peer::HomeAssistant { discovery: false, ..Default::default() },
        policy: asking::policy(setup),
        page: None,
        workers: smc_peer::Workers::default(),
    };
    let observer = setup.observed.then(timeline::of_peer);
    ready("peer");
    let ran = smc_peer::run(options, Clock::system(), observer, over.wait()).await;
    Ok(ran.map_err(crate::stage::StageError::from)?)
}

/// All agents with constant readings: what is measured is the way of a reading, not its source.
async fn agents(setup: &Setup, mut cast: Cast, over: &Over) -> Result<(), BenchError> {
    let broker = address(setup)?;
    let clock = Clock::system();
    let witness = setup.observed.then(|| timeline::of_agents(clock.clone()));
    let streams = setup.agent_streams().map_err(|error| BenchError::Setup(error.to_string()))?;
    let mut tasks = JoinSet::new();
    for (place, agent) in cast.roster.agents().iter().enumerate() {
        let Some(secrets) = cast.secrets.remove(&agent.node.name) else { continue };
        let (sender, feed) = mpsc::channel(streams.len().max(1));
        fill(&sender, setup, &streams, &clock, place);
        let options = AgentOptions {
            members: None,
            roster: Arc::clone(&cast.roster),
            secrets,
            broker: Some(broker.clone()),
            tls: None,
            control: None,
            switches: None,
            display_name: None,
            terms: Terms::default(),
            maximum_age: Some(Duration::from_secs(86_400)),
            rules: BTreeMap::new(),
            feed: Feed::Channel(feed),
        };
        let (clock, witness, ended) = (clock.clone(), witness.clone(), over.wait());
        tasks.spawn(async move { (sensor_agent::run(options, clock, witness, ended).await, sender) });
    }
    ready("agents");
    while let Some(ended) = tasks.join_next().await {
        let (ran, _) = ended.map_err(|_| crate::stage::StageError::Task)?;
        ran.map_err(crate::stage::StageError::from)?;
    }
    Ok(())
}

/// One reading per stream, there from the start.
fn fill(
    sender: &mpsc::Sender<Happened>,
    setup: &Setup,
    streams: &[(StreamName, QuantityName)],
    clock: &Clock,
    place: usize,
) {
    for (number, (stream, _)) in (1..).zip(streams) {
        let one = |element: usize| f64::from(reading(place, number + element) & setup.greatest());
        let value = match setup.elements {
            1 => Reading::new(one(0)),
            many => Reading::vector((0..many as usize).map(|element| Ok(one(element)))).ok(),
        };
        let (stream, Some(value)) = (stream.clone(), value) else { continue };
        // The channel has room for exactly these.
        let _ = sender.try_send(Happened::Observed(Observation { stream, at: clock.now(), value }));
    }
}

/// Something of 32 bits, the lower 16 of which are spread evenly.
pub(crate) fn reading(agent: usize, stream: usize) -> u32 {
    let low = (agent * 40_503 + stream * 17_011) % 65_536;
    let high = (agent * 25_717 + stream * 9_241) % 65_536;
    (high << 16 | low) as u32
}
