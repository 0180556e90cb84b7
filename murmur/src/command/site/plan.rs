//! A site that is about to be made: its rules, and fresh keys and passwords for everybody.

use std::time::{Duration, SystemTime};

use broker::{Password, PasswordHash, PasswordHashError};
use rand_core::CryptoRng;
use smc_core::identity::NodeKeys;
use smc_core::name::{NodeName, QuantityName, SiteName};
use smc_core::roster::{Span, Tolerate};
use smc_core::time::Period;
use smc_mqtt::newcomer::password_for_node;
use smc_mqtt::settings::{BrokerAddress, Secret};

use super::authority::{Authority, Issued, names};
use super::password;

/// The login of people and programs that only look at results.
pub(super) const OBSERVER: &str = "observer";
/// The login of Home Assistant.
pub(super) const HOME_ASSISTANT: &str = "home-assistant";
/// The login of nodes that have none yet.
pub(super) const NEWCOMER: &str = "newcomer";
/// What no node may be called, since a file or a login of the site bears that name.
pub(super) const RESERVED: [&str; 5] = ["broker", HOME_ASSISTANT, NEWCOMER, OBSERVER, "site"];

/// What was asked for.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) broker: BrokerAddress,
    pub(super) minimum_cohort: u32,
    pub(super) name: SiteName,
    pub(super) period: Period,
    pub(super) quantities: Vec<QuantityName>,
    pub(super) threshold: u8,
    /// Whether the broker is to be reached by TLS alone.
    pub(super) tls: bool,
    pub(super) tolerate: Tolerate,
}

/// The certificates of a site with TLS, in PEM.
pub(super) struct Tls {
    pub(super) authority: String,
    pub(super) authority_key: Secret,
    pub(super) broker: Issued,
}

/// Who takes part.
#[derive(Debug)]
pub(super) struct Nodes {
    pub(super) peers: Vec<NodeName>,
    pub(super) agents: Vec<NodeName>,
    pub(super) clients: Vec<NodeName>,
}

/// A node with its secrets.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) name: NodeName,
    pub(super) keys: NodeKeys,
    pub(super) login: Login,
}

/// A password and the hash that the broker knows it by.
#[derive(Debug)]
pub(super) struct Login {
    pub(super) password: Secret,
    pub(super) hash: PasswordHash,
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlanError {
    /// A certificate can't be made.
    #[error("a certificate can't be made: {0}; can it be for the host of --broker?")]
    Certificate(#[from] rcgen::Error),
    /// A password can't be hashed.
    #[error(transparent)]
    Hash(#[from] PasswordHashError),
}

/// The site.
pub(super) struct Plan {
    pub(super) rules: Rules,
    pub(super) tls: Option<Tls>,
    pub(super) peers: Vec<Member>,
    pub(super) agents: Vec<Member>,
    pub(super) clients: Vec<Member>,
    pub(super) observer: Login,
    pub(super) home_assistant: Login,
    pub(super) newcomer: Login,
}

impl Plan {
    /// Draws keys and passwords for everybody.
    ///
    /// # Errors
    /// If a password can't be hashed or a certificate can't be made.
    pub(super) fn draw(rules: Rules, nodes: Nodes, rng: &mut impl CryptoRng) -> Result<Self, PlanError> {
        let tls = rules.tls.then(|| Tls::draw(&rules)).transpose()?;
        Ok(Self {
            rules,
            tls,
            peers: members(nodes.peers, rng)?,
            agents: members(nodes.agents, rng)?,
            clients: members(nodes.clients, rng)?,
            observer: Login::new(password::for_person(rng))?,
            home_assistant: Login::new(password::for_person(rng))?,
            // Nobody is told it: newcomers come without a login.
            newcomer: Login::new(password_for_node(rng))?,
        })
    }
}

impl Tls {
    fn draw(rules: &Rules) -> Result<Self, rcgen::Error> {
        let (now, authority) = (SystemTime::now(), Authority::draw(&rules.name)?);
        let broker = authority.issue(&names(&rules.name, rules.broker.host()), now)?;
        Ok(Self { authority: authority.certificate(now)?, authority_key: authority.key(), broker })
    }
}

impl Rules {
    /// The site's lengths of time besides the period.
    ///
    /// Two seconds are plenty for clocks and networks to differ by; short windows get a fifth of themselves, so that
    /// a window has its result before the next one closes.
    pub(super) fn grace(&self) -> Span {
        const LONG_ENOUGH: Duration = Duration::from_secs(2);
        let fifth = Duration::from_millis(self.period.as_millis() / 5);
        Span::new(fifth.min(LONG_ENOUGH))
    }

    /// The time between simulated readings: two per window, or one every five seconds.
    pub(super) fn interval(&self) -> Duration {
        let half = Duration::from_millis(self.period.as_millis() / 2);
        half.clamp(Duration::from_millis(100), Duration::from_secs(5))
    }

    /// How long a cohort stays frozen: an hour, or one window where that is longer.
    pub(super) fn cohort_epoch(&self) -> Span {
        Span::new(self.period.as_duration().max(Duration::from_secs(3600)))
    }

    /// How long a peer's sealing key lives: a day, or two cohort epochs where those are longer, since it must outlive
    /// the readings that may be carried.
    pub(super) fn key_epoch(&self) -> Span {
        Span::new((2 * self.cohort_epoch().get()).max(Duration::from_secs(24 * 3600)))
    }
}

impl Login {
    fn new(password: Secret) -> Result<Self, PasswordHashError> {
        let hash = PasswordHash::of_random_key(&Password::new(password.reveal().as_bytes()))?;
        Ok(Self { password, hash })
    }
}

fn members(names: Vec<NodeName>, rng: &mut impl CryptoRng) -> Result<Vec<Member>, PasswordHashError> {
    let member = |name| {
        let keys = NodeKeys::generate(rng);
        let login = Login::new(password_for_node(rng))?;
        Ok(Member { name, keys, login })
    };
    names.into_iter().map(member).collect()
}
