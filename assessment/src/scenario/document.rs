//! A scenario as its file has it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;

use serde::Deserialize;
use serde::de::Error as _;
use smc_core::roster::Span;
use toml::{Spanned, Table, Value};

use super::point::{KEYS, Point};
use super::{Figure, Scenario, ScenarioError};
use crate::observation::Subject;
use crate::parameters::Parameters;

/// More points than anybody waits for.
const MAX_POINTS: usize = 10_000;
/// What [`MOST`] stands for depends on the number of peers.
const MOST: &str = "(n-1)/2";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    title: String,
    question: String,
    #[serde(default = "repetitions")]
    repetitions: Spanned<u32>,
    #[serde(default = "warm_up")]
    warm_up: Spanned<u32>,
    #[serde(default = "windows")]
    windows: Spanned<u32>,
    #[serde(default = "period")]
    period: Spanned<Span>,
    #[serde(default)]
    baselines: Vec<Spanned<Subject>>,
    #[serde(default)]
    fixed: BTreeMap<Spanned<String>, Spanned<Value>>,
    #[serde(default)]
    vary: Columns,
    #[serde(default)]
    zip: Vec<Columns>,
    #[serde(default)]
    figure: Vec<Spanned<Figure>>,
}

/// Keys, and the values that each of them takes.
type Columns = BTreeMap<Spanned<String>, Spanned<Vec<Value>>>;

fn repetitions() -> Spanned<u32> {
    Spanned::new(0..0, 5)
}

fn warm_up() -> Spanned<u32> {
    Spanned::new(0..0, 2)
}

fn windows() -> Spanned<u32> {
    Spanned::new(0..0, 10)
}

fn period() -> Spanned<Span> {
    Spanned::new(0..0, Span::from_secs(1))
}

/// Reads the file and makes its grid; the points are not checked.
pub(super) fn read(path: &Path, text: &str) -> Result<Scenario, ScenarioError> {
    let document: Document = toml::from_str(text)
        .map_err(|error: toml::de::Error| ScenarioError::Content { path: path.to_owned(), error })?;
    let file = File { path, text };
    file.numbers(&document)?;
    file.keys(&document)?;
    let points = file.grid(&document)?;
    let baselines = document.baselines.iter().map(|subject| *subject.get_ref()).collect();
    Ok(Scenario {
        title: document.title,
        question: document.question,
        points,
        varied: varied(&document.vary, &document.zip),
        repetitions: document.repetitions.into_inner(),
        warm_up: document.warm_up.into_inner(),
        windows: document.windows.into_inner(),
        period: document.period.into_inner().get(),
        baselines,
        figures: document.figure.into_iter().map(Spanned::into_inner).collect(),
    })
}

/// The keys of all columns, in the order of [`Parameters`].
fn varied(vary: &Columns, zip: &[Columns]) -> Vec<String> {
    let named: BTreeSet<&str> = zip
        .iter()
        .chain([vary])
        .flat_map(|columns| columns.keys().map(|key| key.get_ref().as_str()))
        .collect();
    KEYS.into_iter().filter(|key| named.contains(key)).map(str::to_owned).collect()
}

/// Where errors are.
struct File<'a> {
    path: &'a Path,
    text: &'a str,
}

