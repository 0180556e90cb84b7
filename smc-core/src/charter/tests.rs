//! Three peers and five agents whose list moves.

use std::time::Duration;

use super::*;
use crate::document::Signed;
use crate::identity::{NodeKeys, SigningKey};
use crate::result::VERSION;
use crate::roster::SiteDocument;
use crate::roster::document::{AgentTable, ClientTable, PeerTable};
use crate::testing::rng;

/// Noon, when a cohort epoch of an hour begins.
const NOON: Timestamp = Timestamp::from_secs(1_767_268_800);
const HOUR: Duration = Duration::from_secs(3600);

fn keys(seed: u64) -> NodeKeys {
    NodeKeys::generate(&mut rng(seed))
}

fn name(text: &str) -> NodeName {
    text.parse().unwrap()
}

fn login() -> LoginHash {
    LoginHash::try_from("$argon2id$x".to_owned()).unwrap()
}

fn site_text(consent: &str, queries: &str) -> String {
    let mut text = format!("[site]\nname = \"hq\"\nthreshold = 1\n{consent}\n");
    for (kind, names) in [("peer", 1..=3), ("agent", 4..=8)] {
        for seed in names {
            let keys = keys(seed);
            let (identity, sealing) = (keys.signing.verifying_key(), keys.sealing.public());
            text += &format!(
                "[[{kind}]]\nname = \"{kind}-{seed}\"\nidentity = \"{identity}\"\nsealing = \"{sealing}\"\n"
            );
            text += if kind == "agent" { "streams = [\"co2\"]\n" } else { "" };
        }
    }
    text + queries
}

fn document(consent: &str, queries: &str) -> SiteDocument {
    toml::from_str(&site_text(consent, queries)).unwrap()
}

fn register() -> Register {
    Register::new(document("", "")).unwrap()
}

fn agent(text: &str, seed: u64) -> AgentTable {
    let keys = keys(seed);
    AgentTable {
        name: name(text),
        identity: keys.signing.verifying_key(),
        sealing: *keys.sealing.public(),
        labels: Default::default(),
        streams: vec![crate::roster::document::StreamTable::Plain("co2".parse().unwrap())],
    }
}

fn add(text: &str, seed: u64) -> Change {
    Change::AddAgent { agent: agent(text, seed), login: login() }
}

fn replace(gone: &str, by: &str, seed: u64) -> Change {
    let AgentTable { name: peer, identity, sealing, .. } = agent(by, seed);
    let peer = PeerTable { name: peer, identity, sealing };
    Change::ReplacePeer { gone: name(gone), peer, login: login() }
}

fn signed(charter: &Charter, peers: &[u64]) -> Enacted {
    let by = |&seed: &u64| (name(&format!("peer-{seed}")), charter.sign(&keys(seed).signing));
    Enacted { charter: charter.clone(), signatures: peers.iter().map(by).collect() }
}

/// A register in which `change` holds from noon on.
fn enact(register: &mut Register, change: Change) -> Result<(), CharterError> {
    let charter = register.propose(change, NOON, NOON - HOUR)?;
    register.enact(signed(&charter, &[1, 2]))
}

#[test]
fn a_change_holds_from_its_instant_on_and_not_before() {
    let mut register = register();
    enact(&mut register, add("agent-9", 9)).unwrap();
    assert_eq!((register.revision(), register.due()), (1, Some(NOON)));
    assert!(!register.advance(NOON - Duration::from_micros(1)));
    assert!(register.roster().unwrap().0.agent_named("agent-9").is_none());
    assert!(register.advance(NOON));
    let (roster, _) = register.roster().unwrap();
    assert!(roster.agent_named("agent-9").is_some());
    assert_eq!(register.logins(), [(&name("agent-9"), &login())].into());
    // Whoever has the site file and the chain comes to the same list.
    let mut late = self::register();
    assert_eq!(late.extend(&register.chain()), Ok(1));
    late.advance(NOON);
    assert_eq!(late.roster().unwrap().0, roster);
    assert_eq!(late.extend(&register.chain()), Ok(0));
}

