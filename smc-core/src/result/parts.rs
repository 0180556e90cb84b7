//! Values that are too long for one message: published in parts, for which the result vouches by their digests
//! (docs/protocol.md, 4.8).

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::VERSION;
use crate::digest::Digest;
use crate::document::canonical;
use crate::name::{QueryName, SiteName};
use crate::quantity::MAX_ELEMENTS;
use crate::time::WindowIndex;
use crate::value::Value;

/// The most elements that one message has. A number takes at most 24 characters and a comma: 600 KiB, where brokers
/// take a mebibyte.
pub const PART_ELEMENTS: usize = 24 * 1024;

/// What a result says about a value that is published beside it: its shape, and what its parts must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Stated")]
pub struct Parts {
    elements: u32,
    digests: Vec<Digest>,
}

/// The same as it was read, to be checked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stated {
    elements: u32,
    digests: Vec<Digest>,
}

/// One part of a value. It is published in its RFC 8785 form, whose SHA-256 is its digest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartDocument {
    /// [`VERSION`].
    pub v: u8,
    /// The site.
    pub site: SiteName,
    /// What was asked.
    pub query: QueryName,
    /// When.
    pub window: WindowIndex,
    /// Which part, from 0.
    pub part: u16,
    /// [`PART_ELEMENTS`] elements; of the last part what remains.
    pub elements: Vec<Value>,
}

/// Why parts or a part are not what a result vouches for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PartsError {
    /// Not the bytes that the peers signed for.
    #[error("part {part} is not the one that the peers signed for")]
    Altered {
        /// Which.
        part: u16,
    },
    /// The part has another number, or another number of elements, than its place.
    #[error("part {part} does not fit its place")]
    Misplaced {
        /// Which.
        part: u16,
    },
    /// There is no such part.
    #[error("there is no part {part} of {of}")]
    None {
        /// Which.
        part: u16,
        /// How many there are.
        of: usize,
    },
    /// The digests don't go with the number of elements.
    #[error("{digests} digests do not go with {elements} elements")]
    Shape {
        /// How many elements there are to be.
        elements: u32,
        /// How many parts.
        digests: usize,
    },
}

impl TryFrom<Stated> for Parts {
    type Error = PartsError;
    fn try_from(Stated { elements, digests }: Stated) -> Result<Self, PartsError> {
        let long = (PART_ELEMENTS + 1..=MAX_ELEMENTS as usize).contains(&(elements as usize));
        if long && digests.len() == (elements as usize).div_ceil(PART_ELEMENTS) {
            Ok(Self { elements, digests })
        } else {
            Err(PartsError::Shape { elements, digests: digests.len() })
        }
    }
}

/// The digest of a part as it was published.
fn digest(payload: &[u8]) -> Digest {
    Digest(Sha256::digest(payload).into())
}

impl Parts {
    /// Cuts a list that is too long for one message: what its result says of it, and the parts as they are to be
    /// published. Any other value stays in its result.
    pub fn cut(
        site: &SiteName,
        query: &QueryName,
        window: WindowIndex,
        value: &Value,
    ) -> Option<(Self, Vec<Arc<[u8]>>)> {
        let Value::List(elements) = value else { return None };
        if elements.len() <= PART_ELEMENTS {
            return None;
        }
        let payload = |(part, elements): (u16, &[Value])| -> Arc<[u8]> {
            let (site, query, elements) = (site.clone(), query.clone(), elements.to_vec());
            canonical(&PartDocument { v: VERSION, site, query, window, part, elements }).into()
        };
        let payloads: Vec<_> = (0..).zip(elements.chunks(PART_ELEMENTS)).map(payload).collect();
        let digests = payloads.iter().map(|payload| digest(payload)).collect();
        let elements = u32::try_from(elements.len()).ok()?;
        Some((Self { elements, digests }, payloads))
    }

    /// How many elements the value has.
    pub fn elements(&self) -> u32 {
        self.elements
    }

    /// How many parts there are.
    pub fn count(&self) -> usize {
        self.digests.len()
    }

