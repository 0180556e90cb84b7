//! Policies that are none: what is wrong with them is said, and where.
#![allow(clippy::panic, clippy::unwrap_used, reason = "tests")]

mod common;

use common::wrong;
use smc_policy::{MAX_BYTES, MAX_POLICIES, Outcome, Policy};

const ANY: &str = "(principal, action, resource)";

#[track_caller]
fn says(text: &str, words: &[&str]) {
    let told = wrong(text);
    for word in words {
        assert!(told.contains(word), "{word:?} is not in: {told}");
    }
}

#[test]
fn what_is_not_cedar_is_told_with_its_line() {
    says("@id(\"a\")\npermit (principal, action, resource)\nwhen { context.period >= };", &["test.cedar:3:"]);
    says("allow everything", &["test.cedar:1:"]);
}

#[test]
fn names_that_the_schema_does_not_have_are_told_with_their_line() {
    says(
        "@id(\"a\")\npermit (principal, action == Action::\"average\", resource);",
        &["test.cedar:2:", "average"],
    );
    says("@id(\"a\")\npermit (principal in Team::\"x\", action, resource);", &["test.cedar:2:", "Team"]);
    says(&format!("@id(\"a\")\npermit {ANY}\nwhen {{ context.speed > 1 }};"), &["test.cedar:3:", "speed"]);
    says(&format!("@id(\"a\") permit {ANY} when {{ context.period > \"1\" }};"), &["test.cedar:1:"]);
}

#[test]
fn all_mistakes_are_told_at_once() {
    let told = wrong(&format!(
        "@id(\"a\") permit {ANY} when {{ context.speed > 1 }};\n@id(\"a\") permit {ANY} when {{ context.hue == 1 }};"
    ));
    assert_eq!(told.lines().count(), 3, "{told}");
    assert!(
        told.contains("speed") && told.contains("hue") && told.contains("another rule has the @id"),
        "{told}"
    );
}

#[test]
fn a_mistyped_annotation_is_refused_since_a_rule_that_should_ask_would_allow() {
    says(
        &format!("@id(\"b\") permit {ANY};\n@id(\"a\") @aks(\"operator\")\npermit {ANY};"),
        &["test.cedar:2:1", "@aks", "@ask(\"operator\")"],
    );
    says(&format!("@id(\"a\") @ask(\"boss\") permit {ANY};"), &["@ask(\"boss\")", "operator"]);
    says(&format!("@id(\"a\") @ask permit {ANY};"), &["@ask(\"\")", "operator"]);
    says(&format!("@id(\"a\") @ask(\"operator\") forbid {ANY};"), &["forbids without asking"]);
}

#[test]
fn rules_need_names_that_decisions_can_give() {
    says(&format!("permit {ANY};"), &["test.cedar:1:1", "@id("]);
    says(&format!("@id(\"\") permit {ANY};"), &["@id", "1 to 64"]);
    says(&format!("@id(\"{}\") permit {ANY};", "x".repeat(65)), &["@id", "1 to 64"]);
    says(&format!("@id(\"a\") @reason(\"{}\") permit {ANY};", "x".repeat(201)), &["@reason", "1 to 200"]);
    says(&format!("@id(\"a\") @reason(\"one\\ntwo\") permit {ANY};"), &["@reason", "line breaks"]);
    says(&format!("@id(\"budget\") permit {ANY};"), &["@id(\"budget\")"]);
}

#[test]
fn templates_and_texts_without_a_rule_are_refused() {
    says("@id(\"a\") permit (principal == ?principal, action, resource);", &["?principal"]);
    says("", &["no rule"]);
    says("// nothing yet\n", &["no rule"]);
}

#[test]
fn a_policy_has_a_bound() {
    says(&"/".repeat(MAX_BYTES + 1), &["65537 bytes"]);
    let rules = |count: usize| -> String {
        (0..count).map(|rule| format!("@id(\"{rule}\") permit {ANY};\n")).collect()
    };
    says(&rules(MAX_POLICIES + 1), &["201 rules"]);
    assert!(Policy::parse(&rules(MAX_POLICIES), "test.cedar").is_ok());
}

#[test]
fn deep_nesting_is_refused_or_read_but_ends_nothing() {
    let parse = |condition: String| {
        Policy::parse(&format!("@id(\"a\") permit {ANY} when {{ {condition} }};"), "test.cedar")
    };
    for (open, close) in [("(", ")"), ("!", ""), ("[", "]"), ("-", ""), ("if true then ", " else true")] {
        for depth in [20_000, 1_900 / (open.len() + close.len()), 31] {
            // Whatever comes of it, it has to end, and not by a stack that is full.
            let _ = parse(format!("{}1{} == 1", open.repeat(depth), close.repeat(depth)));
        }
        assert!(parse(format!("{}1{} == 1", open.repeat(20_000), close.repeat(20_000))).is_err(), "{open}");
    }
    let case = common::case(&common::request("display", "mean", "co2"));
    for (link, rest) in
        [("1 + ", "1 > 0"), ("true && ", "true"), ("context.once || ", "true"), ("1 * ", "1 > 0")]
    {
        let length = link.chars().filter(|letter| !letter.is_whitespace()).count();
        let longest = parse(format!("{}{rest}", link.repeat(1_900 / length))).unwrap();
        // The evaluator gives up where its stack would not do, and then it is no.
        let judgement = longest.judge(&case);
        let said = judgement.outcome == Outcome::Allow || judgement.reason.contains("can't be evaluated");
        assert!(said, "{link}: {judgement:?}");
        assert!(parse(format!("{}{rest}", link.repeat(10_000))).is_err());
    }
    let _ = parse(format!("resource{}", ".a".repeat(950)));
}

#[test]
fn a_rule_that_never_applies_is_a_caution_not_a_mistake() {
    let text = format!("@id(\"a\") permit {ANY} when {{ context.once && !context.once && false }};");
    let policy = Policy::parse(&text, "test.cedar").unwrap();
    assert_eq!(policy.warnings().len(), 1, "{:?}", policy.warnings());
}
