//! Whether one line is a result that the site's peers vouch for, or a part of one.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use sha2::{Digest, Sha256};
use smc_core::document::canonical;
use smc_core::name::QueryName;
use smc_core::result::{PartDocument, PartsError, SignedResult, Status, VerifyError};
use smc_core::time::WindowIndex;
use smc_mqtt::members::{Members, MembersError};
use smc_mqtt::topic::{Topic, Topics};

use super::assembly::{Assembly, Part};

/// The most windows with a value that are kept apart in one input.
const MAX_WINDOWS: usize = 1_000_000;
/// What a part begins with and a result doesn't: parts have their keys in alphabetical order.
const PART: &str = "{\"elements\":";

/// A line that is to be believed.
#[derive(Debug)]
pub(super) enum Good {
    /// How the member list changed, up to this revision.
    Members(u64),
    /// A part of a value that is too long for its result.
    Part(Part),
    /// A result.
    Result(SignedResult),
}

/// Why a line is not to be believed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    /// Another value stands for the same window.
    #[error(
        "another result with a value stands for window {window} of {query}, on line {first}; keep both lines, they prove that peers signed twice"
    )]
    Conflict {
        /// Of which query.
        query: QueryName,
        /// Which window.
        window: WindowIndex,
        /// Where the first one is.
        first: u64,
    },
    /// The line is no result.
    #[error("not a result: {0}")]
    Content(#[source] serde_json::Error),
    /// The topic is no result's, or of another site.
    #[error("`{topic}` is no topic of a result of this site")]
    ForeignTopic {
        /// What stands before the document.
        topic: String,
    },
    /// The charters do not follow from the site file.
    #[error("no changes of this site's member list: {0}")]
    Members(#[from] MembersError),
    /// No result that came before vouches for a part.
    #[error("no result before it vouches for part {part} of window {window} of {query}")]
    NoResult {
        /// Of which query.
        query: QueryName,
        /// Which window.
        window: WindowIndex,
        /// Which part.
        part: u16,
    },
    /// The part is not what the result vouches for.
    #[error(transparent)]
    Part(#[from] PartsError),
    /// A topic without a document: somebody removed the retained result.
    #[error("no document after the topic")]
    NoDocument,
    /// The line is no text.
    #[error("not UTF-8 text")]
    NotText,
    /// The document is not signed by those who should have.
    #[error(transparent)]
    Signatures(#[from] VerifyError),
    /// The line is longer than any result.
    #[error("longer than {} bytes, as no result is", crate::command::lines::MAX_LINE)]
    TooLong,
    /// Too many windows to keep in mind.
    #[error("more than {MAX_WINDOWS} windows with a value in one input; split it")]
    TooManyWindows,
    /// The document says something that the signatures don't cover.
    #[error("`{key}` is covered by no signature; the document was added to")]
    Unsigned {
        /// Where.
        key: String,
    },
    /// A value in the result and one in parts.
    #[error("it has a value and parts of one; only one of them can be meant")]
    TwoValues,
    /// A value where the status says that there is none.
    #[error("the status is {status}, which does not go with a value")]
    ValueWithoutOk {
        /// What the status says.
        status: Status,
    },
    /// The result came on another query's topic.
    #[error("a result of {query} on the topic of {topic}")]
    WrongTopic {
        /// Whose result.
        query: QueryName,
        /// Whose topic.
        topic: QueryName,
    },
    /// The part came on another part's topic.
    #[error("part {part} on the topic of part {topic}")]
    WrongPart {
        /// Which part.
        part: u16,
        /// Whose topic.
        topic: u16,
    },
}

/// Checks lines against a site and against each other.
#[derive(Debug)]
pub(super) struct Checker {
    members: Members,
    topics: Topics,
    /// Which value each window got: the line and the digest of the result.
    values: BTreeMap<(QueryName, WindowIndex), (u64, [u8; 32])>,
    assembly: Assembly,
}

impl Checker {
    pub(super) fn new(members: Members) -> Self {
        let topics = Topics::new(members.register().document().site.name.clone());
        Self { members, topics, values: BTreeMap::new(), assembly: Assembly::default() }
    }

    /// Whether a line is a value as programs get it that take no JSON apart: the result beside it is what is signed.
    pub(super) fn is_bare(&self, line: &[u8]) -> bool {
        let topic = std::str::from_utf8(line).ok().and_then(|line| line.split(' ').next());
        topic.is_some_and(|topic| matches!(self.topics.parse(topic), Ok(Topic::ResultState { .. })))
    }

    /// What is on line `number`, if it is to be believed.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub(super) fn check(&mut self, number: u64, line: &[u8]) -> Result<Good, Refused> {
        let line = std::str::from_utf8(line).map_err(|_| Refused::NotText)?;
        match self.split(line)? {
            (None, text) if text.starts_with(PART) => self.part(None, text).map(Good::Part),
            (Some(Topic::ResultPart { query, part }), text) => {
                self.part(Some((query, part)), text).map(Good::Part)
            }
            (Some(Topic::Result { query }), text) => self.result(number, Some(query), text).map(Good::Result),
            (Some(Topic::Charter), text) => {
                self.members.take(text.as_bytes())?;
                Ok(Good::Members(self.members.register().revision()))
            }
            (_, text) => self.result(number, None, text).map(Good::Result),
        }
    }

    fn part(&mut self, topic: Option<(QueryName, u16)>, text: &str) -> Result<Part, Refused> {
        let part: PartDocument = serde_json::from_str(text).map_err(Refused::Content)?;
        match topic {
            Some((topic, _)) if topic != part.query => {
                return Err(Refused::WrongTopic { query: part.query, topic });
            }
            Some((_, topic)) if topic != part.part => {
                return Err(Refused::WrongPart { part: part.part, topic });
            }
            _ => {}
        }
        self.assembly.take(part, text.as_bytes())
    }

    fn result(&mut self, number: u64, topic: Option<QueryName>, text: &str) -> Result<SignedResult, Refused> {
        let signed: SignedResult = serde_json::from_str(text).map_err(Refused::Content)?;
        if let Some(topic) = topic.filter(|topic| *topic != signed.result.query) {
            return Err(Refused::WrongTopic { query: signed.result.query, topic });
        }
        self.members.register().eras().verify(&signed)?;
        nothing_unsigned(text, &signed)?;
        let status = signed.result.status;
        // Some functions have no value of some readings, such as the correlation with what is the same everywhere: that
        // is a `null` with the status ok.
        let (whole, in_parts) = (signed.result.value.is_some(), signed.result.parts.is_some());
        if status != Status::Ok && (whole || in_parts) {
            return Err(Refused::ValueWithoutOk { status });
        }
        if whole && in_parts {
            return Err(Refused::TwoValues);
        }
        if status == Status::Ok {
            self.only_value(number, &signed)?;
        }
        self.assembly.expect(&signed);
        Ok(signed)
    }

    /// The topic of a result, a part or the charters that stands in front, as `mosquitto_sub -v` prints it, and the document.
    fn split<'a>(&self, line: &'a str) -> Result<(Option<Topic>, &'a str), Refused> {
        if line.starts_with('{') {
            return Ok((None, line));
        }
        let (topic, text) = line.split_once(' ').unwrap_or((line, ""));
        let known = self.topics.parse(topic).ok();
        let ours =
            |topic: &Topic| matches!(topic, Topic::Charter | Topic::Result { .. } | Topic::ResultPart { .. });
        let Some(known) = known.filter(ours) else {
            return Err(Refused::ForeignTopic { topic: topic.chars().take(80).collect() });
        };
        match text.trim() {
            "" | "(null)" => Err(Refused::NoDocument),
            text => Ok((Some(known), text)),
        }
    }

    /// Notes the value of a window, unless there is a different one.
    fn only_value(&mut self, number: u64, signed: &SignedResult) -> Result<(), Refused> {
        let (query, window) = (signed.result.query.clone(), signed.result.window.index);
        let digest = Sha256::digest(canonical(&signed.result)).into();
        let full = self.values.len() >= MAX_WINDOWS;
        match self.values.get(&(query.clone(), window)) {
            Some(&(first, known)) if known != digest => Err(Refused::Conflict { query, window, first }),
            Some(_) => Ok(()),
            None if full => Err(Refused::TooManyWindows),
            None => {
                self.values.insert((query, window), (number, digest));
                Ok(())
            }
        }
    }
}

/// Refuses keys that the signed form of the document does not have.
fn nothing_unsigned(text: &str, signed: &SignedResult) -> Result<(), Refused> {
    let given: Json = serde_json::from_str(text).map_err(Refused::Content)?;
    let known = serde_json::to_value(signed).map_err(Refused::Content)?;
    match added(&given, &known) {
        Some(key) => Err(Refused::Unsigned { key: key.chars().take(80).collect() }),
        None => Ok(()),
    }
}

/// A key of `given`, at any depth, that `known` has not.
fn added(given: &Json, known: &Json) -> Option<String> {
    let (Json::Object(given), Json::Object(known)) = (given, known) else { return None };
    given.iter().find_map(|(key, value)| match known.get(key) {
        None => Some(key.clone()),
        Some(known) => added(value, known).map(|inner| format!("{key}.{inner}")),
    })
}
