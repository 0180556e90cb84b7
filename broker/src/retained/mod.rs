//! Retained messages: the newest of each topic, in memory and, with a state folder, on disk.

mod fuzz;
mod log;
mod messages;

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::{mpsc, oneshot};

use crate::counters::{Counters, bump};
use crate::error::BrokerError;
use crate::filter::Filter;
use crate::gate::Gate;
use crate::limits::Limits;
use crate::message::Message;
pub(crate) use fuzz::fuzz;
use log::{Log, Record};
use messages::Messages;

/// Writes that may wait for the disk; publishers of retained messages wait beyond that.
const WAITING: usize = 256;
/// After a write the disk is told to keep it within this time.
const SYNC_AFTER: Duration = Duration::from_secs(1);

/// The retained messages of one broker.
#[derive(Debug)]
pub(crate) struct Retained {
    messages: Arc<RwLock<Messages>>,
    writer: Option<mpsc::Sender<Write>>,
    counters: Arc<Counters>,
    full: Gate,
}

#[derive(Debug)]
struct Write {
    /// None closes the file.
    record: Option<Record>,
    done: oneshot::Sender<()>,
}

impl Retained {
    /// Opens the store in `folder`, or an empty one in memory. Blocks on the disk.
    pub(crate) fn open(
        folder: Option<&Path>,
        limits: &Limits,
        counters: Arc<Counters>,
    ) -> Result<Self, BrokerError> {
        let mut messages = Messages::new(limits);
        let log = match folder {
            None => None,
            Some(folder) => Some(Log::open(folder, |record| messages.apply(record, None))?),
        };
        messages.count(&counters);
        let messages = Arc::new(RwLock::new(messages));
        let writer = match log {
            None => None,
            Some(log) => Some(start_writer(log, messages.clone(), counters.clone())?),
        };
        Ok(Self { messages, writer, counters, full: Gate::default() })
    }

    /// Whether `account` may have a retained message on `topic` besides those that it has.
    pub(crate) fn has_room_for(&self, account: &str, topic: &str) -> bool {
        self.messages.read().unwrap_or_else(PoisonError::into_inner).has_room_for(account, topic)
    }

    /// Keeps `message` as its topic's retained one, or forgets that one if the payload is empty. Returns when
    /// the operating system has it, so that it survives the end of this process.
    pub(crate) async fn put(&self, message: Message, account: &str) {
        let record = Record::of(message, now());
        let permit = match &self.writer {
            None => None,
            Some(writer) => writer.reserve().await.ok(),
        };
        // Memory and disk see the changes in one order: the write is queued before the lock is released.
        let (kept, written) = {
            let mut messages = self.messages.write().unwrap_or_else(PoisonError::into_inner);
            let kept = messages.apply(record.clone(), Some(account));
            messages.count(&self.counters);
            (kept, permit.filter(|_| kept).map(|permit| queue(permit, Some(record.clone()))))
        };
        if !kept {
            bump(&self.counters.retained_refused);
            if let Some(more) = self.full.open() {
                let topic = record.topic();
                tracing::warn!(
                    topic,
                    more,
                    "no room for a retained message: raise limits.retained_messages or retained_bytes"
                );
            }
        }
        if let Some(written) = written {
            // The writer counts and logs its failures itself; the message is held in memory either way.
            let _ = written.await;
        }
    }

    /// Returns when everything is on disk and the folder is free for another broker.
    pub(crate) async fn close(&self) {
        let Some(writer) = &self.writer else { return };
        if let Ok(permit) = writer.reserve().await {
            // A writer that has gone has closed the file already.
            let _ = queue(permit, None).await;
        }
    }

    /// The retained messages that `filter` matches, in the order of their topics, with what is left of their
    /// expiry interval.
    pub(crate) fn matching(&self, filter: &Filter) -> Vec<Message> {
        let messages = self.messages.read().unwrap_or_else(PoisonError::into_inner);
        messages.matching(filter, now())
    }
}

fn queue(permit: mpsc::Permit<'_, Write>, record: Option<Record>) -> oneshot::Receiver<()> {
    let (done, written) = oneshot::channel();
    permit.send(Write { record, done });
    written
}

fn start_writer(
    log: Log,
    messages: Arc<RwLock<Messages>>,
    counters: Arc<Counters>,
) -> Result<mpsc::Sender<Write>, BrokerError> {
    let (sender, receiver) = mpsc::channel(WAITING);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .map_err(|source| BrokerError::Thread { source })?;
    thread::Builder::new()
        .name("retained".into())
        .spawn(move || runtime.block_on(write_all(log, receiver, &messages, &counters)))
        .map_err(|source| BrokerError::Thread { source })?;
    Ok(sender)
}

