//! Figures as SVG, told apart by shapes and greys as well as by colours: they are printed, too.

use plotters::coord::Shift;
use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use super::drawn::{Dot, Drawn, Series, shown};
use super::words;
use crate::observation::Subject;
use crate::scenario::Scale;

const SIZE: (u32, u32) = (860, 380);
/// What is left of it for the plot; the rest names the lines.
const PLOT: u32 = 600;
/// From one name to the next.
const LINE: i32 = 20;
/// Dark enough on paper, and as greys as far apart as they are as colours.
const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 60, 120),
    RGBColor(200, 80, 0),
    RGBColor(40, 130, 70),
    RGBColor(130, 40, 130),
    RGBColor(90, 90, 90),
    RGBColor(190, 150, 0),
];
const FONT: (&str, u32) = ("sans-serif", 14);

/// The figure as an `<svg>` element; none if there is nothing to draw.
pub(super) fn svg(drawn: &Drawn) -> Option<String> {
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
        let (plot, beside) = area.split_horizontally(PLOT);
        draw(&plot, drawn)?;
        names(&beside, drawn)?;
        area.present().ok()?;
    }
    Some(text)
}

/// Values as they lie on an axis.
#[derive(Clone, Copy)]
struct Axis {
    log: bool,
    low: f64,
    high: f64,
}

impl Axis {
    fn of(values: impl Iterator<Item = f64>, log: bool, from_zero: bool) -> Option<Self> {
        let (low, high) = values
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        if !low.is_finite() || !high.is_finite() {
            return None;
        }
        let log = log && low > 0.0;
        let axis = Self { log, low: 0.0, high: 0.0 };
        let (low, high) = (axis.at(if from_zero && !log { low.min(0.0) } else { low }), axis.at(high));
        let room = if high > low { (high - low) * 0.06 } else { high.abs().max(1.0) * 0.1 };
        let low = if from_zero && !log && low == 0.0 { 0.0 } else { low - room };
        Some(Self { log, low, high: high + room })
    }

    fn at(self, value: f64) -> f64 {
        if self.log { value.log10() } else { value }
    }

    /// Round numbers between the ends, in places of the axis.
    fn ticks(self) -> Vec<f64> {
        let inside = |place: &f64| (self.low..=self.high).contains(place);
        if self.log {
            let decades = (self.low.floor() as i32)..=(self.high.ceil() as i32);
            let steps: &[f64] = if self.high - self.low > 2.5 { &[1.0] } else { &[1.0, 2.0, 5.0] };
            let places =
                decades.flat_map(|decade| steps.iter().map(move |step| (step * 10_f64.powi(decade)).log10()));
            return places.filter(inside).collect();
        }
        let rough = (self.high - self.low) / 5.0;
        let decade = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .into_iter()
            .map(|step| step * decade)
            .find(|step| *step >= rough)
            .unwrap_or(rough);
        (0..=12).map(|i| ((self.low / step).ceil() + f64::from(i)) * step).filter(inside).collect()
    }

    fn label(self, place: f64) -> String {
        // Sums of steps are not quite round.
        let value = if self.log { 10_f64.powf(place) } else { (place * 1e9).round() / 1e9 };
        words::number(value)
    }
}

/// An axis with the ticks that it is to have.
struct Ruler {
    inner: RangedCoordf64,
    ticks: Vec<f64>,
}

impl Ruler {
    fn new(axis: Axis, ticks: Vec<f64>) -> Self {
        Self { inner: (axis.low..axis.high).into(), ticks }
    }
}

impl Ranged for Ruler {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        self.inner.map(value, limit)
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.ticks.clone()
    }

    fn range(&self) -> std::ops::Range<f64> {
        self.inner.range()
    }
}

