//! A policy that was validated, and how it judges.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use cedar_policy::{Authorizer, Decision, PolicyId, PolicySet, Response, ValidationMode, Validator};
use miette::Diagnostic;
use sha2::{Digest as _, Sha256};
use smc_core::digest::Digest;

use crate::bounds;
use crate::case::Case;
use crate::error::{Flaw, PolicyError, short};
use crate::judgement::{Judgement, Outcome};
use crate::rules::{self, Rule};
use crate::terms::Terms;

/// The longest policy, in bytes.
pub const MAX_BYTES: usize = 64 * 1024;
/// The most rules of a policy.
pub const MAX_POLICIES: usize = 200;

/// Denies every request: what holds where a policy file has never been one.
const DENY_EVERYTHING: &str = r#"
@id("no-policy")
@reason("the policy file of this peer has a mistake; its operator has to mend it")
forbid (principal, action, resource);
"#;
/// Every request asks the operator: what holds where nobody wrote a policy.
const ASK_EVERYTHING: &str = include_str!("../../configs/policy/ask-everything.cedar");

/// Rules about requests, validated against the schema.
#[derive(Clone)]
pub struct Policy {
    digest: Digest,
    set: PolicySet,
    rules: HashMap<PolicyId, Rule>,
    terms: Terms,
    warnings: Vec<String>,
}

impl Policy {
    /// Reads and validates a policy; `origin` is what errors call the text, mostly the file's name.
    ///
    /// # Errors
    /// All that is wrong with it, each with its line.
    pub fn parse(text: &str, origin: &str) -> Result<Self, PolicyError> {
        if text.len() > MAX_BYTES {
            return Err(PolicyError::of(origin, Flaw::TooLong(text.len())));
        }
        let mut error = PolicyError::new(origin);
        if let Err((at, flaw)) = bounds::check(text) {
            error.add_at(text, at, flaw);
            return Err(error);
        }
        let terms = Terms::new().map_err(|flaw| PolicyError::of(origin, flaw))?;
        let set = match text.parse::<PolicySet>() {
            Ok(set) => set,
            Err(errors) => {
                for flaw in errors.iter() {
                    error.add_diagnostic(text, flaw, |message, help| Flaw::Syntax { message, help });
                }
                return Err(error);
            }
        };
        if set.num_of_policies() > MAX_POLICIES {
            return Err(PolicyError::of(origin, Flaw::TooMany(set.num_of_policies())));
        }
        if set.num_of_templates() > 0 {
            return Err(PolicyError::of(origin, Flaw::Template));
        }
        if set.is_empty() {
            return Err(PolicyError::of(origin, Flaw::Empty));
        }
        let rules = rules::read(text, &set, &mut error);
        let validation = Validator::new(terms.schema.clone()).validate(&set, ValidationMode::Strict);
        error.add_invalid(text, validation.validation_errors().map(|flaw| flaw as &dyn Diagnostic));
        let mut cautions = PolicyError::new(origin);
        cautions.add_invalid(text, validation.validation_warnings().map(|flaw| flaw as &dyn Diagnostic));
        let warnings = cautions.to_string().lines().map(str::to_owned).collect();
        error.or(Self { digest: Digest(Sha256::digest(text).into()), set, rules, terms, warnings })
    }

    /// Reads and validates the file at `path`.
    ///
    /// # Errors
    /// As [`Policy::parse`], and if the file can't be read.
    pub fn load(path: &Path) -> Result<Self, PolicyError> {
        let origin = path.display().to_string();
        let text =
            read(path).map_err(|error| PolicyError::of(&origin, Flaw::Unreadable(error.to_string())))?;
        Self::parse(&text, &origin)
    }

    /// The SHA-256 of its text.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// What holds without a policy file: every request asks the operator.
    ///
    /// # Errors
    /// None, or the program itself is broken; a test makes sure that it is not.
    pub fn ask_everything() -> Result<Self, PolicyError> {
        Self::parse(ASK_EVERYTHING, "ask-everything.cedar")
    }

    /// What holds while a policy file has never been one: every request is denied.
    ///
    /// # Errors
    /// As [`Policy::ask_everything`].
    pub fn deny_everything() -> Result<Self, PolicyError> {
        Self::parse(DENY_EVERYTHING, "no policy")
    }

    /// What is not wrong but hardly meant, such as a rule that never applies.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// How many rules there are.
    pub fn rules(&self) -> usize {
        self.rules.len()
    }

    /// Judges a case. A `forbid` that applies denies. Else a `permit` that applies allows, or has the operator asked if
    /// all that apply are marked so. Else the answer is no. A rule that can't be evaluated denies.
    pub fn judge(&self, case: &Case) -> Judgement {
        let asked = match self.terms.ask(case) {
            Ok(asked) => asked,
            Err(error) => return Judgement::deny(error.to_string()),
        };
        let response = Authorizer::new().is_authorized(&asked.request, &self.set, &asked.entities);
        if let Some(error) = response.diagnostics().errors().next() {
            return self.unevaluated(error);
        }
        let Some(rule) = self.decisive(&response) else {
            return Judgement::deny("no rule of this peer's policy allows it".to_owned());
        };
        let outcome = match (response.decision(), rule.asks) {
            (Decision::Allow, false) => Outcome::Allow,
            (Decision::Allow, true) => Outcome::Ask,
            (Decision::Deny, _) => Outcome::Deny,
        };
        let name = &rule.name;
        let reason = rule.reason.clone().unwrap_or_else(|| match outcome {
            Outcome::Allow => format!("allowed by the rule `{name}`"),
            Outcome::Ask => format!("the rule `{name}` leaves it to the operator"),
            Outcome::Deny => format!("forbidden by the rule `{name}`"),
        });
        Judgement { outcome, reason, rule: Some(name.clone()) }
    }

    /// The first rule of the file that made the decision; one that asks gives way to one that does not.
    fn decisive(&self, response: &Response) -> Option<&Rule> {
        let rules = response.diagnostics().reason().filter_map(|id| self.rules.get(id));
        rules.min_by_key(|rule| (rule.asks, rule.place))
    }

    fn unevaluated(&self, error: &cedar_policy::AuthorizationError) -> Judgement {
        let cedar_policy::AuthorizationError::PolicyEvaluationError(failed) = error;
        let rule = self.rules.get(failed.policy_id()).map(|rule| rule.name.clone());
        let name = rule.as_deref().unwrap_or("?");
        let reason = format!("the rule `{name}` can't be evaluated: {}", short(&failed.inner().to_string()));
        Judgement { outcome: Outcome::Deny, reason: reason.chars().take(rules::MAX_REASON).collect(), rule }
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Policy({} rules)", self.rules.len())
    }
}

/// No more than it takes to see that it is too long.
fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MAX_BYTES as u64 + 1).read_to_string(&mut text)?;
    Ok(text)
}
