//! A whole site in one process: broker, peers and agents as they are, over real MQTT on a loopback port. For the
//! demonstration and for measurements.

mod cast;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use broker::{
    Account, Broker, BrokerConfig, BrokerError, Limits, Password, PasswordHash, Tap,
    roles::{Role, RoleError},
};
use sensor_agent::{AgentError, AgentOptions, Feed, Witness};
use smc_core::name::NodeName;
use smc_core::protocol::terms::Terms;
use smc_core::roster::{Roster, RosterError};
use smc_mqtt::clock::Clock;
use smc_mqtt::config::KeyFile;
use smc_mqtt::entropy::{self, NoEntropy};
use smc_mqtt::settings::{BrokerAddress, ConnectionSettings, Login, Secret};
use smc_mqtt::topic::Topics;
use smc_peer::{HeadEvery, Observed, PeerError, PeerOptions, PolicyOptions};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

pub(crate) use self::cast::{Cast, Script, numbered, site_name};

/// The login of whoever only looks on.
pub(crate) const OBSERVER: &str = "observer";

/// A site that runs.
pub(crate) struct Stage {
    roster: Arc<Roster>,
    broker: SocketAddr,
    /// What nodes that have not started yet will need.
    secrets: BTreeMap<NodeName, KeyFile>,
    /// What lets an observer in.
    password: Secret,
    nodes: JoinSet<Result<(), StageError>>,
    brokers: JoinSet<Result<(), StageError>>,
    act: watch::Sender<Act>,
}

/// What still runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Act {
    /// Everything.
    Playing,
    /// The broker, so that the nodes can take their leave.
    Leaving,
    /// Nothing.
    Over,
}