fn draw(area: &DrawingArea<SVGBackend<'_>, Shift>, drawn: &Drawn) -> Option<()> {
    let (_, unit, scale) = words::measure(drawn.figure.y);
    let log = drawn.figure.scale == Scale::Log;
    let side_by_side = drawn.side_by_side();
    let heights = |dot: &Dot| [Some(dot.median.low), Some(dot.median.high), dot.model];
    let y = Axis::of(drawn.dots().flat_map(heights).flatten().map(|y| y / scale), log, true)?;
    let x = Axis::of(drawn.dots().map(|dot| dot.x), log && !side_by_side, false)?;
    let x_ticks = places(x, drawn).unwrap_or_else(|| x.ticks());
    let mut chart = ChartBuilder::on(area)
        .margin(10)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d(Ruler::new(x, x_ticks), Ruler::new(y, y.ticks()))
        .ok()?;
    let labels: Vec<(f64, String)> = drawn.dots().map(|dot| (dot.x, shown(&dot.label).to_owned())).collect();
    let x_label = |place: &f64| match labels.iter().find(|(at, _)| x.at(*at) == *place) {
        Some((_, label)) => label.clone(),
        _ => x.label(*place),
    };
    let y_label = |place: &f64| y.label(*place);
    let (name, x_unit) = words::key(&drawn.figure.x);
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.12))
        .x_desc(words::with_unit(name, x_unit))
        .y_desc(words::with_unit(&drawn.title(), unit))
        .x_label_formatter(&x_label)
        .y_label_formatter(&y_label)
        .axis_desc_style(FONT)
        .label_style(FONT)
        .draw()
        .ok()?;
    for (at, series) in drawn.series.iter().enumerate() {
        line(&mut chart, series, at, &|dot: &Dot, value: f64| (x.at(dot.x), y.at(value / scale)))?;
    }
    Some(())
}

/// Which mark stands for which line.
fn names(area: &DrawingArea<SVGBackend<'_>, Shift>, drawn: &Drawn) -> Option<()> {
    let text = |name: String, down: i32| Text::new(name, (24, down), FONT.into_font());
    for (at, series) in drawn.series.iter().enumerate() {
        let down = 20 + LINE * at as i32;
        area.draw(&(EmptyElement::at((12, down + 6)) + mark(at, COLOURS[at % COLOURS.len()]))).ok()?;
        area.draw(&text(series.title(), down)).ok()?;
    }
    if drawn.dots().any(|dot| dot.model.is_some()) {
        let down = 20 + LINE * drawn.series.len() as i32;
        area.draw(&Cross::new((12, down + 6), 5, BLACK.stroke_width(1))).ok()?;
        area.draw(&text("predicted by the model".to_owned(), down)).ok()?;
    }
    Some(())
}

/// One line: its medians with their intervals, and predictions as thin crosses beside them. What lies side by side is not
/// joined.
fn line(
    chart: &mut Chart<'_, '_>,
    series: &Series,
    at: usize,
    place: &impl Fn(&Dot, f64) -> (f64, f64),
) -> Option<()> {
    let colour = COLOURS[at % COLOURS.len()];
    let dots = || series.dots.iter();
    let middles: Vec<(f64, f64)> = dots().map(|dot| place(dot, dot.median.median)).collect();
    if dots().all(|dot| dot.label.parse() == Ok(dot.x)) {
        let thick = if series.subject == Subject::Murmuration { 2 } else { 1 };
        chart.draw_series(LineSeries::new(middles.iter().copied(), colour.stroke_width(thick))).ok()?;
    }
    let bars = dots().map(|dot| {
        let ends = [place(dot, dot.median.low), place(dot, dot.median.high)];
        PathElement::new(ends, colour.stroke_width(2))
    });
    chart.draw_series(bars).ok()?;
    let marks = middles.iter().map(|place| EmptyElement::at(*place) + mark(at, colour));
    chart.draw_series(marks).ok()?;
    let predicted = dots().filter_map(|dot| Some(place(dot, dot.model?)));
    chart.draw_series(predicted.map(|place| Cross::new(place, 5, colour.stroke_width(1)))).ok().map(|_| ())
}

/// More ticks than this are no longer read one by one.
const FEW: usize = 10;
/// Ticks nearer to each other than this part of the axis have labels that touch.
const NEAR: f64 = 0.06;

/// The places of the dots as ticks, if they are few and far enough from each other.
fn places(axis: Axis, drawn: &Drawn) -> Option<Vec<f64>> {
    let mut places: Vec<f64> = drawn.dots().map(|dot| axis.at(dot.x)).collect();
    places.sort_by(f64::total_cmp);
    places.dedup();
    let near = |pair: &[f64]| pair[1] - pair[0] < NEAR * (axis.high - axis.low);
    (places.len() <= FEW && !places.windows(2).any(near)).then_some(places)
}

type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<Ruler, Ruler>>;

/// A mark of its own for each line.
fn mark<'b>(at: usize, colour: RGBColor) -> DynElement<'static, SVGBackend<'b>, (i32, i32)> {
    let style = colour.filled();
    match at % 4 {
        0 => Circle::new((0, 0), 4, style).into_dyn(),
        1 => TriangleMarker::new((0, 0), 6, style).into_dyn(),
        2 => Rectangle::new([(-4, -4), (4, 4)], style).into_dyn(),
        _ => Circle::new((0, 0), 5, colour.stroke_width(2)).into_dyn(),
    }
}
