//! What lies between a source and the agent's machine: which readings are plausible, and what a window makes of them
//! (docs/sensors.md). Time is an argument; nothing here reads a clock.

mod gather;
mod plausible;
mod rules;

use std::collections::BTreeMap;
use std::time::Duration;

use smc_core::agent::{GapReason, offset};
use smc_core::name::{NodeName, StreamName};
use smc_core::quantity::Quantity;
use smc_core::time::Timestamp;

use self::gather::Gather;
use self::plausible::Plausible;
pub use self::rules::{RulesError, StreamRules, WindowFunction};
use crate::source::Reading;

/// The screens of an agent's streams. A stream without rules has none: what its source says is what it shares.
#[derive(Debug, Default)]
pub struct Screens(BTreeMap<StreamName, Screen>);

/// What becomes of a reading.
#[derive(Debug, PartialEq)]
pub struct Taken {
    /// Why it is left out, if it is.
    pub flaw: Option<GapReason>,
    /// What the stream says now; none if nothing changes.
    pub says: Option<Result<Reading, GapReason>>,
}

/// What a stream says at an instant by itself, without a reading.
#[derive(Debug, PartialEq)]
pub struct Settled {
    /// Which stream.
    pub stream: StreamName,
    /// When it holds.
    pub at: Timestamp,
    /// What it says.
    pub says: Result<Reading, GapReason>,
}

#[derive(Debug)]
struct Screen {
    plausible: Plausible,
    gather: Gather,
}

impl Screens {
    /// The screens of the agent called `name`, by its `rules`. A reading counts as fresh for `maximum_age`, or for one
    /// window if that is none.
    ///
    /// # Errors
    /// [`RulesError`] names the stream, the key and what to write instead.
    pub fn new(
        rules: &BTreeMap<StreamName, StreamRules>,
        streams: &BTreeMap<StreamName, Quantity>,
        name: &NodeName,
        maximum_age: Option<Duration>,
    ) -> Result<Self, RulesError> {
        let mut screens = BTreeMap::new();
        for (stream, rules) in rules {
            let Some(quantity) = streams.get(stream) else {
                return Err(RulesError::ForeignStream { stream: stream.clone() });
            };
            rules.check(stream, quantity)?;
            let period = quantity.period();
            let speaks = offset(name.as_str(), period);
            let age = maximum_age.unwrap_or(period.as_duration());
            let plausible = Plausible::new(rules.clone(), quantity.clone());
            let gather = Gather::new(rules.window, period, speaks, age);
            screens.insert(stream.clone(), Screen { plausible, gather });
        }
        Ok(Self(screens))
    }

    /// Takes in what the source of `stream` said at `at`.
    pub fn take(&mut self, stream: &StreamName, at: Timestamp, read: Result<Reading, GapReason>) -> Taken {
        let Some(screen) = self.0.get_mut(stream) else {
            return Taken { flaw: read.as_ref().err().copied(), says: Some(read) };
        };
        let judged = read.and_then(|reading| match reading.reveal() {
            &[number] if !reading.is_vector() => screen.plausible.judge(at, number).map(|()| number),
            _ => Err(GapReason::WrongType),
        });
        let says = match judged {
            Ok(number) => screen.gather.take(at, number).map(Ok),
            Err(flaw) => screen.gather.has_none(at).then_some(Err(flaw)),
        };
        Taken { flaw: judged.err(), says: says.map(readable) }
    }

    /// What streams say by themselves at the instants that have come by `now`: to be asked before they are shared.
    pub fn settle(&mut self, now: Timestamp) -> Vec<Settled> {
        let settle = |(stream, screen): (&StreamName, &mut Screen)| {
            let (at, says) = screen.gather.settle(now)?;
            Some(Settled { stream: stream.clone(), at, says: readable(says) })
        };
        self.0.iter_mut().filter_map(settle).collect()
    }
}

fn readable(says: Result<f64, GapReason>) -> Result<Reading, GapReason> {
    says.and_then(|number| Reading::new(number).ok_or(GapReason::NotANumber))
}

#[cfg(test)]
mod tests;
