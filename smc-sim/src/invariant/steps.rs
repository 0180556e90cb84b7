//! docs/protocol.md, 4.5 and 4.7: no share leaves its peer but in a check after the plan, and in a computation after the
//! agreement; towards members of P alone; and of outputs only after all honest members of P voted alike.

use std::collections::BTreeMap;

use smc_core::digest::Digest;
use smc_core::message::{Partial, PeerMessage, Purpose};
use smc_core::name::QuantityName;
use smc_core::roster::QuantityIndex;
use smc_core::shamir::PeerIndex;
use smc_core::time::WindowIndex;

use super::{Cursor, Invariant, View};
use crate::world::{Content, Sender};

/// Of honest peers.
#[derive(Default)]
pub(super) struct Steps {
    sent: Cursor,
    votes: BTreeMap<(PeerIndex, QuantityName, WindowIndex), Digest>,
}

impl Invariant for Steps {
    fn name(&self) -> &'static str {
        "steps"
    }

    fn check(&mut self, view: &View<'_>) -> Result<(), String> {
        for (_, packet) in self.sent.unread(&view.world.log.sent) {
            let (Sender::Peer(from), Content::Peer(message)) = (packet.from, &packet.content) else {
                continue;
            };
            if !view.is_honest(from) {
                continue;
            }
            match message {
                PeerMessage::Partial(partial) => self.shows(view, from, packet.to, partial)?,
                PeerMessage::Vote(vote) => {
                    let of = (from, vote.document.quantity.clone(), vote.document.window);
                    self.votes.insert(of, vote.document.digest);
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl Steps {
    fn shows(
        &self,
        view: &View<'_>,
        from: PeerIndex,
        to: PeerIndex,
        partial: &Partial,
    ) -> Result<(), String> {
        let (roster, window) = (&view.world.roster, partial.window);
        match &partial.of {
            Purpose::Check(name) => {
                let quantity = roster.quantity_named(name.as_str()).ok_or("a check of nothing")?;
                let planned = view.world.log.planned.contains(&(from, quantity, window));
                if planned { Ok(()) } else { Err(format!("{from} checks in {window} without a plan")) }
            }
            Purpose::Query(name) => {
                let session = view.session(from, name).ok_or("an output of nothing")?;
                let query = session.query();
                let quantities = [Some(query.quantity), query.with];
                quantities.into_iter().flatten().try_for_each(|q| self.after_votes(view, from, to, q, window))
            }
        }
    }

    fn after_votes(
        &self,
        view: &View<'_>,
        from: PeerIndex,
        to: PeerIndex,
        quantity: QuantityIndex,
        window: WindowIndex,
    ) -> Result<(), String> {
        let plan = view.plan(from, quantity, window);
        let plan = plan.ok_or_else(|| format!("{from} shows outputs in {window} without an agreement"))?;
        if !plan.peers.contains(to) {
            return Err(format!("{from} shows outputs in {window} to {to}, which does not compute"));
        }
        let name = view.world.roster.quantity(quantity).quantity.name();
        let vote = |peer: PeerIndex| self.votes.get(&(peer, name.clone(), window));
        let ours = vote(from);
        match plan.peers.iter().find(|&peer| view.is_honest(peer) && vote(peer) != ours) {
            Some(peer) => Err(format!("{from} shows outputs in {window}; {peer} did not vote for them")),
            None => Ok(()),
        }
    }
}
