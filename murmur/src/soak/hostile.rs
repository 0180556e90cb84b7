//! A client that means harm: with the login of an agent, or with none.

use std::net::SocketAddr;
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use smc_core::name::NodeName;
use smc_mqtt::config::KeyFile;
use smc_mqtt::connection::connect;
use smc_mqtt::settings::{BrokerAddress, ConnectionSettings, Login};
use smc_mqtt::topic::{Topic, Topics};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout_at};

use crate::garbage::{garbage, garbled_greeting};

/// How large the messages of a flood are.
const FLOOD_BYTES: usize = 1024;
/// How many of them wait at most.
const FLOOD_QUEUE: usize = 64;
/// How long a client that sends garbage waits in between.
const PAUSE: Duration = Duration::from_millis(10);

/// Who does it, and to whom.
pub(super) struct Hostile {
    pub(super) broker: SocketAddr,
    pub(super) topics: Topics,
    pub(super) secrets: KeyFile,
    pub(super) peers: Vec<NodeName>,
    pub(super) seed: u64,
}

impl Hostile {
    /// Sends to all peers as much as the broker takes, for so long.
    pub(super) async fn flood(self, span: Duration) {
        self.publish(span, None, |_| vec![b'x'; FLOOD_BYTES]).await;
    }

    /// Sends to all peers what means nothing, for so long.
    pub(super) async fn garble(self, span: Duration) {
        self.publish(span, Some(PAUSE), garbage).await;
    }

    /// Says to the broker's port what means nothing, for so long.
    pub(super) async fn babble(self, span: Duration) {
        let (end, mut rng) = (Instant::now() + span, ChaCha20Rng::seed_from_u64(self.seed));
        while Instant::now() < end {
            let bytes = garbled_greeting(&mut rng);
            // A broker that is away hears it as little as one that hangs up.
            if let Ok(Ok(mut stream)) = timeout_at(end, TcpStream::connect(self.broker)).await {
                let _ = timeout_at(end, stream.write_all(&bytes)).await;
            }
            sleep(PAUSE).await;
        }
    }

    async fn publish(
        self,
        span: Duration,
        pause: Option<Duration>,
        payload: impl Fn(&mut ChaCha20Rng) -> Vec<u8>,
    ) {
        let (end, mut rng) = (Instant::now() + span, ChaCha20Rng::seed_from_u64(self.seed));
        let node = self.secrets.node;
        let Ok(broker) = BrokerAddress::new(&self.broker.ip().to_string(), self.broker.port()) else {
            return;
        };
        let settings = ConnectionSettings {
            login: Some(Login { user: node.to_string(), password: self.secrets.password }),
            queue: FLOOD_QUEUE,
            // The second client that a login may have, so that the agent itself stays connected.
            ..ConnectionSettings::new(broker, format!("{node}.open"))
        };
        let (publisher, _incoming) = connect(settings, Vec::new());
        for to in self.peers.iter().cycle() {
            let topic = self.topics.spell(&Topic::Share { to: to.clone(), from: node.clone() });
            let bytes = payload(&mut rng);
            let sent = timeout_at(end, publisher.publish_wait(topic, bytes, false)).await;
            if !matches!(sent, Ok(Ok(()))) || Instant::now() >= end {
                return;
            }
            if let Some(pause) = pause {
                sleep(pause).await;
            }
        }
    }
}
