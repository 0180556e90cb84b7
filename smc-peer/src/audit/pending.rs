//! Entries that a head vouches for, on their way into the log: a plain file beside it, which each head appends to. It takes the
//! bytes that there are and no more, where SQLite would write whole pages, and those twice. What has come together goes into
//! the log in one piece, once it is much.
//!
//! A batch is a line for each entry, `TIME KIND BODY`, and one for its head, `= HEAD`. Hashes are not written down: the head says what
//! they come to, and so whether the batch is whole and continues the log.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use smc_core::audit::{Body, Head, Kind, Row, Tail, instant_of};
use smc_core::document::Signed;
use smc_core::time::Timestamp;

use crate::store::create_private;

/// What a line with a head begins with: no instant does.
const HEAD: &str = "= ";

/// The file, as the log's own peer writes it.
#[derive(Debug)]
pub(super) struct Pending {
    file: File,
    /// How many of its bytes are batches that are on disk.
    whole: u64,
    /// Whether there may be more in it: an attempt failed.
    torn: bool,
}

/// What a file has that its log has not.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// The entries.
    pub(super) rows: Vec<Row>,
    /// The heads that vouch for them: how many entries each has, and its text.
    pub(super) heads: Vec<(u64, String)>,
    /// A head that does not go on from the log, though it was on disk with all that it vouches for; what follows is not read.
    pub(super) foreign: Option<(u64, String)>,
}

/// Where the file is that belongs to the log at `path`.
pub(super) fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-pending");
    name.into()
}

impl Pending {
    /// Makes the file anew.
    ///
    /// # Errors
    /// If that failed.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        create_private(path)?;
        let file = OpenOptions::new().write(true).open(path)?;
        file.set_len(0)?;
        // Its name has to be there after a power cut, too.
        if let Some(folder) = path.parent() {
            File::open(folder)?.sync_all()?;
        }
        Ok(Self { file, whole: 0, torn: false })
    }

    /// Appends a batch; it is on disk when this returns.
    ///
    /// # Errors
    /// If that failed; the next one takes its place.
    pub(super) fn add(&mut self, batch: &str) -> io::Result<()> {
        if std::mem::replace(&mut self.torn, true) {
            self.file.set_len(self.whole)?;
        }
        self.file.write_all_at(batch.as_bytes(), self.whole)?;
        self.file.sync_data()?;
        self.whole += batch.len() as u64;
        self.torn = false;
        Ok(())
    }

    /// How long it is.
    pub(super) fn bytes(&self) -> u64 {
        self.whole
    }

    /// Forgets everything: it is in the log.
    ///
    /// # Errors
    /// If it is still there, where it does no harm.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        (self.whole, self.torn) = (0, true);
        self.file.set_len(0)?;
        self.torn = false;
        Ok(())
    }
}

/// A batch of one entry after the other, without its head.
#[derive(Debug, Default)]
pub(super) struct Batch(String);

impl Batch {
    /// Adds an entry, with the fields as a log has them.
    pub(super) fn entry(&mut self, time: &str, kind: &str, body: &str) {
        let _ = writeln!(self.0, "{time} {kind} {body}");
    }

    /// Whether there is no entry.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The batch that the head `text` vouches for.
    pub(super) fn closed(mut self, text: &str) -> String {
        let _ = writeln!(self.0, "{HEAD}{text}");
        self.0
    }
}

impl Waiting {
    /// Reads the file at `path`, if there is one, for a log that ends with `tail`, which then ends where the file does. A batch that
    /// was not written to its end is none.
    ///
    /// # Errors
    /// If it can't be read.
    pub(super) fn read(path: &Path, tail: &mut Tail) -> io::Result<Self> {
        let bytes = match std::fs::read(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            bytes => bytes?,
        };
        let mut waiting = Self::default();
        let mut lines = lines(&bytes);
        while let Some(batch) = waiting.batch(&mut lines, tail) {
            *tail = batch;
        }
        // Only the last batch may be torn, in whatever order its blocks came to the disk. Heads after it were on disk.
        let lost: Vec<_> = lines.filter_map(head).filter(|(head, _)| head.size > tail.size()).collect();
        if waiting.foreign.is_none() && lost.len() > 1 {
            waiting.foreign = lost.first().map(|(head, text)| (head.size, (*text).to_owned()));
        }
        Ok(waiting)
    }

    /// Takes over the next batch that goes on from `tail`, and returns where it ends.
    fn batch<'a>(&mut self, lines: &mut impl Iterator<Item = &'a str>, tail: &Tail) -> Option<Tail> {
        let (mut end, mut rows) = (tail.clone(), Vec::new());
        for line in lines {
            let Some((head, text)) = head(line) else {
                rows.push(row(line, &mut end)?);
                continue;
            };
            if head.size <= tail.size() {
                // It is in the log: the process ended before it was forgotten here.
                (end, rows) = (tail.clone(), Vec::new());
                continue;
            }
            if (head.size, head.root, head.chain) != (end.size(), end.root(), end.chain()) {
                self.foreign = Some((head.size, text.to_owned()));
                return None;
            }
            self.rows.append(&mut rows);
            self.heads.push((head.size, text.to_owned()));
            return Some(end);
        }
        None
    }
}

/// The lines that have an end. One that is no text is empty, which none is.
fn lines(bytes: &[u8]) -> impl Iterator<Item = &str> {
    let ended = bytes.iter().rposition(|&byte| byte == b'\n').map_or(&bytes[..0], |at| &bytes[..at]);
    ended.split(|&byte| byte == b'\n').map(|line| std::str::from_utf8(line).unwrap_or_default())
}

/// The head of a line that has one.
fn head(line: &str) -> Option<(Head, &str)> {
    let text = line.strip_prefix(HEAD)?;
    let signed: Signed<Head> = serde_json::from_str(text).ok()?;
    Some((signed.document, text))
}

/// The entry of a line, appended to `tail`.
fn row(line: &str, tail: &mut Tail) -> Option<Row> {
    let (time, rest) = line.split_once(' ')?;
    let (kind, body) = rest.split_once(' ')?;
    let (instant, parsed): (Timestamp, Kind) = (instant_of(time)?, kind.parse().ok()?);
    let (entry, nodes) = tail.append(instant, parsed, Body::read(body.to_owned()).ok()?.0);
    Some(Row {
        seq: entry.seq,
        time: time.to_owned(),
        kind: kind.to_owned(),
        body: body.to_owned(),
        prev: entry.prev.0.to_vec(),
        nodes: nodes.iter().flat_map(|node| node.0).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_of_a_batch_that_failed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.sqlite-pending");
        let mut pending = Pending::create(&path).unwrap();
        pending.add("first\n").unwrap();
        // As when the disk was full in the middle of a longer one.
        pending.file.write_all_at(b"a longer batch\n= and", pending.whole).unwrap();
        pending.torn = true;
        pending.add("next\n").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"first\nnext\n");
        pending.clear().unwrap();
        pending.add("last\n").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"last\n");
    }
}
