//! `sensor-agent try`: shows what the sensors say now.

use std::error::Error;
use std::path::PathBuf;

use clap::Args;
use sensor_agent::trial::Trial;
use smc_core::roster::Span;
use smc_mqtt::clock::Clock;
use smc_mqtt::process::Shutdown;

/// `sensor-agent try`
#[derive(Debug, Args)]
#[command(
    after_help = "Shows readings, for you alone: nothing is shared. Ends with exit code 1 if a stream said nothing that would be."
)]
pub(crate) struct Try {
    /// The agent's own file; of it only `node`, `site`, [stream] and [[source]] matter
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// How long to wait for sensors that say nothing
    #[arg(long = "for", value_name = "SPAN", default_value = "15s")]
    span: Span,
}

impl Try {
    pub(crate) async fn run(self, shutdown: Shutdown) -> Result<(), Box<dyn Error>> {
        let trial = Trial::load(&self.config)?;
        let findings = trial.run(self.span.get(), Clock::system(), shutdown).await?;
        print!("{findings}");
        if findings.is_good() { Ok(()) } else { Err("not every stream said something that is shared".into()) }
    }
}
