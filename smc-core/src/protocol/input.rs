//! The plaintext of an agent's message (docs/protocol.md, 2.2 and 2.3): one bundle, one window, one peer.
//!
//! ```text
//! terms            47 bytes: what the agent demands of results, see `terms`
//! per stream       1 byte: 1 = a reading, 0 = a gap
//! per stream       k shares of 8 bytes, little-endian, least significant bit first; zeros for a gap
//! ```
//! Of a vector a bundle has one part, with k shares for each of its elements, one element after the other.
//! Its length depends on the bundle's definition alone, never on what was measured.

use std::sync::Arc;

use rand_core::CryptoRng;
use zeroize::{Zeroize, Zeroizing};

use super::terms::{TERMS_BYTES, Terms};
use crate::field::Fp;
use crate::roster::{Bundle, Stream};
use crate::shamir::{SHARE_BYTES, Share, ShareError, Sharing};

/// A reading as whole numbers of steps above its quantity's minimum: erased when dropped, never printed.
#[derive(Clone, PartialEq, Eq)]
pub enum Steps {
    /// Of a vector, element by element. Copies are one in memory.
    Many(Arc<Zeroizing<Vec<u32>>>),
    /// Of a single number.
    One(u32),
}

impl Steps {
    /// The elements: one of a single number.
    pub fn elements(&self) -> &[u32] {
        match self {
            Self::Many(elements) => elements,
            Self::One(element) => std::slice::from_ref(element),
        }
    }

    /// Those that `stream` carries, if the reading has them.
    fn part(&self, stream: &Stream) -> Option<&[u32]> {
        let first = stream.first_element as usize;
        self.elements().get(first..first.checked_add(stream.elements as usize)?)
    }
}

impl Drop for Steps {
    fn drop(&mut self) {
        // The elements of a vector erase themselves, with the last copy.
        if let Self::One(element) = self {
            element.zeroize();
        }
    }
}

impl std::fmt::Debug for Steps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<redacted>")
    }
}

/// Why a plaintext is not what its bundle promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    /// A gap carries something.
    #[error("a gap that is not empty")]
    GapNotEmpty,
    /// Longer or shorter than the bundle's definition says.
    #[error("{have} bytes instead of {need}")]
    Length {
        /// How long it is.
        have: usize,
        /// How long it must be.
        need: usize,
    },
    /// An element is not canonical.
    #[error("a share that is no field element")]
    NotCanonical,
    /// The agent's terms can't be read.
    #[error("terms that make no sense")]
    Terms,
    /// A stream is neither present nor a gap.
    #[error("a stream that is neither a reading nor a gap")]
    Presence,
}

const GAP: u8 = 0;
const READING: u8 = 1;

/// The length of every plaintext of `bundle`, in bytes.
pub fn plaintext_len(bundle: &Bundle) -> usize {
    TERMS_BYTES + bundle.streams.len() + shares(bundle) * SHARE_BYTES
}

/// How many shares an input of `bundle` has.
fn shares(bundle: &Bundle) -> usize {
    bundle.streams.last().map_or(0, |last| last.first_bit + last.width())
}

/// Shares `readings` (one per stream of the bundle, whole; none is a gap) into one plaintext per peer, in the order of
/// peers.
///
/// # Errors
/// If there are not as many readings as streams, or one does not fit its quantity or is too short for its stream.
pub fn deal(
    bundle: &Bundle,
    terms: Terms,
    readings: &[Option<Steps>],
    sharing: Sharing,
    rng: &mut impl CryptoRng,
) -> Result<Vec<Zeroizing<Vec<u8>>>, ShareError> {
    let (have, need) = (readings.len(), bundle.streams.len());
    if have != need {
        return Err(ShareError::WrongLength { have, need });
    }
    let len = plaintext_len(bundle);
    let mut plaintexts: Vec<_> = sharing.indices().map(|_| Zeroizing::new(Vec::with_capacity(len))).collect();
    for plaintext in &mut plaintexts {
        plaintext.extend(terms.to_bytes());
        plaintext.extend(readings.iter().map(|reading| if reading.is_some() { READING } else { GAP }));
    }
    for (stream, reading) in bundle.streams.iter().zip(readings) {
        match reading {
            Some(steps) => {
                let (have, need) =
                    (steps.elements().len(), (stream.first_element + stream.elements) as usize);
                let part = steps.part(stream).ok_or(ShareError::WrongLength { have, need })?;
                for &v in part {
                    sharing.share_bits(v.into(), stream.bits, rng, &mut plaintexts)?;
                }
            }
            None => {
                for plaintext in &mut plaintexts {
                    plaintext.extend(std::iter::repeat_n(0, stream.width() * SHARE_BYTES));
                }
            }
        }
    }
    Ok(plaintexts)
}

