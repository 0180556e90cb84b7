//! `murmur join`: joins a site by a code that a member shows.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use smc_core::name::NodeName;
use smc_core::pairing::PairingCode;
use smc_core::roster::Span;
use smc_mqtt::pairing::{Join as Joining, JoinError, join};
use smc_mqtt::settings::BrokerAddress;

use super::asking::say;
use super::{Failure, Outcome, block_on};

const EXAMPLES: &str = "\
Examples:
  murmur join 4821-7730                                       looks for a broker that announces itself
  murmur join 4821-7730 --broker mqtt://10.0.0.2 --into hq    the files go to hq/

A member's operator has the code made with `murmur pair`. The keys are made here and stay here; what comes
from the member is the site file and the member list. For an agent, `sensor-agent pair CODE` does the same.

Exit codes: 0 joined, 1 an error or refused, 2 wrong usage.";

/// `murmur join CODE`
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Join {
    /// The code
    code: PairingCode,
    /// Where the broker is; if not given, one that announces itself is looked for
    #[arg(long, value_name = "ADDRESS")]
    broker: Option<BrokerAddress>,
    /// The folder for its files
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    into: PathBuf,
    /// The member whose code it is, if several have one
    #[arg(long, value_name = "MEMBER")]
    with: Option<NodeName>,
    /// How long to wait for each answer
    #[arg(long, value_name = "SPAN", default_value = "30s")]
    wait: Span,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

/// Why it did not join.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JoinFailure {
    /// No site was joined.
    #[error(transparent)]
    Join(#[from] Box<JoinError>),
    /// It is done, but can't be told.
    #[error("it is done, but could not be printed: {0}")]
    Output(#[from] std::io::Error),
}

impl Join {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        let joining = Joining {
            code: self.code,
            broker: self.broker,
            member: self.with,
            only: None,
            folder: self.into,
            sources: None,
            wait: self.wait.get(),
        };
        let paired = block_on(join(&joining))?.map_err(|error| JoinFailure::from(Box::new(error)))?;
        let told = if self.json {
            json!({
                "name": paired.name, "as": paired.invited_as, "site": paired.site, "member": paired.member,
                "outcome": paired.outcome,
            })
            .to_string()
        } else {
            paired.describe(&joining.folder)
        };
        say(&told).map_err(JoinFailure::from)?;
        Ok(Outcome::Done)
    }
}
