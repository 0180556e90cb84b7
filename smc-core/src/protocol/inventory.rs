//! What a peer holds when a window closes (docs/protocol.md, 4.2).

use serde::{Deserialize, Serialize};

use super::standing::Standing;
use super::terms::Terms;
use crate::base64url;
use crate::digest::Digest;
use crate::document::Signable;
use crate::name::QuantityName;
use crate::roster::MAX_QUERIES;
use crate::time::WindowIndex;

/// The newest two windows of one stream that a peer holds, as ages in windows before the one that closes.
///
/// Two, because a peer that missed the newest reading must be able to meet the others at the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Held([Option<u16>; 2]);

impl Held {
    /// No share at all.
    pub const NOTHING: Self = Self([None, None]);

    /// The ages of `windows` (newest first) at the close of `closing`; what is too old to count is left out.
    pub fn at(closing: WindowIndex, windows: [Option<WindowIndex>; 2]) -> Self {
        Self(windows.map(|window| {
            let age = closing.age_since(window?)?;
            u16::try_from(age).ok().filter(|&age| age != NONE)
        }))
    }

    /// Whether the share of the window `age` windows back is held.
    pub fn has(self, age: u16) -> bool {
        self.0.contains(&Some(age))
    }

    /// The ages held, newest first.
    pub fn ages(self) -> impl Iterator<Item = u16> {
        self.0.into_iter().flatten()
    }
}

/// Stands for "none" on the wire.
const NONE: u16 = u16::MAX;
const BYTES_PER_STREAM: usize = 4;
/// How many different terms an inventory can tell of: with more, the readings of those beyond count as not held.
pub const MAX_TERMS: usize = 1_024;

/// What a peer holds for all streams of a quantity, in the order of the roster. On the wire: base64url of two
/// big-endian 16-bit ages per stream.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HeldList(Vec<Held>);

impl HeldList {
    /// One entry per stream.
    pub fn new(held: Vec<Held>) -> Self {
        Self(held)
    }

    /// The entries.
    pub fn as_slice(&self) -> &[Held] {
        &self.0
    }
}

/// A text that is no list of what is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a list of ages")]
pub struct HeldListError;

impl TryFrom<String> for HeldList {
    type Error = HeldListError;
    fn try_from(text: String) -> Result<Self, HeldListError> {
        let bytes = base64url::decode_vec(&text).ok_or(HeldListError)?;
        let (streams, rest) = bytes.as_chunks::<BYTES_PER_STREAM>();
        if !rest.is_empty() {
            return Err(HeldListError);
        }
        let age = |high, low| Some(u16::from_be_bytes([high, low])).filter(|&age| age != NONE);
        Ok(Self(streams.iter().map(|&[a, b, c, d]| Held([age(a, b), age(c, d)])).collect()))
    }
}

impl From<HeldList> for String {
    fn from(list: HeldList) -> String {
        let ages = list.0.iter().flat_map(|held| held.0);
        let bytes: Vec<u8> = ages.flat_map(|age| age.unwrap_or(NONE).to_be_bytes()).collect();
        base64url::encode(&bytes)
    }
}

/// A peer's inventory of one quantity at the close of one window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inventory {
    /// Of what.
    pub quantity: QuantityName,
    /// Which window closed.
    pub window: WindowIndex,
    /// The digest of the sender's roster; peers with different site files cannot agree on anything.
    pub roster: Digest,
    /// What the sender holds.
    pub held: HeldList,
    /// All different terms that agents demand with these readings, ascending.
    pub terms: Vec<Terms>,
    /// Which of them hold for which stream, where its agent demands any: places of streams, ascending, each with the place
    /// of its terms.
    pub demands: Vec<(u32, u32)>,
    /// The sender's last vote in this cohort epoch.
    pub standing: Option<Standing>,
    /// The definitions of all queries on this quantity that the sender computes, ascending.
    pub queries: Vec<Digest>,
    /// The definitions of those that it only knows of, ascending.
    pub known: Vec<Digest>,
    /// For each peer of the site the name of its contribution to the common keys that the sender has.
    pub seeds: Vec<Option<Digest>>,
}

impl Inventory {
    /// Whether all lists are of a quantity with `streams` streams at a site with `peers` peers, in order and of bounded
    /// length.
    pub fn fits(&self, streams: usize, peers: usize) -> bool {
        self.held.as_slice().len() == streams
            && self.demands.windows(2).all(|pair| pair[0].0 < pair[1].0)
            && self.demands.last().is_none_or(|&(place, _)| (place as usize) < streams)
            && self.terms.len() <= MAX_TERMS
            && self.terms.windows(2).all(|pair| pair[0] < pair[1])
            && self.demands.iter().all(|&(_, terms)| (terms as usize) < self.terms.len())
            && is_list_of_queries(&self.queries)
            && is_list_of_queries(&self.known)
            && self.seeds.len() == peers
    }
}

fn is_list_of_queries(queries: &[Digest]) -> bool {
    queries.len() <= MAX_QUERIES && queries.windows(2).all(|pair| pair[0] < pair[1])
}

impl Signable for Inventory {
    const DOMAIN: &'static str = "murmuration/1/inventory";
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ages_that_do_not_fit_are_left_out() {
        let held = Held::at(WindowIndex(100_000), [Some(WindowIndex(100_000)), Some(WindowIndex(3))]);
        assert_eq!(held.ages().collect::<Vec<_>>(), [0]);
        assert_eq!(Held::at(WindowIndex(5), [Some(WindowIndex(6)), None]), Held::NOTHING);
    }

    #[test]
    fn a_broken_list_is_refused() {
        for text in ["!", "AAA", "AAAAAA==", "AAAAAAA"] {
            assert_eq!(HeldList::try_from(text.to_owned()), Err(HeldListError), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_list_reads_back_as_itself(ages in prop::collection::vec(any::<[u16; 2]>(), 0..50)) {
            let age = |age: u16| Some(age).filter(|&age| age != NONE);
            let list = HeldList(ages.into_iter().map(|[a, b]| Held([age(a), age(b)])).collect());
            prop_assert_eq!(HeldList::try_from(String::from(list.clone())), Ok(list));
        }
    }
}
