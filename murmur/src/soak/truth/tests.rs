use std::collections::BTreeMap;
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use smc_core::document::Signable as _;
use smc_core::result::{Status, WindowDocument};
use smc_core::roster::document::{QueryTable, SiteTable, StreamTable};
use smc_core::roster::{Span, Tolerate};
use smc_core::time::Period;
use smc_core::value::Value;

use super::*;
use crate::stage::{Cast, Script, numbered, site_name};

const TABLE: Table = Table { agents: 10, seed: 10 };
/// The fifth window of a cohort epoch.
const WINDOW: WindowIndex = WindowIndex(3004);

fn cast() -> Cast {
    let stream = StreamTable::Plain("co2".parse().unwrap());
    let agents = numbered("room", TABLE.agents).unwrap().into_iter();
    let script = Script {
        site: SiteTable {
            name: site_name("soak").unwrap(),
            threshold: 1,
            consent: smc_core::roster::Consent::default(),
            tolerate: Tolerate::Crash,
            minimum_cohort: 3,
            period: Span::from_secs(1),
            grace: Span::new(Duration::from_millis(250)),
            step: Span::from_secs(1),
            cohort_epoch: Span::from_secs(30),
            key_epoch: Span::from_secs(300),
        },
        peers: numbered("peer", 3).unwrap(),
        agents: agents.map(|agent| (agent, vec![stream.clone()])).collect(),
        clients: Vec::new(),
        quantities: Vec::new(),
        queries: vec![QueryTable::new("co2-sum".parse().unwrap(), "sum", "co2".parse().unwrap())],
    };
    script.cast(&mut ChaCha20Rng::seed_from_u64(1)).unwrap()
}

struct Court {
    cast: Cast,
    judge: Judge,
    members: Members,
}

impl Court {
    fn open() -> Self {
        let cast = cast();
        let judge = Judge::new(Arc::clone(&cast.roster), TABLE);
        Self { cast, judge, members: Members::new() }
    }

    fn hear(&mut self, result: ResultDocument) -> Finding {
        let signatures = self.cast.secrets.iter().filter(|(name, _)| name.as_str().starts_with("peer"));
        let signatures = signatures.map(|(name, secret)| (name.clone(), result.sign(&secret.keys.signing)));
        self.judge.judge(&SignedResult { signatures: signatures.collect(), result }, &mut self.members)
    }

    /// Both groups as they are, if nothing is missing.
    fn hear_groups(&mut self) {
        for group in 0..TABLE.groups() {
            assert_eq!(self.hear(group_sum(group, &[WINDOW; 5])), Finding::True);
        }
    }
}

fn result(query: &str, function: &str, value: u64, cohort: u32, fresh: u32) -> ResultDocument {
    ResultDocument {
        v: 1,
        site: "soak".parse().unwrap(),
        query: query.parse().unwrap(),
        function: function.to_owned(),
        quantity: "code".parse().unwrap(),
        unit: String::new(),
        window: WindowDocument::new(Period::from_millis(1000).unwrap(), WINDOW),
        audience: None,
        value: Some(Value::from(Decimal::from(value as i64))),
        parts: None,
        cohort,
        declined: 0,
        fresh,
        carried: cohort - fresh,
        peers: Vec::new(),
        validated: true,
        verified: true,
        status: Status::Ok,
        reason: None,
    }
}

/// The sum of a group whose first agents stand in it with readings of these windows.
fn group_sum(group: usize, windows: &[WindowIndex]) -> ResultDocument {
    let sum = windows.iter().enumerate().map(|(place, &window)| Table::value(place, window)).sum();
    let fresh = windows.iter().filter(|&&window| window == WINDOW).count() as u32;
    result(&format!("group-{}", group + 1), "sum", sum, windows.len() as u32, fresh)
}

fn greatest() -> u64 {
    Table::value(4, WINDOW)
}

#[test]
fn true_values_are_true() {
    let mut court = Court::open();
    court.hear_groups();
    assert_eq!(court.hear(result("site-count", "count", 10, 10, 10)), Finding::True);
    assert_eq!(court.hear(result("site-max", "max", greatest(), 10, 10)), Finding::True);
    assert!(court.judge.is_newest(WINDOW, &court.members));
}

#[test]
fn a_carried_reading_counts_as_carried_and_is_not_the_newest() {
    let mut court = Court::open();
    let earlier = WindowIndex(WINDOW.0 - 1);
    assert_eq!(court.hear(group_sum(0, &[WINDOW, earlier, WINDOW])), Finding::True);
    assert!(!court.judge.is_newest(WINDOW, &court.members));
}

#[test]
fn a_value_that_differs_by_one_is_wrong() {
    let mut court = Court::open();
    let mut sum = group_sum(1, &[WINDOW; 5]);
    sum.value =
        sum.value.and_then(|value| value.as_number()).map(|value| Decimal::from(value as i64 - 1).into());
    assert!(matches!(court.hear(sum), Finding::Wrong(Wrong::Counts { .. })));
    court.hear_groups();
    let max = result("site-max", "max", greatest() - 1, 10, 10);
    assert_eq!(court.hear(max), Finding::Wrong(Wrong::Other { truth: greatest().to_string() }));
}

#[test]
fn a_result_that_states_another_cohort_is_wrong() {
    let mut court = Court::open();
    let mut sum = group_sum(0, &[WINDOW; 4]);
    sum.cohort = 5;
    sum.carried = 1;
    assert!(matches!(court.hear(sum), Finding::Wrong(Wrong::Counts { cohort: 5, members: 4, .. })));
}

#[test]
fn nobody_joins_or_leaves_within_an_epoch() {
    let mut court = Court::open();
    assert_eq!(court.hear(group_sum(0, &[WINDOW; 4])), Finding::True);
    assert_eq!(court.hear(group_sum(0, &[WINDOW; 5])), Finding::Wrong(Wrong::Cohort));
}

#[test]
fn without_a_group_a_value_over_all_is_held_against_what_is_possible() {
    let mut court = Court::open();
    assert_eq!(court.hear(group_sum(0, &[WINDOW; 5])), Finding::True);
    assert_eq!(court.hear(result("site-max", "max", greatest(), 10, 9)), Finding::Possible);
    for (value, cohort) in
        [(greatest() - 1, 10), (Table::value(3, WINDOW), 10), (greatest(), 4), (greatest(), 11)]
    {
        let heard = court.hear(result("site-max", "max", value, cohort, 3));
        assert_eq!(heard, Finding::Wrong(Wrong::Impossible), "{value} {cohort}");
    }
}

#[test]
fn a_result_without_valid_signatures_is_wrong() {
    let mut court = Court::open();
    let unsigned = SignedResult { result: group_sum(0, &[WINDOW; 5]), signatures: BTreeMap::new() };
    let finding = court.judge.judge(&unsigned, &mut court.members);
    assert!(matches!(finding, Finding::Wrong(Wrong::Signatures(_))));
}
