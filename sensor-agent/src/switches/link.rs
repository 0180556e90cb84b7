//! The connection to the owner's own broker.

use bytes::Bytes;
use smc_core::name::{NodeName, SiteName};
use smc_mqtt::connection::{Happening, Incoming, Publisher, connect};
use smc_mqtt::home_assistant::SwitchTopics;
use smc_mqtt::settings::{ConnectionSettings, Will};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tracing::{debug, info, warn};

use super::{Switch, SwitchOptions};

/// How many touches may wait for the agent.
const TOUCHES_WAITING: usize = 64;
/// What Home Assistant sends and shows.
const ON: &[u8] = b"ON";
const OFF: &[u8] = b"OFF";
const ONLINE: &[u8] = b"online";
const OFFLINE: &[u8] = b"offline";

/// What came for a switch.
#[derive(Debug)]
enum Touched {
    /// Nothing that a switch can be told: another payload, no switch of this agent, or kept by the broker from who knows when.
    Nonsense,
    /// Which switch, and whether it is to be on.
    Switch(usize, bool),
}

/// The switches at work, as the agent's loop has them. Dropping it makes them unavailable.
pub(crate) struct Link {
    switches: Vec<Switch>,
    states: watch::Sender<Vec<bool>>,
    touches: mpsc::Receiver<Touched>,
    task: JoinHandle<()>,
}

impl Link {
    /// Connects and shows `switches`, each as `is_on` says.
    pub(crate) fn start(
        options: SwitchOptions,
        site: SiteName,
        agent: &NodeName,
        switches: Vec<Switch>,
        is_on: impl Fn(&Switch) -> bool,
    ) -> Self {
        let topics = SwitchTopics::new(site, agent.clone());
        let broker = options.broker;
        let will = Will { topic: topics.availability(), payload: Bytes::from_static(OFFLINE), retain: true };
        let settings = ConnectionSettings {
            login: broker.login,
            will: Some(will),
            ..ConnectionSettings::new(broker.address, broker.client_id)
        };
        let (publisher, incoming) = connect(settings, vec![topics.commands()]);
        let (states, shown) = watch::channel(switches.iter().map(is_on).collect());
        let (told, touches) = mpsc::channel(TOUCHES_WAITING);
        let ids = switches.iter().map(Switch::id).collect();
        let introductions = switches.iter().map(|switch| switch.discovery(&topics, agent.as_str())).collect();
        let board = Board { topics, agent: agent.clone(), ids, introductions, publisher, shown };
        Self { switches, states, touches, task: tokio::spawn(board.serve(incoming, told)) }
    }

    /// Shows each switch as `is_on` says, also if that is nothing new: whoever touched one in vain has to see it.
    pub(crate) fn show(&self, is_on: impl Fn(&Switch) -> bool) {
        self.states.send_replace(self.switches.iter().map(is_on).collect());
    }

    /// What the owner does next: which switch is to be on or off, or nothing that makes sense.
    pub(crate) async fn touched(&mut self) -> Option<(Switch, bool)> {
        match self.touches.recv().await {
            Some(Touched::Switch(place, on)) => self.switches.get(place).map(|switch| (switch.clone(), on)),
            Some(Touched::Nonsense) => None,
            // The connection is gone for good.
            None => std::future::pending().await,
        }
    }

    /// Says that the agent goes.
    pub(crate) async fn close(self) {
        let Self { states, touches, task, .. } = self;
        drop((states, touches));
        if let Err(error) = task.await {
            warn!(%error, "the switches ended in disorder");
        }
    }
}

/// What the broker is told.
struct Board {
    topics: SwitchTopics,
    agent: NodeName,
    ids: Vec<String>,
    introductions: Vec<Vec<u8>>,
    publisher: Publisher,
    shown: watch::Receiver<Vec<bool>>,
}

impl Board {
    async fn serve(mut self, mut incoming: Incoming, told: mpsc::Sender<Touched>) {
        loop {
            tokio::select! {
                happening = incoming.next() => match happening {
                    Some(Happening::Connected) => self.introduce(),
                    Some(Happening::Message { topic, payload, retain }) => {
                        if told.send(self.read(&topic, &payload, retain)).await.is_err() {
                            break;
                        }
                    }
                    Some(Happening::Disconnected { reason }) => {
                        warn!(node = %self.agent, %reason, "no connection to the switches' broker; trying again");
                    }
                    Some(Happening::Refused { reason }) => {
                        warn!(node = %self.agent, %reason, "refused by the switches' broker");
                    }
                    None => return,
                },
                changed = self.shown.changed() => match changed {
                    Ok(()) => self.show(),
                    Err(_) => break,
                },
            }
        }
        self.publish(self.topics.availability(), OFFLINE.to_vec());
        self.publisher.close().await;
    }

    fn introduce(&mut self) {
        info!(node = %self.agent, switches = self.ids.len(), "the owner's switches are there");
        for (id, introduction) in self.ids.iter().zip(&self.introductions) {
            self.publish(self.topics.discovery(id), introduction.clone());
        }
        self.show();
        self.publish(self.topics.availability(), ONLINE.to_vec());
    }

    fn show(&mut self) {
        let states = self.shown.borrow_and_update().clone();
        for (id, is_on) in self.ids.iter().zip(states) {
            self.publish(self.topics.state(id), if is_on { ON } else { OFF }.to_vec());
        }
    }

    /// All retained: Home Assistant and the broker may come later. What finds no room comes with the next connection.
    fn publish(&self, topic: String, payload: Vec<u8>) {
        if let Err(error) = self.publisher.publish(topic, payload, true) {
            debug!(node = %self.agent, %error, "a switch is not shown");
        }
    }

    fn read(&self, topic: &str, payload: &[u8], retain: bool) -> Touched {
        let place = self.topics.commanded(topic).and_then(|id| self.ids.iter().position(|known| known == id));
        match (place, payload, retain) {
            (Some(place), ON, false) => Touched::Switch(place, true),
            (Some(place), OFF, false) => Touched::Switch(place, false),
            _ => Touched::Nonsense,
        }
    }
}
