//! Whether the network is as it was asked for: measured between two hosts, before anything is measured on it.

mod probe;
mod stream;

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use self::probe::Echoes;
pub(super) use self::probe::echoes;
pub(super) use self::stream::{Sender, quiet, rate_mbit_s};
use super::{Impairment, LinkKind};
use crate::statistics::Median;

/// How far the latency may be off, in parts of it and in milliseconds, whichever is more.
const LATENCY_PART: f64 = 0.1;
const LATENCY_MS: f64 = 0.3;

/// The same for the jitter, which is known less exactly.
const JITTER_PART: f64 = 0.2;
const JITTER_MS: f64 = 0.3;

/// How far the rate may be off, in parts of it.
const RATE_PART: f64 = 0.1;

/// How many standard deviations of a binomial distribution the losses may be off: one calibration of a thousand is refused by
/// chance.
const LOSS_DEVIATIONS: f64 = 3.3;

/// What was asked for beside what was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// What was asked for.
    pub asked: Impairment,
    /// What joined the two hosts.
    pub kind: LinkKind,
    /// What was measured.
    pub measured: Measured,
    /// Whether they go together.
    pub verdict: Verdict,
}

/// What was measured between two hosts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// A small packet's time one way, without the time that its own bytes take at the asked rate.
    pub latency_ms: Median,
    /// How far that varies to both sides, taken for evenly spread.
    #[serde(deserialize_with = "crate::statistics::number")]
    pub jitter_ms: f64,
    /// Packets that were sent.
    pub sent_packets: u64,
    /// Of these, packets that did not arrive.
    pub lost_packets: u64,
    /// The same in percent.
    pub loss_percent: f64,
    /// What arrives of more than can be sent, whole packets, in Mbit/s: where a rate was asked.
    pub rate_mbit_s: Option<f64>,
    /// What one TCP connection brings over, whole packets; by proxies, its payload; in Mbit/s.
    pub tcp_mbit_s: f64,
}

/// Whether the network is as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is.
    Holds,
    /// It is not, for these reasons.
    Off(Vec<String>),
}

impl Calibration {
    pub(super) fn judge(asked: Impairment, kind: LinkKind, measured: Measured) -> Self {
        let verdict = Verdict::of(&asked, kind, &measured);
        Self { asked, kind, measured, verdict }
    }

    /// Whether figures from this network may be believed.
    pub fn holds(&self) -> bool {
        self.verdict == Verdict::Holds
    }
}

impl Measured {
    pub(super) fn new(echoes: &Echoes, rate_mbit_s: Option<f64>, tcp_mbit_s: f64) -> Self {
        Self {
            latency_ms: Median::of(&echoes.delays_ms).unwrap_or(Median::NONE),
            jitter_ms: jitter(echoes.delays_ms.clone()),
            sent_packets: echoes.sent,
            lost_packets: echoes.lost,
            loss_percent: 100.0 * echoes.lost as f64 / echoes.sent.max(1) as f64,
            rate_mbit_s,
            tcp_mbit_s,
        }
    }
}

/// Half the range of delays that are spread evenly: the distance of their quartiles. Quartiles, since a busy machine delays a
/// few packets by far more.
fn jitter(mut delays: Vec<f64>) -> f64 {
    delays.sort_by(f64::total_cmp);
    let at = |quarter: usize| delays.get(delays.len() * quarter / 4).copied().unwrap_or(f64::NAN);
    at(3) - at(1)
}

impl Verdict {
    fn of(asked: &Impairment, kind: LinkKind, measured: &Measured) -> Self {
        let mut reasons = Vec::new();
        let mut hold = |what: &str, asked: f64, measured: f64, within: f64| {
            // Written so that what is not a number is off.
            let holds = (measured - asked).abs() <= within;
            if !holds {
                reasons.push(format!(
                    "{what}: asked {asked}, measured {measured:.3}, which may be off by {within:.3}"
                ));
            }
        };
        let part = |asked: f64, part: f64, least: f64| least.max(asked * part);
        let latency = part(asked.latency_ms, LATENCY_PART, LATENCY_MS);
        hold("latency_ms", asked.latency_ms, measured.latency_ms.median, latency);
        if let Some(rate) = asked.rate_mbit_s {
            hold("rate_mbit_s", rate, measured.rate_mbit_s.unwrap_or(f64::NAN), rate * RATE_PART);
        }
        // Proxies emulate neither, and the lab's notes say so.
        if kind != LinkKind::Proxy {
            // Packets that overtake have another delay, which the quartiles can't tell from jitter.
            if asked.reorder_percent == 0.0 {
                let jitter = part(asked.jitter_ms, JITTER_PART, JITTER_MS);
                hold("jitter_ms", asked.jitter_ms, measured.jitter_ms, jitter);
            }
            let share = asked.loss_percent / 100.0;
            let deviation = (share * (1.0 - share) / measured.sent_packets.max(1) as f64).sqrt();
            // One packet more, since they are whole ones.
            let one = 1.0 / measured.sent_packets.max(1) as f64;
            let within = 100.0 * (LOSS_DEVIATIONS * deviation + one);
            hold("loss_percent", asked.loss_percent, measured.loss_percent, within);
        }
        if reasons.is_empty() { Self::Holds } else { Self::Off(reasons) }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Holds => f.write_str("as asked"),
            Self::Off(reasons) => f.write_str(&reasons.join("; ")),
        }
    }
}

