//! The names and words of rules: what their annotations say.

use std::collections::{BTreeSet, HashMap};

use cedar_policy::{Effect, Policy, PolicyId, PolicySet};

use crate::error::{Flaw, PolicyError};

/// The longest name of a rule, in characters.
pub const MAX_ID: usize = 64;
/// The longest reason of a rule, in characters.
pub const MAX_REASON: usize = 200;
/// What decisions call a denial by the budgets.
pub(crate) const BUDGET: &str = "budget";

/// What people are told of a rule.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    /// Its place in the file.
    pub(crate) place: usize,
    pub(crate) name: String,
    pub(crate) reason: Option<String>,
    /// Whether what it permits is for the operator to confirm.
    pub(crate) asks: bool,
}

/// Reads the annotations of all rules; what is wrong with them is added to `error`.
pub(crate) fn read(text: &str, set: &PolicySet, error: &mut PolicyError) -> HashMap<PolicyId, Rule> {
    let mut rules = HashMap::new();
    let mut names = BTreeSet::new();
    let mut from = 0;
    for (place, policy) in in_order(set).into_iter().enumerate() {
        let at = begin(text, from, policy);
        from = at + 1;
        let (rule, flaws) = rule(place, policy);
        for flaw in flaws {
            error.add_at(text, at, flaw);
        }
        if !rule.name.is_empty() && !names.insert(rule.name.clone()) {
            error.add_at(text, at, Flaw::DuplicateId(rule.name.clone()));
        }
        rules.insert(policy.id().clone(), rule);
    }
    rules
}

/// The rules in the order of the file: the parser calls them policy0, policy1 and so on.
fn in_order(set: &PolicySet) -> Vec<&Policy> {
    let number = |policy: &&Policy| {
        let id: &str = policy.id().as_ref();
        id.trim_start_matches("policy").parse::<usize>().unwrap_or(usize::MAX)
    };
    let mut policies: Vec<_> = set.policies().collect();
    policies.sort_by_key(number);
    policies
}

/// Where the rule begins in `text`, at `from` or later.
fn begin(text: &str, from: usize, policy: &Policy) -> usize {
    let own = policy.to_cedar().unwrap_or_default();
    text.get(from..).and_then(|rest| rest.find(own.as_str())).map_or(from, |at| from + at)
}

fn rule(place: usize, policy: &Policy) -> (Rule, Vec<Flaw>) {
    let mut rule = Rule { place, name: String::new(), reason: None, asks: false };
    let mut flaws = Vec::new();
    for (key, value) in policy.annotations() {
        match key {
            "ask" if policy.effect() == Effect::Forbid => flaws.push(Flaw::AskedForbid),
            "ask" if value != "operator" => flaws.push(Flaw::AskedWhom(crate::error::short(value))),
            "ask" => rule.asks = true,
            "id" if value == BUDGET => flaws.push(Flaw::ReservedId(value.to_owned())),
            "id" => match bounded("id", value, MAX_ID) {
                Ok(name) => rule.name = name,
                Err(flaw) => flaws.push(flaw),
            },
            "reason" => match bounded("reason", value, MAX_REASON) {
                Ok(reason) => rule.reason = Some(reason),
                Err(flaw) => flaws.push(flaw),
            },
            other => flaws.push(Flaw::UnknownAnnotation(crate::error::short(other))),
        }
    }
    if policy.annotation("id").is_none() {
        flaws.push(Flaw::NoId);
    }
    (rule, flaws)
}

/// A text that fits into a line.
fn bounded(annotation: &'static str, text: &str, most: usize) -> Result<String, Flaw> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > most || text.contains(char::is_control) {
        Err(Flaw::Length { annotation, most })
    } else {
        Ok(text.to_owned())
    }
}
