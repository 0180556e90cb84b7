//! The model: what it counts, held against rehearsals, and what it finds again.

use std::num::NonZeroU32;

use assessment::model::{Costs, Known, Model, Sample, Work, least_ms, phases};
use assessment::rehearsal::{Size, prepare};
use assessment::scenario::Point;
use assessment::{Parameters, Phase};
use smc_core::function::{Entry, catalogue};

fn at(function: &str, agents: u32) -> Parameters {
    Parameters { function: function.to_owned(), agents, bits: 10, ..Parameters::default() }
}

fn rehearsed(p: &Parameters) -> assessment::rehearsal::Measured {
    let size = Size {
        agents: p.agents * p.streams,
        bits: p.bits.into(),
        elements: p.batch,
        peers: p.peers,
        threshold: p.threshold,
    };
    prepare(Entry::named(&p.function).unwrap(), size).unwrap().cost().unwrap()
}

#[test]
fn the_work_of_every_function_is_that_of_its_rehearsal() {
    for entry in catalogue() {
        let p = Parameters { peers: 5, threshold: 2, ..at(entry.name, 40) };
        let (work, rehearsed) = (Work::of(&p).unwrap(), rehearsed(&p));
        assert_eq!(work.rounds, f64::from(rehearsed.rounds), "{}", entry.name);
        assert_eq!(work.products, rehearsed.products as f64, "{}", entry.name);
        let shares = work.shares_in(Phase::Computation) + work.shares_in(Phase::Opening);
        assert_eq!(shares, rehearsed.bytes_per_peer as f64, "{}", entry.name);
    }
}

#[test]
fn more_readings_than_are_rehearsed_are_in_proportion() {
    for (function, within) in [("sum", 0.0), ("count_above", 0.01), ("variance", 0.0), ("max", 0.25)] {
        let p = at(function, 6_000);
        let (work, rehearsed) = (Work::of(&p).unwrap(), rehearsed(&p));
        let error = (work.products - rehearsed.products as f64).abs() / (rehearsed.products as f64).max(1.0);
        assert!(error <= within, "{function}: {} instead of {}", work.products, rehearsed.products);
    }
}

#[test]
fn sessions_side_by_side_multiply_messages_and_not_rounds() {
    let one = Work::of(&at("max", 20)).unwrap();
    let four = Work::of(&Parameters { sessions: 4, ..at("max", 20) }).unwrap();
    assert_eq!((four.rounds, four.products), (one.rounds, 4.0 * one.products));
    assert_eq!(four.messages_in(Phase::Computation), 4.0 * one.messages_in(Phase::Computation));
    assert_eq!(four.messages_in(Phase::Agreement), one.messages_in(Phase::Agreement));
}

const KNOWN: Known = Known { product_ns: 60.0, drawn_ns: 5.0, bit_ns: 9.0, cores: NonZeroU32::new(2) };

fn costs() -> Costs {
    Costs { window_ms: 2.0, round_ms: 0.5, message_ms: 0.05, kilobyte_ms: 0.01, agent_ms: 0.02, known: KNOWN }
}

fn samples() -> Vec<Sample> {
    let mut samples = Vec::new();
    for (function, agents) in [("sum", 20), ("max", 20), ("count_above", 100), ("median", 50), ("sum", 500)] {
        for peers in [3, 5, 9] {
            let p = Parameters { peers, threshold: 1, latency_ms: f64::from(peers), ..at(function, agents) };
            let work = Work::of(&p).unwrap();
            let all = phases(&work, &p, &costs());
            let time_ms = all.iter().map(|(_, ms)| ms).sum();
            let phases_ms =
                all.into_iter().filter(|(phase, ms)| *phase != Phase::Publication && *ms > 0.0).collect();
            let (messages, shares) = work.sent_by_a_peer();
            let bytes = Some(420.0 * messages + 1.5 * shares + 66.0 * f64::from(agents));
            samples.push(Sample { point: Point::new(p), work, time_ms, phases_ms, bytes });
        }
    }
    samples
}