    /// Whether `part`, which was read from `payload`, is the one that the result vouches for.
    ///
    /// # Errors
    /// If it is not; nothing of it is to be believed then.
    pub fn admit(&self, part: &PartDocument, payload: &[u8]) -> Result<(), PartsError> {
        let (number, of) = (part.part, self.count());
        let stated = self.digests.get(usize::from(number)).ok_or(PartsError::None { part: number, of })?;
        if digest(payload) != *stated {
            return Err(PartsError::Altered { part: number });
        }
        // Peers that follow the protocol never sign for such parts.
        let before = usize::from(number) * PART_ELEMENTS;
        let fits = (self.elements as usize - before).min(PART_ELEMENTS);
        if part.elements.len() == fits { Ok(()) } else { Err(PartsError::Misplaced { part: number }) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn cut(elements: usize) -> Option<(Parts, Vec<Arc<[u8]>>)> {
        let value: Value = serde_json::from_value(json!((0..elements).collect::<Vec<_>>())).unwrap();
        let (site, query) = ("hq".parse().unwrap(), "gradient".parse().unwrap());
        Parts::cut(&site, &query, WindowIndex(7), &value)
    }

    fn read(payload: &[u8]) -> PartDocument {
        serde_json::from_slice(payload).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(8))]

        #[test]
        fn a_long_list_is_cut_and_put_together_again(
            elements in prop::sample::select(vec![
                PART_ELEMENTS + 1, 2 * PART_ELEMENTS - 1, 2 * PART_ELEMENTS, 2 * PART_ELEMENTS + 1, 100_000,
            ]),
        ) {
            let (parts, payloads) = cut(elements).unwrap();
            prop_assert_eq!((parts.elements() as usize, parts.count()), (elements, payloads.len()));
            let mut whole = Vec::new();
            for (number, payload) in (0..).zip(&payloads) {
                let part = read(payload);
                prop_assert_eq!((part.part, parts.admit(&part, payload)), (number, Ok(())));
                whole.extend(part.elements.iter().map(|element| element.as_number().unwrap() as usize));
            }
            prop_assert!(whole.into_iter().eq(0..elements));
            let stated: Parts = serde_json::from_value(serde_json::to_value(&parts).unwrap()).unwrap();
            prop_assert_eq!(stated, parts);
        }
    }

    #[test]
    fn what_fits_into_one_message_is_not_cut() {
        assert!(cut(PART_ELEMENTS).is_none() && cut(0).is_none());
    }

    #[test]
    fn the_longest_part_fits_into_a_packet_and_a_million_elements_into_a_result() {
        let longest: Value = serde_json::from_value(json!(-1.234_567_890_123_456_7e-300)).unwrap();
        let value = Value::List(vec![longest; MAX_ELEMENTS as usize]);
        let name = "n".repeat(crate::name::MAX_NAME);
        let (site, query) = (name.parse().unwrap(), name.parse().unwrap());
        let (parts, payloads) = Parts::cut(&site, &query, WindowIndex((1 << 53) - 1), &value).unwrap();
        assert!(payloads.iter().all(|payload| payload.len() < 650_000), "{}", payloads[0].len());
        assert_eq!(parts.count(), 41);
        assert!(serde_json::to_vec(&parts).unwrap().len() < 4_096);
    }

    #[test]
    fn altered_swapped_and_foreign_parts_are_refused() {
        let (parts, payloads) = cut(2 * PART_ELEMENTS + 1).unwrap();
        let mut part = read(&payloads[2]);
        let altered = String::from_utf8(payloads[2].to_vec()).unwrap().replace("[49152]", "[49153]");
        assert_eq!(
            parts.admit(&read(altered.as_bytes()), altered.as_bytes()),
            Err(PartsError::Altered { part: 2 })
        );
        let spaced = [&payloads[2][..], b" "].concat();
        assert_eq!(parts.admit(&part, &spaced), Err(PartsError::Altered { part: 2 }));
        part.part = 1;
        assert_eq!(parts.admit(&part, &payloads[2]), Err(PartsError::Altered { part: 1 }));
        part.part = 3;
        assert_eq!(parts.admit(&part, &payloads[2]), Err(PartsError::None { part: 3, of: 3 }));
        let swapped = Parts { digests: parts.digests.iter().rev().copied().collect(), ..parts };
        let part = PartDocument { part: 0, ..read(&payloads[2]) };
        assert_eq!(swapped.admit(&part, &payloads[2]), Err(PartsError::Misplaced { part: 0 }));
    }

    #[test]
    fn a_shape_that_does_not_hold_together_is_no_shape() {
        let digest = digest(b"");
        for (elements, digests) in
            [(PART_ELEMENTS, 1), (PART_ELEMENTS + 1, 1), (PART_ELEMENTS + 1, 3), (1_000_001, 41), (0, 0)]
        {
            let stated = json!({ "elements": elements, "digests": vec![digest; digests] });
            assert!(serde_json::from_value::<Parts>(stated).is_err(), "{elements} {digests}");
        }
        let more = json!({ "elements": PART_ELEMENTS + 1, "digests": [digest, digest], "more": 1 });
        assert!(serde_json::from_value::<Parts>(more).is_err());
    }
}
