//! `murmur demo`

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use smc_core::name::QuantityName;
use smc_core::roster::Span;
use smc_mqtt::clock::Speed;

use super::{Failure, Outcome, block_on};
use crate::demo::{self, Ask, DemoOptions, Form, ReplayOptions};

const EXAMPLES: &str = "\
Examples:
  murmur demo
  murmur demo --peers 5 --threshold 2 --rooms 40 --period 1s --windows 10
  murmur demo --ask max --ask 'quantile q = 0.9' --ask 'histogram edges = [600, 800, 1000]'
  murmur demo --windows 3 --json | jq -r 'select(.query == \"co2-mean\") | .value'
  murmur demo --replay day.csv.gz --time-column minute --agent-column room --value-column co2 --speed 120

Starts a broker, the peers and the agents in this process, over real MQTT on loopback, and compares every
published value with the truth (`murmur functions` lists what may be asked). On a loopback address anybody may look on without a login.

Exit codes: 0 all published values were true, 1 one was not or something failed, 2 wrong usage.";

/// `murmur demo`
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Demo {
    /// How many peers
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(3..=9))]
    peers: u8,
    /// How many peers together learn nothing; the most that the number of peers allows if left out
    #[arg(long, value_name = "T")]
    threshold: Option<u8>,
    /// How many simulated rooms
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rooms: u32,
    /// The length of a window: 2s, or 60s in a replay, if left out
    #[arg(long, value_name = "TIME")]
    period: Option<Span>,
    /// The fewest rooms that a result may cover
    #[arg(long, value_name = "N", default_value_t = 5)]
    minimum_cohort: u32,
    /// End after so many windows
    #[arg(long, value_name = "N")]
    windows: Option<u64>,
    /// Where the broker listens; if port 1883 is taken, a free one is chosen and told
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:1883")]
    listen: SocketAddr,
    /// A function to be computed on CO2, or on what is replayed, with its parameters; several if given several times
    #[arg(long = "ask", value_name = "FUNCTION")]
    asked: Vec<Ask>,
    /// Print one JSON object per window and query
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    replay: Replay,
}

#[derive(Debug, Args)]
struct Replay {
    /// Replay a CSV file, plain or gzip, instead of simulating rooms
    #[arg(long = "replay", value_name = "PATH")]
    path: Option<PathBuf>,
    /// The column with the time: Unix seconds or RFC 3339
    #[arg(long, value_name = "NAME", requires = "path", default_value = "time")]
    time_column: String,
    /// The column with the agent's name
    #[arg(long, value_name = "NAME", requires = "path", default_value = "agent")]
    agent_column: String,
    /// The column with the reading
    #[arg(long, value_name = "NAME", requires = "path", default_value = "co2")]
    value_column: String,
    /// What the readings measure; the value column's name if left out
    #[arg(long, value_name = "NAME", requires = "path")]
    quantity: Option<QuantityName>,
    /// How many seconds of the file pass in one second
    #[arg(long, value_name = "FACTOR", requires = "path", default_value = "60")]
    speed: Speed,
}

impl Demo {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        let replay = self.replay.options()?;
        let options = DemoOptions {
            peers: self.peers,
            threshold: self.threshold,
            rooms: self.rooms as usize,
            period: self.period,
            minimum_cohort: self.minimum_cohort,
            windows: self.windows,
            listen: self.listen,
            asked: self.asked,
            form: if self.json { Form::Json } else { Form::Text },
            replay,
        };
        let verdict = block_on(demo::run(options))??;
        Ok(if verdict.wrong == 0 { Outcome::Done } else { Outcome::Refused })
    }
}

impl Replay {
    fn options(self) -> Result<Option<ReplayOptions>, Failure> {
        let Some(path) = self.path else { return Ok(None) };
        let quantity = match self.quantity {
            Some(quantity) => quantity,
            None => self
                .value_column
                .parse()
                .map_err(|error| Failure::Quantity { column: self.value_column.clone(), error })?,
        };
        Ok(Some(ReplayOptions {
            path,
            time_column: self.time_column,
            agent_column: self.agent_column,
            value_column: self.value_column,
            quantity,
            speed: self.speed,
        }))
    }
}