/// Writes what comes until all senders are gone: one write for all that waits, and a sync soon after.
async fn write_all(
    mut log: Log,
    mut writes: mpsc::Receiver<Write>,
    messages: &RwLock<Messages>,
    counters: &Counters,
) {
    let failures = Gate::default();
    let mut waiting = Vec::with_capacity(WAITING);
    loop {
        let more = writes.recv_many(&mut waiting, WAITING);
        let received = match log.dirty_since() {
            None => more.await,
            Some(since) => match tokio::time::timeout_at((since + SYNC_AFTER).into(), more).await {
                Ok(received) => received,
                Err(_) => {
                    log.sync();
                    continue;
                }
            },
        };
        if received == 0 {
            return log.sync();
        }
        if let Err(error) = write(&mut log, &waiting, messages) {
            bump(&counters.retained_write_errors);
            if let Some(more) = failures.open() {
                tracing::error!(%error, more, "retained messages are held in memory only");
            }
        }
        let closing = waiting.iter().position(|write| write.record.is_none());
        for write in waiting.drain(..closing.unwrap_or(waiting.len())) {
            // Whoever published may have gone.
            let _ = write.done.send(());
        }
        if closing.is_some() {
            log.sync();
            drop(log);
            // Dropping what waits tells that it is done with.
            return;
        }
    }
}

fn write(log: &mut Log, waiting: &[Write], messages: &RwLock<Messages>) -> std::io::Result<()> {
    log.append(waiting.iter().filter_map(|write| write.record.as_ref()))?;
    if !log.is_wasteful() {
        return Ok(());
    }
    // Later changes that are in memory already are appended again: applying them twice does no harm.
    let records = messages.read().unwrap_or_else(PoisonError::into_inner).records();
    log.rewrite(&records)
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Where the messages are kept in a state folder.
pub(crate) fn log_path(folder: &Path) -> PathBuf {
    folder.join("retained.log")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::QoS;
    use crate::message::Origin;

    fn message(topic: &str, properties: &[u8], payload: &[u8]) -> Message {
        Message::build(topic, QoS::AtLeastOnce, true, properties, payload, Origin(1))
    }

    fn open(folder: Option<&Path>, limits: &Limits) -> Retained {
        Retained::open(folder, limits, Arc::default()).unwrap()
    }

    fn topics(store: &Retained, filter: &str) -> Vec<String> {
        store.matching(&filter.parse().unwrap()).iter().map(|m| m.topic().to_owned()).collect()
    }

    #[tokio::test]
    async fn the_newest_message_of_a_topic_is_kept_and_an_empty_one_forgets() {
        let store = open(None, &Limits::default());
        for (topic, payload) in [("a/b", "1"), ("a/c", "2"), ("a/b", "3"), ("b", "4")] {
            store.put(message(topic, &[], payload.as_bytes()), "a").await;
        }
        assert_eq!(topics(&store, "a/+"), ["a/b", "a/c"]);
        assert_eq!(store.matching(&"a/b".parse().unwrap())[0].payload(), b"3");
        store.put(message("a/b", &[], b""), "a").await;
        assert_eq!(topics(&store, "#"), ["a/c", "b"]);
    }

    #[tokio::test]
    async fn a_filter_finds_what_lies_beside_others_that_begin_as_it_does() {
        let store = open(None, &Limits::default());
        for topic in ["a", "a b/c", "a/b", "a/b/c", "ab/c", "b/a"] {
            store.put(message(topic, &[], b"1"), "a").await;
        }
        assert_eq!(topics(&store, "a/#"), ["a", "a/b", "a/b/c"]);
        assert_eq!(topics(&store, "a/+"), ["a/b"]);
        assert_eq!(topics(&store, "+/c"), ["a b/c", "ab/c"]);
        assert_eq!(topics(&store, "#").len(), 6);
    }

    #[tokio::test]
    async fn the_store_survives_its_process() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(Some(folder.path()), &Limits::default());
        store.put(message("kept", &[], b"yes"), "a").await;
        store.put(message("gone", &[], b"yes"), "a").await;
        store.put(message("gone", &[], b""), "a").await;
        store.close().await;
        let store = open(Some(folder.path()), &Limits::default());
        assert_eq!(topics(&store, "#"), ["kept"]);
        assert_eq!(store.matching(&"kept".parse().unwrap())[0].qos(), QoS::AtLeastOnce);
    }

    #[tokio::test]
    async fn rewriting_keeps_what_counts_and_the_file_small() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(Some(folder.path()), &Limits::default());
        for round in 0..3_000_u32 {
            store.put(message("status", &[], &[round as u8; 1_000]), "a").await;
        }
        store.close().await;
        assert!(std::fs::metadata(log_path(folder.path())).unwrap().len() < 2_200_000);
        let store = open(Some(folder.path()), &Limits::default());
        assert_eq!(store.matching(&"status".parse().unwrap())[0].payload(), &[2_999_u32 as u8; 1_000]);
    }

    #[tokio::test]
    async fn the_store_is_bounded() {
        let limits = Limits { retained_messages: 2, ..Limits::default() };
        let store = open(None, &limits);
        for topic in ["a", "b", "c"] {
            store.put(message(topic, &[], b"x"), "a").await;
        }
        store.put(message("a", &[], b"y"), "a").await;
        assert_eq!(topics(&store, "#"), ["a", "b"]);
        assert_eq!(store.counters.snapshot().retained_refused, 1);
    }
}
