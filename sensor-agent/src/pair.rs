//! `sensor-agent pair`: joins a site by a code that a member shows.

use std::error::Error;
use std::path::{Path, PathBuf};

use clap::Args;
use smc_core::name::NodeName;
use smc_core::pairing::{InvitedAs, PairingCode};
use smc_core::roster::Span;
use smc_mqtt::pairing::{Join, join};
use smc_mqtt::process::Shutdown;
use smc_mqtt::settings::BrokerAddress;

/// `sensor-agent pair CODE`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  sensor-agent pair 4821-7730 --broker mqtt://10.0.0.2 --into site\n  sensor-agent pair 4821-7730 --sources my-sensors.toml\n\nA member's operator has the code made with `murmur pair`. The agent's keys are made here and stay here."
)]
pub(crate) struct Pair {
    /// The code
    code: PairingCode,
    /// Where the broker is; if not given, one that announces itself is looked for
    #[arg(long, value_name = "ADDRESS")]
    broker: Option<BrokerAddress>,
    /// The folder for the agent's files
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    into: PathBuf,
    /// A file with the `[[source]]` tables of its sensors; it invents a room without one
    #[arg(long, value_name = "FILE")]
    sources: Option<PathBuf>,
    /// The member whose code it is, if several have one
    #[arg(long, value_name = "MEMBER")]
    with: Option<NodeName>,
    /// How long to wait for each answer
    #[arg(long, value_name = "SPAN", default_value = "30s")]
    wait: Span,
}

impl Pair {
    pub(crate) async fn run(self, shutdown: Shutdown) -> Result<(), Box<dyn Error>> {
        let joining = Join {
            code: self.code,
            broker: self.broker,
            member: self.with,
            only: Some(InvitedAs::Agent),
            folder: self.into,
            sources: self.sources.map(|path| read_sources(&path)).transpose()?,
            wait: self.wait.get(),
        };
        let paired = tokio::select! {
            paired = join(&joining) => paired?,
            () = shutdown => return Err("interrupted".into()),
        };
        println!("{}", paired.describe(&joining.folder));
        if joining.sources.is_none() {
            println!("it invents a room until `[[source]]` in its file says where its sensors are");
        }
        Ok(())
    }
}

/// Nothing but `[[source]]` and `[stream]` tables: what else an agent needs to know comes from the member.
fn read_sources(path: &Path) -> Result<String, String> {
    let at = |error: String| format!("--sources {}: {error}", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| at(error.to_string()))?;
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| at(error.to_string()))?;
    match table.keys().find(|key| !["source", "stream"].contains(&key.as_str())) {
        None if table.contains_key("source") => Ok(text),
        None => Err(at("it has no `[[source]]`".to_owned())),
        Some(other) => {
            Err(at(format!("it may have `[[source]]` and `[stream]` tables alone, not `{other}`")))
        }
    }
}
