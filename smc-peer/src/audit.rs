//! The peer's log (docs/audit.md): one SQLite file beside the store, without votes and keys, so that it can be shown.
//!
//! Whatever is [recorded](Audit::record) is in the file before anything leaves the peer that was decided after it. It
//! survives the process then; a power cut may take what was written since the last head, for nothing waits for the disk
//! but a head, which is published only once all that it vouches for is there. Until then entries may be in a file of their own,
//! where there is a folder for what need not outlive the machine; then beside the log, until there is much to come into it.

mod aside;
mod error;
mod file;
mod gathered;
mod ledger;
mod pending;
mod recent;
#[cfg(test)]
mod tests;
mod words;
mod writer;

use std::collections::BTreeMap;
use std::future::pending;
use std::time::Duration;

use serde::Serialize;
use smc_core::audit::{Body, Head, Kind, Started, Voted};
use smc_core::digest::Digest;
use smc_core::document::Signed;
use smc_core::name::QuantityName;
use smc_core::protocol::standing::Standing;
use smc_core::time::Timestamp;
use tokio::sync::oneshot;
use tracing::error;

pub use self::error::AuditError;
pub use self::file::{LogFile, Owner};
pub(crate) use self::ledger::NAME;
pub use self::ledger::{Draft, Ledger};
pub use self::words::words;
use self::writer::{Outcome, Writer};

/// How often a disk that takes nothing is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// The log, and what it is to be told. Without a file nothing is kept.
pub(crate) struct Audit {
    writer: Option<Writer>,
    batch: Vec<Draft>,
    /// The cohort of the last vote on each quantity.
    cohorts: BTreeMap<QuantityName, Digest>,
    /// How often a head is signed, and when the next one is due.
    head_every: Duration,
    head_due: Timestamp,
    /// A head that is being signed.
    asked: Option<oneshot::Receiver<Outcome>>,
    newest: Option<Signed<Head>>,
    trouble: Option<Trouble>,
    /// Documents that no entry can hold.
    unfit: u64,
}

/// The disk takes nothing.
struct Trouble {
    reason: String,
    retry: Timestamp,
}

/// The log's thread ended.
#[derive(Debug, thiserror::Error)]
#[error("the log's thread ended")]
pub(crate) struct Gone;

impl Audit {
    /// Keeps `ledger`, and signs a head as soon as there is something to sign for.
    pub(crate) fn start(
        ledger: Option<Ledger>,
        head_every: Duration,
        now: Timestamp,
    ) -> std::io::Result<Self> {
        let newest = ledger.as_ref().and_then(|ledger| ledger.newest_head().cloned());
        let writer = ledger.map(Writer::start).transpose()?;
        Ok(Self {
            writer,
            batch: Vec::new(),
            cohorts: BTreeMap::new(),
            head_every,
            head_due: now,
            asked: None,
            newest,
            trouble: None,
            unfit: 0,
        })
    }

    /// Appends an entry of `kind`, with [`Audit::commit`]: the whole document, with its signature if it has one.
    pub(crate) fn record(&mut self, time: Timestamp, kind: Kind, document: &impl Serialize) {
        if self.writer.is_none() {
            return;
        }
        match Body::of(document) {
            Ok(body) => self.batch.push(Draft { time, kind, body }),
            Err(error) => {
                self.unfit += 1;
                error!(%kind, %error, "not logged");
            }
        }
    }

    /// Appends that the peer starts, or begins anew with another member list. The next votes say in full what they are for.
    pub(crate) fn record_start(&mut self, time: Timestamp, started: &Started) {
        self.cohorts.clear();
        self.record(time, Kind::Start, started);
    }

    /// Appends a vote.
    pub(crate) fn record_vote(&mut self, time: Timestamp, quantity: &QuantityName, vote: &Standing) {
        let voted = Voted::new(quantity.clone(), vote, self.cohorts.get(quantity).copied());
        self.cohorts.insert(quantity.clone(), voted.cohort);
        self.record(time, Kind::Vote, &voted);
    }

    /// Puts what was recorded into the file, so that it outlives the process; [`Audit::trouble`] says whether that went
    /// well.
    ///
    /// # Errors
    /// If there is no thread any more that could.
    pub(crate) async fn commit(&mut self, now: Timestamp) -> Result<(), Gone> {
        let Some(writer) = &self.writer else { return Ok(()) };
        if self.batch.is_empty() && self.trouble.is_none() {
            return Ok(());
        }
        let written = writer.append(std::mem::take(&mut self.batch)).await.ok_or(Gone)?;
        self.trouble = match written.await.map_err(|_| Gone)? {
            Ok(_) => None,
            Err(error) => {
                // Some of it may be lost: the next votes say in full what they are for.
                self.cohorts.clear();
                Some(Trouble { reason: error.cause(), retry: now + RETRY })
            }
        };
        Ok(())
    }

    /// Why nothing can be written, while that is so.
    pub(crate) fn trouble(&self) -> Option<&str> {
        self.trouble.as_ref().map(|trouble| trouble.reason.as_str())
    }

    /// How many entries are lost, as the disk has taken nothing for too long or nothing can hold them.
    pub(crate) fn lost(&self) -> u64 {
        self.unfit + self.writer.as_ref().map_or(0, Writer::dropped)
    }

    /// When [`Audit::handle_timeout`] is due.
    pub(crate) fn due(&self) -> Option<Timestamp> {
        let head = self.writer.as_ref().filter(|_| self.asked.is_none()).map(|_| self.head_due);
        self.trouble.as_ref().map(|trouble| trouble.retry).or(head)
    }

    /// Does what is due.
    ///
    /// # Errors
    /// If there is no thread any more that could.
    pub(crate) async fn handle_timeout(&mut self, now: Timestamp) -> Result<(), Gone> {
        match &self.trouble {
            Some(trouble) if trouble.retry <= now => self.commit(now).await,
            None if self.head_due <= now => {
                // The first one vouches for the start.
                self.commit(now).await?;
                self.ask(now).await
            }
            _ => Ok(()),
        }
    }

    /// The newest head, if there is one.
    pub(crate) fn newest(&self) -> Option<&Signed<Head>> {
        self.newest.as_ref()
    }

    /// The next head, once it is signed and on disk with all that it vouches for.
    pub(crate) async fn next_head(&mut self, now: impl Fn() -> Timestamp) -> Signed<Head> {
        loop {
            let Some(asked) = &mut self.asked else { return pending().await };
            let signed = asked.await;
            self.asked = None;
            match signed {
                Ok(Ok(Some(head))) => {
                    self.newest = Some(head.clone());
                    return head;
                }
                // Nothing new to sign for; or the thread ended, which the next entry tells.
                Ok(Ok(None)) | Err(_) => {}
                Ok(Err(error)) => {
                    error!(%error, "no head could be signed; trying again");
                    self.head_due = now() + RETRY;
                }
            }
        }
    }

    /// Signs for all that there is, as the peer leaves.
    pub(crate) async fn last_head(&mut self, now: Timestamp) -> Option<Signed<Head>> {
        self.commit(now).await.ok()?;
        if self.asked.is_none() {
            self.ask(now).await.ok()?;
        }
        self.asked.take()?.await.ok()?.ok()?
    }

    async fn ask(&mut self, now: Timestamp) -> Result<(), Gone> {
        self.head_due = now + self.head_every;
        if let (Some(writer), None) = (&self.writer, &self.asked) {
            self.asked = Some(writer.sign(now).await.ok_or(Gone)?);
        }
        Ok(())
    }
}
