//! What a window should take: rounds x round trip + bytes / rate + products x cost, and what messages cost here.
//!
//! What the network does to a window follows from its parameters alone. What the machine does is a handful of costs, which are
//! fitted to measurements; each point is predicted with costs that were fitted to the others, so the error that is
//! stated is of points that the model has not seen.

mod elsewhere;
mod known;
mod network;
mod work;

use serde::Serialize;

pub use self::elsewhere::{Elsewhere, elsewhere};
pub use self::known::Known;
pub use self::work::{Work, WorkError};
use crate::observation::{Measure, Phase, Role, Subject};
use crate::parameters::Parameters;
use crate::scenario::{Point, PointId};
use crate::statistics::{non_negative, percentile};
use crate::summary::{Kind, Summary};

/// The phases that a window waits for, in their order.
pub const PHASES: [Phase; 5] =
    [Phase::Agreement, Phase::Validity, Phase::Computation, Phase::Opening, Phase::Publication];

/// Fewer points than this leave too little to fit costs to, once one of them is put aside.
const FEWEST: usize = 3;

/// What things cost on one machine.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Costs {
    /// A window, whatever is in it: the vote goes to the disk.
    pub window_ms: f64,
    /// A round among the peers, beside the round trip.
    pub round_ms: f64,
    /// A message from one peer to another, through the broker.
    pub message_ms: f64,
    /// A kilobyte of such messages.
    pub kilobyte_ms: f64,
    /// The message of an agent, at the broker and at the peers, before the cohort is agreed on.
    pub agent_ms: f64,
    /// What arithmetic costs: measured before the sweep, not fitted.
    pub known: Known,
}

/// A point with its work and what was measured there.
#[derive(Debug, Clone)]
pub struct Sample {
    /// Which point.
    pub point: Point,
    /// What has to be done there.
    pub work: Work,
    /// What a window took, in milliseconds.
    pub time_ms: f64,
    /// What phases of it took at the slowest peer, where that was measured.
    pub phases_ms: Vec<(Phase, f64)>,
    /// What a peer's host sent in a window, in bytes, if that was measured.
    pub bytes: Option<f64>,
}

/// What was predicted of one point by all others.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Predicted {
    /// Which.
    pub point: PointId,
    /// What a window was to take, in milliseconds.
    pub time_ms: f64,
    /// What it took.
    pub measured_ms: f64,
    /// Of which phases that was made up.
    pub phases_ms: Vec<(Phase, f64)>,
    /// What a peer's host was to send in a window, in bytes, and what it sent.
    pub bytes: Option<(f64, f64)>,
}

impl Predicted {
    /// How far off the prediction was, in percent of what was measured.
    pub fn error_percent(&self) -> f64 {
        100.0 * (self.time_ms - self.measured_ms).abs() / self.measured_ms
    }
}

/// A model that was fitted to a machine.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Model {
    /// What things cost there.
    pub costs: Costs,
    /// Bytes on the wire for each message, beside its shares.
    pub message_bytes: f64,
    /// Bytes on the wire for each byte of shares.
    pub share_bytes: f64,
    /// Bytes that a peer's host sends back for each message of an agent.
    pub agent_bytes: f64,
    /// How many points it is fitted to, of all sweeps that it was given.
    pub points: usize,
    /// Each point as predicted by the others.
    pub predicted: Vec<Predicted>,
    /// The median of these predictions' errors.
    pub median_error_percent: f64,
}

impl Model {
    /// Fits a model to `samples` and to `more` of other sweeps on the same machine; none if there are too few. Each of
    /// `samples` is predicted by whatever was measured at other points.
    pub fn fit(samples: &[Sample], more: &[Sample], known: Known) -> Option<Self> {
        let all: Vec<&Sample> = samples.iter().chain(more).collect();
        if all.len() < FEWEST {
            return None;
        }
        let predicted: Vec<Predicted> = samples
            .iter()
            .map(|sample| {
                let unseen = |other: &&Sample| other.point.id != sample.point.id;
                let others: Vec<&Sample> = all.iter().copied().filter(unseen).collect();
                predict(sample, &costs(&others, known), &wire(&others))
            })
            .collect();
        let errors: Vec<f64> = predicted.iter().map(Predicted::error_percent).collect();
        let [message_bytes, share_bytes, agent_bytes] = wire(&all);
        Some(Self {
            costs: costs(&all, known),
            message_bytes,
            share_bytes,
            agent_bytes,
            points: all.len(),
            predicted,
            median_error_percent: percentile(&errors, 0.5)?,
        })
    }

    /// What was predicted of a point.
    pub fn of(&self, point: &PointId) -> Option<&Predicted> {
        self.predicted.iter().find(|predicted| predicted.point == *point)
    }
}

/// The points of a sweep with what this system took there; points whose work can't be counted are left out.
pub fn samples(summary: &Summary) -> Vec<Sample> {
    let sample = |point: &Point| {
        let time = summary.get(&point.id, Kind::time(Subject::Murmuration))?;
        let sent =
            Kind { role: Role::Peer, measure: Measure::WireSentBytes, ..Kind::time(Subject::Murmuration) };
        let work = Work::of(&point.parameters).ok()?;
        let bytes = summary.get(&point.id, sent).map(|bytes| bytes.median);
        let phase = |phase: Phase| {
            let kind = Kind { role: Role::Peer, phase, ..Kind::time(Subject::Murmuration) };
            Some((phase, summary.get(&point.id, kind)?.median))
        };
        let phases_ms = FITTED.into_iter().filter(|of| work.rounds_in(*of) > 0.0).filter_map(phase).collect();
        Some(Sample { point: point.clone(), work, time_ms: time.median, phases_ms, bytes })
    };
    summary.points.iter().filter_map(sample).collect()
}

