//! Whole pairings, and what goes wrong with them.

use std::time::Duration;

use rand_chacha::ChaCha20Rng;

use super::*;
use crate::charter::{Chain, LoginHash};
use crate::identity::NodeKeys;
use crate::name::{NodeName, SiteName};
use crate::order::Reason;
use crate::result::VERSION;
use crate::testing::rng;
use crate::time::Timestamp;

const NOON: Timestamp = Timestamp::from_secs(1_767_268_800);

fn name() -> NodeName {
    "room-106".parse().unwrap()
}

fn login() -> LoginHash {
    "$argon2id$x".to_owned().try_into().unwrap()
}

fn invitation(site: &str) -> Invitation {
    let hq: SiteName = "hq".parse().unwrap();
    let chain = Chain { v: VERSION, site: hq, charters: vec![] };
    Invitation { name: name(), invited_as: InvitedAs::Agent, site: site.to_owned(), ca: None, chain }
}

fn inviter(site: &str, seed: u64) -> Inviter {
    let (hq, member) = ("hq".parse().unwrap(), "tenant".parse().unwrap());
    Inviter::new(hq, member, &invitation(site), NOON, &mut rng(seed)).unwrap()
}

/// A code that differs from the inviter's.
fn wrong(inviter: &Inviter) -> PairingCode {
    let text = inviter.code().reveal();
    let last = if text.ends_with('0') { '1' } else { '0' };
    format!("{}{last}", &text[..8]).parse().unwrap()
}

fn json(message: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(message).unwrap()
}

/// Gives `ask` to the inviter and all that it answers to the joiner; the last thing that the joiner says to that.
fn exchange(
    inviter: &mut Inviter,
    joiner: &mut Joiner,
    ask: &Ask,
    rng: &mut ChaCha20Rng,
) -> Result<Told, AnswerError> {
    let Ok(Heard::Answers(answers)) = inviter.handle(NOON, &json(ask), rng) else { panic!("no answers") };
    let mut told = Ok(Told::Nothing);
    for answer in answers {
        told = joiner.handle(&json(&answer));
    }
    told
}

/// An attempt up to the invitation.
fn attempt(inviter: &mut Inviter, code: &PairingCode, seed: u64) -> (Joiner, Result<Told, AnswerError>) {
    let mut rng = rng(seed);
    let (mut joiner, hello) = Joiner::begin(inviter.offer().clone(), code, &mut rng);
    let told = exchange(inviter, &mut joiner, &hello, &mut rng);
    let Ok(Told::Ask(proof)) = told else { return (joiner, told) };
    let told = exchange(inviter, &mut joiner, &proof, &mut rng);
    (joiner, told)
}

#[test]
fn whoever_knows_the_code_gets_the_site_and_is_heard() {
    // Two parts and a bit.
    let site = "x".repeat(600 * 1024);
    let mut inviter = inviter(&site, 1);
    let code = inviter.code().clone();
    let (mut joiner, told) = attempt(&mut inviter, &code, 2);
    assert_eq!(told, Ok(Told::Invited(Box::new(invitation(&site)))));

    let keys = NodeKeys::generate(&mut rng(3));
    let ask = joiner.apply(name(), &keys, login()).unwrap();
    assert!(joiner.apply(name(), &keys, login()).is_none(), "said once");
    let Ok(Heard::Application(heard)) = inviter.handle(NOON, &json(&ask), &mut rng(4)) else { panic!() };
    assert_eq!((heard.name, heard.identity), (name(), keys.signing.verifying_key()));
    assert_eq!(heard.sealing, *keys.sealing.public());
    assert_eq!(inviter.handle(NOON, &json(&ask), &mut rng(4)), Err(AskError::OutOfOrder));

    let outcome = Outcome::Member { effective: NOON };
    let answer = inviter.conclude(&outcome).unwrap();
    assert!(inviter.conclude(&outcome).is_none(), "said once");
    assert_eq!(joiner.handle(&json(&answer)), Ok(Told::Outcome(outcome)));
}

#[test]
fn a_newcomer_that_does_not_want_in_says_why_to_the_member_alone() {
    let mut inviter = inviter("", 1);
    let code = inviter.code().clone();
    let (mut joiner, _) = attempt(&mut inviter, &code, 2);
    let why: Reason = "it is a sensor".to_owned().try_into().unwrap();
    let ask = joiner.decline(&why).unwrap();
    assert!(!String::from_utf8(json(&ask)).unwrap().contains("sensor"));
    assert_eq!(inviter.handle(NOON, &json(&ask), &mut rng(3)), Ok(Heard::Declined(why)));
    assert!(joiner.apply(name(), &NodeKeys::generate(&mut rng(4)), login()).is_none());
}

#[test]
fn three_wrong_guesses_end_a_code_and_each_is_told() {
    let mut inviter = inviter("", 1);
    let (right, wrong) = (inviter.code().clone(), wrong(&inviter));
    for left in [2, 1, 0] {
        let (_, told) = attempt(&mut inviter, &wrong, 10 + u64::from(left));
        assert_eq!(told, Err(Refusal::WrongCode { left }.into()));
        assert_eq!((inviter.tries(), inviter.is_over(NOON)), (left, left == 0));
    }
    let (_, told) = attempt(&mut inviter, &right, 20);
    assert_eq!(told, Err(Refusal::Over.into()));
}

