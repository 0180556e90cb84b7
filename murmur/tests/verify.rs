//! `murmur verify` as people run it.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::PathBuf;

use common::{Run, murmur, murmur_reading};
use serde_json::{Value as Json, json};
use smc_core::decimal::Decimal;
use smc_core::document::Signable;
use smc_core::identity::NodeKeys;
use smc_core::name::NodeName;
use smc_core::result::{Parts, ResultDocument, SignedResult, Status, WindowDocument};
use smc_core::time::{Period, WindowIndex};
use smc_mqtt::config::KeyFile;
use tempfile::TempDir;

const PEERS: [&str; 3] = ["peer-1", "peer-2", "peer-3"];

/// A site of three peers, any two of which must have signed a value.
struct Site {
    folder: TempDir,
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let run = murmur(folder.path(), &["site", "init", "hq", "--name", "hq", "--agents", "5"]);
        assert_eq!(run.code, 0, "{}", run.stderr);
        Self { folder }
    }

    fn keys(&self, node: &str) -> NodeKeys {
        let path: PathBuf = self.folder.path().join(format!("hq/keys/{node}.key"));
        KeyFile::load(&path, &node.parse().unwrap()).unwrap().keys
    }

    fn sign(&self, result: ResultDocument, signers: &[&str]) -> SignedResult {
        let sign = |name: &&str| (name.parse::<NodeName>().unwrap(), result.sign(&self.keys(name).signing));
        let signatures = signers.iter().map(sign).collect();
        SignedResult { result, signatures }
    }

    fn signed(&self) -> Json {
        serde_json::to_value(self.sign(mean(612), &PEERS)).unwrap()
    }

    fn verify(&self, extra: &[&str], input: &str) -> Run {
        let arguments = [&["verify", "-", "--site", "hq/site.toml"], extra].concat();
        murmur_reading(self.folder.path(), &arguments, input.as_bytes())
    }

    fn refusal(&self, line: &str) -> String {
        let run = self.verify(&[], line);
        assert_eq!(run.code, 1, "accepted: {line}\n{}", run.stdout);
        assert_eq!(run.stderr, "0 ok, 1 refused\n");
        let refusal = run.stdout.strip_prefix("REFUSED line 1: ").unwrap().trim_end().to_owned();
        assert!(!refusal.is_empty());
        refusal
    }
}

/// A mean of `whole` and four tenths.
fn mean(whole: i128) -> ResultDocument {
    ResultDocument {
        v: 1,
        site: "hq".parse().unwrap(),
        query: "co2-mean".parse().unwrap(),
        function: "mean".to_owned(),
        quantity: "co2".parse().unwrap(),
        unit: "ppm".to_owned(),
        window: WindowDocument::new(Period::from_millis(60_000).unwrap(), WindowIndex(29_000_000)),
        audience: None,
        value: Some(Decimal::new(whole * 10 + 4, 1).unwrap().into()),
        parts: None,
        cohort: 5,
        declined: 0,
        fresh: 4,
        carried: 1,
        peers: PEERS.iter().map(|name| name.parse().unwrap()).collect(),
        validated: true,
        verified: true,
        status: Status::Ok,
        reason: None,
    }
}

fn withheld() -> ResultDocument {
    ResultDocument {
        value: None,
        status: Status::Withheld,
        reason: Some("cohort 4 of 5".to_owned()),
        verified: false,
        ..mean(0)
    }
}

fn line(signed: &SignedResult) -> String {
    serde_json::to_string(signed).unwrap()
}

#[test]
fn a_good_result_is_told_with_its_signers() {
    let site = Site::new();
    let run = site.verify(&[], &site.signed().to_string());
    assert_eq!((run.code, run.stderr.as_str()), (0, "1 ok, 0 refused\n"));
    assert_eq!(run.stdout, "ok co2-mean 2025-02-19T21:20:00Z 612.4 ppm, signed by peer-1, peer-2, peer-3\n");
}