impl File<'_> {
    fn refuse(&self, span: Range<usize>, key: &str, why: impl Into<String>) -> ScenarioError {
        let before = self.text.get(..span.start).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        ScenarioError::Key { path: self.path.to_owned(), line, key: key.to_owned(), why: why.into() }
    }

    fn numbers(&self, document: &Document) -> Result<(), ScenarioError> {
        let Document { repetitions, warm_up, windows, period, .. } = document;
        let counts = [
            ("repetitions", repetitions, 1, 1_000),
            ("windows", windows, 1, 10_000),
            ("warm_up", warm_up, 0, 1_000),
        ];
        for (key, count, least, most) in counts {
            if !(least..=most).contains(count.get_ref()) {
                return Err(self.refuse(count.span(), key, format!("write {least} to {most}")));
            }
        }
        let millis = period.get_ref().get().as_millis();
        if !(100..=3_600_000).contains(&millis) {
            return Err(self.refuse(period.span(), "period", "write a time from 100ms to 1h"));
        }
        let mut seen = BTreeSet::new();
        for baseline in &document.baselines {
            if *baseline.get_ref() == Subject::Murmuration {
                return Err(self.refuse(
                    baseline.span(),
                    "baselines",
                    "this system is no baseline of itself; remove it",
                ));
            }
            if !seen.insert(*baseline.get_ref()) {
                return Err(self.refuse(baseline.span(), "baselines", "it is there twice; remove one"));
            }
        }
        Ok(())
    }

    /// Every key must be one of the parameters, stand in one place only and have values of its kind.
    fn keys(&self, document: &Document) -> Result<(), ScenarioError> {
        let mut seen = BTreeSet::new();
        let mut once = |key: &Spanned<String>| match seen.insert(key.get_ref().clone()) {
            true => Ok(()),
            false => {
                Err(self.refuse(key.span(), key.get_ref(), "it is set or varied in two places; remove one"))
            }
        };
        for (key, value) in &document.fixed {
            once(key)?;
            self.fits(key, value.span(), value.get_ref())?;
        }
        for (key, values) in document.zip.iter().chain([&document.vary]).flatten() {
            once(key)?;
            if values.get_ref().is_empty() {
                return Err(self.refuse(
                    values.span(),
                    key.get_ref(),
                    "it has no values, so there is nothing to play; write one",
                ));
            }
            for (at, value) in values.get_ref().iter().enumerate() {
                self.fits(key, values.span(), value)?;
                if values.get_ref().iter().take(at).any(|earlier| earlier == value)
                    && document.vary.contains_key(key.get_ref().as_str())
                {
                    return Err(self.refuse(
                        values.span(),
                        key.get_ref(),
                        format!("{value} is there twice; remove one"),
                    ));
                }
            }
        }
        for figure in &document.figure {
            let Figure { x, per, .. } = figure.get_ref();
            for key in [Some(x), per.as_ref()].into_iter().flatten() {
                if !KEYS.contains(&key.as_str()) {
                    return Err(self.refuse(
                        figure.span(),
                        key,
                        format!("a figure's axes are {}", KEYS.join(", ")),
                    ));
                }
            }
        }
        Ok(())
    }

    fn fits(&self, key: &Spanned<String>, span: Range<usize>, value: &Value) -> Result<(), ScenarioError> {
        let name = key.get_ref().as_str();
        if !KEYS.contains(&name) {
            return Err(self.refuse(
                key.span(),
                name,
                format!("there is no such parameter; there are {}", KEYS.join(", ")),
            ));
        }
        if name == "threshold" && value.as_str() == Some(MOST) {
            return Ok(());
        }
        let one = Table::from_iter([(name.to_owned(), value.clone())]);
        match Parameters::deserialize(one) {
            Ok(_) => Ok(()),
            Err(error) => Err(self.refuse(span, name, error.message())),
        }
    }

    /// All combinations, in the order of their parameters, each once.
    fn grid(&self, document: &Document) -> Result<Vec<Point>, ScenarioError> {
        let fixed: Table = document
            .fixed
            .iter()
            .map(|(key, value)| (key.get_ref().clone(), value.get_ref().clone()))
            .collect();
        let mut tables = vec![fixed];
        for columns in &document.zip {
            tables = combined(&tables, &self.rows(columns)?);
        }
        for (key, values) in &document.vary {
            let rows: Vec<Table> = values
                .get_ref()
                .iter()
                .map(|value| Table::from_iter([(key.get_ref().clone(), value.clone())]))
                .collect();
            if tables.len().saturating_mul(rows.len()) > MAX_POINTS {
                return Err(self.refuse(
                    key.span(),
                    key.get_ref(),
                    format!("the grid has more than {MAX_POINTS} points; vary less at a time"),
                ));
            }
            tables = combined(&tables, &rows);
        }
        let mut points = Vec::with_capacity(tables.len());
        let mut seen = BTreeSet::new();
        for table in tables {
            let parameters = parameters(table)
                .map_err(|error| ScenarioError::Content { path: self.path.to_owned(), error })?;
            let point = Point::new(parameters);
            // Values that are equal only as parameters, as 1 and 1.0 are, or rows of a [[zip]] that repeat.
            if !seen.insert(point.id.clone()) {
                let at = point.differs(&varied(&document.vary, &document.zip));
                return Err(self.refuse(0..0, "vary", format!("the point {at} is there twice; remove one")));
            }
            points.push(point);
        }
        Ok(points)
    }

    /// The rows of columns that go together.
    fn rows(&self, columns: &Columns) -> Result<Vec<Table>, ScenarioError> {
        let mut rows: Vec<Table> = Vec::new();
        for (key, values) in columns {
            if rows.is_empty() {
                rows = vec![Table::new(); values.get_ref().len()];
            }
            if values.get_ref().len() != rows.len() {
                let why = format!(
                    "it has {} values and the others {}: what goes together has equally many",
                    values.get_ref().len(),
                    rows.len()
                );
                return Err(self.refuse(values.span(), key.get_ref(), why));
            }
            for (row, value) in rows.iter_mut().zip(values.get_ref()) {
                row.insert(key.get_ref().clone(), value.clone());
            }
        }
        Ok(rows)
    }
}

fn combined(tables: &[Table], rows: &[Table]) -> Vec<Table> {
    let with = |table: &Table, row: &Table| {
        table.iter().chain(row).map(|(key, value)| (key.clone(), value.clone())).collect()
    };
    tables.iter().flat_map(|table| rows.iter().map(move |row| with(table, row))).collect()
}

/// The parameters of a table; the highest threshold is that of its peers.
fn parameters(mut table: Table) -> Result<Parameters, toml::de::Error> {
    let most = table.get("threshold").and_then(Value::as_str) == Some(MOST);
    if most {
        table.remove("threshold");
    }
    let mut parameters =
        Parameters::deserialize(table).map_err(|error| toml::de::Error::custom(error.message()))?;
    if most {
        parameters.threshold = parameters.peers.saturating_sub(1) / 2;
    }
    Ok(parameters)
}
