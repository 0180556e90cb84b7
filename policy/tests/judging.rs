//! What policies decide, and by which rule.
#![allow(clippy::panic, clippy::unwrap_used, reason = "tests")]

mod common;

use std::time::Duration;

use common::{case, noon, outcome, policy, request, try_case};
use smc_core::function::catalogue;
use smc_policy::{Budgets, Case, Outcome, Policy, Spending, judge};

fn mean() -> Case {
    case(&request("display", "mean", "co2"))
}

#[test]
fn the_schema_has_an_action_for_every_function_of_the_catalogue_and_in_a_group() {
    for entry in catalogue() {
        let text = format!("@id(\"f\") permit (principal, action == Action::\"{}\", resource);", entry.name);
        let case = Case { function: entry.name, ..mean() };
        assert_eq!(policy(&text).judge(&case).outcome, Outcome::Allow, "{}", entry.name);
        let groups = ["distribution", "ranking", "spread", "totals"];
        let within = groups.iter().filter(|group| {
            let text = format!("@id(\"g\") permit (principal, action in Action::\"{group}\", resource);");
            policy(&text).judge(&case).outcome == Outcome::Allow
        });
        assert_eq!(within.count(), 1, "{}", entry.name);
    }
}

#[test]
fn the_schema_has_no_action_that_is_no_function() {
    let schema = include_str!("../schema.cedarschema");
    let actions = schema.lines().filter(|line| line.starts_with("action") && line.contains("appliesTo"));
    assert_eq!(actions.count(), catalogue().len());
}

#[test]
fn functions_that_name_agents_belong_to_the_group_naming() {
    let naming = policy("@id(\"n\") permit (principal, action in Action::\"naming\", resource);");
    for function in ["argmax", "second_price", "rank"] {
        assert_eq!(naming.judge(&Case { function, ..mean() }).outcome, Outcome::Allow, "{function}");
    }
    assert_eq!(naming.judge(&mean()).outcome, Outcome::Deny);
}

#[test]
fn everything_that_the_schema_names_can_be_asked_about() {
    let mut request = request("display", "weighted_mean", "co2");
    request.query.with = Some("humidity".parse().unwrap());
    request.query.scope = [("floor".to_owned(), "1".to_owned())].into();
    request.query.audience = Some("display".parse().unwrap());
    request.once = true;
    let all = r#"
        @id("all")
        permit (principal == Client::"display", action == Action::"weighted_mean", resource) when {
            principal in Group::"facility" && principal in Group::"people" &&
            resource.agents == 4 && resource.quantities == ["co2", "humidity"] && !resource.whole_site &&
            resource.hasTag("floor") && resource.getTag("floor") == "1" && !resource.hasTag("team") &&
            context has audience && context.audience == "display" && context.days == 1 && context.hour == 12 &&
            context.minimum_cohort == 5 && context.minute == 0 && context.once && context.period == 60 &&
            context.purpose == "ventilation display" && context.running == 7 && context.running_for_client == 3 &&
            context.weekday == "thursday"
        };"#;
    let mut case = case(&request);
    case.running = smc_policy::Running { all: 7, client: 3 };
    assert_eq!(outcome(&policy(all).judge(&case)), (Outcome::Allow, Some("all")));
    case.audience = None;
    assert_eq!(policy(all).judge(&case).outcome, Outcome::Deny);
}

#[test]
fn a_period_below_a_second_counts_as_none() {
    let fine = policy("@id(\"fine\") permit (principal, action, resource) when { context.period < 1 };");
    assert_eq!(fine.judge(&case(&request("display", "mean", "noise"))).outcome, Outcome::Allow);
    assert_eq!(fine.judge(&mean()).outcome, Outcome::Deny);
}

