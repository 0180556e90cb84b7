//! What the model says about what can't be played here.

use serde::Serialize;

use super::{Costs, Model, Work, WorkError, bytes, phases};
use crate::parameters::Parameters;

/// One row of the table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Elsewhere {
    /// What it is about.
    pub what: &'static str,
    /// What is taken for granted: none of it was measured.
    pub assumed: &'static str,
    /// What a window takes from its due instant to its result, in milliseconds.
    pub time_ms: f64,
    /// What a peer sends in a window, in bytes.
    pub bytes: f64,
}

/// A core of a Raspberry Pi 4 takes so many times as long as one of this machine. Assumed.
const PI: f64 = 5.0;
/// What a worker of a clustered broker's peer takes per message of an agent, in milliseconds, here. Opening a sealed
/// message costs about 50 us of CPU; with decoding and keeping it about twice that. Assumed.
const TAKEN_MS: f64 = 0.1;
/// A million sensors: agents of 100 streams each.
const MILLION_AGENTS: u32 = 10_000;
const MILLION_STREAMS: u32 = 100;
/// Workers of each peer.
const WORKERS: f64 = 8.0;

/// The table, with the costs of this machine.
///
/// # Errors
/// If the work can't be counted.
pub fn elsewhere(model: &Model) -> Result<Vec<Elsewhere>, WorkError> {
    let mut rows = Vec::new();
    for (function, what) in [
        ("mean", "a Raspberry Pi 4 per peer, on Wi-Fi: mean"),
        ("max", "a Raspberry Pi 4 per peer, on Wi-Fi: max"),
    ] {
        let p = Parameters {
            function: function.to_owned(),
            agents: 100,
            latency_ms: 3.0,
            jitter_ms: 2.0,
            rate_mbit_s: Some(30.0),
            cpu_percent: Some((100.0 / PI) as u32),
            ..Parameters::default()
        };
        let assumed = "3 peers, 100 agents, readings of 16 bits; each link 3 ms +- 2 ms and 30 Mbit/s; every cost of this \
                       machine five times, the broker's too; no loss";
        rows.push(row(model, what, assumed, &p, 0.0)?);
    }
    for (function, what) in
        [("mean", "peers in three countries: mean"), ("max", "peers in three countries: max")]
    {
        let p = Parameters {
            function: function.to_owned(),
            agents: 100,
            latency_ms: 100.0,
            jitter_ms: 5.0,
            rate_mbit_s: Some(100.0),
            ..Parameters::default()
        };
        let assumed = "3 peers, 100 agents, readings of 16 bits; 100 ms +- 5 ms from each country to the broker, 100 Mbit/s; \
                       costs of this machine; no loss";
        rows.push(row(model, what, assumed, &p, 0.0)?);
    }
    let p = Parameters {
        function: "mean".to_owned(),
        agents: MILLION_AGENTS,
        streams: MILLION_STREAMS,
        latency_ms: 0.3,
        rate_mbit_s: Some(10_000.0),
        ..Parameters::default()
    };
    let queue = f64::from(MILLION_AGENTS) * TAKEN_MS / WORKERS;
    let assumed = "1,000,000 readings of 16 bits, 100 to a message; a clustered broker that is never the bottleneck; all \
                   10,000 messages come at the window's end, and 8 workers per peer take 0.1 ms for each; links of 0.3 ms and \
                   10 Gbit/s; the check as one thread does it here";
    rows.push(row(model, "1,000,000 sensors: mean", assumed, &p, queue)?);
    Ok(rows)
}

fn row(
    model: &Model,
    what: &'static str,
    assumed: &'static str,
    p: &Parameters,
    beside_ms: f64,
) -> Result<Elsewhere, WorkError> {
    let work = Work::of(p)?;
    // There, each peer has a machine to itself.
    let costs = Costs { known: model.costs.known.apart(), ..model.costs };
    let time_ms = beside_ms + phases(&work, p, &costs).iter().map(|(_, ms)| ms).sum::<f64>();
    let bytes = bytes(&work, p, &[model.message_bytes, model.share_bytes, model.agent_bytes]);
    Ok(Elsewhere { what, assumed, time_ms, bytes })
}
