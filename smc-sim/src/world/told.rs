//! What was told about a window, for tests that ask after one.

use smc_core::result::SignedResult;
use smc_core::value::Value;

use super::{Told, World};

impl World {
    /// The result of a query in window `w` after noon, as published.
    pub fn published(&self, query: &str, w: u64) -> Vec<&SignedResult> {
        let told = self.told(query, w).into_iter();
        told.filter(|told| told.publish).map(|told| &told.signed).collect()
    }

    /// What the peers said about a query in window `w` after noon.
    pub fn told(&self, query: &str, w: u64) -> Vec<&Told> {
        let of = |told: &&Told| {
            told.signed.result.query.as_str() == query && told.signed.result.window.index == self.window(w)
        };
        self.log.results.iter().filter(of).collect()
    }

    /// The one published value of a query in window `w` after noon.
    #[track_caller]
    pub fn value(&self, query: &str, w: u64) -> f64 {
        let published = self.published(query, w);
        let [signed] = published[..] else { panic!("{} results of {query} in window {w}", published.len()) };
        signed.verify(&self.roster).unwrap();
        let value = signed.result.value.as_ref().and_then(Value::as_number);
        value.unwrap_or_else(|| panic!("window {w}: {}", signed.result.reason.as_deref().unwrap_or("")))
    }

    /// Why a query has no value in window `w` after noon: status and reason as published.
    #[track_caller]
    pub fn reason(&self, query: &str, w: u64) -> String {
        let published = self.published(query, w);
        let [signed] = published[..] else { panic!("{} results of {query} in window {w}", published.len()) };
        signed.verify(&self.roster).unwrap();
        let result = &signed.result;
        assert_eq!(result.value, None);
        format!("{}: {}", result.status, result.reason.as_deref().unwrap_or(""))
    }
}