/// What one peer holds of one bundle and window.
///
/// Equal inputs carry the same shares.
#[derive(Debug)]
pub struct Input {
    terms: Terms,
    /// Per stream: whether there is a reading.
    present: Box<[bool]>,
    /// The shares of the bits of all streams.
    shares: Box<[Share]>,
}

impl Input {
    /// Reads a plaintext.
    ///
    /// # Errors
    /// For anything that [`deal`] does not yield.
    pub fn read(bundle: &Bundle, plaintext: &[u8]) -> Result<Self, InputError> {
        let (have, need) = (plaintext.len(), plaintext_len(bundle));
        if have != need {
            return Err(InputError::Length { have, need });
        }
        let (terms, rest) = plaintext.split_first_chunk().ok_or(InputError::Length { have, need })?;
        let (present, elements) = rest.split_at(bundle.streams.len());
        let input = Self {
            terms: Terms::from_bytes(terms).map_err(|_| InputError::Terms)?,
            present: present.iter().map(|&byte| read_presence(byte)).collect::<Result<_, _>>()?,
            shares: read_elements(elements)?,
        };
        let gap_is_empty = |(place, stream)| input.present[place] || all_zero(input.range(stream));
        if bundle.streams.iter().enumerate().all(gap_is_empty) {
            Ok(input)
        } else {
            Err(InputError::GapNotEmpty)
        }
    }

    /// Whether this is an input of `bundle`, or of one of the same form.
    pub fn fits(&self, bundle: &Bundle) -> bool {
        self.present.len() == bundle.streams.len() && self.shares.len() == shares(bundle)
    }

    /// What the agent demands.
    pub fn terms(&self) -> Terms {
        self.terms
    }

    /// Whether there is a reading of the stream at `place`.
    pub fn has(&self, place: usize) -> bool {
        self.present.get(place).copied().unwrap_or(false)
    }

    /// The shares of the bits of `stream`, the one at `place`, element after element; none for a gap.
    pub fn bits(&self, place: usize, stream: &Stream) -> Option<&[Share]> {
        self.has(place).then(|| self.range(stream))
    }

    fn range(&self, stream: &Stream) -> &[Share] {
        &self.shares[stream.first_bit..stream.first_bit + stream.width()]
    }
}

impl PartialEq for Input {
    fn eq(&self, other: &Self) -> bool {
        let same_shares = || self.shares.iter().map(Share::reveal).eq(other.shares.iter().map(Share::reveal));
        self.terms == other.terms && self.present == other.present && same_shares()
    }
}

fn read_presence(byte: u8) -> Result<bool, InputError> {
    match byte {
        GAP => Ok(false),
        READING => Ok(true),
        _ => Err(InputError::Presence),
    }
}

fn read_elements(bytes: &[u8]) -> Result<Box<[Share]>, InputError> {
    let elements = bytes.as_chunks::<SHARE_BYTES>().0;
    let mut shares = Vec::with_capacity(elements.len());
    for &element in elements {
        shares.push(Share::from_bytes(element).ok_or(InputError::NotCanonical)?);
    }
    Ok(shares.into_boxed_slice())
}