#[test]
fn what_is_forbidden_stays_so_whatever_is_permitted() {
    let policy = policy(
        "@id(\"yes\") permit (principal, action, resource);
         @id(\"no\") forbid (principal, action, resource) when { resource.quantities.contains(\"co2\") };",
    );
    let judgement = policy.judge(&mean());
    assert_eq!(outcome(&judgement), (Outcome::Deny, Some("no")));
    assert_eq!(judgement.reason, "forbidden by the rule `no`");
    let power = policy.judge(&case(&request("display", "mean", "power")));
    assert_eq!(outcome(&power), (Outcome::Allow, Some("yes")));
}

#[test]
fn what_nobody_permits_is_denied_and_no_rule_is_named() {
    let policy = policy("@id(\"other\") permit (principal == Client::\"other\", action, resource);");
    let judgement = policy.judge(&mean());
    assert_eq!(outcome(&judgement), (Outcome::Deny, None));
    assert!(judgement.reason.contains("no rule"), "{}", judgement.reason);
}

#[test]
fn the_operator_is_asked_only_if_no_other_rule_permits() {
    let asks = "@id(\"ask\") @ask(\"operator\") @reason(\"I decide\") permit (principal, action, resource);";
    let judgement = policy(asks).judge(&mean());
    assert_eq!(outcome(&judgement), (Outcome::Ask, Some("ask")));
    assert_eq!(judgement.reason, "I decide");
    let both = format!("{asks} @id(\"yes\") permit (principal, action, resource);");
    assert_eq!(outcome(&policy(&both).judge(&mean())), (Outcome::Allow, Some("yes")));
}

#[test]
fn the_first_of_several_rules_is_named() {
    let rules: String =
        (0..12).map(|rule| format!("@id(\"rule-{rule}\") permit (principal, action, resource);\n")).collect();
    for _ in 0..10 {
        assert_eq!(outcome(&policy(&rules).judge(&mean())), (Outcome::Allow, Some("rule-0")));
    }
}

#[test]
fn a_rule_that_can_not_be_evaluated_denies_and_is_named() {
    let policy = policy(
        "@id(\"yes\") permit (principal, action, resource);
         @id(\"sum\") permit (principal, action, resource) when { 9223372036854775807 + context.period > 0 };",
    );
    let judgement = policy.judge(&mean());
    assert_eq!(outcome(&judgement), (Outcome::Deny, Some("sum")));
    assert!(judgement.reason.contains("overflow"), "{}", judgement.reason);
}

#[test]
fn what_the_site_does_not_have_is_no_case() {
    let error =
        |client, function, quantity| try_case(&request(client, function, quantity)).unwrap_err().to_string();
    assert!(error("nobody", "mean", "co2").contains("`nobody`"));
    assert!(error("display", "guess", "co2").contains("`guess`"));
    assert!(error("display", "mean", "radon").contains("`radon`"));
}

#[test]
fn agents_outside_the_scope_do_not_count() {
    let mut request = request("display", "mean", "co2");
    assert_eq!(case(&request).agents, 12);
    request.query.scope = [("floor".to_owned(), "2".to_owned())].into();
    assert_eq!(case(&request).agents, 4);
    request.query.scope = [("floor".to_owned(), "9".to_owned())].into();
    assert_eq!(case(&request).agents, 0);
}

#[test]
fn a_budget_denies_what_the_policy_would_allow_and_not_the_other_way_round() {
    let yes = policy("@id(\"yes\") permit (principal, action, resource);");
    let mut budgets = Budgets { queries_per_client_and_day: 1, ..Budgets::default() };
    let mut spending = Spending::default();
    assert_eq!(judge(&yes, &budgets, &spending, &mean()).outcome, Outcome::Allow);
    spending.count(&"display".parse().unwrap(), noon());
    let denial = judge(&yes, &budgets, &spending, &mean());
    assert_eq!(outcome(&denial), (Outcome::Deny, Some("budget")));
    budgets.queries_per_client_and_day = 9;
    let no = Policy::deny_everything().unwrap();
    assert_eq!(outcome(&judge(&no, &budgets, &spending, &mean())), (Outcome::Deny, Some("no-policy")));
    assert_eq!(judge(&Policy::ask_everything().unwrap(), &budgets, &spending, &mean()).outcome, Outcome::Ask);
}

#[test]
fn each_budget_says_what_it_lacks() {
    let budgets: Budgets = toml::from_str(
        "running = 4\nrunning_per_client = 2\nqueries_per_client_and_day = 3\n[finest_period]\nco2 = \"90s\"",
    )
    .unwrap();
    let mut spending = Spending::default();
    let slow = Case { period: Duration::from_secs(90), ..mean() };
    let reason = |spending: &Spending, case: &Case| budgets.check(spending, case).unwrap_err().reason;
    assert!(budgets.check(&spending, &slow).is_ok());
    assert_eq!(reason(&spending, &mean()), "`co2` is given out every 1m 30s at most; this asks for every 1m");
    let busy = |client, all| Case { running: smc_policy::Running { client, all }, ..slow.clone() };
    assert!(reason(&spending, &busy(2, 2)).contains("2 queries of one client"));
    assert!(reason(&spending, &busy(1, 4)).contains("4 queries may run"));
    for hours in [0, 1, 2] {
        spending.count(&"display".parse().unwrap(), noon() - Duration::from_secs(hours * 3600));
    }
    assert!(reason(&spending, &slow).ends_with("ask again after 2026-11-27T10:00:00Z"));
    assert!(budgets.check(&spending, &Case { client: "guest".parse().unwrap(), ..slow.clone() }).is_ok());
    let tomorrow = Case { at: noon() + Duration::from_secs(22 * 3600), ..slow };
    assert!(budgets.check(&spending, &tomorrow).is_ok());
}

#[test]
fn what_is_counted_does_not_grow_for_ever() {
    let mut spending = Spending::default();
    let client = "display".parse().unwrap();
    for second in 0..70_000 {
        spending.count(&client, noon() + Duration::from_secs(second));
    }
    assert_eq!(spending.begun(&client, noon() + Duration::from_secs(70_000)), usize::from(u16::MAX));
}
