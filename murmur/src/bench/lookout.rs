//! Who looks on: sees statuses and results as any client may.

use std::collections::BTreeSet;

use smc_core::result::{SignedResult, Status};
use smc_core::time::Timestamp;
use smc_mqtt::clock::Clock;
use smc_mqtt::connection::{Happening, Incoming, Publisher, connect};
use smc_mqtt::status::{self, Presence};
use smc_mqtt::topic::{Topic, Topics};
use tokio::time::timeout;

use super::plain::PlainResult;
use super::role::{Over, address, ready};
use super::said::{Said, Seen, say};
use super::setup::Setup;
use super::{BenchError, LIMIT};
use crate::stage::observer;

/// Sees statuses and results.
pub(super) struct Lookout {
    topics: Topics,
    clock: Clock,
    /// The connection lives as long as this does.
    _publisher: Publisher,
    incoming: Incoming,
    online: BTreeSet<String>,
}

/// What came by.
pub(super) enum Sight {
    /// So many nodes are online now.
    Online(usize),
    /// A result, of this system or of the baseline.
    Result(Seen),
}

impl Lookout {
    pub(super) fn new(setup: &Setup) -> Result<Self, BenchError> {
        let cast = setup.cast()?;
        let topics = Topics::new(cast.roster.site().clone());
        let settings = observer(address(setup)?, cast.observer);
        let (publisher, incoming) = connect(settings, vec![topics.results(), topics.statuses()]);
        Ok(Self { topics, clock: Clock::system(), _publisher: publisher, incoming, online: BTreeSet::new() })
    }

    /// The next thing that comes by; none once the connection is closed for good.
    pub(super) async fn next(&mut self) -> Option<Sight> {
        loop {
            let Happening::Message { topic, payload, .. } = self.incoming.next().await? else { continue };
            match self.topics.parse(&topic) {
                Ok(Topic::Status { node }) => {
                    match status::presence(&payload) {
                        Some(Presence::Online) => self.online.insert(node.to_string()),
                        _ => self.online.remove(node.as_str()),
                    };
                    return Some(Sight::Online(self.online.len()));
                }
                Ok(Topic::Result { .. }) => {
                    if let Some(seen) = seen(&payload, self.clock.now()) {
                        return Some(Sight::Result(seen));
                    }
                }
                _ => {}
            }
        }
    }

    /// Waits until `nodes` nodes are connected.
    pub(super) async fn wait_for(&mut self, nodes: usize) -> Result<(), BenchError> {
        let all = async { while self.online.len() < nodes && self.next().await.is_some() {} };
        match timeout(LIMIT, all).await {
            Ok(()) => Ok(()),
            Err(_) => Err(BenchError::Start { have: self.online.len(), need: nodes }),
        }
    }
}

/// Says what comes by.
pub(super) async fn look(setup: &Setup, over: &Over) -> Result<(), BenchError> {
    let mut lookout = Lookout::new(setup)?;
    ready("lookout");
    let over = over.wait();
    tokio::pin!(over);
    loop {
        let sight = tokio::select! {
            () = &mut over => return Ok(()),
            sight = lookout.next() => sight,
        };
        match sight {
            Some(Sight::Online(nodes)) => say(&Said::Online(nodes)),
            Some(Sight::Result(seen)) => say(&Said::Result(seen)),
            None => return Ok(()),
        }
    }
}

/// What a result says, whoever published it.
fn seen(payload: &[u8], at: Timestamp) -> Option<Seen> {
    let at_us = at.as_micros();
    if let Ok(signed) = serde_json::from_slice::<SignedResult>(payload) {
        let result = signed.result;
        let ok = result.status == Status::Ok;
        return Some(Seen { window: result.window.index, at_us, readings: u64::from(result.fresh), ok });
    }
    let plain: PlainResult = serde_json::from_slice(payload).ok()?;
    Some(Seen { window: plain.window, at_us, readings: plain.readings, ok: true })
}
