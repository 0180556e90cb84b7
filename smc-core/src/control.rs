//! What the owner of an agent tells it while it runs: to share nothing, nothing of some streams, or not for some purposes. Signed with the agent's
//! own key, which is in its key file, so whoever can sign could also have stopped the agent.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::document::{Signable, Signed};
use crate::identity::{SigningKey, VerifyingKey};
use crate::name::{NodeName, SiteName, StreamName};
use crate::order::FRESH;
use crate::protocol::terms::MAX_PURPOSES;
use crate::result::VERSION;
use crate::roster::MAX_STREAMS_PER_AGENT;
use crate::time::Timestamp;

/// The longest one, in bytes: names of as many streams as an agent may have.
pub const MAX_CONTROL: usize = 1024 + MAX_STREAMS_PER_AGENT * 68;

/// What an agent is not to share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Control {
    /// The version of the protocol.
    pub v: u8,
    /// The site.
    pub site: SiteName,
    /// Whom it is for.
    pub agent: NodeName,
    /// Nothing at all is shared.
    pub paused: bool,
    /// Nothing is shared of these.
    pub paused_streams: BTreeSet<StreamName>,
    /// The agent takes no part in results for these purposes.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub paused_purposes: BTreeSet<String>,
    /// When it was given. The newest counts.
    pub issued: Timestamp,
}

impl Signable for Control {
    const DOMAIN: &'static str = "murmuration/1/control";
}

/// Why a control was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// Not JSON of this form, too long, or of another version, site or agent.
    #[error("not a control of this agent")]
    Malformed,
    /// Not given after the newest one that is known: brought back by somebody.
    #[error("a control that is older than the newest known one")]
    NotNew,
    /// Given in the future: it would keep later ones out.
    #[error("a control from the future; compare the clocks of owner and agent")]
    NotYet,
    /// Not signed with the agent's own key.
    #[error("a control that is not signed with the agent's key")]
    Unsigned,
}

/// Takes the controls of one agent in, and knows the newest.
#[derive(Debug)]
pub struct Controls {
    site: SiteName,
    agent: NodeName,
    key: VerifyingKey,
    newest: Option<Control>,
}

impl Controls {
    /// Takes what `key` signed for `agent`.
    pub fn new(site: SiteName, agent: NodeName, key: VerifyingKey) -> Self {
        Self { site, agent, key, newest: None }
    }

    /// The newest one.
    pub fn newest(&self) -> Option<&Control> {
        self.newest.as_ref()
    }

    /// Takes a control in at `now`; what came is to be remembered, for otherwise an older one could be brought back to an
    /// agent that restarts.
    ///
    /// # Errors
    /// Why it was not taken. The newest one comes again with every connection, which is [`ControlError::NotNew`].
    pub fn take(&mut self, now: Timestamp, json: &[u8]) -> Result<(), ControlError> {
        if json.len() > MAX_CONTROL {
            return Err(ControlError::Malformed);
        }
        let signed: Signed<Control> = serde_json::from_slice(json).map_err(|_| ControlError::Malformed)?;
        let control = signed.verified(&self.key).ok_or(ControlError::Unsigned)?;
        let for_us = (&control.site, &control.agent) == (&self.site, &self.agent);
        let fits = control.paused_streams.len() <= MAX_STREAMS_PER_AGENT
            && control.paused_purposes.len() <= MAX_PURPOSES;
        if control.v != VERSION || !for_us || !fits {
            return Err(ControlError::Malformed);
        }
        if control.issued.since(now) > FRESH {
            return Err(ControlError::NotYet);
        }
        if self.newest.as_ref().is_some_and(|newest| control.issued <= newest.issued) {
            return Err(ControlError::NotNew);
        }
        self.newest = Some(control);
        Ok(())
    }
}

/// A control as it is published.
pub fn sign(control: Control, key: &SigningKey) -> Vec<u8> {
    // A control always has a JSON form; nothing is what no agent takes.
    serde_json::to_vec(&Signed::new(control, key)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::testing::rng;

    const NOW: Timestamp = Timestamp::from_secs(1_767_268_800);

    fn key() -> SigningKey {
        SigningKey::generate(&mut rng(1))
    }

    fn control(issued: Timestamp) -> Control {
        let (site, agent) = ("hq".parse().unwrap(), "room-1".parse().unwrap());
        let (paused_streams, paused_purposes) = (BTreeSet::new(), BTreeSet::new());
        Control { v: VERSION, site, agent, paused: true, paused_streams, paused_purposes, issued }
    }

    fn controls() -> Controls {
        Controls::new("hq".parse().unwrap(), "room-1".parse().unwrap(), key().verifying_key())
    }

    #[test]
    fn an_older_control_that_is_brought_back_changes_nothing() {
        let mut controls = controls();
        let (older, newer) = (control(NOW), control(NOW + Duration::from_secs(1)));
        assert_eq!(controls.take(NOW, &sign(older.clone(), &key())), Ok(()));
        assert_eq!(controls.take(NOW, &sign(newer.clone(), &key())), Ok(()));
        assert_eq!(controls.take(NOW, &sign(older, &key())), Err(ControlError::NotNew));
        assert_eq!(controls.newest(), Some(&newer));
    }

    #[test]
    fn only_the_owner_of_this_agent_is_listened_to() {
        let other = SigningKey::generate(&mut rng(2));
        assert_eq!(controls().take(NOW, &sign(control(NOW), &other)), Err(ControlError::Unsigned));
        let elsewhere = Control { agent: "room-2".parse().unwrap(), ..control(NOW) };
        assert_eq!(controls().take(NOW, &sign(elsewhere, &key())), Err(ControlError::Malformed));
        assert_eq!(controls().take(NOW, &vec![b' '; MAX_CONTROL + 1]), Err(ControlError::Malformed));
    }

    #[test]
    fn a_control_from_the_future_does_not_keep_later_ones_out() {
        let far = control(NOW + FRESH + Duration::from_secs(1));
        assert_eq!(controls().take(NOW, &sign(far, &key())), Err(ControlError::NotYet));
    }
}
