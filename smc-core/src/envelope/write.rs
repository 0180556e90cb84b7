//! The JSON form of an envelope: one line, fixed key order, of a width that does not depend on what is sealed.

use std::io::Write;

use aes_gcm::aead::array::Array;
use aes_gcm::aead::consts::U12;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{Binding, KeyEpoch, PROTOCOL_VERSION};
use crate::base64url;

/// How much longer a ciphertext is than its plaintext.
pub(super) const TAG_BYTES: usize = 16;
/// More than all numbers, keys and punctuation of a header take.
const MAX_HEADER: usize = 256;
/// How many bytes are encoded at a time: a multiple of 3, so that only the last piece has an odd end.
const PIECE: usize = 768;

/// The nonce of message `counter`: 96 bits, big-endian.
pub(super) fn nonce(counter: u64) -> Array<u8, U12> {
    let mut nonce = Array::default();
    nonce[4..].copy_from_slice(&counter.to_be_bytes());
    nonce
}

/// What is written before the ciphertext.
pub(super) struct Header<'a> {
    pub(super) site: &'a str,
    pub(super) from: &'a str,
    pub(super) to: &'a str,
    pub(super) epoch: KeyEpoch,
    /// The encapsulation in base64url.
    pub(super) enc: &'a str,
    pub(super) counter: u64,
    pub(super) binding: &'a Binding,
}

impl Header<'_> {
    /// The bytes of the whole envelope. `seal` gets the plaintext with room for the tag behind it and turns both
    /// into ciphertext in place.
    pub(super) fn write<E>(
        &self,
        plaintext: &[u8],
        seal: impl FnOnce(&mut [u8]) -> Result<(), E>,
    ) -> Result<Vec<u8>, E> {
        let sealed = plaintext.len() + TAG_BYTES;
        let encoded = base64url::encoded_len(sealed);
        let names = self.site.len() + self.from.len() + self.to.len();
        let mut bytes = Vec::with_capacity(MAX_HEADER + names + encoded);
        self.write_header(&mut bytes);
        let start = bytes.len();
        // The plaintext is put at the end of where its text will be, and the text grows towards it: after k bytes
        // it is ceil(4k/3) long and the rest begins at encoded - sealed + k, never before it.
        bytes.resize(start + encoded - sealed, 0);
        bytes.extend_from_slice(plaintext);
        bytes.resize(start + encoded, 0);
        seal(&mut bytes[start + encoded - sealed..])?;
        encode_in_place(&mut bytes[start..], sealed);
        bytes.extend_from_slice(b"\"}");
        Ok(bytes)
    }

    /// Names need no escaping: they are letters, digits, `-` and `_`. Writing to a vector does not fail.
    fn write_header(&self, bytes: &mut Vec<u8>) {
        let Self { site, from, to, epoch, enc, counter, binding } = self;
        let _ = write!(
            bytes,
            r#"{{"v":{PROTOCOL_VERSION},"site":"{site}","from":"{from}","to":"{to}","epoch":{epoch},"#
        );
        let _ = write!(bytes, r#""enc":"{enc}","n":"{counter:016x}","#);
        if let Binding::Input { period, window, part, .. } = binding {
            let _ = write!(bytes, r#""period":{},"window":{window},"#, period.as_millis());
            if *part > 0 {
                let _ = write!(bytes, r#""part":{part},"#);
            }
        }
        bytes.extend_from_slice(br#""ct":""#);
    }
}

/// Turns the last `raw` bytes of `region` into base64url that fills the region.
fn encode_in_place(region: &mut [u8], raw: usize) {
    let mut piece = [0; PIECE];
    let mut read = region.len() - raw;
    let mut written = 0;
    while read < region.len() {
        let taken = PIECE.min(region.len() - read);
        piece[..taken].copy_from_slice(&region[read..read + taken]);
        read += taken;
        let room = base64url::encoded_len(taken);
        // The room is exactly what `taken` bytes need, so this does not fail.
        let _ = URL_SAFE_NO_PAD.encode_slice(&piece[..taken], &mut region[written..written + room]);
        written += room;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoding_in_place_is_encoding() {
        for raw in (0..20).chain([767, 768, 769, 770, 5_000]) {
            let bytes: Vec<u8> = (0..raw).map(|i| (i * 7 % 251) as u8).collect();
            let encoded = base64url::encode(&bytes);
            let mut region = vec![0; encoded.len() - raw];
            region.extend_from_slice(&bytes);
            encode_in_place(&mut region, raw);
            assert_eq!(region, encoded.as_bytes(), "{raw}");
        }
    }
}
