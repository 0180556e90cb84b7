//! Readings that a device writes to a serial line, a line of text each.

mod lines;
mod port;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use smc_core::agent::GapReason;
use smc_core::name::StreamName;
use tokio::io::AsyncReadExt;
use zeroize::Zeroizing;

pub use self::lines::{Line, Lines};
pub use self::port::{Baud, BaudError, SerialError};
use super::pick::{Drawn, Pick};
use super::sensor::Bytes;
use super::teller::{Presence, Teller};

/// How long to wait before a line that is not there is looked for again.
const PAUSE: Duration = Duration::from_secs(2);
/// How much is read at once.
const CHUNK: usize = 1024;

/// A serial source, as configured.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SerialConfig {
    /// The line, best by a name that stays: `/dev/serial/by-id/...`.
    pub device: PathBuf,
    /// Its speed.
    #[serde(default)]
    pub baud: Baud,
    /// How many bytes a line of text may have, at most 16 MiB.
    #[serde(default)]
    pub max_bytes: Bytes,
    /// Where each stream is in a line of text.
    pub readings: BTreeMap<StreamName, Pick>,
}

/// The running source.
#[derive(Debug)]
pub(super) struct SerialSource {
    config: SerialConfig,
    presence: Presence,
    /// How many lines of text were no readings.
    garbage: u64,
}

/// The agent listens no longer.
struct Closed;

impl SerialSource {
    pub(super) fn new(config: SerialConfig) -> Self {
        Self { config, presence: Presence::default(), garbage: 0 }
    }

    pub(super) async fn run(mut self, teller: Teller) {
        let streams: Vec<_> = self.config.readings.keys().cloned().collect();
        loop {
            let Some(heard) = teller.unless_closed(self.hear(&teller)).await else { return };
            let error = match heard {
                Ok(Closed) => return,
                Err(error) => error,
            };
            if !teller.lost(&mut self.presence, &streams, error.into()).await
                || teller.unless_closed(tokio::time::sleep(PAUSE)).await.is_none()
            {
                return;
            }
        }
    }

    /// Listens until the line breaks off.
    async fn hear(&mut self, teller: &Teller) -> Result<Closed, SerialError> {
        let mut port = port::open(&self.config.device, self.config.baud)?;
        let mut lines = Lines::new(self.config.max_bytes.get());
        let mut chunk = Zeroizing::new([0; CHUNK]);
        loop {
            let length = port
                .read(&mut chunk[..])
                .await
                .map_err(|error| SerialError::Broken { device: self.config.device.clone(), error })?;
            if length == 0 {
                return Err(SerialError::Ended { device: self.config.device.clone() });
            }
            for line in lines.push(&chunk[..length]) {
                if !self.take(line, teller).await {
                    return Ok(Closed);
                }
            }
        }
    }

    /// Takes in one line of text; whether anybody listens.
    async fn take(&mut self, line: Line, teller: &Teller) -> bool {
        let at = teller.now();
        let Line::Whole(line) = line else { return self.pass_over() };
        let picks = self.config.readings.iter();
        let drawn: Vec<_> =
            picks.map(|(stream, pick)| (stream.clone(), pick.draw(&line, line.len()))).collect();
        // Noise, or what the device says to people: no word about its reading, so the last one stands while it is fresh.
        let is_noise = |(_, drawn): &(_, Drawn)| {
            matches!(drawn, Drawn::Ignored | Drawn::Unusable(GapReason::Unparsable))
        };
        if drawn.iter().all(is_noise) {
            return self.pass_over();
        }
        let streams: Vec<_> = self.config.readings.keys().cloned().collect();
        if !teller.found(&mut self.presence, &streams).await {
            return false;
        }
        for (stream, drawn) in drawn.into_iter().filter(|drawn| !is_noise(drawn)) {
            if !teller.drawn(stream, at, drawn).await {
                return false;
            }
        }
        true
    }

    /// Counts a line of text that is no reading, and says so ever more rarely.
    fn pass_over(&mut self) -> bool {
        self.garbage += 1;
        if self.garbage.is_power_of_two() {
            let (device, count) = (self.config.device.display(), self.garbage);
            tracing::info!(%device, count, "lines of text without a reading; if it never has one, check `baud`");
        }
        true
    }
}