/// Why a site can't run here.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StageError {
    #[error("agent: {0}")]
    Agent(#[from] AgentError),
    #[error("broker: {0}")]
    Broker(#[from] BrokerError),
    #[error(transparent)]
    Entropy(#[from] NoEntropy),
    #[error("the broker's rules: {0}")]
    Rules(#[from] RoleError),
    #[error("a password could not be hashed: {0}")]
    Password(#[from] broker::PasswordHashError),
    #[error("peer: {0}")]
    Peer(#[from] PeerError),
    #[error("{0}")]
    Site(Box<RosterError>),
    #[error("a node's task panicked")]
    Task,
}

impl From<RosterError> for StageError {
    fn from(error: RosterError) -> Self {
        Self::Site(Box::new(error))
    }
}

/// Where the broker of a stage listens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Listen {
    /// The address asked for.
    pub(crate) address: SocketAddr,
    /// Whether any free port will do if that one is taken.
    pub(crate) or_free_port: bool,
}

impl Stage {
    /// Makes keys for everybody and starts the broker.
    pub(crate) async fn open(
        script: &Script,
        listen: Listen,
        limits: Limits,
        tap: Option<Tap>,
    ) -> Result<Self, StageError> {
        let Cast { roster, secrets, observer: password, .. } = script.cast(&mut entropy::rng()?)?;
        let (act, _) = watch::channel(Act::Playing);
        let accounts = accounts(&roster, &secrets, &password)?;
        let broker = bind(accounts, listen, limits, tap).await?;
        let mut stage = Self {
            roster,
            broker: broker.local_addr(),
            secrets,
            password,
            nodes: JoinSet::new(),
            brokers: JoinSet::new(),
            act,
        };
        let over = stage.until(Act::Over);
        stage.brokers.spawn(async move { Ok(broker.run(over).await?) });
        Ok(stage)
    }

    pub(crate) fn roster(&self) -> &Arc<Roster> {
        &self.roster
    }

    /// Where the broker listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.broker
    }

    /// How a client reaches the broker from here.
    pub(crate) fn broker(&self) -> BrokerAddress {
        let host = match self.broker.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => "127.0.0.1".to_owned(),
            IpAddr::V6(ip) if ip.is_unspecified() => "::1".to_owned(),
            ip => ip.to_string(),
        };
        // An IP address is always a host.
        BrokerAddress::new(&host, self.broker.port()).unwrap_or_else(|_| unreachable!())
    }

    /// How an observer connects.
    pub(crate) fn observer(&self) -> ConnectionSettings {
        observer(self.broker(), self.password.clone())
    }

    /// Starts all peers; `observer` is told what each of them decides.
    pub(crate) fn start_peers(&mut self, clock: &Clock, observer: &mpsc::Sender<Observed>) {
        let names: Vec<_> = self.roster.peers().map(|(_, node)| node.name.clone()).collect();
        for name in names {
            let Some(secrets) = self.secrets.remove(&name) else { continue };
            let options = PeerOptions {
                members: None,
                consent: smc_peer::Consent::Ask,
                roster: Arc::clone(&self.roster),
                secrets,
                broker: Some(self.broker()),
                tls: None,
                state_dir: None,
                run_dir: None,
                head_every: HeadEvery::default().get(),
                home_assistant: smc_peer::HomeAssistant::default(),
                homie: false,
                policy: PolicyOptions::default(),
                page: None,
                workers: smc_peer::Workers::default(),
            };
            let (clock, observer, ended) = (clock.clone(), observer.clone(), self.until(Act::Leaving));
            self.nodes.spawn(async move { Ok(smc_peer::run(options, clock, Some(observer), ended).await?) });
        }
    }

    /// Starts the agents that `feeds` names; `witness` is told in the clear what each of them shares.
    pub(crate) fn start_agents(
        &mut self,
        clock: &Clock,
        feeds: impl IntoIterator<Item = (NodeName, Feed)>,
        witness: &mpsc::Sender<Witness>,
    ) {
        for (name, feed) in feeds {
            let Some(secrets) = self.secrets.remove(&name) else { continue };
            let options = AgentOptions {
                members: None,
                roster: Arc::clone(&self.roster),
                secrets,
                broker: Some(self.broker()),
                tls: None,
                control: None,
                switches: None,
                display_name: None,
                terms: Terms::default(),
                maximum_age: None,
                rules: BTreeMap::new(),
                feed,
            };
            let (clock, witness, ended) = (clock.clone(), witness.clone(), self.until(Act::Leaving));
            self.nodes
                .spawn(async move { Ok(sensor_agent::run(options, clock, Some(witness), ended).await?) });
        }
    }

    /// Resolves when a node ends before it should: with its error, if it had one.
    pub(crate) async fn failed(&mut self) -> StageError {
        loop {
            let ended = tokio::select! {
                Some(ended) = self.nodes.join_next() => ended,
                Some(ended) = self.brokers.join_next() => ended,
                else => std::future::pending().await,
            };
            match ended {
                Ok(Err(error)) => return error,
                Err(_) => return StageError::Task,
                Ok(Ok(())) => {}
            }
        }
    }

    /// Ends all nodes tidily, and then the broker.
    ///
    /// # Errors
    /// The first error that a node ended with.
    pub(crate) async fn close(mut self) -> Result<(), StageError> {
        self.act.send_replace(Act::Leaving);
        let nodes = all_ended(&mut self.nodes).await;
        self.act.send_replace(Act::Over);
        nodes.and(all_ended(&mut self.brokers).await)
    }

    fn until(&self, act: Act) -> impl Future<Output = ()> + Send + use<> {
        let mut acts = self.act.subscribe();
        async move {
            // A stage that is dropped is over, too.
            let _ = acts.wait_for(|now| *now >= act).await;
        }
    }
}

/// How an observer connects.
pub(crate) fn observer(broker: BrokerAddress, password: Secret) -> ConnectionSettings {
    let login = Login { user: OBSERVER.to_owned(), password };
    ConnectionSettings { login: Some(login), ..ConnectionSettings::new(broker, OBSERVER) }
}

async fn all_ended(tasks: &mut JoinSet<Result<(), StageError>>) -> Result<(), StageError> {
    let mut outcome = Ok(());
    while let Some(task) = tasks.join_next().await {
        let ended = task.map_err(|_| StageError::Task).and_then(|ended| ended);
        outcome = outcome.and(ended);
    }
    outcome
}

async fn bind(
    accounts: Vec<Account>,
    listen: Listen,
    limits: Limits,
    tap: Option<Tap>,
) -> Result<Broker, StageError> {
    let loopback = listen.address.ip().is_loopback();
    let config = |address| BrokerConfig {
        listen: Some(address),
        tls: None,
        websocket: None,
        state_dir: None,
        limits: limits.clone(),
        accounts: accounts.clone(),
        // On this machine anybody may look on, so that mosquitto_sub works without a login.
        anonymous: loopback.then(|| OBSERVER.to_owned()),
        tap: tap.clone(),
        members: None,
        announce: None,
        file: None,
    };
    match Broker::bind(config(listen.address)).await {
        Err(BrokerError::Listen { .. }) if listen.or_free_port => {
            Ok(Broker::bind(config(SocketAddr::new(listen.address.ip(), 0))).await?)
        }
        bound => Ok(bound?),
    }
}

/// A login for every node, and one for onlookers.
pub(crate) fn accounts(
    roster: &Roster,
    secrets: &BTreeMap<NodeName, KeyFile>,
    observer: &Secret,
) -> Result<Vec<Account>, StageError> {
    Ok(logins(roster, secrets, observer)?.into_iter().map(|(account, _)| account).collect())
}

/// The same, with everybody's passwords.
pub(crate) fn logins(
    roster: &Roster,
    secrets: &BTreeMap<NodeName, KeyFile>,
    observer: &Secret,
) -> Result<Vec<(Account, Secret)>, StageError> {
    let topics = Topics::new(roster.site().clone());
    let mut logins = Vec::with_capacity(secrets.len() + 1);
    let login = |name: &str, role: Role, password: &Secret| -> Result<(Account, Secret), StageError> {
        let account = Account {
            name: name.to_owned(),
            password: PasswordHash::of_random_key(&Password::new(password.reveal().as_bytes()))?,
            shared: role.is_shared(),
            rules: role.rules(&topics, name)?,
        };
        Ok((account, password.clone()))
    };
    for (name, secret) in secrets {
        let role = match name {
            name if roster.peer_named(name.as_str()).is_some() => Role::Peer,
            name if roster.client(name).is_some() => Role::Client,
            _ => Role::Agent,
        };
        logins.push(login(name.as_str(), role, &secret.password)?);
    }
    logins.push(login(OBSERVER, Role::Reader, observer)?);
    Ok(logins)
}
