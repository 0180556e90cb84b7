//! Asking, and following what comes of it: `murmur ask`, `queries`, `watch`, `results`, `cancel`, `mine`.

pub(crate) mod ask;
pub(crate) mod cancel;
mod failure;
mod flags;
pub(crate) mod mine;
mod opening;
pub(crate) mod queries;
pub(crate) mod results;
pub(crate) mod told;
pub(crate) mod watch;
mod when;
mod who;

pub(crate) use self::failure::AskFailure;
pub(crate) use self::told::say;
pub(crate) use self::who::connected;