#[test]
fn costs_that_made_the_times_are_found_again() {
    let model = Model::fit(&samples(), &[], KNOWN).unwrap();
    assert!(model.median_error_percent < 0.5, "{model:#?}");
    let (found, true_) = (model.costs, costs());
    for (found, true_) in [(found.round_ms, true_.round_ms), (found.message_ms, true_.message_ms)] {
        assert!((found - true_).abs() < 0.1 * true_, "{model:#?}");
    }
    assert!((model.message_bytes - 420.0).abs() < 5.0 && (model.share_bytes - 1.5).abs() < 0.02);
    assert!((model.agent_bytes - 66.0).abs() < 5.0);
}

#[test]
fn a_point_is_predicted_without_being_looked_at() {
    let mut samples = samples();
    let before = Model::fit(&samples, &[], KNOWN).unwrap().predicted[0].time_ms;
    samples[0].time_ms *= 100.0;
    let after = Model::fit(&samples, &[], KNOWN).unwrap();
    assert!((after.predicted[0].time_ms - before).abs() < 1e-9);
    assert!(after.predicted[0].error_percent() > 90.0);
}

#[test]
fn other_sweeps_add_to_what_is_known_but_not_of_the_point_itself() {
    let (samples, two) = (samples(), &samples()[..2]);
    let model = Model::fit(two, &samples[2..], KNOWN).unwrap();
    assert_eq!((model.points, model.predicted.len()), (samples.len(), 2));
    assert!(model.median_error_percent < 0.5, "{model:#?}");
    let mut twice = samples.clone();
    twice[0].time_ms *= 100.0;
    let same = Model::fit(two, &twice[2..], KNOWN).unwrap().predicted[0].time_ms;
    let once_more =
        Model::fit(two, &[&twice[..1], &twice[2..]].concat(), KNOWN).unwrap().predicted[0].time_ms;
    assert!((same - once_more).abs() < 1e-9, "it was measured there, too");
}

#[test]
fn too_few_points_are_no_model() {
    assert!(Model::fit(&samples()[..2], &[], KNOWN).is_none());
}

#[test]
fn latency_is_paid_twice_a_round_and_a_slower_core_for_all_work() {
    let whole =
        |p: &Parameters| phases(&Work::of(p).unwrap(), p, &costs()).iter().map(|(_, ms)| ms).sum::<f64>();
    let p = at("sum", 20);
    // Inventory, two of the check, vote, one of the function, signature, result: seven rounds, each of two links.
    let far = Parameters { latency_ms: p.latency_ms + 10.0, ..p.clone() };
    assert!((whole(&far) - whole(&p) - 7.0 * 2.0 * 10.0).abs() < 1e-9);
    let none = |p: &Parameters| Parameters { latency_ms: 0.0, ..p.clone() };
    let half = Parameters { cpu_percent: Some(50), ..none(&p) };
    assert!((whole(&half) - 2.0 * whole(&none(&p))).abs() < 1e-9);
    // A rate of 1 Mbit/s is 8 us for each byte.
    let slow = Parameters { rate_mbit_s: Some(1.0), ..none(&at("max", 100)) };
    let bytes = Work::of(&slow).unwrap().shares_in(Phase::Computation);
    assert!(whole(&slow) - whole(&none(&at("max", 100))) > bytes * 8e-3);
}

#[test]
fn no_machine_is_quicker_than_its_network() {
    let p = Parameters { latency_ms: 40.0, ..at("max", 20) };
    let whole: f64 = phases(&Work::of(&p).unwrap(), &p, &costs()).iter().map(|(_, ms)| ms).sum();
    let least = least_ms(&p).unwrap();
    assert!(least > 7.0 * 2.0 * 40.0 && least < whole, "{least} {whole}");
}

#[test]
fn arithmetic_takes_a_machine_some_nanoseconds() {
    let known = Known::here().unwrap();
    let Known { product_ns, drawn_ns, bit_ns, cores } = known;
    let product_ns = product_ns + 4.0 * drawn_ns;
    assert!((1.0..100_000.0).contains(&product_ns) && drawn_ns > 0.0, "{known:?}");
    assert!((0.1..10_000.0).contains(&bit_ns) && cores.is_some(), "{known:?}");
}
