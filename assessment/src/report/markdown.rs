//! The summary for other documents.

use std::fmt::Write as _;

use super::Report;
use super::table::{self, Table};

pub(super) fn text(report: &Report) -> String {
    let varied = report.varied();
    let mut text = format!(
        "# {}\n\n{}\n\n{}\n",
        line(&report.title),
        line(&report.question),
        super::extent_in_words(report)
    );
    for drawn in &report.figures {
        let _ = write!(text, "\n## {}\n\n", line(&super::heading(drawn)));
        for sentence in &drawn.sentences {
            let _ = writeln!(text, "- {}", line(sentence));
        }
        let _ = write!(text, "\n{}", rows(&table::of_figure(drawn)));
    }
    let sections = [Some(table::ratios(report, &varied))].into_iter().flatten();
    let sections = sections.chain(report.tables.iter().cloned()).chain(table::predictions(report, &varied));
    let sections =
        sections.chain(table::costs(report)).chain([table::elsewhere(report), table::calibration(report)]);
    for table in sections.filter(|table| !table.rows.is_empty()) {
        let _ = write!(text, "\n## {}\n\n{}\n\n{}", line(&table.title), line(&table.about), rows(&table));
    }
    if report.model.is_none() {
        let _ = write!(text, "\n## The model beside the measurement\n\n{}\n", super::NO_MODEL);
    }
    list(
        &mut text,
        "What was not emulated",
        &report.header.notes,
        "Nothing that was asked for was left out.",
    );
    list(&mut text, "What failed", &super::failures(report), "No run failed twice.");
    let mut machine: Vec<String> =
        report.header.told().iter().map(|(name, value)| format!("{name}: {value}")).collect();
    machine.extend([
        format!("links: {}", report.header.links),
        format!("begun: {}", report.header.began),
        format!("seed of the order: {}", report.header.seed),
    ]);
    list(&mut text, "Where it was measured", &machine, "");
    text
}

fn list(text: &mut String, title: &str, items: &[String], none: &str) {
    let _ = write!(text, "\n## {title}\n\n");
    for item in items {
        let _ = writeln!(text, "- {}", line(item));
    }
    if items.is_empty() {
        let _ = writeln!(text, "{none}");
    }
}

fn rows(table: &Table) -> String {
    let row = |cells: &[String]| {
        let cells: Vec<String> = cells.iter().map(|cell| line(cell)).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let rule = format!("|{}\n", "---|".repeat(table.columns.len()));
    let body: String = table.rows.iter().map(|cells| row(cells)).collect();
    format!("{}{rule}{body}", row(&table.columns))
}

/// A text that neither ends its line nor its cell, nor becomes HTML.
fn line(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\r' => plain.push(' '),
            '<' => plain.push_str("&lt;"),
            '|' => plain.push_str("\\|"),
            other => plain.push(other),
        }
    }
    plain
}
