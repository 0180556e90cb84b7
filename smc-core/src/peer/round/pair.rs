//! The windows of two quantities, for queries of both (docs/protocol.md, 4.7).

use sha2::{Digest as _, Sha256};

use super::{Agreement, Round, State};
use crate::digest::Digest;
use crate::peer::Node;
use crate::peer::cohort::Agreed;
use crate::peer::computation::Computation;
use crate::result::Reason;
use crate::roster::QuantityIndex;
use crate::time::Timestamp;

/// How far the window of a second quantity is, for those who wait for it.
#[derive(Debug)]
pub(in crate::peer) enum Partner<'a> {
    Agreed(&'a mut Agreement),
    Gone,
    Pending,
}

impl Round {
    /// The other quantities that computations of this window wait for.
    pub(in crate::peer) fn waits_for(&self) -> impl Iterator<Item = QuantityIndex> {
        let agreed = matches!(self.state, State::Agreed(_));
        let waiting = self.computations.iter().filter(move |_| agreed);
        waiting.filter_map(Computation::waits_for)
    }

    /// How far this window is, for a computation on this and another quantity.
    pub(in crate::peer) fn partner(&mut self) -> Partner<'_> {
        match &mut self.state {
            State::Agreed(agreement) => Partner::Agreed(agreement),
            State::Over => Partner::Gone,
            State::Checking { .. } | State::Gathering { .. } | State::Open | State::Voting { .. } => {
                Partner::Pending
            }
        }
    }

    /// Starts what has waited for the window of `quantity`, or gives it up.
    pub(in crate::peer) fn pair(
        &mut self,
        node: &mut Node,
        now: Timestamp,
        quantity: QuantityIndex,
        partner: Partner<'_>,
    ) {
        let epoch = self.key_epoch(node);
        let State::Agreed(own) = &mut self.state else { return };
        let waiting = self.computations.iter_mut();
        let waiting = waiting.filter(|computation| computation.waits_for() == Some(quantity));
        match partner {
            Partner::Agreed(other) => {
                let digest = Digest(Sha256::digest([own.digest.0, other.digest.0].concat()).into());
                let agreed = Agreed { plan: &own.plan, with: Some(&other.plan), digest, epoch };
                for computation in waiting {
                    computation.start(node, now, agreed, &mut [&mut own.released, &mut other.released]);
                }
            }
            Partner::Gone => {
                for computation in waiting {
                    computation.fail(node, own.plan.peers, &Reason::Partner);
                }
            }
            Partner::Pending => {}
        }
    }
}