#[test]
fn several_changes_may_wait_for_one_instant() {
    let mut register = register();
    enact(&mut register, add("agent-9", 9)).unwrap();
    enact(&mut register, Change::Remove { name: name("agent-4") }).unwrap();
    assert_eq!(register.pending().len(), 2);
    assert!(register.advance(NOON) && register.pending().is_empty());
    let (roster, _) = register.roster().unwrap();
    assert!(roster.agent_named("agent-4").is_none() && roster.agents().len() == 5);
    let before = register.propose(add("agent-10", 10), NOON - HOUR, NOON - 2 * HOUR);
    assert!(matches!(before, Err(CharterError::When { .. })), "{before:?}");
}

#[test]
fn too_few_or_false_signatures_or_those_of_strangers_change_nothing() {
    let mut register = register();
    let charter = register.propose(add("agent-9", 9), NOON, NOON - HOUR).unwrap();
    let refused = |register: &mut Register, enacted| register.enact(enacted).unwrap_err();
    assert_eq!(
        refused(&mut register, signed(&charter, &[3])),
        CharterError::TooFew { revision: 1, have: 1, need: 2 }
    );
    let mut stranger = signed(&charter, &[1, 2]);
    stranger.signatures.insert(name("agent-4"), charter.sign(&keys(4).signing));
    assert_eq!(
        refused(&mut register, stranger),
        CharterError::Stranger { revision: 1, signer: name("agent-4") }
    );
    let mut forged = signed(&charter, &[1, 2]);
    forged.signatures.insert(name("peer-2"), charter.sign(&keys(1).signing));
    assert_eq!(refused(&mut register, forged), CharterError::Forged { revision: 1, peer: name("peer-2") });
    assert_eq!(register.revision(), 0);
    register.enact(signed(&charter, &[1, 3])).unwrap();
}

