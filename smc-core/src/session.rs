//! Sessions: queries that peers compute window after window, of the site file or asked for at run time.
//!
//! A peer knows more sessions than it computes. What others compute counts, too, when results may not stand beside each
//! other (docs/protocol.md, 4.7): so it knows whatever any peer may have allowed.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::function::Query;
use crate::name::QueryName;
use crate::protocol::release::Atoms;
use crate::protocol::standing::Members;
use crate::request::Admissible;
use crate::roster::{AgentIndex, MAX_QUERIES, QuantityIndex, QueryIndex, Roster, RosterError, queries};
use crate::time::{Period, Timestamp, WindowIndex};

/// A query and when it is computed.
#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    query: Query,
    /// The agents that it covers, whatever they measure.
    scope: Members,
    period: Period,
    /// Every how many windows.
    every: u64,
    not_before: Timestamp,
    until: Timestamp,
    once: bool,
}

/// Why a site can't compute what is asked.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SessionError {
    /// It is not about windows of this quantity.
    #[error("`every` must be a multiple of {} ms, the period of this quantity", .period.as_millis())]
    Every {
        /// The quantity's period.
        period: Period,
    },
    /// Too few agents lie in its scope.
    #[error("its scope covers {agents} agents; at least {minimum} must be covered")]
    Few {
        /// How many do.
        agents: u32,
        /// The minimum cohort.
        minimum: u32,
    },
    /// Another query, of the site file or asked for, bears its name.
    #[error("another query is called `{name}`; choose another name")]
    NameTaken {
        /// The name.
        name: QueryName,
    },
    /// Beside what runs it would tell about too few agents.
    #[error(
        "its scope would single out {agents} agents beside what runs on the same quantity, fewer than the minimum cohort \
         of {minimum}; ask about the same agents, or about others"
    )]
    Overlap {
        /// How many.
        agents: u32,
        /// The minimum cohort.
        minimum: u32,
    },
    /// Function, quantity, scope, audience or parameters don't fit the site.
    #[error(transparent)]
    Site(#[from] RosterError),
    /// There are as many as there may be.
    #[error("{MAX_QUERIES} queries are known here, which is the limit; end one")]
    TooMany,
}

impl Session {
    /// A query of the site file: every window, for good.
    pub fn standing(roster: &Roster, query: QueryIndex) -> Self {
        let (query, scope) = (roster.query(query).clone(), roster.scope(query).clone());
        let period = roster.quantity(query.quantity).quantity.period();
        let (not_before, until) = (Timestamp::from_micros(0), Timestamp::from_micros(u64::MAX));
        Self { query, scope, period, every: 1, not_before, until, once: false }
    }

    /// A query that a client asks for, checked against the site.
    ///
    /// # Errors
    /// What does not fit, in words for the client.
    pub fn asked(roster: &Roster, asked: &Admissible) -> Result<Self, SessionError> {
        let request = &asked.request;
        if roster.query_named(&request.query.name).is_some() {
            return Err(SessionError::NameTaken { name: request.query.name.clone() });
        }
        let query = Query { digest: asked.digest, ..queries::read(roster, request.query.clone())? };
        let period = roster.quantity(query.quantity).quantity.period();
        let every = match request.every {
            None => 1,
            Some(span) => {
                let (span, period_micros) = (span.get().as_micros(), period.as_duration().as_micros());
                let whole = span >= period_micros && span.is_multiple_of(period_micros);
                let every = u64::try_from(span / period_micros).ok().filter(|_| whole);
                every.ok_or(SessionError::Every { period })?
            }
        };
        let scope = queries::scope(roster, &query);
        let session = Self {
            scope,
            period,
            every,
            not_before: request.not_before,
            until: request.until,
            once: request.once,
            query,
        };
        let (agents, minimum) = (session.agents(roster).len() as u32, session.query.minimum_cohort);
        if agents < minimum { Err(SessionError::Few { agents, minimum }) } else { Ok(session) }
    }

    /// What is computed.
    pub fn query(&self) -> &Query {
        &self.query
    }

    /// Every how many windows of its quantity.
    pub fn every(&self) -> u64 {
        self.every
    }

    /// Whether one value is enough.
    pub fn once(&self) -> bool {
        self.once
    }

