//! docs/functions.md says what the catalogue says, and what rehearsals cost.
//!
//! `WRITE=1 cargo test -p smc-core --test functions costs -- --test-threads 1` writes its two parts anew.

use std::fmt::Write as _;
use std::path::Path;

use smc_core::arithmetic::Cost;
use smc_core::function::{Audience, Entry, Parameters, catalogue};
use smc_core::quantity::Quantity;
use smc_core::shamir::Sharing;
use smc_core::time::Period;

use crate::case::{Case, vector};

/// How many readings the document's figures are for, and how many elements of a vector.
const READINGS: usize = 100;
const ELEMENTS: u32 = 1_000;

#[test]
fn the_document_says_what_the_catalogue_says() {
    compare("catalogue", &catalogue().iter().map(|entry| section(entry)).collect::<String>());
}

#[test]
fn the_document_says_what_rehearsals_cost() {
    let mut table = String::from(
        "| function | rounds | products | bytes to each peer | for one client: rounds | products | bytes |\n\
         |---|---:|---:|---:|---:|---:|---:|\n",
    );
    for entry in catalogue() {
        let case = case(entry);
        let sealed = case.read().unwrap().keeps_peers_blind();
        let open = figures(cost(&case, Audience::Everybody));
        let sealed = if sealed { figures(cost(&case, Audience::One)) } else { "- | - | -".to_owned() };
        writeln!(table, "| `{}` | {open} | {sealed} |", entry.name).unwrap();
    }
    compare("costs", &table);
}

fn section(entry: &Entry) -> String {
    let parameters = match entry.parameters {
        "" => "none".to_owned(),
        example => format!("`{example}`"),
    };
    format!(
        "### {}\n\n- says: {}\n- parameters: {parameters}\n- reveals: {}\n- steps: {}\n\n",
        entry.name, entry.about, entry.reveals, entry.steps
    )
}

/// The entry's own example on 100 readings: of 14 bits, or of 10 where steps are categories.
fn case(entry: &'static Entry) -> Case {
    let known = |name: &str| Quantity::known(name, Period::from_millis(60_000).unwrap()).unwrap();
    let categories = ["distinct_count", "entropy", "heavy_hitters"].contains(&entry.name);
    let quantity = match entry.name {
        "vector_sum" => vector("model", "-1", "1", "0.001", ELEMENTS),
        _ => known(if categories { "occupancy" } else { "co2" }),
    };
    // Any readings do: the cost depends on none of them.
    let draw = |i: u64| i * 7_919 % 1_000;
    let readings = (0..READINGS as u64 * u64::from(quantity.elements())).map(draw).collect();
    let mut case = Case::new(entry.name, quantity, readings);
    case.parameters = example(entry.parameters);
    case.own = case.parameters.agent.as_ref().map(|_| 1);
    case.with_quantity = case.parameters.with.as_ref().map(|with| known(with.as_str()));
    if case.with_quantity.is_some() {
        case.with = (0..READINGS as u64).map(|i| draw(i + 3)).collect();
    }
    case
}

/// The parameters of an example as a query of a site file would have them.
fn example(text: &str) -> Parameters {
    let table: toml::Table = text.parse().unwrap();
    let mut p = Parameters::default();
    for (key, value) in table {
        let number = || value.to_string().parse().unwrap();
        match key.as_str() {
            "above" => p.above = Some(number()),
            "agent" => p.agent = Some(value.as_str().unwrap().parse().unwrap()),
            "at_least" => p.at_least = Some(value.as_integer().unwrap() as u64),
            "below" => p.below = Some(number()),
            "edges" => {
                let edges = value.as_array().unwrap().iter();
                p.edges = Some(edges.map(|edge| edge.to_string().parse().unwrap()).collect());
            }
            "k" => p.k = Some(value.as_integer().unwrap() as u64),
            "q" => p.q = Some(number()),
            "with" => p.with = Some(value.as_str().unwrap().parse().unwrap()),
            other => panic!("what is `{other}`?"),
        }
    }
    p
}

fn cost(case: &Case, audience: Audience) -> Cost {
    let run = case.rehearse(Sharing::new(3, 1).unwrap(), audience, 1);
    assert!(run.value.is_some(), "{}", case.function);
    run.cost
}

fn figures(Cost { rounds, shares, products }: Cost) -> String {
    format!("{rounds} | {products} | {}", 8 * shares)
}

/// The part of the document between its two comments must be `text`.
fn compare(part: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/functions.md");
    let document = std::fs::read_to_string(&path).unwrap();
    let marks = [format!("<!-- {part} -->\n\n"), format!("<!-- end of {part} -->")];
    let (before, rest) = document.split_once(&marks[0]).unwrap();
    let (have, after) = rest.split_once(&marks[1]).unwrap();
    let text = format!("{}\n\n", text.trim_end());
    if have != text && std::env::var_os("WRITE").is_some() {
        return std::fs::write(path, format!("{before}{}{text}{}{after}", marks[0], marks[1])).unwrap();
    }
    assert!(have == text, "docs/functions.md is out of date; {part} should be:\n\n{text}");
}
