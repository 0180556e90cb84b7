//! `sensor-agent try`, as people run it.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

/// What it says of an agent's file with this text, on standard output and on standard error, and whether all is well.
fn tried(text: &str) -> (String, String, bool) {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("room-101.toml");
    fs::write(&file, text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_sensor-agent"));
    // Nothing is waited for that comes; what does not come is not waited for longer than this.
    command.arg("try").arg("--config").arg(&file).args(["--for", "3s"]).env("RUST_LOG", "error");
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr), output.status.success())
}

/// The sample site, in which `room-101` has co2 and temperature.
fn site() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/site.toml").display().to_string()
}

fn echo(stream: &str, text: &str) -> String {
    format!(
        "[[source]]\nkind = 'command'\nprogram = 'echo'\narguments = ['{text}']\nreadings.{stream} = {{}}\n"
    )
}

#[test]
fn what_each_stream_says_is_shown_with_its_unit_and_what_becomes_of_it() {
    let (co2, temperature) = (echo("co2", "612.4"), echo("temperature", "21.375"));
    let (said, _, well) = tried(&format!("node = 'room-101'\nsite = '{}'\n{co2}{temperature}", site()));
    let expected = "co2          612.4 ppm         good: shared as 612 ppm\n\
                    temperature  21.375 °C         good: shared as 21.38 °C\n";
    assert_eq!((said.as_str(), well), (expected, true));
}

#[test]
fn what_would_be_left_out_is_shown_with_the_reason_and_the_exit_code_says_so() {
    let (co2, temperature) = (echo("co2", "6000"), echo("temperature", "warm"));
    let rules = "[stream.co2]\nmaximum = 5000\n";
    let (said, why, well) =
        tried(&format!("node = 'room-101'\nsite = '{}'\n{rules}{co2}{temperature}", site()));
    assert!(said.contains("co2          6000 ppm          left out: implausible\n"), "{said}");
    assert!(said.contains("temperature  -                 left out: unparsable\n"), "{said}");
    assert!(!well && why.contains("not every stream"), "{why}");
}

#[test]
fn a_sensor_that_is_not_there_is_named_with_what_is() {
    let folder = TempDir::new().unwrap();
    let devices = folder.path().join("bus/iio/devices/iio:device0");
    fs::create_dir_all(&devices).unwrap();
    fs::write(devices.join("name"), "scd4x\n").unwrap();
    let root = folder.path().display();
    let (said, _, well) = tried(&format!(
        "[[source]]\nkind = 'iio'\nroot = '{root}'\nsensors.co2 = {{ device = 'bme280', channel = 'temp', scale = 1 }}\n"
    ));
    assert!(said.contains("no `site`; units and ranges are guessed from the streams' names"), "{said}");
    assert!(said.contains("no device `bme280`; there are: scd4x"), "{said}");
    assert!(!well);
}

#[test]
fn the_agents_own_broker_is_not_asked() {
    let source = "[[source]]\nkind = 'mqtt'\ntopics.humidity = { topic = 'a' }\n";
    let (said, _, well) = tried(&format!("{source}{}", echo("co2", "612")));
    assert!(said.contains("listens at the agent's own broker, which is not asked here"), "{said}");
    assert!(said.contains("co2  612 ppm           good: shared as 612 ppm\n") && well, "{said}");
}

#[test]
fn a_sensor_that_says_nothing_is_waited_for_no_longer_than_was_asked() {
    let silent = "[[source]]\nkind = 'command'\nprogram = 'sleep'\narguments = ['60']\nreadings.co2 = {}\n";
    let (said, _, well) = tried(silent);
    assert!(said.contains("co2  -                 said nothing in this time") && !well, "{said}");
}

#[test]
fn a_driver_that_hangs_does_not_keep_the_program_from_ending() {
    let folder = TempDir::new().unwrap();
    let zone = folder.path().join("class/thermal/thermal_zone0");
    fs::create_dir_all(&zone).unwrap();
    fs::write(zone.join("type"), "cpu-thermal\n").unwrap();
    // Whoever opens it waits for the other end.
    assert!(Command::new("mkfifo").arg(zone.join("temp")).status().unwrap().success());
    let root = folder.path().display();
    let (said, _, well) = tried(&format!(
        "[[source]]\nkind = 'thermal'\nroot = '{root}'\nsensors.temperature = {{ zone = 'cpu-thermal' }}\n"
    ));
    assert!(said.contains("said nothing in this time") && !well, "{said}");
}

#[test]
fn a_file_that_makes_no_sense_is_an_error_with_its_name() {
    for (text, words) in [
        ("node = 'room-101'\n", "there is no [[source]] to try"),
        ("[[source]]\nkind = 'moon'\n", "moon"),
        (&echo("co2", "1").repeat(2), "two sources feed the stream co2"),
        (
            "[stream.co2]\nminimum = 9\nmaximum = 3\n[[source]]\nkind = 'simulated'\nstreams = ['co2']\n",
            "[stream.co2]",
        ),
        ("[[source]]\nkind = 'simulated'\nstreams = ['radon']\n", "radon"),
    ] {
        let (said, why, well) = tried(text);
        assert!(!well && why.contains(words) && said.is_empty(), "{words} is not in: {why}");
    }
}
