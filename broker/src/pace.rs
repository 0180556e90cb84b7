//! How fast a connection may publish, by what its account is to the site.
//!
//! Who is faster is not refused but read no faster, so a rate that is too low costs time and loses nothing. Each rate is what the
//! role may need at the most, by the bounds that the other programs have:
//!
//! - **agent**: a message for each of up to 9 peers per bundle and window, so 90 per second for each period of 100 ms that its
//!   streams have; and when a connection broke, those of two windows again. Parts of a vector are up to 343 KiB each, so bytes bound
//!   them long before.
//! - **peer**: 2,000 messages per second to each of up to 8 others, which is what these take of it (`smc-peer/src/quota.rs`); and the
//!   results of up to 1,000 queries, each with its bare value and what Home Assistant and Homie are told.
//! - **client**: requests, of which peers take 2 per second.
//! - **device**: what a bridge says of its devices when it starts, and their readings.
//! - **home-assistant**, **reader**: that it came up; nothing. What their accounts list besides is a person's doing.
//! - **newcomer**: a few messages; all who come without a login at once have a connection each.

use serde::Deserialize;

use crate::limits::LimitsError;
use crate::roles::Role;

/// A rate and a burst, in messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pace {
    /// Per second in the long run.
    pub rate: u32,
    /// At once after a pause.
    pub burst: u32,
}

/// The pace of each role.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Paces {
    /// Of agents.
    pub agent: Pace,
    /// Of clients of the site.
    pub client: Pace,
    /// Of devices.
    pub device: Pace,
    /// Of Home Assistant.
    pub home_assistant: Pace,
    /// Of whoever joins by a code.
    pub newcomer: Pace,
    /// Of peers.
    pub peer: Pace,
    /// Of readers.
    pub reader: Pace,
}

impl Default for Paces {
    fn default() -> Self {
        let pace = |rate, burst| Pace { rate, burst };
        Self {
            agent: pace(500, 250),
            client: pace(200, 400),
            device: pace(1_000, 1_000),
            home_assistant: pace(200, 400),
            newcomer: pace(200, 400),
            peer: pace(20_000, 20_000),
            reader: pace(200, 400),
        }
    }
}

impl Paces {
    const MIN: u32 = 1;
    const MAX: u32 = 10_000_000;

    /// That of a connection of `role`.
    pub(crate) fn of(&self, role: Role) -> Pace {
        match role {
            Role::Agent => self.agent,
            Role::Client => self.client,
            Role::Device => self.device,
            Role::HomeAssistant => self.home_assistant,
            Role::Newcomer => self.newcomer,
            Role::Peer => self.peer,
            Role::Reader => self.reader,
        }
    }

    /// Checks every pace's range.
    ///
    /// # Errors
    /// The first one that is outside.
    pub(crate) fn check(&self) -> Result<(), LimitsError> {
        let table: [(&'static str, &'static str, Pace); 7] = [
            ("publish.agent.rate", "publish.agent.burst", self.agent),
            ("publish.client.rate", "publish.client.burst", self.client),
            ("publish.device.rate", "publish.device.burst", self.device),
            ("publish.home-assistant.rate", "publish.home-assistant.burst", self.home_assistant),
            ("publish.newcomer.rate", "publish.newcomer.burst", self.newcomer),
            ("publish.peer.rate", "publish.peer.burst", self.peer),
            ("publish.reader.rate", "publish.reader.burst", self.reader),
        ];
        let all = table.into_iter().flat_map(|(rate, burst, pace)| [(rate, pace.rate), (burst, pace.burst)]);
        let mut outside = all.filter(|(_, value)| !(Self::MIN..=Self::MAX).contains(value));
        match outside.next() {
            Some((name, _)) => Err(LimitsError { name, min: Self::MIN.into(), max: Self::MAX.into() }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    #[test]
    fn a_pace_can_be_changed_and_the_others_stay() {
        let limits: Limits =
            serde_json::from_str(r#"{"publish":{"home-assistant":{"rate":7,"burst":9}}}"#).unwrap();
        let expected = Paces { home_assistant: Pace { rate: 7, burst: 9 }, ..Paces::default() };
        assert_eq!(limits.publish, expected);
        assert_eq!(limits.publish.of(Role::HomeAssistant).rate, 7);
        assert_eq!(limits.check(), Ok(()));
    }

    #[test]
    fn a_pace_of_nothing_is_named() {
        let publish = Paces { agent: Pace { rate: 10, burst: 0 }, ..Paces::default() };
        let error = Limits { publish, ..Limits::default() }.check().unwrap_err();
        assert_eq!(error.to_string(), "limits.publish.agent.burst must be from 1 to 10000000");
    }
}
