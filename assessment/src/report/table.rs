//! Tables beside the figures.

use super::drawn::{Drawn, shown};
use super::{Report, words};
use crate::Median;
use crate::lab::{Calibration, Verdict};
use crate::model::Predicted;
use crate::observation::{Measure, Phase, Role, Subject};
use crate::scenario::{Point, Scenario, value_of};
use crate::summary::{Kind, Summary};

/// A table of texts.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Table {
    pub(super) title: String,
    /// What its numbers are.
    pub(super) about: String,
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
}

/// What each phase took, and what each role used.
pub(super) fn tables(scenario: &Scenario, summary: &Summary) -> Vec<Table> {
    let mut tables = vec![phases(scenario, summary)];
    for subject in scenario.subjects() {
        for role in [Role::Agents, Role::Broker, Role::Peer] {
            tables.push(used(scenario, summary, subject, role));
        }
    }
    tables.retain(|table| !table.rows.is_empty() && table.columns.len() > scenario.varied.len());
    tables
}

fn phases(scenario: &Scenario, summary: &Summary) -> Table {
    let of = |phase| Kind {
        subject: Subject::Murmuration,
        role: match phase {
            Phase::Sharing => Role::Agents,
            Phase::Whole => Role::Site,
            _ => Role::Peer,
        },
        phase,
        measure: Measure::WallMs,
    };
    let phases = [
        Phase::Sharing,
        Phase::Transport,
        Phase::Agreement,
        Phase::Validity,
        Phase::Computation,
        Phase::Opening,
        Phase::Publication,
        Phase::Whole,
    ];
    let kinds: Vec<(String, Kind)> =
        phases.into_iter().map(|phase| (format!("{}, ms", words::phase(phase)), of(phase))).collect();
    let about = "Medians over all windows and repetitions, with 95 % intervals; of several peers the slowest. The whole window \
                 is from its due instant (its end and the grace) to the result at an onlooker; sharing and transport come \
                 before that instant.";
    grid("Time by phase", about, scenario, summary, &kinds)
}

fn used(scenario: &Scenario, summary: &Summary, subject: Subject, role: Role) -> Table {
    let measures = [
        Measure::CpuMs,
        Measure::CpuCycles,
        Measure::CpuInstructions,
        Measure::RssPeakBytes,
        Measure::HeapPeakBytes,
        Measure::HeapLiveBytes,
        Measure::StackPeakBytes,
        Measure::WireSentBytes,
        Measure::WireSentPackets,
        Measure::NetworkOverheadBytes,
        Measure::TlsOverheadBytes,
        Measure::MqttOverheadBytes,
        Measure::PayloadBytes,
        Measure::OwnOverheadBytes,
        Measure::MessagesCount,
        Measure::RoundsCount,
    ];
    let kinds: Vec<(String, Kind)> = measures
        .into_iter()
        .map(|measure| {
            let (name, unit, _) = words::measure(measure);
            (words::with_unit(name, unit), Kind { subject, role, phase: Phase::Whole, measure })
        })
        .collect();
    let title = format!("{}: {}", words::subject(subject), words::role(role));
    let about = "CPU, bytes, packets and messages per window, medians over repetitions; of several nodes the mean, of peaks the \
                 greatest.";
    grid(&title, about, scenario, summary, &kinds)
}

/// A row for each point, a column for each kind that was measured anywhere.
fn grid(title: &str, about: &str, scenario: &Scenario, summary: &Summary, kinds: &[(String, Kind)]) -> Table {
    let there = |kind: Kind| summary.points.iter().any(|point| summary.get(&point.id, kind).is_some());
    let kinds: Vec<_> = kinds.iter().filter(|(_, kind)| there(*kind)).collect();
    let mut columns = names(scenario);
    columns.extend(kinds.iter().map(|(name, _)| name.clone()));
    let row = |point: &Point| {
        let mut row = place(scenario, point);
        for (_, kind) in &kinds {
            let median = summary.get(&point.id, *kind);
            row.push(median.map_or_else(|| "-".to_owned(), |median| words::median(kind.measure, &median)));
        }
        row
    };
    let rows = if kinds.is_empty() { Vec::new() } else { summary.points.iter().map(row).collect() };
    Table { title: title.to_owned(), about: about.to_owned(), columns, rows }
}

fn names(scenario: &Scenario) -> Vec<String> {
    let name = |key: &String| {
        let (name, unit) = words::key(key);
        words::with_unit(name, unit)
    };
    scenario.varied.iter().map(name).collect()
}

