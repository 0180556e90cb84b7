//! What clients ask for at run time, and what each peer answers (docs/queries.md).
//!
//! A request is JSON that its client signed: Ed25519 over the RFC 8785 form of all but `sig`, of what was sent, so that
//! any program can write one and leave out what it does not need. Whatever is wrong with one is found here or when it is
//! admitted to the site; nothing of it is believed before.

mod bounds;
mod decision;
mod error;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

pub use self::bounds::{MAX_BYTES, MAX_LIFE, MAX_PURPOSE};
pub use self::decision::{Decision, Verdict};
pub use self::error::RequestError;
use crate::digest::Digest;
use crate::document::{Signable, Signed, canonical};
use crate::identity::{Signature, SigningKey, VerifyingKey};
use crate::name::{NodeName, QueryName, SiteName};
use crate::result::VERSION;
use crate::roster::document::QueryTable;
use crate::roster::{Roster, Span};
use crate::time::Timestamp;

/// What a client asks for. The query's name is the request's id and is never used twice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The version of the protocol.
    pub v: u8,
    /// The site.
    pub site: SiteName,
    /// Who asks.
    pub client: NodeName,
    /// Function, quantity, scope, minimum cohort, purpose, audience: as in a site file.
    pub query: QueryTable,
    /// How often: a multiple of the quantity's period; every window if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<Span>,
    /// Windows that begin earlier are not asked about.
    pub not_before: Timestamp,
    /// Windows that end later are not asked about.
    pub until: Timestamp,
    /// Whether one value is enough.
    #[serde(default, skip_serializing_if = "is_false")]
    pub once: bool,
}

/// The end of a request, by the client that made it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cancellation {
    /// The version of the protocol.
    pub v: u8,
    /// The site.
    pub site: SiteName,
    /// Who asked.
    pub client: NodeName,
    /// The query's name.
    pub cancel: QueryName,
    /// The digest of the request.
    pub request: Digest,
}

impl Signable for Request {
    const DOMAIN: &'static str = "murmuration/1/request";
}

impl Signable for Cancellation {
    const DOMAIN: &'static str = "murmuration/1/cancellation";
}

/// What a client says of one of its queries, proven to be by it.
#[derive(Debug, Clone, PartialEq)]
pub enum Asked {
    /// Asks.
    Request(Box<Admissible>),
    /// Asks no longer.
    Cancellation(Cancellation),
}

/// A request that is signed by a client of the site, and whole; nobody has decided about it yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Admissible {
    /// What is asked.
    pub request: Request,
    /// Of the request with its signature, in RFC 8785 form: decisions refer to it.
    pub digest: Digest,
}

impl Request {
    /// The request as it is published, signed by its client.
    pub fn signed(self, key: &SigningKey) -> Signed<Self> {
        Signed::new(self, key)
    }

    /// What decisions call a request that was signed like this.
    pub fn digest(signed: &Signed<Self>) -> Digest {
        digest(&canonical(signed))
    }
}

impl Asked {
    /// Reads what came on the topic of `client` and `query`, and checks who says it. What time it is does not matter
    /// here: see [`Admissible::is_due`].
    ///
    /// # Errors
    /// Whatever is wrong with it, in words for the client.
    pub fn open(
        roster: &Roster,
        client: &NodeName,
        query: &QueryName,
        json: &[u8],
    ) -> Result<Self, RequestError> {
        if json.len() > MAX_BYTES {
            return Err(RequestError::TooLong { have: json.len() });
        }
        key_of(roster, client)?;
        Self::read(roster, client, query, serde_json::from_slice(json).map_err(malformed)?)
    }

    /// The same of JSON that was parsed before, and that may have been longer then than it need be.
    ///
    /// # Errors
    /// Whatever is wrong with it, in words for the client.
    pub fn read(
        roster: &Roster,
        client: &NodeName,
        query: &QueryName,
        mut value: Value,
    ) -> Result<Self, RequestError> {
        let key = key_of(roster, client)?;
        bounds::exact_numbers(&value)?;
        let digest = digest(&canonical(&value));
        let fields = value.as_object_mut().ok_or(RequestError::NoObject)?;
        let sig = fields.remove("sig").ok_or(RequestError::Unsigned)?;
        let sig: Signature = serde_json::from_value(sig).map_err(|_| RequestError::Unsigned)?;
        let cancels = fields.contains_key("cancel");
        let domain = if cancels { Cancellation::DOMAIN } else { Request::DOMAIN };
        key.verify(domain, &canonical(&value), &sig).map_err(|_| RequestError::Unsigned)?;
        if cancels {
            let cancellation: Cancellation = serde_json::from_value(value).map_err(malformed)?;
            let Cancellation { v, site, client: by, cancel, .. } = &cancellation;
            is_meant(roster, (client, query), (*v, site, by, cancel))?;
            return Ok(Self::Cancellation(cancellation));
        }
        let request: Request = serde_json::from_value(value).map_err(malformed)?;
        is_meant(roster, (client, query), (request.v, &request.site, &request.client, &request.query.name))?;
        bounds::check(&request)?;
        Ok(Self::Request(Box::new(Admissible { request, digest })))
    }
}

impl Admissible {
    /// Whether there may still be windows to compute at `now`.
    ///
    /// # Errors
    /// If it is over, or begins too far ahead to be remembered until then.
    pub fn is_due(&self, now: Timestamp) -> Result<(), RequestError> {
        let Request { not_before, until, .. } = self.request;
        if until <= now {
            Err(RequestError::Expired { until })
        } else if until.since(now) > MAX_LIFE {
            Err(RequestError::TooFar { until })
        } else if not_before.since(now) > MAX_LIFE {
            Err(RequestError::TooFar { until: not_before })
        } else {
            Ok(())
        }
    }
}

/// What `client` signs with.
fn key_of<'a>(roster: &'a Roster, client: &NodeName) -> Result<&'a VerifyingKey, RequestError> {
    let key = roster.client(client).and_then(|client| client.identity.as_ref());
    key.ok_or_else(|| RequestError::UnknownClient { client: client.clone() })
}

fn malformed(error: serde_json::Error) -> RequestError {
    RequestError::Malformed(bounds::short(&error.to_string()))
}

/// Whether a document is of this protocol and site, and of what its topic names.
fn is_meant(
    roster: &Roster,
    topic: (&NodeName, &QueryName),
    (v, site, client, query): (u8, &SiteName, &NodeName, &QueryName),
) -> Result<(), RequestError> {
    if v != VERSION {
        Err(RequestError::Version { have: v })
    } else if site != roster.site() {
        Err(RequestError::OtherSite { site: site.clone() })
    } else if topic != (client, query) {
        Err(RequestError::OtherTopic { client: client.clone(), query: query.clone() })
    } else {
        Ok(())
    }
}

fn digest(form: &[u8]) -> Digest {
    Digest(Sha256::digest(form).into())
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}
