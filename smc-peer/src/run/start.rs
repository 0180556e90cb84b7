//! Who a peer is and what it remembers, when it starts.

use std::path::PathBuf;
use std::pin::Pin;

use rand_chacha::ChaCha20Rng;
use smc_core::desk::Saved;
use smc_core::envelope::Opener;
use smc_core::identity::SigningKey;
use smc_core::peer::Recovered;
use smc_core::roster::document::PeerTable;
use smc_core::roster::{Roster, SiteDocument};
use smc_core::shamir::PeerIndex;
use smc_core::time::Timestamp;
use smc_mqtt::clock::Clock;
use smc_mqtt::config::KeyFile;
use smc_mqtt::joining::{self, Joined};
use smc_mqtt::settings::ConnectionSettings;
use tracing::warn;

use super::{PeerError, PeerOptions};
use crate::audit::Ledger;
use crate::keys::EpochKeys;
use crate::post;
use crate::store::{Store, StoreError};

/// The peer's index, if the site file states these very keys.
pub(super) fn identify(options: &PeerOptions) -> Result<PeerIndex, PeerError> {
    let PeerOptions { roster, secrets, .. } = options;
    let node = secrets.node.to_string();
    let Some(me) = roster.peer_named(&node) else { return Err(PeerError::NotAPeer { node }) };
    let keys = (&secrets.keys.signing.verifying_key(), secrets.keys.sealing.public());
    let stated = roster.peer(me).is_some_and(|stated| (&stated.identity, &stated.sealing) == keys);
    if stated { Ok(me) } else { Err(PeerError::OtherKeys { node }) }
}

/// Waits until the member list names this peer, if it does not yet; whether it does. The roster is that of the list then.
///
/// # Errors
/// If no list that is known will name it.
pub(super) async fn join(
    options: &mut PeerOptions,
    settings: &ConnectionSettings,
    clock: &Clock,
    shutdown: Pin<&mut impl Future<Output = ()>>,
) -> Result<bool, PeerError> {
    let Some(members) = &mut options.members else { return Ok(true) };
    let KeyFile { node, keys, .. } = &options.secrets;
    let (identity, sealing) = (keys.signing.verifying_key(), keys.sealing.public());
    let is_me = |peer: &PeerTable| (&peer.name, &peer.identity, &peer.sealing) == (node, &identity, sealing);
    let named = |site: &SiteDocument| site.peer.iter().any(is_me);
    let joined = joining::wait(members, node, settings.clone(), clock, shutdown, named).await?;
    options.roster = members.roster()?;
    match joined {
        Joined::Ended => Ok(false),
        Joined::Member => Ok(true),
        // It says whether the name or the keys are strange.
        Joined::Stranger => identify(options).map(|_| true),
    }
}

/// What a peer has of its store when it starts.
pub(super) struct Memory {
    pub(super) store: Store,
    /// None if there is nowhere to keep it.
    pub(super) ledger: Option<Ledger>,
    pub(super) opener: Opener,
    pub(super) keys: EpochKeys,
    /// None if there was nothing to remember.
    pub(super) recovered: Option<Recovered>,
    /// How queries stand.
    pub(super) decisions: Vec<Saved>,
    /// When the last order was made that was taken.
    pub(super) last_order: Option<Timestamp>,
}

impl Memory {
    /// Opens the store and the log, or makes them.
    ///
    /// # Errors
    /// If they can't be read, or the key of this epoch can't be written.
    pub(super) fn open(
        options: &PeerOptions,
        now: Timestamp,
        rng: &mut ChaCha20Rng,
    ) -> Result<Self, PeerError> {
        let mut store = match &options.state_dir {
            Some(state_dir) => Store::open(state_dir, options.run_dir.as_deref())?,
            None => Store::in_memory()?,
        };
        let roster = &options.roster;
        let PeerOptions { secrets, state_dir, .. } = options;
        let open = |dir: &PathBuf| {
            let key = SigningKey::from_bytes(&secrets.keys.signing.to_bytes());
            Ledger::open(dir, options.run_dir.as_deref(), roster, &secrets.node, key)
        };
        let ledger = state_dir.as_ref().map(open).transpose()?;
        let mut opener = Opener::new(roster.site(), &options.secrets.node);
        let keys = EpochKeys::load(roster, now, &mut store, &mut opener, rng)?;
        let recovered = if store.is_fresh() { None } else { Some(recover(roster, &mut opener, &store)?) };
        let (decisions, last_order) = (store.decisions()?, store.last_order()?);
        Ok(Self { store, ledger, opener, keys, recovered, decisions, last_order })
    }
}

/// What the store remembers. Inputs whose key is erased, or whose agent is gone from the site file, are of no use.
pub(super) fn recover(roster: &Roster, opener: &mut Opener, store: &Store) -> Result<Recovered, StoreError> {
    let (mut inputs, mut lost) = (Vec::new(), 0);
    // One after the other: all envelopes together would take more memory than the shares in them.
    store.each_input(|stored| {
        match post::open_input(roster, opener, &stored.key.agent, &stored.envelope) {
            Ok(opened) => inputs.push((opened.bundle, opened.window, opened.input)),
            Err(_) => lost += 1,
        }
    })?;
    if lost > 0 {
        warn!(lost, "stored inputs that do not open any more");
    }
    Ok(Recovered { votes: store.votes()?, inputs })
}
