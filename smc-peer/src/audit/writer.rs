//! The log on a thread of its own, as the store is.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use smc_core::audit::Head;
use smc_core::document::Signed;
use smc_core::time::Timestamp;
use tokio::sync::{mpsc, oneshot};
use tracing::error;

use super::error::AuditError;
use super::ledger::{Draft, Ledger};

/// How many jobs may wait for the disk before the peer waits, too.
const WAITING: usize = 16;
/// How many bytes of entries are kept in memory for a disk that takes nothing. The peer takes no part meanwhile, so this
/// is much; what comes then is lost and counted.
const OWED_BYTES: usize = 16 << 20;

/// What became of a job.
pub(super) type Outcome = Result<Option<Signed<Head>>, AuditError>;

/// A handle to the log's thread.
#[derive(Debug)]
pub(super) struct Writer {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    dropped: Arc<AtomicU64>,
}

/// Something to do with the log.
struct Job {
    drafts: Vec<Draft>,
    /// When to sign a head, if one is to be signed.
    sign: Option<Timestamp>,
    done: oneshot::Sender<Outcome>,
}

/// Entries that are not in the file.
#[derive(Debug, Default)]
pub(super) struct Owed {
    drafts: VecDeque<Draft>,
    bytes: usize,
}

impl Writer {
    /// Starts the thread. What it can't write it keeps, and writes with what comes next.
    pub(super) fn start(mut ledger: Ledger) -> std::io::Result<Self> {
        let (jobs, mut queue) = mpsc::channel::<Job>(WAITING);
        let dropped = Arc::new(AtomicU64::new(0));
        let tell = Arc::clone(&dropped);
        let thread = std::thread::Builder::new().name("log".to_owned()).spawn(move || {
            let (mut owed, mut failed) = (Owed::default(), false);
            while let Some(Job { drafts, sign, done }) = queue.blocking_recv() {
                tell.fetch_add(owed.add(drafts), Ordering::Relaxed);
                let written = owed.write(&mut ledger);
                let outcome = match (written, sign) {
                    (Ok(()), Some(now)) => ledger.sign(now),
                    (written, _) => written.map(|()| None),
                };
                if let (false, Err(error)) = (failed, &outcome) {
                    error!(%error, "the log could not be written; trying again");
                }
                failed = outcome.is_err();
                // Whoever waited may have been stopped meanwhile.
                let _ = done.send(outcome);
            }
        })?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread), dropped })
    }

    /// Appends entries; none if the thread ended.
    pub(super) async fn append(&self, drafts: Vec<Draft>) -> Option<oneshot::Receiver<Outcome>> {
        self.send(drafts, None).await
    }

    /// Signs for all entries so far.
    pub(super) async fn sign(&self, now: Timestamp) -> Option<oneshot::Receiver<Outcome>> {
        self.send(Vec::new(), Some(now)).await
    }

    /// How many entries were given up.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    async fn send(&self, drafts: Vec<Draft>, sign: Option<Timestamp>) -> Option<oneshot::Receiver<Outcome>> {
        let (done, outcome) = oneshot::channel();
        self.jobs.as_ref()?.send(Job { drafts, sign, done }).await.ok()?;
        Some(outcome)
    }
}

impl Owed {
    /// Adds entries; returns how many there was no room for. The first stay: a log goes in order.
    pub(super) fn add(&mut self, drafts: Vec<Draft>) -> u64 {
        let mut dropped = 0;
        for draft in drafts {
            let bytes = self.bytes + draft.body.as_str().len();
            if bytes > OWED_BYTES {
                dropped += 1;
                continue;
            }
            self.bytes = bytes;
            self.drafts.push_back(draft);
        }
        dropped
    }

    /// Writes all of them; what could not be written is still owed then.
    pub(super) fn write(&mut self, ledger: &mut Ledger) -> Result<(), AuditError> {
        ledger.append(self.drafts.make_contiguous())?;
        *self = Self::default();
        Ok(())
    }
}

/// Waits for what was handed over, so that a tidy end loses nothing.
impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            error!("the log's thread panicked");
        }
    }
}
