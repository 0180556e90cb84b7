//! What comes of judging a request.

use std::fmt;

use serde::Serialize;

use crate::budget::{Budgets, Spending};
use crate::case::Case;
use crate::policy::Policy;

/// What is to be done about a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Compute it.
    Allow,
    /// The operator has to say.
    Ask,
    /// Don't.
    Deny,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Allow => "allow",
            Self::Ask => "ask the operator",
            Self::Deny => "deny",
        })
    }
}

/// An outcome with the words that go with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Judgement {
    /// What is to be done.
    pub outcome: Outcome,
    /// Why, for people: the rule's own words where it has any.
    pub reason: String,
    /// The `@id` of the rule that decided, or `budget`; none if no rule spoke of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
}

/// Judges a case by the policy and, unless that denies, by the budgets.
pub fn judge(policy: &Policy, budgets: &Budgets, spending: &Spending, case: &Case) -> Judgement {
    let judgement = policy.judge(case);
    match judgement.outcome {
        Outcome::Allow | Outcome::Ask => match budgets.check(spending, case) {
            Ok(()) => judgement,
            Err(denial) => denial,
        },
        Outcome::Deny => judgement,
    }
}

impl Judgement {
    /// A denial that no rule made.
    pub(crate) fn deny(reason: String) -> Self {
        Self { outcome: Outcome::Deny, reason, rule: None }
    }
}
