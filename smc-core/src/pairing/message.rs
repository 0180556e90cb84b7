//! What the two sides of a pairing say to each other. Whoever looks on may read it: what matters is sealed.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::base64url;
use crate::charter::{Chain, LoginHash};
use crate::document::Signable;
use crate::identity::{SealingPublic, VerifyingKey};
use crate::name::{NodeName, SiteName, SubjectName};
use crate::time::Timestamp;

/// The longest message, in bytes: a part of an invitation with its base64url.
pub const MAX_MESSAGE: usize = 384 * 1024;
/// How much of an invitation one message carries, in bytes.
pub(super) const PART: usize = 256 * 1024;
/// The most messages that an invitation takes: the site file and the member list together have 16 MiB at most.
pub(super) const MAX_PARTS: u32 = 64;

/// What numbers an offer, or an attempt at it: drawn at random.
pub(super) type Id = Bytes<16>;
/// A side's message of SPAKE2.
pub(super) type PakeMessage = Bytes<33>;
/// What shows that a side has the key.
pub(super) type Proof = Bytes<32>;

/// So many bytes, in base64url.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Bytes<const N: usize>(pub(super) [u8; N]);

impl<const N: usize> Default for Bytes<N> {
    fn default() -> Self {
        Self([0; N])
    }
}

impl<const N: usize> TryFrom<String> for Bytes<N> {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        base64url::decode(&text).map(Self).ok_or("base64url of another length")
    }
}

impl<const N: usize> From<Bytes<N>> for String {
    fn from(bytes: Bytes<N>) -> String {
        base64url::encode(&bytes.0)
    }
}

impl<const N: usize> fmt::Debug for Bytes<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base64url::encode(&self.0))
    }
}

/// What is sealed, in base64url.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sealed(pub(super) Vec<u8>);

impl TryFrom<String> for Sealed {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        base64url::decode_vec(&text).map(Self).ok_or("not base64url")
    }
}

impl From<Sealed> for String {
    fn from(sealed: Sealed) -> String {
        base64url::encode(&sealed.0)
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} sealed bytes", self.0.len())
    }
}

/// A member lets somebody in who knows its code.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offer {
    /// The version of the protocol.
    pub v: u8,
    /// The site.
    pub site: SiteName,
    /// Who lets in.
    pub member: NodeName,
    /// Which offer it is.
    pub(super) offer: Id,
    /// Until when.
    pub until: Timestamp,
}

impl Offer {
    /// An offer that was found on the broker; none if it is no offer.
    pub fn read(json: &[u8]) -> Option<Self> {
        (json.len() <= 1024).then(|| serde_json::from_slice(json).ok())?
    }
}

/// What the newcomer says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// The version of the protocol.
    pub v: u8,
    /// To which offer.
    pub(super) offer: Id,
    /// In which attempt.
    pub(super) attempt: Id,
    pub(super) say: AskStep,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum AskStep {
    /// Its half of SPAKE2.
    Hello(PakeMessage),
    /// That it has the key.
    Proof(Proof),
    /// An [`Application`], signed and sealed.
    Keys(Sealed),
    /// That it does not want to join after all, and why, as a [`Reason`](crate::order::Reason), sealed.
    Declined(Sealed),
}

/// What the member says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// The version of the protocol.
    pub v: u8,
    /// Of which offer.
    pub(super) offer: Id,
    /// To which attempt.
    pub(super) attempt: Id,
    pub(super) say: AnswerStep,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum AnswerStep {
    /// Its half of SPAKE2.
    Hello(PakeMessage),
    /// That it has the key, and a part of an [`Invitation`].
    Invitation(InvitationPart),
    /// An [`Outcome`], sealed.
    Outcome(Sealed),
    /// No; anybody could have said so.
    Refused(Refusal),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InvitationPart {
    pub(super) proof: Proof,
    /// Which one, from 0.
    pub(super) part: u32,
    /// How many there are.
    pub(super) of: u32,
    pub(super) sealed: Sealed,
}

/// Why an attempt is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    /// The offer is over.
    #[error("this code is not valid any more; have a new one made with `murmur pair`")]
    Over,
    /// Somebody has used the code.
    #[error(
        "this code has been used; if that was not you, tell the member's operator at once, and have a new one made with `murmur pair`"
    )]
    Used,
    /// The newcomer does not know the code.
    #[error("wrong code; {left} more may be tried")]
    WrongCode {
        /// How many more guesses there are.
        left: u8,
    },
}

/// What the member lets the newcomer in to, and as whom.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Invitation {
    /// The newcomer's name.
    pub name: NodeName,
    /// What it will be.
    pub invited_as: InvitedAs,
    /// The site file, as the member has it.
    pub site: String,
    /// The certificate of the authority that the broker's is of, in PEM, if the member trusts one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
    /// How the member list has changed since.
    pub chain: Chain,
}

/// What a newcomer will be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InvitedAs {
    /// It shares readings.
    Agent,
    /// It asks.
    Client,
    /// It computes.
    Peer,
}

impl InvitedAs {
    /// With its article, for people.
    pub const fn described(self) -> &'static str {
        match self {
            Self::Agent => "an agent",
            Self::Client => "a client",
            Self::Peer => "a peer",
        }
    }
}

/// The keys that a newcomer made, and what a broker checks its password against.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Application {
    /// In which attempt: so that the signature shows who has the key now.
    pub(super) attempt: Id,
    /// The name that it was invited by.
    pub name: NodeName,
    /// Its Ed25519 public key.
    pub identity: VerifyingKey,
    /// Its X25519 public key.
    pub sealing: SealingPublic,
    /// What a broker checks its password against.
    pub login: LoginHash,
}

impl Signable for Application {
    const DOMAIN: &'static str = "murmuration/1/application";
}

/// What became of an application.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Outcome {
    /// The member list names the newcomer.
    Member {
        /// From when on.
        effective: Timestamp,
    },
    /// More peers must sign first.
    Proposed {
        /// The change, as `murmur member list` names it.
        subject: SubjectName,
        /// From when on the list names the newcomer if they sign.
        effective: Timestamp,
    },
    /// Nobody would sign it.
    Refused {
        /// Why, in words.
        why: String,
    },
}
