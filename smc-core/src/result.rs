//! What a window has come to, as it is published: the only thing that is ever revealed (docs/protocol.md, 4.8).

mod parts;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

pub use self::parts::{PART_ELEMENTS, PartDocument, Parts, PartsError};
use crate::arithmetic::Fault;
use crate::document::{self, Signable};
use crate::identity::{Claims, Signature, VerifyingKey};
use crate::name::{NodeName, QuantityName, QueryName, SiteName};
use crate::protocol::plan::PlanError;
use crate::prss::SeedError;
use crate::roster::Roster;
use crate::shamir::OpenError;
use crate::time::{Period, WindowIndex};
use crate::value::Value;

/// The version of the protocol and of all its documents.
pub const VERSION: u8 = 1;

/// The outcome of one window of one query, as every peer that computed it states it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResultDocument {
    /// [`VERSION`].
    pub v: u8,
    /// The site.
    pub site: SiteName,
    /// What was asked.
    pub query: QueryName,
    /// The function's name.
    pub function: String,
    /// Of what.
    pub quantity: QuantityName,
    /// The unit of the value; empty for a plain number.
    pub unit: String,
    /// When.
    pub window: WindowDocument,
    /// For whose eyes alone the value is, which then is not here; everybody's if none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<NodeName>,
    /// The value; none unless `status` is ok.
    pub value: Option<Value>,
    /// What a value that is too long to stand here consists of; its parts are published beside the result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts: Option<Parts>,
    /// How many agents it covers.
    pub cohort: u32,
    /// How many agents of the scope took part and are left out all the same, since their own terms don't cover the query.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub declined: u32,
    /// How many readings are of this very window.
    pub fresh: u32,
    /// How many readings are the last ones of streams that were silent.
    pub carried: u32,
    /// The peers that computed.
    pub peers: Vec<NodeName>,
    /// Whether the peers checked that all inputs are what they claim to be: needs 2t+1 peers, and t+2.
    pub validated: bool,
    /// Whether redundant shares confirmed the value: needs t+2 peers, or 2t+1 where t of them may lie together; t more
    /// where shares are multiplied.
    pub verified: bool,
    /// Whether there is a value.
    pub status: Status,
    /// Why there is none.
    pub reason: Option<String>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// A window in text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowDocument {
    /// w.
    pub index: WindowIndex,
    /// Its first instant, RFC 3339.
    pub start: String,
    /// The first instant after it, RFC 3339.
    pub end: String,
}

impl WindowDocument {
    /// Window `w` of period `period`.
    pub fn new(period: Period, w: WindowIndex) -> Self {
        Self { index: w, start: period.start(w).to_string(), end: period.end(w).to_string() }
    }
}

/// Whether a window has a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Something went wrong; no value.
    Failed,
    /// There is a value.
    Ok,
    /// Policy forbids to reveal it; no value.
    Withheld,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Failed => "failed",
            Self::Ok => "ok",
            Self::Withheld => "withheld",
        })
    }
}

impl Signable for ResultDocument {
    const DOMAIN: &'static str = "murmuration/1/result";
}

/// A result with the signatures of the peers that computed it. Unknown fields are refused.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SignedResult {
    /// What they state.
    #[serde(flatten)]
    pub result: ResultDocument,
    /// Their signatures by name.
    pub signatures: BTreeMap<NodeName, Signature>,
}

impl<'de> Deserialize<'de> for SignedResult {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (result, signatures) = document::split(deserializer, "signatures")?;
        Ok(Self { result, signatures })
    }
}

/// Why a published result is not to be believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// A signature does not belong to this document.
    #[error("the signature of `{peer}` does not match this result")]
    Forged {
        /// Whose signature.
        peer: NodeName,
    },
    /// Too few signatures: without a quorum of them there could be a second result of the same window.
    #[error("{have} signatures; at least {need} peers must have signed a result")]
    TooFewSignatures {
        /// How many signed.
        have: usize,
        /// q, or 1 for a window without a value.
        need: usize,
    },
    /// Somebody signed who is no peer of the site.
    #[error("`{peer}` signed and is no peer of this site")]
    UnknownPeer {
        /// The name.
        peer: NodeName,
    },
    /// The version is not ours.
    #[error("version {version}; this program knows version {VERSION}")]
    Version {
        /// What the document says.
        version: u8,
    },
    /// The document is of another site.
    #[error("a result of site `{site}`")]
    WrongSite {
        /// The other site.
        site: SiteName,
    },
}

impl SignedResult {
    /// Whether the peers of `roster` vouch for this result: all signatures are valid, and a value has a quorum of
    /// them. Two quorums share a peer that signs one result per window: so there is no second value.
    ///
    /// # Errors
    /// The first thing that does not fit.
    pub fn verify(&self, roster: &Roster) -> Result<(), VerifyError> {
        self.is_meant(roster)?;
        let is_signed_by = self.result.verifier();
        for signer in self.signers(roster) {
            let Signer { peer, key, signature } = signer?;
            if !is_signed_by(&key, signature) {
                return Err(VerifyError::Forged { peer: peer.clone() });
            }
        }
        self.enough(roster)
    }

    /// The same but for whether the signatures are right, which `claims` are to tell of many results at once.
    ///
    /// # Errors
    /// The first thing that does not fit.
    pub fn claim(&self, roster: &Roster, claims: &mut Claims) -> Result<(), VerifyError> {
        self.is_meant(roster)?;
        let signers: Vec<_> = self.signers(roster).collect::<Result<_, _>>()?;
        let signers = signers.iter().map(|signer| (&signer.key, signer.signature));
        claims.add(ResultDocument::DOMAIN, &document::canonical(&self.result), signers);
        self.enough(roster)
    }

