//! `site.toml`: from text to a site that holds together.

use smc_core::roster::{Roster, SiteDocument};
use smc_mqtt::fuzz::config;

/// Reads the bytes as a site file. What was read has a text that reads as the same, and a site has one digest.
pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let document: SiteDocument = match config(text) {
        Ok(document) => document,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let json = serde_json::to_string(&document).unwrap();
    let again: SiteDocument = serde_json::from_str(&json).unwrap();
    assert_eq!(again, document);
    let (roster, again) = match (Roster::try_from(document), Roster::try_from(again)) {
        (Ok(roster), Ok(again)) => (roster, again),
        (Err(error), Err(again)) => return assert_eq!(error.to_string(), again.to_string()),
        (one, other) => panic!("{} is not {}", one.is_ok(), other.is_ok()),
    };
    assert_eq!(roster.digest(), again.digest());
    holds_together(&roster);
}

/// Everything that a node looks up in its roster is there.
fn holds_together(roster: &Roster) {
    assert_eq!(roster.peers().count(), roster.sharing().indices().count());
    for index in roster.sharing().indices() {
        let peer = roster.peer(index).unwrap();
        assert_eq!(roster.peer_named(peer.name.as_str()), Some(index));
    }
    for bundle in roster.bundles() {
        let agent = roster.agent(bundle.agent);
        let index = roster.bundle_of(bundle.agent, bundle.period, bundle.part).unwrap();
        assert!(agent.bundles.contains(&index));
        let bits: usize =
            bundle.streams.iter().map(|stream| stream.bits as usize * stream.elements as usize).sum();
        assert!(smc_core::protocol::input::plaintext_len(bundle) >= 2 + 8 * bits);
    }
    for (index, query) in roster.queries() {
        assert_eq!(roster.query_named(&query.name), Some(index));
        let _ = roster.quantity(query.quantity);
    }
}
