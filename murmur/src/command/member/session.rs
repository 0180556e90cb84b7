//! A talk with the broker in the name of a peer, by its operator: what the list is, what is proposed, what is said to it.

use std::collections::VecDeque;
use std::fmt::{self, Write};
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use smc_core::charter::{Change, Charter, Open, Poll};
use smc_core::document::Signed;
use smc_core::introduction::{Introduction, Introductions};
use smc_core::name::{NodeName, SubjectName};
use smc_core::order::{self, Order, Reason, Verb};
use smc_core::result::VERSION;
use smc_core::time::Timestamp;
use smc_mqtt::clock::Clock;
use smc_mqtt::config::KeyFile;
use smc_mqtt::connection::{Happening, Incoming, Publisher, connect};
use smc_mqtt::discovery::locate;
use smc_mqtt::members::Members;
use smc_mqtt::settings::{BrokerAddress, ConnectionSettings, Login, Secret, Will};
use smc_mqtt::topic::{Topic, Topics};
use smc_peer::PeerConfig;
use tokio::time::{Instant, timeout_at};

use super::{MemberFailure, effective};

/// How long to wait for the broker.
const CONNECT: Duration = Duration::from_secs(10);
/// How long to listen for what is retained, once connected.
const LISTEN: Duration = Duration::from_millis(500);
/// How many messages of newcomers wait to be looked at; further ones are dropped.
const MAX_ASKS: usize = 64;

/// A change that was proposed.
#[derive(Debug, Clone)]
pub(crate) struct Proposed {
    /// Which list comes of it.
    pub(crate) revision: u64,
    /// From when on.
    pub(crate) effective: Timestamp,
    /// What an order about it names.
    pub(crate) subject: SubjectName,
    /// Whether enough peers have signed it.
    pub(crate) is_enacted: bool,
}

impl fmt::Display for Proposed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { revision, effective, subject, is_enacted } = self;
        if *is_enacted {
            return write!(f, "revision {revision} of the member list holds from {effective} on");
        }
        write!(
            f,
            "proposed as {subject}; it holds from {effective} on if enough peers sign it before: their operators consent with `murmur member consent`"
        )
    }
}

/// A connection under the id of the peer's owner.
pub(crate) struct Session {
    members: Members,
    poll: Poll,
    introductions: Introductions,
    secrets: KeyFile,
    topics: Topics,
    broker: BrokerAddress,
    clock: Clock,
    publisher: Publisher,
    incoming: Incoming,
    /// What newcomers said.
    asks: VecDeque<Bytes>,
}

impl Session {
    /// Connects, and takes in what is retained.
    ///
    /// # Errors
    /// If a file or the broker can't be used.
    pub(crate) async fn open(config: &Path) -> Result<Self, MemberFailure> {
        Self::connect(config, false).await
    }

    /// The same for a member that lets newcomers in; the broker takes its offer back if the connection ends.
    ///
    /// # Errors
    /// If a file or the broker can't be used.
    pub(crate) async fn open_to_newcomers(config: &Path) -> Result<Self, MemberFailure> {
        Self::connect(config, true).await
    }

    async fn connect(config: &Path, pairs: bool) -> Result<Self, MemberFailure> {
        let options = PeerConfig::load(config)?;
        let (secrets, broker, roster) = (options.secrets, options.broker, options.roster);
        let broker = locate(broker, options.tls.as_ref(), roster.site()).await?;
        let members = options.members.map(Members::detached);
        let Some(members) = members else { return Err(MemberFailure::NoSuchChange) };
        let topics = Topics::new(roster.site().clone());
        let password = Secret::from(secrets.password.reveal().to_owned());
        let offer = topics.spell(&Topic::PairOffer { member: secrets.node.clone() });
        let settings = ConnectionSettings {
            will: pairs.then(|| Will { topic: offer, payload: Bytes::new(), retain: true }),
            login: Some(Login { user: secrets.node.to_string(), password }),
            ..ConnectionSettings::new(broker.clone(), format!("{}.open", secrets.node))
        };
        let mut filters =
            vec![topics.spell(&Topic::Charter), topics.charters_proposed(), topics.introductions()];
        filters.extend(pairs.then(|| topics.spell(&Topic::PairAsk { member: secrets.node.clone() })));
        let (publisher, incoming) = connect(settings, filters);
        for (_, peer) in roster.peers() {
            publisher.look(topics.spell(&Topic::CharterProposed { peer: peer.name.clone() }));
        }
        let mut session = Self {
            members,
            poll: Poll::default(),
            introductions: Introductions::new(roster),
            secrets,
            topics,
            broker,
            clock: Clock::system(),
            publisher,
            incoming,
            asks: VecDeque::new(),
        };
        session.settle().await?;
        Ok(session)
    }

