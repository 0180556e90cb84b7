//! The command line for people: makes sites and checks results.

mod assess;
mod bench;
mod clear;
mod cli;
mod command;
mod demo;
mod garbage;
mod paint;
mod percentiles;
mod soak;
mod stage;
mod usage;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match cli::Cli::parse().command.run() {
        Ok(outcome) => outcome.into(),
        Err(failure) => {
            eprintln!("error: {failure}");
            command::Outcome::Refused.into()
        }
    }
}
