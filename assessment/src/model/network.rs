//! What the network alone makes of a window.
//!
//! A message between peers passes two links: to the broker and from it. TCP begins with ten segments in flight and doubles
//! them with each round trip, and begins anew after a pause, so at every window.

use super::PHASES;
use super::work::Work;
use crate::observation::Phase;
use crate::parameters::Parameters;

/// What TCP may have in flight at first: ten segments of 1448 bytes.
const FIRST_FLIGHT: f64 = 14_480.0;
/// Bytes on the wire for a byte of shares: as text four thirds, with the headers of packets.
const SHARES_ON_THE_WIRE: f64 = 1.4;
/// Bytes on the wire for a message, beside its shares.
const MESSAGE_ON_THE_WIRE: f64 = 500.0;
/// A lost packet is probed for after two round trips of its link and about this long, a tick of the kernel's clock. That one with
/// nothing else under way waits for 200 ms is left out: medians see little of it.
const TICK_MS: f64 = 4.0;

/// Each phase.
pub(super) fn phases_ms(work: &Work, p: &Parameters) -> Vec<(Phase, f64)> {
    let mut flight = FIRST_FLIGHT;
    let phase =
        |phase| (phase, work.rounds_in(phase) * round_ms(p) + carried_ms(phase, work, p, &mut flight));
    PHASES.into_iter().map(phase).collect()
}

/// From one peer to another, in a round that waits for all: the delay of two links, what jitter adds, and how long losses hold
/// it up.
fn round_ms(p: &Parameters) -> f64 {
    let messages = f64::from(p.peers) * (f64::from(p.peers) - 1.0);
    let there = 2.0 * p.latency_ms;
    // Two round trips of one link, and the way of what is sent again.
    let again = 5.0 * p.latency_ms + TICK_MS;
    // Whoever has its messages late sends late in the next round, and only among others as late does that add up: over
    // rounds the mean of the two slowest peers counts. The sum of a peer's two delays, which vary evenly to both sides, is above
    // (2 - y) J with probability y^2 / 8; the k-th greatest of n lies about where that is k in n + 1.
    let slow = |k: f64| (2.0 - (8.0 * k / (f64::from(p.peers) + 1.0)).sqrt()).max(0.0);
    let latest = p.jitter_ms * (slow(1.0) + slow(2.0)) / 2.0;
    // Each message passes two links, and the round waits if one of all packets is lost.
    let kept = (1.0 - p.loss_percent / 100.0).powf(2.0 * messages);
    there + latest + (1.0 - kept) * again
}

/// How long the bytes of a phase keep the links busy, and how often a sender waits for its window to open.
fn carried_ms(phase: Phase, work: &Work, p: &Parameters, flight: &mut f64) -> f64 {
    let peers = f64::from(p.peers);
    let rounds: Vec<f64> = match phase {
        Phase::Computation => work.shares.iter().rev().skip(1).rev().copied().collect(),
        Phase::Opening => work.shares.last().copied().into_iter().collect(),
        _ => vec![0.0; work.rounds_in(phase) as usize],
    };
    let mut ms = 0.0;
    for shares in rounds {
        // What one peer sends to all others, and gets from them.
        let sent = (peers - 1.0) * (shares * 8.0 * SHARES_ON_THE_WIRE + MESSAGE_ON_THE_WIRE);
        // A message leaves the broker only once it is there whole; then its line to all is busy, while the others' messages come.
        let bytes = sent / (peers - 1.0) + peers * sent;
        ms += p.rate_mbit_s.map_or(0.0, |rate| bytes * 8.0 / (rate * 1e3));
        let waits = (sent / *flight).log2().max(0.0).ceil();
        // Of the two links one: the broker passes on the first messages while the last ones wait.
        ms += waits * 2.0 * p.latency_ms;
        *flight = flight.max(sent);
    }
    ms
}
