//! The report as one page that needs nothing beside it: on a screen and on paper.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::drawn::Drawn;
use super::table::{self, Table};
use super::{Report, plot};

const STYLE: &str = "
body { font: 16px/1.5 sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #111; background: #fff; }
h1, h2, h3 { line-height: 1.25; }
figure { margin: 1.5rem 0; }
svg { max-width: 100%; height: auto; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.85rem; margin: 0.75rem 0; }
th, td { border-bottom: 1px solid #bbb; padding: 0.25rem 0.6rem; text-align: left; vertical-align: top; }
th { border-bottom: 2px solid #111; }
td { font-variant-numeric: tabular-nums; }
.about { color: #444; font-size: 0.9rem; }
@media print {
  body { margin: 0; max-width: none; font-size: 10pt; }
  .scroll { overflow: visible; }
  table { font-size: 7pt; }
  th, td { padding: 0.1rem 0.3rem; }
  figure, tr { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
}";

/// The page. Whatever comes from the scenario or a process is escaped.
pub(super) fn page(report: &Report) -> String {
    let varied = report.varied();
    let Report { title, question, .. } = report;
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { (title) }
                p { (question) }
                p.about { (super::extent_in_words(report)) }
                @for drawn in &report.figures { (figure(drawn)) }
                (section(&table::ratios(report, &varied)))
                @for table in &report.tables { (section(table)) }
                @if let Some(predictions) = table::predictions(report, &varied) { (section(&predictions)) }
                @else { h2 { "The model beside the measurement" } p { (super::NO_MODEL) } }
                @if let Some(costs) = table::costs(report) { (section(&costs)) }
                (section(&table::elsewhere(report)))
                (section(&table::calibration(report)))
                (elsewhere(report))
            }
        }
    };
    page.into_string()
}

fn figure(drawn: &Drawn) -> Markup {
    html! {
        h2 {
            (super::heading(drawn))
        }
        figure {
            @if let Some(svg) = plot::svg(drawn) { (PreEscaped(svg)) }
            figcaption {
                @for sentence in &drawn.sentences { p { (sentence) } }
                p.about { (super::INTERVALS) }
            }
        }
        (rows(&table::of_figure(drawn)))
    }
}

fn section(table: &Table) -> Markup {
    html! {
        @if !table.rows.is_empty() {
            h2 { (table.title) }
            p.about { (table.about) }
            (rows(table))
        }
    }
}

fn rows(table: &Table) -> Markup {
    html! {
        div.scroll {
            table {
                thead { tr { @for column in &table.columns { th { (column) } } } }
                tbody { @for row in &table.rows { tr { @for cell in row { td { (cell) } } } } }
            }
        }
    }
}

/// What was not emulated, what failed, and where it was measured.
fn elsewhere(report: &Report) -> Markup {
    html! {
        h2 { "What was not emulated" }
        @if report.header.notes.is_empty() { p { "Nothing that was asked for was left out." } }
        @else { ul { @for note in &report.header.notes { li { (note) } } } }
        h2 { "What failed" }
        @if report.failed.is_empty() { p { "No run failed twice." } }
        @else { ul { @for failed in super::failures(report) { li { (failed) } } } }
        h2 { "Where it was measured" }
        table { tbody {
            @for (name, value) in report.header.told() { tr { th { (name) } td { (value) } } }
            tr { th { "links" } td { (report.header.links) } }
            tr { th { "begun" } td { (report.header.began) } }
            tr { th { "seed of the order" } td { (report.header.seed) } }
        } }
    }
}
