//! How agents and clients introduce themselves, and what is wrong with some who do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says no by panicking")]

use std::sync::Arc;
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use smc_core::identity::NodeKeys;
use smc_core::introduction::{IntroducedRole, IntroductionError, Introductions, MAX_INTRODUCTION, of};
use smc_core::name::NodeName;
use smc_core::order::FRESH;
use smc_core::roster::Roster;
use smc_core::roster::document::ClientTable;
use smc_core::time::Timestamp;
use smc_sim::world::Site;

const NOW: Timestamp = Timestamp::from_secs(1_767_268_800);

/// A site with agents and the client `display`, and the keys of an agent and of that client.
fn site() -> (Arc<Roster>, [(NodeName, IntroducedRole, NodeKeys); 2]) {
    let mut site = Site::of(3, 1).agents(7);
    let mut rng = ChaCha20Rng::seed_from_u64(5);
    let (client, agent) = (NodeKeys::generate(&mut rng), NodeKeys::generate(&mut rng));
    let display: NodeName = "display".parse().unwrap();
    let table = &mut site.document.agent[0];
    (table.identity, table.sealing) = (agent.signing.verifying_key(), *agent.sealing.public());
    let room = table.name.clone();
    site.document.client.push(ClientTable {
        name: display.clone(),
        identity: Some(client.signing.verifying_key()),
        sealing: *client.sealing.public(),
        groups: vec![],
    });
    let roster = Arc::new(Roster::try_from(site.document).unwrap());
    (roster, [(room, IntroducedRole::Agent, agent), (display, IntroducedRole::Client, client)])
}

#[test]
fn the_newest_word_of_each_agent_and_client_is_known() {
    let (roster, nodes) = site();
    let mut known = Introductions::new(Arc::clone(&roster));
    for (node, role, keys) in &nodes {
        let at = |now| of(roster.site().clone(), node.clone(), *role, "0.1.0", keys, now);
        assert_eq!(known.take(NOW, node, &at(NOW)), Ok(()));
        assert_eq!(known.take(NOW, node, &at(NOW)), Ok(()), "it comes again with every connection");
        let later = NOW + Duration::from_secs(9);
        assert_eq!(known.take(later, node, &at(later)), Ok(()));
        assert_eq!(known.take(later, node, &at(NOW)), Err(IntroductionError::NotNew));
        let newest = known.get(node).unwrap();
        assert_eq!((newest.since, newest.role, newest.program.to_string()), (later, *role, "0.1.0".into()));
    }
    assert_eq!(known.iter().count(), 2);
    assert_eq!(known.moved_to(roster).iter().count(), 2);
}

#[test]
fn nobody_introduces_another_one() {
    use IntroducedRole::{Agent, Client};
    let (roster, [(room, _, agent), (display, _, client)]) = site();
    let mut known = Introductions::new(Arc::clone(&roster));
    let site = || roster.site().clone();
    let stranger: NodeName = "nobody".parse().unwrap();
    let far = NOW + FRESH + Duration::from_secs(1);
    for (node, json, why) in [
        (&room, of(site(), room.clone(), Agent, "1", &client, NOW), IntroductionError::Unsigned),
        (&room, of(site(), display.clone(), Agent, "1", &agent, NOW), IntroductionError::Malformed),
        (&room, of(site(), room.clone(), Client, "1", &agent, NOW), IntroductionError::Malformed),
        (
            &room,
            of("other".parse().unwrap(), room.clone(), Agent, "1", &agent, NOW),
            IntroductionError::Malformed,
        ),
        (&room, of(site(), room.clone(), Agent, "", &agent, NOW), IntroductionError::Malformed),
        (&room, vec![b' '; MAX_INTRODUCTION + 1], IntroductionError::Malformed),
        (&room, b"{}".to_vec(), IntroductionError::Malformed),
        (&display, of(site(), display.clone(), Client, "1", &client, far), IntroductionError::NotYet),
        (&stranger, of(site(), stranger.clone(), Agent, "1", &agent, NOW), IntroductionError::Stranger),
    ] {
        assert_eq!(known.take(NOW, node, &json), Err(why), "{}", String::from_utf8_lossy(&json));
    }
    assert_eq!(known.iter().count(), 0);
}
