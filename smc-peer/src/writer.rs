//! The store on a thread of its own: inputs are written while others come in, and only a vote is waited for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot};
use tracing::error;

use crate::keys::Turn;
use crate::store::{Batch, Store, StoreError};

/// How many batches may wait for the disk before the peer waits, too.
const WAITING: usize = 16;
/// How many bytes of inputs are kept in memory for a disk that takes nothing; the oldest give way.
const OWED_BYTES: usize = 64 << 20;

/// A handle to the store's thread.
#[derive(Debug)]
pub(crate) struct Writer {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<Store>>,
    standing: Arc<Standing>,
}

/// How the thread fares.
#[derive(Debug, Default)]
struct Standing {
    failing: AtomicBool,
    dropped: AtomicU64,
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

/// What is not on disk: the newest job, and whatever failed before it.
#[derive(Default)]
struct Owed {
    batch: Batch,
    turns: Vec<Turn>,
}

/// What was asked for could not be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteError {
    #[error("the store's thread ended")]
    Gone,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Writer {
    /// Starts the thread. What it can't write it keeps, and writes with what comes next.
    pub(crate) fn start(mut store: Store) -> std::io::Result<Self> {
        let (jobs, mut queue) = mpsc::channel::<Job>(WAITING);
        let standing = Arc::new(Standing::default());
        let tell = Arc::clone(&standing);
        let thread = std::thread::Builder::new().name("store".to_owned()).spawn(move || {
            let mut owed = Owed::default();
            while let Some(Job { work, done }) = queue.blocking_recv() {
                tell.dropped.fetch_add(owed.add(work), Ordering::Relaxed);
                let outcome = owed.write(&mut store);
                let failed = tell.failing.swap(outcome.is_err(), Ordering::Relaxed);
                if let (false, Err(error)) = (failed, &outcome) {
                    error!(%error, "could not write; trying again");
                }
                if let Some(done) = done {
                    // Whoever waited may have been stopped meanwhile.
                    let _ = done.send(outcome);
                }
            }
            store
        })?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread), standing })
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

    /// Whether what was written last could not be.
    pub(crate) fn is_failing(&self) -> bool {
        self.standing.failing.load(Ordering::Relaxed)
    }

    /// How many inputs were given up.
    pub(crate) fn dropped(&self) -> u64 {
        self.standing.dropped.load(Ordering::Relaxed)
    }

    /// Ends the thread once it has done what was handed over, and returns the store.
    pub(crate) fn stop(&mut self) -> Result<Store, WriteError> {
        self.jobs = None;
        let thread = self.thread.take().ok_or(WriteError::Gone)?;
        thread.join().map_err(|_| WriteError::Gone)
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

impl Owed {
    /// Adds a job; returns how many inputs had to give way.
    fn add(&mut self, work: Work) -> u64 {
        match work {
            Work::Batch(batch) => {
                self.batch.absorb(batch);
                self.batch.shrink(OWED_BYTES)
            }
            Work::Turn(turn) => {
                self.turns.push(turn);
                0
            }
        }
    }

    /// Writes all of it; what could not be written is still owed then.
    fn write(&mut self, store: &mut Store) -> Result<(), StoreError> {
        while let Some(turn) = self.turns.first() {
            turn.write(store)?;
            self.turns.remove(0);
        }
        store.write(&self.batch)?;
        self.batch = Batch::default();
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
            error!("the store's thread panicked");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StoredInput;
    use crate::store::tests::{input, vote};

    /// Nobody ever waits for this runtime's threads: the store has its own.
    fn wait<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    /// Larger than a page, so that it takes room.
    fn large(window: u64) -> StoredInput {
        StoredInput { envelope: vec![7; 10_000].into(), ..input(window) }
    }

    fn batch(window: u64) -> Batch {
        Batch { inputs: vec![large(window)], votes: vec![vote(window)], ..Batch::default() }
    }

    #[test]
    fn what_a_full_disk_does_not_take_is_written_once_there_is_room() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(dir.path(), None).unwrap();
        store.set_full(true);
        let mut owed = Owed::default();
        for window in 1..=3 {
            owed.add(Work::Batch(batch(window)));
            let error = owed.write(&mut store).unwrap_err();
            assert!(error.cause().contains("full"), "{error}");
        }
        assert_eq!(store.votes().unwrap(), []);
        // Erased before it was ever written.
        owed.add(Work::Batch(Batch { forgotten: vec![input(2).key], ..Batch::default() }));
        store.set_full(false);
        owed.write(&mut store).unwrap();
        drop(store);
        let store = Store::open(dir.path(), None).unwrap();
        let mut kept = Vec::new();
        store.each_input(|input| kept.push(input)).unwrap();
        assert_eq!((store.votes().unwrap(), kept), (vec![vote(3)], vec![large(1), large(3)]));
    }

    #[test]
    fn a_store_that_became_read_only_is_told_of_and_works_again() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), None).unwrap();
        store.set_read_only(true);
        let mut owed = Owed::default();
        let mut store = store;
        owed.add(Work::Batch(batch(1)));
        let error = owed.write(&mut store).unwrap_err();
        assert!(error.cause().contains("readonly"), "{error}");
        store.set_read_only(false);
        owed.write(&mut store).unwrap();
        assert_eq!(store.votes().unwrap(), [vote(1)]);
    }

    #[test]
    fn what_is_kept_for_a_disk_that_takes_nothing_is_bounded() {
        let mut owed = Owed::default();
        let mut dropped = 0;
        for window in 0..100 {
            let mut input = input(window);
            input.envelope = vec![0; 1 << 20].into();
            dropped += owed.add(Work::Batch(Batch { inputs: vec![input], ..Batch::default() }));
        }
        assert_eq!((dropped, owed.batch.inputs.len()), (36, 64));
        assert_eq!(owed.batch.inputs[63].key, input(99).key, "the newest stay");
    }

    #[test]
    fn who_waits_is_told_what_became_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), None).unwrap();
        let writer = Writer::start(store).unwrap();
        wait(writer.commit(batch(1))).unwrap();
        assert!(!writer.is_failing());
        drop(writer);
        assert_eq!(Store::open(dir.path(), None).unwrap().votes().unwrap(), [vote(1)]);
    }
}
