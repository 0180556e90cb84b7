//! SHA-256 digests as they stand in documents.

use serde::{Deserialize, Serialize};

use crate::base64url;

/// A SHA-256 digest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(pub [u8; 32]);

/// A text that is no digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a digest: 32 bytes of base64url expected")]
pub struct DigestError;

impl TryFrom<String> for Digest {
    type Error = DigestError;
    fn try_from(text: String) -> Result<Self, DigestError> {
        base64url::decode(&text).map(Self).ok_or(DigestError)
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> String {
        base64url::encode(&digest.0)
    }
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&base64url::encode(&self.0))
    }
}
