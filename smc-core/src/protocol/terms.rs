//! What an agent demands of results that cover it: its terms, which ride inside its sealed shares
//! (docs/protocol.md, 2.2).
//!
//! ```text
//! minimum cohort   2 bytes, big-endian
//! functions        8 bytes, big-endian: bit i for the function with number i
//! not after        4 bytes, big-endian: minutes since 1970, all ones for ever
//! stances          1 byte: for each purpose, two bits: 0 = none, 1 = allowed, 2 = refused; the first one lowest
//! purposes         4 times 8 bytes: the first bytes of the SHA-256 of a purpose, zeros for none
//! ```
//! They always take as many bytes, so nobody who sees messages go by learns that terms have changed.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::base64url;
use crate::function::Query;
use crate::time::Timestamp;

/// The functions by number. Numbers are on the wire: a new function goes to the end.
const FUNCTIONS: [&str; 27] = [
    "any_above",
    "argmax",
    "correlation",
    "count",
    "count_above",
    "count_below",
    "covariance",
    "distinct_count",
    "entropy",
    "heavy_hitters",
    "histogram",
    "linear_fit",
    "max",
    "mean",
    "mean_above",
    "median",
    "min",
    "quantile",
    "range",
    "rank",
    "second_price",
    "stddev",
    "sum",
    "top_k",
    "variance",
    "vector_sum",
    "weighted_mean",
];
/// How many purposes terms can name.
pub const MAX_PURPOSES: usize = 4;
/// How many bytes terms take.
pub const TERMS_BYTES: usize = 2 + 8 + 4 + 1 + MAX_PURPOSES * PURPOSE_BYTES;
const PURPOSE_BYTES: usize = 8;
const FOR_EVER: u32 = u32::MAX;
const MINUTE: u64 = 60_000_000;

/// What an agent demands of results that cover it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Terms {
    /// The fewest agents that such a result may cover; 0 leaves it to the site.
    pub minimum_cohort: u16,
    functions: u64,
    not_after: u32,
    purposes: [Option<Stance>; MAX_PURPOSES],
}

/// How an agent stands to a purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stance {
    /// One of those that it takes part for; for no others.
    Allowed(PurposeDigest),
    /// It takes no part for this one.
    Refused(PurposeDigest),
}

type PurposeDigest = [u8; PURPOSE_BYTES];

/// Why terms can't be written down.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TermsError {
    /// On the wire: not what any terms look like.
    #[error("not an agent's terms")]
    Malformed,
    /// More than there is room for.
    #[error("terms can name {MAX_PURPOSES} purposes, allowed and refused together")]
    TooManyPurposes,
    /// No function has this name.
    #[error("there is no function `{0}`; `murmur functions` lists them")]
    UnknownFunction(String),
}

/// No demands.
impl Default for Terms {
    fn default() -> Self {
        Self { minimum_cohort: 0, functions: u64::MAX, not_after: FOR_EVER, purposes: [None; MAX_PURPOSES] }
    }
}

impl Terms {
    /// Takes part in results that cover at least so many agents.
    pub fn of_at_least(minimum_cohort: u16) -> Self {
        Self { minimum_cohort, ..Self::default() }
    }

