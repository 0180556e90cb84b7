//! The other peers: their cards, and whether they are there.

use super::*;

impl Service {
    /// Takes in the card of a node.
    pub(in crate::run) fn handle_card(&mut self, node: &NodeName, payload: &Bytes) {
        self.moving.keep_card(node, payload);
        let Some(peer) = self.roster.peer_named(node.as_str()) else {
            return self.refuse("card_of_no_peer", node.as_str());
        };
        if peer == self.me {
            return;
        }
        let now = self.clock.now();
        match self.recipients.handle_card(now, peer, payload) {
            Ok(()) => {
                self.peer.handle_reachable(now, peer);
                self.resend(node.clone());
            }
            Err(_) => self.refuse("bad_card", node.as_str()),
        }
    }

    /// Takes in what a node says of itself.
    pub(super) fn handle_status(&mut self, node: &NodeName, payload: &Bytes) {
        let Some(peer) = self.roster.peer_named(node.as_str()) else { return };
        let Some(presence) = status::presence(payload) else {
            return self.refuse("bad_status", node.as_str());
        };
        self.moving.keep_presence(node, presence);
        if peer != self.me {
            self.note_wish(node, payload);
            self.peer.handle_presence(self.clock.now(), peer, presence == Presence::Online);
            self.note_presence(peer, presence);
        } else if presence == Presence::Offline {
            // The last will of an earlier connection came after this one's greeting.
            self.publish_status();
        }
    }
}