fn all_zero(shares: &[Share]) -> bool {
    shares.iter().all(|share| share.reveal() == Fp::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::testing::{bundle, bundle_of};
    use crate::shamir::recompose;
    use crate::testing::rng;

    fn sharing() -> Sharing {
        Sharing::new(3, 1).unwrap()
    }

    #[test]
    fn what_is_dealt_reads_back_as_shares_of_the_readings() {
        let bundle = bundle(&[4, 14]);
        let readings = [Some(Steps::One(9)), Some(Steps::One(612))];
        let dealt = deal(&bundle, Terms::of_at_least(7), &readings, sharing(), &mut rng(1)).unwrap();
        let inputs: Vec<_> = dealt.iter().map(|plaintext| Input::read(&bundle, plaintext).unwrap()).collect();
        for (place, v) in [(0, 9), (1, 612)] {
            let share =
                |input: &Input| recompose(input.bits(place, &bundle.streams[place]).unwrap()).reveal();
            let partials: Vec<_> = sharing().indices().zip(inputs.iter().map(share)).collect();
            assert_eq!(sharing().open(&partials).unwrap().value.to_u64(), v);
        }
        assert_eq!(inputs[0].terms().minimum_cohort, 7);
    }

    #[test]
    fn a_part_carries_its_elements_of_the_whole_vector() {
        // Elements 2 and 3 of five, of 4 bits each, and the last one.
        let parts = [bundle_of(&[(4, 2, 2)]), bundle_of(&[(4, 4, 1)])];
        let whole = Some(Steps::Many(Arc::new(Zeroizing::new(vec![1, 2, 13, 4, 15]))));
        for (bundle, expected) in parts.iter().zip([&[13, 4][..], &[15]]) {
            let readings = std::slice::from_ref(&whole);
            let dealt = deal(bundle, Terms::default(), readings, sharing(), &mut rng(6)).unwrap();
            let inputs: Vec<_> =
                dealt.iter().map(|plaintext| Input::read(bundle, plaintext).unwrap()).collect();
            for (at, &v) in expected.iter().enumerate() {
                let share = |input: &Input| {
                    let bits = input.bits(0, &bundle.streams[0]).unwrap();
                    assert_eq!(bits.len(), bundle.streams[0].width());
                    recompose(&bits[4 * at..4 * (at + 1)]).reveal()
                };
                let partials: Vec<_> = sharing().indices().zip(inputs.iter().map(share)).collect();
                assert_eq!(sharing().open(&partials).unwrap().value.to_u64(), v);
            }
        }
    }

    #[test]
    fn a_vector_too_short_for_its_part_is_not_dealt() {
        let bundle = bundle_of(&[(4, 2, 2)]);
        for reading in [Steps::Many(Arc::new(Zeroizing::new(vec![1, 2, 3]))), Steps::One(1)] {
            let refused = deal(&bundle, Terms::default(), &[Some(reading)], sharing(), &mut rng(7));
            assert!(matches!(refused, Err(ShareError::WrongLength { need: 4, .. })));
        }
    }

    #[test]
    fn a_reading_is_never_printed() {
        let vector = Steps::Many(Arc::new(Zeroizing::new(vec![612])));
        assert_eq!(format!("{vector:?} {:?}", Steps::One(612)), "<redacted> <redacted>");
    }

    #[test]
    fn a_gap_is_as_long_as_a_reading() {
        let bundle = bundle(&[14]);
        let len =
            |reading| deal(&bundle, Terms::default(), &[reading], sharing(), &mut rng(2)).unwrap()[0].len();
        assert_eq!(len(None), len(Some(Steps::One(0))));
        assert_eq!(len(None), plaintext_len(&bundle));
        let part = bundle_of(&[(3, 0, 2)]);
        let len =
            |reading| deal(&part, Terms::default(), &[reading], sharing(), &mut rng(2)).unwrap()[0].len();
        assert_eq!(len(None), len(Some(Steps::Many(Arc::new(Zeroizing::new(vec![7, 0]))))));
        assert_eq!(len(None), plaintext_len(&part));
    }

    #[test]
    fn an_input_fits_no_bundle_of_another_form() {
        let (one, other) = (bundle(&[4, 14]), bundle(&[14]));
        let dealt = deal(&one, Terms::default(), &[None, None], sharing(), &mut rng(5)).unwrap();
        let input = Input::read(&one, &dealt[0]).unwrap();
        assert!(input.fits(&one) && !input.fits(&other) && !input.fits(&bundle(&[4, 13])));
    }

    #[test]
    fn garbage_is_refused() {
        let bundle = bundle(&[2]);
        let dealt = deal(&bundle, Terms::default(), &[Some(Steps::One(1))], sharing(), &mut rng(3)).unwrap();
        let garbled = |change: fn(&mut Vec<u8>)| {
            let mut plaintext = dealt[0].to_vec();
            change(&mut plaintext);
            Input::read(&bundle, &plaintext).unwrap_err()
        };
        const AT: usize = TERMS_BYTES;
        assert_eq!(garbled(|p| p[AT - 1] = 1), InputError::Terms);
        assert_eq!(garbled(|p| p[AT] = 2), InputError::Presence);
        assert_eq!(garbled(|p| p[AT] = 0), InputError::GapNotEmpty);
        assert_eq!(garbled(|p| p[AT + 1..].fill(0xff)), InputError::NotCanonical);
        let need = AT + 17;
        assert_eq!(garbled(|p| p.push(0)), InputError::Length { have: need + 1, need });
        assert_eq!(garbled(Vec::clear), InputError::Length { have: 0, need });
    }

    #[test]
    fn a_reading_that_does_not_fit_is_not_dealt() {
        let bundle = bundle(&[2]);
        assert!(deal(&bundle, Terms::default(), &[Some(Steps::One(4))], sharing(), &mut rng(4)).is_err());
        assert!(deal(&bundle, Terms::default(), &[], sharing(), &mut rng(4)).is_err());
    }
}
