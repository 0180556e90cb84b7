//! Envelopes: what is sealed opens for its receiver, and nothing else does.

use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use smc_core::envelope::{Binding, Envelope, EnvelopeError, KeyEpoch, MAX_EPOCHS, Opener, Sealer};
use smc_core::identity::SealingSecret;
use smc_core::time::{Period, WindowIndex};

const MAX: usize = 1 << 20;

/// An agent `room-101`, a peer `tenant` and the secrets of both.
struct Pair {
    agent: SealingSecret,
    peer: SealingSecret,
    rng: ChaCha20Rng,
}

impl Pair {
    fn new(seed: u64) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        Self { agent: SealingSecret::generate(&mut rng), peer: SealingSecret::generate(&mut rng), rng }
    }

    fn sealer(&mut self, epoch: u64) -> Sealer {
        let (site, from, to) =
            ("hq".parse().unwrap(), "room-101".parse().unwrap(), "tenant".parse().unwrap());
        let recipient = self.peer.public();
        Sealer::new(&site, &from, &to, &self.agent, recipient, KeyEpoch(epoch), &mut self.rng).unwrap()
    }

    fn opener(&self, epochs: impl IntoIterator<Item = u64>) -> Opener {
        self.opener_of("hq", "tenant", epochs)
    }

    fn opener_of(&self, site: &str, me: &str, epochs: impl IntoIterator<Item = u64>) -> Opener {
        let mut opener = Opener::new(&site.parse().unwrap(), &me.parse().unwrap());
        for epoch in epochs {
            opener.add_key(KeyEpoch(epoch), SealingSecret::from_bytes(&self.peer.to_bytes()));
        }
        opener
    }

    fn open(
        &self,
        opener: &mut Opener,
        bytes: &[u8],
        definition: Option<&[u8; 32]>,
    ) -> Result<Vec<u8>, EnvelopeError> {
        let envelope = Envelope::parse(bytes, MAX)?;
        opener.open(self.agent.public(), &envelope, definition).map(|plaintext| plaintext.to_vec())
    }
}

fn input(definition: [u8; 32]) -> Binding {
    part(0, definition)
}

fn part(part: u32, definition: [u8; 32]) -> Binding {
    let (period, window) = (Period::from_millis(60_000).unwrap(), WindowIndex(29_743_201));
    Binding::Input { period, window, part, definition }
}

