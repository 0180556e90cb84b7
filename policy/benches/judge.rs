//! Judging one request: what a peer does for each that comes in.
#![allow(
    missing_docs,
    clippy::panic,
    clippy::unwrap_used,
    reason = "Criterion's macros; a bench says no by panicking"
)]

#[path = "../tests/common/mod.rs"]
mod common;

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use smc_policy::{Circumstances, Policy, Running, Zone};

fn judge(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("judge");
    let case = common::case(&common::request("display", "mean", "co2"));
    for name in ["ask-everything.cedar", "school.cedar", "works-council.cedar"] {
        let policy = common::sample(name);
        group.bench_function(name, |bencher| bencher.iter(|| policy.judge(black_box(&case))));
    }
    let rule = |rule: usize| {
        format!("@id(\"{rule}\") permit (principal, action, resource) when {{ context.period == {rule} }};\n")
    };
    let many = Policy::parse(&(0..200).map(rule).collect::<String>(), "many").unwrap();
    group.bench_function("200 rules", |bencher| bencher.iter(|| many.judge(black_box(&case))));
    group.finish();
}

fn case(criterion: &mut Criterion) {
    let (roster, zone) = (common::site(), Zone::default());
    let request = common::request("display", "mean", "co2");
    let here = Circumstances { at: common::noon(), zone: &zone, running: Running::default() };
    criterion.bench_function("a case of 12 rooms", |bencher| {
        bencher.iter(|| smc_policy::Case::new(&roster, black_box(&request), &here).unwrap());
    });
}

criterion_group!(benches, judge, case);
criterion_main!(benches);
