//! Sources of readings to sealed shares.

pub mod source;
