//! `murmur policy`

mod attempt;
mod findings;

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;
use smc_mqtt::config::ConfigError;
use smc_policy::{MAX_BYTES, Policy};

use self::attempt::Try;
use super::Outcome;

const EXAMPLES: &str = "\
Examples:
  murmur policy check configs/policy/school.cedar
  murmur policy try request.json --policy school.cedar --site hq/site.toml
  murmur policy try request.json --peer hq/peer-1.toml --site hq/site.toml --at 2027-01-04T09:00:00Z --json

What policies can say is told in docs/policy.md, with samples in configs/policy/.

Exit codes: 0 all is well, 1 the policy has a mistake or the request is denied, 2 wrong usage.";

/// `murmur policy check|try`
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct PolicyCommand {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Say whether a file is a policy, or all that is wrong with it
    Check(Check),
    /// Judge a request as a peer would, and say by which rule
    Try(Box<Try>),
}

/// `murmur policy check FILE`
#[derive(Debug, Args)]
struct Check {
    /// The policy
    file: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Why a policy could not be looked at.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PolicyFailure {
    /// The peer's file makes no sense.
    #[error("--peer {path}: {error}")]
    Peer {
        /// Which.
        path: PathBuf,
        /// Why.
        error: Box<toml::de::Error>,
    },
    /// A file can't be read.
    #[error("{path}: {error}")]
    Input {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Nobody takes the answer.
    #[error("the answer could not be printed: {0}")]
    Output(#[source] io::Error),
    /// The policy is none.
    #[error("{0}")]
    Policy(#[from] smc_policy::PolicyError),
    /// The site file can't be used.
    #[error("--site: {0}")]
    Site(#[from] ConfigError),
    /// The file holds nothing that could be a request.
    #[error("{path}: {error}; docs/policy.md shows a request that can be tried")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        error: smc_core::request::RequestError,
    },
    /// The request does not say whose it is.
    #[error("{path}: no `client` in it; name one with --client")]
    WhoAsks {
        /// Which.
        path: PathBuf,
    },
}

impl PolicyCommand {
    pub(crate) fn run(self) -> Result<Outcome, PolicyFailure> {
        match self.task {
            Task::Check(check) => check.run(),
            Task::Try(attempt) => attempt.run(),
        }
    }
}

impl Check {
    fn run(&self) -> Result<Outcome, PolicyFailure> {
        let parsed = Policy::parse(&read(&self.file, MAX_BYTES)?, &self.file.display().to_string());
        let outcome = if parsed.is_ok() { Outcome::Done } else { Outcome::Refused };
        let (rules, cautions, mistakes) = match &parsed {
            Ok(policy) => (policy.rules(), policy.warnings().to_vec(), Vec::new()),
            Err(error) => (0, Vec::new(), error.to_string().lines().map(str::to_owned).collect()),
        };
        if self.json {
            let ok = mistakes.is_empty();
            print(
                &json!({"ok": ok, "rules": rules, "cautions": cautions, "mistakes": mistakes}).to_string(),
            )?;
            return Ok(outcome);
        }
        for mistake in &mistakes {
            eprintln!("error: {mistake}");
        }
        for caution in &cautions {
            eprintln!("caution: {caution}");
        }
        if mistakes.is_empty() {
            print(&format!("{}: {rules} rules", self.file.display()))?;
        }
        Ok(outcome)
    }
}

/// The text of a file; of a longer one just enough for its reader to see that it is too long.
fn read(path: &Path, most: usize) -> Result<String, PolicyFailure> {
    let mut text = String::new();
    let reading = File::open(path).and_then(|file| file.take(most as u64 + 1).read_to_string(&mut text));
    reading.map(|_| text).map_err(|error| PolicyFailure::Input { path: path.to_owned(), error })
}

fn print(text: &str) -> Result<(), PolicyFailure> {
    writeln!(io::stdout().lock(), "{text}").map_err(PolicyFailure::Output)
}