#[test]
fn the_same_peer_twice_counts_once() {
    let charter = register().propose(add("agent-9", 9), NOON, NOON - HOUR).unwrap();
    let json = serde_json::to_string(&signed(&charter, &[1])).unwrap();
    let (before, one) = json.split_once(r#""signatures":{"#).unwrap();
    let twice = format!(r#"{before}"signatures":{{{},{one}"#, one.trim_end_matches('}'));
    let enacted: Enacted = serde_json::from_str(&twice).unwrap();
    assert_eq!(
        register().enact(enacted).unwrap_err(),
        CharterError::TooFew { revision: 1, have: 1, need: 2 }
    );
}

#[test]
fn the_sites_rule_says_how_many_must_sign() {
    let needed = |consent: &str| Register::new(document(consent, "")).map(|r| r.needed(&add("a", 9)));
    assert_eq!(needed(""), Ok(2));
    assert_eq!(needed("consent = \"quorum\""), Ok(2));
    assert_eq!(needed("consent = \"all\""), Ok(3));
    assert_eq!(needed("consent = 3"), Ok(3));
    for have in [1, 4] {
        let refused = needed(&format!("consent = {have}")).unwrap_err();
        assert_eq!(refused, RosterError::Consent { have, least: 2, most: 3 });
    }
    // One that is gone can't sign that it is.
    let all = Register::new(document("consent = \"all\"", "")).unwrap();
    let charter = all.propose(replace("peer-3", "peer-9", 9), NOON, NOON - HOUR).unwrap();
    assert_eq!(all.clone().enact(signed(&charter, &[1, 2])), Ok(()));
    assert_eq!(
        all.clone().enact(signed(&charter, &[1, 2, 3])).unwrap_err(),
        CharterError::Stranger { revision: 1, signer: name("peer-3") }
    );
}

#[test]
fn a_replaced_peer_has_no_say_any_more_and_the_new_one_has() {
    let mut register = register();
    enact(&mut register, replace("peer-3", "peer-9", 9)).unwrap();
    let charter = register.propose(add("agent-10", 10), NOON, NOON - HOUR).unwrap();
    assert!(matches!(register.enact(signed(&charter, &[1, 3])), Err(CharterError::Stranger { .. })));
    register.enact(signed(&charter, &[1, 9])).unwrap();
    register.advance(NOON);
    let (roster, _) = register.roster().unwrap();
    // In the place of the old one.
    assert_eq!(roster.peer_named("peer-9").map(|peer| peer.get()), Some(3));
    assert!(roster.peer_named("peer-3").is_none());
}

#[test]
fn charters_follow_each_other_without_gaps_forks_or_steps_back() {
    let (mut one, mut other) = (register(), register());
    enact(&mut one, add("agent-9", 9)).unwrap();
    let newer = one.propose(add("agent-10", 10), NOON, NOON - HOUR).unwrap();
    let gap = CharterError::Gap { revision: 2, have: 0 };
    assert_eq!(other.enact(signed(&newer, &[1, 2])).unwrap_err(), gap);
    assert_eq!(one.extend(&register().chain()), Err(CharterError::Older { revision: 0, have: 1 }));
    let first = one.chain().charters[0].clone();
    assert_eq!(one.enact(first).unwrap_err(), CharterError::Older { revision: 1, have: 1 });
    enact(&mut other, add("agent-11", 11)).unwrap();
    assert_eq!(other.extend(&one.chain()), Err(CharterError::Fork { revision: 1 }));
    // A list that was begun from another site file.
    let mut elsewhere = Register::new(document("minimum_cohort = 3", "")).unwrap();
    assert_eq!(elsewhere.extend(&one.chain()), Err(CharterError::Gap { revision: 1, have: 0 }));
    let foreign = Chain { site: "hq2".parse().unwrap(), ..one.chain() };
    assert_eq!(register().extend(&foreign), Err(CharterError::Malformed));
}

#[test]
fn a_charter_must_say_what_comes_of_it_and_change_one_thing() {
    let register = register();
    let honest = register.propose(add("agent-9", 9), NOON, NOON - HOUR).unwrap();
    let other = register.propose(add("agent-10", 10), NOON, NOON - HOUR).unwrap();
    let mixed = Charter { after: other.after, ..honest.clone() };
    let refused = register.clone().enact(signed(&mixed, &[1, 2])).unwrap_err();
    assert_eq!(refused, CharterError::OtherOutcome { revision: 1 });
    let json = serde_json::to_string(&honest).unwrap();
    let both = json.replace(r#""change":{"#, r#""change":{"remove":{"name":"agent-4"},"#);
    assert!(
        serde_json::from_str::<Charter>(&json).is_ok() && serde_json::from_str::<Charter>(&both).is_err()
    );
    let site = Charter { site: "hq2".parse().unwrap(), ..honest.clone() };
    assert_eq!(register.clone().enact(signed(&site, &[1, 2])), Err(CharterError::Malformed));
    let version = Charter { v: VERSION + 1, ..honest };
    assert_eq!(register.clone().enact(signed(&version, &[1, 2])), Err(CharterError::Malformed));
}

#[test]
fn a_charter_begins_with_an_epoch_that_lies_ahead() {
    let register = register();
    let propose = |effective, now| register.propose(add("agent-9", 9), effective, now);
    assert!(propose(NOON, NOON - Duration::from_micros(1)).is_ok());
    for (effective, now) in [
        (NOON, NOON),
        (NOON, NOON + HOUR),
        (NOON + Duration::from_secs(1), NOON),
        (NOON + MAX_LEAD + HOUR, NOON),
    ] {
        let refused = propose(effective, now).unwrap_err();
        assert!(matches!(refused, CharterError::When { .. }), "{effective}, {now}: {refused}");
    }
    assert_eq!(next_boundary(NOON, HOUR), NOON);
    assert_eq!(next_boundary(NOON + Duration::from_micros(1), HOUR), NOON + HOUR);
}

#[test]
fn a_name_with_other_keys_is_refused_unless_it_is_rekeyed() {
    let register = register();
    let refused = |change: Change| change.apply(register.newest()).unwrap_err();
    for taken in ["agent-4", "peer-1"] {
        assert_eq!(refused(add(taken, 9)), ChangeError::NameTaken { name: name(taken) });
    }
    // Keys that are somebody's already, under another name.
    let (taken, other) = (name("agent-9"), name("agent-4"));
    assert_eq!(refused(add("agent-9", 4)), ChangeError::KeysTaken { name: taken, other });
    let rekey = |seed| {
        let AgentTable { name, identity, sealing, .. } = agent("agent-4", seed);
        Change::RekeyAgent { name, identity, sealing, login: login() }
    };
    assert_eq!(refused(rekey(4)), ChangeError::SameKeys { name: name("agent-4") });
    let next = rekey(9).apply(register.newest()).unwrap();
    assert_eq!(next.agent[0], AgentTable { ..agent("agent-4", 9) });
    assert_eq!(next.agent[1..], register.newest().agent[1..]);
}

#[test]
fn what_is_not_there_can_not_be_changed() {
    let site = register().newest().clone();
    let unknown = |change: Change| matches!(change.apply(&site), Err(ChangeError::Unknown { .. }));
    assert!(unknown(Change::Remove { name: name("nobody") }));
    assert!(unknown(Change::Remove { name: name("peer-1") }), "peers are replaced, not removed");
    assert!(unknown(replace("agent-4", "peer-9", 9)));
    let client = ClientTable {
        name: name("display"),
        identity: None,
        sealing: *keys(9).sealing.public(),
        groups: vec!["facility".to_owned()],
    };
    assert!(unknown(Change::RekeyClient { client, login: login() }));
    let raise = |threshold| Change::RaiseThreshold { threshold }.apply(&site);
    assert_eq!(raise(1).unwrap_err(), ChangeError::Threshold { have: 1 });
    assert!(raise(2).is_ok());
    // Three peers can't have a threshold of two.
    let refused = register().propose(Change::RaiseThreshold { threshold: 2 }, NOON, NOON - HOUR);
    assert!(matches!(refused, Err(CharterError::Roster(_))), "{refused:?}");
}

#[test]
fn a_query_that_no_longer_fits_is_left_out_and_no_peer_with_it_signs() {
    let queries = "
        [[query]]
        name = \"mean\"
        function = \"mean\"
        quantity = \"co2\"
        [[query]]
        name = \"rank\"
        function = \"rank\"
        quantity = \"co2\"
        agent = \"agent-4\"";
    let mut asked = Register::new(document("", queries)).unwrap();
    let remove = Change::Remove { name: name("agent-4") };
    let charter = register().propose(remove, NOON, NOON - HOUR).unwrap();
    assert!(matches!(asked.check(&charter, NOON - HOUR), Err(CharterError::Roster(_))));
    // The others may outvote it.
    asked.enact(signed(&charter, &[1, 2])).unwrap();
    asked.advance(NOON);
    let (roster, left_out) = asked.roster().unwrap();
    assert_eq!((left_out, roster.queries().count()), (vec!["rank".to_owned()], 1));
}

#[test]
fn a_chain_ends_before_it_is_too_long_for_a_message() {
    let mut register = register();
    let mut add_one = |seed: u64| enact(&mut register, add(&format!("agent-{seed}"), seed));
    let refused = (9..).find_map(|seed| add_one(seed).err()).unwrap();
    assert_eq!(refused, CharterError::Full);
    assert!(serde_json::to_vec(&register.chain()).unwrap().len() <= MAX_CHAIN);
    assert!(register.revision() > 400, "{}", register.revision());
}

mod polls {
    use super::*;

    fn json(charter: &Charter, key: &SigningKey) -> Vec<u8> {
        serde_json::to_vec(&Signed::new(charter.clone(), key)).unwrap()
    }

    fn proposed(register: &Register, seed: u64) -> Charter {
        register.propose(add(&format!("agent-{seed}"), seed), NOON, NOON - HOUR).unwrap()
    }

    #[test]
    fn enough_signatures_of_different_peers_make_a_charter() {
        let (mut register, mut poll, now) = (register(), Poll::default(), NOON - HOUR);
        let charter = proposed(&register, 9);
        poll.take(&register, now, &name("peer-1"), &json(&charter, &keys(1).signing)).unwrap();
        assert_eq!(poll.result(&register, now), None);
        let open = poll.open(&register, now);
        assert_eq!((open.len(), open[0].signers.len(), open[0].needed), (1, 1, 2));
        poll.sign(&register, now, &name("peer-2"), &keys(2).signing, &open[0].subject).unwrap();
        let enacted = poll.result(&register, now).unwrap();
        register.enact(enacted).unwrap();
        assert_eq!((poll.open(&register, now), poll.result(&register, now)), (vec![], None));
    }

    #[test]
    fn what_is_not_by_the_peer_of_the_topic_is_refused() {
        let (register, mut poll, now) = (register(), Poll::default(), NOON - HOUR);
        let charter = proposed(&register, 9);
        let mut take =
            |from: &str, seed| poll.take(&register, now, &name(from), &json(&charter, &keys(seed).signing));
        assert!(matches!(take("peer-2", 1), Err(CharterError::Forged { .. })));
        assert!(matches!(take("agent-4", 4), Err(CharterError::Stranger { .. })));
        assert_eq!(poll.take(&register, now, &name("peer-1"), b"{}"), Err(CharterError::Malformed));
        assert_eq!(poll.open(&register, now), []);
    }

    #[test]
    fn a_peer_signs_one_charter_of_a_revision_until_that_lapses() {
        let (register, mut poll, now) = (register(), Poll::default(), NOON - HOUR);
        let (me, key) = (name("peer-3"), keys(3).signing);
        let (one, other) = (proposed(&register, 9), proposed(&register, 10));
        poll.take(&register, now, &name("peer-1"), &json(&one, &keys(1).signing)).unwrap();
        poll.take(&register, now, &name("peer-2"), &json(&other, &keys(2).signing)).unwrap();
        poll.sign(&register, now, &me, &key, &one.subject()).unwrap();
        // Again is no harm.
        poll.sign(&register, now, &me, &key, &one.subject()).unwrap();
        assert_eq!(
            poll.sign(&register, now, &me, &key, &other.subject()),
            Err(CharterError::SignedAnother { lapses: NOON })
        );
        assert_eq!(poll.sign(&register, NOON, &me, &key, &one.subject()), Err(CharterError::Unknown));
        assert_eq!(poll.result(&register, NOON), None, "what was not signed in time lapses");
        let later = register.propose(add("agent-9", 9), NOON + HOUR, NOON).unwrap();
        poll.take(&register, NOON, &name("peer-1"), &json(&later, &keys(1).signing)).unwrap();
        poll.sign(&register, NOON, &me, &key, &later.subject()).unwrap();
    }

    #[test]
    fn a_proposal_that_overtakes_the_charter_before_it_is_not_lost() {
        let (mut ahead, mut behind) = (register(), register());
        let (mut poll, now, me) = (Poll::default(), NOON - HOUR, name("peer-1"));
        enact(&mut ahead, add("agent-9", 9)).unwrap();
        let charter = proposed(&ahead, 10);
        poll.take(&behind, now, &me, &json(&charter, &keys(1).signing)).unwrap();
        assert_eq!(poll.open(&behind, now), []);
        behind.extend(&ahead.chain()).unwrap();
        poll.look_again(&behind, now).unwrap();
        assert_eq!(poll.open(&behind, now).len(), 1);
    }
}
