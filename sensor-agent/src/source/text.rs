//! Readings as devices and tables write them.

use super::{GapReason, Reading};

/// Words that stand for 1 and 0, compared without regard to case; `on`, `true` and `off`, `false` where `None`.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Words<'a> {
    pub(super) on: Option<&'a [String]>,
    pub(super) off: Option<&'a [String]>,
}

/// Whether `text` is written like a vector.
pub(super) fn is_vector(text: &str) -> bool {
    text.starts_with('[') || text.contains(';')
}

/// The vector that `text` stands for: numbers with `;` between them, or with `,` between them in brackets.
pub(super) fn read_vector(text: &str) -> Result<Reading, GapReason> {
    let (text, separator) = match text.strip_prefix('[') {
        Some(rest) => (rest.strip_suffix(']').ok_or(GapReason::Unparsable)?, ','),
        None => (text, ';'),
    };
    Reading::vector(text.split(separator).map(|element| Words::default().number(element)))
}

impl Words<'_> {
    /// The reading that `text` stands for: one of these words, or a number in decimal or scientific notation.
    pub(super) fn read(self, text: &str) -> Result<Reading, GapReason> {
        Reading::new(self.number(text)?).ok_or(GapReason::NotANumber)
    }

    /// The same as a number, finite or not.
    pub(super) fn number(self, text: &str) -> Result<f64, GapReason> {
        let text = text.trim();
        if text.is_empty() {
            return Err(GapReason::Missing);
        }
        let is = |own: Option<&[String]>, usual: [&str; 2]| match own {
            Some(words) => words.iter().any(|word| word.eq_ignore_ascii_case(text)),
            None => usual.iter().any(|word| word.eq_ignore_ascii_case(text)),
        };
        Ok(match (is(self.on, ["on", "true"]), is(self.off, ["off", "false"])) {
            (true, _) => 1.0,
            (false, true) => 0.0,
            (false, false) => text.parse().map_err(|_| GapReason::Unparsable)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<f64, GapReason> {
        Words::default().read(text).map(|reading| reading.reveal()[0])
    }

    #[test]
    fn numbers_and_words_are_read() {
        for (text, value) in [
            ("21.3", 21.3),
            (" -4\n", -4.0),
            ("+7", 7.0),
            ("1.2e3", 1200.0),
            ("ON", 1.0),
            ("off", 0.0),
            ("True", 1.0),
            ("0", 0.0),
        ] {
            assert_eq!(read(text), Ok(value), "{text:?}");
        }
        let (open, closed) = (["open".to_owned()], ["closed".to_owned()]);
        let contact = Words { on: Some(&open), off: Some(&closed) };
        assert_eq!(contact.read("Open").map(|r| r.reveal()[0]), Ok(1.0));
        assert_eq!(
            contact.read("on"),
            Err(GapReason::Unparsable),
            "own words take the place of the default ones"
        );
    }

    #[test]
    fn vectors_are_read() {
        let read = |text: &str| read_vector(text).map(|reading| reading.reveal().to_vec());
        for text in ["1;2.5;-3", "1; 2.5 ;-3", "[1,2.5,-3]", "[ 1, 2.5, -3 ]"] {
            assert!(is_vector(text));
            assert_eq!(read(text), Ok(vec![1.0, 2.5, -3.0]), "{text}");
        }
        for (text, reason) in [
            ("1;;3", GapReason::Missing),
            ("[]", GapReason::Missing),
            ("1;x", GapReason::Unparsable),
            ("[1,2", GapReason::Unparsable),
            ("[1;2]", GapReason::Unparsable),
            ("[[1],[2]]", GapReason::Unparsable),
            ("1;nan", GapReason::NotANumber),
        ] {
            assert!(is_vector(text));
            assert_eq!(read(text), Err(reason), "{text}");
        }
        assert!(!is_vector("21.5") && !is_vector("on"));
    }

    #[test]
    fn all_else_has_its_reason() {
        for (text, reason) in [
            ("", GapReason::Missing),
            (" ", GapReason::Missing),
            ("nan", GapReason::NotANumber),
            ("-inf", GapReason::NotANumber),
            ("1e999", GapReason::NotANumber),
            ("21,3", GapReason::Unparsable),
            ("21.3 C", GapReason::Unparsable),
            ("0x10", GapReason::Unparsable),
            ("{}", GapReason::Unparsable),
        ] {
            assert_eq!(read(text), Err(reason), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn every_finite_number_reads_back(value in any::<f64>().prop_filter("finite", |v| v.is_finite())) {
            prop_assert_eq!(read(&value.to_string()), Ok(value));
        }
    }
}
