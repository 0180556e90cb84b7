//! `smc-peer`: parse, load, run.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use smc_mqtt::clock::Clock;
use smc_mqtt::process;
use smc_peer::PeerConfig;

/// A peer: takes sealed shares, computes with the other peers, publishes signed results
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Examples:\n  smc-peer --config site/peer-1.toml\n  RUST_LOG=debug smc-peer --config site/peer-1.toml\n\nKeys can be overridden by the environment: MURMUR_BROKER=mqtt://10.0.0.2:1883"
)]
struct Arguments {
    /// The peer's own file, as `murmur site init` writes it
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    process::run("smc-peer", |shutdown| async move {
        let options = PeerConfig::load(&arguments.config)?;
        smc_peer::run(options, Clock::system(), None, shutdown).await?;
        Ok(())
    })
}