    /// The first instant after all its windows.
    pub fn until(&self) -> Timestamp {
        self.until
    }

    /// Whether `window` is one of those that are computed. A pure function of the window: peers whose clocks differ agree.
    pub fn runs_in(&self, window: WindowIndex) -> bool {
        self.not_before <= self.period.start(window)
            && self.period.end(window) <= self.until
            && window.next().0.is_multiple_of(self.every)
    }

    /// Whether the scope covers `agent`.
    pub fn covers(&self, agent: AgentIndex) -> bool {
        self.scope.contains(agent.at())
    }

    /// Whether readings of `quantity` are needed.
    pub fn concerns(&self, quantity: QuantityIndex) -> bool {
        self.query.quantity == quantity || self.query.with == Some(quantity)
    }

    /// The agents that a result would cover if all of the site took part, ascending.
    pub fn agents(&self, roster: &Roster) -> Vec<AgentIndex> {
        queries::scoped_agents(roster, &self.query)
    }
}

/// The sessions that a peer knows, by name.
#[derive(Debug, Clone, Default)]
pub struct Sessions(BTreeMap<QueryName, Known>);

/// A session, and whether this peer computes it.
#[derive(Debug, Clone)]
pub struct Known {
    /// The session.
    pub session: Arc<Session>,
    /// Whether this peer computes it, or knows of it only because others may.
    pub computed: bool,
}

impl Known {
    /// Whether it needs readings of `quantity` in `window`.
    pub(crate) fn needs(&self, quantity: QuantityIndex, window: WindowIndex) -> bool {
        self.session.concerns(quantity) && self.session.runs_in(window)
    }
}

impl Sessions {
    /// All queries of the site file, computed.
    pub fn standing(roster: &Roster) -> Self {
        let known = |(index, query): (QueryIndex, &Query)| {
            let session = Arc::new(Session::standing(roster, index));
            (query.name.clone(), Known { session, computed: true })
        };
        Self(roster.queries().map(known).collect())
    }

    /// Knows `session` from now on, in the place of another one of the same name.
    ///
    /// # Errors
    /// If there are too many.
    pub fn insert(&mut self, session: Arc<Session>, computed: bool) -> Result<(), SessionError> {
        let name = session.query().name.clone();
        if !self.has_room_for(&name) {
            return Err(SessionError::TooMany);
        }
        self.0.insert(name, Known { session, computed });
        Ok(())
    }

    /// Whether a session of this name can be known.
    pub fn has_room_for(&self, name: &QueryName) -> bool {
        self.0.len() < MAX_QUERIES || self.0.contains_key(name)
    }

    /// Forgets a session; whether it was known.
    pub fn remove(&mut self, name: &QueryName) -> bool {
        self.0.remove(name).is_some()
    }

    /// One session.
    pub fn get(&self, name: &QueryName) -> Option<&Known> {
        self.0.get(name)
    }

    /// All sessions, in the order of names.
    pub fn iter(&self) -> impl Iterator<Item = &Known> {
        self.0.values()
    }

    /// Whether this peer computes anything on `quantity`.
    pub fn computes_on(&self, quantity: QuantityIndex) -> bool {
        self.iter().any(|known| known.computed && known.session.concerns(quantity))
    }

    /// Whether results of `session` could stand beside those of all that this peer computes on its quantity.
    ///
    /// # Errors
    /// How many agents would be singled out.
    pub fn admit(&self, roster: &Roster, session: &Session) -> Result<(), SessionError> {
        let quantity = session.query.quantity;
        let mut atoms = Atoms::new(roster.agents().len());
        let beside = |known: &&Known| {
            let other = known.session.query();
            known.computed && other.quantity == quantity && other.name != session.query.name
        };
        for known in self.iter().filter(beside) {
            let agents = known.session.agents(roster);
            // One that is too small by itself, or does not go with the others, is withheld window by window.
            let minimum = known.session.query.minimum_cohort;
            let _ = (agents.len() as u32 >= minimum).then(|| atoms.admit(&agents, minimum));
        }
        let minimum = session.query.minimum_cohort;
        atoms
            .admit(&session.agents(roster), minimum)
            .map_err(|agents| SessionError::Overlap { agents, minimum })
    }
}
