//! Who a node is: the key that signs its documents and the key that messages to it are sealed with.

mod claims;
mod sealing;
mod signing;

use std::fmt;

use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

pub use claims::Claims;
pub use sealing::{SealingPublic, SealingSecret};
pub use signing::{BadSignature, Signature, SigningKey, VerifyingKey};

use crate::base64url;

/// Why bytes or a text are not a key or a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The text is not the base64url of the right number of bytes.
    #[error("a {what} is {bytes} bytes in base64url without padding")]
    Encoding {
        /// What was to be read.
        what: &'static str,
        /// How many bytes it has.
        bytes: usize,
    },
    /// The bytes are no point of the curve, or not the one encoding of it.
    #[error("a {0} must be the canonical encoding of a point of its curve")]
    NotAPoint(&'static str),
    /// The point is of low order: what is sealed to it or signed by it is open to anyone.
    #[error("a {0} must not be a point of low order")]
    Weak(&'static str),
}

/// The secret keys of a node.
pub struct NodeKeys {
    /// Signs the node's documents.
    pub signing: SigningKey,
    /// Opens what is sealed to the node, and proves that the node sealed it.
    pub sealing: SealingSecret,
}

impl NodeKeys {
    /// Fresh keys.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        Self { signing: SigningKey::generate(rng), sealing: SealingSecret::generate(rng) }
    }

    /// The keys as a key file holds them.
    pub fn to_document(&self) -> NodeKeysDocument {
        NodeKeysDocument {
            signing: base64url::encode(&*self.signing.to_bytes()),
            sealing: base64url::encode(&*self.sealing.to_bytes()),
        }
    }

    /// The keys of a key file.
    ///
    /// # Errors
    /// [`KeyError::Encoding`], naming the key.
    pub fn from_document(document: &NodeKeysDocument) -> Result<Self, KeyError> {
        Ok(Self {
            signing: SigningKey::from_bytes(&*secret("signing key", &document.signing)?),
            sealing: SealingSecret::from_bytes(&*secret("sealing key", &document.sealing)?),
        })
    }
}

impl fmt::Debug for NodeKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

/// The contents of a key file, which only its node may read (mode 0600). Erased when dropped.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
pub struct NodeKeysDocument {
    signing: String,
    sealing: String,
}

impl fmt::Debug for NodeKeysDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

fn secret(what: &'static str, text: &str) -> Result<Zeroizing<[u8; 32]>, KeyError> {
    base64url::decode(text).map(Zeroizing::new).ok_or(KeyError::Encoding { what, bytes: 32 })
}

/// Gives a public value its texts: base64url in documents, the same when printed.
macro_rules! public_text {
    ($name:ident, $bytes:literal, $what:literal, $from_bytes:expr) => {
        impl ::std::str::FromStr for $name {
            type Err = $crate::identity::KeyError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let bytes = $crate::base64url::decode::<$bytes>(text)
                    .ok_or($crate::identity::KeyError::Encoding { what: $what, bytes: $bytes })?;
                $from_bytes(bytes)
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::identity::KeyError;
            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> String {
                $crate::base64url::encode(value.as_bytes())
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.pad(&$crate::base64url::encode(self.as_bytes()))
            }
        }

        impl ::std::fmt::Debug for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                ::std::fmt::Display::fmt(self, f)
            }
        }
    };
}
use public_text;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_round_trips_and_is_never_printed() {
        let keys = NodeKeys::generate(&mut crate::testing::rng(1));
        let json = serde_json::to_string(&keys.to_document()).unwrap();
        let document: NodeKeysDocument = serde_json::from_str(&json).unwrap();
        let read = NodeKeys::from_document(&document).unwrap();
        assert_eq!(read.signing.verifying_key(), keys.signing.verifying_key());
        assert_eq!(read.sealing.public(), keys.sealing.public());
        assert_eq!(format!("{keys:?} {document:?}"), "<redacted> <redacted>");
        assert_eq!(format!("{:?} {:?}", keys.signing, keys.sealing), "<redacted> <redacted>");
    }

    #[test]
    fn a_broken_key_file_says_which_key() {
        let short = r#"{"signing":"AAAA","sealing":"AAAA"}"#;
        let document: NodeKeysDocument = serde_json::from_str(short).unwrap();
        let refused = NodeKeys::from_document(&document).unwrap_err();
        assert_eq!(refused.to_string(), "a signing key is 32 bytes in base64url without padding");
        assert!(serde_json::from_str::<NodeKeysDocument>(r#"{"signing":"","sealing":"","x":1}"#).is_err());
    }
}
