//! Values for people.

use std::collections::BTreeMap;
use std::fmt;

use smc_core::function::{Kind, Query, Subject};
use smc_core::result::{Parts, ResultDocument, Status};
use smc_core::roster::Roster;
use smc_core::value::Value;

/// Longer lists are cut off here: people look, programs read JSON.
const ELEMENTS_SHOWN: usize = 16;

/// A value in few words, with its unit: `1203 ppm`, `yes`, `3, 7, 2`, `1203 ppm (agents room-3)`; of a value that is
/// published in parts, how many.
#[derive(Debug, Clone, Copy)]
pub struct Figure<'a> {
    value: &'a Value,
    parts: Option<&'a Parts>,
    unit: &'a str,
    /// The part of a record that says most.
    main: Option<&'static str>,
}

impl<'a> Figure<'a> {
    /// The value of `result`, if it has one.
    pub fn of(result: &'a ResultDocument, roster: &Roster) -> Option<Self> {
        let query = roster.query_named(&result.query).map(|query| roster.query(query));
        Self::of_query(result, roster, query)
    }

    /// The same of a result of `query`, if it is known.
    pub fn of_query(result: &'a ResultDocument, roster: &Roster, query: Option<&Query>) -> Option<Self> {
        let value = match (&result.value, result.status) {
            (Some(value), _) => value,
            // In JSON it is nothing, too, or beside the result.
            (None, Status::Ok) => &Value::Nothing,
            (None, Status::Failed | Status::Withheld) => return None,
        };
        let (parts, unit) = (result.parts.as_ref(), result.unit.as_str());
        Some(Self { value, parts, unit, main: query.and_then(|query| main_part(roster, query)) })
    }

    /// Another value in its place.
    pub fn with(self, value: &'a Value) -> Self {
        Self { value, parts: None, ..self }
    }
}

/// A value of no particular query, with its unit.
pub fn told(value: &Value, unit: &str) -> String {
    with_unit(value, unit)
}

/// What a window has come to, in few words.
pub fn outcome(result: &ResultDocument, figure: Option<Figure<'_>>) -> String {
    if let (Status::Ok, Some(audience)) = (result.status, &result.audience) {
        return format!("sealed for {audience}");
    }
    match (figure, &result.reason) {
        (Some(figure), _) => figure.to_string(),
        (None, Some(reason)) => format!("{} ({reason})", result.status),
        (None, None) => result.status.to_string(),
    }
}

/// Text from elsewhere that can't take over a terminal.
pub fn printable(text: &str) -> String {
    let escaped = |c: char| if c.is_control() { c.escape_unicode().to_string() } else { c.to_string() };
    text.chars().map(escaped).collect()
}

fn main_part(roster: &Roster, query: &Query) -> Option<&'static str> {
    let quantity = &roster.quantity(query.quantity).quantity;
    let with = query.with.map(|with| &roster.quantity(with).quantity);
    match query.function.shape(&Subject { quantity, with }).kind {
        Kind::Record(main) => Some(main),
        Kind::Flag | Kind::List | Kind::Number => None,
    }
}

impl fmt::Display for Figure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parts) = self.parts {
            return f.pad(&format!("{} elements in {} parts", parts.elements(), parts.count()));
        }
        f.pad(&match (self.value, self.main) {
            (Value::Record(parts), Some(main)) => record(parts, main, self.unit),
            (Value::List(_) | Value::Number(_), _) => with_unit(self.value, self.unit),
            (value, _) => plain(value),
        })
    }
}

/// What says most, and the other parts, which may have other units.
fn record(parts: &BTreeMap<String, Value>, main: &str, unit: &str) -> String {
    let others = parts.iter().filter(|(name, _)| *name != main);
    let others: Vec<String> = others.map(|(name, value)| format!("{name} {}", plain(value))).collect();
    let main = parts.get(main).map_or_else(String::new, |value| with_unit(value, unit));
    if others.is_empty() { main } else { format!("{main} ({})", others.join(", ")) }
}

fn with_unit(value: &Value, unit: &str) -> String {
    match value {
        Value::List(elements) if elements.is_empty() => plain(value),
        Value::List(_) | Value::Number(_) if !unit.is_empty() => format!("{} {unit}", plain(value)),
        _ => plain(value),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Flag(true) => "yes".to_owned(),
        Value::Flag(false) => "no".to_owned(),
        Value::List(elements) => list(elements),
        Value::Nothing => "undetermined".to_owned(),
        Value::Number(number) => number.get().to_string(),
        Value::Record(parts) => {
            let parts: Vec<String> =
                parts.iter().map(|(name, value)| format!("{name} {}", plain(value))).collect();
            format!("({})", parts.join(", "))
        }
        Value::Text(text) => text.clone(),
    }
}

fn list(elements: &[Value]) -> String {
    let shown: Vec<String> = elements.iter().take(ELEMENTS_SHOWN).map(plain).collect();
    match (elements.len(), shown.join(", ")) {
        (0, _) => "none".to_owned(),
        (all, shown) if all > ELEMENTS_SHOWN => format!("{shown}, ... ({all} in all)"),
        (_, shown) => shown,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(value: serde_json::Value, unit: &str, main: Option<&'static str>) -> String {
        let value: Value = serde_json::from_value(value).unwrap();
        Figure { value: &value, parts: None, unit, main }.to_string()
    }

    #[test]
    fn every_kind_of_value_is_readable() {
        assert_eq!(told(json!(1203), "ppm", None), "1203 ppm");
        assert_eq!(told(json!(0.5), "", None), "0.5");
        assert_eq!(told(json!(true), "", None), "yes");
        assert_eq!(told(json!(false), "", None), "no");
        assert_eq!(told(json!([4, 7, 0]), "", None), "4, 7, 0");
        assert_eq!(told(json!([1203, 988]), "ppm", None), "1203, 988 ppm");
        assert_eq!(told(json!([]), "ppm", None), "none");
        assert_eq!(
            told(json!({"agents": ["a", "b"], "reading": 9.5}), "ppm", Some("reading")),
            "9.5 ppm (agents a, b)"
        );
        assert_eq!(told(json!([{"count": 5, "reading": 2}]), "ppm", None), "(count 5, reading 2) ppm");
        let nothing = json!({"price": null, "winner": null});
        assert_eq!(told(nothing, "EUR", Some("price")), "undetermined (winner undetermined)");
    }

    #[test]
    fn a_long_list_is_cut_off() {
        let long: Vec<u32> = (0..1_000_000).collect();
        let told = told(json!(long), "W", None);
        assert!(told.starts_with("0, 1, 2, ") && told.ends_with(", 15, ... (1000000 in all) W"), "{told}");
    }

    #[test]
    fn a_record_that_nobody_asked_for_is_told_part_by_part() {
        assert_eq!(told(json!({"b": 2, "a": [1]}), "W", None), "(a 1, b 2)");
    }
}
