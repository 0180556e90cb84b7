//! The steps of a window at the peers, each a pure function or a value (docs/protocol.md, 2 and 4).

pub mod epoch;
pub mod holdings;
pub mod input;
pub mod inventory;
pub mod plan;
pub mod release;
pub mod standing;
pub mod terms;
pub mod validity;
pub mod vote;

#[cfg(test)]
pub(crate) mod testing;
