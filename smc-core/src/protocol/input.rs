//! The plaintext of an agent's message (docs/protocol.md, 2.2 and 2.3): one bundle, one window, one peer.
//!
//! ```text
//! minimum cohort   2 bytes, big-endian
//! per stream       1 byte: 1 = a reading, 0 = a gap
//! per stream       k elements of 8 bytes, little-endian, least significant bit first; zeros for a gap
//! ```
//! Its length depends on the bundle's definition alone, never on what was measured.

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::field::Fp;
use crate::roster::{Bundle, Stream};
use crate::shamir::{SHARE_BYTES, Share, ShareError, Sharing};

/// What an agent demands of results that cover it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Terms {
    /// The fewest agents that such a result may cover; 0 leaves it to the site.
    pub minimum_cohort: u16,
}

/// A reading as the whole number of steps above its quantity's minimum.
#[derive(Clone, Copy, PartialEq, Eq, zeroize::Zeroize)]
pub struct Steps(pub u64);

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
    /// A stream is neither present nor a gap.
    #[error("a stream that is neither a reading nor a gap")]
    Presence,
}

const TERMS_BYTES: usize = 2;
const GAP: u8 = 0;
const READING: u8 = 1;

/// The length of every plaintext of `bundle`, in bytes.
pub fn plaintext_len(bundle: &Bundle) -> usize {
    let bits: usize = bundle.streams.iter().map(|stream| stream.bits as usize).sum();
    TERMS_BYTES + bundle.streams.len() + bits * SHARE_BYTES
}

/// Shares `readings` (one per stream of the bundle; none is a gap) into one plaintext per peer, in the order of
/// peers.
///
/// # Errors
/// If there are not as many readings as streams, or one does not fit its quantity.
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
        plaintext.extend(terms.minimum_cohort.to_be_bytes());
        plaintext.extend(readings.iter().map(|reading| if reading.is_some() { READING } else { GAP }));
    }
    for (stream, reading) in bundle.streams.iter().zip(readings) {
        match reading {
            Some(Steps(v)) => sharing.share_bits(*v, stream.bits, rng, &mut plaintexts)?,
            None => {
                for plaintext in &mut plaintexts {
                    plaintext.extend(std::iter::repeat_n(0, stream.bits as usize * SHARE_BYTES));
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
        let (terms, rest) = plaintext.split_at(TERMS_BYTES);
        let (present, elements) = rest.split_at(bundle.streams.len());
        let input = Self {
            terms: Terms { minimum_cohort: u16::from_be_bytes([terms[0], terms[1]]) },
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
        let bits = bundle.streams.last().map_or(0, |last| last.first_bit + last.bits as usize);
        self.present.len() == bundle.streams.len() && self.shares.len() == bits
    }

    /// What the agent demands.
    pub fn terms(&self) -> Terms {
        self.terms
    }

    /// Whether there is a reading of the stream at `place`.
    pub fn has(&self, place: usize) -> bool {
        self.present.get(place).copied().unwrap_or(false)
    }

    /// The shares of the bits of `stream`, the one at `place`; none for a gap.
    pub fn bits(&self, place: usize, stream: &Stream) -> Option<&[Share]> {
        self.has(place).then(|| self.range(stream))
    }

    fn range(&self, stream: &Stream) -> &[Share] {
        &self.shares[stream.first_bit..stream.first_bit + stream.bits as usize]
    }
}

impl PartialEq for Input {
    fn eq(&self, other: &Self) -> bool {
        let reveal = |input: &Self| input.shares.iter().map(Share::reveal).collect::<Vec<_>>();
        self.terms == other.terms && self.present == other.present && reveal(self) == reveal(other)
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
    use crate::protocol::testing::bundle;
    use crate::shamir::recompose;
    use crate::testing::rng;

    fn sharing() -> Sharing {
        Sharing::new(3, 1).unwrap()
    }

    #[test]
    fn what_is_dealt_reads_back_as_shares_of_the_readings() {
        let bundle = bundle(&[4, 14]);
        let readings = [Some(Steps(9)), Some(Steps(612))];
        let dealt = deal(&bundle, Terms { minimum_cohort: 7 }, &readings, sharing(), &mut rng(1)).unwrap();
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
    fn a_gap_is_as_long_as_a_reading() {
        let bundle = bundle(&[14]);
        let len =
            |reading| deal(&bundle, Terms::default(), &[reading], sharing(), &mut rng(2)).unwrap()[0].len();
        assert_eq!(len(None), len(Some(Steps(0))));
        assert_eq!(len(None), plaintext_len(&bundle));
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
        let dealt = deal(&bundle, Terms::default(), &[Some(Steps(1))], sharing(), &mut rng(3)).unwrap();
        let garbled = |change: fn(&mut Vec<u8>)| {
            let mut plaintext = dealt[0].to_vec();
            change(&mut plaintext);
            Input::read(&bundle, &plaintext).unwrap_err()
        };
        assert_eq!(garbled(|p| p[2] = 2), InputError::Presence);
        assert_eq!(garbled(|p| p[2] = 0), InputError::GapNotEmpty);
        assert_eq!(garbled(|p| p[3..].fill(0xff)), InputError::NotCanonical);
        assert_eq!(garbled(|p| p.push(0)), InputError::Length { have: 20, need: 19 });
        assert_eq!(garbled(Vec::clear), InputError::Length { have: 0, need: 19 });
    }

    #[test]
    fn a_reading_that_does_not_fit_is_not_dealt() {
        let bundle = bundle(&[2]);
        assert!(deal(&bundle, Terms::default(), &[Some(Steps(4))], sharing(), &mut rng(4)).is_err());
        assert!(deal(&bundle, Terms::default(), &[], sharing(), &mut rng(4)).is_err());
    }
}
