use smc_core::digest::Digest;
use smc_core::field::Fp;
use smc_core::identity::NodeKeys;
use smc_core::message::{MAX_SHARES, OutputShares};
use smc_core::peers::PeerSet;
use smc_core::roster::{SiteDocument, Tolerate};
use smc_core::shamir::{Degree, PeerIndex};
use zeroize::Zeroizing;

use super::*;

const PATIENCE: Duration = Duration::from_secs(2);

/// Five peers of whom any two learn nothing; three are a quorum.
fn roster() -> Roster {
    let mut rng = smc_mqtt::entropy::rng().unwrap();
    let mut text =
        "[site]\nname = \"hq\"\nthreshold = 2\ntolerate = \"crash\"\nminimum_cohort = 3\n".to_owned();
    for i in 1..=5 {
        let keys = NodeKeys::generate(&mut rng);
        let (identity, sealing) = (keys.signing.verifying_key(), keys.sealing.public());
        text +=
            &format!("[[peer]]\nname = \"peer-{i}\"\nidentity = \"{identity}\"\nsealing = \"{sealing}\"\n");
    }
    let document: SiteDocument = toml::from_str(&text).unwrap();
    assert_eq!(document.site.tolerate, Tolerate::Crash);
    Roster::try_from(document).unwrap()
}

/// What peer `i` seals in window `w`, in so many parts.
fn output(i: u8, w: u64, parts: usize) -> Vec<SealedOutput> {
    let output = SealedOutput {
        from: format!("peer-{i}").parse().unwrap(),
        query: "gradient".parse().unwrap(),
        definition: Digest([7; 32]),
        window: WindowIndex(w),
        peers: (1..=5).fold(PeerSet::EMPTY, |peers, i| peers.with(PeerIndex::new(i).unwrap())),
        readings: 3,
        agents: Vec::new(),
        degree: Degree::Single,
        part: 0,
        parts: 1,
        shares: OutputShares(Zeroizing::new(vec![Fp::ONE; parts * MAX_SHARES])),
    };
    output.cut().collect()
}

struct Client {
    roster: Roster,
    waiting: Waiting,
    now: Instant,
}

impl Client {
    fn new() -> Self {
        Self { roster: roster(), waiting: Waiting::new(PATIENCE), now: Instant::now() }
    }

    fn take(&mut self, outputs: impl IntoIterator<Item = SealedOutput>) -> Vec<Result<(), Refused>> {
        outputs.into_iter().map(|output| self.waiting.take(&self.roster, self.now, output)).collect()
    }

    /// Window, how many answered, and who stayed silent.
    fn pop(&mut self) -> Option<(u64, usize, Vec<String>)> {
        let Whole { window, outputs, silent, .. } = self.waiting.pop(&self.roster, self.now)?;
        Some((window.0, outputs.len(), silent.iter().map(ToString::to_string).collect()))
    }
}

#[test]
fn a_window_of_which_all_have_answered_does_not_wait() {
    let mut client = Client::new();
    for i in 1..=4 {
        client.take(output(i, 7, 2));
    }
    client.take(output(5, 7, 2).into_iter().take(1));
    assert_eq!(client.pop(), None);
    client.take(output(5, 7, 2));
    assert_eq!(client.pop(), Some((7, 5, vec![])));
    assert_eq!(client.take(output(5, 7, 2)), [Err(Refused::Late); 2]);
    assert_eq!((client.pop(), client.waiting.due()), (None, None));
}

#[test]
fn silent_peers_are_waited_for_once_enough_have_answered_and_no_longer() {
    let mut client = Client::new();
    client.take(output(1, 7, 1));
    client.take(output(4, 7, 1));
    client.now += 10 * PATIENCE;
    assert_eq!((client.pop(), client.waiting.due()), (None, None), "two learn nothing");
    client.take(output(3, 7, 1));
    assert_eq!((client.pop(), client.waiting.due()), (None, Some(client.now + PATIENCE)));
    // Half an answer is none, and does not put it off.
    client.now += PATIENCE / 2;
    client.take(output(2, 7, 2).into_iter().take(1));
    client.now += PATIENCE / 2;
    assert_eq!(client.pop(), Some((7, 3, vec!["peer-2".to_owned(), "peer-5".to_owned()])));
}

#[test]
fn products_take_more_peers() {
    let mut client = Client::new();
    let double = |i| output(i, 7, 1).into_iter().map(|part| SealedOutput { degree: Degree::Double, ..part });
    for i in 1..=4 {
        client.take(double(i));
    }
    assert_eq!(client.waiting.due(), None);
    client.take(double(5));
    assert_eq!(client.pop(), Some((7, 5, vec![])));
}

#[test]
fn peers_that_speak_of_something_else_count_as_silent() {
    let mut client = Client::new();
    let other = |i| output(i, 7, 1).into_iter().map(|part| SealedOutput { readings: 4, ..part });
    client.take(other(1));
    client.take(other(2));
    for i in 3..=5 {
        client.take(output(i, 7, 1));
    }
    client.now += PATIENCE;
    assert_eq!(client.pop(), Some((7, 3, vec!["peer-1".to_owned(), "peer-2".to_owned()])));
    // Who is not of P, or calls fewer than a quorum P, opens nothing.
    let few = |i| {
        let peers = PeerSet::EMPTY.with(PeerIndex::new(1).unwrap()).with(PeerIndex::new(2).unwrap());
        output(i, 8, 1).into_iter().map(move |part| SealedOutput { peers, ..part })
    };
    for i in 1..=5 {
        client.take(few(i));
    }
    client.now += PATIENCE;
    assert_eq!(client.pop(), None);
}

#[test]
fn windows_come_in_their_order_also_if_a_newer_one_is_complete_first() {
    let mut client = Client::new();
    for i in 1..=4 {
        client.take(output(i, 7, 1));
    }
    for i in 1..=5 {
        client.take(output(i, 8, 1));
    }
    assert_eq!(client.pop(), Some((7, 4, vec!["peer-5".to_owned()])));
    assert_eq!(client.pop(), Some((8, 5, vec![])));
    assert_eq!(client.pop(), None);
}

#[test]
fn garbage_of_one_peer_stays_within_bounds_and_harms_nobody_else() {
    let mut client = Client::new();
    for i in 1..=4 {
        client.take(output(i, 100, 1));
    }
    let mut refused = 0;
    for w in (100..200).rev() {
        refused += client.take(output(5, w, 3)).iter().filter(|taken| taken.is_err()).count();
    }
    assert_eq!(refused, 96 * 3, "older ones than the newest four");
    for query in 0..200 {
        let query: QueryName = format!("q-{query}").parse().unwrap();
        let other = output(5, 300, 3).into_iter().map(|part| SealedOutput { query: query.clone(), ..part });
        client.take(other);
    }
    let kept: usize = client.waiting.senders.values().flat_map(BTreeMap::values).map(Gathering::shares).sum();
    assert!(kept <= SHARES + 4 * MAX_SHARES, "{kept}");
    let mut changed = output(4, 100, 1);
    changed[0].shares.0[0] += Fp::ONE;
    assert_eq!(client.take(changed), [Err(Refused::Contradicts)]);
    client.now += PATIENCE;
    assert_eq!(client.pop(), Some((100, 4, vec!["peer-5".to_owned()])));
}
