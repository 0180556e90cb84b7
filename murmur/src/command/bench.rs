//! `murmur bench`

use std::fmt::Display;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde::Serialize;
use smc_core::roster::Span;

use super::{Failure, Outcome, block_on, block_on_one_thread};
use crate::bench::{self, FootprintOptions, Role, Setup};

const EXAMPLES: &str = "\
Examples:
  murmur bench ingest
  murmur bench ingest --agents 100 --streams 100 --peers 3 --period 1s --windows 20
  murmur bench ingest --agents 1000 --streams 1 --json > ingest.json

Every role is a process of its own on this machine. The baseline is plain MQTT with as many messages of the
same size, sent at the same times through the same broker, with one subscriber per peer that computes a mean.";

const FUNCTIONS: &str = "\
Examples:
  murmur bench functions
  murmur bench functions --agents 100,1000 --functions max,median --windows 20
  murmur bench functions --agents 100,1000 --peers 3 --json > functions.json

Readings have 16 bits. Every role is a process of its own on this machine; the broker is the embedded one.";

const FOOTPRINT: &str = "\
Examples:
  murmur bench footprint
  murmur bench footprint --period 10s --windows 12
  murmur bench footprint --state /mnt/small --run /run/footprint

The site's programs, which lie beside this one, run as an installation has them. A file system of its own for --state shows
what reaches the disk, the file system's own journal included. Shorter windows than those of a minute look dearer per day than
they are, as the system then gathers less of what is written before it writes it.";

/// `murmur bench ...`
#[derive(Debug, Args)]
pub(crate) struct Bench {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Measure a peer's log: appending to it, and verifying a long one
    Audit(Log),
    /// Measure how long messages take while others do harm at the broker, beside a quiet time
    Door(Door),
    /// Measure what the programs of a site hold, how soon they are ready, and what a peer writes to its disk
    #[command(after_help = FOOTPRINT)]
    Footprint(Footprint),
    /// Measure functions from the vote to the result, and beside it without messages
    #[command(after_help = FUNCTIONS)]
    Functions(Functions),
    /// Measure the way of readings to results, beside plain MQTT
    #[command(after_help = EXAMPLES)]
    Ingest(Ingest),
    /// Measure how long a newcomer takes to join by a code
    Pairing(Pairing),
    /// Measure from a request to the peers' decisions, beside the way of a message there and back
    Requests(Requests),
    /// Measure what many queries that run at once cost a peer, beside one
    Sessions(Sessions),
    /// Play one role of a measurement, as told on standard input
    #[command(hide = true)]
    Role {
        /// Which
        role: Role,
    },
}

#[derive(Debug, Args)]
struct Log {
    /// How many entries
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(3..=100_000_000))]
    entries: u64,
    /// Print the report as one JSON object
    #[arg(long)]
    json: bool,
}

impl Log {
    fn run(self) -> Result<Outcome, Failure> {
        let report = bench::log(self.entries)?;
        if self.json {
            println!("{}", serde_json::to_string(&report).unwrap_or_default());
        } else {
            println!("{report}");
        }
        Ok(Outcome::Done)
    }
}

#[derive(Debug, Args)]
struct Footprint {
    /// How many agents
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(5..=500))]
    agents: u32,
    /// The length of a window
    #[arg(long, value_name = "TIME", default_value = "60s")]
    period: Span,
    /// How many windows to measure
    #[arg(long, value_name = "W", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    windows: u32,
    /// The folder in which the peer that is watched keeps its state
    #[arg(long, value_name = "FOLDER")]
    state: Option<PathBuf>,
    /// The folder in which the peers keep what need not outlive the machine (`run_dir`)
    #[arg(long, value_name = "FOLDER")]
    run: Option<PathBuf>,
    /// Print the report as one JSON object
    #[arg(long)]
    json: bool,
}

impl Footprint {
    fn run(self) -> Result<Outcome, Failure> {
        let Self { agents, period, windows, state, run, json } = self;
        let options = FootprintOptions { agents, period, windows, state, run };
        told(&block_on(bench::footprint(options))??, json)
    }
}

#[derive(Debug, Args)]
struct Door {
    /// How many seconds for the quiet time and for each attack
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Print the report as one JSON object
    #[arg(long)]
    json: bool,
}

impl Door {
    fn run(self) -> Result<Outcome, Failure> {
        let report = block_on(bench::door(Duration::from_secs(self.seconds)))??;
        if self.json {
            println!("{}", serde_json::to_string(&report).unwrap_or_default());
        } else {
            println!("{report}");
        }
        Ok(Outcome::Done)
    }
}

#[derive(Debug, Args)]
struct Pairing {
    /// How many join, one after the other
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=200))]
    newcomers: u32,
    /// Print the report as one JSON object
    #[arg(long)]
    json: bool,
}

impl Pairing {
    fn run(self) -> Result<Outcome, Failure> {
        let report = block_on(bench::pairing(self.newcomers))??;
        if self.json {
            println!("{}", serde_json::to_string(&report).unwrap_or_default());
        } else {
            println!("{report}");
        }
        Ok(Outcome::Done)
    }
}

