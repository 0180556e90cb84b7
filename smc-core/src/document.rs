//! Signed JSON that people may look at: one form to sign, whoever prints it.

use serde::de::{self, DeserializeOwned};
use serde::{Deserialize, Deserializer, Serialize};

use crate::identity::{Signature, SigningKey, VerifyingKey};

/// The RFC 8785 form of `document`: one line, keys sorted, numbers in ECMAScript's shortest form.
///
/// A document of ours always has such a form; one that had none (a map with keys that are not text, a number that
/// is not finite) yields nothing, and nothing is what no signature of a real document covers.
pub fn canonical(document: &impl Serialize) -> Vec<u8> {
    serde_json_canonicalizer::to_vec(document).unwrap_or_default()
}

/// A document that can be signed.
pub trait Signable: Serialize + Sized {
    /// Keeps a signature of one kind of document from serving for another.
    const DOMAIN: &'static str;

    /// Signs the document.
    fn sign(&self, key: &SigningKey) -> Signature {
        key.sign(Self::DOMAIN, &canonical(self))
    }

    /// Whether `signature` is by the owner of `key` and for this very document.
    fn is_signed_by(&self, key: &VerifyingKey, signature: &Signature) -> bool {
        self.verifier()(key, signature)
    }

    /// The same for one signature after the other: the form that they are for is written once.
    fn verifier(&self) -> impl Fn(&VerifyingKey, &Signature) -> bool + use<Self> {
        let form = canonical(self);
        move |key, signature| key.verify(Self::DOMAIN, &form, signature).is_ok()
    }
}

/// A document with one signature beside it. Fields that neither has are refused.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Signed<D> {
    /// What was signed.
    #[serde(flatten)]
    pub document: D,
    /// By whom is told by the place where the document was found.
    pub sig: Signature,
}

impl<'de, D: DeserializeOwned> Deserialize<'de> for Signed<D> {
    fn deserialize<T: Deserializer<'de>>(deserializer: T) -> Result<Self, T::Error> {
        let (document, sig) = split(deserializer, "sig")?;
        Ok(Self { document, sig })
    }
}

/// Reads a document and what stands beside it under `key`. (A flattened field would let unknown ones pass.)
pub(crate) fn split<'de, T, D, B>(deserializer: T, key: &'static str) -> Result<(D, B), T::Error>
where
    T: Deserializer<'de>,
    D: DeserializeOwned,
    B: DeserializeOwned,
{
    let mut fields = serde_json::Map::deserialize(deserializer)?;
    let beside = fields.remove(key).ok_or_else(|| de::Error::missing_field(key))?;
    let beside = B::deserialize(beside).map_err(de::Error::custom)?;
    let document = D::deserialize(serde_json::Value::Object(fields)).map_err(de::Error::custom)?;
    Ok((document, beside))
}

impl<D: Signable> Signed<D> {
    /// Signs `document`.
    pub fn new(document: D, key: &SigningKey) -> Self {
        let sig = document.sign(key);
        Self { document, sig }
    }

    /// The document, if the owner of `key` signed it.
    pub fn verified(self, key: &VerifyingKey) -> Option<D> {
        self.document.is_signed_by(key, &self.sig).then_some(self.document)
    }
}
