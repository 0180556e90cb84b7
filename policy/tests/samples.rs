//! The samples for people say what their comments promise.
#![allow(clippy::panic, clippy::unwrap_used, reason = "tests")]

mod common;

use std::time::Duration;

use common::{at, case, outcome, request, sample};
use smc_policy::{Case, Outcome, Zone};

fn mean(quantity: &str) -> Case {
    case(&request("display", "mean", quantity))
}

#[test]
fn every_sample_is_a_policy_without_a_caution() {
    for name in ["ask-everything.cedar", "school.cedar", "works-council.cedar"] {
        assert_eq!(sample(name).warnings(), [""; 0], "{name}");
    }
}

#[test]
fn ask_everything_asks_whatever_it_is() {
    let policy = sample("ask-everything.cedar");
    let power = Case { period: Duration::ZERO, ..case(&request("guest", "argmax", "power")) };
    for case in [mean("co2"), power] {
        assert_eq!(outcome(&policy.judge(&case)), (Outcome::Ask, Some("ask-everything")));
    }
}

#[test]
fn the_school_allows_ventilation_asks_for_the_rest_and_forbids_rankings() {
    let policy = sample("school.cedar");
    let judge = |case: &Case| policy.judge(case);
    assert_eq!(outcome(&judge(&mean("co2"))), (Outcome::Allow, Some("ventilation")));

    let asks = (Outcome::Ask, Some("ask-the-rest"));
    assert_eq!(outcome(&judge(&case(&request("guest", "mean", "co2")))), asks);
    assert_eq!(outcome(&judge(&mean("motion"))), asks);
    assert_eq!(outcome(&judge(&Case { agents: 7, ..mean("co2") })), asks);
    assert_eq!(outcome(&judge(&Case { purpose: "curiosity".to_owned(), ..mean("co2") })), asks);
    let mut mixed = request("display", "weighted_mean", "co2");
    mixed.query.with = Some("motion".parse().unwrap());
    assert_eq!(outcome(&judge(&case(&mixed))), asks, "one of two quantities is not on the list");

    for function in ["argmax", "max", "median", "rank", "second_price", "top_k"] {
        let judgement = judge(&case(&request("display", function, "co2")));
        assert_eq!(outcome(&judgement), (Outcome::Deny, Some("no-rankings")), "{function}");
        assert_eq!(judgement.reason, "rooms are not compared with each other");
    }
    let by_minute = (Outcome::Deny, Some("no-power-by-the-minute"));
    assert_eq!(outcome(&judge(&mean("power"))), by_minute);
    let mut beside = request("display", "covariance", "co2");
    beside.query.with = Some("power".parse().unwrap());
    assert_eq!(outcome(&judge(&case(&beside))), by_minute, "power as the second quantity");
    assert_eq!(outcome(&judge(&Case { period: Duration::from_secs(900), ..mean("power") })), asks);
}

#[test]
fn the_works_council_asks_for_climate_by_day_and_denies_the_rest() {
    let policy = sample("works-council.cedar");
    let climate = Case {
        minimum_cohort: 8,
        period: Duration::from_secs(900),
        ..case(&request("display", "mean", "temperature"))
    };
    let outcome_of = |case: &Case| {
        let judgement = policy.judge(case);
        (judgement.outcome, judgement.rule)
    };
    let denied_by = |rule: &str| (Outcome::Deny, Some(rule.to_owned()));
    assert_eq!(outcome_of(&climate), (Outcome::Ask, Some("climate".to_owned())));

    let nothing_permits = (Outcome::Deny, None);
    assert_eq!(outcome_of(&Case { agents: 9, ..climate.clone() }), nothing_permits);
    assert_eq!(outcome_of(&Case { minimum_cohort: 7, ..climate.clone() }), nothing_permits);
    assert_eq!(outcome_of(&Case { period: Duration::from_secs(899), ..climate.clone() }), nothing_permits);
    assert_eq!(
        outcome_of(&Case { life: Duration::from_secs(32 * 86_400), ..climate.clone() }),
        nothing_permits
    );
    assert_eq!(outcome_of(&Case { function: "max", ..climate.clone() }), nothing_permits);

    let motion = Case { quantities: vec!["motion".parse().unwrap()], ..climate.clone() };
    assert_eq!(outcome_of(&motion), denied_by("no-presence"));
    let team = Case { scope: [("team".to_owned(), "blue".to_owned())].into(), ..climate.clone() };
    assert_eq!(outcome_of(&team), denied_by("no-teams"));
    for time in ["2026-11-26T07:59:00Z", "2026-11-26T18:00:00Z", "2026-11-28T12:00:00Z"] {
        let moment = Zone::default().moment(at(time));
        assert_eq!(outcome_of(&Case { moment, ..climate.clone() }), denied_by("working-hours"), "{time}");
    }
    let mut sixth = climate;
    sixth.running.client = 5;
    assert_eq!(outcome_of(&sixth), denied_by("five-at-a-time"));
}