#[test]
fn results_come_as_mosquitto_sub_prints_them() {
    let site = Site::new();
    let ok = site.signed();
    // The bare values that stand beside results are signed by nobody, and are no results.
    let bare = "murmur/hq/result/co2-mean/state 844.17\nmurmur/hq/result/co2-mean/state (null)\n";
    let lines = format!("murmur/hq/result/co2-mean {ok}\n{bare}\n{ok}\r\n");
    fs::write(site.folder.path().join("results.jsonl"), &lines).unwrap();
    let run = murmur(site.folder.path(), &["verify", "results.jsonl", "--site", "hq/site.toml"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, "2 ok, 0 refused\n"));
    assert!(
        site.refusal(&format!("murmur/hq/result/co2-sum {ok}"))
            .contains("a result of co2-mean on the topic of co2-sum")
    );
    assert!(
        site.refusal(&format!("murmur/lab/result/co2-mean {ok}"))
            .contains("no topic of a result of this site")
    );
    assert!(
        site.refusal(&format!("murmur/hq/status/peer-1 {ok}")).contains("no topic of a result of this site")
    );
    assert_eq!(site.refusal("murmur/hq/result/co2-mean (null)"), "no document after the topic");
}

#[test]
fn a_window_without_a_value_needs_one_signature_and_says_why() {
    let site = Site::new();
    let run = site.verify(&[], &line(&site.sign(withheld(), &["peer-2"])));
    assert_eq!(run.code, 0);
    assert_eq!(run.stdout, "ok co2-mean 2025-02-19T21:20:00Z withheld (cohort 4 of 5), signed by peer-2\n");
    assert!(site.refusal(&line(&site.sign(withheld(), &[]))).contains("0 signatures; at least 1"));
}

#[test]
fn too_few_or_foreign_signatures_are_refused() {
    let site = Site::new();
    assert!(site.refusal(&line(&site.sign(mean(612), &["peer-1"]))).contains("1 signatures; at least 2"));
    assert!(
        site.refusal(&line(&site.sign(mean(612), &["peer-1", "room-1"])))
            .contains("`room-1` signed and is no peer")
    );
    let other = Site::new();
    assert!(site.refusal(&other.signed().to_string()).contains("the signature of `peer-1` does not match"));
    let foreign = ResultDocument { site: "lab".parse().unwrap(), ..mean(612) };
    assert!(site.refusal(&line(&site.sign(foreign, &PEERS))).contains("a result of site `lab`"));
    let newer = ResultDocument { v: 2, ..mean(612) };
    assert!(site.refusal(&line(&site.sign(newer, &PEERS))).contains("version 2"));
}

#[test]
fn a_value_and_a_status_must_agree() {
    let site = Site::new();
    let failed = ResultDocument { status: Status::Failed, ..mean(612) };
    assert_eq!(
        site.refusal(&line(&site.sign(failed, &PEERS))),
        "the status is failed, which does not go with a value"
    );
}

#[test]
fn every_kind_of_value_is_told_in_words() {
    let site = Site::new();
    let path = site.folder.path().join("hq/site.toml");
    let range = "\n[[query]]\nname = \"co2-range\"\nfunction = \"range\"\nquantity = \"co2\"\n";
    fs::write(&path, fs::read_to_string(&path).unwrap() + range).unwrap();
    let outcome = |query: &str, unit: &str, value: Json| {
        let value = serde_json::from_value(value).unwrap();
        let query = query.parse().unwrap();
        let result = ResultDocument { query, unit: unit.to_owned(), value, ..mean(612) };
        let told = site.verify(&[], &line(&site.sign(result, &PEERS))).stdout;
        let told = told.strip_suffix(", signed by peer-1, peer-2, peer-3\n").unwrap();
        told.split_once("Z ").unwrap().1.to_owned()
    };
    assert_eq!(
        outcome("co2-range", "ppm", json!({"min": 400, "max": 900, "range": 500})),
        "500 ppm (max 900, min 400)"
    );
    assert_eq!(outcome("co2-any-above", "", json!(true)), "yes");
    assert_eq!(outcome("co2-histogram", "", json!([4, 0, 1])), "4, 0, 1");
    // Nothing follows from these readings; that is an answer, too.
    assert_eq!(outcome("co2-correlation", "", json!(null)), "undetermined");
}

