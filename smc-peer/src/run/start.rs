//! Who a peer is and what it remembers, when it starts.

use smc_core::envelope::Opener;
use smc_core::identity::{SealingSecret, SigningKey};
use smc_core::name::NodeName;
use smc_core::peer::Recovered;
use smc_core::roster::Roster;
use smc_core::shamir::PeerIndex;
use tracing::warn;

use super::PeerError;
use crate::post;
use crate::store::Store;

/// The peer's index, if the site file states these very keys.
pub(super) fn identify(
    roster: &Roster,
    name: &NodeName,
    signing: &SigningKey,
    sealing: &SealingSecret,
) -> Result<PeerIndex, PeerError> {
    let node = name.to_string();
    let Some(me) = roster.peer_named(name.as_str()) else { return Err(PeerError::NotAPeer { node }) };
    let stated = roster.peer(me).is_some_and(|stated| {
        stated.identity == signing.verifying_key() && stated.sealing == *sealing.public()
    });
    if stated { Ok(me) } else { Err(PeerError::OtherKeys { node }) }
}

/// What the store remembers. Inputs whose key is erased, or whose agent is gone from the site file, are of no use.
pub(super) fn recover(roster: &Roster, opener: &mut Opener, store: &Store) -> Result<Recovered, PeerError> {
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
