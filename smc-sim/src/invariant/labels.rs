//! docs/protocol.md, 3.2: no randomness is used twice. What a peer shows in a check, and in rounds of functions that multiply,
//! is masked with fresh numbers: so no large number is ever shown twice, unless it was drawn twice.

use std::collections::{BTreeMap, HashMap};

use smc_core::message::{PeerMessage, Purpose};
use smc_core::shamir::PeerIndex;
use smc_core::time::WindowIndex;

use super::{Cursor, Invariant, View};
use crate::world::{Content, Sender};

/// Numbers below this may come from public constants.
const LARGE: u64 = 1 << 32;

/// Where numbers are shown.
type Session = (Purpose, WindowIndex);

/// What each peer showed, and in which session first.
#[derive(Default)]
pub(super) struct Labels {
    sent: Cursor,
    /// Numbered, since there are far fewer of them than numbers shown.
    sessions: BTreeMap<Session, usize>,
    shown: HashMap<(PeerIndex, u64), usize>,
}

impl Invariant for Labels {
    fn name(&self) -> &'static str {
        "labels"
    }

    fn check(&mut self, view: &View<'_>) -> Result<(), String> {
        let mut before = None;
        for (_, packet) in self.sent.unread(&view.world.log.sent) {
            let (Sender::Peer(from), Content::Peer(PeerMessage::Partial(partial))) =
                (packet.from, &packet.content)
            else {
                continue;
            };
            // The same goes to one peer after the other.
            if before.replace((from, partial)) == Some((from, partial))
                || !view.is_honest(from)
                || !is_masked(view, from, &partial.of)
            {
                continue;
            }
            let (session, next) = ((partial.of.clone(), partial.window), self.sessions.len());
            let now = *self.sessions.entry(session).or_insert(next);
            for share in partial.shares.0.iter().map(|share| share.to_u64()).filter(|&share| share > LARGE) {
                let first = *self.shown.entry((from, share)).or_insert(now);
                if first != now {
                    let (first, now) = (self.session(first), self.session(now));
                    return Err(format!("{from} showed one number twice: in {first:?} and {now:?}"));
                }
            }
        }
        Ok(())
    }
}

impl Labels {
    fn session(&self, number: usize) -> Option<&Session> {
        self.sessions.iter().find(|&(_, &of)| of == number).map(|(session, _)| session)
    }
}

fn is_masked(view: &View<'_>, from: PeerIndex, of: &Purpose) -> bool {
    match of {
        Purpose::Check(_) => true,
        Purpose::Query(query) => {
            view.session(from, query).is_some_and(|session| session.query().function.multiplies())
        }
    }
}