/// Every way to change one leaf of `document`, to leave one out, or to add one; with the place.
fn tampered(document: &Json, place: &str) -> Vec<(String, Json)> {
    let mut all = Vec::new();
    match document {
        Json::Object(map) => {
            for (key, value) in map {
                let put = |value: Option<Json>| {
                    let mut map = map.clone();
                    map.remove(key);
                    map.extend(value.map(|value| (key.clone(), value)));
                    Json::Object(map)
                };
                let inner = tampered(value, &format!("{place}/{key}"));
                all.extend(inner.into_iter().map(|(place, value)| (place, put(Some(value)))));
                if !value.is_null() {
                    all.push((format!("{place}/{key} left out"), put(None)));
                }
            }
            let mut added = map.clone();
            added.insert("note".to_owned(), json!("all is well"));
            all.push((format!("{place}/note added"), Json::Object(added)));
        }
        Json::Array(items) => {
            all.push((place.to_owned(), json!(items[1..])));
            all.push((place.to_owned(), json!(items.iter().rev().collect::<Vec<_>>())));
        }
        Json::String(text) => all.push((place.to_owned(), json!(format!("{text}0")))),
        Json::Number(number) => all.push((place.to_owned(), json!(number.as_f64().unwrap() as i64 + 1))),
        Json::Bool(truth) => all.push((place.to_owned(), json!(!truth))),
        Json::Null => all.push((place.to_owned(), json!("because"))),
    }
    all
}

#[test]
fn no_field_can_be_tampered_with() {
    let site = Site::new();
    let good = site.signed();
    let mut document = good.clone();
    let signatures = document.as_object_mut().unwrap().remove("signatures").unwrap();
    let mut tried = Vec::new();
    let mut input = String::new();
    for (place, mut changed) in tampered(&document, "") {
        changed.as_object_mut().unwrap().insert("signatures".to_owned(), signatures.clone());
        input += &format!("{changed}\n");
        tried.push(place);
    }
    for place in ["/value", "/status", "/window/index", "/window/end", "/peers", "/reason", "/v", "/verified"]
    {
        assert!(tried.iter().any(|tried| tried == place), "{place} was not tried");
    }
    let run = site.verify(&[], &input);
    let lines: Vec<_> = run.stdout.lines().collect();
    assert_eq!(lines.len(), tried.len());
    for (line, place) in lines.into_iter().zip(&tried) {
        assert!(line.starts_with("REFUSED"), "{place}: {line}");
    }
    assert_eq!(site.verify(&[], &good.to_string()).code, 0, "the original is good");
}

#[test]
fn signatures_can_not_be_swapped_or_garbled() {
    let site = Site::new();
    let good = site.signed();
    let with = |change: &dyn Fn(&mut serde_json::Map<String, Json>)| {
        let mut changed = good.clone();
        change(changed["signatures"].as_object_mut().unwrap());
        changed.to_string()
    };
    let swapped = with(&|map| {
        let (one, two) = (map["peer-1"].clone(), map["peer-2"].clone());
        map.insert("peer-1".to_owned(), two);
        map.insert("peer-2".to_owned(), one);
    });
    assert!(site.refusal(&swapped).contains("the signature of `peer-1` does not match"));
    let garbled = with(&|map| {
        map.insert("peer-3".to_owned(), json!("AAAA"));
    });
    assert!(site.refusal(&garbled).contains("a signature is 64 bytes in base64url"));
    let one = with(&|map| {
        map.remove("peer-1");
    });
    assert_eq!(site.verify(&[], &one).code, 0, "two of three are enough");
}

