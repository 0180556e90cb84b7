//! An agent's state machine with its surroundings: cards, sealing, outbox.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rand_chacha::ChaCha20Rng;
use smc_core::agent::{Agent, Dealt, Event};
use smc_core::card::Recipients;
use smc_core::control::Controls;
use smc_core::envelope::Binding;
use smc_core::identity::{NodeKeys, SealingSecret};
use smc_core::introduction::{self, IntroducedRole};
use smc_core::name::{NodeName, StreamName};
use smc_core::protocol::input::plaintext_len;
use smc_core::protocol::terms::Terms;
use smc_core::roster::{AgentIndex, Roster};
use smc_core::time::Timestamp;
use smc_mqtt::clock::Clock;
use smc_mqtt::config::KeyFile;
use smc_mqtt::connection::Publisher;
use smc_mqtt::entropy;
use smc_mqtt::outbox::Outbox;
use smc_mqtt::process::thread_cpu;
use smc_mqtt::status::{self, Report};
use smc_mqtt::tally::Tally;
use smc_mqtt::topic::{Topic, Topics};
use tokio::sync::mpsc;
use tracing::{info, warn};

use super::moving::Moving;
use super::{AgentError, Effort, Witness};
use crate::control::Control;
use crate::screen::Screens;
use crate::switches::Switch;

/// How many bytes of shares are kept for a broker that restarts, at least and at most: where vectors are shared, as
/// many as one window has, so that it can be shared whole all the same.
const OUTBOX_BYTES: RangeInclusive<usize> = 4 << 20..=64 << 20;
/// How many messages may wait for the broker before vectors do: 22 MiB of parts.
const MESSAGES_WAITING: u64 = 64;
/// How often the status is told.
const HOUSEKEEPING: Duration = Duration::from_secs(60);

/// An agent and what it needs around it.
pub(super) struct Service {
    pub(super) roster: Arc<Roster>,
    topics: Topics,
    pub(super) clock: Clock,
    rng: ChaCha20Rng,
    pub(super) name: NodeName,
    pub(super) agent: Agent,
    control: Control,
    /// Whether it says something else than the switches show.
    pub(super) is_control_new: bool,
    /// What the agent's own file demands.
    terms: Terms,
    pub(super) recipients: Recipients,
    outbox: Outbox,
    publisher: Option<Publisher>,
    witness: Option<mpsc::Sender<Witness>>,
    /// What sharing took since the witness was told last.
    effort: Effort,
    refused: Tally,
    /// What becomes of readings before they are shared.
    pub(super) screens: Screens,
    /// What was left out, by stream.
    pub(super) left_out: BTreeMap<StreamName, Tally>,
    since: Timestamp,
    /// How it introduces itself, signed.
    introduction: Bytes,
    housekeeping: Timestamp,
    pub(super) moving: Moving,
}

impl Service {
    pub(super) fn new(
        roster: Arc<Roster>,
        secrets: KeyFile,
        (terms, maximum_age, control): (Terms, Option<Duration>, Option<PathBuf>),
        screens: Screens,
        topics: Topics,
        clock: Clock,
        witness: Option<mpsc::Sender<Witness>>,
    ) -> Result<Self, AgentError> {
        let name = secrets.node;
        let node = name.to_string();
        let Some(me) = roster.agent_named(name.as_str()) else { return Err(AgentError::NotAnAgent { node }) };
        if roster.agent(me).node.sealing != *secrets.keys.sealing.public() {
            return Err(AgentError::OtherKeys { node });
        }
        let now = clock.now();
        let sealing = SealingSecret::from_bytes(&secrets.keys.sealing.to_bytes());
        let key = secrets.keys.signing.verifying_key();
        let signed = Controls::new(roster.site().clone(), name.clone(), key);
        let control = Control::new(control, signed, now);
        let introduction = introduction(&roster, &name, &secrets.keys, now);
        let mut agent = Agent::new(me, Arc::clone(&roster), control.terms(terms), maximum_age, now);
        agent.pause(|stream| control.is_paused(stream));
        Ok(Self {
            agent,
            control,
            is_control_new: false,
            terms,
            recipients: Recipients::new(Arc::clone(&roster), name.clone(), secrets.keys.sealing),
            moving: Moving::new(sealing, (terms, maximum_age)),
            topics,
            clock,
            rng: entropy::rng()?,
            name,
            outbox: Outbox::new(outbox_bytes(&roster, me)),
            publisher: None,
            witness,
            effort: Effort::default(),
            refused: Tally::default(),
            screens,
            left_out: BTreeMap::new(),
            since: now,
            introduction,
            housekeeping: now + HOUSEKEEPING,
            roster,
        })
    }

