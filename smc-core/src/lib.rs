//! The pure core of Murmuration: sharing, sealing, agreement and opening, without I/O.
//!
//! Time, entropy and messages are arguments; what is to be sent, stored or told is returned.

pub mod agent;
pub mod arithmetic;
pub mod audit;
mod base64url;
pub mod card;
pub mod charter;
pub mod control;
pub mod decimal;
pub mod desk;
pub mod digest;
pub mod document;
pub mod envelope;
pub mod field;
pub mod function;
pub mod identity;
pub mod introduction;
mod keystream;
pub mod message;
pub mod mutation;
pub mod name;
pub mod order;
pub mod output;
pub mod pairing;
pub mod peer;
pub mod peers;
pub mod polynomial;
pub mod protocol;
pub mod prss;
pub mod quantity;
pub mod request;
pub mod result;
pub mod roster;
pub mod session;
pub mod shamir;
pub mod time;
pub mod value;

#[cfg(test)]
mod testing;
