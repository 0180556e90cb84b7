//! What is said when a node joins by a code, in words. Nothing here is signed: who knows the code is proven to the other
//! side alone.

use serde_json::Value;
use smc_core::pairing::{Answer, Ask, Offer};
use smc_mqtt::topic::Topic;

use super::explain::MALFORMED;
use super::explained::Explained;

pub(super) fn explain(mut told: Explained, topic: &Topic, payload: &[u8]) -> Explained {
    let words = match topic {
        Topic::PairAsk { .. } => serde_json::from_slice::<Ask>(payload).ok().and_then(|_| ask(payload)),
        Topic::PairAnswer { .. } => {
            serde_json::from_slice::<Answer>(payload).ok().and_then(|_| answer(payload))
        }
        _ => Offer::read(payload).map(|offer| format!("lets in who knows its code, until {}", offer.until)),
    };
    told.says = words.unwrap_or_else(|| MALFORMED.to_owned());
    told
}

/// What a newcomer says.
fn ask(payload: &[u8]) -> Option<String> {
    Some(match step(payload)?.0.as_str() {
        "hello" => "a newcomer's half of the key exchange: tells nothing about the code".to_owned(),
        "proof" => "a newcomer's proof that it knows the code: only the member can tell".to_owned(),
        "keys" => "a newcomer's name, public keys and login, sealed for the member".to_owned(),
        "declined" => "a newcomer does not want in after all; why is sealed".to_owned(),
        _ => return None,
    })
}

/// What the member says.
fn answer(payload: &[u8]) -> Option<String> {
    let (step, said) = step(payload)?;
    let number = |key: &str| said.get(key).and_then(Value::as_u64);
    Some(match step.as_str() {
        "hello" => "the member's half of the key exchange: tells nothing about the code".to_owned(),
        "invitation" => {
            let (part, of) = (number("part")?.saturating_add(1), number("of")?);
            format!("the member's proof, and the site file, sealed for the newcomer: {part} of {of}")
        }
        "outcome" => "what became of it, sealed for the newcomer".to_owned(),
        "refused" => format!("the member says no: {said}"),
        _ => return None,
    })
}

/// The key of `say`, and what stands there.
fn step(payload: &[u8]) -> Option<(String, Value)> {
    let mut document: Value = serde_json::from_slice(payload).ok()?;
    let Value::Object(say) = document.get_mut("say")?.take() else { return None };
    say.into_iter().next()
}