    pub(super) fn name(&self) -> &NodeName {
        &self.name
    }

    pub(super) fn attach(&mut self, publisher: Publisher) {
        self.publisher = Some(publisher);
    }

    /// When [`Service::handle_timeout`] is due, as far as the broker keeps up.
    pub(super) fn due(&mut self) -> Timestamp {
        let held = self.is_held();
        self.agent.hold_vectors(held);
        let due = [self.agent.poll_timeout(), self.moving.due()].into_iter().flatten();
        due.fold(self.housekeeping, Timestamp::min)
    }

    /// Whether vectors wait, as the broker does not keep up.
    pub(super) fn is_held(&self) -> bool {
        self.publisher.as_ref().is_some_and(|publisher| publisher.unsettled() >= MESSAGES_WAITING)
    }

    /// Waits until they need no longer.
    pub(super) async fn room(&self) {
        if let Some(publisher) = &self.publisher {
            publisher.settled(MESSAGES_WAITING).await;
        }
    }

    /// Introduces itself.
    pub(super) fn handle_connected(&mut self) {
        self.publish(&Topic::Introduction { node: self.name.clone() }, self.introduction.clone());
        self.publish_status();
        // For brokers that hand out retained messages by name alone (docs/decisions/0027).
        if let Some(publisher) = &self.publisher {
            for (_, peer) in self.roster.peers() {
                publisher.look(self.topics.spell(&Topic::Card { node: peer.name.clone() }));
            }
        }
    }

    /// Takes in what came on a topic of the site; whether it was one.
    pub(super) fn handle_publish(&mut self, topic: &str, payload: &Bytes) -> bool {
        let node = match self.topics.parse(topic) {
            Ok(Topic::Card { node }) => node,
            Ok(Topic::Charter) => {
                self.handle_charter(payload);
                return true;
            }
            Ok(Topic::Control { agent }) if agent == self.name => {
                self.handle_control(payload);
                return true;
            }
            _ => return false,
        };
        // Kept: the peers of a list to come introduce themselves before it holds.
        self.moving.keep_card(&node, payload);
        let Some(peer) = self.roster.peer_named(node.as_str()) else {
            self.refuse("card_of_no_peer");
            return true;
        };
        match self.recipients.handle_card(self.clock.now(), peer, payload) {
            Ok(()) => self.resend(node),
            Err(error) => {
                if self.refused.count("bad_card") {
                    warn!(node = %self.name, peer = %node, %error, "card refused");
                }
            }
        }
        true
    }

    /// The owner says what not to share.
    fn handle_control(&mut self, payload: &Bytes) {
        match self.control.take(self.clock.now(), payload) {
            Ok(true) => {
                info!(node = %self.name, "the owner's signed control is followed from the next window on");
                self.follow_control();
            }
            Ok(false) => {}
            Err(error) => {
                if self.refused.count("bad_control") {
                    warn!(node = %self.name, %error, "a control that does not count");
                }
            }
        }
    }

    /// Shares what the owner lets it share, from the next window on.
    pub(super) fn follow_control(&mut self) {
        self.is_control_new = true;
        let control = &self.control;
        self.agent.pause(|stream| control.is_paused(stream));
        self.agent.demand(control.terms(self.terms));
    }

    /// The owner touched a switch, or somebody sent what is no touch of one.
    pub(super) fn handle_touch(&mut self, touch: Option<(Switch, bool)>) {
        let Some((switch, on)) = touch else { return self.refuse("bad_switch") };
        info!(node = %self.name, switch = switch.id(), on, "the owner's switch is followed from the next window on");
        self.control.switch(&switch, on);
        self.follow_control();
    }

    /// Whether what `switch` is for is shared.
    pub(super) fn is_on(&self, switch: &Switch) -> bool {
        self.control.is_on(switch)
    }

    /// Says again what `peer` may have missed. Its card comes whenever it connects or this agent does, and not before
    /// it hears what is sent to it: so what was lost on either way, or with its memory, is there before the window closes.
    fn resend(&mut self, peer: NodeName) {
        let Some(publisher) = &self.publisher else { return };
        let topic = self.topics.spell(&Topic::Share { to: peer, from: self.name.clone() });
        if self.outbox.resend(publisher, self.clock.now(), &topic) > 0 {
            self.refuse("outgoing_queue_full");
        }
    }

    /// Does what is due.
    pub(super) fn handle_timeout(&mut self) {
        if self.control.look() {
            self.follow_control();
        }
        let now = self.clock.now();
        self.settle(now);
        self.share(now);
        while let Some(event) = self.agent.poll_event() {
            self.handle_event(event);
        }
        if self.housekeeping <= now {
            self.housekeeping = now + HOUSEKEEPING;
            self.publish_status();
            // For the log alone: an agent's status tells nothing.
            if let Some(publisher) = &self.publisher {
                publisher.expiring(now);
            }
        }
    }

