//! The pure core of Murmuration: sharing, sealing, agreement and opening, without I/O.
//!
//! Time, entropy and messages are arguments; what is to be sent, stored or told is returned.

mod base64url;
pub mod decimal;
pub mod envelope;
pub mod field;
pub mod identity;
pub mod name;
pub mod polynomial;
pub mod quantity;
pub mod shamir;
pub mod time;

#[cfg(test)]
mod testing;
