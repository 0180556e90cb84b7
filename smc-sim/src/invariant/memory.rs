//! What a peer keeps is bounded, whatever it is sent.

use smc_core::roster::BundleIndex;

use super::{Invariant, View};

/// The two readings of each stream that a plan may choose from, the windows that are computed on, and those that are open:
/// the one that closes, the running one and, half a period ahead, the next.
const INPUTS_PER_BUNDLE: usize = 7;
/// The two closed windows that are computed on, the open ones as above.
const ROUNDS_PER_QUANTITY: usize = 5;

/// Inputs, in memory and on disk, and windows.
#[derive(Default)]
pub(super) struct Memory;

impl Invariant for Memory {
    fn name(&self) -> &'static str {
        "bounded memory"
    }

    fn check(&mut self, view: &View<'_>) -> Result<(), String> {
        let inputs = INPUTS_PER_BUNDLE * view.world.roster.bundles().len();
        let rounds = ROUNDS_PER_QUANTITY * view.world.roster.quantities().count();
        for host in &view.world.peers {
            let held = host.peer.as_ref().map_or(0, |peer| peer.inputs_held());
            let open = host.peer.as_ref().map_or(0, |peer| peer.rounds_held());
            let stored = most_of_one(host.disk.inputs.keys().map(|&(bundle, _)| bundle));
            if held > inputs || stored > INPUTS_PER_BUNDLE || open > rounds {
                let index = host.index;
                return Err(format!(
                    "{index} holds {held} inputs, {stored} of one bundle, and {open} windows"
                ));
            }
        }
        Ok(())
    }
}

/// How often the most frequent of these ascending bundles occurs.
fn most_of_one(bundles: impl Iterator<Item = BundleIndex>) -> usize {
    let (mut run, mut most, mut before) = (0, 0, None);
    for bundle in bundles {
        run = if before == Some(bundle) { run + 1 } else { 1 };
        (most, before) = (most.max(run), Some(bundle));
    }
    most
}
