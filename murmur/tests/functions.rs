//! `murmur functions`: what can be computed, told by the program itself.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test may fail by panicking")]

mod common;

use std::path::Path;

use common::{Run, murmur};
use serde_json::Value;
use smc_core::function::catalogue;

fn functions(arguments: &[&str]) -> Run {
    murmur(Path::new("."), &[&["functions"], arguments].concat())
}

fn lines(run: &Run) -> Vec<Value> {
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn every_function_of_the_catalogue_is_listed() {
    let run = functions(&[]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    let listed: Vec<&str> =
        run.stdout.split("\n\n").skip(1).filter_map(|row| row.split_whitespace().next()).collect();
    let known: Vec<&str> = catalogue().iter().map(|entry| entry.name).collect();
    assert_eq!(listed, known);
    assert!(run.stdout.contains("\nabove = 1000 "), "parameters stand below the name");
    for word in ["says ", "the greatest reading "] {
        let begins = |line: &&str| line.get(28..).is_some_and(|cell| cell.starts_with(word));
        assert!(run.stdout.lines().any(|line| begins(&line)), "{word} is not where the second column begins");
    }
    assert!(run.stdout.lines().all(|line| line.chars().count() <= 118), "{}", run.stdout);
}

#[test]
fn json_has_a_line_for_each_of_them() {
    let all = lines(&functions(&["--json"]));
    let told: Vec<&str> = all.iter().map(|function| function["name"].as_str().unwrap()).collect();
    let known: Vec<&str> = catalogue().iter().map(|entry| entry.name).collect();
    assert_eq!(told, known);
    for key in ["about", "parameters", "reveals", "steps"] {
        assert!(all.iter().all(|function| function[key].is_string()), "{key}");
    }
}

#[test]
fn one_function_is_told_in_detail_with_its_cost() {
    let run = functions(&["median", "--agents", "20", "--bits", "8", "--peers", "5", "--threshold", "1"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    assert!(run.stdout.starts_with("median\n\nsays "), "{}", run.stdout);
    assert!(
        run.stdout.contains("With 20 readings of 8 bits and 5 peers of which any 1 together learn nothing")
    );
    assert!(run.stdout.contains("\nsealed for one client   "), "{}", run.stdout);

    let small = &lines(&functions(&["median", "--agents", "20", "--bits", "8", "--json"]))[0];
    let (size, cost) = (&small["size"], &small["cost"]);
    assert_eq!((&size["agents"], &size["bits"], &size["peers"]), (&20.into(), &8.into(), &3.into()));
    let large = &lines(&functions(&["median", "--agents", "200", "--bits", "8", "--json"]))[0]["cost"];
    for audience in ["everybody", "one_client"] {
        let number = |cost: &Value, key: &str| cost[audience][key].as_u64().unwrap();
        // A share has 8 bytes and goes to two others; each product is at least one share.
        assert!(number(cost, "bytes_per_peer") >= 16 * number(cost, "products"), "{cost}");
        assert!(number(cost, "rounds") > 1 && number(large, "products") > 2 * number(cost, "products"));
    }
}

#[test]
fn a_function_that_can_not_be_sealed_says_so() {
    assert!(lines(&functions(&["count", "--json"]))[0]["cost"]["one_client"].is_null());
    let told = functions(&["count"]).stdout;
    assert!(told.contains("\nsealed for one client: not possible"), "{told}");
    assert!(!functions(&["sum"]).stdout.contains("not possible"));
}

#[test]
fn what_can_not_be_computed_is_refused() {
    let unknown = functions(&["maximum"]);
    assert_eq!((unknown.code, unknown.stdout.as_str()), (2, ""));
    for entry in catalogue() {
        assert!(unknown.stderr.contains(entry.name), "{}: {}", entry.name, unknown.stderr);
    }
    let wide = functions(&["entropy", "--bits", "14"]);
    assert_eq!((wide.code, wide.stdout.as_str()), (1, ""));
    assert!(
        wide.stderr.starts_with("error: entropy can't be computed of 100 readings of 14 bits: "),
        "{}",
        wide.stderr
    );
    let many = functions(&["sum", "--peers", "3", "--threshold", "2"]);
    assert_eq!((many.code, many.stdout.as_str()), (1, ""));
    assert!(many.stderr.starts_with("error: --peers and --threshold: "), "{}", many.stderr);
    assert_eq!(functions(&["--agents", "7"]).code, 2, "a size without a name means nothing");
}