    /// Takes part in results of these functions only.
    ///
    /// # Errors
    /// If there is no such function.
    pub fn only_functions<'a>(self, names: impl IntoIterator<Item = &'a str>) -> Result<Self, TermsError> {
        let bit = |name: &str| {
            let number = number(name).ok_or_else(|| TermsError::UnknownFunction(name.to_owned()))?;
            Ok(1 << number)
        };
        let functions = names.into_iter().try_fold(0, |all, name| Ok(all | bit(name)?))?;
        Ok(Self { functions, ..self })
    }

    /// Takes part in results for this purpose, and for others that are allowed like this.
    ///
    /// # Errors
    /// If there are too many.
    pub fn allow_purpose(self, purpose: &str) -> Result<Self, TermsError> {
        self.with(Stance::Allowed(digest(purpose)))
    }

    /// Takes no part in results for this purpose.
    ///
    /// # Errors
    /// If there are too many.
    pub fn refuse_purpose(self, purpose: &str) -> Result<Self, TermsError> {
        self.with(Stance::Refused(digest(purpose)))
    }

    /// Takes no part in results of windows that end later, to the minute before.
    #[must_use]
    pub fn not_after(self, last: Timestamp) -> Self {
        let minutes = u32::try_from(last.as_micros() / MINUTE).unwrap_or(FOR_EVER);
        Self { not_after: minutes, ..self }
    }

    /// Whether a result of `query` for a window that ends at `end` may cover the agent; of how many is another question.
    pub fn cover(&self, query: &Query, end: Timestamp) -> bool {
        let purpose = digest(&query.purpose);
        number(query.function.entry().name).is_some_and(|number| self.functions & (1 << number) != 0)
            && self.permits(&Stance::Allowed(purpose))
            && !self.stances().any(|stance| stance == Stance::Refused(purpose))
            && (self.not_after == FOR_EVER || end.as_micros() / MINUTE <= u64::from(self.not_after))
    }

    /// What satisfies both: an agent that told two things gets neither less than it asked for.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let both = Self {
            minimum_cohort: self.minimum_cohort.max(other.minimum_cohort),
            functions: self.functions & other.functions,
            not_after: self.not_after.min(other.not_after),
            purposes: self.purposes,
        };
        if self.purposes == other.purposes {
            return both;
        }
        both.purposes_of(&self, &other).unwrap_or(Self {
            functions: 0,
            purposes: [None; MAX_PURPOSES],
            ..both
        })
    }

    /// The purposes that both allow, and those that either refuses; none if they can't be written down.
    fn purposes_of(self, a: &Self, b: &Self) -> Option<Self> {
        let counts = |stance: &Stance| match stance {
            Stance::Allowed(_) => a.permits(stance) && b.permits(stance),
            Stance::Refused(_) => true,
        };
        let none = Self { purposes: [None; MAX_PURPOSES], ..self };
        let mut all = a.stances().chain(b.stances()).filter(counts);
        let both = all.try_fold(none, |terms, stance| terms.with(stance).ok())?;
        (both.limits() || !(a.limits() || b.limits())).then_some(both)
    }

    fn stances(&self) -> impl Iterator<Item = Stance> {
        self.purposes.iter().flatten().copied()
    }

    /// Whether some purposes are allowed, and so no others.
    fn limits(&self) -> bool {
        self.stances().any(|stance| matches!(stance, Stance::Allowed(_)))
    }

    /// Whether the purpose that `allowed` names is not shut out by others that are allowed.
    fn permits(&self, allowed: &Stance) -> bool {
        !self.limits() || self.stances().any(|stance| stance == *allowed)
    }

    fn with(mut self, stance: Stance) -> Result<Self, TermsError> {
        let mut stances: Vec<_> = self.stances().collect();
        stances.push(stance);
        stances.sort_unstable();
        stances.dedup();
        if stances.len() > MAX_PURPOSES {
            return Err(TermsError::TooManyPurposes);
        }
        self.purposes = [None; MAX_PURPOSES];
        self.purposes.iter_mut().zip(stances).for_each(|(slot, stance)| *slot = Some(stance));
        Ok(self)
    }

    /// As they stand in a message.
    pub fn to_bytes(&self) -> [u8; TERMS_BYTES] {
        let mut bytes = [0; TERMS_BYTES];
        let (head, purposes) = bytes.split_at_mut(15);
        head[..2].copy_from_slice(&self.minimum_cohort.to_be_bytes());
        head[2..10].copy_from_slice(&self.functions.to_be_bytes());
        head[10..14].copy_from_slice(&self.not_after.to_be_bytes());
        for (place, (slot, stance)) in purposes.chunks_mut(PURPOSE_BYTES).zip(&self.purposes).enumerate() {
            let (bits, digest) = match stance {
                None => continue,
                Some(Stance::Allowed(digest)) => (1, digest),
                Some(Stance::Refused(digest)) => (2, digest),
            };
            head[14] |= bits << (2 * place);
            slot.copy_from_slice(digest);
        }
        bytes
    }

    /// Reads what [`Terms::to_bytes`] wrote, and nothing else.
    ///
    /// # Errors
    /// If no terms look like this.
    pub fn from_bytes(bytes: &[u8; TERMS_BYTES]) -> Result<Self, TermsError> {
        let (head, purposes) = bytes.split_at(15);
        let [c0, c1, f0, f1, f2, f3, f4, f5, f6, f7, n0, n1, n2, n3, stances] = *head else {
            return Err(TermsError::Malformed);
        };
        let mut terms = Self {
            minimum_cohort: u16::from_be_bytes([c0, c1]),
            functions: u64::from_be_bytes([f0, f1, f2, f3, f4, f5, f6, f7]),
            not_after: u32::from_be_bytes([n0, n1, n2, n3]),
            purposes: [None; MAX_PURPOSES],
        };
        for (place, digest) in purposes.as_chunks::<PURPOSE_BYTES>().0.iter().enumerate() {
            terms.purposes[place] = match (stances >> (2 * place)) & 3 {
                0 if *digest == [0; PURPOSE_BYTES] => None,
                1 => Some(Stance::Allowed(*digest)),
                2 => Some(Stance::Refused(*digest)),
                _ => return Err(TermsError::Malformed),
            };
        }
        // One form for one meaning.
        let written: Vec<_> = terms.purposes.iter().map_while(|stance| *stance).collect();
        let sorted = written.windows(2).all(|pair| pair[0] < pair[1]);
        let packed = written.len() == terms.purposes.iter().flatten().count();
        if sorted && packed { Ok(terms) } else { Err(TermsError::Malformed) }
    }
}

