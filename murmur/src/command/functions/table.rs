//! Tables with cells of several lines.

use std::fmt;

/// A column: what stands above it, and how many characters wide it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    pub(super) head: &'static str,
    pub(super) width: usize,
}

/// A table of wrapped texts.
#[derive(Debug)]
pub(super) struct Table<const N: usize> {
    columns: [Column; N],
    rows: Vec<[Vec<String>; N]>,
}

impl<const N: usize> Table<N> {
    pub(super) fn new(columns: [Column; N]) -> Self {
        Self { columns, rows: Vec::new() }
    }

    /// Adds a row of these texts.
    pub(super) fn row(&mut self, texts: [&str; N]) {
        let mut columns = self.columns.iter();
        let cells = texts.map(|text| {
            let width = columns.next().map_or(0, |column| column.width);
            text.lines().flat_map(|line| wrapped(line, width)).collect()
        });
        self.rows.push(cells);
    }
}

impl<const N: usize> fmt::Display for Table<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |cells: [&str; N]| {
            let padded = cells.iter().zip(&self.columns);
            let padded = padded.map(|(cell, column)| format!("{cell:<width$}", width = column.width));
            writeln!(f, "{}", padded.collect::<Vec<_>>().join("  ").trim_end())
        };
        line(self.columns.map(|column| column.head))?;
        for row in &self.rows {
            line([""; N])?;
            for i in 0..row.iter().map(Vec::len).max().unwrap_or(0) {
                line(row.each_ref().map(|cell| cell.get(i).map_or("", String::as_str)))?;
            }
        }
        Ok(())
    }
}

/// A text in lines of at most `width` characters; a longer word has a line of its own.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
