//! Envelopes: reading them, and opening them with the keys that their senders had.

use std::cell::RefCell;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use smc_core::envelope::{Binding, Envelope, EnvelopeError, KeyEpoch, Opener, Sealer};
use smc_core::identity::SealingSecret;
use smc_core::time::{Period, WindowIndex};

/// What the receiver of the corpus reads at most.
const MAX: usize = 1 << 12;
const DEFINITION: [u8; 32] = [7; 32];
const SHARES: &[u8] = b"shares of a reading";
const VOTE: &[u8] = b"a vote";
const EPOCH: KeyEpoch = KeyEpoch(20_780);

/// Reads and opens an envelope. Only what the sender sealed opens, and it opens as what it was sealed as.
pub fn run(bytes: &[u8]) {
    let envelope = match Envelope::parse(bytes, MAX) {
        Ok(envelope) => envelope,
        Err(EnvelopeError::TooLarge { have, max }) => return assert!(have == bytes.len() && have > max),
        Err(EnvelopeError::Malformed | EnvelopeError::Version(_)) => return,
        Err(error) => panic!("no way for reading to fail: {error}"),
    };
    let large = EnvelopeError::TooLarge { have: bytes.len(), max: bytes.len() - 1 };
    assert_eq!(Envelope::parse(bytes, bytes.len() - 1).unwrap_err(), large);
    assert!(envelope.part() == 0 || envelope.window().is_some(), "a part of no input");
    OPENER.with_borrow_mut(|(opener, sender)| open(opener, sender, &envelope));
}

fn open(opener: &mut Opener, sender: &SealingSecret, envelope: &Envelope<'_>) {
    let input = opener.open(sender.public(), envelope, Some(&DEFINITION));
    let message = opener.open(sender.public(), envelope, None);
    if let Ok(plaintext) = &input {
        assert_eq!((plaintext.as_slice(), envelope.window(), envelope.part()), (SHARES, Some(window()), 3));
    }
    if let Ok(plaintext) = &message {
        assert_eq!((plaintext.as_slice(), envelope.window()), (VOTE, None));
    }
    if input.is_ok() || message.is_ok() {
        assert!(input.is_err() || message.is_err(), "both an input and a message between peers");
        assert_eq!((envelope.site(), envelope.to(), envelope.epoch()), ("hq", "tenant", EPOCH));
        assert_eq!(envelope.from().as_str(), "room-101");
    }
}

/// What the sender sealed: an input and a message between peers.
pub fn seeds() -> Vec<Vec<u8>> {
    let (mut sealer, _, _) = channel();
    let (period, window) = window();
    let input = Binding::Input { period, window, part: 3, definition: DEFINITION };
    vec![sealer.seal(&input, SHARES).unwrap(), sealer.seal(&Binding::Peer, VOTE).unwrap()]
}

thread_local! {
    static OPENER: RefCell<(Opener, SealingSecret)> = RefCell::new({
        let (_, sender, recipient) = channel();
        let mut opener = Opener::new(&"hq".parse().unwrap(), &"tenant".parse().unwrap());
        opener.add_key(EPOCH, recipient);
        (opener, sender)
    });
}

fn window() -> (Period, WindowIndex) {
    (Period::from_millis(60_000).unwrap(), WindowIndex(29_743_201))
}

/// The same channel in every run, so that what the corpus holds opens.
fn channel() -> (Sealer, SealingSecret, SealingSecret) {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let (sender, recipient) = (SealingSecret::generate(&mut rng), SealingSecret::generate(&mut rng));
    let (site, from, to) = ("hq".parse().unwrap(), "room-101".parse().unwrap(), "tenant".parse().unwrap());
    let sealer = Sealer::new(&site, &from, &to, &sender, recipient.public(), EPOCH, &mut rng).unwrap();
    (sealer, sender, recipient)
}
