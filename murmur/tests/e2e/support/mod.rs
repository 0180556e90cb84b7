//! A site on disk, its processes, mosquitto's clients, and patience.

pub(crate) mod brokers;
pub(crate) mod chromium;
pub(crate) mod mosquitto;
pub(crate) mod outcome;
pub(crate) mod process;
pub(crate) mod programs;
pub(crate) mod site;
pub(crate) mod wait;