#[test]
fn a_second_value_for_a_window_is_refused() {
    let site = Site::new();
    let (first, second) = (line(&site.sign(mean(612), &PEERS)), line(&site.sign(mean(613), &PEERS[..2])));
    let fewer = line(&site.sign(mean(612), &PEERS[1..]));
    let nothing = line(&site.sign(withheld(), &PEERS));
    let run = site.verify(&[], &[first.clone(), fewer, nothing, second, first].join("\n"));
    assert_eq!((run.code, run.stderr.as_str()), (1, "4 ok, 1 refused\n"));
    let refused = run.stdout.lines().nth(3).unwrap();
    let expected =
        "REFUSED line 4: another result with a value stands for window 29000000 of co2-mean, on line 1";
    assert!(refused.starts_with(expected), "{refused}");
}

#[test]
fn programs_get_one_object_per_line() {
    let site = Site::new();
    let run = site.verify(&["--json"], &format!("{}\nnonsense\n", site.signed()));
    let objects: Vec<Json> = run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let window =
        json!({ "index": 29_000_000, "start": "2025-02-19T21:20:00Z", "end": "2025-02-19T21:21:00Z" });
    assert_eq!(
        objects[0],
        json!({
            "line": 1, "verdict": "ok", "query": "co2-mean", "window": window, "status": "ok", "value": 612.4,
            "unit": "ppm", "reason": null, "signed_by": PEERS,
        })
    );
    assert_eq!((&objects[1]["line"], &objects[1]["verdict"]), (&json!(2), &json!("refused")));
    assert_eq!((objects.len(), run.code), (2, 1));
}

#[test]
fn garbage_of_any_kind_is_a_refused_line() {
    let site = Site::new();
    let good = site.signed().to_string();
    let mut input = Vec::new();
    let deep = b"{\"a\":".repeat(20_000);
    let huge = vec![b'{'; 5_000_000];
    let escape = b"\x1b[2J\x1b]0;owned\x07 {}";
    let garbage: [&[u8]; 9] = [
        b"{}",
        b"[]",
        b"null",
        b"{\"v\":1}",
        b"\xff\xfe{}",
        &deep,
        &huge,
        escape,
        &good.as_bytes()[..good.len() / 2],
    ];
    for bytes in garbage {
        input.extend_from_slice(bytes);
        input.push(b'\n');
    }
    input.extend_from_slice(good.as_bytes());
    let run = murmur_reading(site.folder.path(), &["verify", "--site", "hq/site.toml"], &input);
    assert_eq!((run.code, run.stderr.as_str()), (1, "1 ok, 9 refused\n"));
    let lines: Vec<_> = run.stdout.lines().collect();
    assert_eq!(lines[4], "REFUSED line 5: not UTF-8 text");
    assert!(lines[5].contains("recursion limit"), "{}", lines[5]);
    assert_eq!(lines[6], "REFUSED line 7: longer than 4194304 bytes, as no result is");
    assert!(lines[9].starts_with("ok co2-mean"));
    assert!(!run.stdout.replace('\n', "").contains(char::is_control));
}

#[test]
fn nothing_to_check_is_no_success() {
    let site = Site::new();
    for input in ["", "\n \n"] {
        let run = site.verify(&[], input);
        assert_eq!((run.code, run.stdout.as_str()), (1, ""));
        assert_eq!(run.stderr, "error: there was no result to check\n");
    }
    let run = murmur(site.folder.path(), &["verify", "nowhere", "--site", "hq/site.toml"]);
    assert_eq!(run.code, 1);
    assert!(run.stderr.starts_with("error: nowhere: No such file"), "{}", run.stderr);
    let run = site.verify(&["--site", "nowhere.toml"], "");
    assert_eq!(run.code, 2, "--site was given twice");
    let run = murmur(site.folder.path(), &["verify"]);
    assert_eq!(run.code, 1);
    assert!(run.stderr.starts_with("error: --site, --members: site.toml: No such file"), "{}", run.stderr);
}

/// The sum of long vectors, and its parts.
fn long_sum(site: &Site) -> (SignedResult, Vec<String>) {
    let value =
        smc_core::value::Value::List((0..60_000).map(|i| Decimal::new(i % 7, 0).unwrap().into()).collect());
    let result = ResultDocument { function: "vector_sum".to_owned(), value: None, ..mean(0) };
    let (parts, payloads) = Parts::cut(&result.site, &result.query, result.window.index, &value).unwrap();
    let signed = site.sign(ResultDocument { parts: Some(parts), ..result }, &PEERS);
    let payloads = payloads.iter().map(|payload| String::from_utf8(payload.to_vec()).unwrap());
    (signed, payloads.collect())
}

