//! What a ciphertext is bound to.

use super::{Binding, KeyEpoch, PROTOCOL_VERSION};

const DOMAIN: &str = "murmuration envelope";
/// What kind of message it is.
const INPUT: u8 = 1;
const PEER: u8 = 2;
const PART: u8 = 3;

/// The fields that stay the same over all messages of one encapsulation.
pub(super) struct Channel<'a> {
    pub(super) site: &'a str,
    pub(super) from: &'a str,
    pub(super) to: &'a str,
    pub(super) epoch: KeyEpoch,
    pub(super) enc: &'a [u8; 32],
}

impl Channel<'_> {
    /// Appends the channel's part of the associated data. Texts have their lengths before them and numbers have
    /// a fixed width, so that no two channels are the same bytes.
    pub(super) fn append_to(&self, aad: &mut Vec<u8>) {
        append_text(aad, DOMAIN);
        append_number(aad, PROTOCOL_VERSION);
        for text in [self.site, self.from, self.to] {
            append_text(aad, text);
        }
        append_number(aad, self.epoch.0);
        aad.extend_from_slice(self.enc);
    }
}

/// Appends a message's part of the associated data.
pub(super) fn append_message(aad: &mut Vec<u8>, counter: u64, binding: &Binding) {
    append_number(aad, counter);
    match binding {
        Binding::Input { period, window, part, definition } => {
            aad.push(if *part == 0 { INPUT } else { PART });
            append_number(aad, period.as_millis());
            append_number(aad, window.0);
            if *part > 0 {
                append_number(aad, u64::from(*part));
            }
            aad.extend_from_slice(definition);
        }
        Binding::Peer => aad.push(PEER),
    }
}

pub(super) fn append_text(aad: &mut Vec<u8>, text: &str) {
    append_number(aad, text.len() as u64);
    aad.extend_from_slice(text.as_bytes());
}

pub(super) fn append_number(aad: &mut Vec<u8>, number: u64) {
    aad.extend_from_slice(&number.to_be_bytes());
}
