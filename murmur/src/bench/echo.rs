//! A client that sends itself messages: what the way to the broker and back takes.

use std::time::Instant;

use smc_mqtt::connection::{Happening, Incoming, Publisher, connect};
use smc_mqtt::settings::ConnectionSettings;
use tokio::time::timeout;

use super::{BenchError, LIMIT};

/// The client, connected.
pub(super) struct Echo {
    publisher: Publisher,
    incoming: Incoming,
}

impl Echo {
    /// Connects; it hears what is published on `filter`.
    pub(super) async fn connect(settings: ConnectionSettings, filter: String) -> Result<Self, BenchError> {
        let (publisher, incoming) = connect(settings, vec![filter]);
        let mut this = Self { publisher, incoming };
        let connected = this.hear(|happening| matches!(happening, Happening::Connected));
        timeout(LIMIT, connected).await.map_err(|_| BenchError::Start { have: 0, need: 1 })?;
        Ok(this)
    }

    /// Sends a message and waits for it: how many milliseconds that takes.
    pub(super) async fn call(&mut self, topic: String, message: Vec<u8>) -> Result<f64, BenchError> {
        let sent = Instant::now();
        let taken = self.publisher.publish_wait(topic, message, false).await;
        taken.map_err(|error| BenchError::Setup(error.to_string()))?;
        let back = self.hear(|happening| matches!(happening, Happening::Message { .. }));
        timeout(LIMIT, back).await.map_err(|_| BenchError::Stalled(LIMIT))?;
        Ok(sent.elapsed().as_secs_f64() * 1e3)
    }

    pub(super) async fn close(self) {
        self.publisher.close().await;
    }

    /// Waits for the first that is `wanted`, or for the end of the connection.
    async fn hear(&mut self, wanted: impl Fn(&Happening) -> bool) {
        while let Some(happening) = self.incoming.next().await {
            if wanted(&happening) {
                return;
            }
        }
    }
}
