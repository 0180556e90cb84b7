//! Programs, web servers and serial lines as sources: what they say, and what they do wrong.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::pty::{OpenptyResult, openpty};
use nix::unistd::ttyname;
use sensor_agent::source::{GapReason, Happened, SourceConfig};
use smc_mqtt::clock::Clock;
use support::server::{Behaviour, Server, answer};
use support::{PATIENCE, context, ends, found, lost, next, start, tells, told};
use tokio::sync::mpsc::Receiver;

fn command(more: &str, script: &str, readings: &str) -> String {
    format!(
        "kind = 'command'\nprogram = 'sh'\narguments = ['-c', '''{script}''']\ninterval_s = 0.1\n{more}\n{readings}"
    )
}

fn begin(config: &str, streams: &[&str]) -> (sensor_agent::source::Running, Receiver<Happened>) {
    start(config, context(Clock::system(), streams)).unwrap()
}

async fn unusable(receiver: &mut Receiver<Happened>) -> (String, GapReason) {
    let (stream, _, value) = told(receiver).await;
    (stream, value.unwrap_err())
}

#[tokio::test]
async fn what_a_program_prints_is_read() {
    let config = command("", "echo 21.5", "readings.temperature = {}");
    let (running, mut receiver) = begin(&config, &["temperature"]);
    tells(&mut receiver, &[("temperature", 21.5), ("temperature", 21.5)]).await;
    drop(receiver);
    ends(running).await;

    let readings = "readings.co2 = { pointer = '/co2' }
        readings.temperature = { pointer = '/t', scale = 0.1 }
        readings.humidity = { pointer = '/rh' }";
    let config = command("", "echo \"{\\\"co2\\\": 612, \\\"t\\\": 215}\"", readings);
    let (_running, mut receiver) = begin(&config, &["co2", "temperature", "humidity"]);
    tells(&mut receiver, &[("co2", 612.0)]).await;
    assert_eq!(unusable(&mut receiver).await, ("humidity".into(), GapReason::Missing));
    tells(&mut receiver, &[("temperature", 21.5)]).await;

    let config = command("", "echo temp=48.3\\'C", "readings.temperature = { prefix = 'temp=' }");
    let (_running, mut receiver) = begin(&config, &["temperature"]);
    tells(&mut receiver, &[("temperature", 48.3)]).await;
}

#[tokio::test]
async fn a_program_that_fails_is_told_of_once_and_when_it_works_again() {
    let folder = tempfile::tempdir().unwrap();
    let switch = folder.path().join("on");
    let script = format!("test -e {} && echo 1", switch.display());
    let config = command("", &script, "readings.motion = {}");
    let (_running, mut receiver) = begin(&config, &["motion"]);
    let error = lost(&mut receiver).await;
    assert!(error.contains("sh: ended with exit status: 1"), "{error}");
    File::create(&switch).unwrap();
    assert!(found(&mut receiver).await >= 1);
    tells(&mut receiver, &[("motion", 1.0)]).await;
}

#[tokio::test]
async fn what_can_not_be_started_is_named_with_a_remedy() {
    // Nobody may execute it.
    let file = tempfile::NamedTempFile::new().unwrap();
    for (program, words) in [
        ("/nowhere/to/be/found", "can't be started: No such file"),
        (file.path().to_str().unwrap(), "make it executable"),
    ] {
        let config = format!("kind = 'command'\nprogram = '{program}'\nreadings.motion = {{}}");
        let (_running, mut receiver) = begin(&config, &["motion"]);
        let error = lost(&mut receiver).await;
        assert!(error.starts_with(program) && error.contains(words), "{error}");
    }
}

#[tokio::test]
async fn a_program_that_hangs_is_killed_with_all_that_it_started() {
    let folder = tempfile::tempdir().unwrap();
    let alive = folder.path().join("alive");
    // A grandchild that holds the output and would go on for long.
    let script = format!("(while :; do echo x > {}; sleep 0.05; done) & wait", alive.display());
    let config = command("timeout_s = 0.5", &script, "readings.motion = {}");
    let config = config.replace("interval_s = 0.1", "interval_s = 3600");
    let (_running, mut receiver) = begin(&config, &["motion"]);
    let error = lost(&mut receiver).await;
    assert!(error.contains("killed, as it had not ended after 500ms"), "{error}");
    gone(&alive).await;
}

