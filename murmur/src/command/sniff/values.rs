//! Results and their parts, in words.

use std::collections::VecDeque;

use smc_core::name::QueryName;
use smc_core::result::{PartDocument, SignedResult};
use smc_peer::figure::{Figure, outcome};

use super::explain::{Explainer, MALFORMED};
use super::explained::{Explained, Signature, Window};

/// How many long values are remembered until their parts have come.
const LONG: usize = 64;

/// Results whose values come in parts, the newest last.
#[derive(Debug, Default)]
pub(super) struct Values(VecDeque<(SignedResult, Signature)>);

impl Values {
    fn note(&mut self, signed: SignedResult, signature: Signature) {
        if self.0.len() >= LONG {
            self.0.pop_front();
        }
        self.0.push_back((signed, signature));
    }

    /// The newest result that says what `part` must be.
    fn of(&self, part: &PartDocument) -> Option<&(SignedResult, Signature)> {
        let meant = |(signed, _): &&(SignedResult, Signature)| {
            (&signed.result.query, signed.result.window.index) == (&part.query, part.window)
        };
        self.0.iter().rev().find(meant)
    }
}

impl Explainer {
    pub(super) fn result(&mut self, mut told: Explained, query: &QueryName, payload: &[u8]) -> Explained {
        let Ok(signed) = serde_json::from_slice::<SignedResult>(payload) else {
            told.says = MALFORMED.to_owned();
            return told;
        };
        let result = &signed.result;
        let time = Some((result.window.start.clone(), result.window.end.clone()));
        told.window = Some(Window { index: result.window.index, time });
        let known = self.known.as_ref();
        let figure = known.and_then(|known| Figure::of(result, &known.roster));
        let value = match (figure, &result.value) {
            (None, Some(value)) => smc_peer::figure::told(value, &result.unit),
            _ => outcome(result, figure),
        };
        told.says = format!(
            "{query} is {value}, over {} agents ({} fresh, {} carried)",
            result.cohort, result.fresh, result.carried
        );
        told.signature = match known {
            None => self.unchecked(),
            Some(_) if result.query != *query => Signature::Bad(format!("a result of {}", result.query)),
            Some(known) => match known.members.register().eras().verify(&signed) {
                Ok(()) => Signature::Good(signed.signatures.keys().cloned().collect()),
                Err(error) => Signature::Bad(error.to_string()),
            },
        };
        if signed.result.parts.is_some() {
            self.values.note(signed, told.signature.clone());
        }
        told
    }

    pub(super) fn part(
        &self,
        mut told: Explained,
        query: &QueryName,
        part: u16,
        payload: &[u8],
    ) -> Explained {
        let read = serde_json::from_slice::<PartDocument>(payload).ok();
        let Some(document) = read.filter(|read| (&read.query, read.part) == (query, part)) else {
            told.says = MALFORMED.to_owned();
            return told;
        };
        told.says = format!("part {part} of the value of {query}, {} elements", document.elements.len());
        told.window = Some(self.window(query, document.window));
        let vouched = self.values.of(&document);
        told.signature = match vouched.and_then(|(signed, by)| Some((signed.result.parts.as_ref()?, by))) {
            None => Signature::Unchecked("its result did not come before it"),
            Some((parts, by)) => match parts.admit(&document, payload) {
                Ok(()) => by.clone(),
                Err(error) => Signature::Bad(error.to_string()),
            },
        };
        told
    }
}
