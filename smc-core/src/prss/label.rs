//! What a session's randomness is for.

use sha2::{Digest as _, Sha256};

use crate::digest::Digest;
use crate::mutation::{Rule, disabled};
use crate::time::WindowIndex;

/// Names one use of the peers' keys: no two sessions have the same label, and a peer refuses one that it has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Label {
    /// What is computed: the digest of a query's definition, or of a quantity whose inputs are checked.
    pub subject: Digest,
    /// When.
    pub window: WindowIndex,
    /// Who computes on what: the digest of the plan. Should two peers ever differ there, they differ in all they draw.
    pub plan: Digest,
}

impl Label {
    /// Appends the label, of fixed length.
    pub(super) fn hash_into(&self, hash: &mut Sha256) {
        hash.update(self.subject.0);
        if disabled(Rule::LabelUniqueness) {
            return;
        }
        hash.update(self.window.0.to_be_bytes());
        hash.update(self.plan.0);
    }
}
