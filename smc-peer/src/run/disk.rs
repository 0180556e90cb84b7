//! What waits for the disk, and what becomes of it while the disk takes nothing.

use std::time::Duration;

use smc_core::desk::Saved;
use smc_core::name::{QuantityName, QueryName};
use smc_core::protocol::standing::Standing;
use smc_core::roster::Roster;
use smc_core::time::Timestamp;

use super::PeerError;
use crate::keys::Turn;
use crate::store::{Batch, InputKey, Store, StoredInput};
use crate::writer::{WriteError, Writer};

/// How many inputs may wait in memory before they are handed to the store.
const INPUTS_PER_BATCH: usize = 128;
/// How many bytes of them, where a part of a vector alone is a third of a mebibyte.
const BYTES_PER_BATCH: usize = 2 << 20;
/// The longest that an input waits: the fraction of the shortest period, and the most. A peer that is killed lacks what
/// waited.
const WAIT: (u32, Duration) = (20, Duration::from_secs(1));
/// How often a disk that takes nothing is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// The store, and what it is to be told.
pub(super) struct Disk {
    writer: Writer,
    batch: Batch,
    /// Inputs to erase, once the window that made them superfluous is done.
    forgotten: Vec<InputKey>,
    /// How long an input waits.
    wait: Duration,
    /// When the batch is written at the latest.
    flush: Option<Timestamp>,
    trouble: Option<Trouble>,
}

/// The disk takes nothing.
struct Trouble {
    reason: String,
    retry: Timestamp,
}

impl Disk {
    pub(super) fn new(store: Store, roster: &Roster) -> Result<Self, PeerError> {
        let writer = Writer::start(store).map_err(|_| PeerError::StoreThread)?;
        let shortest =
            roster.quantities().map(|(_, measured)| measured.quantity.period().as_duration()).min();
        let wait = shortest.map_or(WAIT.1, |period| (period / WAIT.0).min(WAIT.1));
        Ok(Self { writer, batch: Batch::default(), forgotten: Vec::new(), wait, flush: None, trouble: None })
    }

    /// Why nothing can be written, while that is so.
    pub(super) fn trouble(&self) -> Option<&str> {
        self.trouble.as_ref().map(|trouble| trouble.reason.as_str())
    }

    /// When a disk that takes nothing is tried again.
    pub(super) fn retry(&self) -> Option<Timestamp> {
        self.trouble.as_ref().map(|trouble| trouble.retry)
    }

    /// How many inputs would be lost with the process, as the disk has taken nothing for too long.
    pub(super) fn dropped(&self) -> u64 {
        self.writer.dropped()
    }

    /// When [`Disk::handle_timeout`] is due.
    pub(super) fn due(&self) -> Option<Timestamp> {
        self.trouble.as_ref().map(|trouble| trouble.retry).or(self.flush)
    }

    /// Keeps an input.
    pub(super) fn keep(&mut self, now: Timestamp, input: StoredInput) {
        self.batch.inputs.push(input);
        self.flush.get_or_insert(now + self.wait);
    }

    /// Erases inputs, once a window is done.
    pub(super) fn forget(&mut self, inputs: impl Iterator<Item = InputKey>) {
        self.forgotten.extend(inputs);
    }

    /// Remembers a vote, with [`Disk::commit`].
    pub(super) fn vote(&mut self, quantity: QuantityName, vote: Standing) {
        self.batch.votes.push((quantity, vote));
    }

    /// Remembers how a query stands, or forgets it, with [`Disk::commit`].
    pub(super) fn decide(&mut self, query: QueryName, saved: Option<Saved>) {
        self.batch.decisions.insert(query, saved);
    }

    /// Remembers when the last order was made, with [`Disk::commit`].
    pub(super) fn order(&mut self, issued: Timestamp) {
        self.batch.order = Some(issued);
    }

    /// Whether a decision or an order waits.
    pub(super) fn has_decisions(&self) -> bool {
        !self.batch.decisions.is_empty() || self.batch.order.is_some()
    }

    /// Whether a vote waits.
    pub(super) fn has_votes(&self) -> bool {
        !self.batch.votes.is_empty()
    }

    /// Hands over what waits, if it is much.
    pub(super) async fn relieve(&mut self) -> Result<(), PeerError> {
        let much = self.batch.inputs.len() >= INPUTS_PER_BATCH || self.batch.bytes() >= BYTES_PER_BATCH;
        if much { self.flush().await } else { Ok(()) }
    }

    /// A window is done, and with it what it made superfluous.
    pub(super) async fn window_done(&mut self) -> Result<(), PeerError> {
        self.batch.forgotten.append(&mut self.forgotten);
        self.flush().await
    }

    /// Does what is due.
    pub(super) async fn handle_timeout(&mut self, now: Timestamp) -> Result<(), PeerError> {
        match &self.trouble {
            Some(trouble) if trouble.retry <= now => {
                self.batch.forgotten.append(&mut self.forgotten);
                self.commit(now).await
            }
            Some(_) => Ok(()),
            None if self.writer.is_failing() => self.commit(now).await,
            None if self.flush.is_some_and(|flush| flush <= now) => self.flush().await,
            None => Ok(()),
        }
    }

    /// Puts all that waits on disk, and all that was handed over before; [`Disk::trouble`] says whether that went well.
    pub(super) async fn commit(&mut self, now: Timestamp) -> Result<(), PeerError> {
        self.flush = None;
        let written = self.writer.commit(std::mem::take(&mut self.batch)).await;
        self.judge(now, written)
    }

    /// Changes the epoch keys.
    pub(super) async fn turn(&mut self, now: Timestamp, turn: Turn) -> Result<(), PeerError> {
        let written = self.writer.turn(turn).await;
        self.judge(now, written)
    }

    /// Hands over what waits, and gives the store back once that is done. Nothing can be written any more.
    pub(super) async fn close(&mut self) -> Result<Store, PeerError> {
        self.window_done().await?;
        self.writer.stop().map_err(|_| PeerError::StoreThread)
    }

    async fn flush(&mut self) -> Result<(), PeerError> {
        self.flush = None;
        if self.batch.is_empty() {
            return Ok(());
        }
        self.writer.write(std::mem::take(&mut self.batch)).await.map_err(|_| PeerError::StoreThread)
    }

    /// A disk that takes nothing may do so again; without its thread there is no store.
    fn judge(&mut self, now: Timestamp, written: Result<(), WriteError>) -> Result<(), PeerError> {
        self.trouble = match written {
            Ok(()) => None,
            Err(WriteError::Gone) => return Err(PeerError::StoreThread),
            Err(WriteError::Store(error)) => Some(Trouble { reason: error.cause(), retry: now + RETRY }),
        };
        Ok(())
    }
}