    pub(crate) fn members(&self) -> &Members {
        &self.members
    }

    pub(crate) fn broker(&self) -> &BrokerAddress {
        &self.broker
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The next charter, if none waits for signatures.
    ///
    /// # Errors
    /// If no peer would sign it.
    pub(crate) fn draft(&self, change: Change, lead: Duration) -> Result<Charter, MemberFailure> {
        self.expect_nothing_open()?;
        let effective = effective(self, lead);
        Ok(self.members.register().propose(change, effective, self.now())?)
    }

    /// Proposes a charter and waits a while until enough peers signed it; what came of it.
    ///
    /// # Errors
    /// If the broker is gone.
    pub(crate) async fn propose(
        &mut self,
        charter: Charter,
        wait: Duration,
    ) -> Result<Proposed, MemberFailure> {
        let (revision, effective, subject) = (charter.revision, charter.effective, charter.subject());
        let proposal = Signed::new(charter, &self.secrets.keys.signing);
        let json = serde_json::to_vec(&proposal).unwrap_or_default();
        self.publish(&Topic::CharterProposed { peer: self.secrets.node.clone() }, json, true)?;
        let is_signed = |session: &Self| session.members.register().revision() >= revision;
        let is_enacted = self.until(wait, is_signed).await?;
        Ok(Proposed { revision, effective, subject, is_enacted })
    }

    /// Gives the peer an order about an open change, and waits until its effect is seen.
    ///
    /// # Errors
    /// If there is no such change, or the broker is gone.
    pub(super) async fn order(
        &mut self,
        verb: Verb,
        subject: Option<SubjectName>,
        reason: Reason,
    ) -> Result<String, MemberFailure> {
        let me = self.secrets.node.clone();
        let mut open = self.open_changes();
        open.retain(|open| subject.as_ref().is_none_or(|subject| open.subject == *subject));
        open.retain(|open| !open.signers.contains(&me));
        let [Open { subject, charter, .. }] = open.as_slice() else {
            return Err(MemberFailure::NoSuchChange);
        };
        let order = Order {
            v: VERSION,
            site: charter.site.clone(),
            peer: me.clone(),
            order: verb,
            subject: subject.clone(),
            reason,
            issued: self.now(),
        };
        let json = order::sign(order, &self.secrets.keys.signing);
        self.publish(&Topic::Operator { peer: me.clone() }, json, true)?;
        let told = format!("{verb}: {}", json_of(&charter.change));
        if verb != Verb::Consent {
            return Ok(told);
        }
        let (revision, subject) = (charter.revision, subject.clone());
        let signed = |session: &Self| {
            let signed = |open: &Open| open.subject == subject && open.signers.contains(&me);
            session.members.register().revision() >= revision || session.open_changes().iter().any(signed)
        };
        let seen = self.until(CONNECT, signed).await?;
        Ok(if seen { told } else { format!("{told}\nthe peer has not signed yet; is it running?") })
    }

    /// Who takes part, and what is about to change.
    pub(super) fn describe(&self) -> String {
        let register = self.members.register();
        let mut text = format!(
            "revision {} of the member list of {}\n",
            register.revision_in_force(),
            register.document().site.name
        );
        let site = register.document();
        let names =
            |names: Vec<&NodeName>| names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(" ");
        let peers = names(site.peer.iter().map(|peer| &peer.name).collect());
        let agents = names(site.agent.iter().map(|agent| &agent.name).collect());
        let clients = names(site.client.iter().map(|client| &client.name).collect());
        // A string takes what is written to it.
        let _ = write!(text, "peers    {peers}\nagents   {agents}\nclients  {clients}\n");
        for Introduction { node, program, since, .. } in self.introductions.iter() {
            let _ = writeln!(text, "{node} runs {program} since {since}");
        }
        for enacted in register.pending() {
            let Charter { revision, effective, change, .. } = &enacted.charter;
            let _ = writeln!(text, "revision {revision} holds from {effective} on: {}", json_of(change));
        }
        for Open { charter, subject, signers, needed } in self.open_changes() {
            let signers = signers.iter().map(NodeName::as_str).collect::<Vec<_>>().join(" ");
            let _ = writeln!(
                text,
                "{subject}\n  waits, signed by {signers} of {needed} that it takes, until {}: {}",
                charter.effective,
                json_of(&charter.change)
            );
        }
        text
    }

    /// Waits for what newcomers say, for `most` at most.
    ///
    /// # Errors
    /// If the broker is gone.
    pub(crate) async fn next_ask(&mut self, most: Duration) -> Result<Option<Bytes>, MemberFailure> {
        self.until(most, |session| !session.asks.is_empty()).await?;
        Ok(self.asks.pop_front())
    }

    /// Whose session it is.
    pub(crate) fn node(&self) -> &NodeName {
        &self.secrets.node
    }

    /// A change that waits for signatures keeps others from being proposed.
    ///
    /// # Errors
    /// If there is one.
    pub(crate) fn expect_nothing_open(&self) -> Result<(), MemberFailure> {
        match self.open_changes().into_iter().next() {
            Some(open) => Err(MemberFailure::Open { subject: open.subject, lapses: open.charter.effective }),
            None => Ok(()),
        }
    }

    /// Says goodbye once the broker has taken what was said.
    pub(crate) async fn close(self) {
        self.publisher.close().await;
    }

    fn open_changes(&self) -> Vec<Open> {
        self.poll.open(self.members.register(), self.now())
    }

    /// # Errors
    /// If the broker is gone.
    pub(crate) fn publish(&self, topic: &Topic, json: Vec<u8>, retain: bool) -> Result<(), MemberFailure> {
        let published = self.publisher.publish(self.topics.spell(topic), json, retain);
        published.map_err(|error| MemberFailure::Unreachable(error.to_string()))
    }

    async fn settle(&mut self) -> Result<(), MemberFailure> {
        let deadline = Instant::now() + CONNECT;
        let mut reason = "no answer".to_owned();
        loop {
            match timeout_at(deadline, self.incoming.next()).await {
                Ok(Some(Happening::Connected)) => break,
                Ok(Some(Happening::Disconnected { reason: why })) => reason = why.to_string(),
                Ok(Some(Happening::Message { topic, payload, .. })) => self.take(&topic, &payload),
                Ok(Some(Happening::Refused { reason })) => {
                    return Err(MemberFailure::Unreachable(reason.to_string()));
                }
                Ok(None) | Err(_) => return Err(MemberFailure::Unreachable(reason)),
            }
        }
        self.until(LISTEN, |_| false).await?;
        if !self.publisher.finds_retained() {
            // What is asked for by name comes later.
            self.until(2 * LISTEN, |_| false).await?;
        }
        let now = self.now();
        // Said by whoever made it; here it matters what counts.
        let _ = self.poll.look_again(self.members.register(), now);
        Ok(())
    }

    /// Takes in what comes until `done`, for `most` at most; whether it was.
    async fn until(&mut self, most: Duration, done: impl Fn(&Self) -> bool) -> Result<bool, MemberFailure> {
        let deadline = Instant::now() + most;
        while !done(self) {
            match timeout_at(deadline, self.incoming.next()).await {
                Ok(Some(Happening::Message { topic, payload, .. })) => self.take(&topic, &payload),
                Ok(Some(_)) => {}
                Ok(None) => return Err(MemberFailure::Unreachable("the connection ended".to_owned())),
                Err(_) => return Ok(false),
            }
        }
        Ok(true)
    }

    /// What does not count is for the peers to complain about.
    fn take(&mut self, topic: &str, payload: &[u8]) {
        match self.topics.parse(topic) {
            Ok(Topic::Charter) => {
                let now = self.now();
                let _ = self.members.take(payload);
                if let Ok(Some(roster)) = self.members.advance(now) {
                    self.introductions = self.introductions.moved_to(roster);
                }
            }
            Ok(Topic::Introduction { node }) => {
                let now = self.now();
                let _ = self.introductions.take(now, &node, payload);
            }
            Ok(Topic::CharterProposed { peer }) => {
                let now = self.now();
                let _ = self.poll.take(self.members.register(), now, &peer, payload);
            }
            // Whoever drowns a newcomer's words in others can only keep it from joining.
            Ok(Topic::PairAsk { .. }) if self.asks.len() < MAX_ASKS => {
                self.asks.push_back(Bytes::copy_from_slice(payload));
            }
            _ => {}
        }
    }
}

fn json_of(change: &Change) -> String {
    serde_json::to_string(change).unwrap_or_default()
}
