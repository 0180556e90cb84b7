//! docs/protocol.md, 4.1: the first input of a bundle and window stays.

use super::{Invariant, View};

/// At honest peers.
#[derive(Default)]
pub(super) struct FirstInput;

impl Invariant for FirstInput {
    fn name(&self) -> &'static str {
        "first input"
    }

    fn check(&mut self, view: &View<'_>) -> Result<(), String> {
        match view.world.log.overwritten.iter().find(|(peer, _)| view.is_honest(*peer)) {
            Some((peer, (bundle, window))) => {
                Err(format!("{peer} took a second input of bundle {} in {window}", bundle.at()))
            }
            None => Ok(()),
        }
    }
}
