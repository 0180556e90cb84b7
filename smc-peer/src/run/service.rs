//! A peer's state machine with its surroundings: post, store, log, keys, publisher.

mod account;
mod again;
mod introductions;
mod onlooker;
mod others;
mod sending;
mod workers;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rand_chacha::ChaCha20Rng;
use rand_core::Rng;
use smc_core::card::Recipients;
use smc_core::desk::Desk;
use smc_core::envelope::Opener;
use smc_core::identity::SigningKey;
use smc_core::introduction::Introductions;
use smc_core::name::{NodeName, QueryName};
use smc_core::order::Orders;
use smc_core::output::SealedOutput;
use smc_core::peer::{Event, Message, Peer, Taken, Transmit};
use smc_core::result::SignedResult;
use smc_core::roster::Roster;
use smc_core::shamir::PeerIndex;
use smc_core::time::{Timestamp, WindowIndex};
use smc_mqtt::clock::Clock;
use smc_mqtt::connection::Publisher;
use smc_mqtt::entropy;
use smc_mqtt::homie::HomieTopics;
use smc_mqtt::outbox::Outbox;
use smc_mqtt::status::{self, LastWindow, Presence, Report, Worker};
use smc_mqtt::tally::Tally;
use smc_mqtt::topic::{HOME_ASSISTANT_STATUS, Topic, Topics};
use tokio::sync::mpsc;
use tracing::{error, info, warn};
use zeroize::Zeroizing;

use self::account::Account;
pub(super) use self::account::Known;
use self::again::Again;
use self::onlooker::Onlooker;
use super::board::Board;
use super::disk::Disk;
use super::moving::Moving;
use super::report::{Reporter, accusation, reason};
use super::start::Memory;
use super::{Observed, PeerError, PeerOptions, Sent, homie, log};
use crate::discovery::HomeAssistant;
use crate::discovery::announcer::Announcer;
use crate::keys::EpochKeys;
use crate::policy::Policy;
use crate::post;
use crate::quota::{Excess, Quotas};
use crate::store::StoredInput;

/// How many bytes of messages to other peers are kept for a broker that restarts.
const OUTBOX_BYTES: usize = 4 << 20;
/// How often keys, card and status are looked after.
const HOUSEKEEPING: Duration = Duration::from_secs(30);

/// A clock that was set back by less is not worth a word.
const NOTICEABLE: Duration = Duration::from_millis(100);

/// A peer and what it needs around it.
pub(super) struct Service {
    pub(super) roster: Arc<Roster>,
    pub(super) topics: Topics,
    pub(super) clock: Clock,
    pub(super) rng: ChaCha20Rng,
    pub(super) me: PeerIndex,
    pub(super) name: NodeName,
    pub(super) signing: SigningKey,
    pub(super) peer: Peer,
    pub(super) opener: Opener,
    pub(super) recipients: Recipients,
    keys: EpochKeys,
    pub(super) disk: Disk,
    pub(super) account: Account,
    pub(super) introductions: Introductions,
    /// Whether it takes no part, since it could not write down what it does.
    pub(super) abstains: bool,
    outbox: Outbox,
    publisher: Option<Publisher>,
    /// To other peers.
    sent: Sent,
    onlooker: Option<Onlooker>,
    pub(super) quotas: Quotas,
    pub(super) desk: Desk,
    pub(super) policy: Policy,
    pub(super) orders: Orders,
    pub(super) refused: Tally,
    pub(super) reporter: Reporter,
    /// What the page is shown, if there is one.
    pub(super) board: Option<Board>,
    since: Timestamp,
    housekeeping: Timestamp,
    again: Again,
    pub(super) home_assistant: HomeAssistant,
    pub(super) announcer: Announcer,
    pub(super) homie: Option<HomieTopics>,
    /// Whether the status is to say something new.
    pub(super) status_is_old: bool,
    last_window: Option<(Timestamp, u32)>,
    pub(super) moving: Moving,
    /// How its connections stand, if there are several.
    pub(super) workers: Vec<Worker>,
}