#[test]
fn guesses_that_began_side_by_side_count_like_others() {
    let mut inviter = inviter("", 1);
    let (right, wrong) = (inviter.code().clone(), wrong(&inviter));
    let mut begun: Vec<_> = (0..4)
        .map(|seed| {
            let mut rng = rng(30 + seed);
            let code = if seed == 3 { &right } else { &wrong };
            let (mut joiner, hello) = Joiner::begin(inviter.offer().clone(), code, &mut rng);
            let Ok(Told::Ask(proof)) = exchange(&mut inviter, &mut joiner, &hello, &mut rng) else {
                panic!()
            };
            (joiner, proof)
        })
        .collect();
    let mut last = Ok(Told::Nothing);
    for (joiner, proof) in &mut begun {
        last = exchange(&mut inviter, joiner, proof, &mut rng(40));
    }
    assert_eq!(last, Err(Refusal::Over.into()), "the right code came after three wrong ones");
}

#[test]
fn a_code_works_once_and_for_five_minutes() {
    let mut used = inviter("", 1);
    let code = used.code().clone();
    assert!(matches!(attempt(&mut used, &code, 2).1, Ok(Told::Invited(_))));
    assert_eq!(attempt(&mut used, &code, 3).1, Err(Refusal::Used.into()));

    let mut late = inviter("", 1);
    let (mut joiner, hello) = Joiner::begin(late.offer().clone(), &code, &mut rng(4));
    let Ok(Heard::Answers(answers)) = late.handle(NOON + LIFETIME, &json(&hello), &mut rng(5)) else {
        panic!()
    };
    assert_eq!(joiner.handle(&json(&answers[0])), Err(Refusal::Over.into()));
    assert!(!late.is_over(NOON + LIFETIME - Duration::from_micros(1)) && late.is_over(NOON + LIFETIME));
}

#[test]
fn a_member_that_does_not_know_the_code_learns_nothing_and_is_found_out() {
    let (honest, mut impostor) = (inviter("", 1), inviter("not the site", 2));
    // It shows the honest member's offer as its own.
    impostor.speak_for(honest.offer().clone());
    let mut rng = rng(3);
    let (mut joiner, hello) = Joiner::begin(honest.offer().clone(), honest.code(), &mut rng);
    let Ok(Told::Ask(proof)) = exchange(&mut impostor, &mut joiner, &hello, &mut rng) else { panic!() };
    // It can't tell whether the proof is right, and lets it pass.
    let parts = impostor.pretend(&proof);
    assert_eq!(joiner.handle(&json(&parts)), Err(AnswerError::Impostor));
    let keys = NodeKeys::generate(&mut rng);
    assert!(joiner.apply(name(), &keys, login()).is_none());
}

#[test]
fn an_offer_that_was_changed_on_its_way_fits_no_code() {
    let mut inviter = inviter("", 1);
    let changed = Offer { until: NOON + LIFETIME + LIFETIME, ..inviter.offer().clone() };
    let mut rng = rng(2);
    let (mut joiner, hello) = Joiner::begin(changed, &inviter.code().clone(), &mut rng);
    let Ok(Told::Ask(proof)) = exchange(&mut inviter, &mut joiner, &hello, &mut rng) else { panic!() };
    let told = exchange(&mut inviter, &mut joiner, &proof, &mut rng);
    assert_eq!(told, Err(Refusal::WrongCode { left: 2 }.into()));
}

#[test]
fn more_attempts_than_are_kept_push_out_the_oldest() {
    let mut inviter = inviter("", 1);
    let code = inviter.code().clone();
    let mut rng = rng(2);
    let (mut first, hello) = Joiner::begin(inviter.offer().clone(), &code, &mut rng);
    let Ok(Told::Ask(proof)) = exchange(&mut inviter, &mut first, &hello, &mut rng) else { panic!() };
    assert_eq!(inviter.handle(NOON, &json(&hello), &mut rng), Err(AskError::OutOfOrder), "said twice");
    for seed in 0..8 {
        let (_, hello) = Joiner::begin(inviter.offer().clone(), &code, &mut self::rng(50 + seed));
        inviter.handle(NOON, &json(&hello), &mut rng).unwrap();
    }
    assert_eq!(inviter.handle(NOON, &json(&proof), &mut rng), Err(AskError::OutOfOrder));
    assert_eq!(inviter.tries(), TRIES, "no guess was made");
}

#[test]
fn what_is_garbled_or_for_somebody_else_changes_nothing() {
    let mut inviter = inviter("", 1);
    let mut rng = rng(2);
    let code = inviter.code().clone();
    let (mut joiner, hello) = Joiner::begin(inviter.offer().clone(), &code, &mut rng);
    let long = vec![b' '; MAX_MESSAGE + 1];
    for bytes in [&b""[..], b"{}", b"[1]", &long] {
        assert_eq!(inviter.handle(NOON, bytes, &mut rng), Err(AskError::Malformed));
        assert_eq!(joiner.handle(bytes), Err(AnswerError::Foreign));
    }
    let (_, elsewhere) = Joiner::begin(self::inviter("", 9).offer().clone(), &code, &mut rng);
    assert_eq!(inviter.handle(NOON, &json(&elsewhere), &mut rng), Err(AskError::Other));
    let Ok(Told::Ask(proof)) = exchange(&mut inviter, &mut joiner, &hello, &mut rng) else { panic!() };
    assert!(matches!(exchange(&mut inviter, &mut joiner, &proof, &mut rng), Ok(Told::Invited(_))));
}

#[test]
fn a_site_that_is_too_long_to_send_is_told_before_there_is_a_code() {
    let (hq, member) = ("hq".parse().unwrap(), "tenant".parse().unwrap());
    let long = invitation(&"x".repeat(17 << 20));
    assert!(Inviter::new(hq, member, &long, NOON, &mut rng(1)).is_none());
}
