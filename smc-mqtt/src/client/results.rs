//! Results as they come: each vouched for by the peers, and newer than the ones before.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};
use smc_core::charter::Eras;
use smc_core::digest::Digest;
use smc_core::document::canonical;
use smc_core::name::QueryName;
use smc_core::result::{SignedResult, Status};
use smc_core::time::WindowIndex;

use super::MAX_ENTRIES;

/// Checks results against the site and against each other.
#[derive(Debug, Default)]
pub(super) struct Checker {
    /// The newest window of each query, and what it came to.
    newest: BTreeMap<QueryName, (WindowIndex, Status, Digest)>,
}

impl Checker {
    /// What came on the topic of `query`, if it is to be believed by the list that was in force in its window, and was not
    /// known.
    ///
    /// # Errors
    /// What it is counted as.
    pub(super) fn take(
        &mut self,
        eras: &Eras,
        query: &QueryName,
        payload: &[u8],
    ) -> Result<Option<SignedResult>, &'static str> {
        if payload.is_empty() {
            return Ok(None);
        }
        let signed: SignedResult = serde_json::from_slice(payload).map_err(|_| "result_malformed")?;
        let result = &signed.result;
        if result.query != *query {
            return Err("result_elsewhere");
        }
        eras.verify(&signed).map_err(|_| "result_not_vouched_for")?;
        let has_value = result.value.is_some() || result.parts.is_some();
        if has_value && result.status != Status::Ok {
            return Err("result_malformed");
        }
        let digest = Digest(Sha256::digest(canonical(result)).into());
        let new = (result.window.index, result.status, digest);
        match self.newest.get(query) {
            None if self.newest.len() >= MAX_ENTRIES => return Err("too_many_queries"),
            Some((window, ..)) if *window > new.0 => return Err("result_outdated"),
            Some((window, _, known)) if *window == new.0 && *known == digest => return Ok(None),
            // Without a value each peer speaks for itself alone.
            Some((window, Status::Ok, _)) if *window == new.0 => {
                return Err(if new.1 == Status::Ok { "result_contradicted" } else { "result_outdated" });
            }
            _ => {}
        }
        self.newest.insert(query.clone(), new);
        Ok(Some(signed))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use smc_core::document::Signable;
    use smc_core::result::{ResultDocument, WindowDocument};
    use smc_core::value::Value;

    use super::super::testing::Site;
    use super::*;

    fn result(site: &Site, window: u64, value: Option<f64>, signers: &[usize]) -> Vec<u8> {
        let period = smc_core::time::Period::from_millis(10_000).unwrap();
        let window = serde_json::from_value(window.into()).unwrap();
        let result = ResultDocument {
            v: 1,
            site: "hq".parse().unwrap(),
            query: "air".parse().unwrap(),
            function: "mean".to_owned(),
            quantity: "co2".parse().unwrap(),
            unit: "ppm".to_owned(),
            window: WindowDocument::new(period, window),
            audience: None,
            value: value.map(|value| serde_json::from_value::<Value>(value.into()).unwrap()),
            parts: None,
            cohort: 6,
            declined: 0,
            fresh: 6,
            carried: 0,
            peers: vec![],
            validated: true,
            verified: true,
            status: if value.is_some() { Status::Ok } else { Status::Failed },
            reason: None,
        };
        let sign = |&peer: &usize| {
            (format!("peer-{peer}").parse().unwrap(), result.sign(&site.peers[peer - 1].signing))
        };
        let signatures = signers.iter().map(sign).collect();
        serde_json::to_vec(&SignedResult { result, signatures }).unwrap()
    }

    #[test]
    fn a_result_counts_once_and_only_if_a_quorum_vouches_for_it() {
        let site = Site::new();
        let (mut checker, eras) = (Checker::default(), Eras::only(Arc::clone(&site.roster)));
        let query = "air".parse().unwrap();
        let mut take = |json: &[u8]| checker.take(&eras, &query, json).map(|signed| signed.is_some());
        assert_eq!(take(&result(&site, 7, Some(800.0), &[1])), Err("result_not_vouched_for"));
        assert_eq!(take(&result(&site, 7, None, &[3])), Ok(true), "for itself alone");
        assert_eq!(take(&result(&site, 7, Some(800.0), &[1, 2])), Ok(true));
        assert_eq!(take(&result(&site, 7, Some(800.0), &[1, 2])), Ok(false), "the same again");
        assert_eq!(take(&result(&site, 7, Some(801.0), &[2, 3])), Err("result_contradicted"));
        assert_eq!(take(&result(&site, 7, None, &[3])), Err("result_outdated"));
        assert_eq!(take(&result(&site, 6, Some(700.0), &[1, 2])), Err("result_outdated"));
        assert_eq!(take(&result(&site, 8, Some(805.0), &[1, 2, 3])), Ok(true));
        assert_eq!(take(b""), Ok(false));
        assert_eq!(
            checker.take(&eras, &"other".parse().unwrap(), &result(&site, 9, None, &[1])),
            Err("result_elsewhere")
        );
    }
}
