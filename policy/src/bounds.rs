//! How deep and how long a rule may be.
//!
//! The parser and the validator call themselves once per level, and so does whoever drops what they made. Before they
//! see a text, it is made sure that no rule has more levels than their stack has room for.

use crate::error::Flaw;

/// The most brackets around anything.
pub(crate) const MAX_DEPTH: usize = 32;
/// The longest rule, in bytes, comments and what is in quotes left out: chains of operators are levels, too.
pub(crate) const MAX_RULE: usize = 2 * 1024;

/// The first place where a text goes beyond.
///
/// # Errors
/// The byte, and what is too much there.
pub(crate) fn check(text: &str) -> Result<(), (usize, Flaw)> {
    let (mut depth, mut length) = (0_usize, 0_usize);
    let mut bytes = text.bytes().enumerate().peekable();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'/' if bytes.peek().is_some_and(|&(_, next)| next == b'/') => {
                bytes.find(|&(_, byte)| byte == b'\n');
            }
            b'"' => {
                while let Some((_, byte)) = bytes.next() {
                    match byte {
                        b'\\' => drop(bytes.next()),
                        b'"' => break,
                        _ => {}
                    }
                }
                length += 2;
            }
            b';' => (depth, length) = (0, 0),
            b'(' | b'[' | b'{' => (depth, length) = (depth + 1, length + 1),
            b')' | b']' | b'}' => (depth, length) = (depth.saturating_sub(1), length + 1),
            _ if byte.is_ascii_whitespace() => {}
            _ => length += 1,
        }
        if depth > MAX_DEPTH {
            return Err((at, Flaw::TooDeep));
        }
        if length > MAX_RULE {
            return Err((at, Flaw::RuleTooLong));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn what_is_quoted_or_a_comment_has_no_depth_and_no_length() {
        let brackets = "(".repeat(MAX_RULE + 1);
        assert!(check(&format!("// {brackets}\n\"{brackets}\\\"{brackets}\";")).is_ok());
        let (at, flaw) = check(&format!("\"a\\\\\" {brackets}")).unwrap_err();
        assert_eq!((at, flaw), (6 + MAX_DEPTH, Flaw::TooDeep));
    }

    #[test]
    fn each_rule_has_its_own_length() {
        let rule = "x".repeat(MAX_RULE);
        assert!(check(&format!("{rule};{rule};{rule}")).is_ok());
        assert_eq!(check(&format!("{rule};{rule} y")).unwrap_err().1, Flaw::RuleTooLong);
    }
}
