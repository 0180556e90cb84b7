//! Lines of text out of a stream of bytes that may be anything.

use zeroize::Zeroizing;

/// What stood between two ends of lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// More than a line may have; it was not kept.
    TooLong,
    /// All of it, never empty. It may hold a reading: wiped when dropped.
    Whole(Zeroizing<Vec<u8>>),
}

/// Cuts a stream of bytes into lines, which end with a line feed, a carriage return or both.
#[derive(Debug)]
pub struct Lines {
    max: usize,
    line: Zeroizing<Vec<u8>>,
    state: State,
}

/// What becomes of the line at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Kept,
    /// It began before anybody listened: half a number would be another number.
    Partial,
    TooLong,
}

impl Lines {
    /// Lines of at most `max` bytes. The first one is left out, as it may be the rest of one.
    pub fn new(max: usize) -> Self {
        Self { max, line: Zeroizing::default(), state: State::Partial }
    }

    /// The lines that end within `bytes`, which follow what was pushed before.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Line> {
        bytes.iter().filter_map(|&byte| self.next(byte)).collect()
    }

    fn next(&mut self, byte: u8) -> Option<Line> {
        if byte == b'\n' || byte == b'\r' {
            let line = std::mem::take(&mut self.line);
            return match std::mem::replace(&mut self.state, State::Kept) {
                State::Kept if !line.is_empty() => Some(Line::Whole(line)),
                State::Kept | State::Partial => None,
                State::TooLong => Some(Line::TooLong),
            };
        }
        if self.state == State::Kept && self.line.len() == self.max {
            self.state = State::TooLong;
            self.line = Zeroizing::default();
        }
        if self.state == State::Kept {
            self.line.push(byte);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn whole(text: &str) -> Line {
        Line::Whole(Zeroizing::new(text.as_bytes().to_vec()))
    }

    #[test]
    fn lines_end_one_way_or_another_and_the_first_is_left_out() {
        let mut lines = Lines::new(100);
        assert_eq!(lines.push(b"1.5\r\n21."), []);
        assert_eq!(lines.push(b"5\r\n\n22\r"), [whole("21.5"), whole("22")]);
        assert_eq!(lines.push(b"23"), []);
        assert_eq!(lines.push(b"\n"), [whole("23")]);
    }

    #[test]
    fn a_line_without_an_end_is_not_kept() {
        let mut lines = Lines::new(4);
        assert_eq!(lines.push(b"\n1234\n12345\n"), [whole("1234"), Line::TooLong]);
        assert_eq!(lines.push(&[b'9'; 100_000]), []);
        assert!(lines.line.capacity() <= 8, "{}", lines.line.capacity());
        assert_eq!(lines.push(b"\n1\n"), [Line::TooLong, whole("1")]);
    }

    proptest! {
        #[test]
        fn it_does_not_matter_how_the_stream_is_cut(
            bytes in prop::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), any::<u8>()], 0..200),
            cut in 0_usize..200,
            max in 1_usize..20,
        ) {
            let (mut at_once, mut in_two) = (Lines::new(max), Lines::new(max));
            let (head, tail) = bytes.split_at(cut.min(bytes.len()));
            let lines = at_once.push(&bytes);
            prop_assert_eq!(&lines, &[in_two.push(head), in_two.push(tail)].concat());
            for line in lines {
                let Line::Whole(line) = line else { continue };
                prop_assert!((1..=max).contains(&line.len()));
            }
        }
    }
}
