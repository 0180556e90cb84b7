//! What can be wrong with a policy, in words for whoever wrote it.

use std::fmt;

use miette::Diagnostic;

use crate::bounds::{MAX_DEPTH, MAX_RULE};
use crate::policy::{MAX_BYTES, MAX_POLICIES};

/// The most flaws that are told of one text.
const MAX_FLAWS: usize = 20;
/// The longest part of a library's message that is passed on, in characters.
const MAX_MESSAGE: usize = 300;

/// A text that is no policy: where, what and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyError {
    origin: String,
    flaws: Vec<Placed>,
    untold: usize,
}

/// A flaw and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Placed {
    /// Line and column, both from 1.
    place: Option<(usize, usize)>,
    flaw: Flaw,
}

/// One thing that is wrong with a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// Two rules of one name.
    #[error("another rule has the @id \"{0}\", too; give each its own")]
    DuplicateId(String),
    /// No rule at all: a file that was cut off, more likely than meant.
    #[error(
        "there is no rule in it; to deny everything, write @id(\"nothing\") forbid (principal, action, resource);"
    )]
    Empty,
    /// The text is Cedar, but speaks of what there is not, or compares what can't be compared.
    #[error("{message}{}", remedy(.help))]
    Invalid {
        /// The validator's words.
        message: String,
        /// What it advises.
        help: Option<String>,
    },
    /// An annotation with an empty, too long or unprintable text.
    #[error("@{annotation} is to have 1 to {most} characters, without line breaks")]
    Length {
        /// Which.
        annotation: &'static str,
        /// The most characters.
        most: usize,
    },
    /// A name that decisions keep for themselves.
    #[error("@id(\"{0}\") is what decisions call something else; choose another")]
    ReservedId(String),
    /// A rule that decisions could not name.
    #[error("a rule without a name; write @id(\"some-name\") above it")]
    NoId,
    /// Forbidding is not for the operator to confirm.
    #[error("@ask belongs to a `permit`; a `forbid` forbids without asking")]
    AskedForbid,
    /// Nobody but the operator can be asked.
    #[error("@ask(\"{0}\"): only the operator can be asked; write @ask(\"operator\")")]
    AskedWhom(String),
    /// A rule with too many operators in a row.
    #[error("this rule is longer than {MAX_RULE} characters, those in quotes left out; make it several")]
    RuleTooLong,
    /// The shipped schema can't be read: a mistake of this program.
    #[error("the schema of this program is broken, which is its makers' mistake: {0}")]
    Schema(String),
    /// Not Cedar.
    #[error("{message}{}", remedy(.help))]
    Syntax {
        /// The parser's words.
        message: String,
        /// What it advises.
        help: Option<String>,
    },
    /// A policy with a place left open.
    #[error(
        "`?principal` and `?resource` are for templates, which nobody fills in here; write whom or what is meant"
    )]
    Template,
    /// Brackets within brackets.
    #[error("more than {MAX_DEPTH} brackets within each other")]
    TooDeep,
    /// More bytes than are read.
    #[error("{0} bytes; at most {MAX_BYTES} are read")]
    TooLong(usize),
    /// More rules than are judged.
    #[error("{0} rules; at most {MAX_POLICIES} are judged")]
    TooMany(usize),
    /// An annotation that would mean nothing: most likely mistyped, and a mistyped @ask would allow.
    #[error("there is no annotation @{0}; write @id(\"...\"), @reason(\"...\") or @ask(\"operator\")")]
    UnknownAnnotation(String),
    /// The file can't be read.
    #[error("can't be read: {0}")]
    Unreadable(String),
}

impl PolicyError {
    pub(crate) fn new(origin: &str) -> Self {
        Self { origin: origin.to_owned(), flaws: Vec::new(), untold: 0 }
    }

    /// An error with one flaw that has no place.
    pub(crate) fn of(origin: &str, flaw: Flaw) -> Self {
        let mut error = Self::new(origin);
        error.add(None, flaw);
        error
    }

    /// Adds a flaw that begins at the byte `at` of `text`.
    pub(crate) fn add_at(&mut self, text: &str, at: usize, flaw: Flaw) {
        self.add(Some(place(text, at)), flaw);
    }

