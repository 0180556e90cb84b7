//! How a source tells what it read.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use smc_core::name::StreamName;
use smc_core::time::Timestamp;
use smc_mqtt::clock::Clock;
use tokio::sync::mpsc;

use super::pick::Drawn;
use super::sensor::SensorError;
use super::{Happened, Observation};

/// The way from a source to its agent.
#[derive(Debug)]
pub(super) struct Teller {
    pub(super) clock: Clock,
    pub(super) sender: mpsc::Sender<Happened>,
    pub(super) ignored: Arc<AtomicU64>,
}

/// Whether a sensor can be read: said when that changes, not each time.
#[derive(Debug, Default)]
pub(super) struct Presence {
    /// Since when it can't, and how often that was found.
    lost: Option<(Timestamp, u64)>,
}

impl Teller {
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// What `work` brings, unless the agent stops listening before.
    pub(super) async fn unless_closed<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            done = work => Some(done),
            () = self.sender.closed() => None,
        }
    }

    /// Tells what was drawn for `stream`; whether anybody listens.
    pub(super) async fn drawn(&self, stream: StreamName, at: Timestamp, drawn: Drawn) -> bool {
        match drawn {
            Drawn::Ignored => {
                self.ignored.fetch_add(1, Relaxed);
                true
            }
            Drawn::Reading(value) => self.tell(Happened::Observed(Observation { stream, at, value })).await,
            Drawn::Unusable(reason) => self.tell(Happened::Unusable { stream, at, reason }).await,
        }
    }

    /// Tells that the sensor of `streams` can't be read, if that is new; whether anybody listens.
    pub(super) async fn lost(
        &self,
        presence: &mut Presence,
        streams: &[StreamName],
        error: SensorError,
    ) -> bool {
        match &mut presence.lost {
            Some((_, failures)) => {
                *failures += 1;
                tracing::debug!(?streams, failures, %error, "still can't be read");
                true
            }
            lost => {
                *lost = Some((self.now(), 1));
                self.tell(Happened::Lost { streams: streams.to_vec(), error }).await
            }
        }
    }

    /// Tells that the sensor of `streams` can be read, if that is new; whether anybody listens.
    pub(super) async fn found(&self, presence: &mut Presence, streams: &[StreamName]) -> bool {
        match presence.lost.take() {
            Some((since, failures)) => {
                self.tell(Happened::Found { streams: streams.to_vec(), since, failures }).await
            }
            None => true,
        }
    }

    pub(super) async fn tell(&self, happened: Happened) -> bool {
        self.sender.send(happened).await.is_ok()
    }
}
