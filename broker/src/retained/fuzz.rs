//! The file of retained messages, read from bytes that nobody wrote.

use super::log::{Record, read_record};
use super::messages::Messages;
use crate::limits::Limits;

/// How many messages there may be, and bytes of them: few, so that both bounds are met.
const MESSAGES: usize = 4;
const BYTES: usize = 256;

/// Reads `bytes` as a file and as the content of one record. Returns how many records the file has before it is torn.
pub(crate) fn fuzz(bytes: &[u8]) -> usize {
    let limits = Limits { retained_messages: MESSAGES, retained_bytes: BYTES, ..Limits::default() };
    let mut messages = Messages::new(&limits);
    let (mut rest, mut len, mut count) = (bytes, 0, 0);
    while let Ok(Some((record, more))) = read_record(&mut rest) {
        (len, count) = (len + more as usize, count + 1);
        assert_eq!(len, bytes.len() - rest.len());
        keep(&mut messages, record);
    }
    if let Some(record) = Record::decode(bytes) {
        assert_eq!(written(&record), Some(record.clone()));
        keep(&mut messages, record);
    }
    count
}

/// Both bounds hold, and what is charged is what is held.
fn keep(messages: &mut Messages, record: Record) {
    messages.apply(record, None);
    let held = messages.records();
    assert!(held.len() <= MESSAGES && messages.bytes() <= BYTES);
    let charged = held.iter().map(|record| match record {
        Record::Forget { .. } => 0,
        Record::Keep { message, .. } => message.len() + message.topic().len(),
    });
    assert_eq!(charged.sum::<usize>(), messages.bytes());
    if let Ok(all) = "#".parse() {
        let now = held.iter().map(|record| if let Record::Keep { since, .. } = record { *since } else { 0 });
        let now = now.max().unwrap_or(0).saturating_add(1);
        assert!(messages.matching(&all, now).len() <= held.len());
    }
}

/// The record as it reads back from the file.
fn written(record: &Record) -> Option<Record> {
    let mut bytes = Vec::new();
    record.encode(&mut bytes);
    let mut rest = &bytes[..];
    let (again, _) = read_record(&mut rest).ok()??;
    if rest.is_empty() { Some(again) } else { None }
}
