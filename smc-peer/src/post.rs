//! From bytes on a topic to a message with a proven sender, and back.

use bytes::Bytes;
use rand_chacha::ChaCha20Rng;
use smc_core::card::Recipients;
use smc_core::envelope::{Binding, Envelope, EnvelopeError, Opener, SealError};
use smc_core::message::PeerMessage;
use smc_core::name::NodeName;
use smc_core::peer::Message;
use smc_core::protocol::input::Input;
use smc_core::roster::{BundleIndex, Roster};
use smc_core::shamir::PeerIndex;
use smc_core::time::WindowIndex;

use crate::store::InputKey;

/// The largest envelope that is read: 1,000 streams of 32 bits, or a part of a vector, in base64.
const MAX_ENVELOPE: usize = 512 * 1024;

/// Why a message was not even shown to the peer's machine; the names under which it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Undeliverable {
    /// The content is no message of ours.
    Content,
    /// The envelope did not open.
    Envelope(EnvelopeError),
    /// The topic names another sender than the envelope.
    OtherSender,
    /// No such node, or no such bundle of it, in the site file.
    UnknownSender,
}

impl Undeliverable {
    /// The name under which it is counted.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Content => "garbled_content",
            Self::Envelope(EnvelopeError::Forged) => "forged",
            Self::Envelope(EnvelopeError::Kind) => "wrong_kind",
            Self::Envelope(EnvelopeError::Malformed) => "not_an_envelope",
            Self::Envelope(EnvelopeError::Recipient) => "wrong_recipient",
            Self::Envelope(EnvelopeError::Site) => "wrong_site",
            Self::Envelope(EnvelopeError::TooLarge { .. }) => "too_large",
            Self::Envelope(EnvelopeError::UnknownEpoch(_)) => "unknown_key_epoch",
            Self::Envelope(EnvelopeError::Version(_)) => "wrong_version",
            Self::OtherSender => "wrong_topic",
            Self::UnknownSender => "unknown_sender",
        }
    }
}

impl From<EnvelopeError> for Undeliverable {
    fn from(error: EnvelopeError) -> Self {
        Self::Envelope(error)
    }
}

/// An input that opened.
pub(crate) struct OpenedInput {
    pub(crate) bundle: BundleIndex,
    pub(crate) window: WindowIndex,
    pub(crate) input: Input,
}

impl OpenedInput {
    /// Under which key its envelope is stored.
    pub(crate) fn key(&self, roster: &Roster) -> InputKey {
        key(roster, self.bundle, self.window)
    }
}

/// Under which key the input of a bundle and window is stored.
pub(crate) fn key(roster: &Roster, bundle: BundleIndex, window: WindowIndex) -> InputKey {
    let bundle = roster.bundle(bundle);
    let agent = roster.agent(bundle.agent).node.name.clone();
    InputKey { agent, period: bundle.period, part: bundle.part, window }
}

/// Opens an agent's shares that came on the topic of `from`.
pub(crate) fn open_input(
    roster: &Roster,
    opener: &mut Opener,
    from: &NodeName,
    payload: &[u8],
) -> Result<OpenedInput, Undeliverable> {
    let envelope = read(from, payload)?;
    let (period, window) = envelope.window().ok_or(EnvelopeError::Kind)?;
    let agent = roster.agent_named(from.as_str()).ok_or(Undeliverable::UnknownSender)?;
    let bundle = roster.bundle_of(agent, period, envelope.part()).ok_or(Undeliverable::UnknownSender)?;
    let definition = roster.bundle(bundle);
    let plaintext = opener.open(&roster.agent(agent).node.sealing, &envelope, Some(&definition.digest))?;
    let input = Input::read(definition, &plaintext).map_err(|_| Undeliverable::Content)?;
    Ok(OpenedInput { bundle, window, input })
}

/// Opens a message of the peer `from`.
pub(crate) fn open_peer(
    roster: &Roster,
    opener: &mut Opener,
    from: &NodeName,
    payload: &[u8],
) -> Result<Message, Undeliverable> {
    let envelope = read(from, payload)?;
    let peer = roster.peer_named(from.as_str()).ok_or(Undeliverable::UnknownSender)?;
    let node = roster.peer(peer).ok_or(Undeliverable::UnknownSender)?;
    let plaintext = opener.open(&node.sealing, &envelope, None)?;
    let message = PeerMessage::from_bytes(&plaintext).map_err(|_| Undeliverable::Content)?;
    Ok(Message::Peer { from: peer, message: Box::new(message) })
}

fn read<'a>(from: &NodeName, payload: &'a [u8]) -> Result<Envelope<'a>, Undeliverable> {
    let envelope = Envelope::parse(payload, MAX_ENVELOPE)?;
    if envelope.from() == from { Ok(envelope) } else { Err(Undeliverable::OtherSender) }
}

/// Seals a message for one peer; nothing if its card is not known.
pub(crate) fn seal(
    recipients: &mut Recipients,
    to: PeerIndex,
    message: &[u8],
    rng: &mut ChaCha20Rng,
) -> Result<Option<Bytes>, SealError> {
    Ok(recipients.seal(to, &Binding::Peer, message, rng)?.map(Bytes::from))
}
