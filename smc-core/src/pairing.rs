//! Pairing: a node that nobody knows joins by a short code that its owner was told (docs/members.md, decision 0022).
//!
//! A member's operator has a code made and reads it to whoever sets the new node up. SPAKE2 turns the code into keys that
//! nobody knows who merely saw every message: each attempt at a guess takes a message to somebody who counts. Under these keys
//! the member sends the site file, the member list as it stands and the name that it invites; the newcomer sends the public
//! keys that it made for itself.
//!
//! ```text
//! newcomer                                   member
//!            <- offer (retained) --------------   site, member, until when
//!   hello    -- X = x B + w M --------------->
//!            <- Y = y B + w N ----------------
//!   proof    -- H(K, newcomer) -------------->   the code is used up, or a try is
//!            <- H(K, member), invitation -----   sealed under a key from K
//!   keys     -- application ----------------->   sealed, signed with the new key
//!            <- outcome ----------------------   sealed
//! ```

mod channel;
mod code;
mod inviter;
mod joiner;
mod message;
#[cfg(test)]
mod tests;

pub use self::code::{PairingCode, PairingCodeError};
pub use self::inviter::{AskError, Heard, Inviter, LIFETIME, TRIES};
pub use self::joiner::{AnswerError, Joiner, Told};
pub use self::message::{
    Answer, Application, Ask, Invitation, InvitedAs, MAX_MESSAGE, Offer, Outcome, Refusal,
};