    /// Whether it is of this protocol and site.
    fn is_meant(&self, roster: &Roster) -> Result<(), VerifyError> {
        let result = &self.result;
        if result.v != VERSION {
            return Err(VerifyError::Version { version: result.v });
        }
        if result.site != *roster.site() {
            return Err(VerifyError::WrongSite { site: result.site.clone() });
        }
        Ok(())
    }

    /// The peers that signed, with their keys.
    fn signers(&self, roster: &Roster) -> impl Iterator<Item = Result<Signer<'_>, VerifyError>> {
        self.signatures.iter().map(|(peer, signature)| {
            let index = roster.peer_named(peer.as_str());
            let node = index.and_then(|index| roster.peer(index));
            let node = node.ok_or_else(|| VerifyError::UnknownPeer { peer: peer.clone() })?;
            Ok(Signer { peer, key: node.identity, signature })
        })
    }

    /// Whether as many signed as must have.
    fn enough(&self, roster: &Roster) -> Result<(), VerifyError> {
        let need = if self.result.status == Status::Ok { roster.quorum().size() } else { 1 };
        let have = self.signatures.len();
        if have < need { Err(VerifyError::TooFewSignatures { have, need }) } else { Ok(()) }
    }
}

/// A signature on a result, and whose.
struct Signer<'a> {
    peer: &'a NodeName,
    key: VerifyingKey,
    signature: &'a Signature,
}

/// Why a window has no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// Most inputs did not pass the check: rather than all these agents, a peer lies.
    #[error("{invalid} of {of} inputs seem invalid; a peer gave false shares in the check")]
    Check {
        /// How many did not pass.
        invalid: usize,
        /// How many there are.
        of: usize,
    },
    /// Not all of P took part in the check of the inputs: they may have planned differently.
    #[error("{have} of {need} peers checked the inputs in time")]
    ChecksMissing {
        /// How many did.
        have: usize,
        /// |P|.
        need: usize,
    },
    /// The shares of the coin do not fit together, which are drawn for one plan.
    #[error(
        "the peers saw different readings, or one of them lies: the check of the inputs could not begin, {0}"
    )]
    Coin(OpenError),
    /// Fewer agents than the minimum.
    #[error("cohort {cohort} of {minimum}")]
    Cohort {
        /// How many there are.
        cohort: u32,
        /// How many it takes.
        minimum: u32,
    },
    /// Too few signatures came in time.
    #[error("only {have} of {need} peers signed the result in time")]
    Endorsements {
        /// How many came.
        have: usize,
        /// q.
        need: usize,
    },
    /// Beside the result before, it would tell about the few readings that are new.
    #[error("fresh {fresh} of {minimum}: with most readings carried, the others would stand out")]
    Fresh {
        /// How many agents have a reading of this window.
        fresh: u32,
        /// How many it takes.
        minimum: u32,
    },
    /// The function came to no output.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The peers have no common keys.
    #[error("no common keys: {0}")]
    Keys(SeedError),
    /// A reading of the agreed cohort is no longer held.
    #[error("a reading of the agreed cohort is no longer held")]
    Lost,
    /// No quorum of the peers that take part computes this query with this definition, or one of them does not know it.
    #[error("fewer than {need} peers compute this query, or one that takes part does not know it")]
    NotShared {
        /// q.
        need: usize,
    },
    /// Not all peers that take part in either quantity of a query of two compute it.
    #[error("a query of two quantities is computed by all peers that take part in either, or by none")]
    NotSharedByAll,
    /// Too few peers to multiply.
    #[error("{have} of {need} peers: products need that many")]
    Products {
        /// |P|.
        have: usize,
        /// 2t + 1.
        need: usize,
    },
    /// The output could not be opened.
    #[error("the output could not be opened: {0}")]
    Opening(OpenError),
    /// Beside the other results of this window it would tell about too few agents.
    #[error("overlap: it would single out {agents} agents, fewer than {minimum}")]
    Overlap {
        /// How many.
        agents: u32,
        /// How many it takes.
        minimum: u32,
    },
    /// The next window closed before there was a plan for this one.
    #[error("the next window closed before enough peers had answered")]
    Overtaken,
    /// There is no agreement on the second quantity.
    #[error("no agreement on the second quantity")]
    Partner,
    /// Shares of the output were missing at the deadline.
    #[error("{have} of {need} peers gave their share of the output in time")]
    PartialsMissing {
        /// How many came.
        have: usize,
        /// |P|.
        need: usize,
    },
    /// There is no plan.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// What was opened is nothing that honest inputs lead to.
    #[error("what was opened is out of range; an agent or a peer gave a false share")]
    Range,
    /// A peer voted for another plan.
    #[error("the peers saw different readings: {peer} voted for another plan")]
    VotesDiffer {
        /// Who.
        peer: NodeName,
    },
    /// Votes were missing at the deadline.
    #[error("{have} of {need} peers voted in time")]
    VotesMissing {
        /// How many voted.
        have: usize,
        /// |P|.
        need: usize,
    },
}

impl Reason {
    /// How the window is to be called.
    pub fn status(&self) -> Status {
        match self {
            Self::Cohort { .. }
            | Self::Fresh { .. }
            | Self::NotShared { .. }
            | Self::NotSharedByAll
            | Self::Overlap { .. }
            | Self::Plan(PlanError::Early { .. }) => Status::Withheld,
            _ => Status::Failed,
        }
    }
}
