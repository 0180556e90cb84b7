//! One file per check.

pub(super) mod agents;
pub(super) mod broker;
pub(super) mod certificates;
pub(super) mod clocks;
pub(super) mod config;
pub(super) mod disk;
pub(super) mod keys;
pub(super) mod peers;
pub(super) mod policy;
pub(super) mod results;
pub(super) mod roster;
pub(super) mod site_file;
pub(super) mod versions;
