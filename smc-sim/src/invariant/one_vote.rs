//! docs/protocol.md, 4.6: one vote per quantity and window, in later windows only, on disk before it is sent; and no vote in
//! a window before one whose inventory was sent.

use std::collections::BTreeMap;

use smc_core::digest::Digest;
use smc_core::message::PeerMessage;
use smc_core::name::QuantityName;
use smc_core::shamir::PeerIndex;
use smc_core::time::WindowIndex;

use super::{Cursor, Invariant, View};
use crate::world::{Content, Sender};

/// Also across restarts.
#[derive(Default)]
pub(super) struct OneVote {
    sent: Cursor,
    votes: BTreeMap<(PeerIndex, QuantityName), (WindowIndex, Digest)>,
    inventories: BTreeMap<(PeerIndex, QuantityName), WindowIndex>,
}

impl Invariant for OneVote {
    fn name(&self) -> &'static str {
        "one vote"
    }

    fn check(&mut self, view: &View<'_>) -> Result<(), String> {
        if let Some((peer, window)) =
            view.world.log.unpersisted.iter().find(|(peer, _)| view.is_honest(*peer))
        {
            return Err(format!("{peer} sent a vote in {window} that is not on its disk"));
        }
        for (_, packet) in self.sent.unread(&view.world.log.sent) {
            if let (Sender::Peer(from), Content::Peer(message)) = (packet.from, &packet.content)
                && view.is_honest(from)
            {
                self.note(from, message)?;
            }
        }
        Ok(())
    }
}

impl OneVote {
    fn note(&mut self, from: PeerIndex, message: &PeerMessage) -> Result<(), String> {
        match message {
            PeerMessage::Inventory(inventory) => {
                let of = (from, inventory.document.quantity.clone());
                let newest = self.inventories.entry(of).or_default();
                *newest = inventory.document.window.max(*newest);
            }
            PeerMessage::Vote(vote) => {
                let (of, window) = ((from, vote.document.quantity.clone()), vote.document.window);
                if self.inventories.get(&of).is_some_and(|&newest| newest > window) {
                    return Err(format!("{from} voted in {window} after a later inventory"));
                }
                let last = *self.votes.entry(of).or_insert((window, vote.document.digest));
                if last.0 > window || (last.0 == window && last.1 != vote.document.digest) {
                    return Err(format!("{from} voted in {window} again, or after a vote in {}", last.0));
                }
                self.votes.insert((from, vote.document.quantity.clone()), (window, vote.document.digest));
            }
            _ => {}
        }
        Ok(())
    }
}
