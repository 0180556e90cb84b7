//! Pins sharing, opening and sealing to files that other implementations can check themselves against.
//!
//! All randomness is ChaCha20 with the given seed as its key and a zero nonce. After a deliberate change of the
//! protocol, `WRITE_VECTORS=1 cargo test -p smc-core --test vectors` writes the files anew.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test says no by panicking")]

use std::path::Path;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use serde_json::{Value, json};
use smc_core::envelope::{Binding, Envelope, KeyEpoch, Opener, Sealer};
use smc_core::field::Fp;
use smc_core::identity::SealingSecret;
use smc_core::shamir::{OpenError, PeerIndex, Share, Sharing, parse_bits, recompose};
use smc_core::time::{Period, WindowIndex};

fn check(file: &str, generated: &Value) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(file);
    if std::env::var_os("WRITE_VECTORS").is_some() {
        std::fs::write(&path, serde_json::to_string_pretty(generated).unwrap() + "\n").unwrap();
    }
    let pinned: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(&pinned, generated, "{file} differs from what is computed now");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn seeded(seed: u8) -> (ChaCha20Rng, String) {
    (ChaCha20Rng::from_seed([seed; 32]), hex(&[seed; 32]))
}

fn shares_of(sharing: Sharing, secret: Fp, rng: &mut ChaCha20Rng) -> Vec<(PeerIndex, Fp)> {
    let mut shares: Vec<Share> = sharing.indices().map(|_| Share::default()).collect();
    sharing.share(secret, rng, &mut shares).unwrap();
    sharing.indices().zip(&shares).map(|(peer, share)| (peer, share.reveal())).collect()
}

#[test]
fn sharing() {
    let secrets = [0, 812, Fp::P - 1];
    let cases = [(3, 1), (4, 1), (5, 2), (7, 3), (9, 4)].into_iter().zip(1_u8..).map(|((n, t), seed)| {
        let sharing = Sharing::new(n, t).unwrap();
        let secret = Fp::from_canonical(secrets[usize::from(seed) % 3]).unwrap();
        let (mut rng, seed) = seeded(seed);
        let partials = shares_of(sharing, secret, &mut rng);
        assert_eq!(sharing.open(&partials).unwrap().value, secret);
        let shares: Vec<Fp> = partials.into_iter().map(|(_, share)| share).collect();
        json!({ "peers": n, "threshold": t, "seed": seed, "secret": secret, "shares": shares })
    });
    check("sharing.json", &cases.collect());
}

#[test]
fn readings() {
    let cases = [(3, 1, 1, 1), (3, 1, 812, 14), (5, 2, 6_137, 14), (9, 4, u64::from(u32::MAX), 32)];
    let cases = cases.into_iter().zip(11..).map(|((n, t, value, bits), seed)| {
        let sharing = Sharing::new(n, t).unwrap();
        let (mut rng, seed) = seeded(seed);
        let mut outputs = vec![Vec::new(); usize::from(n)];
        sharing.share_bits(value, bits, &mut rng, &mut outputs).unwrap();
        let recomposed: Vec<Fp> =
            outputs.iter().map(|bytes| recompose(&parse_bits(bytes, bits).unwrap()).reveal()).collect();
        let partials: Vec<_> = sharing.indices().zip(recomposed.iter().copied()).collect();
        assert_eq!(sharing.open(&partials).unwrap().value.to_u64(), value);
        let outputs: Vec<String> = outputs.iter().map(|bytes| hex(bytes)).collect();
        json!({
            "peers": n, "threshold": t, "seed": seed, "value": value, "bits": bits,
            "bit_shares": outputs, "recomposed": recomposed,
        })
    });
    check("readings.json", &cases.collect());
}

#[test]
fn openings() {
    // Peers and threshold, who takes part, who lies.
    let cases: [(u8, u8, &[u8], &[u8]); 9] = [
        (3, 1, &[1, 3], &[]),
        (3, 1, &[1, 2, 3], &[]),
        (3, 1, &[1, 2, 3], &[2]),
        (4, 1, &[1, 2, 3, 4], &[4]),
        (5, 2, &[1, 2, 3, 4, 5], &[5]),
        (7, 2, &[1, 2, 3, 4, 5, 6, 7], &[2, 7]),
        (7, 2, &[1, 3, 4, 5, 6, 7], &[3]),
        (9, 3, &[1, 2, 3, 4, 5, 6, 7, 8, 9], &[1, 9]),
        (9, 4, &[2, 4, 6, 8], &[]),
    ];
    let cases = cases.into_iter().zip(21..).map(|((n, t, present, liars), seed)| {
        let sharing = Sharing::new(n, t).unwrap();
        let secret = Fp::from(40_600);
        let (mut rng, _) = seeded(seed);
        let mut partials = shares_of(sharing, secret, &mut rng);
        partials.retain(|(peer, _)| present.contains(&peer.get()));
        for (peer, y) in &mut partials {
            if liars.contains(&peer.get()) {
                *y += Fp::ONE;
            }
        }
        let outcome = match sharing.open(&partials) {
            Ok(opened) => {
                assert_eq!(opened.value, secret);
                assert!(opened.corrected.iter().map(|peer| peer.get()).eq(liars.iter().copied()));
                json!({ "value": opened.value, "verified": opened.verified, "corrected": opened.corrected })
            }
            Err(error) => {
                assert!(liars.len() > sharing.correctable(present.len()) || present.len() < sharing.need());
                let reason =
                    if matches!(error, OpenError::TooFew { .. }) { "too few" } else { "inconsistent" };
                json!({ "refused": reason })
            }
        };
        json!({ "peers": n, "threshold": t, "partials": partials, "outcome": outcome })
    });
    check("openings.json", &cases.collect());
}

#[test]
fn envelope() {
    let (mut rng, seed) = seeded(31);
    let (agent, peer) = (SealingSecret::generate(&mut rng), SealingSecret::generate(&mut rng));
    let (site, from, to) = ("hq".parse().unwrap(), "room-101".parse().unwrap(), "tenant".parse().unwrap());
    let epoch = KeyEpoch(20_780);
    let mut sealer = Sealer::new(&site, &from, &to, &agent, peer.public(), epoch, &mut rng).unwrap();
    let (definition, plaintext) = ([0x5a; 32], b"sixteen bits of a reading, say");
    let binding = Binding::Input {
        period: Period::from_millis(60_000).unwrap(),
        window: WindowIndex(29_743_201),
        part: 0,
        definition,
    };
    let sealed = [binding, Binding::Peer].map(|binding| sealer.seal(&binding, plaintext).unwrap());
    let secrets = (hex(&*agent.to_bytes()), hex(&*peer.to_bytes()));
    let sender = *agent.public();
    let mut opener = Opener::new(&site, &to);
    opener.add_key(epoch, peer);
    for (bytes, definition) in sealed.iter().zip([Some(&definition), None]) {
        let envelope = Envelope::parse(bytes, 1_000).unwrap();
        assert_eq!(opener.open(&sender, &envelope, definition).unwrap().as_slice(), plaintext);
    }
    let sealed = sealed.map(|bytes| String::from_utf8(bytes).unwrap());
    check(
        "envelope.json",
        &json!({
            "seed": seed, "sender_secret": secrets.0, "receiver_secret": secrets.1,
            "definition": hex(&definition), "plaintext": hex(plaintext), "input": sealed[0], "peer": sealed[1],
        }),
    );
}
