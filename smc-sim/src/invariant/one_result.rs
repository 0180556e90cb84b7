//! docs/protocol.md, 4.7 and 4.8: one value per query and window, signed by a quorum; and a peer shows its shares of a round
//! once, whatever happens in between.

use std::collections::BTreeMap;

use smc_core::field::Fp;
use smc_core::message::{PeerMessage, Purpose};
use smc_core::name::QueryName;
use smc_core::result::ResultDocument;
use smc_core::shamir::PeerIndex;
use smc_core::time::WindowIndex;

use super::{Cursor, Invariant, View, values};
use crate::world::{Content, Sender};

/// Which message of which round.
type Place = (PeerIndex, QueryName, WindowIndex, u32, u16);

/// Also across restarts.
#[derive(Default)]
pub(super) struct OneResult {
    told: Cursor,
    sent: Cursor,
    results: BTreeMap<(QueryName, WindowIndex), ResultDocument>,
    shown: BTreeMap<Place, Vec<Fp>>,
}

impl Invariant for OneResult {
    fn name(&self) -> &'static str {
        "one result"
    }

    fn check(&mut self, view: &View<'_>) -> Result<(), String> {
        for told in values(view, self.told.unread(&view.world.log.results)) {
            let result = &told.signed.result;
            if told.publish {
                told.signed
                    .verify(&view.world.roster)
                    .map_err(|error| format!("{}: {error}", result.query))?;
            }
            let of = (result.query.clone(), result.window.index);
            let first = self.results.entry(of).or_insert_with(|| result.clone());
            if first != result {
                return Err(format!("two values of one window: {first:?} and, of {}, {result:?}", told.peer));
            }
        }
        for (_, packet) in self.sent.unread(&view.world.log.sent) {
            let (Sender::Peer(from), Content::Peer(PeerMessage::Partial(partial))) =
                (packet.from, &packet.content)
            else {
                continue;
            };
            let Purpose::Query(query) = &partial.of else { continue };
            let place = (from, query.clone(), partial.window, partial.round, partial.part);
            let first = self.shown.entry(place).or_insert_with(|| partial.shares.0.to_vec());
            if view.is_honest(from) && *first != *partial.shares.0 {
                return Err(format!("{from} showed two shares of {query} in {}", partial.window));
            }
        }
        Ok(())
    }
}