/// How many small packets are sent, and how long apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pace {
    pub(super) packets: u64,
    pub(super) apart: Duration,
}

impl Pace {
    /// Enough to see some twenty losses, for as long as a delay takes to wander up and down some dozens of times, in at most
    /// three seconds; and so far apart that a slow line is free again for the next.
    pub(super) fn of(asked: &Impairment, kind: LinkKind) -> Self {
        let line_ms = asked.rate_mbit_s.map_or(0.0, |rate| probe::line_ms(rate) * 3.0);
        // By netem, those that are nearer to each other than the delay varies wait for the slowest.
        let order_ms = if kind == LinkKind::Netem { 2.2 * asked.jitter_ms } else { 0.0 };
        let apart_ms = line_ms.max(order_ms).max(0.75);
        let losses = if asked.loss_percent > 0.0 { 1000.0 / asked.loss_percent } else { 0.0 };
        let wandering = 200.0 * asked.jitter_ms / apart_ms;
        let packets = losses.max(wandering).clamp(300.0, 4000.0).min(3000.0 / apart_ms).max(20.0);
        Self { packets: packets as u64, apart: Duration::from_secs_f64(apart_ms / 1000.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(latency_ms: f64, lost: u64) -> Measured {
        let echoes = Echoes { delays_ms: vec![latency_ms; 100], sent: 1000, lost };
        Measured::new(&echoes, Some(10.0), 9.0)
    }

    fn reasons(asked: Impairment, measured: Measured) -> String {
        Calibration::judge(asked, LinkKind::Relay, measured).verdict.to_string()
    }

    #[test]
    fn what_is_off_is_named_with_its_numbers() {
        let asked = Impairment { latency_ms: 10.0, ..Impairment::NONE };
        assert_eq!(reasons(asked, measured(10.9, 0)), "as asked");
        assert!(reasons(asked, measured(11.1, 0)).contains("latency_ms: asked 10, measured 11.100"));
        assert!(
            reasons(Impairment { rate_mbit_s: Some(12.0), ..asked }, measured(10.0, 0))
                .contains("rate_mbit_s")
        );
        assert!(reasons(Impairment { jitter_ms: 5.0, ..asked }, measured(10.0, 0)).contains("jitter_ms"));
        let lossy = Impairment { loss_percent: 5.0, ..asked };
        assert_eq!(reasons(lossy, measured(10.0, 60)), "as asked");
        assert!(reasons(lossy, measured(10.0, 80)).contains("loss_percent: asked 5, measured 8.000"));
    }

    #[test]
    fn a_lossless_network_may_not_lose() {
        assert!(reasons(Impairment::NONE, measured(0.1, 3)).contains("loss_percent"));
    }

    #[test]
    fn nothing_that_came_back_is_no_calibration() {
        let silent = Measured::new(&Echoes { delays_ms: Vec::new(), sent: 300, lost: 300 }, None, 0.0);
        assert!(reasons(Impairment::NONE, silent).contains("latency_ms"));
        // It is noted like any other, and read again.
        let noted = serde_json::to_string(&silent).unwrap();
        let read: Measured = serde_json::from_str(&noted).unwrap();
        assert!(read.latency_ms.median.is_nan() && read.jitter_ms.is_nan(), "{noted}");
    }

    #[test]
    fn jitter_is_how_far_delays_vary_to_both_sides() {
        let delays = (0..1000).map(|part| 20.0 - 4.0 + f64::from(part) * 8.0 / 1000.0);
        assert!((jitter(delays.clone().collect()) - 4.0).abs() < 0.01);
        // One in ten was delayed by something else.
        assert!((jitter(delays.chain((0..100).map(|_| 500.0)).collect()) - 4.0).abs() < 0.5);
    }
}
