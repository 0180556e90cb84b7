//! What an agent does with what its sources tell.

use smc_core::agent::GapReason;
use smc_core::name::StreamName;
use smc_core::time::Timestamp;
use tracing::{info, warn};

use super::service::Service;
use crate::screen::{Settled, Taken};
use crate::source::mqtt::Drawn;
use crate::source::{Happened, Observation, Reading};

impl Service {
    /// Takes in what a source tells.
    pub(super) fn handle_happened(&mut self, happened: Happened) {
        match happened {
            Happened::Ended => info!(node = %self.name, "a source has no more readings"),
            Happened::Failed(error) => warn!(node = %self.name, %error, "a source failed"),
            Happened::Found { streams, since, failures } => {
                info!(node = %self.name, streams = names(&streams), %since, failures, "a sensor can be read again");
            }
            Happened::Lost { streams, error } => {
                warn!(node = %self.name, streams = names(&streams), %error, "a sensor can't be read; trying again");
            }
            Happened::Observed(Observation { stream, at, value }) => self.take(&stream, at, Ok(value)),
            Happened::Unusable { stream, at, reason } => self.take(&stream, at, Err(reason)),
        }
    }

    /// Takes in what a sensor published on the agent's own broker.
    pub(super) fn handle_drawn(&mut self, (stream, drawn): (StreamName, Drawn)) {
        let at = self.clock.now();
        match drawn {
            Drawn::Ignored => self.refuse("message_without_reading"),
            Drawn::Reading(value) => self.take(&stream, at, Ok(value)),
            Drawn::Unusable(reason) => self.take(&stream, at, Err(reason)),
        }
    }

    /// Notes what streams say by themselves, before it is shared.
    pub(super) fn settle(&mut self, now: Timestamp) {
        for Settled { stream, at, says } in self.screens.settle(now) {
            self.note(&stream, at, says);
        }
    }

    fn take(&mut self, stream: &StreamName, at: Timestamp, read: Result<Reading, GapReason>) {
        let Taken { flaw, says } = self.screens.take(stream, at, read);
        if let Some(flaw) = flaw {
            self.leave_out(stream, flaw);
        }
        if let Some(says) = says {
            self.note(stream, at, says);
        }
    }

    fn note(&mut self, stream: &StreamName, at: Timestamp, says: Result<Reading, GapReason>) {
        let now = self.clock.now();
        let noted = match says {
            Ok(reading) => match reading.reveal() {
                &[number] if !reading.is_vector() => self.agent.handle_reading(now, stream, at, number),
                vector => self.agent.handle_vector(now, stream, at, vector),
            },
            Err(reason) => self.agent.handle_gap(now, stream, at, reason),
        };
        if noted.is_err() {
            self.refuse("reading_of_another_time");
        }
    }

    /// Counts a reading that can't be used, and says so ever more rarely: here, and nowhere else (docs/decisions/0008).
    fn leave_out(&mut self, stream: &StreamName, reason: GapReason) {
        let tally = self.left_out.entry(stream.clone()).or_default();
        if tally.count(reason.name()) {
            let (count, remedy) = (tally.of(reason.name()), remedy(reason));
            warn!(node = %self.name, %stream, %reason, count, remedy, "a reading is left out");
        }
    }
}

/// What to do about readings that are left out.
fn remedy(reason: GapReason) -> &'static str {
    match reason {
        GapReason::AboveMaximum | GapReason::BelowMinimum => {
            "the quantity's range is in the site file; is the sensor's unit the quantity's? See `scale` and `offset`"
        }
        GapReason::Implausible => "see `minimum` and `maximum` in the stream's table of the agent's file",
        GapReason::Jumped => "see `change_per_minute` in the stream's table of the agent's file",
        GapReason::Missing => "the sensor says nothing there; see `pointer`, or its battery",
        GapReason::NoReading | GapReason::Paused | GapReason::Stale => "wait for the sensor's next reading",
        GapReason::NotANumber => "the sensor says that it has no reading; look at the sensor",
        GapReason::Stuck => {
            "restart the sensor, or see `stuck_after` in the stream's table of the agent's file"
        }
        GapReason::TooLarge => "the sensor says more than is looked into; see `max_payload` or `max_bytes`",
        GapReason::Unparsable => "what the sensor says is no number; see `pointer`, `prefix`, `on` and `off`",
        GapReason::WrongLength => "the quantity's `elements` are in the site file",
        GapReason::WrongType => "the sensor says something else there than one number; see `pointer`",
    }
}

fn names(streams: &[StreamName]) -> String {
    streams.iter().map(StreamName::as_str).collect::<Vec<_>>().join(", ")
}
