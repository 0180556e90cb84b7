//! What processes use, as the kernel counts it, and what machine it was.

mod events;
mod machine;
mod stack;
mod usage;

pub(crate) use self::events::Events;
pub use self::machine::Machine;
pub use self::usage::Usage;
