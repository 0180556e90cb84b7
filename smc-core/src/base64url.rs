//! Base64url without padding, one text for each sequence of bytes.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroize;

/// The text of `bytes`.
pub(crate) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// How long the text of `bytes` bytes is.
pub(crate) const fn encoded_len(bytes: usize) -> usize {
    (bytes * 4).div_ceil(3)
}

/// The `N` bytes that `text` is the one text of; none for padding, stray bits or another length.
pub(crate) fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() == encoded_len(N) && URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) == Ok(N) {
        return Some(bytes);
    }
    bytes.zeroize();
    None
}

/// The bytes that `text` is the one text of, however many; none for padding or stray bits.
pub(crate) fn decode_vec(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_text_for_some_bytes() {
        assert_eq!(encode(&[0xff, 0xfe]), "__4");
        assert_eq!(decode(encode(&[0xff, 0xfe]).as_str()), Some([0xff, 0xfe]));
        for refused in ["__5", "__4=", "__", "//4", "__4 ", ""] {
            assert_eq!(decode::<2>(refused), None, "{refused:?}");
        }
        assert_eq!(encoded_len(32), 43);
    }
}