    /// Deals what is due, and sends it; for a witness, with an eye on what that takes.
    fn share(&mut self, now: Timestamp) {
        let begun = self.witness.as_ref().map(|_| (Instant::now(), thread_cpu()));
        self.agent.handle_timeout(now, &mut self.rng);
        while let Some(dealt) = self.agent.poll_transmit() {
            self.send(now, &dealt);
        }
        if let Some((wall, cpu)) = begun {
            self.effort.wall += wall.elapsed();
            self.effort.cpu += thread_cpu().saturating_sub(cpu);
        }
    }

    /// Tells everybody that it goes.
    pub(super) fn leave(&mut self) {
        self.publish(&Topic::Status { node: self.name.clone() }, status::offline(&self.name));
    }

    fn send(&mut self, now: Timestamp, dealt: &Dealt) {
        let roster = Arc::clone(&self.roster);
        let bundle = roster.bundle(dealt.bundle);
        let (period, window) = (bundle.period, dealt.window);
        let binding = Binding::Input { period, window, part: bundle.part, definition: bundle.digest };
        let expires = period.end(window) + roster.timing().grace;
        for ((peer, node), plaintext) in roster.peers().zip(&dealt.plaintexts) {
            match self.recipients.seal(peer, &binding, plaintext.as_bytes(), &mut self.rng) {
                Ok(Some(sealed)) => {
                    self.effort.messages += 1;
                    self.effort.plain_bytes += plaintext.as_bytes().len() as u64;
                    self.effort.sealed_bytes += sealed.len() as u64;
                    let topic = Topic::Share { to: node.name.clone(), from: self.name.clone() };
                    self.post(now, expires, &topic, sealed.into());
                }
                Ok(None) => self.refuse("no_card_of_recipient"),
                Err(error) => warn!(node = %self.name, to = %node.name, %error, "could not seal"),
            }
        }
    }

    fn post(&mut self, now: Timestamp, expires: Timestamp, topic: &Topic, sealed: Bytes) {
        let Some(publisher) = &self.publisher else { return };
        let topic = self.topics.spell(topic);
        if self.outbox.send(publisher, now, expires, topic, sealed).is_err() {
            self.refuse("outgoing_queue_full");
        }
    }

    fn handle_event(&mut self, event: Event) {
        match event {
            Event::Published { bundle, window, readings } => {
                for reason in readings.iter().filter_map(|reading| reading.as_ref().err()) {
                    self.refuse(reason.name());
                }
                let effort = std::mem::take(&mut self.effort);
                if let Some(witness) = &self.witness
                    && witness.try_send(Witness { bundle, window, readings, effort }).is_err()
                {
                    self.refuse("witness_too_slow");
                }
            }
            Event::Skipped { windows } => {
                warn!(node = %self.name, windows, "windows skipped: the clock jumped or the machine slept");
            }
        }
    }

    fn publish_status(&mut self) {
        let status = status::online(&self.name, self.since, &Report::default());
        self.publish(&Topic::Status { node: self.name.clone() }, status);
    }

    /// For whoever comes later, too.
    fn publish(&mut self, topic: &Topic, payload: Bytes) {
        let topic = self.topics.spell(topic);
        if let Some(publisher) = &self.publisher
            && publisher.publish(topic, payload, true).is_err()
        {
            self.refuse("outgoing_queue_full");
        }
    }

    pub(super) fn refuse(&mut self, reason: &'static str) {
        if self.refused.count(reason) {
            info!(node = %self.name, reason, count = self.refused.of(reason), "gap, or refused");
        }
    }
}

/// Says which program runs under which keys.
fn introduction(roster: &Roster, name: &NodeName, keys: &NodeKeys, now: Timestamp) -> Bytes {
    let (site, node) = (roster.site().clone(), name.clone());
    let (role, version) = (IntroducedRole::Agent, env!("CARGO_PKG_VERSION"));
    introduction::of(site, node, role, version, keys, now).into()
}

/// What the shares of one window take, for all peers and in base64, within bounds.
fn outbox_bytes(roster: &Roster, me: AgentIndex) -> usize {
    let bundles = roster.agent(me).bundles.iter();
    let plaintexts: usize = bundles.map(|&bundle| plaintext_len(roster.bundle(bundle))).sum();
    let sealed = (plaintexts / 2 * 3).saturating_mul(usize::from(roster.sharing().peers()));
    sealed.clamp(*OUTBOX_BYTES.start(), *OUTBOX_BYTES.end())
}
