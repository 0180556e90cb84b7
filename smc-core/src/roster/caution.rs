//! What holds together in a site file, and yet is hardly what anybody wants.

use std::time::Duration;

use super::Roster;
use crate::name::QuantityName;

/// Something in a site file that its owner should know of; the text names the key and the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Caution {
    /// Peers wait for a connected and silent one until the next window closes, and then it is too late.
    #[error(
        "site.step is {step:?} and `{quantity}` has windows of {period:?}: a peer that is connected and silent makes \
         every window fail, as the next one closes before the others go on without it; let `step` be about half of \
         the shortest period, or `period` longer"
    )]
    StepTooLong {
        /// The site's step.
        step: Duration,
        /// The quantity that is asked about with the shortest windows.
        quantity: QuantityName,
        /// How long these are.
        period: Duration,
    },
}

impl Roster {
    /// What its owner should know of.
    pub fn cautions(&self) -> Vec<Caution> {
        self.step_too_long().into_iter().collect()
    }

    fn step_too_long(&self) -> Option<Caution> {
        let step = self.timing.step;
        let asked = self.queries.iter().flat_map(|query| [Some(query.quantity), query.with]).flatten();
        let shortest =
            asked.map(|index| &self.quantity(index).quantity).min_by_key(|asked| asked.period())?;
        let period = shortest.period().as_duration();
        (step >= period).then(|| Caution::StepTooLong { step, quantity: shortest.name().clone(), period })
    }
}
