//! What can be said on the command line.

use clap::{Parser, Subcommand};

use crate::command::bench::Bench;
use crate::command::demo::Demo;
use crate::command::functions::Functions;
use crate::command::member::{Member, Peers};
use crate::command::open::Open;
use crate::command::site::Site;
use crate::command::soak::Soak;
use crate::command::verify::Verify;
use crate::command::{Failure, Outcome};

/// Murmuration: buildings know their sums without knowing their rooms
#[derive(Debug, Parser)]
#[command(name = "murmur", version, max_term_width = 100, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str =
    "Exit codes: 0 all is well, 1 refused or invalid, 2 the command line makes no sense.";

/// The commands; each is one file in `command/`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Measure this system beside plain MQTT
    Bench(Bench),
    /// Run a whole site here and watch it: broker, peers, agents
    Demo(Demo),
    /// List what can be computed, what each function reveals and what it costs
    Functions(Functions),
    /// See and change who takes part in a running site
    Member(Member),
    /// Open outputs that are for one client's eyes alone
    Open(Open),
    /// Change who the peers of a running site are
    Peers(Peers),
    /// Make a site: keys, passwords and one configuration file per node
    Site(Site),
    /// Run a whole site as separate processes, let things go wrong, and hold every value against the truth
    Soak(Soak),
    /// Check the signatures of published results
    Verify(Verify),
}

impl Command {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        match self {
            Self::Bench(bench) => bench.run(),
            Self::Demo(demo) => demo.run(),
            Self::Functions(functions) => Ok(functions.run()?),
            Self::Member(member) => member.run(),
            Self::Open(open) => open.run(),
            Self::Peers(peers) => peers.run(),
            Self::Site(site) => Ok(site.run()?),
            Self::Soak(soak) => soak.run(),
            Self::Verify(verify) => Ok(verify.run()?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_holds_together() {
        Cli::command().debug_assert();
    }
}
