//! What a figure shows: which lines, and what they say in a sentence.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::words;
use crate::model::Model;
use crate::observation::{Measure, Phase, Role, Subject};
use crate::scenario::{Figure, Point, Scale, Scenario, value_of};
use crate::statistics::{Median, line};
use crate::summary::{Kind, Summary};

/// A figure with its data.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Drawn {
    /// What was asked for.
    pub figure: Figure,
    /// What is the same in all of it and differs from other figures; empty if nothing.
    pub where_: String,
    /// The lines.
    pub series: Vec<Series>,
    /// What they say.
    pub sentences: Vec<String>,
}

/// One line of a figure.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Series {
    /// What is the same in it and differs from the other lines; empty if nothing.
    pub name: String,
    /// Of which system.
    pub subject: Subject,
    /// From left to right.
    pub dots: Vec<Dot>,
}

/// One place of a line.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Dot {
    /// Where it lies; of what is no number, its place in order.
    pub x: f64,
    /// The same as text.
    pub label: String,
    /// What was measured.
    pub median: Median,
    /// What the model predicts.
    pub model: Option<f64>,
}

/// The figures of a scenario; one that was asked for becomes several if more keys are varied than it has room for.
pub(super) fn drawn(scenario: &Scenario, summary: &Summary, model: Option<&Model>) -> Vec<Drawn> {
    let of = |figure: &Figure| {
        let (own, shared) = keys(scenario, summary, figure);
        let mut facets: BTreeMap<String, Vec<&Point>> = BTreeMap::new();
        let mut order = Vec::new();
        for point in &summary.points {
            let facet = if shared.is_empty() { String::new() } else { point.differs(&shared) };
            if !facets.contains_key(&facet) {
                order.push(facet.clone());
            }
            facets.entry(facet).or_default().push(point);
        }
        let facet = |where_: String| {
            let points = facets.get(&where_).map_or(&[] as &[&Point], Vec::as_slice);
            let series = series(figure, &own, points, summary, model);
            let sentences = series.iter().filter_map(|series| sentence(figure, series)).collect();
            Drawn { figure: figure.clone(), where_, series, sentences }
        };
        order.into_iter().map(facet).filter(|drawn| !drawn.series.is_empty()).collect::<Vec<_>>()
    };
    scenario.figures.iter().flat_map(of).collect()
}

/// The keys that make lines of a figure, and those that make figures of their own. Keys that go with x make neither.
fn keys(scenario: &Scenario, summary: &Summary, figure: &Figure) -> (Vec<String>, Vec<String>) {
    let mut seen: BTreeMap<(&str, String), BTreeSet<String>> = BTreeMap::new();
    for point in &summary.points {
        for key in &scenario.varied {
            let x = value_of(&point.parameters, &figure.x);
            seen.entry((key, x)).or_default().insert(value_of(&point.parameters, key));
        }
    }
    let differs = |key: &&String| {
        **key != figure.x && seen.iter().any(|((of, _), values)| of == key && values.len() > 1)
    };
    let rest: Vec<String> = scenario.varied.iter().filter(differs).cloned().collect();
    match &figure.per {
        None => (rest, Vec::new()),
        Some(per) => rest.into_iter().partition(|key| key == per),
    }
}

fn series(
    figure: &Figure,
    own: &[String],
    points: &[&Point],
    summary: &Summary,
    model: Option<&Model>,
) -> Vec<Series> {
    let places = places(figure, points);
    let mut all: Vec<Series> = Vec::new();
    for subject in [Subject::Murmuration, Subject::PlainMqtt, Subject::Mpyc] {
        let kind = Kind { subject, role: figure.role, phase: figure.phase, measure: figure.y };
        for point in points {
            let label = value_of(&point.parameters, &figure.x);
            let (Some(median), Some(x)) = (summary.get(&point.id, kind), places.get(&label)) else {
                continue;
            };
            let name = if own.is_empty() { String::new() } else { point.differs(own) };
            let model = model.and_then(|model| predicted(model, point, kind));
            let dot = Dot { x: *x, label, median, model };
            match all.iter_mut().find(|series| series.name == name && series.subject == subject) {
                Some(series) => series.dots.push(dot),
                None => all.push(Series { name, subject, dots: vec![dot] }),
            }
        }
    }
    for series in &mut all {
        series.dots.sort_by(|a, b| a.x.total_cmp(&b.x));
    }
    all
}

fn predicted(model: &Model, point: &Point, kind: Kind) -> Option<f64> {
    let predicted = model.of(&point.id)?;
    if kind == Kind::time(Subject::Murmuration) {
        return Some(predicted.time_ms);
    }
    let sent = Kind { role: Role::Peer, measure: Measure::WireSentBytes, ..Kind::time(Subject::Murmuration) };
    if kind == sent { predicted.bytes.map(|(bytes, _)| bytes) } else { None }
}

