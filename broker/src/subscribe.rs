//! What happens on SUBSCRIBE and UNSUBSCRIBE.

use tokio::io::{AsyncRead, AsyncWrite};

use crate::close::Close;
use crate::codec::{self, QoS, RetainHandling, SubscribeFilter, reason};
use crate::connection::Connection;
use crate::counters::{add, bump};
use crate::filter::Filter;
use crate::hub::Subscriber;
use crate::outbox::Delivery;

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Grants or refuses each filter, answers, and queues the retained messages of those granted.
    pub(crate) async fn subscribe(
        &mut self,
        id: u16,
        subscription_id: Option<u32>,
        filters: &[SubscribeFilter<'_>],
    ) -> Result<(), Close> {
        let mut grants = Vec::with_capacity(filters.len());
        for wanted in filters {
            let grant = match self.judge(wanted.filter) {
                Ok(filter) => self.grant(filter, wanted, subscription_id).await?,
                Err(refusal) => {
                    self.refused(wanted.filter, refusal);
                    refusal
                }
            };
            grants.push(grant);
        }
        codec::suback(&mut self.wire.output, self.client.version, id, &grants);
        Ok(())
    }

    /// Ends subscriptions and answers.
    pub(crate) fn unsubscribe(&mut self, id: u16, filters: &[&str]) {
        let end = |filter: &&str| {
            let ended = filter.parse().ok().and_then(|filter: Filter| self.subscriptions.remove(&filter));
            if ended.is_some() { reason::SUCCESS } else { reason::NO_SUBSCRIPTION_EXISTED }
        };
        let reasons: Vec<u8> = filters.iter().map(end).collect();
        codec::unsuback(&mut self.wire.output, self.client.version, id, &reasons);
    }

    fn judge(&self, wanted: &str) -> Result<Filter, u8> {
        if wanted.starts_with("$share/") {
            return Err(reason::SHARED_SUBSCRIPTION_NOT_SUPPORTED);
        }
        let filter: Filter = wanted.parse().map_err(|_| reason::FILTER_INVALID)?;
        if !self.client.account.rules.may_subscribe(&filter) {
            return Err(reason::NOT_AUTHORIZED);
        }
        let limits = &self.shared.limits;
        let most = if self.client.account.rules.is_home_assistants() {
            limits.subscriptions_of_home_assistant
        } else {
            limits.subscriptions
        };
        if !self.subscriptions.contains_key(&filter) && self.subscriptions.len() >= most {
            return Err(reason::QUOTA_EXCEEDED);
        }
        Ok(filter)
    }

    async fn grant(
        &mut self,
        filter: Filter,
        wanted: &SubscribeFilter<'_>,
        subscription_id: Option<u32>,
    ) -> Result<u8, Close> {
        let subscriber = Subscriber {
            filter: filter.clone(),
            outbox: self.outbox.clone(),
            origin: self.client.origin,
            qos: wanted.qos,
            no_local: wanted.no_local,
            retain_as_published: wanted.retain_as_published,
            subscription_id,
        };
        let Some(subscription) = self.shared.fanout.subscribe(subscriber).await? else {
            return Ok(reason::NOT_AUTHORIZED);
        };
        // A subscription to the same filter is replaced: the new one hears before the old one ends.
        let is_new = self.subscriptions.insert(filter.clone(), subscription).is_none();
        let retained = match wanted.retain_handling {
            RetainHandling::Always => true,
            RetainHandling::IfNew => is_new,
            RetainHandling::Never => false,
        };
        if retained {
            self.queue_retained(&filter, wanted.qos, subscription_id);
        }
        Ok(if wanted.qos == QoS::AtLeastOnce { 1 } else { 0 })
    }

    fn queue_retained(&mut self, filter: &Filter, qos: QoS, subscription_id: Option<u32>) {
        let mut messages = self.shared.retained.matching(filter);
        let room = self.shared.limits.queue_messages.saturating_sub(self.backlog.len());
        add(&self.shared.counters.dropped_deliveries, messages.len().saturating_sub(room) as u64);
        messages.truncate(room);
        self.backlog.extend(messages.into_iter().map(|message| Delivery {
            qos: qos.min(message.qos()),
            message,
            retain: true,
            subscription_id,
        }));
    }

    fn refused(&self, filter: &str, refusal: u8) {
        bump(&self.shared.counters.refused_subscribes);
        if let Some(more) = self.shared.gates.subscribe.open() {
            let client = &*self.client.id;
            tracing::warn!(client, filter, more, "refused a subscription ({refusal:#04x})");
        }
    }
}
