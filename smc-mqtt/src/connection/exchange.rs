//! Filters that take the place of others while a connection lasts; the next connection begins with the first ones again.

use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{SubAck, Subscribe, SubscribeFilter, SubscribeReasonCode, Unsubscribe};
use tokio::sync::mpsc;

/// The id of the SUBSCRIBE and the UNSUBSCRIBE of an exchange, of which there is one at a time.
pub(super) const EXCHANGE_ID: u16 = 2;

/// One filter instead of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Exchange {
    pub(super) from: String,
    pub(super) to: String,
}

/// Exchanges that are to be made, and the one under way.
#[derive(Debug)]
pub(super) struct Exchanges {
    queue: mpsc::Receiver<Exchange>,
    asked: Option<Exchange>,
    /// UNSUBSCRIBEs that the broker has not answered.
    leaving: usize,
}

impl Exchanges {
    pub(super) fn new(queue: mpsc::Receiver<Exchange>) -> Self {
        Self { queue, asked: None, leaving: 0 }
    }

    /// There is a new connection: what was asked for was for the last one.
    pub(super) fn restart(&mut self) {
        (self.asked, self.leaving) = (None, 0);
        while self.queue.try_recv().is_ok() {}
    }

    /// Waits for an exchange that can be made, and returns what to ask the broker for. Cancelling it loses nothing.
    pub(super) async fn next(&mut self) -> Subscribe {
        if self.asked.is_some() {
            return std::future::pending().await;
        }
        let Some(exchange) = self.queue.recv().await else { return std::future::pending().await };
        let mut packet = Subscribe::new_many([SubscribeFilter::new(exchange.to.clone(), QoS::AtLeastOnce)]);
        packet.pkid = EXCHANGE_ID;
        self.asked = Some(exchange);
        packet
    }

    /// What became of an exchange: `Ok` with what to give up now that the broker took the new filter, `Err` with the filter
    /// that it refused. None if nothing was asked.
    pub(super) fn answered(
        &mut self,
        ack: &SubAck,
        subscriptions: &mut [String],
    ) -> Option<Result<Unsubscribe, String>> {
        let Exchange { from, to } = self.asked.take()?;
        let [code] = ack.return_codes.as_slice() else { return None };
        if *code == SubscribeReasonCode::Failure {
            return Some(Err(to));
        }
        for subscription in subscriptions.iter_mut().filter(|subscription| **subscription == from) {
            subscription.clone_from(&to);
        }
        self.leaving += 1;
        let mut packet = Unsubscribe::new(from);
        packet.pkid = EXCHANGE_ID;
        Some(Ok(packet))
    }

    /// Notes that the broker answered an UNSUBSCRIBE; `false` if there was none.
    pub(super) fn left(&mut self) -> bool {
        let asked = self.leaving > 0;
        self.leaving = self.leaving.saturating_sub(1);
        asked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(code: SubscribeReasonCode) -> SubAck {
        SubAck::new(EXCHANGE_ID, vec![code])
    }

    #[tokio::test]
    async fn a_filter_is_given_up_only_once_the_other_one_is_taken() {
        let (sender, queue) = mpsc::channel(4);
        let mut exchanges = Exchanges::new(queue);
        let mut subscriptions = ["a".to_owned(), "b".to_owned()];
        let exchange = |to: &str| Exchange { from: "b".into(), to: to.into() };
        sender.try_send(exchange("refused")).unwrap();
        assert_eq!(exchanges.next().await.filters[0].path, "refused");
        let refused = exchanges.answered(&answer(SubscribeReasonCode::Failure), &mut subscriptions);
        assert_eq!(refused, Some(Err("refused".to_owned())));
        assert_eq!(subscriptions, ["a", "b"]);

        sender.try_send(exchange("c")).unwrap();
        assert_eq!(exchanges.next().await.filters[0].path, "c");
        let taken = SubscribeReasonCode::Success(QoS::AtLeastOnce);
        let left = exchanges.answered(&answer(taken), &mut subscriptions).unwrap().unwrap();
        assert_eq!((left.topics.as_slice(), left.pkid), (&["b".to_owned()][..], EXCHANGE_ID));
        assert_eq!(subscriptions, ["a", "c"]);
        assert!(exchanges.left() && !exchanges.left(), "it is answered once");
        assert_eq!(exchanges.answered(&answer(taken), &mut subscriptions), None, "nothing was asked");
    }

    #[tokio::test]
    async fn what_was_asked_on_an_earlier_connection_is_forgotten() {
        let (sender, queue) = mpsc::channel(4);
        let mut exchanges = Exchanges::new(queue);
        for to in ["b", "c"] {
            sender.try_send(Exchange { from: "a".into(), to: to.into() }).unwrap();
        }
        exchanges.next().await;
        exchanges.restart();
        sender.try_send(Exchange { from: "a".into(), to: "d".into() }).unwrap();
        assert_eq!(exchanges.next().await.filters[0].path, "d");
    }
}
