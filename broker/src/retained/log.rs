//! The file of retained messages: an append-only log, rewritten when most of it is out of date.
//!
//! A record is `length u32 | CRC-32 u32 | body`, big endian; the body is `since u64 | kind u8 | content`, the
//! content a whole message (kind 1) or the topic to forget (kind 0). A torn tail, left by a power cut or a full
//! disk, is cut off when the file is opened.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufReader, ErrorKind, Read, Write as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use bytes::Bytes;

use super::log_path;
use crate::error::BrokerError;
use crate::message::Message;

const FORGET: u8 = 0;
const KEEP: u8 = 1;
/// No record is longer: packets are shorter.
const MAX_BODY: u32 = 32 << 20;
/// A file of this size or less is never rewritten.
const SMALL: u64 = 1 << 20;

/// One change of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Record {
    Forget { topic: String },
    Keep { message: Message, since: u64 },
}

/// The open file. Its folder is locked as long as it lives.
#[derive(Debug)]
pub(crate) struct Log {
    path: PathBuf,
    file: File,
    _lock: File,
    /// Bytes of whole records in the file.
    len: u64,
    /// Bytes after the last rewrite.
    fresh: u64,
    dirty_since: Option<Instant>,
}

impl Record {
    /// What publishing `message` with the retain flag means.
    pub(crate) fn of(message: Message, since: u64) -> Self {
        if message.payload().is_empty() {
            Self::Forget { topic: message.topic().to_owned() }
        } else {
            Self::Keep { message, since }
        }
    }

    pub(crate) fn topic(&self) -> &str {
        match self {
            Self::Forget { topic } => topic,
            Self::Keep { message, .. } => message.topic(),
        }
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let (since, kind, content) = match self {
            Self::Forget { topic } => (0, FORGET, Bytes::copy_from_slice(topic.as_bytes())),
            Self::Keep { message, since } => (*since, KEEP, message.clone().into_bytes()),
        };
        let mut crc = crc32fast::Hasher::new();
        crc.update(&since.to_be_bytes());
        crc.update(&[kind]);
        crc.update(&content);
        let len = u32::try_from(9 + content.len()).unwrap_or(u32::MAX);
        out.extend(len.to_be_bytes());
        out.extend(crc.finalize().to_be_bytes());
        out.extend(since.to_be_bytes());
        out.push(kind);
        out.extend_from_slice(&content);
    }

    pub(super) fn decode(body: &[u8]) -> Option<Self> {
        let (since, rest) = body.split_first_chunk()?;
        let (&kind, content) = rest.split_first()?;
        match kind {
            KEEP => Message::from_bytes(Bytes::copy_from_slice(content))
                .map(|message| Self::Keep { message, since: u64::from_be_bytes(*since) }),
            FORGET => String::from_utf8(content.to_vec()).ok().map(|topic| Self::Forget { topic }),
            _ => None,
        }
    }
}

impl Log {
    /// Opens or creates the log and hands every record to `apply`.
    pub(crate) fn open(folder: &Path, mut apply: impl FnMut(Record) -> bool) -> Result<Self, BrokerError> {
        let at = |path: &Path| {
            let path = path.to_owned();
            move |source| BrokerError::State { path, source }
        };
        std::fs::create_dir_all(folder).map_err(at(folder))?;
        let lock = lock(folder)?;
        let path = log_path(folder);
        let mut options = OpenOptions::new();
        let file = options.read(true).append(true).create(true).open(&path).map_err(at(&path))?;
        let whole = file.metadata().map_err(at(&path))?.len();
        let mut reader = BufReader::new(&file);
        let mut len = 0;
        while let Some((record, bytes)) = read_record(&mut reader).map_err(at(&path))? {
            len += bytes;
            if !apply(record) {
                tracing::warn!("no room for a retained message on disk: raise limits.retained_messages");
            }
        }
        if len < whole {
            tracing::warn!(bytes = whole - len, file = %path.display(), "cut off a torn record of retained messages");
            set_aside(&path)?;
            file.set_len(len).map_err(at(&path))?;
        }
        Ok(Self { path, file, _lock: lock, len, fresh: len, dirty_since: None })
    }

