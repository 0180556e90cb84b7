//! One point of a grid.

use serde::{Deserialize, Serialize};

/// All that can be varied, at one point. Whatever a scenario does not name is as [`Parameters::default`] has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Parameters {
    /// n, 3 to 9.
    pub peers: u8,
    /// t; 2t + 1 peers multiply.
    pub threshold: u8,
    /// Sensor agents, 10 to 10,000; they share one host, as one process.
    pub agents: u32,
    /// Streams of each agent, which travel in one message.
    pub streams: u32,
    /// What is computed, as the catalogue calls it.
    pub function: String,
    /// Bits of a reading.
    pub bits: u8,
    /// Cores that the processes of one host may use; none: all that there are.
    pub cores: Option<u32>,
    /// What all cores run at, in MHz; none: as the machine has it. Where there is none, a point's name knows nothing of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequency_mhz: Option<u32>,
    /// CPU time that one host may use, in percent of one core; none: all.
    pub cpu_percent: Option<u32>,
    /// Delay of each packet, one way between two hosts, in milliseconds.
    pub latency_ms: f64,
    /// How far the delay varies to both sides, in milliseconds.
    pub jitter_ms: f64,
    /// What a host sends at most, in Mbit/s; none: as much as the machine can.
    pub rate_mbit_s: Option<f64>,
    /// Packets that are lost, in percent.
    pub loss_percent: f64,
    /// Packets that overtake those before them, in percent.
    pub reorder_percent: f64,
    /// Computations that share one session and its rounds: elements of a vector.
    pub batch: u32,
    /// Sessions in parallel: queries on the same readings.
    pub sessions: u32,
    /// What carries the messages.
    pub broker: BrokerKind,
    /// Whether nodes reach it by TLS.
    pub tls: bool,
}

/// What carries the messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BrokerKind {
    /// Ours.
    Embedded,
    /// Eclipse Mosquitto.
    Mosquitto,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            peers: 3,
            threshold: 1,
            agents: 50,
            streams: 1,
            function: "sum".to_owned(),
            bits: 16,
            cores: None,
            frequency_mhz: None,
            cpu_percent: None,
            latency_ms: 1.0,
            jitter_ms: 0.0,
            rate_mbit_s: None,
            loss_percent: 0.0,
            reorder_percent: 0.0,
            batch: 1,
            sessions: 1,
            broker: BrokerKind::Embedded,
            tls: false,
        }
    }
}
