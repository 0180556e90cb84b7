//! The member's side.

use std::collections::VecDeque;
use std::time::Duration;

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::channel::{Channel, Half, Side};
use super::code::PairingCode;
use super::message::{
    Answer, AnswerStep, Application, Ask, AskStep, Bytes, Id, InvitationPart, MAX_MESSAGE, MAX_PARTS, Offer,
    Outcome, PART, PakeMessage, Proof, Refusal, Sealed,
};
use super::{Invitation, InvitedAs};
use crate::document::Signed;
use crate::name::{NodeName, SiteName};
use crate::order::Reason;
use crate::result::VERSION;
use crate::time::Timestamp;

/// How long a code is good for.
pub const LIFETIME: Duration = Duration::from_secs(300);
/// How many wrong guesses end it.
pub const TRIES: u8 = 3;
/// How many attempts may have begun and not proven anything; the oldest gives way.
const MAX_GREETED: usize = 8;

/// Lets one newcomer in, once.
pub struct Inviter {
    offer: Offer,
    code: PairingCode,
    /// What is sent to whoever proves to know the code, in parts.
    invitation: Vec<u8>,
    invited_as: (NodeName, InvitedAs),
    tries: u8,
    greeted: VecDeque<(Id, Channel)>,
    guest: Option<Guest>,
}

/// Who used the code.
struct Guest {
    attempt: Id,
    step: GuestStep,
}

enum GuestStep {
    /// It is to say what its keys are.
    Invited(Channel),
    /// It is to hear what became of that.
    Applied(Channel),
    /// It has heard.
    Told,
}

/// What came of a message.
#[derive(Debug, PartialEq)]
pub enum Heard {
    /// These are to be published, in this order.
    Answers(Vec<Answer>),
    /// A newcomer that knows the code wants in; [`Inviter::conclude`] tells it what came of that.
    Application(Box<Application>),
    /// A newcomer that knows the code does not want in.
    Declined(Reason),
}

/// Why a message counts for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// Not JSON of this form, or too long.
    #[error("not a message to this offer")]
    Malformed,
    /// Of an offer before this one.
    #[error("a message to an offer that is over")]
    Other,
    /// Not in the order of the steps, or of an attempt that gave way.
    #[error("a message that does not follow")]
    OutOfOrder,
    /// Not sealed or signed with the keys of this attempt.
    #[error("a message that is not by the newcomer")]
    Forged,
}

impl Inviter {
    /// Draws a code that lets one newcomer in from `now` on.
    ///
    /// `None` if the site file and the member list are too long to send.
    pub fn new(
        site: SiteName,
        member: NodeName,
        invitation: &Invitation,
        now: Timestamp,
        rng: &mut impl CryptoRng,
    ) -> Option<Self> {
        let json = serde_json::to_vec(invitation).ok()?;
        if json.len().div_ceil(PART) > MAX_PARTS as usize {
            return None;
        }
        let offer = Offer { v: VERSION, site, member, offer: draw(rng), until: now + LIFETIME };
        Some(Self {
            offer,
            code: PairingCode::draw(rng),
            invitation: json,
            invited_as: (invitation.name.clone(), invitation.invited_as),
            tries: TRIES,
            greeted: VecDeque::new(),
            guest: None,
        })
    }

    /// What the operator reads to whoever sets the newcomer up.
    pub fn code(&self) -> &PairingCode {
        &self.code
    }

    /// What is published, retained, until it is over.
    pub fn offer(&self) -> &Offer {
        &self.offer
    }

    /// Whom it lets in, and as what.
    pub fn invited(&self) -> (&NodeName, InvitedAs) {
        (&self.invited_as.0, self.invited_as.1)
    }

    /// How many wrong guesses are left.
    pub fn tries(&self) -> u8 {
        self.tries
    }

    /// Whether nothing more is to come: nobody can use the code any more, or who used it went silent.
    pub fn is_over(&self, now: Timestamp) -> bool {
        now >= self.offer.until || (self.guest.is_none() && self.tries == 0)
    }

    /// Takes a message in at `now`.
    ///
    /// # Errors
    /// Why it counts for nothing. A wrong code is no error but an answer.
    pub fn handle(
        &mut self,
        now: Timestamp,
        json: &[u8],
        rng: &mut impl CryptoRng,
    ) -> Result<Heard, AskError> {
        let ask = if json.len() <= MAX_MESSAGE { serde_json::from_slice(json).ok() } else { None };
        let ask: Ask = ask.filter(|ask: &Ask| ask.v == VERSION).ok_or(AskError::Malformed)?;
        if ask.offer != self.offer.offer {
            return Err(AskError::Other);
        }
        match ask.say {
            AskStep::Hello(half) => self.greet(now, ask.attempt, &half, rng),
            AskStep::Proof(proof) => self.judge(now, ask.attempt, &proof),
            AskStep::Keys(sealed) => self.read(ask.attempt, &sealed),
            AskStep::Declined(sealed) => {
                let json = self.open(ask.attempt, &sealed)?;
                serde_json::from_slice(&json).map(Heard::Declined).map_err(|_| AskError::Malformed)
            }
        }
    }

