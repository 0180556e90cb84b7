//! Reading an envelope.

use std::num::NonZeroU32;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::write::TAG_BYTES;
use super::{EnvelopeError, KeyEpoch, PROTOCOL_VERSION};
use crate::base64url;
use crate::name::NodeName;
use crate::time::{Period, WindowIndex};

/// An envelope that was read but not opened: nothing in it is known to be true yet.
#[derive(Debug, Clone)]
pub struct Envelope<'a> {
    site: &'a str,
    from: NodeName,
    to: &'a str,
    epoch: KeyEpoch,
    enc: [u8; 32],
    counter: u64,
    window: Option<(Period, WindowIndex)>,
    part: u32,
    ciphertext: &'a str,
}

/// The keys of the JSON object.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document<'a> {
    v: u64,
    site: &'a str,
    from: NodeName,
    to: &'a str,
    epoch: KeyEpoch,
    enc: &'a str,
    n: &'a str,
    period: Option<Period>,
    window: Option<WindowIndex>,
    part: Option<NonZeroU32>,
    ct: &'a str,
}

/// Enough of an envelope of any version to tell which it is.
#[derive(Deserialize)]
struct AnyVersion {
    v: u64,
}

impl<'a> Envelope<'a> {
    /// Reads the JSON of an envelope of at most `max` bytes.
    ///
    /// # Errors
    /// [`EnvelopeError::Malformed`], [`EnvelopeError::TooLarge`] or [`EnvelopeError::Version`].
    pub fn parse(bytes: &'a [u8], max: usize) -> Result<Self, EnvelopeError> {
        if bytes.len() > max {
            return Err(EnvelopeError::TooLarge { have: bytes.len(), max });
        }
        let document: Document<'a> = serde_json::from_slice(bytes).map_err(|_| other_version(bytes))?;
        if document.v != PROTOCOL_VERSION {
            return Err(EnvelopeError::Version(document.v));
        }
        Self::validate(document).ok_or(EnvelopeError::Malformed)
    }

    fn validate(document: Document<'a>) -> Option<Self> {
        let Document { site, from, to, epoch, enc, n, period, window, part, ct, .. } = document;
        let window = match (period, window) {
            (Some(period), Some(window)) => Some((period, window)),
            (None, None) if part.is_none() => None,
            _ => return None,
        };
        let (enc, counter) = (base64url::decode(enc)?, parse_counter(n)?);
        let part = part.map_or(0, NonZeroU32::get);
        Some(Self { site, from, to, epoch, enc, counter, window, part, ciphertext: ct })
    }

    /// The site, as written; compared when the envelope is opened.
    pub fn site(&self) -> &'a str {
        self.site
    }

    /// Who claims to have sent it: whose key to open it with.
    pub fn from(&self) -> &NodeName {
        &self.from
    }

    /// The receiver, as written; compared when the envelope is opened.
    pub fn to(&self) -> &'a str {
        self.to
    }

    /// The epoch of the receiver's key that it is sealed to.
    pub fn epoch(&self) -> KeyEpoch {
        self.epoch
    }

    /// The encapsulation.
    pub fn enc(&self) -> &[u8; 32] {
        &self.enc
    }

    /// Which message of its channel it is, from 0.
    pub fn counter(&self) -> u64 {
        self.counter
    }

    /// The period and window of an input; none for a message between peers.
    pub fn window(&self) -> Option<(Period, WindowIndex)> {
        self.window
    }

    /// Which of the sender's messages of that window it is: 0 unless it carries a part of a vector.
    pub fn part(&self) -> u32 {
        self.part
    }

    /// The ciphertext with its tag; none unless it is canonical base64url of at least a tag.
    pub(super) fn ciphertext(&self) -> Option<Zeroizing<Vec<u8>>> {
        let mut bytes = Zeroizing::new(vec![0; self.ciphertext.len() * 3 / 4]);
        let decoded = URL_SAFE_NO_PAD.decode_slice(self.ciphertext, &mut bytes).ok()?;
        (decoded == bytes.len() && decoded >= TAG_BYTES).then_some(bytes)
    }
}

/// Sixteen lower-case hexadecimal digits: one text per number.
fn parse_counter(text: &str) -> Option<u64> {
    let digit = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
    if text.len() == 16 && text.bytes().all(digit) { u64::from_str_radix(text, 16).ok() } else { None }
}

