//! Nothing leaks: what the broker sees of an empty room and of a busy one is the same.

mod recording;
mod rooms;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sha2::{Digest, Sha256};
use smc_core::time::WindowIndex;

use self::recording::{Recording, ShareSeen};
use self::rooms::{ROOMS, furnish, secrets};
use crate::support::site::Site;

/// The windows that are compared.
const WINDOWS: u64 = 8;
const PERIOD: Duration = Duration::from_secs(2);
/// How late a timer may fire and a process be served on a busy machine, in the median of all windows.
const TIMER: Duration = Duration::from_millis(200);

/// What stands alone in a text: a number, a name, a base64url.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')))
}

/// When in a window an agent speaks: the protocol's step 2.3, written down a second time.
fn offset_of(agent: &str) -> Duration {
    let digest = Sha256::digest(agent.as_bytes());
    let fraction = u32::from_be_bytes(digest[..4].try_into().unwrap());
    PERIOD.mul_f64(0.1 + 0.7 * f64::from(fraction) / f64::from(u32::MAX))
}

#[test]
fn the_broker_carries_ciphertext_and_can_not_tell_a_busy_room_from_an_empty_one() {
    let agents = ROOMS.to_string();
    let flags = ["--period", "2s", "--agents", &agents, "--quantities", "co2,motion,temperature"];
    let mut site = Site::init(&[&flags[..], &["--minimum-cohort", "3"]].concat());
    furnish(&mut site);
    let mut recording = Recording::start(&mut site);
    site.start_nodes();
    recording.record(&site, WINDOWS);
    assert_eq!(recording.missed(), 0, "the recording has holes");

    recording.assert_every_payload_is_what_its_topic_says(&site);
    recording.assert_silent_about(&secrets(&site));
    let readings: BTreeSet<String> = rooms::readings().into_iter().collect();
    for node in site.agents().into_iter().chain(site.peers()) {
        let log = site.log_of(&node);
        let logged: Vec<_> = words(&log).filter(|word| readings.contains(*word)).collect();
        assert!(logged.is_empty(), "{node} logged readings: {logged:?}");
    }
    assert_rhythm(&site, &recording.shares(&site));
    site.assert_nobody_panicked();
}

/// One message per agent, peer and window, in the same order, of the same size, at the time of the agent's name.
fn assert_rhythm(site: &Site, shares: &[ShareSeen]) {
    let mut windows: BTreeMap<(&str, WindowIndex), Vec<&ShareSeen>> = BTreeMap::new();
    for share in shares {
        windows.entry((&share.agent, share.window)).or_default().push(share);
    }
    let sizes: Vec<usize> = shares.iter().map(|share| share.bytes).collect();
    assert!(sizes.iter().all(|&size| size == sizes[0]), "sizes differ: {sizes:?}");
    let mut medians = BTreeMap::new();
    for agent in site.agents() {
        let seen: Vec<_> = windows.iter().filter(|((name, _), _)| **name == agent).collect();
        let indices: Vec<u64> = seen.iter().map(|((_, window), _)| window.0).collect();
        assert!(indices.len() as u64 >= WINDOWS, "{agent} spoke in the windows {indices:?} alone");
        assert!(
            indices.windows(2).all(|pair| pair[1] == pair[0] + 1),
            "{agent} left out a window: {indices:?}"
        );
        for ((_, window), messages) in &seen {
            let peers: Vec<_> = messages.iter().map(|share| share.peer.as_str()).collect();
            assert_eq!(peers, ["peer-1", "peer-2", "peer-3"], "{agent} in window {window}");
            assert!(messages.iter().all(|share| !share.retain && share.qos == messages[0].qos));
        }
        let mut late: Vec<f64> = seen
            .iter()
            .flat_map(|(_, messages)| messages.iter())
            .map(|share| share.offset.as_secs_f64() - offset_of(&agent).as_secs_f64())
            .collect();
        assert!(late.iter().all(|&late| late > -0.001), "{agent} spoke before its time: {late:?}");
        late.sort_by(f64::total_cmp);
        medians.insert(agent, late[late.len() / 2]);
    }
    assert!(medians.values().all(|&late| late < TIMER.as_secs_f64()), "medians of lateness: {medians:?}");
}
