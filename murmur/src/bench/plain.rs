//! The baseline: the same readings in the clear, in messages of the same number and size, at the same times, through
//! the same broker and client code; one subscriber per peer computes the mean.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use smc_core::agent::offset;
use smc_core::name::{NodeName, QueryName};
use smc_core::roster::Roster;
use smc_core::shamir::PeerIndex;
use smc_core::time::{Period, WindowIndex};
use smc_mqtt::clock::Clock;
use smc_mqtt::config::connection;
use smc_mqtt::connection::{Happening, Publisher, connect};
use smc_mqtt::settings::ConnectionSettings;
use smc_mqtt::status::{self, Report};
use smc_mqtt::topic::{Topic, Topics};
use tokio::task::JoinSet;

use super::BenchError;
use super::role::{Over, address, reading, ready};
use super::setup::{Plain, QUERY, Setup, message_bytes};
use crate::stage::Cast;

/// A message in the clear.
#[derive(Debug, Serialize, Deserialize)]
struct Readings<'a> {
    window: WindowIndex,
    values: Vec<f64>,
    /// Makes it as long as a sealed one.
    fill: &'a str,
}

/// What a subscriber publishes: only what the measurement needs.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct PlainResult {
    pub(super) window: WindowIndex,
    pub(super) mean: f64,
    pub(super) readings: u64,
}

/// Publishes every agent's readings in the clear, each over a connection of its own.
pub(super) async fn publish(setup: &Setup, cast: Cast, over: &Over) -> Result<(), BenchError> {
    let broker = address(setup)?;
    let topics = Topics::new(cast.roster.site().clone());
    let size = if setup.plain == Plain::Alike { message_bytes(&cast) } else { 0 };
    let receivers = if setup.plain == Plain::Alike { usize::from(setup.peers) } else { 1 };
    let streams = setup.agent_streams().map_err(|error| BenchError::Setup(error.to_string()))?;
    let elements = streams.len() * setup.elements as usize;
    let mut tasks = JoinSet::new();
    for (place, agent) in cast.roster.agents().iter().enumerate() {
        let Some(secrets) = cast.secrets.get(&agent.node.name) else { continue };
        let settings = connection(&topics, &agent.node.name, broker.clone(), secrets.password.clone());
        let one = |number| f64::from(reading(place, number) & setup.greatest());
        let values = (1..=elements).map(one).collect();
        let publisher = PlainPublisher {
            roster: Arc::clone(&cast.roster),
            name: agent.node.name.clone(),
            period: cast.roster.bundle(agent.bundles[0]).period,
            values,
            size,
            receivers,
        };
        tasks.spawn(publisher.run(settings, over.clone()));
    }
    ready("publishers");
    while tasks.join_next().await.is_some() {}
    Ok(())
}

struct PlainPublisher {
    roster: Arc<Roster>,
    name: NodeName,
    period: Period,
    values: Vec<f64>,
    size: usize,
    receivers: usize,
}

impl PlainPublisher {
    async fn run(self, settings: ConnectionSettings, over: Over) {
        let topics = Topics::new(self.roster.site().clone());
        let (publisher, mut incoming) = connect(settings, Vec::new());
        let clock = Clock::system();
        let mut window = self.period.window_at(clock.now()).next();
        let offset = offset(self.name.as_str(), self.period);
        let over = over.wait();
        tokio::pin!(over);
        loop {
            tokio::select! {
                () = &mut over => break,
                happening = incoming.next() => match happening {
                    Some(Happening::Connected) => greet(&publisher, &topics, &self.name, &clock),
                    Some(_) => {}
                    None => break,
                },
                () = clock.sleep_until(self.period.start(window) + offset) => {
                    self.send(&publisher, &topics, window);
                    window = window.next();
                }
            }
        }
        publisher.close().await;
    }

    /// One message per receiver, each written out anew as a sealed one is.
    fn send(&self, publisher: &Publisher, topics: &Topics, window: WindowIndex) {
        for (_, peer) in self.roster.peers().take(self.receivers) {
            let mut message = Readings { window, values: self.values.clone(), fill: "" };
            let bare = serde_json::to_vec(&message).map_or(0, |json| json.len());
            let fill = "x".repeat(self.size.saturating_sub(bare));
            message.fill = &fill;
            let topic = topics.spell(&Topic::Share { to: peer.name.clone(), from: self.name.clone() });
            // A full queue shows in the share of readings that made their window.
            let _ = publisher.publish(topic, serde_json::to_vec(&message).unwrap_or_default(), false);
        }
    }
}

/// Computes the mean of every window from the messages that came before it closed, and publishes it.
pub(super) async fn subscribe(
    setup: &Setup,
    cast: Cast,
    peer: PeerIndex,
    over: &Over,
) -> Result<(), BenchError> {
    let missing = || BenchError::Setup("no such peer".to_owned());
    let name = cast.roster.peer(peer).ok_or_else(missing)?.name.clone();
    let period = Period::try_from(setup.period).map_err(|error| BenchError::Setup(error.to_string()))?;
    let query: QueryName = QUERY.parse().map_err(|_| missing())?;
    let topics = Topics::new(cast.roster.site().clone());
    let password = cast.secrets.get(&name).ok_or_else(missing)?.password.clone();
    let settings = connection(&topics, &name, address(setup)?, password);
    let (publisher, mut incoming) = connect(settings, vec![topics.share_inbox(&name)]);
    ready("subscriber");
    let clock = Clock::system();
    let mut closing = period.window_at(clock.now());
    // The window that closes next, and the one after it.
    let mut sums = [Sum::default(), Sum::default()];
    let over = over.wait();
    tokio::pin!(over);
    loop {
        tokio::select! {
            biased;
            () = &mut over => break,
            () = clock.sleep_until(period.end(closing) + setup.grace.get()) => {
                let done = std::mem::take(&mut sums[0]);
                sums.swap(0, 1);
                if peer.get() == 1 {
                    let mean = done.total / done.readings.max(1) as f64;
                    let result = PlainResult { window: closing, mean, readings: done.readings };
                    let json = serde_json::to_vec(&result).unwrap_or_default();
                    let _ = publisher.publish(topics.spell(&Topic::Result { query: query.clone() }), json, true);
                }
                closing = closing.next();
            }
            happening = incoming.next() => match happening {
                Some(Happening::Connected) => greet(&publisher, &topics, &name, &clock),
                Some(Happening::Message { payload, .. }) => add(&mut sums, closing, &payload),
                Some(_) => {}
                None => break,
            },
        }
    }
    publisher.close().await;
    Ok(())
}

#[derive(Debug, Default)]
struct Sum {
    total: f64,
    readings: u64,
}

fn add(sums: &mut [Sum; 2], closing: WindowIndex, payload: &Bytes) {
    let Ok(message) = serde_json::from_slice::<Readings<'_>>(payload) else { return };
    let Some(ahead) = message.window.age_since(closing) else { return };
    if let Some(sum) = sums.get_mut(ahead as usize) {
        sum.total += message.values.iter().sum::<f64>();
        sum.readings += message.values.len() as u64;
    }
}

fn greet(publisher: &Publisher, topics: &Topics, name: &NodeName, clock: &Clock) {
    let status = status::online(name, clock.now(), &Report::default());
    let _ = publisher.publish(topics.spell(&Topic::Status { node: name.clone() }), status, true);
}
