//! What peers say to each other, once its envelope is open.

use smc_core::message::{MAX_SHARES, PeerMessage};

/// Reads a message. What was read has one text, which reads as the same.
pub fn run(bytes: &[u8]) {
    let Ok(message) = PeerMessage::from_bytes(bytes) else { return };
    if let PeerMessage::Partial(partial) = &message {
        assert!(partial.shares.0.len() <= MAX_SHARES && partial.shares.0.len() * 8 < bytes.len());
    }
    let _ = message.window();
    let spelled = message.to_bytes();
    assert_eq!(PeerMessage::from_bytes(&spelled).as_ref(), Ok(&message));
    assert_eq!(PeerMessage::from_bytes(&spelled).unwrap().to_bytes(), spelled);
    // A line more is a line too many, and so is a line less.
    assert!(PeerMessage::from_bytes(&[&spelled[..], b"\n"].concat()).is_err());
    assert!(PeerMessage::from_bytes(&spelled[..spelled.len() - 1]).is_err());
}