impl Service {
    pub(super) fn new(
        me: PeerIndex,
        options: PeerOptions,
        memory: Memory,
        topics: Topics,
        clock: Clock,
        observer: Option<mpsc::Sender<Observed>>,
    ) -> Result<Self, PeerError> {
        let moving = Moving::new(&options, clock.now())?;
        let PeerOptions { roster, secrets, home_assistant, homie, head_every, policy, workers, .. } = options;
        let homie = homie::topics(&roster, homie);
        let Memory { store, ledger, opener, keys, recovered, decisions, last_order } = memory;
        let name = secrets.node;
        let workers = workers::roll(&name, workers);
        let (mut rng, now) = (entropy::rng()?, clock.now());
        let peer_key = SigningKey::from_bytes(&secrets.keys.signing.to_bytes());
        let mut root = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *root);
        let peer = Peer::new(me, peer_key, Arc::clone(&roster), recovered, root, now);
        let recipients = Recipients::new(Arc::clone(&roster), name.clone(), secrets.keys.sealing);
        let disk = Disk::new(store, &roster)?;
        let account = Account::new(me, ledger, (&roster, moving.charters()), head_every, now)?;
        let quotas = Quotas::new(&roster, now);
        let policy = Policy::new(Arc::clone(&roster), policy, &decisions, now)?;
        if let Some(mistake) = policy.mistake() {
            error!(node = %name, "every request is denied until the policy is mended: {mistake}");
        }
        let desk = Desk::new(Arc::clone(&roster), name.clone(), decisions, now);
        let key = secrets.keys.signing.verifying_key();
        let orders = Orders::new(roster.site().clone(), name.clone(), key, last_order);
        let mut service = Self {
            introductions: Introductions::new(Arc::clone(&roster)),
            roster,
            topics,
            clock,
            rng,
            me,
            name,
            signing: secrets.keys.signing,
            peer,
            opener,
            recipients,
            keys,
            disk,
            account,
            abstains: false,
            outbox: Outbox::new(OUTBOX_BYTES),
            publisher: None,
            sent: Sent::default(),
            onlooker: observer.map(Onlooker::new),
            quotas,
            desk,
            policy,
            orders,
            refused: Tally::default(),
            reporter: Reporter::default(),
            board: None,
            since: now,
            housekeeping: now + HOUSEKEEPING,
            again: Again::default(),
            home_assistant,
            announcer: Announcer::default(),
            homie,
            status_is_old: false,
            last_window: None,
            moving,
            workers,
        };
        service.record_policy(now);
        Ok(service)
    }

    pub(super) fn name(&self) -> &NodeName {
        &self.name
    }

    pub(super) fn attach(&mut self, publisher: Publisher) {
        self.publisher = Some(publisher);
    }

    /// When [`Service::handle_timeout`] is due.
    pub(super) fn due(&self) -> Timestamp {
        let parts = [self.peer.poll_timeout(), self.desk.poll_timeout(), self.disk.due(), self.move_due()];
        let due = parts.into_iter().chain([
            self.account.audit.due(),
            self.policy.due(),
            self.list_retry(),
            self.again.due(),
            self.announcer.due(),
        ]);
        let due = due.into_iter().flatten();
        due.fold(self.housekeeping, Timestamp::min)
    }

    /// Introduces itself.
    pub(super) fn handle_connected(&mut self) {
        self.publish_card();
        self.look_for_others();
        self.publish_status();
        self.repeat_head();
        self.tell_decisions();
        self.tell_homie();
    }

    /// Everybody who hears it says again what this peer may have missed.
    fn publish_card(&mut self) {
        let card = self.keys.card(&self.roster, &self.name, &self.signing);
        let json = serde_json::to_vec(&card).unwrap_or_default();
        self.publish(&Topic::Card { node: self.name.clone() }, json.into());
    }

    /// Takes in what came on a topic, by the connection at `place`.
    pub(super) async fn handle_publish(
        &mut self,
        place: usize,
        topic: &str,
        payload: &Bytes,
        retain: bool,
    ) -> Result<(), PeerError> {
        match self.topics.parse(topic) {
            Err(_) if topic == HOME_ASSISTANT_STATUS => self.handle_birth(payload, retain),
            Ok(Topic::Share { to, from }) if to == self.name => {
                self.count_share(place);
                self.handle_share(&from, payload);
            }
            Ok(Topic::Peer { to, from }) if to == self.name => self.handle_peer(&from, payload),
            Ok(Topic::Audit { peer }) => self.handle_head(&peer, payload),
            Ok(Topic::Card { node }) => self.handle_card(&node, payload),
            Ok(Topic::Discovery { component, entity }) => {
                self.handle_announced((component, entity), payload, retain);
            }
            Ok(Topic::Introduction { node }) => self.handle_introduction(&node, payload),
            Ok(Topic::Status { node }) => self.handle_status(&node, payload),
            Ok(Topic::Charter) => self.handle_charter(payload)?,
            Ok(Topic::CharterProposed { peer }) => self.handle_proposal(&peer, payload)?,
            Ok(Topic::Request { client, query }) => self.handle_request(&client, &query, payload),
            Ok(Topic::Decision { peer, query }) => self.handle_decision(&peer, &query, payload),
            Ok(Topic::Operator { peer }) if peer == self.name => self.handle_order(payload)?,
            _ => self.refuse("foreign_topic", topic),
        }
        self.disk.relieve().await?;
        self.drain().await
    }

    /// Does what is due.
    pub(super) async fn handle_timeout(&mut self) -> Result<(), PeerError> {
        let now = self.clock.now();
        self.disk.handle_timeout(now).await?;
        self.account.audit.handle_timeout(now).await?;
        self.keep_list(now)?;
        self.mind_disk();
        if self.peer.poll_timeout().is_some_and(|due| due <= now) {
            self.peer.handle_timeout(now);
        }
        if self.desk.poll_timeout().is_some_and(|due| due <= now) {
            self.desk.handle_timeout(now);
        }
        self.look_at_policy(now);
        self.say_again(now);
        self.announce(now);
        if self.housekeeping <= now {
            self.housekeeping = now + HOUSEKEEPING;
            self.keep_house(now).await?;
            self.remind_of_charters();
        }
        self.drain().await
    }

    /// Tells everybody what its log came to, and that it goes.
    pub(super) async fn leave(&mut self) {
        if let Some(head) = self.account.audit.last_head(self.clock.now()).await {
            self.publish_head(&head);
        }
        self.leave_homie();
        self.publish(&Topic::Status { node: self.name.clone() }, status::offline(&self.name));
    }

    fn handle_share(&mut self, from: &NodeName, payload: &Bytes) {
        let agent = self.roster.agent_named(from.as_str());
        let within = agent.map(|agent| self.quotas.agent(self.clock.now(), agent, payload.len()));
        if let Some(Err(excess)) = within {
            return self.refuse_excess(excess, from);
        }
        let opened = match post::open_input(&self.roster, &mut self.opener, from, payload) {
            Ok(opened) => opened,
            Err(undeliverable) => return self.refuse(undeliverable.reason(), from.as_str()),
        };
        let key = opened.key(&self.roster);
        let post::OpenedInput { bundle, window, input } = opened;
        match self.peer.handle_message(self.clock.now(), Message::Input { bundle, window, input }) {
            // The payload is a slice of the connection's read buffer, which it would keep alive: copy it.
            Ok(Taken::New) => {
                let envelope = Bytes::copy_from_slice(payload);
                let now = self.clock.now();
                if let Some(onlooker) = &mut self.onlooker {
                    onlooker.note_input(self.roster.bundle(bundle).period, window, now);
                }
                self.disk.keep(now, StoredInput { key, envelope });
            }
            Ok(Taken::Duplicate) => {}
            Err(refusal) => self.refuse(reason(refusal), from.as_str()),
        }
    }

    fn handle_peer(&mut self, from: &NodeName, payload: &Bytes) {
        let peer = self.roster.peer_named(from.as_str());
        let within = peer.map(|peer| self.quotas.peer(self.clock.now(), peer));
        if let Some(Err(excess)) = within {
            return self.refuse_excess(excess, from);
        }
        let message = match post::open_peer(&self.roster, &mut self.opener, from, payload) {
            Ok(message) => message,
            Err(undeliverable) => return self.refuse(undeliverable.reason(), from.as_str()),
        };
        if let Err(refusal) = self.peer.handle_message(self.clock.now(), message) {
            self.refuse(reason(refusal), from.as_str());
        }
    }

    /// Events first, with every vote on disk and all of it in the log; then the messages.
    pub(super) async fn drain(&mut self) -> Result<(), PeerError> {
        let (mut results, mut outputs, mut done) = (Vec::new(), Vec::new(), false);
        while let Some(event) = self.peer.poll_event() {
            log(self.name.as_str(), &event);
            self.observe(&event);
            self.log(&event);
            done |= matches!(event, Event::Result { .. });
            match event {
                Event::Forget(inputs) => {
                    let key = |(bundle, window)| post::key(&self.roster, bundle, window);
                    self.disk.forget(inputs.into_iter().map(key));
                }
                Event::Blamed(blame) => {
                    let (node, reason, window) = accusation(&blame);
                    self.blame(node, reason, Some(window));
                }
                Event::Agreed { quantity, window, plan } => {
                    let end = self.roster.quantity(quantity).quantity.period().end(window);
                    self.note_window(end, plan.cohort.len());
                    if let Some(board) = &mut self.board {
                        board.agreed(&self.roster, quantity, window, &plan);
                    }
                }
                Event::Skipped { windows } => self.refused.add("window_skipped", windows),
                // Not before the vote that it rests on is on disk.
                Event::Output { to, output } => outputs.push((to, output)),
                Event::Persist { quantity, vote } => {
                    self.moving.note_vote(&self.roster, &quantity, &vote);
                    self.disk.vote(quantity, vote);
                }
                Event::Result { result, parts, publish } => {
                    self.desk.handle_result(self.clock.now(), &result.result);
                    if let Some(board) = &mut self.board {
                        board.result(&result.result);
                    }
                    if publish {
                        results.push((result, parts));
                    }
                }
                _ => {}
            }
        }
        let now = self.clock.now();
        if self.disk.has_votes() {
            self.disk.commit(now).await?;
        }
        self.account.audit.commit(now).await?;
        self.mind_disk();
        if self.abstains {
            outputs.clear();
        }
        while let Some(transmit) = self.peer.poll_transmit() {
            self.transmit(&transmit);
        }
        for (to, output) in outputs {
            self.hand_over(&to, &output);
        }
        for (result, parts) in results {
            self.publish_result(&result, parts);
        }
        if done {
            // Once per window, however much there is to tell.
            if self.reporter.notice(&self.name, self.peer.notices()) {
                self.publish_status();
            }
            self.disk.window_done().await?;
        }
        self.drain_desk().await?;
        if std::mem::take(&mut self.status_is_old) {
            self.publish_status();
            self.tell_homie();
        }
        self.publish_moves();
        self.show();
        Ok(())
    }

    async fn keep_house(&mut self, now: Timestamp) -> Result<(), PeerError> {
        if self.keys.is_due(&self.roster, now) {
            let turned = self.turn_keys(now).await?;
            if turned {
                self.handle_connected();
            }
        }
        self.publish_status();
        Ok(())
    }

    async fn turn_keys(&mut self, now: Timestamp) -> Result<bool, PeerError> {
        let turn = self.keys.turn(&self.roster, now, &mut self.opener, &mut self.rng);
        let turned = turn.made.is_some();
        self.disk.turn(self.clock.now(), turn).await?;
        self.mind_disk();
        // Otherwise nobody hears of the new key before it is on disk.
        Ok(turned && !self.abstains)
    }

    fn publish_status(&mut self) {
        self.refused.set("input_not_stored", self.disk.dropped());
        self.refused.set("entry_not_logged", self.account.audit.lost());
        self.reporter.notice(&self.name, self.peer.notices());
        let left_out = self.peer.left_out();
        let set_back = self.clock.set_back();
        let last_window = self.last_window.map(|(end, cohort)| LastWindow { end, cohort });
        let now = self.clock.now();
        let certificates =
            self.publisher.as_ref().map(|publisher| publisher.expiring(now)).unwrap_or_default();
        let report = Report {
            program: Some(env!("CARGO_PKG_VERSION")),
            last_window,
            announces: self.wish(),
            disk: self.trouble(),
            peers: self.reporter.peers(),
            clocks: self.reporter.clocks(),
            own_clock: self.reporter.own_clock(),
            set_back: (set_back >= NOTICEABLE).then_some(set_back.as_secs_f64()),
            certificates: &certificates,
            workers: &self.workers,
            refused: (!self.refused.is_empty()).then_some(&self.refused),
            left_out: &left_out,
            blamed: self.reporter.blamed(),
        };
        let status = status::online(&self.name, self.since, &report);
        self.publish(&Topic::Status { node: self.name.clone() }, status);
    }

    /// Notes a window that was agreed on; of those that end at once, the one with the most agents. It is told with the next
    /// status, not by one of its own: a retained message per window more would be for people who look now and then.
    fn note_window(&mut self, end: Timestamp, members: usize) {
        let cohort = u32::try_from(members).unwrap_or(u32::MAX);
        self.last_window = self.last_window.max(Some((end, cohort)));
    }

    /// Unread: whoever floods must not cost more than that.
    fn refuse_excess(&mut self, excess: Excess, from: &NodeName) {
        match excess {
            Excess::Flood | Excess::FloodBegins => {
                self.blame(from, "flood", None);
                self.refuse("flood", from.as_str());
            }
            Excess::TooLarge => self.refuse("too_large", from.as_str()),
        }
    }

    fn blame(&mut self, node: &NodeName, reason: &'static str, window: Option<WindowIndex>) {
        if !self.reporter.blame(node.clone(), reason, window) {
            self.refused.count("blamed_but_not_listed");
        }
    }

    pub(super) fn refuse(&mut self, reason: &'static str, from: &str) {
        if self.refused.count(reason) {
            warn!(node = %self.name, reason, from, count = self.refused.of(reason), "refused");
        }
    }
}