    /// Adds what the validator says of `text`: once for each place, since it says everything anew for each function.
    pub(crate) fn add_invalid<'a>(
        &mut self,
        text: &str,
        found: impl Iterator<Item = &'a (dyn Diagnostic + 'a)>,
    ) {
        let mut all = Self::new(&self.origin);
        for diagnostic in found {
            all.push_diagnostic(text, diagnostic, |message, help| {
                // Its numbers for rules mean nothing to those who gave them names.
                let rest = message.strip_prefix("for policy `").and_then(|rest| rest.split_once("`, "));
                Flaw::Invalid { message: rest.map_or(message.clone(), |(_, rest)| rest.to_owned()), help }
            });
        }
        all.flaws.sort_by_key(|placed| (placed.place, placed.flaw.to_string()));
        all.flaws.dedup_by_key(|placed| placed.place);
        for Placed { place, flaw } in all.flaws {
            self.add(place, flaw);
        }
    }

    /// Adds what a library says of `text`.
    pub(crate) fn add_diagnostic(
        &mut self,
        text: &str,
        diagnostic: &dyn Diagnostic,
        flaw: impl FnOnce(String, Option<String>) -> Flaw,
    ) {
        self.push_diagnostic(text, diagnostic, flaw);
        let untold = self.flaws.len().saturating_sub(MAX_FLAWS);
        self.flaws.truncate(MAX_FLAWS);
        self.untold += untold;
    }

    fn push_diagnostic(
        &mut self,
        text: &str,
        diagnostic: &dyn Diagnostic,
        flaw: impl FnOnce(String, Option<String>) -> Flaw,
    ) {
        let at = diagnostic.labels().and_then(|mut labels| labels.next()).map(|label| label.offset());
        let label = diagnostic.labels().and_then(|mut labels| labels.next()?.label().map(str::to_owned));
        let mut message = diagnostic.to_string();
        if let Some(label) = label.filter(|label| !message.contains(label.as_str())) {
            message = format!("{message}: {label}");
        }
        let help = diagnostic.help().map(|help| short(&help.to_string()));
        self.flaws.push(Placed { place: at.map(|at| place(text, at)), flaw: flaw(short(&message), help) });
    }

    fn add(&mut self, place: Option<(usize, usize)>, flaw: Flaw) {
        if self.flaws.len() < MAX_FLAWS {
            self.flaws.push(Placed { place, flaw });
        } else {
            self.untold += 1;
        }
    }

    /// The policy, if nothing was wrong with it.
    pub(crate) fn or<T>(self, policy: T) -> Result<T, Self> {
        if self.flaws.is_empty() { Ok(policy) } else { Err(self) }
    }

    /// All flaws that are told, in the order of their discovery.
    pub fn flaws(&self) -> impl Iterator<Item = &Flaw> {
        self.flaws.iter().map(|placed| &placed.flaw)
    }
}

/// One line per flaw, each with file, line and column.
impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (count, Placed { place, flaw }) in self.flaws.iter().enumerate() {
            let gap = if count == 0 { "" } else { "\n" };
            write!(f, "{gap}{}", self.origin)?;
            if let Some((line, column)) = place {
                write!(f, ":{line}:{column}")?;
            }
            write!(f, ": {flaw}")?;
        }
        if self.untold > 0 {
            write!(f, "\n{}: and {} more", self.origin, self.untold)?;
        }
        Ok(())
    }
}

impl std::error::Error for PolicyError {}

/// Line and column of the byte `at`, both from 1.
fn place(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let begun = before.rfind('\n').map_or(0, |newline| newline + 1);
    (line, before[begun..].chars().count() + 1)
}

fn remedy(help: &Option<String>) -> String {
    help.as_ref().map(|help| format!("; {help}")).unwrap_or_default()
}

/// The beginning of a message, on one line.
pub(crate) fn short(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(MAX_MESSAGE).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_from_one() {
        assert_eq!(place("ab\ncd", 0), (1, 1));
        assert_eq!(place("ab\ncd", 4), (2, 2));
        assert_eq!(place("ä\nöx", "ä\nö".len()), (2, 2));
        assert_eq!(place("ab", 99), (1, 3));
    }

    #[test]
    fn no_more_flaws_are_told_than_anybody_reads() {
        let mut error = PolicyError::new("p.cedar");
        for _ in 0..MAX_FLAWS + 3 {
            error.add_at("x", 0, Flaw::NoId);
        }
        let told = error.to_string();
        assert_eq!(told.lines().count(), MAX_FLAWS + 1);
        assert!(told.ends_with("p.cedar: and 3 more"), "{told}");
    }
}