impl TryFrom<String> for Terms {
    type Error = TermsError;
    fn try_from(text: String) -> Result<Self, TermsError> {
        let bytes = base64url::decode(&text).ok_or(TermsError::Malformed)?;
        Self::from_bytes(&bytes)
    }
}

impl From<Terms> for String {
    fn from(terms: Terms) -> String {
        base64url::encode(&terms.to_bytes())
    }
}

fn number(function: &str) -> Option<usize> {
    FUNCTIONS.iter().position(|known| *known == function)
}

/// Purposes are compared as they are written, but for space around them.
fn digest(purpose: &str) -> PurposeDigest {
    let mut digest = [0; PURPOSE_BYTES];
    digest.copy_from_slice(&Sha256::digest(purpose.trim().as_bytes())[..PURPOSE_BYTES]);
    digest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::function::catalogue;

    #[test]
    fn every_function_has_a_number() {
        for entry in catalogue() {
            assert!(number(entry.name).is_some(), "append `{}` to FUNCTIONS", entry.name);
        }
        const { assert!(FUNCTIONS.len() <= 64) }
    }

    #[test]
    fn what_cannot_be_written_down_is_said() {
        let full = ["a", "b", "c", "d"].iter().try_fold(Terms::default(), |terms, p| terms.allow_purpose(p));
        assert_eq!(full.clone().unwrap().allow_purpose(" a "), full, "the same purpose");
        assert_eq!(full.unwrap().refuse_purpose("e"), Err(TermsError::TooManyPurposes));
        let unknown = Terms::default().only_functions(["mean", "guess"]).unwrap_err();
        assert_eq!(unknown, TermsError::UnknownFunction("guess".into()));
    }

    #[test]
    fn purposes_that_do_not_meet_leave_nothing() {
        let air = Terms::default().allow_purpose("air").unwrap();
        let light = Terms::default().allow_purpose("light").unwrap();
        assert_eq!(air.and(light).functions, 0);
        assert_eq!(air.and(Terms::default()).purposes, air.purposes);
        let no_ads = Terms::default().refuse_purpose("ads").unwrap();
        assert_eq!(air.and(no_ads), no_ads.and(air));
        assert_eq!(air.and(no_ads).purposes.iter().flatten().count(), 2);
    }

    fn any_terms() -> impl Strategy<Value = Terms> {
        let purposes = prop::collection::vec((any::<bool>(), 0..6u8), 0..=MAX_PURPOSES);
        (any::<u16>(), any::<u64>(), any::<u32>(), purposes).prop_map(
            |(minimum_cohort, functions, at, purposes)| {
                let terms = Terms { minimum_cohort, functions, not_after: at, ..Terms::default() };
                purposes.iter().fold(terms, |terms, (allow, purpose)| {
                    let purpose = purpose.to_string();
                    if *allow { terms.allow_purpose(&purpose) } else { terms.refuse_purpose(&purpose) }
                        .unwrap()
                })
            },
        )
    }

    proptest! {
        #[test]
        fn terms_read_back_as_themselves(terms in any_terms()) {
            prop_assert_eq!(Terms::from_bytes(&terms.to_bytes()), Ok(terms));
            prop_assert_eq!(Terms::try_from(String::from(terms)), Ok(terms));
        }

        #[test]
        fn bytes_have_one_meaning(bytes in any::<[u8; TERMS_BYTES]>()) {
            if let Ok(terms) = Terms::from_bytes(&bytes) {
                prop_assert_eq!(terms.to_bytes(), bytes);
            }
        }

        #[test]
        fn the_order_of_two_makes_no_difference(a in any_terms(), b in any_terms()) {
            prop_assert_eq!(a.and(b), b.and(a));
            prop_assert_eq!(a.and(a), a);
        }
    }
}