/// The phases that costs are fitted to beside the whole: of the publication a peer sees but a part.
const FITTED: [Phase; 4] = [Phase::Agreement, Phase::Validity, Phase::Computation, Phase::Opening];

/// What a phase takes of each cost that is fitted: once per window, rounds, messages, kilobytes, agents.
type Row = [f64; 5];

/// The costs that come nearest to what was measured, by the square of the relative error: a tenth more is as wrong for a
/// window of 10 ms as for one of a second.
fn costs(samples: &[&Sample], known: Known) -> Costs {
    let mut rows: Vec<Vec<f64>> = Vec::new();
    let mut targets = Vec::new();
    for Sample { point, work, time_ms, phases_ms, .. } in samples {
        let p = &point.parameters;
        let network = network::phases_ms(work, p);
        let mut add = |phases: &[Phase], took: f64| {
            let given = |phase: &Phase| {
                let network = network.iter().find(|(of, _)| of == phase).map_or(0.0, |(_, ms)| *ms);
                network + arithmetic_ms(*phase, work, p, known)
            };
            let mut all = Row::default();
            for phase in phases {
                all.iter_mut().zip(row(*phase, work, p)).for_each(|(sum, part)| *sum += part);
            }
            rows.push(all.iter().map(|x| x / took).collect());
            targets.push((took - phases.iter().map(given).sum::<f64>()) / took);
        };
        add(&PHASES, *time_ms);
        for (phase, took) in phases_ms {
            add(&[*phase], *took);
        }
    }
    let found = non_negative(&rows, &targets);
    let of = |at: usize| found.get(at).copied().unwrap_or(0.0);
    Costs { window_ms: of(0), round_ms: of(1), message_ms: of(2), kilobyte_ms: of(3), agent_ms: of(4), known }
}

/// Bytes on the wire per message, per byte of shares and per agent, fitted in the same way.
fn wire(samples: &[&Sample]) -> [f64; 3] {
    let known =
        samples.iter().filter_map(|sample| Some((sample, sample.bytes.filter(|bytes| *bytes > 0.0)?)));
    let (rows, targets): (Vec<Vec<f64>>, Vec<f64>) = known
        .map(|(Sample { work, point, .. }, bytes)| {
            (sent(work, &point.parameters).iter().map(|x| x / bytes).collect(), 1.0)
        })
        .unzip();
    let found = non_negative(&rows, &targets);
    std::array::from_fn(|at| found.get(at).copied().unwrap_or(0.0))
}

/// What a peer's host sends in a window: messages, bytes of shares in them, and something back to the broker for each message
/// of an agent.
fn sent(work: &Work, p: &Parameters) -> [f64; 3] {
    let (messages, shares) = work.sent_by_a_peer();
    [messages, shares, f64::from(p.agents)]
}

fn bytes(work: &Work, p: &Parameters, each: &[f64; 3]) -> f64 {
    sent(work, p).iter().zip(each).map(|(x, bytes)| x * bytes).sum()
}

fn predict(sample: &Sample, costs: &Costs, each: &[f64; 3]) -> Predicted {
    let Sample { point, work, time_ms, bytes: measured, .. } = sample;
    let phases_ms = phases(work, &point.parameters, costs);
    Predicted {
        point: point.id.clone(),
        time_ms: phases_ms.iter().map(|(_, ms)| ms).sum(),
        measured_ms: *time_ms,
        phases_ms,
        bytes: measured.map(|measured| (bytes(work, &point.parameters, each), measured)),
    }
}

/// What each phase of a window should take, in milliseconds.
pub fn phases(work: &Work, p: &Parameters, costs: &Costs) -> Vec<(Phase, f64)> {
    let each = [costs.window_ms, costs.round_ms, costs.message_ms, costs.kilobyte_ms, costs.agent_ms];
    let network = network::phases_ms(work, p);
    let of = |(phase, network): (Phase, f64)| {
        let machine: f64 = row(phase, work, p).iter().zip(each).map(|(x, cost)| x * cost).sum();
        (phase, network + machine + arithmetic_ms(phase, work, p, costs.known))
    };
    network.into_iter().map(of).collect()
}

/// What a window takes at least, in milliseconds, on whatever machine: what the network makes of it.
///
/// # Errors
/// If the work can't be counted.
pub fn least_ms(p: &Parameters) -> Result<f64, WorkError> {
    Ok(network::phases_ms(&Work::of(p)?, p).iter().map(|(_, ms)| ms).sum())
}

fn row(phase: Phase, work: &Work, p: &Parameters) -> Row {
    let slower = slower(p);
    let rounds = work.rounds_in(phase);
    let messages = work.messages_in(phase);
    // All messages pass through the one broker.
    let kilobytes = work.shares_in(phase) * f64::from(p.peers) / 1e3;
    let once = if phase == Phase::Agreement { 1.0 } else { 0.0 };
    [once, rounds, messages, kilobytes, once * f64::from(p.agents)].map(|x| x * slower)
}

fn arithmetic_ms(phase: Phase, work: &Work, p: &Parameters, known: Known) -> f64 {
    let ns = match phase {
        Phase::Computation => known.products_ns(work.products, p.peers, p.threshold),
        Phase::Validity => known.bits_ns(work.readings * f64::from(p.bits), p.peers),
        _ => 0.0,
    };
    ns / 1e6 * slower(p)
}

/// How much longer work takes with only a part of a core.
fn slower(p: &Parameters) -> f64 {
    p.cpu_percent.map_or(1.0, |percent| (100.0 / f64::from(percent)).max(1.0))
}
