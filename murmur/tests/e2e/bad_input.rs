//! Bad input of any kind: a clear error or a counted refusal, and nobody else disturbed.

mod disk;
mod files;
mod forge;
mod hostile_agent;
mod hostile_peer;
mod hostile_site;
