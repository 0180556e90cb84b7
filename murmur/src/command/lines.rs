//! Lines of bounded length.

use std::io::{self, BufRead};

use smc_mqtt::settings::DEFAULT_MAX_PACKET;

/// The longest line that is looked into, in bytes: the largest message. A number that nine peers signed has about two
/// thousand.
pub(crate) const MAX_LINE: usize = DEFAULT_MAX_PACKET;

/// One line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line<'a> {
    /// Nothing but white space.
    Blank,
    /// Some bytes, without the white space around them.
    Text(&'a [u8]),
    /// More than [`MAX_LINE`] bytes.
    TooLong,
}

/// Reads lines and never keeps more than one.
#[derive(Debug)]
pub(crate) struct Lines<R> {
    input: R,
    line: Vec<u8>,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    pub(crate) fn new(input: R) -> Self {
        Self { input, line: Vec::new(), number: 0 }
    }

    /// The next line with its number, counted from 1.
    ///
    /// # Errors
    /// If the input can't be read.
    pub(crate) fn next(&mut self) -> io::Result<Option<(u64, Line<'_>)>> {
        self.line.clear();
        let (mut length, mut ended) = (0_usize, false);
        while !ended {
            let chunk = match self.input.fill_buf() {
                Ok(chunk) => chunk,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if chunk.is_empty() {
                break;
            }
            let newline = chunk.iter().position(|&byte| byte == b'\n');
            let taken = newline.map_or(chunk.len(), |at| at + 1);
            length = length.saturating_add(taken);
            if length <= MAX_LINE {
                self.line.extend_from_slice(&chunk[..taken]);
            }
            ended = newline.is_some();
            self.input.consume(taken);
        }
        if length == 0 {
            return Ok(None);
        }
        self.number += 1;
        Ok(Some((self.number, self.read(length))))
    }

    fn read(&self, length: usize) -> Line<'_> {
        match self.line.trim_ascii() {
            _ if length > MAX_LINE => Line::TooLong,
            [] => Line::Blank,
            bytes => Line::Text(bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn lines(input: &[u8]) -> Vec<String> {
        let mut lines = Lines::new(io::BufReader::with_capacity(7, Cursor::new(input.to_vec())));
        let mut all = Vec::new();
        while let Some((number, line)) = lines.next().unwrap() {
            all.push(match line {
                Line::Blank => format!("{number} blank"),
                Line::Text(bytes) => format!("{number} {}", String::from_utf8_lossy(bytes)),
                Line::TooLong => format!("{number} too long"),
            });
        }
        all
    }

    #[test]
    fn lines_are_counted_and_trimmed() {
        assert_eq!(lines(b""), Vec::<String>::new());
        assert_eq!(lines(b"one\r\n\n  two two two\nthree"), ["1 one", "2 blank", "3 two two two", "4 three"]);
    }

    #[test]
    fn a_line_that_is_too_long_is_skipped_alone() {
        let mut input = vec![b'x'; MAX_LINE];
        input.extend_from_slice(b"\nafter\n");
        assert_eq!(lines(&input), ["1 too long", "2 after"]);
        let fits = lines(&input[1..]);
        assert_eq!(fits[0].len(), MAX_LINE - 1 + "1 ".len());
    }
}