#[test]
fn a_long_value_is_put_together_from_the_parts_that_the_peers_signed_for() {
    let site = Site::new();
    let (signed, parts) = long_sum(&site);
    let topic = "murmur/hq/result/co2-mean";
    // As they come, with and without topics, in any order, and one of them twice.
    let lines = format!(
        "{topic} {}\n{}\n{topic}/part/0 {}\n{topic}/part/0 {}\n{topic}/part/1 {}\n",
        line(&signed),
        parts[2],
        parts[0],
        parts[0],
        parts[1]
    );
    let run = site.verify(&[], &lines);
    assert_eq!((run.code, run.stderr.as_str()), (0, "5 ok, 0 refused\n"), "{}", run.stdout);
    let told: Vec<_> = run.stdout.lines().map(|line| line.split_once("Z ").unwrap().1).collect();
    let signers = "signed by peer-1, peer-2, peer-3";
    assert_eq!(told[0], format!("60000 elements in 3 parts, {signers}"));
    assert_eq!(told[1], format!("part 2 of 3, {signers}"));
    let whole = "0, 1, 2, 3, 4, 5, 6, 0, 1, 2, 3, 4, 5, 6, 0, 1, ... (60000 in all) ppm";
    assert_eq!(told[4], format!("part 1 of 3, the last one: {whole}, {signers}"));

    let json: Vec<Json> = site
        .verify(&["--json"], &lines)
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!((&json[0]["parts"], &json[0]["value"]), (&json!(3), &Json::Null));
    assert_eq!((&json[3]["part"], &json[3]["value"]), (&json!(0), &Json::Null));
    let value: Vec<u64> = serde_json::from_value(json[4]["value"].clone()).unwrap();
    assert!(value.into_iter().eq((0..60_000).map(|i| i % 7)));
}

#[test]
fn parts_that_no_result_vouches_for_are_refused() {
    let site = Site::new();
    let (signed, parts) = long_sum(&site);
    let topic = "murmur/hq/result/co2-mean/part";
    assert!(site.refusal(&parts[0]).contains("no result before it vouches for part 0 of window 29000000"));
    let refused = |part: &str| {
        let run = site.verify(&[], &format!("{}\n{part}\n", line(&signed)));
        assert_eq!((run.code, run.stderr.as_str()), (1, "1 ok, 1 refused\n"), "accepted: {part}");
        run.stdout.lines().nth(1).unwrap().to_owned()
    };
    assert!(
        refused(&parts[1].replacen("[", "[1,", 1))
            .contains("part 1 is not the one that the peers signed for")
    );
    assert!(refused(&parts[1].replace("\"part\":1", "\"part\":7")).contains("there is no part 7 of 3"));
    assert!(refused(&format!("{topic}/0 {}", parts[1])).contains("part 1 on the topic of part 0"));
    let other = format!("murmur/hq/result/co2-sum/part/1 {}", parts[1]);
    assert!(refused(&other).contains("a result of co2-mean on the topic of co2-sum"));
    assert!(refused(&parts[1].replace("29000000", "29000001")).contains("of window 29000001"));

    // Nor parts beside a value, or without one.
    let both = ResultDocument { value: mean(1).value, ..signed.result.clone() };
    assert!(site.refusal(&line(&site.sign(both, &PEERS))).contains("a value and parts of one"));
    let failed = ResultDocument { status: Status::Failed, ..signed.result.clone() };
    assert!(site.refusal(&line(&site.sign(failed, &PEERS))).contains("does not go with a value"));
    let mut cut = serde_json::to_value(&signed).unwrap();
    cut["parts"]["digests"].as_array_mut().unwrap().pop();
    assert!(site.refusal(&cut.to_string()).contains("2 digests do not go with 60000 elements"));
}
