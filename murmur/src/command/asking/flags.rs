//! What is asked, as flags.

use std::collections::BTreeMap;

use clap::Args;
use smc_core::decimal::Decimal;
use smc_core::name::{NodeName, QuantityName, QueryName};
use smc_core::request::Request;
use smc_core::result::VERSION;
use smc_core::roster::Span;
use smc_core::roster::document::QueryTable;
use smc_core::time::Timestamp;
use smc_mqtt::client::{Access, word};

use super::AskFailure;
use super::when::When;

/// How much of a function's and a quantity's name go into the name of a request: with eight letters more it is a name.
const NAME_PARTS: usize = 26;

/// Function, quantity, and all that goes with them.
#[derive(Debug, Args)]
pub(super) struct Question {
    /// What to compute: see `murmur functions`
    function: String,
    /// Of what, such as co2
    quantity: QuantityName,
    /// Why it is asked: the peers' operators and the agents' owners read it
    #[arg(long = "for", value_name = "PURPOSE")]
    purpose: String,
    /// Which agents, by a label; several must all match
    #[arg(long, value_name = "LABEL=VALUE", value_delimiter = ',', value_parser = label)]
    scope: Vec<(String, String)>,
    /// How often; every window if left out
    #[arg(long, value_name = "SPAN")]
    every: Option<Span>,
    /// The fewest agents that a result may cover; the site's minimum holds besides
    #[arg(long, value_name = "N", default_value_t = 0)]
    min_cohort: u32,
    /// From when on
    #[arg(long, value_name = "WHEN")]
    not_before: Option<When>,
    /// Until when: a date, an instant, or a span from now on
    #[arg(long, value_name = "WHEN", default_value = "1d")]
    until: When,
    /// For whose eyes alone the value is: `me`, or a client or agent
    #[arg(long, value_name = "me|NAME")]
    audience: Option<String>,
    /// What to call it; function, quantity and a random word if left out
    #[arg(long, value_name = "NAME")]
    name: Option<QueryName>,
    /// A threshold, for functions that ask what is above it
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    above: Option<Decimal>,
    /// The agent whose own reading is asked about
    #[arg(long, value_name = "NAME")]
    agent: Option<NodeName>,
    /// How often something has to occur
    #[arg(long, value_name = "N")]
    at_least: Option<u64>,
    /// A threshold, for functions that ask what is below it
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    below: Option<Decimal>,
    /// The ascending edges of a histogram's bins
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', allow_hyphen_values = true)]
    edges: Option<Vec<Decimal>>,
    /// How many
    #[arg(long, value_name = "N")]
    k: Option<u64>,
    /// A quantile, from 0 to 1
    #[arg(long, value_name = "NUMBER")]
    q: Option<Decimal>,
    /// The second quantity, for functions of two
    #[arg(long, value_name = "QUANTITY")]
    with: Option<QuantityName>,
}

fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((label, value)) if !label.is_empty() => Ok((label.to_owned(), value.to_owned())),
        _ => Err("write a label and its value, such as floor=1".to_owned()),
    }
}

impl Question {
    /// For whose eyes alone it is, if for anybody's.
    pub(super) fn audience(&self, access: &Access) -> Result<Option<NodeName>, AskFailure> {
        match &self.audience {
            None => Ok(None),
            Some(me) if me == "me" => Ok(Some(access.node().clone())),
            Some(name) => Ok(Some(name.parse()?)),
        }
    }

    /// What is asked, by whom, at `now`.
    pub(super) fn request(self, access: &Access, now: Timestamp, once: bool) -> Result<Request, AskFailure> {
        let audience = self.audience(access)?;
        let name = match self.name {
            Some(name) => name,
            None => drawn(&self.function, &self.quantity)?,
        };
        let query = QueryTable {
            scope: self.scope.into_iter().collect::<BTreeMap<_, _>>(),
            minimum_cohort: self.min_cohort,
            purpose: self.purpose,
            above: self.above,
            agent: self.agent,
            at_least: self.at_least,
            audience,
            below: self.below,
            edges: self.edges,
            k: self.k,
            q: self.q,
            with: self.with,
            ..QueryTable::new(name, &self.function, self.quantity)
        };
        let (site, client) = (access.roster().site().clone(), access.node().clone());
        let not_before = self.not_before.map_or(now, |when| when.from(now));
        let (every, until) = (self.every, self.until.from(now));
        Ok(Request { v: VERSION, site, client, query, every, not_before, until, once })
    }
}

/// A name that tells what it is, and that nobody has used.
fn drawn(function: &str, quantity: &QuantityName) -> Result<QueryName, AskFailure> {
    let word = word()?;
    let legal = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let part = |text: &str| text.chars().filter(legal).take(NAME_PARTS).collect::<String>();
    let readable = format!("{}-{}-{word}", part(function), part(quantity.as_str()));
    Ok(readable.parse()?)
}
