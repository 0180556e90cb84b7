//! One vote per window (docs/protocol.md, 4.6).

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::plan::Plan;
use crate::digest::Digest;
use crate::document::Signable;
use crate::name::{QuantityName, SiteName};
use crate::time::WindowIndex;

/// A peer's word that it goes along with a plan, and with no other for this window, ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vote {
    /// Of what.
    pub quantity: QuantityName,
    /// Which window.
    pub window: WindowIndex,
    /// The digest of site, roster, quantity, window and plan.
    pub digest: Digest,
}

impl Signable for Vote {
    const DOMAIN: &'static str = "murmuration/1/vote";
}

/// What a vote is about, beside the plan.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The site.
    pub site: &'a SiteName,
    /// The roster's digest.
    pub roster: &'a [u8; 32],
    /// The quantity's digest.
    pub quantity: &'a [u8; 32],
    /// The window.
    pub window: WindowIndex,
}

/// The digest of a plan: everything that two peers must see alike before either releases anything.
pub fn digest(subject: &Subject<'_>, plan: &Plan) -> Digest {
    let mut hash = Sha256::new();
    hash.update(b"murmuration/1/plan\0");
    hash.update([subject.site.as_str().len() as u8]);
    hash.update(subject.site.as_str());
    hash.update(subject.roster);
    hash.update(subject.quantity);
    hash.update(subject.window.0.to_be_bytes());
    hash.update(plan.peers.bits().to_be_bytes());
    hash.update([u8::from(plan.frozen)]);
    hash.update((plan.cohort.len() as u64).to_be_bytes());
    for member in &plan.cohort {
        hash.update((member.stream as u64).to_be_bytes());
        hash.update(member.window.0.to_be_bytes());
        hash.update(member.terms.to_bytes());
    }
    hash.update((plan.queries.len() as u64).to_be_bytes());
    for (query, computing) in &plan.queries {
        hash.update(query.0);
        hash.update(computing.bits().to_be_bytes());
    }
    hash.update((plan.keys.len() as u64).to_be_bytes());
    for key in &plan.keys {
        hash.update(key.0);
    }
    hash.update([u8::from(plan.validated)]);
    Digest(hash.finalize().into())
}
