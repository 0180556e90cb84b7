//! `sensor-agent`: parse, load, run.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use sensor_agent::AgentConfig;
use smc_mqtt::clock::Clock;
use smc_mqtt::process;

/// An agent: reads sensors, splits every reading into shares and seals one to each peer
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Examples:\n  sensor-agent --config site/room-101.toml\n  RUST_LOG=debug sensor-agent --config site/room-101.toml\n\nKeys can be overridden by the environment: MURMUR_BROKER=mqtt://10.0.0.2:1883"
)]
struct Arguments {
    /// The agent's own file, as `murmur site init` writes it
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    process::run("sensor-agent", |shutdown| async move {
        let options = AgentConfig::load(&arguments.config)?;
        sensor_agent::run(options, Clock::system(), None, shutdown).await?;
        Ok(())
    })
}