    /// Appends records in one write. On an error the file is as it was.
    pub(crate) fn append<'a>(&mut self, records: impl Iterator<Item = &'a Record>) -> io::Result<()> {
        let mut bytes = Vec::new();
        records.for_each(|record| record.encode(&mut bytes));
        if let Err(error) = self.file.write_all(&bytes) {
            self.file.set_len(self.len)?;
            return Err(error);
        }
        self.len += bytes.len() as u64;
        self.dirty_since.get_or_insert_with(Instant::now);
        Ok(())
    }

    /// Whether most of the file is likely out of date.
    pub(crate) fn is_wasteful(&self) -> bool {
        self.len > SMALL && self.len > self.fresh.saturating_mul(2)
    }

    /// Replaces the file by one that holds `records` alone, at one stroke.
    pub(crate) fn rewrite(&mut self, records: &[Record]) -> io::Result<()> {
        // Whatever comes of it, the next attempt has to wait until the file has doubled again.
        self.fresh = self.len;
        let mut bytes = Vec::new();
        records.iter().for_each(|record| record.encode(&mut bytes));
        let next = self.path.with_extension("new");
        let mut options = OpenOptions::new();
        let mut file = options.read(true).append(true).create(true).open(&next)?;
        file.set_len(0)?;
        file.write_all(&bytes)?;
        file.sync_data()?;
        std::fs::rename(&next, &self.path)?;
        self.file = file;
        self.len = bytes.len() as u64;
        self.fresh = self.len;
        Ok(())
    }

    /// When the oldest bytes were written that the disk was not yet asked to keep.
    pub(crate) fn dirty_since(&self) -> Option<Instant> {
        self.dirty_since
    }

    /// Asks the disk to keep what was written.
    pub(crate) fn sync(&mut self) {
        if self.dirty_since.take().is_some()
            && let Err(error) = self.file.sync_data()
        {
            tracing::error!(%error, file = %self.path.display(), "the disk does not keep retained messages");
        }
    }
}

/// Copies a damaged file, so that somebody may look at it. A full disk, which tears records, too, must not keep the broker
/// from starting: nodes publish again what is lost.
fn set_aside(path: &Path) -> Result<(), BrokerError> {
    let damaged = path.with_extension("damaged");
    match std::fs::copy(path, &damaged) {
        Ok(_) => Ok(()),
        Err(error) if matches!(error.kind(), ErrorKind::QuotaExceeded | ErrorKind::StorageFull) => {
            tracing::warn!(file = %damaged.display(), "no room to set the damaged file aside");
            // Half a copy serves nobody, and takes room.
            let _ = std::fs::remove_file(&damaged);
            Ok(())
        }
        Err(source) => Err(BrokerError::State { path: damaged, source }),
    }
}

fn lock(folder: &Path) -> Result<File, BrokerError> {
    let path = folder.join("lock");
    let error = |source| BrokerError::State { path: path.clone(), source };
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(error)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(BrokerError::StateInUse { path }),
        Err(TryLockError::Error(source)) => Err(BrokerError::State { path, source }),
    }
}

/// The next whole record and its length in the file; none at the end or where the rest is torn.
pub(super) fn read_record(reader: &mut impl Read) -> io::Result<Option<(Record, u64)>> {
    let mut header = [0; 8];
    if !filled(reader, &mut header)? {
        return Ok(None);
    }
    let [l0, l1, l2, l3, c0, c1, c2, c3] = header;
    let len = u32::from_be_bytes([l0, l1, l2, l3]);
    if len > MAX_BODY {
        return Ok(None);
    }
    let mut body = vec![0; len as usize];
    if !filled(reader, &mut body)? || crc32fast::hash(&body) != u32::from_be_bytes([c0, c1, c2, c3]) {
        return Ok(None);
    }
    Ok(Record::decode(&body).map(|record| (record, 8 + u64::from(len))))
}

fn filled(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match reader.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::QoS;
    use crate::message::Origin;

    fn keep(topic: &str) -> Record {
        let message = Message::build(topic, QoS::AtMostOnce, true, &[], b"payload", Origin(1));
        Record::Keep { message, since: 5 }
    }

    fn read_all(folder: &Path) -> Vec<Record> {
        let mut records = Vec::new();
        Log::open(folder, |record| {
            records.push(record);
            true
        })
        .unwrap();
        records
    }

    #[test]
    fn a_torn_tail_costs_only_itself() {
        let folder = tempfile::tempdir().unwrap();
        let records = [keep("a"), Record::Forget { topic: "b".into() }, keep("c")];
        Log::open(folder.path(), |_| true).unwrap().append(records.iter()).unwrap();
        assert_eq!(read_all(folder.path()), records);
        let path = log_path(folder.path());
        let whole = std::fs::read(&path).unwrap();
        for cut in 1..20 {
            std::fs::write(&path, &whole[..whole.len() - cut]).unwrap();
            assert_eq!(read_all(folder.path()), records[..2]);
            Log::open(folder.path(), |_| true).unwrap().append([keep("d")].iter()).unwrap();
            assert_eq!(read_all(folder.path())[2], keep("d"), "appending goes on behind the cut");
        }
    }

    #[test]
    fn garbage_is_cut_off_and_set_aside() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(log_path(folder.path()), [0xff; 100]).unwrap();
        assert!(read_all(folder.path()).is_empty());
        assert_eq!(std::fs::read(folder.path().join("retained.damaged")).unwrap(), [0xff; 100]);
    }

    #[test]
    fn a_folder_serves_one_broker_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let log = Log::open(folder.path(), |_| true).unwrap();
        assert!(matches!(Log::open(folder.path(), |_| true), Err(BrokerError::StateInUse { .. })));
        drop(log);
        assert!(Log::open(folder.path(), |_| true).is_ok());
    }

    #[test]
    fn a_folder_that_is_a_file_is_named_in_the_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        std::fs::write(&path, "").unwrap();
        let error = Log::open(&path, |_| true).unwrap_err().to_string();
        assert!(error.contains("state"), "{error}");
    }
}
