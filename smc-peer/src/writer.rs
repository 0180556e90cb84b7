//! The store on a thread of its own: inputs are written while others come in, and only a vote is waited for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot};
use tracing::error;

use crate::keys::Turn;
use crate::store::{Batch, Store, StoreError};

/// How many batches may wait for the disk before the peer waits, too.
const WAITING: usize = 16;

/// A handle to the store's thread.
#[derive(Debug)]
pub(crate) struct Writer {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<Store>>,
    failures: Arc<AtomicU64>,
}

struct Job {
    work: Work,
    done: Option<oneshot::Sender<Result<(), StoreError>>>,
}

/// Something to do with the store, off the peer's own thread.
enum Work {
    Batch(Batch),
    Turn(Turn),
}

/// The thread is gone.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteError {
    #[error("the store's thread ended")]
    Gone,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Writer {
    /// Starts the thread.
    pub(crate) fn start(mut store: Store) -> std::io::Result<Self> {
        let (jobs, mut queue) = mpsc::channel::<Job>(WAITING);
        let failures = Arc::new(AtomicU64::new(0));
        let failed = Arc::clone(&failures);
        let thread = std::thread::Builder::new().name("store".to_owned()).spawn(move || {
            while let Some(Job { work, done }) = queue.blocking_recv() {
                let outcome = match work {
                    Work::Batch(batch) => store.write(&batch),
                    Work::Turn(turn) => turn.write(&mut store),
                };
                match (done, outcome) {
                    // Whoever waited may have been stopped meanwhile.
                    (Some(done), outcome) => drop(done.send(outcome)),
                    (None, Ok(())) => {}
                    (None, Err(error)) => {
                        if failed.fetch_add(1, Ordering::Relaxed).is_power_of_two() {
                            error!(%error, "inputs could not be stored; a restart would lose them");
                        }
                    }
                }
            }
            store
        })?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread), failures })
    }

    /// Writes a batch some time soon.
    pub(crate) async fn write(&self, batch: Batch) -> Result<(), WriteError> {
        self.send(Work::Batch(batch), None).await
    }

    /// Writes a batch and waits until it is on disk, with all that was handed over before.
    pub(crate) async fn commit(&self, batch: Batch) -> Result<(), WriteError> {
        self.wait(Work::Batch(batch)).await
    }

    /// Changes the epoch keys and waits until that is on disk.
    pub(crate) async fn turn(&self, turn: Turn) -> Result<(), WriteError> {
        self.wait(Work::Turn(turn)).await
    }

    /// How many batches could not be written.
    pub(crate) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    async fn wait(&self, work: Work) -> Result<(), WriteError> {
        let (done, outcome) = oneshot::channel();
        self.send(work, Some(done)).await?;
        Ok(outcome.await.map_err(|_| WriteError::Gone)??)
    }

    async fn send(
        &self,
        work: Work,
        done: Option<oneshot::Sender<Result<(), StoreError>>>,
    ) -> Result<(), WriteError> {
        let jobs = self.jobs.as_ref().ok_or(WriteError::Gone)?;
        jobs.send(Job { work, done }).await.map_err(|_| WriteError::Gone)
    }
}

/// Waits for what was handed over, so that a tidy end loses nothing.
impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            error!("the store's thread panicked");
        }
    }
}
