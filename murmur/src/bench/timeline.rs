//! What a peer, and the agents of a process, tell the measuring process about each window.

use std::collections::BTreeMap;

use sensor_agent::Witness;
use smc_core::message::Purpose;
use smc_core::name::QueryName;
use smc_core::peer::Event;
use smc_core::result::SignedResult;
use smc_core::time::{Timestamp, WindowIndex};
use smc_mqtt::clock::Clock;
use smc_peer::{Did, Observed, Step};
use tokio::sync::mpsc;

use super::said::{Mark, Said, Shared, Window, say};

/// How many events may wait to be told.
const WAITING: usize = 4_096;
/// How many windows may be open at once.
const OPEN: usize = 16;

/// An observer that tells each window of each query when it is done.
pub(crate) fn of_peer() -> mpsc::Sender<Observed> {
    let (sender, mut observed) = mpsc::channel::<Observed>(WAITING);
    tokio::spawn(async move {
        let mut ledger = Ledger::default();
        while let Some(observed) = observed.recv().await {
            if let Some(window) = ledger.note(observed) {
                say(&Said::Window(Box::new(window)));
            }
        }
    });
    sender
}

/// The marks of windows that are not done.
#[derive(Debug, Default)]
struct Ledger {
    /// What all queries of a window have in common.
    common: BTreeMap<WindowIndex, Window>,
    own: BTreeMap<(WindowIndex, QueryName), Window>,
}

impl Ledger {
    /// Takes an event in; the window that is done with it.
    fn note(&mut self, Observed { at, cpu, sent, what }: Observed) -> Option<Window> {
        let cpu_us = cpu.as_micros() as u64;
        let (messages, bytes, shares) = (sent.messages, sent.bytes, sent.shares);
        let mark = Mark { at_us: at.as_micros(), cpu_us, messages, bytes, shares };
        match what {
            Did::Gather { window, last } => {
                self.common(window).last_input_us = Some(last.as_micros());
            }
            Did::Say { step: Step::Inventory, window } => {
                self.common(window).gathered.get_or_insert(mark);
            }
            Did::Decide(Event::Planned { window, .. }) => self.common(window).planned = Some(mark),
            Did::Decide(Event::Persist { vote, .. }) => self.common(vote.window).voted = Some(mark),
            Did::Decide(Event::Agreed { window, .. }) => self.common(window).agreed = Some(mark),
            Did::Say { step: Step::Partial { of: Purpose::Query(query), round }, window } => {
                let own = self.own(window, query);
                own.opening = Some(mark);
                own.rounds = round + 1;
            }
            Did::Say { step: Step::Endorsement(query), window } => {
                self.own(window, query).stated = Some(mark);
            }
            Did::Decide(Event::Result { result, .. }) => return Some(self.finish(*result, mark)),
            Did::Decide(_) | Did::Say { .. } => {}
        }
        None
    }

    fn finish(&mut self, result: SignedResult, mark: Mark) -> Window {
        let result = result.result;
        let window = result.window.index;
        let own = self.own.remove(&(window, result.query)).unwrap_or_default();
        let common = self.common.get(&window).cloned().unwrap_or_default();
        Window {
            window: window.0,
            opening: own.opening,
            stated: own.stated,
            rounds: own.rounds,
            done: Some(mark),
            value: result.value.map(|value| value.to_string()),
            reason: result.reason,
            ..common
        }
    }

    fn common(&mut self, window: WindowIndex) -> &mut Window {
        if self.common.len() > OPEN {
            self.common.pop_first();
        }
        self.common.entry(window).or_default()
    }

    fn own(&mut self, window: WindowIndex, query: QueryName) -> &mut Window {
        if self.own.first_key_value().is_some_and(|((oldest, _), _)| oldest.0 + (OPEN as u64) < window.0) {
            self.own.pop_first();
        }
        self.own.entry((window, query)).or_default()
    }
}

/// A witness that tells what all agents of a process did for a window, once a later one begins.
pub(crate) fn of_agents(clock: Clock) -> mpsc::Sender<Witness> {
    let (sender, mut witnessed) = mpsc::channel::<Witness>(WAITING);
    tokio::spawn(async move {
        let mut open: Option<Shared> = None;
        while let Some(witness) = witnessed.recv().await {
            if let Some(done) = open.take_if(|open| open.window < witness.window) {
                say(&Said::Shared(done));
            }
            add(open.get_or_insert_with(|| none(witness.window)), &witness, clock.now());
        }
    });
    sender
}

fn none(window: WindowIndex) -> Shared {
    Shared { window, longest_us: 0, cpu_us: 0, messages: 0, plain_bytes: 0, sealed_bytes: 0, last_us: 0 }
}

fn add(shared: &mut Shared, witness: &Witness, now: Timestamp) {
    let effort = &witness.effort;
    shared.longest_us = shared.longest_us.max(effort.wall.as_micros() as u64);
    shared.cpu_us += effort.cpu.as_micros() as u64;
    shared.messages += effort.messages;
    shared.plain_bytes += effort.plain_bytes;
    shared.sealed_bytes += effort.sealed_bytes;
    shared.last_us = now.as_micros();
}
