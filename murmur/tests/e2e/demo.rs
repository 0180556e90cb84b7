//! `murmur demo`: the first thing that a newcomer sees.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::Stdio;

use crate::support::mosquitto::{Login, Subscriber};
use crate::support::process::Process;
use crate::support::programs::Program;

#[test]
fn a_demonstration_shows_results_beside_the_truth_and_lets_anybody_look_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Program::Murmur.command();
    command.args([
        "demo",
        "--peers",
        "5",
        "--threshold",
        "2",
        "--rooms",
        "8",
        "--period",
        "1s",
        "--windows",
        "6",
    ]);
    command.args(["--listen", "127.0.0.1:0"]);
    let mut demo = Process::start("murmur demo", &mut command, folder.path().join("demo.log"));
    let mut output = BufReader::new(demo.stdout());
    let mut first = String::new();
    output.read_line(&mut first).unwrap();
    assert!(
        first.starts_with("8 agents, 5 peers of which any 2 together learn nothing, windows of 1s"),
        "{first}"
    );
    let broker: SocketAddr = first.trim().rsplit(' ').next().unwrap().parse().unwrap();

    // What it says one can look on with is what does.
    let mut second = String::new();
    output.read_line(&mut second).unwrap();
    let filter = second.split('\'').nth(1).unwrap_or_else(|| panic!("{second}"));
    let anybody =
        Login { broker, user: String::new(), password: String::new(), client: "anybody".into(), ca: None };
    let looking = Subscriber::start(&anybody, &[filter], folder.path().join("anybody.log"));
    looking.wait_for("a sealed share", |message| message.topic.contains("/share/").then_some(()));
    looking.wait_for("a result", |message| (message.json()["status"] == "ok").then_some(()));

    let mut told = String::new();
    output.read_to_string(&mut told).unwrap();
    assert_eq!(demo.wait().code(), Some(0), "{told}\n{}", demo.stderr());
    assert_eq!(told.matches("\nwindow ").count(), 6, "{told}");
    assert!(told.contains("= truth") && !told.contains("BUT THE TRUTH"), "{told}");
    assert!(told.contains("the broker carried") && told.contains("\"ct\":\""), "{told}");
    assert!(
        told.contains("room-1 reads") && told.contains("signed by peer-1 peer-2 peer-3 peer-4 peer-5"),
        "{told}"
    );
    assert!(told.trim_end().ends_with("values published, all equal to the truth"), "{told}");
}

#[test]
fn a_demonstration_in_json_has_a_line_per_window_and_query_and_nothing_else() {
    let mut command = Program::Murmur.command();
    let output =
        command.args(["demo", "--json", "--windows", "3", "--listen", "127.0.0.1:0"]).stderr(Stdio::piped());
    let output = output.output().unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for line in &lines {
        let mut keys: Vec<&str> = line.as_object().unwrap().keys().map(String::as_str).collect();
        keys.sort_unstable();
        let expected = [
            "carried",
            "cohort",
            "fresh",
            "function",
            "peers",
            "quantity",
            "query",
            "reason",
            "status",
            "unit",
            "validated",
            "value",
            "verified",
            "window",
        ];
        assert_eq!(keys, expected);
        assert_eq!(!line["value"].is_null(), line["status"] == "ok", "{line}");
        assert_eq!(line["reason"].is_null(), line["status"] == "ok", "{line}");
    }
    let mut windows: Vec<u64> = lines.iter().map(|line| line["window"]["index"].as_u64().unwrap()).collect();
    windows.sort_unstable();
    windows.dedup();
    let queries = lines.len() / windows.len();
    assert_eq!((windows.len(), lines.len()), (3, 3 * queries), "every query in every window:\n{text}");
    assert!(
        queries >= 9 && lines.iter().any(|line| line["status"] == "ok" && line["verified"] == true),
        "{text}"
    );
}
