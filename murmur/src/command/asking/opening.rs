//! Values that are for the client's eyes alone, opened beside the results that have none.

use std::sync::Arc;
use std::time::Instant;

use smc_core::function::Query;
use smc_core::identity::SealingSecret;
use smc_core::roster::Roster;
use smc_mqtt::client::Access;
use smc_mqtt::topic::Topics;

use crate::command::open::{Inbox, Opened};

/// Opens what is sealed for one client, of one query.
pub(super) struct Opening(Option<Inbox>);

impl Opening {
    /// Opens what `query` yields, if it is for whom `access` is.
    pub(super) fn new(access: &Access, query: Option<&Query>) -> Self {
        let (me, roster) = (access.node().clone(), access.roster());
        let ours = query.filter(|query| query.audience.as_ref() == Some(&me));
        Self(ours.map(|query| {
            let topics = Topics::new(roster.site().clone());
            let secret = SealingSecret::from_bytes(&access.sealing().to_bytes());
            let patience = roster.timing().step;
            Inbox::new(Arc::clone(roster), topics, me, secret, [query.clone()], patience)
        }))
    }

    /// Whether there is anything to open.
    pub(super) fn is_ours(&self) -> bool {
        self.0.is_some()
    }

    /// Takes in a share, by the member list that holds now.
    pub(super) fn take(&mut self, roster: &Arc<Roster>, topic: &str, payload: &[u8]) {
        if let Some(inbox) = &mut self.0 {
            inbox.move_to(roster);
            inbox.take(Instant::now(), topic, payload);
        }
    }

    pub(super) fn pop(&mut self) -> Option<Opened> {
        self.0.as_mut()?.pop(Instant::now())
    }

    /// Resolves when there may be something to open although nothing came.
    pub(super) async fn due(&self) {
        match self.0.as_ref().and_then(Inbox::due) {
            Some(instant) => tokio::time::sleep_until(instant.into()).await,
            None => std::future::pending().await,
        }
    }
}
