//! Sensors that are asked at an interval.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use serde::Deserialize;
use smc_core::agent::GapReason;
use smc_core::name::StreamName;
use zeroize::Zeroizing;

use super::command::CommandError;
use super::http::HttpError;
use super::interval::Interval;
use super::pick::{Drawn, Pick};
use super::serial::SerialError;
use super::sysfs::SysfsError;
use super::teller::{Presence, Teller};

/// The most bytes of one answer that are looked into: 16 MiB.
const MOST_BYTES: usize = 16 << 20;

/// How long a sensor is waited for: 0.1 s to five minutes, 10 s by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "f64")]
pub struct Timeout(Duration);

/// Why a number is no such time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("`timeout_s` is a number of seconds from 0.1 to 300")]
pub struct TimeoutError;

/// How much of an answer is looked into, in bytes: 16 to 16 MiB, 64 KiB by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "usize")]
pub struct Bytes(usize);

/// Why a number is none of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("`max_bytes` is a number from 16 to {MOST_BYTES}")]
pub struct BytesError;

impl Default for Timeout {
    fn default() -> Self {
        Self(Duration::from_secs(10))
    }
}

impl TryFrom<f64> for Timeout {
    type Error = TimeoutError;
    fn try_from(seconds: f64) -> Result<Self, TimeoutError> {
        let timeout = (0.1..=300.0).contains(&seconds).then(|| Duration::from_secs_f64(seconds));
        timeout.map(Self).ok_or(TimeoutError)
    }
}

impl Timeout {
    pub(super) fn get(self) -> Duration {
        self.0
    }
}

impl Default for Bytes {
    fn default() -> Self {
        Self(64 << 10)
    }
}

impl TryFrom<usize> for Bytes {
    type Error = BytesError;
    fn try_from(bytes: usize) -> Result<Self, BytesError> {
        (16..=MOST_BYTES).contains(&bytes).then_some(Self(bytes)).ok_or(BytesError)
    }
}

impl Bytes {
    pub(super) fn get(self) -> usize {
        self.0
    }
}

/// Why a sensor can't be read. It is asked again.
#[derive(Debug, thiserror::Error)]
pub enum SensorError {
    /// A program does not say what it should.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// A web server does not.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// A serial line can't be opened, or broke off.
    #[error(transparent)]
    Serial(#[from] SerialError),
    /// A file of the kernel's can't be read.
    #[error(transparent)]
    Sysfs(#[from] SysfsError),
}

/// What a sensor said to one question.
#[derive(Debug)]
pub(super) struct Answer {
    /// Whom it concerns.
    pub(super) streams: Vec<StreamName>,
    /// What each of them gets, or why none gets anything.
    pub(super) said: Result<Vec<Drawn>, SensorError>,
}

/// What can be asked.
pub(super) trait Sensor: Send {
    /// Asks for a reading of every stream; the answers are as many and in the same order each time.
    fn ask(&mut self) -> impl Future<Output = Vec<Answer>> + Send;
}

/// What each stream gets of what a sensor said to all of them.
pub(super) fn drawn(
    readings: &BTreeMap<StreamName, Pick>,
    max: Bytes,
    said: Result<Zeroizing<Vec<u8>>, SensorError>,
) -> Answer {
    let streams = readings.keys().cloned().collect();
    let draw = |said: Zeroizing<Vec<u8>>| readings.values().map(|pick| pick.draw(&said, max.get())).collect();
    Answer { streams, said: said.map(draw) }
}

/// Asks `sensor` at once and then at every whole multiple of `interval` since 1970, for as long as anybody listens.
pub(super) async fn ask_ever_again(mut sensor: impl Sensor, interval: Interval, teller: Teller) {
    let mut presences: Vec<Presence> = Vec::new();
    let mut due = teller.now();
    loop {
        if teller.unless_closed(teller.clock.sleep_until(due)).await.is_none() {
            return;
        }
        let Some(answers) = teller.unless_closed(sensor.ask()).await else { return };
        presences.resize_with(answers.len(), Presence::default);
        for (answer, presence) in answers.into_iter().zip(&mut presences) {
            if !tell(&teller, answer, presence).await {
                return;
            }
        }
        due = interval.next(teller.now());
    }
}

/// Whether anybody listens.
async fn tell(teller: &Teller, answer: Answer, presence: &mut Presence) -> bool {
    let Answer { streams, said } = answer;
    let drawn = match said {
        Ok(drawn) => drawn,
        Err(error) => return teller.lost(presence, &streams, error).await,
    };
    if !teller.found(presence, &streams).await {
        return false;
    }
    let at = teller.now();
    for (stream, drawn) in streams.into_iter().zip(drawn) {
        // Who is asked says everything: what is not in it is missing, not about something else.
        let drawn = if drawn == Drawn::Ignored { Drawn::Unusable(GapReason::Missing) } else { drawn };
        if !teller.drawn(stream, at, drawn).await {
            return false;
        }
    }
    true
}
