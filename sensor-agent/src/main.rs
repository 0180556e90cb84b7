//! `sensor-agent`: parse, load, run.

mod attempt;
mod pair;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use sensor_agent::AgentConfig;
use smc_mqtt::clock::Clock;
use smc_mqtt::process;

use self::attempt::Try;
use self::pair::Pair;

/// An agent: reads sensors, splits every reading into shares and seals one to each peer
#[derive(Debug, Parser)]
#[command(
    version,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "Examples:\n  sensor-agent pair 4821-7730 --broker mqtt://10.0.0.2    join a site by a code\n  sensor-agent try --config site/room-101.toml            look at the sensors first\n  sensor-agent --config site/room-101.toml\n  RUST_LOG=debug sensor-agent --config site/room-101.toml\n\nKeys can be overridden by the environment: MURMUR_BROKER=mqtt://10.0.0.2:1883"
)]
struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
    /// The agent's own file, as `murmur site init` or `sensor-agent pair` writes it
    #[arg(long, value_name = "FILE", required = true)]
    config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Join a site by a code that a member shows (`murmur pair`)
    Pair(Pair),
    /// Show what the sensors say now, and what becomes of it; needs no keys and no broker
    Try(Try),
}

fn main() -> ExitCode {
    let Arguments { action, config } = Arguments::parse();
    process::run("sensor-agent", |shutdown| async move {
        match action {
            Some(Action::Pair(pair)) => return pair.run(shutdown).await,
            Some(Action::Try(attempt)) => return attempt.run(shutdown).await,
            None => {}
        }
        let options = AgentConfig::load(&config.unwrap_or_default())?;
        sensor_agent::run(options, Clock::system(), None, shutdown).await?;
        Ok(())
    })
}
