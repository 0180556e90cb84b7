//! Topics that are subscribed by name, at brokers that hand out retained messages by name alone.
//!
//! MQTT has a broker send what is retained on every topic that a new subscription matches; RabbitMQ sends it to subscriptions
//! without wildcards alone (docs/decisions/0027). Which kind a broker is shows in what comes: who is sent something retained that
//! it can only have asked for by a wildcard needs no names. When nothing such has come for a while, which may be because nothing was
//! there, the wildcards are subscribed once more, now that at least our own documents are; only then are the names used.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{SubAck, Subscribe, SubscribeFilter, SubscribeReasonCode};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// The most names that are kept for later connections; the oldest go first.
const MAX_NAMES: usize = 1_024;
/// How many names go into one SUBSCRIBE.
const AT_ONCE: usize = 64;
/// How long a new connection waits for something retained before it subscribes wildcards once more, and then before it uses
/// names.
const WAIT: Duration = Duration::from_millis(400);
/// How long a name waits for others that follow it.
const GATHER: Duration = Duration::from_millis(30);
/// The first id of a SUBSCRIBE of names; 1 is that of the filters, 2 that of an exchange.
const FIRST_ID: u16 = 3;

/// Whether a broker hands out what is retained to subscriptions with wildcards; as long as nothing has shown it, it may not.
#[derive(Debug, Default)]
pub(super) struct Wildcards(AtomicBool);

impl Wildcards {
    pub(super) fn work(&self) -> bool {
        self.0.load(Relaxed)
    }
}

/// The names, and how far the broker was asked for them.
#[derive(Debug)]
pub(super) struct Looks {
    queue: mpsc::Receiver<String>,
    names: VecDeque<String>,
    /// Those that the broker was not asked for on this connection.
    unasked: Vec<String>,
    /// Whether wildcards were subscribed once more.
    tried: bool,
    due: Instant,
    next_id: u16,
    /// What was asked and not answered, by the id of the question.
    asked: VecDeque<(u16, Vec<String>)>,
}

impl Looks {
    pub(super) fn new(queue: mpsc::Receiver<String>) -> Self {
        Self {
            queue,
            names: VecDeque::new(),
            unasked: Vec::new(),
            tried: false,
            due: Instant::now(),
            next_id: FIRST_ID,
            asked: VecDeque::new(),
        }
    }

    /// There is a new connection, on which nothing was asked for yet.
    pub(super) fn restart(&mut self) {
        self.asked.clear();
        self.unasked = self.names.iter().cloned().collect();
        self.tried = false;
        self.due = Instant::now() + WAIT;
    }

    /// Waits until names are to be subscribed. Cancelling it loses nothing.
    pub(super) async fn due(&mut self) {
        loop {
            let due = self.due;
            tokio::select! {
                Some(name) = self.queue.recv() => self.want(name),
                () = sleep_until(due), if !self.unasked.is_empty() => return,
                else => std::future::pending().await,
            }
        }
    }

    fn want(&mut self, name: String) {
        if self.names.contains(&name) {
            return;
        }
        if self.names.len() >= MAX_NAMES {
            self.names.pop_front();
        }
        self.names.push_back(name.clone());
        self.due = self.due.max(Instant::now() + GATHER);
        self.unasked.push(name);
    }

    /// What to ask the broker for now, which was asked for `subscriptions` at first; nothing if wildcards work.
    pub(super) fn ask(&mut self, subscriptions: &[String], wildcards: &Wildcards) -> Vec<Subscribe> {
        if wildcards.work() {
            self.names.clear();
            self.unasked.clear();
            return Vec::new();
        }
        if !std::mem::replace(&mut self.tried, true) {
            self.due = Instant::now() + WAIT;
            let open = subscriptions.iter().filter(|filter| filter.contains(['+', '#']));
            let open: Vec<_> = open.cloned().collect();
            return open.chunks(AT_ONCE).map(|filters| self.packet(filters)).collect();
        }
        let unasked = std::mem::take(&mut self.unasked);
        unasked.chunks(AT_ONCE).map(|names| self.packet(names)).collect()
    }

    fn packet(&mut self, names: &[String]) -> Subscribe {
        let filters = names.iter().map(|name| SubscribeFilter::new(name.clone(), QoS::AtLeastOnce));
        let mut packet = Subscribe::new_many(filters);
        packet.pkid = self.next_id;
        self.next_id = self.next_id.checked_add(1).unwrap_or(FIRST_ID);
        self.asked.push_back((packet.pkid, names.to_vec()));
        packet
    }

