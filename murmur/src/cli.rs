//! What can be said on the command line.

use clap::{Parser, Subcommand};
use smc_core::order::Verb;

use crate::command::agent::AgentCommand;
use crate::command::asking::ask::Ask;
use crate::command::asking::cancel::Cancel;
use crate::command::asking::mine::Mine;
use crate::command::asking::queries::Queries;
use crate::command::asking::results::Results;
use crate::command::asking::watch::Watch;
use crate::command::assess::Assess;
use crate::command::audit::Audit;
use crate::command::bench::Bench;
use crate::command::demo::Demo;
use crate::command::doctor::Doctor;
use crate::command::functions::Functions;
use crate::command::join::Join;
use crate::command::member::{Member, Peers};
use crate::command::open::Open;
use crate::command::operator::Operate;
use crate::command::pair::Pair;
use crate::command::policy::PolicyCommand;
use crate::command::site::Site;
use crate::command::sniff::Sniff;
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

const EXIT_CODES: &str = "Exit codes: 0 all is well, 1 refused or invalid, 2 the command line makes no sense, 3 peers deny it, 4 no answer in time.";

/// The commands; each is one file in `command/`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Tell an agent of yours what not to share
    Agent(AgentCommand),
    /// Show, verify and prove what a peer kept account of
    Audit(Audit),
    /// Tell a peer to compute a request that waits for its operator
    Approve(Operate),
    /// Ask the peers for something, and hear what each decides
    Ask(Box<Ask>),
    /// Measure what secure computation costs here, over a grid of parameters, and report it
    Assess(Box<Assess>),
    /// Measure this system beside plain MQTT
    Bench(Bench),
    /// Take a request back
    Cancel(Cancel),
    /// Tell a peer not to compute a request
    Deny(Operate),
    /// Run a whole site here and watch it: broker, peers, agents
    Demo(Demo),
    /// Find out what is wrong with a site, and what to do about it
    Doctor(Doctor),
    /// List what can be computed, what each function reveals and what it costs
    Functions(Functions),
    /// Join a site by a code that a member shows
    Join(Join),
    /// See and change who takes part in a running site
    Member(Member),
    /// Tell what is asked about an agent of yours, by whom, what for, and what came of it
    Mine(Mine),
    /// Open outputs that are for one client's eyes alone
    Open(Open),
    /// Let a new node in by a short code
    Pair(Pair),
    /// Tell a peer to interrupt a query
    Pause(Operate),
    /// Change who the peers of a running site are
    Peers(Peers),
    /// Check a peer's policy, and try requests on it
    Policy(PolicyCommand),
    /// List what is asked, and what each peer decided
    Queries(Queries),
    /// Print or collect the results of a query
    Results(Results),
    /// Tell a peer to go on with a query that was interrupted
    Resume(Operate),
    /// Make a site: keys, passwords and one configuration file per node
    Site(Site),
    /// Tell in words what passes at the broker: who to whom, which step, which window, what is sealed
    Sniff(Sniff),
    /// Run a whole site as separate processes, let things go wrong, and hold every value against the truth
    Soak(Soak),
    /// Check the signatures of published results
    Verify(Verify),
    /// Follow a query: its results, and what peers decide about it
    Watch(Watch),
    /// Tell a peer to end a query for good
    Withdraw(Operate),
}

impl Command {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        match self {
            Self::Agent(agent) => agent.run(),
            Self::Assess(assess) => assess.run(),
            Self::Audit(audit) => Ok(audit.run()?),
            Self::Approve(order) => order.run(Verb::Approve),
            Self::Ask(ask) => ask.run(),
            Self::Bench(bench) => bench.run(),
            Self::Cancel(cancel) => cancel.run(),
            Self::Deny(order) => order.run(Verb::Deny),
            Self::Demo(demo) => demo.run(),
            Self::Doctor(doctor) => doctor.run(),
            Self::Functions(functions) => Ok(functions.run()?),
            Self::Join(join) => join.run(),
            Self::Member(member) => member.run(),
            Self::Mine(mine) => mine.run(),
            Self::Open(open) => open.run(),
            Self::Pair(pair) => pair.run(),
            Self::Pause(order) => order.run(Verb::Pause),
            Self::Peers(peers) => peers.run(),
            Self::Policy(policy) => Ok(policy.run()?),
            Self::Queries(queries) => queries.run(),
            Self::Results(results) => results.run(),
            Self::Resume(order) => order.run(Verb::Resume),
            Self::Site(site) => site.run(),
            Self::Sniff(sniff) => sniff.run(),
            Self::Soak(soak) => soak.run(),
            Self::Verify(verify) => Ok(verify.run()?),
            Self::Watch(watch) => watch.run(),
            Self::Withdraw(order) => order.run(Verb::Withdraw),
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
