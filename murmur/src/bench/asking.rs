//! A site whose clients ask while it runs, every role a process of its own: what measurements of that have in common.

use std::time::Duration;

use smc_core::name::{NameError, NodeName, QueryName};
use smc_core::request::{Decision, Request, Verdict};
use smc_core::roster::Span;
use smc_core::roster::document::QueryTable;
use smc_mqtt::client::{Access, Client, Notice};
use smc_mqtt::clock::Clock;
use smc_mqtt::config::KeyFile;
use smc_mqtt::entropy;
use smc_peer::PolicyOptions;
use smc_policy::{Budgets, PolicySettings};
use tempfile::TempDir;
use tokio::time::timeout;

use super::child::{Child, ChildError};
use super::lookout::Lookout;
use super::role::{Role, address};
use super::setup::{MEASURED, Setup, fresh_seed};
use super::{BenchError, LIMIT};

/// How many requests each client makes: peers take so many at once from one, and then a few per second.
pub(super) const PER_CLIENT: usize = 40;
/// Everybody may ask for everything.
const POLICY: &str = "@id(\"everything\")\npermit (principal, action, resource);\n";
const POLICY_FILE: &str = "policy.cedar";
const AGENTS: usize = 6;
const PEERS: u8 = 3;

/// The site, with its broker.
pub(super) struct Site {
    pub(super) setup: Setup,
    pub(super) peers: Vec<Child>,
    broker: Child,
    agents: Option<Child>,
    _folder: TempDir,
}

/// What a peer's policy says in such a site: yes; without clients there is nothing to decide.
pub(super) fn policy(setup: &Setup) -> PolicyOptions {
    let Some(folder) = setup.state_dir.as_ref().filter(|_| setup.clients > 0) else {
        return PolicyOptions::default();
    };
    let settings = PolicySettings { file: Some(folder.join(POLICY_FILE)), ..PolicySettings::default() };
    let budgets = Budgets {
        queries_per_client_and_day: u16::MAX,
        running: u32::MAX,
        running_per_client: u32::MAX,
        ..Budgets::default()
    };
    PolicyOptions { settings, budgets }
}

impl Site {
    /// The broker alone, of a site for so many requests.
    pub(super) async fn open(requests: usize, period: Span) -> Result<Self, BenchError> {
        let folder = tempfile::tempdir().map_err(BenchError::Folder)?;
        std::fs::write(folder.path().join(POLICY_FILE), POLICY).map_err(BenchError::Folder)?;
        let mut setup = Setup {
            agents: AGENTS,
            peers: PEERS,
            period,
            grace: Span::new(Duration::from_millis(200)),
            clients: requests.div_ceil(PER_CLIENT) + 1,
            seed: fresh_seed(&mut entropy::rng()?),
            state_dir: Some(folder.path().to_owned()),
            ..Setup::default()
        };
        let mut broker = Child::start(Role::Broker, &setup).await?;
        setup.broker = Some(broker.ready().await?.parse().map_err(|_| ChildError::Garbled)?);
        Ok(Self { setup, peers: Vec::new(), broker, agents: None, _folder: folder })
    }

    /// Agents and peers as well, connected.
    pub(super) async fn start(&mut self) -> Result<(), BenchError> {
        let mut lookout = Lookout::new(&self.setup)?;
        let mut agents = Child::start(Role::Agents, &self.setup).await?;
        agents.ready().await?;
        self.agents = Some(agents);
        for (peer, _) in self.setup.cast()?.roster.peers() {
            let mut child = Child::start(Role::Peer(peer), &self.setup).await?;
            child.ready().await?;
            self.peers.push(child);
        }
        lookout.wait_for(AGENTS + usize::from(PEERS)).await
    }

    /// The client that makes the request with this number.
    pub(super) fn access(&self, request: usize) -> Result<Access, BenchError> {
        let mut cast = self.setup.cast()?;
        let name: NodeName = named(format!("client-{}", request / PER_CLIENT + 1).parse())?;
        let missing = || BenchError::Setup("no such client".to_owned());
        let secrets: KeyFile = cast.secrets.remove(&name).ok_or_else(missing)?;
        Access::new(cast.document, secrets).map_err(|error| BenchError::Setup(error.to_string()))
    }

    /// The same, connected.
    pub(super) async fn client(&self, request: usize) -> Result<Client, BenchError> {
        let mut client = Client::connect(self.access(request)?, address(&self.setup)?)?;
        let connected = async {
            while let Some(notice) = client.next().await {
                if matches!(notice, Notice::Connected) {
                    return Ok(());
                }
            }
            Err(BenchError::Start { have: 0, need: 1 })
        };
        timeout(LIMIT, connected).await.unwrap_or(Err(BenchError::Start { have: 0, need: 1 }))?;
        Ok(client)
    }

    pub(super) async fn close(mut self) -> Result<(), BenchError> {
        for child in self.peers.iter_mut().chain(&mut self.agents) {
            child.stop().await?;
        }
        Ok(self.broker.stop().await?)
    }
}

/// What the request with this number asks for: the mean of all agents' readings, for an hour.
pub(super) fn request(access: &Access, number: usize) -> Result<Request, BenchError> {
    let query = QueryTable::new(query(number)?, "mean", named(MEASURED.parse())?);
    let now = Clock::system().now();
    Ok(Request {
        v: smc_core::result::VERSION,
        site: access.roster().site().clone(),
        client: access.node().clone(),
        query: QueryTable { purpose: "a measurement".to_owned(), ..query },
        every: None,
        not_before: now,
        until: now + Duration::from_secs(3_600),
        once: false,
    })
}

pub(super) fn query(number: usize) -> Result<QueryName, BenchError> {
    named(format!("asked-{number}").parse())
}

/// The next peer's decision about a request, which has to be a yes.
pub(super) async fn allowed(client: &mut Client, query: &QueryName) -> Result<(), BenchError> {
    let decision = timeout(LIMIT, client.next_decision(query)).await.ok().flatten();
    let Decision { verdict, peer, reason, .. } = decision.ok_or(BenchError::Stalled(LIMIT))?;
    let query = query.clone();
    if verdict == Verdict::Allowed {
        Ok(())
    } else {
        Err(BenchError::Denied { query, verdict, peer, reason })
    }
}

fn named<T>(name: Result<T, NameError>) -> Result<T, BenchError> {
    name.map_err(|error| BenchError::Setup(error.to_string()))
}
