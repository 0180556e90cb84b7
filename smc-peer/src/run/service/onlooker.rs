//! What those are told who look over a peer's shoulder: demonstrations and measurements.

use smc_core::message::PeerMessage;
use smc_core::time::Period;
use smc_mqtt::process::thread_cpu;

use super::*;
use crate::run::{Did, Step};

/// How many windows may gather at once, which is more than the protocol has open.
const WINDOWS: usize = 8;

/// Who is told, and what it is told of once it is complete.
#[derive(Debug)]
pub(super) struct Onlooker {
    sender: mpsc::Sender<Observed>,
    /// When the newest input of each window came.
    gathering: BTreeMap<(Period, WindowIndex), Timestamp>,
}

impl Onlooker {
    pub(super) fn new(sender: mpsc::Sender<Observed>) -> Self {
        Self { sender, gathering: BTreeMap::new() }
    }

    /// An input that is new.
    pub(super) fn note_input(&mut self, period: Period, window: WindowIndex, now: Timestamp) {
        self.gathering.insert((period, window), now);
        if self.gathering.len() > WINDOWS {
            self.gathering.pop_first();
        }
    }
}

impl Service {
    /// Tells what was decided.
    pub(super) fn observe(&mut self, event: &Event) {
        let Some(onlooker) = &mut self.onlooker else { return };
        // Shares are nobody's but the client's.
        if let Event::Output { .. } = event {
            return;
        }
        if let Event::Planned { quantity, window } = event {
            let period = self.roster.quantity(*quantity).quantity.period();
            if let Some(last) = onlooker.gathering.remove(&(period, *window)) {
                self.tell_onlooker(Did::Gather { window: *window, last });
            }
        }
        self.tell_onlooker(Did::Decide(event.clone()));
    }

    /// Tells what is said to other peers.
    pub(super) fn observe_saying(&mut self, transmit: &Transmit) {
        if self.onlooker.is_none() {
            return;
        }
        let step = match &*transmit.message {
            PeerMessage::Inventory(_) => Step::Inventory,
            PeerMessage::Vote(_) => Step::Vote,
            PeerMessage::Partial(partial) => Step::Partial { of: partial.of.clone(), round: partial.round },
            PeerMessage::Endorsement(endorsement) => Step::Endorsement(endorsement.query.clone()),
            PeerMessage::Seeds(_) => return,
        };
        if let Some(window) = transmit.message.window() {
            self.tell_onlooker(Did::Say { step, window });
        }
    }

    fn tell_onlooker(&mut self, what: Did) {
        let Some(onlooker) = &self.onlooker else { return };
        let observed = Observed { at: self.clock.now(), cpu: thread_cpu(), sent: self.sent, what };
        if onlooker.sender.try_send(observed).is_err() {
            self.refused.count("observer_too_slow");
        }
    }
}
