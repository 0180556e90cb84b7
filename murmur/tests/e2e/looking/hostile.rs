//! What `murmur sniff` makes of bytes that nobody of ours wrote.

use std::io::Write;
use std::process::{Output, Stdio};

use serde_json::Value;

use super::page::Page;
use crate::support::programs::Program;
use crate::support::site::Site;

/// `murmur sniff --stdin --json` of `lines`: how it ended, what it told of each message, and the summary.
fn sniff(words: &[&str], lines: Vec<u8>) -> (Output, Vec<Value>, Value) {
    let mut command = Program::Murmur.command();
    command.args(["sniff", "--stdin", "--json"]).args(words);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let feeder = std::thread::spawn(move || input.write_all(&lines));
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap().unwrap();
    let text = std::str::from_utf8(&output.stdout).unwrap();
    let mut told: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let summary = told.pop().unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    (output, told, summary["summary"].clone())
}

fn says(told: &Value) -> &str {
    told["says"].as_str().unwrap()
}

#[test]
fn every_example_of_the_page_is_explained_and_nothing_that_was_cut_or_changed_ends_it() {
    let mut lines = Vec::new();
    let examples: Vec<_> = Page::read().filled().collect();
    for (topic, example) in &examples {
        lines.extend_from_slice(format!("{topic} {example}\n").as_bytes());
    }
    for (topic, example) in &examples {
        for at in (1..example.len()).step_by(example.len() / 40 + 1) {
            let mut changed = example.clone().into_bytes();
            changed[at] ^= 0x15;
            for bytes in [&example.as_bytes()[..at], &changed] {
                lines.extend_from_slice(format!("{topic} ").as_bytes());
                lines.extend(bytes.iter().map(|&byte| if byte == b'\n' { b' ' } else { byte }));
                lines.push(b'\n');
            }
        }
    }
    let (output, told, summary) = sniff(&["--site-name", "demo"], lines);
    let bad = told.iter().filter(|told| told["signature"]["verdict"] == "bad").count();
    assert_eq!((output.status.code(), summary["bad_signatures"].as_u64()), (Some(1), Some(bad as u64)));
    for (told, example) in told.iter().zip(&examples) {
        assert!(told["kind"] != "unknown" && !says(told).contains("NOT WHAT"), "{told} of {example:?}");
        // There is no site file.
        assert!(["none", "unchecked"].contains(&told["signature"]["verdict"].as_str().unwrap()), "{told}");
    }
    let cut = told.iter().filter(|told| says(told).contains("NOT WHAT")).count();
    assert!(cut > 500, "{cut}");
    // Changed names: it needs no key to see that a document is on another node's topic.
    assert!(bad > 0);
}

#[test]
fn what_is_no_message_of_the_site_is_told_as_unknown_and_a_false_signature_as_bad() {
    let site = Site::init(&["--agents", "3", "--minimum-cohort", "3"]);
    let is_result = |(topic, _): &(String, String)| topic == "murmur/demo/result/co2-mean";
    let (_, result) = Page::read().filled().find(is_result).unwrap();
    let forged = result.replace("\"demo\"", "\"hq\"");
    let lines = [
        b"\xff\xfe \xff\n\n   \nmurmur/hq/gossip/x {}\nmurmur/other/status/x {}\n\x1b[2J 7\n".to_vec(),
        b"murmur/hq/status/peer-1\nmurmur/hq/card/peer-1 (null)\nmurmur/hq/status/peer-1 \xff\n".to_vec(),
        format!("murmur/hq/result/co2-mean {}\n", "[".repeat(100_000)).into_bytes(),
        [vec![b'x'; 5 << 20], b"\n".to_vec()].concat(),
        format!("murmur/hq/result/co2-mean {forged}\n").into_bytes(),
    ];
    let site_file = site.path("site.toml");
    let (output, told, summary) = sniff(&["--site", site_file.to_str().unwrap()], lines.concat());
    assert_eq!(output.status.code(), Some(1));
    let kinds: Vec<_> = told.iter().map(|told| told["kind"].as_str().unwrap()).collect();
    let expected = [
        "unknown", "unknown", "unknown", "unknown", "status", "card", "status", "result", "unknown", "result",
    ];
    assert_eq!(kinds, expected);
    assert!(says(&told[4]).contains("cleared") && says(&told[5]).contains("cleared"), "{told:?}");
    assert!(says(&told[6]).contains("NOT WHAT") && says(&told[7]).contains("NOT WHAT"), "{told:?}");
    assert_eq!(told[9]["signature"]["verdict"], "bad", "{}", told[9]);
    assert!(!told.iter().any(|told| says(told).contains(char::is_control)), "{told:?}");
    assert_eq!(summary["bad_signatures"], 1);
}
