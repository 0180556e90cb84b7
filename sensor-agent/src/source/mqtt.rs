//! Readings that other devices publish over MQTT, on this or another broker.

mod tap;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use smc_core::name::StreamName;
use smc_mqtt::config::{ConfigError, broker};
use smc_mqtt::connection::{BrokerAddress, ConnectionSettings, Happening, Login, connect};
use smc_mqtt::settings::DEFAULT_MAX_PACKET;
use smc_mqtt::tls::TlsFiles;

use super::SourceError;
use super::teller::Teller;

pub use super::pick::{Drawn, JsonPointer, JsonPointerError};
pub use tap::Tap;

/// An mqtt source, as configured.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MqttConfig {
    /// Where the devices publish; the agent's own broker and login if left out.
    #[serde(default)]
    pub broker: Option<BrokerConfig>,
    /// Whether a message that the broker had kept counts as a reading. Its age is unknown, so by default not.
    #[serde(default)]
    pub retained: bool,
    /// The largest payload that is looked into, in bytes; at most 16 MiB. Vectors need more than the default.
    #[serde(default = "default_max_payload")]
    pub max_payload: usize,
    /// Where each stream is found.
    pub topics: BTreeMap<StreamName, Tap>,
}

/// A broker other than the agent's.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BrokerConfig {
    /// `host:port`, `mqtt://host:port` or `mqtts://host:port`.
    pub address: BrokerAddress,
    /// The file of the authority that the broker's certificate is of; for one with TLS.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// A certificate to show it, if it wants one.
    #[serde(default)]
    pub certificate: Option<PathBuf>,
    /// The key of that certificate.
    #[serde(default)]
    pub certificate_key: Option<PathBuf>,
    /// The client id; must not be in use by another client of that broker.
    pub client_id: String,
    /// User and password, where that broker asks for them.
    #[serde(default)]
    pub login: Option<Login>,
}

impl BrokerConfig {
    /// Has the address say whom to trust there; the paths count from the file at `config`.
    ///
    /// # Errors
    /// If the keys don't go together.
    pub(crate) fn trust(&mut self, config: &Path) -> Result<(), ConfigError> {
        let Self { address, ca, certificate, certificate_key, .. } = self.clone();
        let files = TlsFiles { ca, certificate, certificate_key };
        if let (Some(address), Some(tls)) = broker(config, Some(address), files)? {
            self.address = address.trusting(tls);
        }
        Ok(())
    }
}

fn default_max_payload() -> usize {
    64 << 10
}

/// The largest packet that an mqtt source takes in: a payload of 16 MiB and its topic.
const MAX_PACKET: usize = (16 << 20) + TOPIC;
/// Room for what is not payload in a packet.
const TOPIC: usize = 128 << 10;

impl MqttConfig {
    /// How large the packets are that its connection must take in.
    pub(crate) fn max_packet(&self) -> usize {
        self.max_payload.saturating_add(TOPIC).clamp(DEFAULT_MAX_PACKET, MAX_PACKET)
    }
}

/// What messages mean to streams, without a connection: for an owner of one that dispatches messages itself.
#[derive(Debug, Clone)]
pub struct Taps {
    taps: Vec<(StreamName, Tap)>,
    retained: bool,
    max_payload: usize,
}

impl Taps {
    /// The taps of `config`.
    pub fn new(config: &MqttConfig) -> Self {
        let taps = config.topics.iter().map(|(stream, tap)| (stream.clone(), tap.clone())).collect();
        Self { taps, retained: config.retained, max_payload: config.max_payload }
    }

    /// The topic filters to subscribe, each once.
    pub fn filters(&self) -> Vec<String> {
        let mut filters: Vec<_> = self.taps.iter().map(|(_, tap)| tap.topic.to_string()).collect();
        filters.sort_unstable();
        filters.dedup();
        filters
    }

    /// What a message brings for each stream that listens to its topic.
    pub fn draw(&self, topic: &str, payload: &[u8], retain: bool) -> Vec<(StreamName, Drawn)> {
        let listening = self.taps.iter().filter(|(_, tap)| tap.topic.matches(topic));
        listening
            .map(|(stream, tap)| {
                let unwanted = retain && !self.retained;
                (
                    stream.clone(),
                    if unwanted { Drawn::Ignored } else { tap.pick.draw(payload, self.max_payload) },
                )
            })
            .collect()
    }
}

/// The running source.
#[derive(Debug)]
pub(super) struct MqttSource {
    taps: Taps,
    settings: ConnectionSettings,
}

impl MqttSource {
    /// Connects as `config` says, or with `settings` if it names no broker.
    pub(super) fn new(config: MqttConfig, settings: Option<ConnectionSettings>) -> Result<Self, SourceError> {
        let (taps, max_packet) = (Taps::new(&config), config.max_packet());
        let settings = match config.broker {
            None => {
                let settings = settings.ok_or(SourceError::NoBroker)?;
                ConnectionSettings { will: None, max_packet, ..settings }
            }
            Some(broker) => ConnectionSettings {
                login: broker.login,
                max_packet,
                ..ConnectionSettings::new(broker.address, broker.client_id)
            },
        };
        Ok(Self { taps, settings })
    }

    pub(super) async fn run(self, teller: Teller) {
        let (publisher, mut incoming) = connect(self.settings.clone(), self.taps.filters());
        // Ends when the broker's connection does, or nobody listens.
        while let Some(happening) = teller.unless_closed(incoming.next()).await.flatten() {
            if !self.tell(happening, &teller).await {
                break;
            }
        }
        publisher.close().await;
    }

    /// `false` when nobody listens any more.
    async fn tell(&self, happening: Happening, teller: &Teller) -> bool {
        let broker = &self.settings.broker;
        match happening {
            Happening::Message { topic, payload, retain } => {
                let at = teller.now();
                for (stream, drawn) in self.taps.draw(&topic, &payload, retain) {
                    if !teller.drawn(stream, at, drawn).await {
                        return false;
                    }
                }
            }
            Happening::Connected => tracing::info!(%broker, "readings' broker connected"),
            Happening::Disconnected { reason } => {
                tracing::warn!(%broker, %reason, "no connection to the readings' broker; trying again");
            }
            Happening::Refused { reason } => {
                tracing::warn!(%broker, %reason, "refused by the readings' broker; trying again");
            }
        }
        true
    }
}
