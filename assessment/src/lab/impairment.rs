//! What is wrong with a network, as it is asked for and as the relay takes it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::LabError;
use crate::Parameters;

/// The longest delay, latency and jitter together, in milliseconds: what waits is held in memory.
pub const LATENCY_MS_MAX: f64 = 10_000.0;

/// What a link does to its packets. All links of a lab are alike.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Impairment {
    /// Delay of each packet, one way between any two hosts, in milliseconds.
    pub latency_ms: f64,
    /// How far the delay varies to both sides, evenly, in milliseconds; at most the latency.
    pub jitter_ms: f64,
    /// What a host sends at most, IP packets with their headers, in Mbit/s; none: as much as the machine can.
    pub rate_mbit_s: Option<f64>,
    /// Packets that are lost, each by a throw of its own, in percent.
    pub loss_percent: f64,
    /// Packets that are not delayed, and so overtake those on their way, in percent.
    pub reorder_percent: f64,
}

impl Impairment {
    /// A network without faults.
    pub const NONE: Self =
        Self { latency_ms: 0.0, jitter_ms: 0.0, rate_mbit_s: None, loss_percent: 0.0, reorder_percent: 0.0 };
}

impl Default for Impairment {
    fn default() -> Self {
        Self::NONE
    }
}

impl From<&Parameters> for Impairment {
    fn from(parameters: &Parameters) -> Self {
        Self {
            latency_ms: parameters.latency_ms,
            jitter_ms: parameters.jitter_ms,
            rate_mbit_s: parameters.rate_mbit_s,
            loss_percent: parameters.loss_percent,
            reorder_percent: parameters.reorder_percent,
        }
    }
}

/// An impairment that can be carried out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Shape {
    /// Delay, in nanoseconds.
    pub(super) delay_ns: u64,
    /// How far it varies to both sides; at most the delay.
    pub(super) jitter_ns: u64,
    /// How long a host takes to send a byte, in nanoseconds; 0: no time.
    pub(super) ns_per_byte: f64,
    /// Of 2^32 packets, how many are lost.
    pub(super) loss: Share,
    /// Of 2^32 packets, how many are not delayed.
    pub(super) reorder: Share,
}

/// How many of 2^32 things something happens to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Share(u64);

impl Shape {
    /// No impairment.
    pub(super) const NONE: Self =
        Self { delay_ns: 0, jitter_ns: 0, ns_per_byte: 0.0, loss: Share(0), reorder: Share(0) };

    /// The delay without its variation.
    pub(super) fn delay(&self) -> Duration {
        Duration::from_nanos(self.delay_ns)
    }
}

impl TryFrom<&Impairment> for Shape {
    type Error = LabError;

    fn try_from(asked: &Impairment) -> Result<Self, LabError> {
        let Impairment { latency_ms, jitter_ms, rate_mbit_s, loss_percent, reorder_percent } = *asked;
        let wrong = |key, value, remedy| Err(LabError::Impairment { key, value, remedy });
        // Written so that what is not a number is refused, too.
        if !(0.0..=LATENCY_MS_MAX).contains(&latency_ms) {
            return wrong("latency_ms", latency_ms, "0 to 10000");
        }
        if !(0.0..=latency_ms).contains(&jitter_ms) {
            return wrong(
                "jitter_ms",
                jitter_ms,
                "0 to the latency, since no packet arrives before it was sent",
            );
        }
        if let Some(rate) = rate_mbit_s
            && !(0.01..=100_000.0).contains(&rate)
        {
            return wrong("rate_mbit_s", rate, "0.01 to 100000, or leave it out");
        }
        if !(0.0..=100.0).contains(&loss_percent) {
            return wrong("loss_percent", loss_percent, "0 to 100");
        }
        if !(0.0..=100.0).contains(&reorder_percent) {
            return wrong("reorder_percent", reorder_percent, "0 to 100");
        }
        Ok(Self {
            delay_ns: (latency_ms * 1e6) as u64,
            jitter_ns: (jitter_ms * 1e6) as u64,
            ns_per_byte: rate_mbit_s.map_or(0.0, |rate| 8e3 / rate),
            loss: Share::of_percent(loss_percent),
            reorder: Share::of_percent(reorder_percent),
        })
    }
}

impl Share {
    /// `percent` is between 0 and 100, so that the share is at most 2^32.
    fn of_percent(percent: f64) -> Self {
        Self((percent / 100.0 * 4_294_967_296.0).round() as u64)
    }

    /// Whether it happens to the thing that this evenly distributed number was thrown for.
    pub(super) fn hits(self, thrown: u32) -> bool {
        u64::from(thrown) < self.0
    }

    /// Whether it never happens, so that nothing need be thrown.
    pub(super) fn is_none(self) -> bool {
        self.0 == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(impairment: Impairment) -> String {
        Shape::try_from(&impairment).unwrap_err().to_string()
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_key() {
        let none = Impairment::NONE;
        assert!(refused(Impairment { latency_ms: -1.0, ..none }).contains("latency_ms"));
        assert!(refused(Impairment { latency_ms: f64::NAN, ..none }).contains("latency_ms"));
        assert!(refused(Impairment { latency_ms: 1.0, jitter_ms: 2.0, ..none }).contains("jitter_ms"));
        assert!(refused(Impairment { rate_mbit_s: Some(0.0), ..none }).contains("rate_mbit_s"));
        assert!(refused(Impairment { loss_percent: 101.0, ..none }).contains("loss_percent"));
        assert!(refused(Impairment { reorder_percent: f64::INFINITY, ..none }).contains("reorder_percent"));
    }

    #[test]
    fn a_megabit_per_second_is_eight_microseconds_per_byte() {
        let shape = Shape::try_from(&Impairment { rate_mbit_s: Some(1.0), ..Impairment::NONE }).unwrap();
        assert_eq!(shape.ns_per_byte, 8000.0);
    }

    #[test]
    fn everything_or_nothing_is_lost_at_the_ends() {
        let all = Share::of_percent(100.0);
        assert!(all.hits(0) && all.hits(u32::MAX));
        assert!(!Share::of_percent(0.0).hits(0));
    }
}
