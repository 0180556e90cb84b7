//! What processes use, as the kernel counts it, and what machine it was.

// The library that opens these counters knows the kernel's structures on these architectures.
#[cfg_attr(not(any(target_arch = "aarch64", target_arch = "x86_64")), path = "meter/no_events.rs")]
mod events;
mod machine;
mod stack;
mod usage;

pub(crate) use self::events::Events;
pub use self::machine::Machine;
pub use self::usage::Usage;
