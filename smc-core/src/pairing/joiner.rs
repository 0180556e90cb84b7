//! The newcomer's side.

use rand_core::CryptoRng;

use super::channel::{Channel, Half, Side};
use super::code::PairingCode;
use super::inviter::draw;
use super::message::{
    Answer, AnswerStep, Application, Ask, AskStep, Id, Invitation, InvitationPart, MAX_MESSAGE, MAX_PARTS,
    Offer, Outcome, PART, PakeMessage, Refusal, Sealed,
};
use crate::charter::LoginHash;
use crate::document::Signed;
use crate::identity::NodeKeys;
use crate::name::NodeName;
use crate::order::Reason;
use crate::result::VERSION;

/// One attempt to join by a code.
pub struct Joiner {
    offer: Offer,
    attempt: Id,
    step: Step,
}

enum Step {
    /// Its half of SPAKE2 is out.
    Greeting(Half),
    /// It has proven that it knows the code; so much of the invitation is there.
    Invited { channel: Channel, invitation: Vec<u8>, next: u32 },
    /// It has the invitation, and is to say what its keys are.
    Applying(Channel),
    /// It has said so.
    Waiting(Channel),
    /// Nothing more is to come.
    Done,
}

/// What came of a message.
#[derive(Debug, PartialEq)]
pub enum Told {
    /// Nothing yet.
    Nothing,
    /// This is to be published.
    Ask(Ask),
    /// The member's invitation, by the code: it is what the member sent.
    Invited(Box<Invitation>),
    /// What became of the application.
    Outcome(Outcome),
}

/// Why an attempt is over, or a message counts for nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// Not JSON of this form, too long, of another attempt or out of order: it counts for nothing.
    #[error("not an answer to this attempt")]
    Foreign,
    /// The member does not know the code, or somebody spoke in its place.
    #[error(
        "whoever answered does not know the code: somebody on this network or the broker pretends to be the member; nothing was told to them"
    )]
    Impostor,
    /// What was sealed has no sense.
    #[error("the member sent what makes no sense; are both of the same version?")]
    Malformed,
    /// The member said no.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl Joiner {
    /// Begins an attempt at an offer; what is to be published.
    pub fn begin(offer: Offer, code: &PairingCode, rng: &mut impl CryptoRng) -> (Self, Ask) {
        let attempt = draw(rng);
        let (half, sent) = Half::begin(Side::Joiner, code, &offer, attempt, rng);
        let joiner = Self { offer, attempt, step: Step::Greeting(half) };
        let ask = joiner.ask(AskStep::Hello(sent));
        (joiner, ask)
    }

    /// Takes a message in.
    ///
    /// # Errors
    /// [`AnswerError::Foreign`] changes nothing; any other ends the attempt.
    pub fn handle(&mut self, json: &[u8]) -> Result<Told, AnswerError> {
        let answer = if json.len() <= MAX_MESSAGE { serde_json::from_slice(json).ok() } else { None };
        let answer: Answer = answer.ok_or(AnswerError::Foreign)?;
        let ours = (answer.v, answer.offer, answer.attempt) == (VERSION, self.offer.offer, self.attempt);
        if !ours {
            return Err(AnswerError::Foreign);
        }
        match (std::mem::replace(&mut self.step, Step::Done), answer.say) {
            (_, AnswerStep::Refused(refusal)) => Err(refusal.into()),
            (Step::Greeting(half), AnswerStep::Hello(theirs)) => self.prove(half, &theirs),
            (Step::Invited { channel, invitation, next }, AnswerStep::Invitation(part)) => {
                self.collect(channel, invitation, next, &part)
            }
            (Step::Waiting(channel), AnswerStep::Outcome(sealed)) => {
                let json = channel.open(MAX_PARTS, &sealed.0).ok_or(AnswerError::Impostor)?;
                serde_json::from_slice(&json).map(Told::Outcome).map_err(|_| AnswerError::Malformed)
            }
            (step, _) => {
                self.step = step;
                Err(AnswerError::Foreign)
            }
        }
    }

    fn prove(&mut self, half: Half, theirs: &PakeMessage) -> Result<Told, AnswerError> {
        let channel = half.finish(theirs).ok_or(AnswerError::Impostor)?;
        let proof = channel.proof();
        self.step = Step::Invited { channel, invitation: Vec::new(), next: 0 };
        Ok(Told::Ask(self.ask(AskStep::Proof(proof))))
    }

    fn collect(
        &mut self,
        channel: Channel,
        mut invitation: Vec<u8>,
        next: u32,
        part: &InvitationPart,
    ) -> Result<Told, AnswerError> {
        if !channel.is_proven_by(&part.proof) || part.part != next || part.of > MAX_PARTS {
            return Err(AnswerError::Impostor);
        }
        let chunk = channel.open(next, &part.sealed.0).ok_or(AnswerError::Impostor)?;
        if chunk.len() > PART {
            return Err(AnswerError::Malformed);
        }
        invitation.extend_from_slice(&chunk);
        if part.part + 1 < part.of {
            self.step = Step::Invited { channel, invitation, next: next + 1 };
            return Ok(Told::Nothing);
        }
        self.step = Step::Applying(channel);
        serde_json::from_slice(&invitation)
            .map(|invitation| Told::Invited(Box::new(invitation)))
            .map_err(|_| AnswerError::Malformed)
    }

    /// Says, instead of [`Joiner::apply`], that it does not want to join, and why.
    pub fn decline(&mut self, why: &Reason) -> Option<Ask> {
        let Step::Applying(channel) = std::mem::replace(&mut self.step, Step::Done) else { return None };
        let sealed = channel.seal(0, &serde_json::to_vec(why).ok()?)?;
        Some(self.ask(AskStep::Declined(Sealed(sealed))))
    }

    /// Says, once, what the keys of `name` are, the name that it was invited by; nothing before there is an invitation.
    pub fn apply(&mut self, name: NodeName, keys: &NodeKeys, login: LoginHash) -> Option<Ask> {
        let (step, attempt) = (std::mem::replace(&mut self.step, Step::Done), self.attempt);
        let Step::Applying(channel) = step else {
            self.step = step;
            return None;
        };
        let (identity, sealing) = (keys.signing.verifying_key(), *keys.sealing.public());
        let application = Application { attempt, name, identity, sealing, login };
        let json = serde_json::to_vec(&Signed::new(application, &keys.signing)).ok()?;
        let sealed = Sealed(channel.seal(0, &json)?);
        self.step = Step::Waiting(channel);
        Some(self.ask(AskStep::Keys(sealed)))
    }

    fn ask(&self, say: AskStep) -> Ask {
        Ask { v: VERSION, offer: self.offer.offer, attempt: self.attempt, say }
    }
}