fn place(scenario: &Scenario, point: &Point) -> Vec<String> {
    scenario.varied.iter().map(|key| shown(&value_of(&point.parameters, key)).to_owned()).collect()
}

/// The data of a figure: a row for each place, a column for each line, and what the model predicts.
pub(super) fn of_figure(drawn: &Drawn) -> Table {
    let (name, unit) = words::key(&drawn.figure.x);
    let (_, y_unit, scale) = words::measure(drawn.figure.y);
    let mut columns = vec![words::with_unit(name, unit)];
    let mut labels: Vec<&str> = Vec::new();
    for series in &drawn.series {
        columns.push(words::with_unit(&series.title(), y_unit));
        if series.dots.iter().any(|dot| dot.model.is_some()) {
            columns.push(words::with_unit("model", y_unit));
        }
        for dot in &series.dots {
            if !labels.contains(&dot.label.as_str()) {
                labels.push(&dot.label);
            }
        }
    }
    let row = |label: &&str| {
        let mut row = vec![shown(label).to_owned()];
        for series in &drawn.series {
            let dot = series.dots.iter().find(|dot| dot.label == **label);
            let missing = || "-".to_owned();
            row.push(dot.map_or_else(missing, |dot| words::median(drawn.figure.y, &dot.median)));
            if series.dots.iter().any(|dot| dot.model.is_some()) {
                let model = dot.and_then(|dot| dot.model);
                row.push(model.map_or_else(missing, |model| words::number(model / scale)));
            }
        }
        row
    };
    let rows = labels.iter().map(row).collect();
    Table { title: String::new(), about: String::new(), columns, rows }
}

/// Asked and measured links, side by side.
pub(super) fn calibration(report: &Report) -> Table {
    let mut rows = Vec::new();
    for Calibration { asked, measured, verdict, .. } in &report.calibrations {
        let fits = if *verdict == Verdict::Holds { "fits" } else { "is off" };
        let Median { median, low, high, .. } = measured.latency_ms;
        let latency =
            format!("{} ({} to {})", words::number(median), words::number(low), words::number(high));
        let lost = format!(
            "{} ({} of {})",
            words::number(measured.loss_percent),
            measured.lost_packets,
            measured.sent_packets
        );
        let rate = measured.rate_mbit_s.map_or_else(|| "-".to_owned(), words::number);
        rows.push(vec![
            words::number(asked.latency_ms),
            latency,
            words::number(asked.jitter_ms),
            words::number(measured.jitter_ms),
            words::number(asked.loss_percent),
            lost,
            asked.rate_mbit_s.map_or_else(|| "no limit".to_owned(), words::number),
            rate,
            words::number(measured.tcp_mbit_s),
            words::number(asked.reorder_percent),
            fits.to_owned(),
        ]);
    }
    let columns = [
        "latency, ms: asked",
        "measured (95 % interval)",
        "jitter, ms: asked",
        "measured",
        "loss, %: asked",
        "measured (packets)",
        "rate, Mbit/s: asked",
        "measured",
        "one TCP stream, Mbit/s",
        "overtaking, %: asked",
        "",
    ];
    Table {
        title: "Calibration of the links".to_owned(),
        about: "Measured between two hosts before the sweep, with the links impaired as the points ask for."
            .to_owned(),
        columns: columns.map(str::to_owned).to_vec(),
        rows,
    }
}

/// This system over its baselines: a row for each point and baseline.
pub(super) fn ratios(report: &Report, varied: &[String]) -> Table {
    let mut columns: Vec<String> = varied.to_vec();
    columns.push("held against".to_owned());
    let mut heads: Vec<(Role, Measure)> = Vec::new();
    for ratio in &report.ratios {
        let head = (ratio.kind.role, ratio.kind.measure);
        if !heads.contains(&head) {
            heads.push(head);
        }
    }
    for (role, measure) in &heads {
        let (name, ..) = words::measure(*measure);
        columns.push(format!("{name}, {}", words::role(*role)));
    }
    let mut rows: Vec<(String, Vec<String>)> = Vec::new();
    for ratio in &report.ratios {
        let mut front: Vec<String> =
            varied.iter().map(|key| shown(&value_of(&ratio.parameters, key)).to_owned()).collect();
        front.push(words::subject(ratio.kind.subject).to_owned());
        let id = front.join("\t");
        if rows.last().is_none_or(|(last, _)| *last != id) {
            let cells = front.into_iter().chain(heads.iter().map(|_| "-".to_owned())).collect();
            rows.push((id, cells));
        }
        let at = heads.iter().position(|head| *head == (ratio.kind.role, ratio.kind.measure));
        if let (Some(at), Some((_, cells))) = (at, rows.last_mut()) {
            cells[varied.len() + 1 + at] = words::number(ratio.times);
        }
    }
    Table {
        title: "Beside the baselines".to_owned(),
        about: "How many times as much this system takes: its median over the baseline's, with the same readings, links and \
                limits, in the same sweep."
            .to_owned(),
        columns,
        rows: rows.into_iter().map(|(_, cells)| cells).collect(),
    }
}

