//! One entry of a log.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{instant, merkle};
use crate::digest::Digest;
use crate::document::canonical;
use crate::name::{NodeName, SiteName};
use crate::time::{Timestamp, exact};

/// The longest body, in bytes: the largest result has 650,000.
pub const MAX_BODY: usize = 1 << 20;

/// An entry: what happened, when, and what was before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its number, from 0.
    #[serde(deserialize_with = "exact")]
    pub seq: u64,
    /// When the peer wrote it, by its own clock.
    #[serde(with = "instant")]
    pub time: Timestamp,
    /// What it is about.
    pub kind: Kind,
    /// The document.
    pub body: Body,
    /// The hash of the entry before; of the first one [`genesis`].
    pub prev: Digest,
}

impl Entry {
    /// The RFC 8785 form, which is hashed.
    pub fn form(&self) -> String {
        let Self { seq, time, kind, body, prev } = self;
        // Nothing in the other fields ever needs escaping; the body is in its form already.
        format!(r#"{{"body":{body},"kind":"{kind}","prev":"{prev:?}","seq":{seq},"time":"{time}"}}"#)
    }

    /// Its hash: as a leaf of the tree, and for the entry after it.
    pub fn hash(&self) -> Digest {
        merkle::leaf(self.form().as_bytes())
    }
}

/// What the first entry of a log holds for the entry before: whose log it is.
pub fn genesis(site: &SiteName, peer: &NodeName) -> Digest {
    let mut hash = Sha256::new();
    hash.update(b"murmuration/1/audit\0");
    hash.update([site.as_str().len() as u8]);
    hash.update(site.as_str());
    hash.update(peer.as_str());
    Digest(hash.finalize().into())
}

/// What an entry is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// What the peer decided on a request.
    Decision,
    /// Another peer's signed head.
    Head,
    /// What the peer's operator, or an agent's owner, did.
    Intervention,
    /// Who joined, left or got another key.
    Membership,
    /// That a policy was read, and what came of it.
    Policy,
    /// What a client asked.
    Request,
    /// What a window of a query came to.
    Result,
    /// That the peer started, and what with.
    Start,
    /// That the peer went along with a plan.
    Vote,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 9] = [
        Self::Decision,
        Self::Head,
        Self::Intervention,
        Self::Membership,
        Self::Policy,
        Self::Request,
        Self::Result,
        Self::Start,
        Self::Vote,
    ];

    /// Its name in files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Decision => "decision",
            Self::Head => "head",
            Self::Intervention => "intervention",
            Self::Membership => "membership",
            Self::Policy => "policy",
            Self::Request => "request",
            Self::Result => "result",
            Self::Start => "start",
            Self::Vote => "vote",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A text that names no kind of entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "no kind of entry: decision, head, intervention, membership, policy, request, result, start or vote expected"
)]
pub struct UnknownKind;

impl FromStr for Kind {
    type Err = UnknownKind;
    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(UnknownKind)
    }
}

/// A JSON object in its RFC 8785 form.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Body(String);

/// Why a document can't be the body of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// The text is not in the form that is hashed.
    #[error("not in its RFC 8785 form")]
    NotCanonical,
    /// No JSON object.
    #[error("not a JSON object")]
    NotAnObject,
    /// Too long.
    #[error("longer than {MAX_BODY} bytes")]
    TooLong,
}

impl Body {
    /// The form of `document`.
    ///
    /// # Errors
    /// If that is no object, or too long.
    pub fn of(document: &impl Serialize) -> Result<Self, BodyError> {
        // What is no object has no braces; of what can't be written down there is no form.
        match String::from_utf8(canonical(document)) {
            Ok(form) if form.len() > MAX_BODY => Err(BodyError::TooLong),
            Ok(form) if form.starts_with('{') => Ok(Self(form)),
            _ => Err(BodyError::NotAnObject),
        }
    }

    /// Reads a body, and what it says.
    ///
    /// # Errors
    /// Unless `text` is the one form of an object.
    pub fn read(text: String) -> Result<(Self, Value), BodyError> {
        if text.len() > MAX_BODY {
            return Err(BodyError::TooLong);
        }
        let value: Value = serde_json::from_str(&text).map_err(|_| BodyError::NotAnObject)?;
        if !value.is_object() {
            return Err(BodyError::NotAnObject);
        }
        if canonical(&value) != text.as_bytes() {
            return Err(BodyError::NotCanonical);
        }
        Ok((Self(text), value))
    }

    /// The form as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What it says.
    pub fn value(&self) -> Value {
        // It was read or written as JSON.
        serde_json::from_str(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Body {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Body {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::of(&Value::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entry() -> Entry {
        Entry {
            seq: 17,
            time: Timestamp::from_micros(1_767_268_800_120_000),
            kind: Kind::Request,
            body: Body::of(&json!({"z": [1.50, "\u{e9}\n"], "a": {"b": null}})).unwrap(),
            prev: genesis(&"hq".parse().unwrap(), &"peer-1".parse().unwrap()),
        }
    }

    #[test]
    fn what_is_hashed_is_the_canonical_form_of_the_document() {
        let entry = entry();
        assert_eq!(entry.form().as_bytes(), canonical(&entry));
        let read: Entry = serde_json::from_str(&serde_json::to_string_pretty(&entry).unwrap()).unwrap();
        assert_eq!(read, entry);
    }

    #[test]
    fn any_other_field_has_another_hash() {
        let entry = entry();
        let others = [
            Entry { seq: 18, ..entry.clone() },
            Entry { time: Timestamp::from_micros(1_767_268_800_120_001), ..entry.clone() },
            Entry { kind: Kind::Decision, ..entry.clone() },
            Entry { body: Body::of(&json!({})).unwrap(), ..entry.clone() },
            Entry { prev: genesis(&"hq".parse().unwrap(), &"peer-2".parse().unwrap()), ..entry.clone() },
        ];
        assert!(others.iter().all(|other| other.hash() != entry.hash()));
    }

    #[test]
    fn a_body_has_one_text() {
        assert!(Body::read(r#"{"a":1,"b":[]}"#.to_owned()).is_ok());
        for (text, why) in [
            (r#"{"b":[],"a":1}"#, BodyError::NotCanonical),
            (r#"{"a":1.0}"#, BodyError::NotCanonical),
            (r#"{"a":1,"a":1}"#, BodyError::NotCanonical),
            (r#"{"a":1} "#, BodyError::NotCanonical),
            ("[]", BodyError::NotAnObject),
            ("{", BodyError::NotAnObject),
            ("", BodyError::NotAnObject),
        ] {
            assert_eq!(Body::read(text.to_owned()), Err(why), "{text}");
        }
        assert_eq!(Body::of(&json!([1])), Err(BodyError::NotAnObject));
        assert_eq!(Body::of(&json!({"a": "x".repeat(MAX_BODY)})), Err(BodyError::TooLong));
    }

    #[test]
    fn kinds_are_called_what_files_call_them() {
        for kind in Kind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
        assert_eq!("votes".parse::<Kind>(), Err(UnknownKind));
    }
}
