//! Where a stream listens.

use serde::Deserialize;
use smc_mqtt::filter::TopicFilter;

use super::super::pick::Pick;

/// Where a stream's readings are found.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tap {
    /// The topics; `+` and `#` as in any subscription.
    pub topic: TopicFilter,
    /// The place in the payload.
    #[serde(flatten)]
    pub pick: Pick,
}