/// What the model predicted of each point from the others.
pub(super) fn predictions(report: &Report, varied: &[String]) -> Option<Table> {
    let model = report.model.as_ref()?;
    let mut columns: Vec<String> = varied.to_vec();
    columns.extend(
        ["predicted, ms", "measured, ms", "error, %", "sent by a peer: predicted, kB", "measured, kB"]
            .map(str::to_owned),
    );
    let row = |predicted: &Predicted| {
        let point =
            report.points.iter().find(|point| Point::new(point.parameters.clone()).id == predicted.point)?;
        let mut row: Vec<String> =
            varied.iter().map(|key| shown(&value_of(&point.parameters, key)).to_owned()).collect();
        let bytes = |of: fn((f64, f64)) -> f64| {
            predicted.bytes.map_or_else(|| "-".to_owned(), |bytes| words::number(of(bytes) / 1e3))
        };
        row.extend([
            words::number(predicted.time_ms),
            words::number(predicted.measured_ms),
            words::number(predicted.error_percent()),
            bytes(|(predicted, _)| predicted),
            bytes(|(_, measured)| measured),
        ]);
        Some(row)
    };
    Some(Table {
        title: "The model beside the measurement".to_owned(),
        about: format!(
            "Each point is predicted with costs that were fitted to all other points, of {} in all. Median error: {} %.",
            model.points,
            words::number(model.median_error_percent)
        ),
        columns,
        rows: model.predicted.iter().filter_map(row).collect(),
    })
}

/// What things cost, as the model has it.
pub(super) fn costs(report: &Report) -> Option<Table> {
    let model = report.model.as_ref()?;
    let costs = &model.costs;
    let rows = [
        ("a window, whatever is in it", costs.window_ms, "ms"),
        ("a round among the peers, beside the round trip", costs.round_ms, "ms"),
        ("a message from peer to peer, through the broker", costs.message_ms, "ms"),
        ("a kilobyte of shares in such messages", costs.kilobyte_ms, "ms"),
        ("an agent's message, before the cohort is agreed on", costs.agent_ms, "ms"),
        ("the check of a bit of a reading (measured in one process, not fitted)", costs.known.bit_ns, "ns"),
        ("a product, beside what is drawn for it (measured, not fitted)", costs.known.product_ns, "ns"),
        ("a number drawn for a product (measured, not fitted)", costs.known.drawn_ns, "ns"),
        ("on the wire: a message between peers", model.message_bytes, "bytes"),
        ("on the wire: a byte of shares", model.share_bytes, "bytes"),
        ("on the wire: what an agent's message has a peer send back", model.agent_bytes, "bytes"),
    ];
    Some(Table {
        title: "What things cost here".to_owned(),
        about: "Fitted to all points and their phases by least squares of the relative error, none below zero. A cost that nothing in this \
                sweep depends on comes out as 0."
            .to_owned(),
        columns: ["cost", "", "unit"].map(str::to_owned).to_vec(),
        rows: rows.map(|(what, value, unit)| vec![what.to_owned(), words::number(value), unit.to_owned()]).to_vec(),
    })
}

/// What can't be played here.
pub(super) fn elsewhere(report: &Report) -> Table {
    let row = |row: &crate::model::Elsewhere| {
        vec![
            row.what.to_owned(),
            words::number(row.time_ms),
            words::number(row.bytes / 1e3),
            row.assumed.to_owned(),
        ]
    };
    Table {
        title: "What can't be played here".to_owned(),
        about: "Predicted by the model, not measured.".to_owned(),
        columns: ["what", "time of a window, ms", "sent by a peer, kB", "taken for granted"]
            .map(str::to_owned)
            .to_vec(),
        rows: report.elsewhere.iter().map(row).collect(),
    }
}
