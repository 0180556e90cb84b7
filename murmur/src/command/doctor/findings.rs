//! What was found: what was looked at, how it is, and what to do about it.

use serde::Serialize;
use serde_json::{Value, json};
use smc_peer::figure::printable;

use crate::paint::Paint;

/// The most findings that are kept of one diagnosis; further ones are counted.
const MAX_FINDINGS: usize = 10_000;

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Grade {
    /// As it should be.
    Ok,
    /// It works, and somebody should know.
    Note,
    /// It does not work, or won't for long.
    Problem,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// Which check found it.
    pub(super) check: &'static str,
    pub(super) grade: Grade,
    pub(super) says: String,
    /// What to do; nothing where all is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) remedy: Option<String>,
}

/// All of them, in the order in which they were found.
#[derive(Debug, Default)]
pub(super) struct Findings {
    all: Vec<Finding>,
    /// How many there was no room for.
    more: u64,
}

impl Findings {
    pub(super) fn ok(&mut self, check: &'static str, says: impl Into<String>) {
        self.add(Finding { check, grade: Grade::Ok, says: says.into(), remedy: None });
    }

    pub(super) fn note(&mut self, check: &'static str, says: impl Into<String>, remedy: impl Into<String>) {
        let remedy = Some(remedy.into());
        self.add(Finding { check, grade: Grade::Note, says: says.into(), remedy });
    }

    pub(super) fn problem(
        &mut self,
        check: &'static str,
        says: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let remedy = Some(remedy.into());
        self.add(Finding { check, grade: Grade::Problem, says: says.into(), remedy });
    }

    fn add(&mut self, finding: Finding) {
        if self.all.len() < MAX_FINDINGS {
            self.all.push(finding);
        } else {
            self.more += 1;
        }
    }

    /// Whether nothing but `ok` was found by `check` so far.
    pub(super) fn is_well(&self, check: &str) -> bool {
        self.all.iter().all(|finding| finding.check != check || finding.grade == Grade::Ok)
    }

    /// How many there are of a grade.
    pub(super) fn count(&self, grade: Grade) -> usize {
        self.all.iter().filter(|finding| finding.grade == grade).count()
    }

    /// Lines for people.
    pub(super) fn text(&self, paint: Paint) -> Vec<String> {
        let mut lines = Vec::new();
        for finding in &self.all {
            let grade = match finding.grade {
                Grade::Ok => paint.good("ok     "),
                Grade::Note => paint.unusual("note   "),
                Grade::Problem => paint.bad("PROBLEM"),
            };
            lines.push(format!("{grade}  {:<12} {}", finding.check, printable(&finding.says)));
            if let Some(remedy) = &finding.remedy {
                lines.push(format!("{:<22}-> {}", "", printable(remedy)));
            }
        }
        lines.push(self.conclusion());
        lines
    }

    /// One JSON object per finding, and one that says what they come to.
    pub(super) fn json(&self) -> Vec<Value> {
        let mut lines: Vec<_> = self.all.iter().map(|finding| json!(finding)).collect();
        lines.push(json!({
            "well": self.count(Grade::Problem) == 0, "problems": self.count(Grade::Problem),
            "notes": self.count(Grade::Note), "left_out": self.more,
        }));
        lines
    }

    fn conclusion(&self) -> String {
        let notes = match self.count(Grade::Note) {
            0 => String::new(),
            1 => ", 1 note".to_owned(),
            notes => format!(", {notes} notes"),
        };
        let more = if self.more > 0 { format!(", and {} findings more", self.more) } else { String::new() };
        match self.count(Grade::Problem) {
            0 => format!("all is well{notes}{more}"),
            1 => format!("1 problem{notes}{more}"),
            problems => format!("{problems} problems{notes}{more}"),
        }
    }
}

/// Names in one line; of many the first.
pub(super) fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    const SHOWN: usize = 12;
    let names: Vec<_> = names.into_iter().collect();
    match names.len().checked_sub(SHOWN).filter(|&more| more > 0) {
        Some(more) => format!("{} and {more} more", names[..SHOWN].join(" ")),
        None => names.join(" "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_are_told_with_their_remedies_and_counted() {
        let mut findings = Findings::default();
        findings.ok("broker", "it answers");
        findings.note("versions", "peer-2 runs 0.0.9", "update it");
        assert_eq!(findings.text(Paint::plain()).last().unwrap(), "all is well, 1 note");
        findings.problem("peers", "peer-3 is gone\u{1b}[2J", "start it");
        assert_eq!(
            findings.text(Paint::plain()),
            [
                "ok       broker       it answers",
                "note     versions     peer-2 runs 0.0.9",
                "                      -> update it",
                "PROBLEM  peers        peer-3 is gone\\u{1b}[2J",
                "                      -> start it",
                "1 problem, 1 note",
            ]
        );
        assert!(findings.is_well("broker") && !findings.is_well("peers"));
        assert_eq!(findings.json().last().unwrap()["well"], false);
    }

    #[test]
    fn many_names_are_told_by_the_first() {
        let names: Vec<_> = (0..20).map(|i| format!("r{i}")).collect();
        assert!(list(names.iter().map(String::as_str)).ends_with("r11 and 8 more"));
        assert_eq!(list(["a", "b"]), "a b");
    }
}
