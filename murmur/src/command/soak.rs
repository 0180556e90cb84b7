//! `murmur soak`

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use smc_core::roster::Span;
use smc_core::time::Period;

use super::{Failure, Outcome, block_on, block_on_one_thread};
use crate::soak::{self, Kind, Role, SoakOptions};

const EXAMPLES: &str = "\
Examples:
  murmur soak --minutes 2 --seed 1
  murmur soak --minutes 30 --seed 7 --json > soak.json
  murmur soak --minutes 10 --faults kill,stop,restart --peers 3 --agents 12

Runs the broker, the peers and the agents as processes of their own, does to them what the seed says, and holds
every published value against the truth. Things go wrong one at a time or two at once; after each it waits until a
window is whole again: all values there, all peers in it, all readings the newest. Ctrl-C ends it with a report.

Filling disks takes the right to mount (root); without, that is skipped, and the report says so.

Exit codes: 0 all is well, 1 a value was wrong or published twice, a process crashed, or something was
not recovered from, 2 wrong usage.";

/// `murmur soak`
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(crate) struct Soak {
    #[command(subcommand)]
    part: Option<Part>,
    /// For how long things go wrong
    #[arg(long, value_name = "M", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=1440))]
    minutes: u64,
    /// What says what goes wrong; the same seed does the same
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// How many peers
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u8).range(3..=9))]
    peers: u8,
    /// How many peers together learn nothing. With more than 1, some functions take more peers than may be left
    #[arg(long, value_name = "T", default_value_t = 1)]
    threshold: u8,
    /// How many agents
    #[arg(long, value_name = "N", default_value_t = 40, value_parser = clap::value_parser!(u64).range(8..=500))]
    agents: u64,
    /// The length of a window, from 200ms on
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = period)]
    period: Period,
    /// What may go wrong; all of it if left out
    #[arg(long, value_name = "KIND,...", value_delimiter = ',', value_enum)]
    faults: Vec<Kind>,
    /// Nothing goes wrong: tells what the processes hold after 1, 6, 12 and 24 twenty-fourths of the time
    #[arg(long, conflicts_with = "faults")]
    idle: bool,
    /// Print the report as one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// Play one role, until asked to end or standard input closes
    #[command(hide = true)]
    Role {
        /// Which
        role: Role,
        /// The node's own file
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
}

impl Soak {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        if let Some(Part::Role { role, config }) = self.part {
            let played = soak::play(role, &config);
            // As many threads as the programs of the roles have.
            match role {
                Role::Broker => block_on(played)??,
                Role::Agent | Role::Peer => block_on_one_thread(played)??,
            }
            return Ok(Outcome::Done);
        }
        let kinds = match self.faults {
            _ if self.idle => Vec::new(),
            faults if faults.is_empty() => Kind::value_variants().to_vec(),
            faults => faults,
        };
        // Before there are threads, which would not see the same mounts.
        let mounts =
            if kinds.contains(&Kind::Disk) { soak::own_mounts() } else { Err("not asked for".to_owned()) };
        let options = SoakOptions {
            span: Duration::from_secs(60 * self.minutes),
            seed: self.seed,
            peers: self.peers,
            threshold: self.threshold,
            agents: self.agents as usize,
            period: self.period,
            kinds,
            mounts,
        };
        let report = block_on(soak::run(options))??;
        if self.json {
            println!("{}", serde_json::to_string(&report).unwrap_or_default());
        } else {
            println!("{report}");
        }
        Ok(if report.is_good() { Outcome::Done } else { Outcome::Refused })
    }
}

/// A window that processes on one machine can keep.
fn period(text: &str) -> Result<Period, String> {
    let span: Span =
        text.parse().map_err(|error: smc_core::roster::document::SpanError| error.to_string())?;
    match Period::try_from(span) {
        Ok(period) if (200..=60_000).contains(&period.as_millis()) => Ok(period),
        _ => Err("a period here lasts from 200 ms to 1 min".to_owned()),
    }
}
