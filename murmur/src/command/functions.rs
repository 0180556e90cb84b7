//! `murmur functions`

mod table;

use std::fmt::Write as _;
use std::io::{self, Write as _};

use assessment::rehearsal::{self, Measured, Measurement, RehearsalFailure, Size};
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde_json::json;
use smc_core::function::{Entry, catalogue};

use self::table::{Column, Table, wrapped};
use super::Outcome;

const EXAMPLES: &str = "\
Examples:
  murmur functions
  murmur functions median
  murmur functions histogram --agents 1000 --bits 10 --peers 5
  murmur functions --json | jq -r 'select(.parameters != \"\") | .name'

Without a name it lists all functions: what each says, and what exactly its output reveals. With a name it tells
all about one, and what it costs: the function is computed here, by all peers in one process, on readings that
are made up.

Exit codes: 0 all is well, 1 the function can't be computed at this size, 2 wrong usage.";

/// `murmur functions [NAME]`
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Functions {
    /// The function to tell about; all of them, in short, if left out
    #[arg(value_parser = entry())]
    name: Option<&'static Entry>,
    /// How many agents
    #[arg(long, value_name = "N", default_value_t = 100, requires = "name", value_parser = clap::value_parser!(u32).range(3..=10_000))]
    agents: u32,
    /// How many bits a reading has; 14, as CO2, or the most that the function can do if left out
    #[arg(long, value_name = "K", requires = "name", value_parser = clap::value_parser!(u32).range(1..=32))]
    bits: Option<u32>,
    /// How many peers
    #[arg(long, value_name = "N", default_value_t = 3, requires = "name", value_parser = clap::value_parser!(u8).range(3..=9))]
    peers: u8,
    /// How many peers together learn nothing; the most that the number of peers allows if left out
    #[arg(long, value_name = "T", requires = "name")]
    threshold: Option<u8>,
    /// Print one JSON object per function
    #[arg(long)]
    json: bool,
}

/// A name of the catalogue; what is none of them is refused with the list.
fn entry() -> impl TypedValueParser<Value = &'static Entry> {
    let names = PossibleValuesParser::new(catalogue().iter().map(|entry| entry.name));
    names.try_map(|name| Entry::named(&name).ok_or("there is no such function"))
}

/// A rehearsal of vectors has so many elements.
const ELEMENTS: u32 = 16;

/// Why a function could not be told about.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FunctionsFailure {
    /// Nobody takes the answer.
    #[error("the answer could not be printed: {0}")]
    Output(#[from] io::Error),
    /// The function can't be measured.
    #[error(transparent)]
    Rehearsal(#[from] RehearsalFailure),
}

impl Functions {
    pub(crate) fn run(self) -> Result<Outcome, FunctionsFailure> {
        let text = match (self.name, self.json) {
            (None, false) => list(),
            (None, true) => catalogue().iter().map(|entry| format!("{}\n", describe(entry))).collect(),
            (Some(entry), false) => tell(entry, &self.measure(entry)?),
            (Some(entry), true) => format!("{}\n", detail(entry, &self.measure(entry)?)),
        };
        match io::stdout().lock().write_all(text.as_bytes()) {
            // Whoever pipes this into `head` has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Outcome::Done),
            written => Ok(written.map(|()| Outcome::Done)?),
        }
    }

    fn measure(&self, entry: &'static Entry) -> Result<Measurement, RehearsalFailure> {
        let threshold = self.threshold.unwrap_or((self.peers - 1) / 2);
        let size =
            |bits| Size { agents: self.agents, bits, elements: ELEMENTS, peers: self.peers, threshold };
        rehearsal::measure(entry, self.bits, size)
    }
}

/// All functions in short.
fn list() -> String {
    let mut table = Table::new([
        Column { head: "function", width: 26 },
        Column { head: "says", width: 44 },
        Column { head: "reveals", width: 44 },
    ]);
    for entry in catalogue() {
        let name = format!("{}\n{}", entry.name, entry.parameters);
        table.row([name.trim_end(), entry.about, entry.reveals]);
    }
    table.to_string()
}

fn describe(entry: &Entry) -> serde_json::Value {
    json!({
        "name": entry.name,
        "about": entry.about,
        "parameters": entry.parameters,
        "reveals": entry.reveals,
        "steps": entry.steps,
    })
}

fn detail(entry: &Entry, measurement: &Measurement) -> serde_json::Value {
    let Measurement { size, elements, everybody, one_client } = measurement;
    let mut all = describe(entry);
    all["size"] = json!({
        "agents": size.agents,
        "bits": size.bits,
        "elements": elements,
        "peers": size.peers,
        "threshold": size.threshold,
    });
    all["cost"] = json!({ "everybody": everybody, "one_client": one_client });
    all
}

const WIDTH: usize = 100;

/// One function for people.
fn tell(entry: &Entry, measurement: &Measurement) -> String {
    let mut text = format!("{}\n\n", entry.name);
    let parameters = if entry.parameters.is_empty() { "none" } else { entry.parameters };
    let about = [("says", entry.about), ("parameters", parameters), ("reveals", entry.reveals)];
    for (key, value) in about.into_iter().chain([("steps", entry.steps)]) {
        let mut key = key;
        for line in wrapped(value, WIDTH - 14) {
            let _ = writeln!(text, "{key:<12}  {line}");
            key = "";
        }
    }
    let Measurement { size, elements, everybody, one_client } = measurement;
    let readings = match elements {
        1 => "readings".to_owned(),
        elements => format!("vectors of {elements} elements"),
    };
    let _ = writeln!(
        text,
        "\nWith {} {readings} of {} bits and {} peers of which any {} together learn nothing:\n",
        size.agents, size.bits, size.peers, size.threshold,
    );
    let _ = writeln!(text, "{:<22}  {:>6}  {:>9}  {:>15}", "output", "rounds", "products", "bytes per peer");
    text += &cost("for everybody", everybody);
    match one_client {
        Some(sealed) => text += &cost("sealed for one client", sealed),
        None => text += "sealed for one client: not possible, since the peers know it before\n",
    }
    text += "\nBytes are the shares that one peer sends to all others, before they are sealed. The agreement on the\n\
        cohort and the check of its inputs come before and are not counted.\n";
    text
}

fn cost(audience: &str, measured: &Measured) -> String {
    let Measured { rounds, products, bytes_per_peer, .. } = measured;
    format!("{audience:<22}  {rounds:>6}  {products:>9}  {bytes_per_peer:>15}\n")
}
