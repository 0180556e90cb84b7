//! Names of nodes, streams, quantities and queries.
//!
//! One alphabet serves MQTT topics, Home Assistant ids, file names and log lines, so that no name ever
//! needs escaping anywhere: ASCII letters, digits, `-` and `_`, starting with a letter or digit.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The longest name, in bytes.
pub const MAX_NAME: usize = 64;

/// Why a text is not a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing was given.
    #[error("a name must not be empty")]
    Empty,
    /// The text is longer than [`MAX_NAME`].
    #[error("a name has at most {MAX_NAME} characters")]
    TooLong,
    /// The text has a character outside the alphabet, or begins with `-` or `_`.
    #[error("a name consists of letters, digits, `-` and `_` and begins with a letter or digit")]
    Alphabet,
}

fn check(text: &str) -> Result<(), NameError> {
    let bytes = text.as_bytes();
    match bytes.first() {
        None => return Err(NameError::Empty),
        Some(first) if !first.is_ascii_alphanumeric() => return Err(NameError::Alphabet),
        Some(_) if bytes.len() > MAX_NAME => return Err(NameError::TooLong),
        Some(_) => {}
    }
    let allowed = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    if bytes.iter().all(allowed) { Ok(()) } else { Err(NameError::Alphabet) }
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                check(text)?;
                Ok(Self(text.into()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0.as_ref().to_owned()
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    )*};
}

names! {
    /// One deployment.
    SiteName
    /// An agent, a peer or a client; unique within a site, and the MQTT client id and login of that node.
    NodeName
    /// A stream of one agent; unique within the agent.
    StreamName
    /// What is measured, with its unit and range.
    QuantityName
    /// A standing question to the peers.
    QueryName
    /// What an order is about.
    SubjectName
}

impl SubjectName {
    /// A digest in hexadecimal: 64 letters and digits, which are a name.
    pub(crate) fn hexadecimal(digits: &str) -> Self {
        debug_assert!(check(digits).is_ok());
        Self(digits.into())
    }
}

/// All names share one alphabet, so a quantity's name always serves as a stream's.
impl From<&QuantityName> for StreamName {
    fn from(quantity: &QuantityName) -> Self {
        Self(quantity.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_to_their_alphabet() {
        assert_eq!("room-101".parse::<NodeName>().unwrap().as_str(), "room-101");
        assert_eq!("".parse::<NodeName>(), Err(NameError::Empty));
        assert_eq!("-x".parse::<NodeName>(), Err(NameError::Alphabet));
        for hostile in ["a/b", "a+b", "#", "ü", "a b", "a\0", "a.b"] {
            assert_eq!(hostile.parse::<NodeName>(), Err(NameError::Alphabet), "{hostile:?}");
        }
        assert_eq!("x".repeat(65).parse::<NodeName>(), Err(NameError::TooLong));
    }

    #[test]
    fn a_name_cannot_be_smuggled_in_through_serde() {
        assert!(serde_json::from_str::<NodeName>("\"a/b\"").is_err());
    }
}
