//! What anybody may say to a member that has a code, and to a newcomer.

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use serde_json::Value;
use smc_core::charter::Chain;
use smc_core::document::canonical;
use smc_core::pairing::{
    AnswerError, Ask, Heard, Invitation, InvitedAs, Inviter, Joiner, Offer, PairingCode, TRIES, Told,
};
use smc_sim::world::NOON;

fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

fn inviter() -> Inviter {
    let site: smc_core::name::SiteName = "hq".parse().unwrap();
    let invitation = Invitation {
        name: "room-9".parse().unwrap(),
        invited_as: InvitedAs::Agent,
        site: "x".repeat(300 * 1024),
        ca: None,
        chain: Chain { v: 1, site: site.clone(), charters: Vec::new() },
    };
    Inviter::new(site, "peer-1".parse().unwrap(), &invitation, NOON, &mut rng(1)).unwrap()
}

/// A newcomer that has the code, and the first thing that it says.
fn joiner(inviter: &Inviter) -> (Joiner, Ask) {
    Joiner::begin(inviter.offer().clone(), inviter.code(), &mut rng(3))
}

/// Reads the bytes as an offer and a code, and says them to a member and to a newcomer at every step: as they came, and as
/// if they belonged to the attempt.
pub fn run(bytes: &[u8]) {
    if let Some(offer) = Offer::read(bytes) {
        assert_eq!(Offer::read(&canonical(&offer)), Some(offer));
    }
    if let Some(code) = std::str::from_utf8(bytes).ok().and_then(|text| text.parse::<PairingCode>().ok()) {
        assert_eq!(code.reveal().parse(), Ok(code));
    }
    to_the_member(bytes);
    to_the_newcomer(bytes);
}

/// Who does not have the key is not let in, whatever it says; a wrong proof uses up a try and nothing else does.
fn to_the_member(bytes: &[u8]) {
    let (mut inviter, mut rng) = (inviter(), rng(4));
    let (_, hello) = joiner(&inviter);
    let greeting = canonical(&hello);
    inviter.handle(NOON, &greeting, &mut rng).unwrap();
    for said in [Some(bytes.to_vec()), as_said_in(&greeting, bytes)].into_iter().flatten() {
        let before = inviter.tries();
        match inviter.handle(NOON, &said, &mut rng) {
            Ok(Heard::Answers(answers)) => assert_eq!(answers.len(), 1),
            Ok(heard) => panic!("{heard:?}"),
            Err(_) => assert_eq!(inviter.tries(), before),
        }
    }
    assert!(inviter.tries() >= TRIES - 2);
}

/// Who does not have the key is not believed; what is of another attempt changes nothing.
fn to_the_newcomer(bytes: &[u8]) {
    let mut inviter = inviter();
    let (mut joiner, hello) = joiner(&inviter);
    let greeting = canonical(&hello);
    // Nobody guesses an attempt's number of 128 random bits.
    assert_eq!(joiner.handle(bytes), Err(AnswerError::Foreign));
    let Ok(Heard::Answers(answers)) = inviter.handle(NOON, &greeting, &mut rng(4)) else { return };
    let told = joiner.handle(&canonical(&answers[0]));
    let Ok(Told::Ask(_)) = told else { panic!("{told:?}") };
    if let Some(said) = as_said_in(&greeting, bytes) {
        let told = joiner.handle(&said);
        assert!(told.is_err(), "{told:?}");
    }
}

/// The same with the numbers of the offer and the attempt of `greeting`.
fn as_said_in(greeting: &[u8], bytes: &[u8]) -> Option<Vec<u8>> {
    let greeting: Value = serde_json::from_slice(greeting).ok()?;
    let mut value: Value = serde_json::from_slice(bytes).ok()?;
    let fields = value.as_object_mut()?;
    for key in ["offer", "attempt"] {
        fields.insert(key.to_owned(), greeting.get(key)?.clone());
    }
    serde_json::to_vec(&value).ok()
}

/// An offer, a code, and all that is said, of another pairing.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut inviter = inviter();
    let mut rng = rng(2);
    let (mut joiner, mut ask) = Joiner::begin(inviter.offer().clone(), inviter.code(), &mut rng);
    let mut seeds = vec![canonical(inviter.offer()), inviter.code().reveal().as_bytes().to_vec()];
    for _ in 0..2 {
        seeds.push(canonical(&ask));
        let Ok(Heard::Answers(answers)) = inviter.handle(NOON, &canonical(&ask), &mut rng) else { break };
        seeds.push(canonical(&answers[0]));
        if let Ok(Told::Ask(next)) = joiner.handle(&canonical(&answers[0])) {
            ask = next;
        }
    }
    seeds.push(br#"{"v":1,"offer":"u1-lBtHKLrwJWKtP0PBQbw","attempt":"QK_28ZzpPfP3iDuZk5B9Cw","say":{"keys":"jjBD"}}"#.to_vec());
    seeds.push(br#"{"v":1,"offer":"u1-lBtHKLrwJWKtP0PBQbw","attempt":"QK_28ZzpPfP3iDuZk5B9Cw","say":{"refused":{"wrong-code":{"left":2}}}}"#.to_vec());
    seeds
}
