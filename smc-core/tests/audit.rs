//! Logs of peers: that every change is found and the first bad entry named, and that heads hold a peer to its story.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod audit {
    mod heads;
    mod lists;
    mod log;
    mod rules;
    mod signatures;
    pub(crate) mod site;
    mod tampering;
}