    fn greet(
        &mut self,
        now: Timestamp,
        attempt: Id,
        half: &PakeMessage,
        rng: &mut impl CryptoRng,
    ) -> Result<Heard, AskError> {
        if let Some(refusal) = self.refusal(now) {
            return Ok(self.answers(attempt, [AnswerStep::Refused(refusal)]));
        }
        if self.greeted.iter().any(|(known, _)| *known == attempt) {
            return Err(AskError::OutOfOrder);
        }
        let (own, sent) = Half::begin(Side::Inviter, &self.code, &self.offer, attempt, rng);
        let channel = own.finish(half).ok_or(AskError::Malformed)?;
        if self.greeted.len() == MAX_GREETED {
            self.greeted.pop_front();
        }
        self.greeted.push_back((attempt, channel));
        Ok(self.answers(attempt, [AnswerStep::Hello(sent)]))
    }

    /// Lets in whoever knows the code; whoever does not has used a try up.
    fn judge(&mut self, now: Timestamp, attempt: Id, proof: &Proof) -> Result<Heard, AskError> {
        let place = self.greeted.iter().position(|(known, _)| *known == attempt);
        let greeted = place.and_then(|place| self.greeted.remove(place));
        let (_, channel) = greeted.ok_or(AskError::OutOfOrder)?;
        if let Some(refusal) = self.refusal(now) {
            return Ok(self.answers(attempt, [AnswerStep::Refused(refusal)]));
        }
        if !channel.is_proven_by(proof) {
            self.tries -= 1;
            let wrong = Refusal::WrongCode { left: self.tries };
            return Ok(self.answers(attempt, [AnswerStep::Refused(wrong)]));
        }
        let parts = self.sealed_invitation(&channel).ok_or(AskError::Malformed)?;
        self.greeted.clear();
        self.guest = Some(Guest { attempt, step: GuestStep::Invited(channel) });
        Ok(self.answers(attempt, parts))
    }

    fn sealed_invitation(&self, channel: &Channel) -> Option<Vec<AnswerStep>> {
        let parts = self.invitation.chunks(PART);
        let of = u32::try_from(parts.len()).ok()?;
        let seal = |(part, chunk)| {
            let sealed = Sealed(channel.seal(part, chunk)?);
            Some(AnswerStep::Invitation(InvitationPart { proof: channel.proof(), part, of, sealed }))
        };
        (0..).zip(parts).map(seal).collect()
    }

    fn read(&mut self, attempt: Id, sealed: &Sealed) -> Result<Heard, AskError> {
        let json = self.open(attempt, sealed)?;
        let signed: Signed<Application> = serde_json::from_slice(&json).map_err(|_| AskError::Malformed)?;
        let key = signed.document.identity;
        let application = signed.verified(&key).ok_or(AskError::Forged)?;
        if application.attempt != attempt || application.name != self.invited_as.0 {
            return Err(AskError::Forged);
        }
        if let Some(guest) = &mut self.guest {
            guest.step.advance();
        }
        Ok(Heard::Application(Box::new(application)))
    }

    /// What whoever used the code says next, and says once.
    fn open(&self, attempt: Id, sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, AskError> {
        let guest = self.guest.as_ref().filter(|guest| guest.attempt == attempt);
        match guest.map(|guest| &guest.step) {
            Some(GuestStep::Invited(channel)) => channel.open(0, &sealed.0).ok_or(AskError::Forged),
            _ => Err(AskError::OutOfOrder),
        }
    }

    /// Tells the newcomer, once, what became of its application; nothing if there is none.
    pub fn conclude(&mut self, outcome: &Outcome) -> Option<Answer> {
        let guest = self.guest.as_mut()?;
        let GuestStep::Applied(channel) = &guest.step else { return None };
        let json = serde_json::to_vec(outcome).ok()?;
        // A number that no part of the invitation has.
        let (sealed, attempt) = (channel.seal(MAX_PARTS, &json)?, guest.attempt);
        guest.step.advance();
        Some(self.answer(attempt, AnswerStep::Outcome(Sealed(sealed))))
    }

    fn refusal(&self, now: Timestamp) -> Option<Refusal> {
        if self.guest.is_some() {
            Some(Refusal::Used)
        } else if self.is_over(now) {
            Some(Refusal::Over)
        } else {
            None
        }
    }

    fn answers(&self, attempt: Id, steps: impl IntoIterator<Item = AnswerStep>) -> Heard {
        Heard::Answers(steps.into_iter().map(|say| self.answer(attempt, say)).collect())
    }

    fn answer(&self, attempt: Id, say: AnswerStep) -> Answer {
        Answer { v: VERSION, offer: self.offer.offer, attempt, say }
    }
}

impl GuestStep {
    fn advance(&mut self) {
        *self = match std::mem::replace(self, Self::Told) {
            Self::Invited(channel) => Self::Applied(channel),
            Self::Applied(_) | Self::Told => Self::Told,
        };
    }
}

pub(super) fn draw(rng: &mut impl CryptoRng) -> Id {
    let mut bytes = Bytes::default();
    rng.fill_bytes(&mut bytes.0);
    bytes
}

#[cfg(test)]
impl Inviter {
    /// Takes over another one's offer without knowing its code.
    pub(super) fn speak_for(&mut self, offer: Offer) {
        self.offer = offer;
    }

    /// Lets somebody in whatever they prove.
    pub(super) fn pretend(&mut self, ask: &Ask) -> Answer {
        let place = self.greeted.iter().position(|(known, _)| *known == ask.attempt).unwrap();
        let (attempt, channel) = self.greeted.remove(place).unwrap();
        let part = self.sealed_invitation(&channel).unwrap().remove(0);
        self.answer(attempt, part)
    }
}