#[tokio::test]
async fn a_program_is_killed_when_the_agent_ends() {
    let folder = tempfile::tempdir().unwrap();
    let alive = folder.path().join("alive");
    let script = format!("while :; do echo x > {}; sleep 0.05; done", alive.display());
    let config = command("timeout_s = 300", &script, "readings.motion = {}");
    let (running, receiver) = begin(&config, &["motion"]);
    let began = Instant::now();
    while !alive.exists() {
        assert!(began.elapsed() < PATIENCE, "it does not begin");
        tokio::task::yield_now().await;
    }
    drop(receiver);
    ends(running).await;
    gone(&alive).await;
}

/// Waits until nobody makes the file anew.
async fn gone(file: &Path) {
    let began = Instant::now();
    loop {
        let _ = std::fs::remove_file(file);
        let looked = Instant::now();
        while !file.exists() && looked.elapsed() < Duration::from_millis(400) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        if !file.exists() {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "it goes on");
    }
}

#[tokio::test]
async fn a_program_that_prints_without_end_is_stopped() {
    let config = command("max_bytes = 1000", "yes 612", "readings.co2 = {}");
    let (_running, mut receiver) = begin(&config, &["co2"]);
    let error = lost(&mut receiver).await;
    assert!(error.contains("killed, as it had printed more than 1000 bytes"), "{error}");
}

fn http(server: &Server, more: &str, readings: &str) -> String {
    format!("kind = 'http'\nurl = '{}'\ninterval_s = 0.1\n{more}\n{readings}", server.url("/status?x=1"))
}

