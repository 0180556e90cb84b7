//! Sensors that Linux has drivers for, read from folders as the kernel makes them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::os::unix::fs::FileTypeExt;

use sensor_agent::source::Happened;
use support::tree::Tree;
use support::{context, ends, found, lost, next, quantity, replay, start, tells};
use tokio::sync::mpsc;

/// What scd4x's driver shows: raw numbers with scales, and a link that leads to the device at its bus.
const SCD4X: [(&str, &str); 9] = [
    ("devices/platform/soc/i2c-1/1-0062/iio:device0/name", "scd4x"),
    ("devices/platform/soc/i2c-1/1-0062/iio:device0/in_concentration_co2_raw", "612"),
    ("devices/platform/soc/i2c-1/1-0062/iio:device0/in_concentration_co2_scale", "0.000100000"),
    ("devices/platform/soc/i2c-1/1-0062/iio:device0/in_temp_raw", "25000"),
    ("devices/platform/soc/i2c-1/1-0062/iio:device0/in_temp_scale", "2.670288085"),
    ("devices/platform/soc/i2c-1/1-0062/iio:device0/in_temp_offset", "-16852.480000"),
    ("devices/platform/soc/i2c-1/1-0062/iio:device0/in_humidityrelative_raw", "30000"),
    ("devices/platform/soc/i2c-1/1-0062/iio:device0/in_humidityrelative_scale", "1.525878906"),
    ("bus/iio/devices/iio:device0", "-> devices/platform/soc/i2c-1/1-0062/iio:device0"),
];

fn begin(
    kind: &str,
    tree: &Tree,
    sensors: &str,
    streams: &[&str],
) -> (sensor_agent::source::Running, mpsc::Receiver<Happened>) {
    let config = format!("kind = '{kind}'\nroot = '{}'\ninterval_s = 60\n{sensors}", tree.root());
    start(&config, context(replay(60.0), streams)).unwrap()
}

#[tokio::test(start_paused = true)]
async fn raw_numbers_become_readings_in_the_quantitys_unit() {
    let tree = Tree::of(&SCD4X);
    let sensors = "sensors.co2 = { device = 'scd4x', channel = 'concentration_co2' }
        sensors.temperature = { device = 'scd4x', channel = 'temp', offset = -1.5 }
        sensors.humidity = { device = 'scd4x', channel = 'humidityrelative' }";
    let (running, mut receiver) = begin("iio", &tree, sensors, &["co2", "temperature", "humidity"]);
    let temperature = (25_000.0 + -16_852.48) * 2.670288085 / 1000.0 - 1.5;
    let expected =
        [("co2", 612.0), ("humidity", 30_000.0 * 1.525878906 / 1000.0), ("temperature", temperature)];
    tells(&mut receiver, &expected).await;
    tree.write("devices/platform/soc/i2c-1/1-0062/iio:device0/in_concentration_co2_raw", "1204");
    tells(&mut receiver, &[("co2", 1204.0), expected[1], expected[2]]).await;
    drop(receiver);
    ends(running).await;
}

#[tokio::test(start_paused = true)]
async fn what_a_driver_has_worked_out_goes_before_raw_numbers() {
    let tree = Tree::of(&[
        ("bus/iio/devices/iio:device3/name", "bme280"),
        ("bus/iio/devices/iio:device3/in_temp_input", "21370"),
        ("bus/iio/devices/iio:device3/in_temp_raw", "8"),
        ("bus/iio/devices/iio:device3/in_humidityrelative_input", "44720"),
        ("bus/iio/devices/iio:device3/in_pressure_input", "101.325000000"),
        // Shared by its likes, as ADCs have it.
        ("bus/iio/devices/iio:device3/in_voltage0_raw", "500"),
        ("bus/iio/devices/iio:device3/in_voltage_scale", "2"),
    ]);
    let sensors = "sensors.temperature = { device = 'bme280', channel = 'temp' }
        sensors.humidity = { device = 'bme280', channel = 'humidityrelative' }
        sensors.pressure = { device = 'bme280', channel = 'pressure' }
        sensors.wind = { device = 'bme280', channel = 'voltage0', scale = 3 }";
    let config = format!("kind = 'iio'\nroot = '{}'\n{sensors}", tree.root());
    let mut context = context(replay(1.0), &["temperature", "humidity", "wind"]);
    context.streams.insert("pressure".parse().unwrap(), quantity("pressure", "hPa", 1));
    let (_running, mut receiver) = start(&config, context).unwrap();
    let expected = [("humidity", 44.72), ("pressure", 1013.25), ("temperature", 21.37), ("wind", 3000.0)];
    tells(&mut receiver, &expected).await;
}

