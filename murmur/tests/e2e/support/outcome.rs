//! Results as they come.

use smc_core::result::{SignedResult, Status};

use super::mosquitto::{Message, Subscriber};

/// The filter of all results.
pub(crate) const RESULTS: &str = "murmur/hq/result/+";

/// The result in a message on a result's topic; none of another topic, nor where the last result was cleared.
pub(crate) fn outcome(message: &Message) -> Option<SignedResult> {
    let levels: Vec<_> = message.topic.split('/').collect();
    (matches!(levels[..], [_, _, "result", _]) && !message.payload.is_empty()).then(|| {
        serde_json::from_slice(&message.payload).unwrap_or_else(|error| panic!("{message:?}: {error}"))
    })
}

/// The next result of `query` that `fits`.
pub(crate) fn await_outcome(
    subscriber: &Subscriber,
    query: &str,
    what: &str,
    fits: impl Fn(&SignedResult) -> bool,
) -> SignedResult {
    subscriber.wait_for(&format!("{query}: {what}"), |message| {
        outcome(&message).filter(|signed| signed.result.query.as_str() == query && fits(signed))
    })
}

/// Whether there is a value over `cohort` agents, all of them fresh.
pub(crate) fn all_fresh(signed: &SignedResult, cohort: u32) -> bool {
    let result = &signed.result;
    result.status == Status::Ok && result.cohort == cohort && result.fresh == cohort
}

/// The number that a result is, if it is one.
pub(crate) fn number(signed: &SignedResult) -> Option<f64> {
    signed.result.value.as_ref()?.as_number()
}