#[derive(Debug, Args)]
struct Ingest {
    /// How many agents
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(5..=12_000))]
    agents: u32,
    /// How many streams each agent has
    #[arg(long, value_name = "M", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    streams: u32,
    /// How many peers
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(3..=9))]
    peers: u8,
    /// How many peers together learn nothing; the most that the number of peers allows if left out
    #[arg(long, value_name = "T")]
    threshold: Option<u8>,
    /// The length of a window
    #[arg(long, value_name = "TIME", default_value = "1s")]
    period: Span,
    /// How long after a window's end its shares are still taken
    #[arg(long, value_name = "TIME", default_value = "100ms")]
    grace: Span,
    /// How many windows to measure
    #[arg(long, value_name = "W", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..))]
    windows: u64,
    /// Print the report as one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Functions {
    /// Which numbers of agents
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_values_t = [100, 1_000],
          value_parser = clap::value_parser!(u32).range(5..=12_000))]
    agents: Vec<u32>,
    /// Which functions
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', default_values = bench::USUAL)]
    functions: Vec<String>,
    /// How many peers
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(3..=9))]
    peers: u8,
    /// How many peers together learn nothing; the most that the number of peers allows if left out
    #[arg(long, value_name = "T")]
    threshold: Option<u8>,
    /// How many streams each agent has
    #[arg(long, value_name = "M", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    streams: u32,
    /// The length of a window
    #[arg(long, value_name = "TIME", default_value = "1s")]
    period: Span,
    /// How many windows to measure
    #[arg(long, value_name = "W", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..))]
    windows: u64,
    /// Print the report as one JSON object
    #[arg(long)]
    json: bool,
}

impl Functions {
    fn run(self) -> Result<Outcome, Failure> {
        let json = self.json;
        let setup = Setup {
            streams: self.streams as usize,
            peers: self.peers,
            threshold: self.threshold.unwrap_or((self.peers - 1) / 2),
            period: self.period,
            windows: self.windows,
            ..Setup::default()
        };
        let agents = self.agents.iter().map(|&agents| agents as usize).collect();
        let report = block_on(bench::functions(setup, agents, self.functions))??;
        if json {
            println!("{}", serde_json::to_string(&report).unwrap_or_default());
        } else {
            println!("{report}");
        }
        Ok(Outcome::Done)
    }
}

#[derive(Debug, Args)]
struct Requests {
    /// How many requests
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    requests: u16,
    /// Print the report as one JSON object
    #[arg(long)]
    json: bool,
}

impl Requests {
    fn run(self) -> Result<Outcome, Failure> {
        told(&block_on(bench::requests(self.requests.into()))??, self.json)
    }
}

#[derive(Debug, Args)]
struct Sessions {
    /// How many queries run at once
    #[arg(long, value_name = "N", default_value_t = 999, value_parser = clap::value_parser!(u16).range(2..=999))]
    sessions: u16,
    /// The length of a window
    #[arg(long, value_name = "TIME", default_value = "10s")]
    period: Span,
    /// How many windows are computed before memory is looked at
    #[arg(long, value_name = "W", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    windows: u32,
    /// Print the report as one JSON object
    #[arg(long)]
    json: bool,
}

impl Sessions {
    fn run(self) -> Result<Outcome, Failure> {
        told(&block_on(bench::sessions(self.sessions.into(), self.period, self.windows))??, self.json)
    }
}

fn told<R: Serialize + Display>(report: &R, json: bool) -> Result<Outcome, Failure> {
    if json {
        println!("{}", serde_json::to_string(report).unwrap_or_default());
    } else {
        println!("{report}");
    }
    Ok(Outcome::Done)
}

impl Bench {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        match self.what {
            What::Audit(log) => log.run(),
            What::Footprint(footprint) => footprint.run(),
            What::Functions(functions) => functions.run(),
            What::Ingest(ingest) => ingest.run(),
            What::Door(door) => door.run(),
            What::Pairing(pairing) => pairing.run(),
            What::Requests(requests) => requests.run(),
            What::Sessions(sessions) => sessions.run(),
            What::Role { role } => {
                match role {
                    // Many machines in one process, or what routes for them.
                    Role::Agents | Role::Broker | Role::Publishers => block_on(bench::play(role))??,
                    _ => block_on_one_thread(bench::play(role))??,
                }
                Ok(Outcome::Done)
            }
        }
    }
}

impl Ingest {
    fn run(self) -> Result<Outcome, Failure> {
        let json = self.json;
        let report = block_on(bench::ingest(Setup {
            agents: self.agents as usize,
            streams: self.streams as usize,
            peers: self.peers,
            threshold: self.threshold.unwrap_or((self.peers - 1) / 2),
            period: self.period,
            grace: self.grace,
            windows: self.windows,
            ..Setup::default()
        }))??;
        if json {
            println!("{}", serde_json::to_string(&report).unwrap_or_default());
        } else {
            println!("{report}");
        }
        Ok(Outcome::Done)
    }
}
