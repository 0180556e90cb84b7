//! What the page shows: one moment of the peer, as plain data that nobody changes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use smc_core::name::{NodeName, QuantityName, QueryName, SiteName};
use smc_core::request::Decision;
use smc_core::result::Status;
use smc_core::time::Timestamp;

/// Everything that is to be seen at one moment.
#[derive(Debug, Clone)]
pub struct View {
    /// The site.
    pub site: SiteName,
    /// Whose page it is.
    pub peer: NodeName,
    /// When this was so.
    pub at: Timestamp,
    /// What an operator should know of first, such as a full disk: one sentence each.
    pub notices: Vec<String>,
    /// Requests that wait for the operator, the oldest first.
    pub waiting: Vec<Waiting>,
    /// What is computed, by name.
    pub sessions: Vec<Session>,
    /// What this peer decided, the newest first.
    pub decisions: Arc<Vec<Decision>>,
    /// Who takes part.
    pub members: Vec<Member>,
    /// Whether what the peers signed for their logs goes together, as this peer saw it.
    pub logs: Vec<Log>,
}

/// What is asked, by whom and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The query's name.
    pub query: QueryName,
    /// Who asks; the site file itself if nobody.
    pub client: Option<NodeName>,
    /// The function.
    pub function: String,
    /// The quantity, and the second one of functions of two.
    pub quantities: Vec<QuantityName>,
    /// Which agents: all labels must match.
    pub scope: BTreeMap<String, String>,
    /// The time from one result to the next.
    pub period: Duration,
    /// The fewest agents that a result may cover.
    pub minimum_cohort: u32,
    /// Why, in the client's words.
    pub purpose: String,
    /// For whose eyes alone; everybody's if none.
    pub audience: Option<NodeName>,
    /// Until when; for as long as the site file says so if none.
    pub until: Option<Timestamp>,
}

/// A request that waits for the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// What is asked.
    pub subject: Subject,
    /// Since when.
    pub since: Timestamp,
    /// Why it waits: the words of the rule that says so.
    pub reason: String,
}

/// Something that is computed window after window.
#[derive(Debug, Clone)]
pub struct Session {
    /// What, for whom and why.
    pub subject: Subject,
    /// How it stands at this peer.
    pub state: State,
    /// The last windows, the oldest first.
    pub windows: Arc<Vec<Window>>,
}

/// How a session stands at this peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Interrupted by the operator.
    Paused {
        /// Why.
        reason: String,
    },
    /// Computed.
    Running,
}

/// What became of one window.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    /// Its first instant, RFC 3339.
    pub start: String,
    /// Whether there is a value.
    pub status: Status,
    /// The value for people, if everybody may see it.
    pub value: Option<String>,
    /// The value for the plot, if it is a number.
    pub number: Option<f64>,
    /// How many agents it covers.
    pub cohort: u32,
    /// How many of the readings are older ones of silent agents.
    pub carried: u32,
    /// Whether redundant shares confirmed it.
    pub verified: bool,
    /// Why there is no value.
    pub reason: Option<String>,
}

/// Somebody who takes part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The name.
    pub name: NodeName,
    /// What it does.
    pub role: Role,
    /// How it fares, as far as this peer can see.
    pub health: Health,
}

/// What a member does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Computes.
    Peer,
    /// Measures.
    Agent,
}

/// How a member fares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// Nothing is heard of it.
    Gone,
    /// All is well.
    Good,
    /// Its last readings stand in for it.
    Silent,
    /// It answers late.
    Slow,
    /// Nothing is known yet.
    Unknown,
}

/// A peer's log, as far as this peer can see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// Whose.
    pub peer: NodeName,
    /// What its heads come to.
    pub story: Story,
}

/// What a peer's heads come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Story {
    /// Each goes on from the one before.
    One {
        /// How many entries the newest one vouches for.
        size: u64,
        /// When it was signed.
        at: Timestamp,
    },
    /// Two contradict each other.
    Two,
    /// None was seen.
    Unheard,
}

impl View {
    /// What there is to be seen before anything has happened.
    pub fn empty(site: SiteName, peer: NodeName, at: Timestamp) -> Self {
        Self {
            site,
            peer,
            at,
            notices: Vec::new(),
            waiting: Vec::new(),
            sessions: Vec::new(),
            decisions: Arc::default(),
            members: Vec::new(),
            logs: Vec::new(),
        }
    }
}