    /// The names that the broker refused by `ack`; none if that answers nothing that was asked.
    pub(super) fn answered(&mut self, ack: &SubAck) -> Option<Vec<String>> {
        let (id, names) = self.asked.pop_front()?;
        if id != ack.pkid || names.len() != ack.return_codes.len() {
            return None;
        }
        let answers = names.into_iter().zip(&ack.return_codes);
        Some(
            answers
                .filter_map(|(name, code)| (*code == SubscribeReasonCode::Failure).then_some(name))
                .collect(),
        )
    }

    /// Takes note of something retained that came on `topic`.
    pub(super) fn note(&self, topic: &str, subscriptions: &[String], wildcards: &Wildcards) {
        let by_name = || subscriptions.iter().chain(&self.names).any(|name| name == topic);
        if !wildcards.work() && !by_name() {
            wildcards.0.store(true, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looks() -> (mpsc::Sender<String>, Looks) {
        let (sender, queue) = mpsc::channel(8);
        (sender, Looks::new(queue))
    }

    fn paths(packets: &[Subscribe]) -> Vec<Vec<&str>> {
        packets.iter().map(|packet| packet.filters.iter().map(|f| f.path.as_str()).collect()).collect()
    }

    fn granted(packet: &Subscribe) -> SubAck {
        SubAck::new(packet.pkid, vec![SubscribeReasonCode::Success(QoS::AtLeastOnce); packet.filters.len()])
    }

    #[tokio::test(start_paused = true)]
    async fn names_are_asked_for_once_on_each_connection() {
        let (sender, mut looks) = looks();
        let (filters, wildcards) = (["a/+".to_owned(), "exact".to_owned()], Wildcards::default());
        looks.restart();
        for name in ["a/b", "a/c", "a/b"] {
            sender.send(name.to_owned()).await.unwrap();
        }
        looks.due().await;
        let packets = looks.ask(&filters, &wildcards);
        assert_eq!(paths(&packets), [["a/+"]]);
        assert_eq!(looks.answered(&granted(&packets[0])), Some(vec![]));
        looks.due().await;
        let packets = looks.ask(&filters, &wildcards);
        assert_eq!(paths(&packets), [["a/b", "a/c"]]);
        let ack = SubAck::new(
            packets[0].pkid,
            vec![SubscribeReasonCode::Success(QoS::AtLeastOnce), SubscribeReasonCode::Failure],
        );
        assert_eq!(looks.answered(&ack), Some(vec!["a/c".to_owned()]));
        assert_eq!(looks.answered(&ack), None, "nothing is unanswered any more");
        looks.restart();
        looks.due().await;
        assert_eq!(paths(&looks.ask(&filters, &wildcards)), [["a/+"]]);
        looks.due().await;
        assert_eq!(paths(&looks.ask(&filters, &wildcards)), [["a/b", "a/c"]]);
    }

    #[tokio::test(start_paused = true)]
    async fn names_are_not_used_where_wildcards_work() {
        let (sender, mut looks) = looks();
        let wildcards = Wildcards::default();
        let filters = ["a/+".to_owned(), "exact".to_owned()];
        looks.restart();
        sender.send("a/b".to_owned()).await.unwrap();
        looks.due().await;
        looks.note("exact", &filters, &wildcards);
        looks.note("a/b", &filters, &wildcards);
        assert!(!wildcards.work(), "both may have been asked for by name");
        looks.note("a/c", &filters, &wildcards);
        assert!(wildcards.work());
        assert!(looks.ask(&filters, &wildcards).is_empty());
        looks.restart();
        assert!(looks.unasked.is_empty(), "they are forgotten");
    }

    #[tokio::test(start_paused = true)]
    async fn names_are_bounded() {
        let (_sender, mut looks) = looks();
        for name in 0..MAX_NAMES + 5 {
            looks.want(name.to_string());
        }
        assert_eq!((looks.names.len(), looks.names[0].as_str()), (MAX_NAMES, "5"));
        looks.tried = true;
        let packets = looks.ask(&[], &Wildcards::default());
        assert!(packets.iter().all(|packet| packet.filters.len() <= AT_ONCE));
    }
}
