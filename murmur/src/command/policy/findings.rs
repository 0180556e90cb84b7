//! What was found about a request, step by step, as a peer goes through it.

use serde::Serialize;
use smc_policy::{Judgement, Outcome};

/// All steps, and what comes of them.
#[derive(Debug, Default, Serialize)]
pub(super) struct Findings {
    steps: Vec<Finding>,
}

#[derive(Debug, Serialize)]
struct Finding {
    step: &'static str,
    ok: bool,
    says: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    #[serde(skip)]
    asks: bool,
}

impl Findings {
    /// A step with what is good about it, or what is wrong.
    pub(super) fn note(&mut self, step: &'static str, found: Result<String, String>) {
        let (ok, says) = match found {
            Ok(says) => (true, says),
            Err(says) => (false, says),
        };
        self.steps.push(Finding { step, ok, says, rule: None, asks: false });
    }

    /// A step that was judged.
    pub(super) fn judged(&mut self, step: &'static str, judgement: Judgement) {
        let Judgement { outcome, reason, rule } = judgement;
        let (ok, asks) = (outcome != Outcome::Deny, outcome == Outcome::Ask);
        self.steps.push(Finding { step, ok, says: reason, rule, asks });
    }

    /// What comes of it: a step that failed denies.
    pub(super) fn outcome(&self) -> Outcome {
        if self.steps.iter().any(|step| !step.ok) {
            Outcome::Deny
        } else if self.steps.iter().any(|step| step.asks) {
            Outcome::Ask
        } else {
            Outcome::Allow
        }
    }

    /// One object.
    pub(super) fn json(&self) -> String {
        serde_json::json!({"outcome": self.outcome(), "steps": self.steps}).to_string()
    }

    /// One line per step, then the outcome.
    pub(super) fn text(&self) -> String {
        let line = |step: &Finding| {
            let mark = if step.ok { "ok" } else { "no" };
            let rule = step.rule.as_ref().map(|rule| format!(" ({rule})")).unwrap_or_default();
            format!("{:10} {mark}  {}{rule}\n", step.step, step.says)
        };
        let lines: String = self.steps.iter().map(line).collect();
        format!("{lines}{:14} {}", "so", self.outcome())
    }
}
