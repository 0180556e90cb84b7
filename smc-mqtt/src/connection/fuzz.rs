//! The stream from the broker, as bytes that no broker would send.

use bytes::BufMut;

use super::inbox::{Inbox, READ};

/// Cuts `stream`, of which `chunk` bytes come at a time, into packets of at most `max` bytes. Returns how many there were.
/// However the stream is cut, the packets are the same.
pub(crate) fn fuzz(stream: &[u8], chunk: usize, max: usize) -> usize {
    let (whole, broken) = cut(stream, stream.len().max(1), max);
    assert!(broken || whole.len() >= complete(stream), "a packet waits for what follows it");
    assert_eq!(cut(stream, chunk.max(1), max), (whole.clone(), broken), "in chunks of {chunk}");
    whole.len()
}

/// How many whole packets there are, by their lengths.
fn complete(mut stream: &[u8]) -> usize {
    let mut count = 0;
    while let Ok(header) = rumqttc::mqttbytes::check(stream.iter(), usize::MAX) {
        (count, stream) = (count + 1, &stream[header.frame_length()..]);
    }
    count
}

/// The packets as text, and whether the stream broke after them.
fn cut(stream: &[u8], chunk: usize, max: usize) -> (Vec<String>, bool) {
    let (mut inbox, mut packets) = (Inbox::new(max), Vec::new());
    for part in stream.chunks(chunk) {
        inbox.space().put_slice(part);
        loop {
            match inbox.next() {
                Ok(Some(received)) => packets.push(format!("{received:?}")),
                Ok(None) => break,
                Err(_) => return (packets, true),
            }
        }
        // What waits is less than a packet, whatever length the stream announces.
        let room = inbox.space().capacity();
        assert!(room <= 2 * (max + READ + chunk), "{room} bytes are kept");
    }
    (packets, false)
}