#[tokio::test(start_paused = true)]
async fn a_device_is_found_whatever_its_number_is() {
    let tree = Tree::of(&SCD4X);
    let sensors = "sensors.co2 = { device = 'scd4x', channel = 'concentration_co2' }";
    let (_running, mut receiver) = begin("iio", &tree, sensors, &["co2"]);
    tells(&mut receiver, &[("co2", 612.0)]).await;
    // Another device takes the number, and it another one.
    tree.remove("bus/iio/devices/iio:device0");
    tree.write("bus/iio/devices/iio:device0/name", "ads1015");
    tree.write("bus/iio/devices/iio:device0/in_concentration_co2_raw", "9999");
    tree.link("bus/iio/devices/iio:device7", "devices/platform/soc/i2c-1/1-0062/iio:device0");
    tells(&mut receiver, &[("co2", 612.0), ("co2", 612.0)]).await;
}

#[tokio::test(start_paused = true)]
async fn twins_are_told_apart_by_label_or_place() {
    let tree = Tree::of(&[
        ("devices/i2c-1/1-0076/iio:device0/name", "bme280"),
        ("devices/i2c-1/1-0076/iio:device0/in_temp_input", "20000"),
        ("devices/i2c-1/1-0076/iio:device0/label", "window"),
        ("devices/i2c-1/1-0077/iio:device1/name", "bme280"),
        ("devices/i2c-1/1-0077/iio:device1/in_temp_input", "21000"),
        ("bus/iio/devices/iio:device0", "-> devices/i2c-1/1-0076/iio:device0"),
        ("bus/iio/devices/iio:device1", "-> devices/i2c-1/1-0077/iio:device1"),
    ]);
    for (which, value) in [("label = 'window'", 20.0), ("path = '1-0077'", 21.0)] {
        let sensors = format!("sensors.temperature = {{ device = 'bme280', channel = 'temp', {which} }}");
        let (_running, mut receiver) = begin("iio", &tree, &sensors, &["temperature"]);
        tells(&mut receiver, &[("temperature", value)]).await;
    }
    let sensors = "sensors.temperature = { device = 'bme280', channel = 'temp' }";
    let (_running, mut receiver) = begin("iio", &tree, sensors, &["temperature"]);
    let error = lost(&mut receiver).await;
    assert!(error.contains("`bme280` is there more than once"), "{error}");
    assert!(error.contains("`path`, out of: 1-0076, 1-0077"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_sensor_that_goes_is_told_of_once_and_when_it_is_back() {
    let tree = Tree::of(&SCD4X);
    let sensors = "sensors.co2 = { device = 'scd4x', channel = 'concentration_co2' }";
    let (_running, mut receiver) = begin("iio", &tree, sensors, &["co2"]);
    tells(&mut receiver, &[("co2", 612.0)]).await;
    tree.remove("bus/iio/devices/iio:device0");
    let error = lost(&mut receiver).await;
    assert!(error.ends_with("bus/iio/devices: no device `scd4x`; there are none"), "{error}");
    // Nothing comes while it is away, however often it is looked for.
    tokio::time::sleep(std::time::Duration::from_secs(10)).await;
    assert!(receiver.try_recv().is_err());
    tree.link("bus/iio/devices/iio:device1", "devices/platform/soc/i2c-1/1-0062/iio:device0");
    let failures = found(&mut receiver).await;
    assert!((9..=12).contains(&failures), "{failures}");
    tells(&mut receiver, &[("co2", 612.0), ("co2", 612.0)]).await;
}

#[tokio::test(start_paused = true)]
async fn what_a_driver_says_in_its_distress_is_no_reading() {
    let temperature = "sensors.temperature = { device = 'sht3x', channel = 'temp1' }";
    let name = ("class/hwmon/hwmon1/name", "sht3x");
    let input = "class/hwmon/hwmon1/temp1_input";
    for (files, words) in [
        (vec![name, (input, "")], "temp1_input: empty"),
        (vec![name, (input, "warm")], "temp1_input: holds no number"),
        (vec![name, (input, "nan")], "temp1_input: holds no number"),
        // A folder can't be read as a file: what the kernel says of a broken bus is of that kind.
        (vec![name, ("class/hwmon/hwmon1/temp1_input/x", "")], "temp1_input: Is a directory"),
        (vec![name, ("class/hwmon/hwmon1/temp2_input", "1")], "there is no such file"),
        (vec![name, (input, "21370"), ("class/hwmon/hwmon1/temp1_fault", "1")], "reports a fault"),
        (vec![("class/hwmon/hwmon1/name", "nvme")], "no device `sht3x`; there are: nvme"),
        (vec![], "class/hwmon: No such file or directory (os error 2); is the driver loaded?"),
    ] {
        let tree = Tree::of(&files);
        let (_running, mut receiver) = begin("hwmon", &tree, temperature, &["temperature"]);
        let error = lost(&mut receiver).await;
        assert!(error.contains(words), "{words} is not in: {error}");
        // And once it says something else, that is a reading.
        tree.write("class/hwmon/hwmon2/name", "sht3x");
        tree.write("class/hwmon/hwmon2/temp1_input", "-4250");
        if tree.path("class/hwmon/hwmon1").exists() {
            tree.remove("class/hwmon/hwmon1");
        }
        found(&mut receiver).await;
        tells(&mut receiver, &[("temperature", -4.25)]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_channel_of_hwmon_is_found_by_its_label() {
    let tree = Tree::of(&[
        ("class/hwmon/hwmon0/name", "k10temp"),
        ("class/hwmon/hwmon0/temp1_label", "Tctl"),
        ("class/hwmon/hwmon0/temp1_input", "40000"),
        ("class/hwmon/hwmon0/temp3_label", "Tccd1"),
        ("class/hwmon/hwmon0/temp3_input", "38500"),
        ("class/hwmon/hwmon0/power1_input", "12500000"),
    ]);
    let sensors = "sensors.temperature = { device = 'k10temp', channel = 'temp', label = 'Tccd1' }
        sensors.power = { device = 'k10temp', channel = 'power1' }";
    let (_running, mut receiver) = begin("hwmon", &tree, sensors, &["temperature", "power"]);
    tells(&mut receiver, &[("power", 12.5), ("temperature", 38.5)]).await;
    let sensors = "sensors.temperature = { device = 'k10temp', channel = 'temp', label = 'Tdie' }";
    let (_running, mut receiver) = begin("hwmon", &tree, sensors, &["temperature"]);
    let error = lost(&mut receiver).await;
    assert!(error.contains("no channel `temp` with label `Tdie`; there are: Tctl, Tccd1"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn thermometers_on_a_wire_are_read_and_their_first_word_is_not_believed() {
    let temperature = "bus/w1/devices/28-0316a2797a4c/temperature";
    let tree = Tree::of(&[
        ("bus/w1/devices/w1_bus_master1/w1_master_name", "w1_bus_master1"),
        (temperature, "85000"),
    ]);
    let (_running, mut receiver) = begin("one-wire", &tree, "sensors.temperature = {}", &["temperature"]);
    let error = lost(&mut receiver).await;
    assert!(error.contains("28-0316a2797a4c/temperature: says 85 °C, which it does before"), "{error}");
    tree.write(temperature, "21312");
    assert_eq!(found(&mut receiver).await, 1);
    tells(&mut receiver, &[("temperature", 21.312)]).await;
    tree.write(temperature, "");
    assert!(lost(&mut receiver).await.contains("empty"));

    tree.write("bus/w1/devices/28-000000000001/temperature", "19000");
    let (_running, mut receiver) = begin("one-wire", &tree, "sensors.temperature = {}", &["temperature"]);
    let error = lost(&mut receiver).await;
    assert!(error.contains("`id`, out of: 28-000000000001, 28-0316a2797a4c"), "{error}");
    let sensors = "sensors.temperature = { id = '28-000000000001' }";
    let (_running, mut receiver) = begin("one-wire", &tree, sensors, &["temperature"]);
    tells(&mut receiver, &[("temperature", 19.0)]).await;
}

#[tokio::test(start_paused = true)]
async fn a_thermal_zone_is_found_by_its_type() {
    let tree = Tree::of(&[
        ("class/thermal/cooling_device0/type", "cpu-thermal"),
        ("class/thermal/thermal_zone0/type", "acpitz"),
        ("class/thermal/thermal_zone0/temp", "27800"),
        ("class/thermal/thermal_zone1/type", "cpu-thermal"),
        ("class/thermal/thermal_zone1/temp", "51540"),
    ]);
    let sensors = "sensors.temperature = { zone = 'cpu-thermal' }";
    let (_running, mut receiver) = begin("thermal", &tree, sensors, &["temperature"]);
    tells(&mut receiver, &[("temperature", 51.54)]).await;
}

#[tokio::test(start_paused = true)]
async fn a_driver_that_hangs_holds_up_one_thread_and_is_heard_when_it_answers() {
    let tree = Tree::of(&[("class/thermal/thermal_zone0/type", "cpu-thermal")]);
    // Nobody opens the other end: whoever opens this one waits.
    let pipe = tree.path("class/thermal/thermal_zone0/temp");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    assert!(std::fs::metadata(&pipe).unwrap().file_type().is_fifo());
    let sensors = "sensors.temperature = { zone = 'cpu-thermal' }";
    let config = format!("kind = 'thermal'\nroot = '{}'\n{sensors}", tree.root());
    let (_running, mut receiver) = start(&config, context(replay(1.0), &["temperature"])).unwrap();
    // Time stands still while a thread is busy: this moves it.
    tokio::task::yield_now().await;
    while receiver.is_empty() {
        tokio::time::advance(std::time::Duration::from_secs(5)).await;
    }
    let error = lost(&mut receiver).await;
    assert!(error.contains("a driver does not answer"), "{error}");
    std::fs::write(&pipe, "40000\n").unwrap();
    let Some(Happened::Found { .. }) = next(&mut receiver).await else { panic!("not found") };
    tells(&mut receiver, &[("temperature", 40.0)]).await;
    // So that no thread waits for it when the test ends.
    tree.remove("class/thermal/thermal_zone0/temp");
    tree.write("class/thermal/thermal_zone0/temp", "41000");
}

#[tokio::test]
async fn a_unit_that_can_not_be_turned_into_the_quantitys_is_an_error_at_once() {
    let tree = Tree::of(&SCD4X);
    let sensors = "sensors.humidity = { device = 'scd4x', channel = 'temp' }";
    let config = format!("kind = 'iio'\nroot = '{}'\n{sensors}", tree.root());
    let error = start(&config, context(replay(1.0), &["humidity"])).map(|_| ()).unwrap_err().to_string();
    assert!(["stream humidity", "m°C", "`%`", "`scale`"].iter().all(|word| error.contains(word)), "{error}");
}
