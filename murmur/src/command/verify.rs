//! `murmur verify`

mod assembly;
mod check;
mod report;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use smc_mqtt::config::ConfigError;

use self::check::{Checker, Good, Refused};
use super::Outcome;
use super::lines::{Line, Lines};
use super::told::Told;

const EXAMPLES: &str = "\
Examples:
  murmur verify results.jsonl --site hq/site.toml
  mosquitto_sub -h localhost -u observer -P ... -v -t 'murmur/hq/result/#' | murmur verify --site hq/site.toml
  mosquitto_sub -h localhost -u observer -P ... -v -t murmur/hq/charter -t 'murmur/hq/result/#' |
      murmur verify --site hq/site.toml
  murmur verify results.jsonl --site hq/site.toml --json | jq -r 'select(.verdict == \"refused\").why'

Reads one result per line, as mosquitto_sub prints them with or without -v. A result is good if every
signature on it is by one who was a peer in its window and, where it has a value, more peers signed than
may collude. Who became a peer after the site file was made is told by --members, or by lines of the
topic murmur/<site>/charter, before the results. Of two
different values for one window the second is refused. The parts of a long value follow its result; each must
be the one that the peers signed for, and with --json the last of them is told with the whole value.

Exit codes: 0 every line is good, 1 a line was refused or there was none, 2 wrong usage.";

/// `murmur verify [FILE] --site site.toml`
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Verify {
    /// Results, one JSON document per line; `-` is the standard input
    #[arg(default_value = "-")]
    file: PathBuf,
    #[command(flatten)]
    told: Told,
    /// Print one JSON object per line that was read
    #[arg(long)]
    json: bool,
}

/// Why nothing (more) could be checked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VerifyFailure {
    /// The input can't be read.
    #[error("{path}: {error}; name a file of results, or `-` for the standard input")]
    Input {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Nobody takes the verdicts.
    #[error("the verdicts could not be printed: {0}")]
    Output(#[source] io::Error),
    /// The site file or the changes of its member list can't be used.
    #[error("--site, --members: {0}")]
    Site(#[from] ConfigError),
}

/// How many lines were good and how many not.
#[derive(Debug, Default)]
struct Tally {
    ok: u64,
    refused: u64,
}

impl Verify {
    pub(crate) fn run(self) -> Result<Outcome, VerifyFailure> {
        let members = self.told.members()?;
        let roster = members.roster().map_err(ConfigError::from)?;
        let input = open(&self.file)?;
        let failed = |error| VerifyFailure::Input { path: self.file.clone(), error };
        let mut checker = Checker::new(members);
        let mut lines = Lines::new(input);
        let mut output = io::stdout().lock();
        let mut tally = Tally::default();
        while let Some((number, line)) = lines.next().map_err(failed)? {
            let checked = match line {
                Line::Blank => continue,
                Line::Text(bytes) if checker.is_bare(bytes) => continue,
                Line::Text(bytes) => checker.check(number, bytes),
                Line::TooLong => Err(Refused::TooLong),
            };
            tally.count(&checked);
            let line = if self.json {
                report::json(number, &checked)
            } else {
                report::text(number, &checked, &roster)
            };
            // Flushed line by line, since the input may be a subscription that never ends.
            writeln!(output, "{line}").and_then(|()| output.flush()).map_err(VerifyFailure::Output)?;
        }
        Ok(tally.conclude())
    }
}

impl Tally {
    fn count(&mut self, checked: &Result<Good, Refused>) {
        match checked {
            // No result.
            Ok(Good::Members(_)) => {}
            Ok(Good::Part(_) | Good::Result(_)) => self.ok += 1,
            Err(_) => self.refused += 1,
        }
    }

    fn conclude(self) -> Outcome {
        match self {
            Self { ok: 0, refused: 0 } => eprintln!("error: there was no result to check"),
            Self { ok, refused } => eprintln!("{ok} ok, {refused} refused"),
        }
        if self.refused == 0 && self.ok > 0 { Outcome::Done } else { Outcome::Refused }
    }
}

fn open(path: &Path) -> Result<Box<dyn BufRead>, VerifyFailure> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdin().lock()));
    }
    match File::open(path) {
        Ok(file) => Ok(Box::new(BufReader::new(file))),
        Err(error) => Err(VerifyFailure::Input { path: path.to_owned(), error }),
    }
}
