//! The example queries of configs/site.toml, which stand there as comments.

use std::path::Path;

use smc_core::roster::{Roster, SiteDocument};

#[test]
fn the_examples_of_the_sample_site_are_queries() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/site.toml");
    let text = std::fs::read_to_string(path).unwrap();
    let (before, examples) = text.split_once("# Some of the other functions").unwrap();
    let (_, examples) = examples.split_once("\n#\n").unwrap();
    let examples: String =
        examples.lines().map(|line| format!("{}\n", line.trim_start_matches('#').trim())).collect();
    let queries = |text: &str| {
        let document: SiteDocument = toml::from_str(text).unwrap();
        Roster::try_from(document).unwrap().queries().count()
    };
    assert_eq!(queries(&format!("{before}{examples}")), queries(&text) + 6);
}