#[tokio::test]
async fn what_a_device_serves_is_read() {
    let server = Server::start(answer("200 OK", "", r#"{"temperature:0":{"id":0,"tC":19.8}}"#)).await;
    let config = http(&server, "", "readings.temperature = { pointer = '/temperature:0/tC' }");
    let (running, mut receiver) = begin(&config, &["temperature"]);
    tells(&mut receiver, &[("temperature", 19.8), ("temperature", 19.8)]).await;
    let request = server.last_request();
    assert!(request.starts_with("GET /status?x=1 HTTP/1.1\r\n"), "{request}");
    assert!(request.to_ascii_lowercase().contains("\r\nhost: 127.0.0.1:"), "{request}");
    drop(receiver);
    ends(running).await;
}

#[tokio::test]
async fn a_type_that_changes_is_a_gap_and_no_more() {
    let server = Server::start(answer("200 OK", "", r#"{"co2":612}"#)).await;
    let config = http(&server, "", "readings.co2 = { pointer = '/co2' }");
    let (_running, mut receiver) = begin(&config, &["co2"]);
    tells(&mut receiver, &[("co2", 612.0)]).await;
    for (body, reason) in [
        (r#"{"co2":{"value":612}}"#, GapReason::WrongType),
        (r#"{"co2":null}"#, GapReason::Missing),
        (r#"{"co2":"none"}"#, GapReason::Unparsable),
        (r#"{"voc":1}"#, GapReason::Missing),
        ("[", GapReason::Unparsable),
        ("", GapReason::Missing),
    ] {
        server.set(answer("200 OK", "", body));
        let began = Instant::now();
        loop {
            // What was asked before may still be on its way.
            match told(&mut receiver).await.2 {
                Err(told) if told == reason => break,
                _ => assert!(began.elapsed() < PATIENCE, "{body}"),
            }
        }
    }
    server.set(answer("200 OK", "", r#"{"co2":"613"}"#));
    while told(&mut receiver).await.2 != Ok(613.0) {}
}

#[tokio::test]
async fn what_a_server_does_wrong_is_told_of_with_a_remedy() {
    let good = answer("200 OK", "", "612");
    let server = Server::start(good.clone()).await;
    let config = http(&server, "timeout_s = 0.4\nmax_bytes = 10000", "readings.co2 = {}");
    let (_running, mut receiver) = begin(&config, &["co2"]);
    tells(&mut receiver, &[("co2", 612.0)]).await;
    for (behaviour, words) in [
        (answer("500 Internal Server Error", "", "612"), "500 Internal Server Error"),
        (answer("404 Not Found", "", ""), "404 Not Found"),
        (
            answer("302 Found", "Location: https://x/y\r\n", ""),
            "it sends to \"https://x/y\"; if that is right",
        ),
        (Behaviour::Drip, "no whole answer within 400ms; raise `timeout_s`"),
        (Behaviour::Flood, "more than 10000 bytes; ask for less, or raise `max_bytes`"),
        (Behaviour::Bytes(b"220 mail.example ESMTP\r\n".to_vec()), "speaks no HTTP"),
        (Behaviour::Bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n612".to_vec()), "http://127.0.0.1:"),
        (Behaviour::Bytes(Vec::new()), "http://127.0.0.1:"),
    ] {
        server.set(behaviour);
        let error = loop {
            match next(&mut receiver).await {
                Some(Happened::Lost { error, .. }) => break error.to_string(),
                Some(Happened::Observed(_)) => {}
                other => panic!("{other:?}"),
            }
        };
        assert!(error.contains(words), "{words} is not in: {error}");
        server.set(good.clone());
        found(&mut receiver).await;
        tells(&mut receiver, &[("co2", 612.0)]).await;
    }
    drop(server);
    let error = loop {
        if let Some(Happened::Lost { error, .. }) = next(&mut receiver).await {
            break error.to_string();
        }
    };
    assert!(error.contains("is the device on, and its address right?"), "{error}");
}

/// Both ends of a serial line, as a device and the kernel have them.
struct Wire {
    device: File,
    path: PathBuf,
}

impl Wire {
    fn new() -> Self {
        let OpenptyResult { master, slave } = openpty(None, None).unwrap();
        let path = ttyname(&slave).unwrap();
        Self { device: master.into(), path }
    }

    fn say(&mut self, text: &[u8]) {
        self.device.write_all(text).unwrap();
    }
}

fn serial(path: &Path, readings: &str) -> String {
    format!("kind = 'serial'\ndevice = '{}'\nbaud = 115200\nmax_bytes = 200\n{readings}", path.display())
}

/// Says it until something is told: what was said before anybody listened is lost.
async fn said(wire: &mut Wire, receiver: &mut Receiver<Happened>, text: &[u8]) -> Happened {
    let began = Instant::now();
    loop {
        wire.say(text);
        match tokio::time::timeout(Duration::from_millis(50), receiver.recv()).await {
            Ok(told) => return told.unwrap(),
            Err(_) => assert!(began.elapsed() < PATIENCE, "nothing is heard"),
        }
    }
}

#[tokio::test]
async fn lines_of_text_are_read_and_garbage_between_them_is_passed_over() {
    let mut wire = Wire::new();
    let readings = "readings.co2 = { prefix = 'CO2:' }\nreadings.temperature = { prefix = 'T:' }";
    let (running, mut receiver) = begin(&serial(&wire.path, readings), &["co2", "temperature"]);
    assert!(matches!(said(&mut wire, &mut receiver, b"CO2:400\r\n").await, Happened::Observed(_)));
    wire.say(b"CO2:612 T:21.5C\r\nhello\r\n\xff\xfe\x00T:\xff\r\n");
    wire.say(&[b'x'; 5000]);
    wire.say(b"\nCO2:6");
    wire.say(b"13\n");
    let mut told_now = Vec::new();
    while told_now.last() != Some(&("co2".to_owned(), Ok(613.0))) {
        let (stream, _, value) = told(&mut receiver).await;
        // Repetitions of the first line may still come.
        if value != Ok(400.0) {
            told_now.push((stream, value));
        }
    }
    let expected = [("co2", 612.0), ("temperature", 21.5), ("co2", 613.0)];
    assert_eq!(told_now, expected.map(|(stream, value)| (stream.to_owned(), Ok(value))));
    drop(receiver);
    ends(running).await;
}

#[tokio::test]
async fn lines_of_json_are_read_between_words_for_people() {
    let mut wire = Wire::new();
    let (_running, mut receiver) =
        begin(&serial(&wire.path, "readings.co2 = { pointer = '/co2' }"), &["co2"]);
    assert!(matches!(said(&mut wire, &mut receiver, b"{\"co2\":400}\n").await, Happened::Observed(_)));
    wire.say(b"boot: ok\n{\"co2\":\n{\"co2\":null}\n{\"co2\":612}\n");
    let mut values = Vec::new();
    while values.last() != Some(&Ok(612.0)) {
        values.push(told(&mut receiver).await.2);
    }
    values.retain(|value| *value != Ok(400.0));
    assert_eq!(values, [Err(GapReason::Missing), Ok(612.0)]);
}

#[tokio::test]
async fn a_line_that_is_unplugged_is_opened_again_when_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("by-id");
    let mut wire = Wire::new();
    std::os::unix::fs::symlink(&wire.path, &link).unwrap();
    let (_running, mut receiver) = begin(&serial(&link, "readings.co2 = {}"), &["co2"]);
    assert!(matches!(said(&mut wire, &mut receiver, b"612\n").await, Happened::Observed(_)));
    drop(wire);
    let error = loop {
        if let Some(Happened::Lost { error, .. }) = next(&mut receiver).await {
            break error.to_string();
        }
    };
    assert!(error.contains("by-id") && error.contains("was it unplugged?"), "{error}");
    let mut wire = Wire::new();
    std::fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink(&wire.path, &link).unwrap();
    assert!(matches!(said(&mut wire, &mut receiver, b"613\n").await, Happened::Found { .. }));
    tells(&mut receiver, &[("co2", 613.0)]).await;
}

#[tokio::test]
async fn what_is_no_serial_line_is_named() {
    for (path, words) in [("/dev/null", "so it is no serial line"), ("/dev/ttyNONE", "group dialout")] {
        let (_running, mut receiver) = begin(&serial(Path::new(path), "readings.co2 = {}"), &["co2"]);
        let error = lost(&mut receiver).await;
        assert!(error.starts_with(path) && error.contains(words), "{error}");
    }
}

#[test]
fn settings_out_of_range_are_named() {
    for (text, word) in [
        ("kind = 'serial'\ndevice = 'a'\nbaud = 9601\nreadings = {}", "`baud`"),
        ("kind = 'command'\nprogram = 'a'\ntimeout_s = 0\nreadings = {}", "`timeout_s`"),
        ("kind = 'command'\nprogram = 'a'\nmax_bytes = 99999999\nreadings = {}", "`max_bytes`"),
        ("kind = 'command'\nprogram = 'a'\ninterval_s = 0\nreadings = {}", "`interval_s`"),
        ("kind = 'http'\nurl = 'https://me:secret@a'\nreadings = {}", "login"),
        ("kind = 'http'\nurl = 'https://a'\ncertificate = 'b'\nreadings = {}", "certificate"),
        ("kind = 'http'\nurl = 'http://a'\nreadings.co2 = { pointr = '/a' }", "pointr"),
        ("kind = 'iio'\nsensors.co2 = { device = 'a', chanel = 'b' }", "chanel"),
        ("kind = 'hwmon'\nsensors.co2 = { device = 'a' }", "channel"),
        ("kind = 'one-wire'\nsensors.co2 = { id = 'a', unit = 'b' }", "unit"),
        ("kind = 'thermal'\nsensor = {}", "sensor"),
    ] {
        let error = toml::from_str::<SourceConfig>(text).unwrap_err().to_string();
        assert!(error.contains(word), "{word} is not in: {error}");
    }
}