/// Where the values of x lie: at themselves if all of them are numbers, else side by side in the scenario's order. None at all
/// lies at the end: no limit is the greatest.
fn places(figure: &Figure, points: &[&Point]) -> BTreeMap<String, f64> {
    let mut labels = Vec::new();
    for point in points {
        let label = value_of(&point.parameters, &figure.x);
        if !labels.contains(&label) {
            labels.push(label);
        }
    }
    let numbers: Vec<f64> = labels.iter().filter_map(|label| label.parse().ok()).collect();
    let fits = |x: &f64| figure.scale == Scale::Linear || *x > 0.0;
    if numbers.len() == labels.len() && numbers.iter().all(fits) {
        return labels.into_iter().zip(numbers).collect();
    }
    labels.into_iter().enumerate().map(|(at, label)| (label, at as f64)).collect()
}

impl Drawn {
    /// Whether x lies side by side instead of at its value.
    pub(super) fn side_by_side(&self) -> bool {
        self.dots().any(|dot| dot.label.parse() != Ok(dot.x))
    }

    pub(super) fn dots(&self) -> impl Iterator<Item = &Dot> {
        self.series.iter().flat_map(|series| &series.dots)
    }

    /// What is on the vertical axis, in words.
    pub(super) fn title(&self) -> String {
        let Figure { y, role, phase, .. } = self.figure;
        let (name, ..) = words::measure(y);
        let of = match (role, phase) {
            (Role::Site, Phase::Whole) => " of a window".to_owned(),
            (role, Phase::Whole) => format!(" of {}", words::role(role)),
            (role, phase) => format!(" of {}, {}", words::role(role), words::phase(phase)),
        };
        format!("{name}{of}")
    }
}

impl Series {
    /// For people.
    pub(super) fn title(&self) -> String {
        match self.name.as_str() {
            "" => words::subject(self.subject).to_owned(),
            name => format!("{}, {name}", words::subject(self.subject)),
        }
    }
}

/// What a line says: by how much it grows or falls, if that is more than its intervals leave open.
fn sentence(figure: &Figure, series: &Series) -> Option<String> {
    let [first, .., last] = series.dots.as_slice() else { return None };
    let (_, unit, scale) = words::measure(figure.y);
    let value = |dot: &Dot| words::with_unit(&words::number(dot.median.median / scale), "").trim().to_owned();
    let with_unit = |text: String| if unit.is_empty() { text } else { format!("{text} {unit}") };
    let title = series.title();
    let numbers = series.dots.iter().all(|dot| dot.label.parse() == Ok(dot.x));
    if !numbers {
        let order = |a: &&Dot, b: &&Dot| a.median.median.total_cmp(&b.median.median);
        let (least, most) = (series.dots.iter().min_by(order)?, series.dots.iter().max_by(order)?);
        return Some(format!(
            "{title}: least at {} = {} with {}, most at {} with {}.",
            figure.x,
            shown(&least.label),
            with_unit(value(least)),
            shown(&most.label),
            with_unit(value(most)),
        ));
    }
    let (name, x_unit) = words::key(&figure.x);
    let end =
        |dot: &Dot| if x_unit.is_empty() { dot.label.clone() } else { format!("{} {x_unit}", dot.label) };
    let span = format!("from {} to {} ({name})", end(first), end(last));
    if first.median.low <= last.median.high && last.median.low <= first.median.high {
        return Some(format!(
            "{title}: no difference between the ends that the intervals leave no doubt about, {span}: {} and {}.",
            with_unit(value(first)),
            with_unit(value(last)),
        ));
    }
    let ends = format!("{} to {}", value(first), with_unit(value(last)));
    let times = last.median.median / first.median.median;
    let verb = if times > 1.0 { "grows" } else { "falls" };
    if figure.scale == Scale::Log {
        let factor = match times > 1.0 {
            true => format!("{} times", words::number(times)),
            false => format!("{} times less", words::number(1.0 / times)),
        };
        let x = words::number(last.x / first.x);
        return Some(format!("{title}: {verb} from {ends}, {factor}, {span}, which is {x} times."));
    }
    let points: Vec<(f64, f64)> = series.dots.iter().map(|dot| (dot.x, dot.median.median / scale)).collect();
    let (slope, _) = line(&points)?;
    let each = with_unit(words::number(slope.abs()));
    Some(format!("{title}: {verb} by {each} per {}, {span}: {ends}.", words::one_more(&figure.x)))
}

/// What has no value is not limited.
pub(super) fn shown(label: &str) -> &str {
    if label.is_empty() { "no limit" } else { label }
}