#[test]
fn the_wire_form_is_one_line_in_a_fixed_order() {
    let mut pair = Pair::new(1);
    let bytes = pair.sealer(20_780).seal(&input([7; 32]), b"shares").unwrap();
    let text = String::from_utf8(bytes.clone()).unwrap();
    let (head, tail) =
        (r#"{"v":1,"site":"hq","from":"room-101","to":"tenant","epoch":20780,"enc":""#, text.as_str());
    assert!(tail.starts_with(head), "{text}");
    let rest = &tail[head.len() + 43..];
    assert!(
        rest.starts_with(r#"","n":"0000000000000000","period":60000,"window":29743201,"ct":""#),
        "{text}"
    );
    assert!(rest.ends_with("\"}") && !text.contains('\n'));
    let envelope = Envelope::parse(&bytes, MAX).unwrap();
    let window = (Period::from_millis(60_000).unwrap(), WindowIndex(29_743_201));
    assert_eq!((envelope.window(), envelope.epoch()), (Some(window), KeyEpoch(20_780)));
}

#[test]
fn no_part_passes_for_another() {
    let mut pair = Pair::new(7);
    let mut sealer = pair.sealer(5);
    let (mut opener, definition) = (pair.opener([5]), [7; 32]);
    for number in [0, 1, 2, u32::MAX] {
        let bytes = sealer.seal(&part(number, definition), b"shares").unwrap();
        let text = String::from_utf8(bytes.clone()).unwrap();
        assert_eq!(Envelope::parse(&bytes, MAX).unwrap().part(), number);
        assert_eq!(pair.open(&mut opener, &bytes, Some(&definition)).unwrap(), b"shares");
        let spelled = format!(r#","part":{number},"ct""#);
        assert_eq!(text.contains(&spelled), number > 0, "{text}");
        for other in ["", r#""part":3,"#] {
            let forged = match number {
                0 => text.replacen(r#""ct""#, &format!(r#"{other}"ct""#), 1),
                _ => text.replacen(&spelled, &format!(r#",{other}"ct""#), 1),
            };
            let expected = if forged == text { Ok(b"shares".to_vec()) } else { Err(EnvelopeError::Forged) };
            assert_eq!(pair.open(&mut opener, forged.as_bytes(), Some(&definition)), expected, "{forged}");
        }
    }
}

#[test]
fn any_flipped_bit_is_refused_also_by_an_opener_that_knows_the_key() {
    let mut pair = Pair::new(2);
    let mut sealer = pair.sealer(5);
    let (first, second) =
        (sealer.seal(&input([7; 32]), b"1").unwrap(), sealer.seal(&input([7; 32]), b"2").unwrap());
    let mut fresh = pair.opener([5]);
    let mut knowing = pair.opener([5]);
    assert_eq!(pair.open(&mut knowing, &first, Some(&[7; 32])).unwrap(), b"1");
    for i in 0..second.len() {
        for bit in 0..8 {
            let mut flipped = second.clone();
            flipped[i] ^= 1 << bit;
            assert!(pair.open(&mut knowing, &flipped, Some(&[7; 32])).is_err(), "byte {i} bit {bit}");
            assert!(
                bit % 4 != 0 || pair.open(&mut fresh, &flipped, Some(&[7; 32])).is_err(),
                "byte {i} bit {bit}"
            );
        }
    }
    assert_eq!(pair.open(&mut knowing, &second, Some(&[7; 32])).unwrap(), b"2");
}

#[test]
fn each_refusal_has_its_reason() {
    let mut pair = Pair::new(3);
    let bytes = pair.sealer(5).seal(&input([7; 32]), b"shares").unwrap();
    let open = |opener: &mut Opener, definition| pair.open(opener, &bytes, definition).unwrap_err();
    let right = Some(&[7; 32]);
    assert_eq!(open(&mut pair.opener_of("annex", "tenant", [5]), right), EnvelopeError::Site);
    assert_eq!(open(&mut pair.opener_of("hq", "landlord", [5]), right), EnvelopeError::Recipient);
    assert_eq!(open(&mut pair.opener([4, 6]), right), EnvelopeError::UnknownEpoch(KeyEpoch(5)));
    assert_eq!(open(&mut pair.opener([5]), Some(&[8; 32])), EnvelopeError::Forged);
    assert_eq!(open(&mut pair.opener([5]), None), EnvelopeError::Kind);
    let stranger = Pair::new(4);
    assert_eq!(stranger.open(&mut pair.opener([5]), &bytes, right), Err(EnvelopeError::Forged));
    assert_eq!(pair.open(&mut stranger.opener([5]), &bytes, right), Err(EnvelopeError::Forged));
    let message = pair.sealer(5).seal(&Binding::Peer, b"vote").unwrap();
    assert_eq!(pair.open(&mut pair.opener([5]), &message, right), Err(EnvelopeError::Kind));
    assert_eq!(pair.open(&mut pair.opener([5]), &message, None).unwrap(), b"vote");
}

#[test]
fn a_dropped_epoch_opens_nothing_even_if_its_key_was_derived() {
    let mut pair = Pair::new(5);
    let mut sealer = pair.sealer(5);
    let mut opener = pair.opener([5]);
    let mut seal = || sealer.seal(&Binding::Peer, b"vote").unwrap();
    assert!(pair.open(&mut opener, &seal(), None).is_ok());
    assert!(opener.drop_key(KeyEpoch(5)));
    assert!(!opener.drop_key(KeyEpoch(5)));
    assert_eq!(pair.open(&mut opener, &seal(), None), Err(EnvelopeError::UnknownEpoch(KeyEpoch(5))));
}

#[test]
fn an_opener_holds_few_epochs_and_any_number_of_restarts() {
    let mut pair = Pair::new(6);
    let mut opener = pair.opener(0..MAX_EPOCHS as u64);
    let secret = SealingSecret::from_bytes(&pair.peer.to_bytes());
    assert_eq!(opener.add_key(KeyEpoch(100), secret), Some(KeyEpoch(0)));
    let mut sealers: Vec<Sealer> = (0..5).map(|_| pair.sealer(100)).collect();
    for _ in 0..2 {
        for sealer in &mut sealers {
            let bytes = sealer.seal(&Binding::Peer, b"vote").unwrap();
            assert!(pair.open(&mut opener, &bytes, None).is_ok());
        }
    }
    opener.forget(pair.agent.public());
    assert!(pair.open(&mut opener, &sealers[0].seal(&Binding::Peer, b"").unwrap(), None).is_ok());
    assert!(format!("{opener:?}").contains("<redacted>"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_sealed_opens(
        plaintext in prop::collection::vec(any::<u8>(), 0..3_000),
        definition: [u8; 32],
        epoch in 0..1_u64 << 53,
        seed: u64,
        number: u32,
        to_peer: bool,
    ) {
        let mut pair = Pair::new(seed);
        let (binding, expected) = if to_peer { (Binding::Peer, None) } else { (part(number, definition), Some(&definition)) };
        let bytes = pair.sealer(epoch).seal(&binding, &plaintext).unwrap();
        let opened = pair.open(&mut pair.opener([epoch]), &bytes, expected);
        prop_assert_eq!(opened.unwrap(), plaintext);
    }

    #[test]
    fn garbage_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert_eq!(Envelope::parse(&bytes, MAX).unwrap_err(), EnvelopeError::Malformed);
    }

    #[test]
    fn a_cut_or_spliced_envelope_is_refused(seed: u64, cut: prop::sample::Index, splice: prop::sample::Index) {
        let mut pair = Pair::new(seed);
        let mut sealer = pair.sealer(5);
        let (a, b) = (sealer.seal(&Binding::Peer, b"vote a").unwrap(), sealer.seal(&Binding::Peer, b"vote b").unwrap());
        let mut opener = pair.opener([5]);
        prop_assert!(pair.open(&mut opener, &a[..cut.index(a.len())], None).is_err());
        let at = splice.index(a.len());
        let spliced = [&a[..at], &b[at..]].concat();
        if spliced != a && spliced != b {
            prop_assert!(pair.open(&mut opener, &spliced, None).is_err());
        }
    }
}