/// What to say of bytes that are no envelope of this version.
fn other_version(bytes: &[u8]) -> EnvelopeError {
    match serde_json::from_slice(bytes) {
        Ok(AnyVersion { v }) if v != PROTOCOL_VERSION => EnvelopeError::Version(v),
        _ => EnvelopeError::Malformed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: &str = concat!(
        r#"{"v":1,"site":"hq","from":"room-101","to":"tenant","epoch":20780,"#,
        r#""enc":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","n":"00000000000000ff","#,
        r#""ct":"AAAAAAAAAAAAAAAAAAAAAA"}"#
    );

    fn refused(json: &str) -> EnvelopeError {
        Envelope::parse(json.as_bytes(), 1024).unwrap_err()
    }

    #[test]
    fn the_header_is_read() {
        let envelope = Envelope::parse(PEER.as_bytes(), 1024).unwrap();
        assert_eq!((envelope.site(), envelope.from().as_str(), envelope.to()), ("hq", "room-101", "tenant"));
        assert_eq!((envelope.epoch(), envelope.counter(), envelope.window()), (KeyEpoch(20_780), 255, None));
        assert_eq!(envelope.ciphertext().unwrap().len(), TAG_BYTES);
    }

    #[test]
    fn a_part_is_named_and_nothing_else_is() {
        let input = PEER.replacen("\"ct\"", "\"period\":60000,\"window\":1,\"ct\"", 1);
        assert_eq!(Envelope::parse(input.as_bytes(), 1024).unwrap().part(), 0);
        let part = input.replacen("\"ct\"", "\"part\":3,\"ct\"", 1);
        assert_eq!(Envelope::parse(part.as_bytes(), 1024).unwrap().part(), 3);
    }

    #[test]
    fn what_is_no_envelope_is_refused() {
        for (from, to) in [
            ("hq\"", "hq\",\"x\":1"),
            ("\"hq\"", "\"\\u0068q\""),
            ("\"hq\"", "7"),
            ("room-101", "room/101"),
            ("20780", "-1"),
            ("20780", "1.5"),
            ("20780", "\"1\""),
            ("00ff", "00FF"),
            ("00ff", "0ff"),
            ("00ff", "+0ff"),
            ("enc\":\"A", "enc\":\""),
            ("enc\":\"A", "enc\":\"+"),
            ("AAAAAA\",\"n\"", "AAAAAB\",\"n\""),
            ("AAAAAA\",\"n\"", "AAAAA=\",\"n\""),
            ("\"ct\"", "\"period\":60000,\"ct\""),
            ("\"ct\"", "\"window\":1,\"ct\""),
            ("\"ct\"", "\"period\":1,\"window\":1,\"ct\""),
            ("\"ct\"", "\"part\":1,\"ct\""),
            ("\"ct\"", "\"period\":60000,\"window\":1,\"part\":0,\"ct\""),
            ("\"ct\"", "\"period\":60000,\"window\":1,\"part\":-1,\"ct\""),
            ("\"ct\"", "\"period\":60000,\"window\":1,\"part\":4294967296,\"ct\""),
            ("\"v\":1", "\"v\":1,\"v\":1"),
            ("\"v\":1,", ""),
            ("}", "}x"),
        ] {
            assert!(PEER.contains(from), "{from}");
            assert_eq!(refused(&PEER.replacen(from, to, 1)), EnvelopeError::Malformed, "{from} -> {to}");
        }
        for garbage in ["", "null", "[]", "{}", "\u{0}", &"[".repeat(1_000), &r#"{"v":"#.repeat(100)] {
            assert_eq!(refused(garbage), EnvelopeError::Malformed, "{garbage}");
        }
        assert_eq!(Envelope::parse(&[0xff, 0xfe], 1024).unwrap_err(), EnvelopeError::Malformed);
    }

    #[test]
    fn other_versions_and_large_ones_are_told_apart() {
        assert_eq!(refused(&PEER.replace("\"v\":1", "\"v\":2")), EnvelopeError::Version(2));
        assert_eq!(refused(r#"{"v":3,"novelty":{"deep":[]}}"#), EnvelopeError::Version(3));
        let max = PEER.len() - 1;
        let too_large = EnvelopeError::TooLarge { have: PEER.len(), max };
        assert_eq!(Envelope::parse(PEER.as_bytes(), max).unwrap_err(), too_large);
    }

    #[test]
    fn ciphertexts_have_one_text() {
        for (text, good) in
            [("AAAAAAAAAAAAAAAAAAAAAA", true), ("AAAAAAAAAAAAAAAAAAAAAB", false), ("AA", false)]
        {
            let json = PEER.replace("AAAAAAAAAAAAAAAAAAAAAA\"}", &format!("{text}\"}}"));
            assert_eq!(
                Envelope::parse(json.as_bytes(), 1024).unwrap().ciphertext().is_some(),
                good,
                "{text}"
            );
        }
    }
}
