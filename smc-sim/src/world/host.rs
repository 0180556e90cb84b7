//! The machines that peers run on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use smc_core::desk::{Desk, Saved};
use smc_core::name::{QuantityName, QueryName};
use smc_core::peer::Peer;
use smc_core::protocol::standing::Standing;
use smc_core::roster::{BundleIndex, Roster};
use smc_core::shamir::PeerIndex;
use smc_core::time::{Timestamp, WindowIndex};

/// The machine a peer runs on.
pub struct Host {
    /// Which peer.
    pub index: PeerIndex,
    /// None while it is down.
    pub peer: Option<Peer>,
    /// What is asked of it; none while it is down.
    pub desk: Option<Desk>,
    /// Its disk.
    pub disk: Disk,
    /// How far its clock is ahead, or behind.
    pub skew: Skew,
    /// How many more messages it sends before it stops; none if it stays.
    pub breath: Option<u32>,
    pub(super) key: [u8; 32],
    pub(super) lives: u8,
    /// What this peer's site file says.
    pub roster: Arc<Roster>,
}

impl Host {
    /// When something is due, by this machine's clock.
    pub(super) fn due(&self) -> Option<Timestamp> {
        let peer = self.peer.as_ref()?.poll_timeout();
        let desk = self.desk.as_ref().and_then(Desk::poll_timeout);
        peer.into_iter().chain(desk).min()
    }

    pub(super) fn handle_timeout(&mut self, now: Timestamp) {
        if let Some(desk) =
            self.desk.as_mut().filter(|desk| desk.poll_timeout().is_some_and(|due| due <= now))
        {
            desk.handle_timeout(now);
        }
        if let Some(peer) =
            self.peer.as_mut().filter(|peer| peer.poll_timeout().is_some_and(|due| due <= now))
        {
            peer.handle_timeout(now);
        }
    }
}

/// How far a clock is off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Skew {
    /// Ahead by so much.
    Ahead(Duration),
    /// Behind by so much.
    Behind(Duration),
    /// It is right.
    #[default]
    None,
}

impl Skew {
    pub(super) fn shown(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Ahead(by) => now + by,
            Self::Behind(by) => now - by,
            Self::None => now,
        }
    }

    pub(super) fn reached(self, shown: Timestamp) -> Timestamp {
        match self {
            Self::Ahead(by) => shown - by,
            Self::Behind(by) => shown + by,
            Self::None => shown,
        }
    }
}

/// Which input.
pub type InputKey = (BundleIndex, WindowIndex);

/// What outlives a crash.
#[derive(Default)]
pub struct Disk {
    /// The last vote on each quantity.
    pub votes: BTreeMap<QuantityName, Standing>,
    /// The decisions.
    pub decisions: BTreeMap<QueryName, Saved>,
    /// The inputs.
    pub inputs: BTreeMap<InputKey, Vec<u8>>,
    /// Those that may yet be lost: a vote is waited for, and what was written before it is then safe as well.
    pub unsafe_inputs: BTreeSet<InputKey>,
}

/// What a crash takes with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Loss {
    /// The whole disk.
    Everything,
    /// Nothing that was written.
    Nothing,
    /// What nobody waited for.
    Unsynced,
}
