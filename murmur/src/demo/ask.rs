//! Functions as they are asked for on the command line.

use std::str::FromStr;

use smc_core::function::Entry;
use smc_core::name::{NameError, QuantityName, QueryName};
use smc_core::roster::document::QueryTable;

/// A function and its parameters, such as `max` or `quantile q = 0.9`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ask(QueryTable);

/// A text that asks for nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AskError {
    /// What follows the function's name can't be read.
    #[error("{0}; write parameters as in the site file, with commas between them, as in `quantile q = 0.9`")]
    Parameters(String),
    /// No such function.
    #[error("there is no function `{0}`; `murmur functions` lists them all")]
    Unknown(String),
}

impl Ask {
    /// The query on `quantity`.
    pub(super) fn of(&self, name: QueryName, quantity: QuantityName) -> QueryTable {
        QueryTable { name, quantity, purpose: "demonstration".to_owned(), ..self.0.clone() }
    }

    /// What a query on `quantity` is called, the `number`-th of this function.
    pub(super) fn name(&self, quantity: &QuantityName, number: usize) -> Result<QueryName, NameError> {
        let function = self.0.function.replace('_', "-");
        match number {
            1 => format!("{quantity}-{function}").parse(),
            number => format!("{quantity}-{function}-{number}").parse(),
        }
    }

    pub(super) fn function(&self) -> &str {
        &self.0.function
    }
}

impl FromStr for Ask {
    type Err = AskError;
    fn from_str(text: &str) -> Result<Self, AskError> {
        let (function, parameters) = text.trim().split_once(char::is_whitespace).unwrap_or((text.trim(), ""));
        let Some(entry) = Entry::named(function) else {
            return Err(AskError::Unknown(function.to_owned()));
        };
        // Read as the site file's keys are, with commas instead of lines.
        let unreadable = |error: toml::de::Error| AskError::Parameters(error.message().to_owned());
        let inline: toml::Table = toml::from_str(&format!("x = {{ {parameters} }}")).map_err(unreadable)?;
        let mut table = match inline.into_iter().next() {
            Some((_, toml::Value::Table(table))) => table,
            _ => toml::Table::new(),
        };
        for (key, value) in [("name", "asked"), ("function", entry.name), ("quantity", "asked")] {
            if table.insert(key.to_owned(), value.into()).is_some() {
                return Err(AskError::Parameters(format!("`{key}` is no parameter")));
            }
        }
        table.try_into().map(Self).map_err(unreadable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        text.parse::<Ask>().unwrap_err().to_string()
    }

    #[test]
    fn a_function_is_asked_for_with_its_parameters() {
        let quantity: QuantityName = "co2".parse().unwrap();
        let ask = |text: &str| text.parse::<Ask>().unwrap();
        assert_eq!(ask("max").name(&quantity, 1).unwrap().as_str(), "co2-max");
        assert_eq!(ask("any_above above = 1").name(&quantity, 2).unwrap().as_str(), "co2-any-above-2");
        let name = ask("quantile").name(&quantity, 1).unwrap();
        let table = ask(" histogram  edges=[600, 1000.5] ").of(name, quantity);
        assert_eq!(table.edges.unwrap(), ["600".parse().unwrap(), "1000.5".parse().unwrap()]);
        assert_eq!((table.function.as_str(), table.quantity.as_str()), ("histogram", "co2"));
    }

    #[test]
    fn what_asks_for_nothing_is_refused() {
        assert!(refused("").contains("no function ``"));
        assert!(refused("maximum").contains("no function `maximum`"));
        for text in [
            "quantile q = ",
            "quantile q = 0.9 }",
            "quantile w = 1",
            "max name = \"x\"",
            "max quantity = \"x\"",
        ] {
            assert!(
                refused(text).contains("write parameters as in the site file"),
                "{text}: {}",
                refused(text)
            );
        }
    }
}
