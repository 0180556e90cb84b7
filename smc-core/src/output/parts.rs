//! Outputs that are too long for one message: cut by the peer, put together by the client.

use zeroize::Zeroizing;

use super::{OutputError, SealedOutput};
use crate::message::{MAX_SHARES, OutputShares};
use crate::quantity::MAX_ELEMENTS;

/// The most parts of an output: of the longest vectors.
pub const MAX_PARTS: u16 = (MAX_ELEMENTS as usize).div_ceil(MAX_SHARES) as u16;

/// What one peer sealed of one output, as its parts come in any order.
#[derive(Debug)]
pub struct Gathering {
    /// What all parts say alike; without shares.
    about: SealedOutput,
    parts: Vec<Option<OutputShares>>,
}

impl SealedOutput {
    /// Cuts an output into parts that fit into messages, each of which is to be sealed; a short one has one.
    pub fn cut(&self) -> impl Iterator<Item = Self> {
        let parts = self.shares.0.len().div_ceil(MAX_SHARES).max(1);
        (0..parts).map(move |part| {
            let chunk = self.shares.0.chunks(MAX_SHARES).nth(part).unwrap_or_default();
            let shares = OutputShares(Zeroizing::new(chunk.to_vec()));
            Self { part: part as u16, parts: parts as u16, shares, ..self.header() }
        })
    }

    /// Whether this part has its place and as many shares as go there: all but the last are full.
    pub(super) fn fits(&self) -> bool {
        let last = self.part.checked_add(1) == Some(self.parts);
        let shares = self.shares.0.len();
        let full = if last { self.part == 0 || shares > 0 } else { shares == MAX_SHARES };
        self.part < self.parts && self.parts <= MAX_PARTS && full
    }
}

impl Gathering {
    /// Begins with the part that came first.
    pub fn new(first: SealedOutput) -> Self {
        let about = SealedOutput { part: 0, ..first.header() };
        let mut parts: Vec<_> = (0..first.parts).map(|_| None).collect();
        if let Some(place) = parts.get_mut(usize::from(first.part)) {
            *place = Some(first.shares);
        }
        Self { about, parts }
    }

    /// Takes in another part; a part that is known already changes nothing.
    ///
    /// # Errors
    /// If it contradicts what came before; what came first stays.
    pub fn take(&mut self, part: SealedOutput) -> Result<(), OutputError> {
        let differs = || OutputError::Differs { peer: self.about.from.clone() };
        if (SealedOutput { part: 0, ..part.header() }) != self.about {
            return Err(differs());
        }
        match self.parts.get_mut(usize::from(part.part)) {
            Some(place @ None) => *place = Some(part.shares),
            Some(Some(known)) if *known == part.shares => {}
            _ => return Err(differs()),
        }
        Ok(())
    }

    /// What its parts are about; without shares.
    pub fn about(&self) -> &SealedOutput {
        &self.about
    }

    /// Whether all parts are there.
    pub fn is_whole(&self) -> bool {
        self.parts.iter().all(Option::is_some)
    }

    /// How many shares it holds.
    pub fn shares(&self) -> usize {
        self.parts.iter().flatten().map(|OutputShares(shares)| shares.len()).sum()
    }

    /// Whether both are of one output, as far as they came.
    pub fn is_about_the_same_as(&self, other: &Self) -> bool {
        self.about.is_about_the_same_as(&other.about) && self.shares() == other.shares()
    }

    /// All parts as one; none if one is missing.
    pub fn join(mut self) -> Option<SealedOutput> {
        let mut about = self.about;
        about.parts = 1;
        about.shares = if let [Some(only)] = &mut self.parts[..] {
            std::mem::take(only)
        } else {
            let mut all = Zeroizing::new(Vec::with_capacity(self.parts.len() * MAX_SHARES));
            for part in &self.parts {
                all.extend_from_slice(&part.as_ref()?.0);
            }
            OutputShares(all)
        };
        Some(about)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::digest::Digest;
    use crate::field::Fp;
    use crate::peers::PeerSet;
    use crate::shamir::Degree;
    use crate::time::WindowIndex;

    fn output(shares: usize) -> SealedOutput {
        SealedOutput {
            from: "peer-1".parse().unwrap(),
            query: "gradient".parse().unwrap(),
            definition: Digest([7; 32]),
            window: WindowIndex(7),
            peers: PeerSet::EMPTY,
            readings: 3,
            agents: Vec::new(),
            degree: Degree::Single,
            part: 0,
            parts: 1,
            shares: OutputShares(Zeroizing::new((0..shares as u32).map(Fp::from).collect())),
        }
    }

    /// The parts as a client reads them.
    fn parts(shares: usize) -> Vec<SealedOutput> {
        output(shares).cut().map(|part| SealedOutput::from_bytes(&part.to_bytes()).unwrap()).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn what_was_cut_is_put_together_in_any_order(
            (shares, order) in prop::sample::select(vec![
                0, 1, MAX_SHARES - 1, MAX_SHARES, MAX_SHARES + 1, 3 * MAX_SHARES, 3 * MAX_SHARES + 1,
            ])
            .prop_flat_map(|shares: usize| {
                let parts = shares.div_ceil(MAX_SHARES).max(1);
                (Just(shares), Just((0..parts).collect::<Vec<_>>()).prop_shuffle())
            }),
        ) {
            let parts = parts(shares);
            let mut gathering = Gathering::new(parts[order[0]].clone());
            for &part in &order {
                gathering.take(parts[part].clone()).unwrap();
                prop_assert_eq!(gathering.is_whole(), part == order[order.len() - 1]);
            }
            prop_assert_eq!(gathering.shares(), shares);
            prop_assert_eq!(gathering.join(), Some(output(shares)));
        }
    }

    #[test]
    fn the_longest_vector_has_as_many_parts_as_there_may_be() {
        let parts = parts(MAX_ELEMENTS as usize);
        assert_eq!(parts.len(), usize::from(MAX_PARTS));
        let more = SealedOutput { parts: MAX_PARTS + 1, ..parts[0].clone() };
        assert_eq!(SealedOutput::from_bytes(&more.to_bytes()), Err(OutputError::Malformed));
    }

    #[test]
    fn parts_that_lie_about_their_place_are_refused() {
        let parts = parts(2 * MAX_SHARES + 1);
        let refused = |change: &dyn Fn(&mut SealedOutput), of: usize| {
            let mut part = parts[of].clone();
            change(&mut part);
            assert_eq!(SealedOutput::from_bytes(&part.to_bytes()), Err(OutputError::Malformed));
        };
        refused(&|part| part.part = 3, 0);
        refused(&|part| part.part = u16::MAX, 0);
        refused(&|part| part.parts = 0, 0);
        refused(&|part| part.shares.0.truncate(1), 0);
        refused(&|part| part.shares.0.clear(), 2);
        refused(&|part| part.part = 1, 2);
    }

    #[test]
    fn what_came_first_stays() {
        let parts = parts(2 * MAX_SHARES);
        let mut gathering = Gathering::new(parts[0].clone());
        let mut false_share = parts[0].clone();
        false_share.shares.0[0] += Fp::ONE;
        let longer = SealedOutput { parts: 3, ..parts[1].clone() };
        let other = SealedOutput { readings: 4, ..parts[1].clone() };
        for part in [false_share, longer, other] {
            let differs = OutputError::Differs { peer: "peer-1".parse().unwrap() };
            assert_eq!(gathering.take(part), Err(differs));
        }
        assert!(!gathering.is_whole());
        gathering.take(parts[1].clone()).unwrap();
        assert_eq!(gathering.join(), Some(output(2 * MAX_SHARES)));
    }
}
