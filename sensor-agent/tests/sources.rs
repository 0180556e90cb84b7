//! Sources as an agent runs them: by configuration, through the channel, mqtt ones against a real Mosquitto.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../../smc-mqtt/tests/mosquitto/mod.rs"]
mod mosquitto;
mod support;

use std::io::Write;
use std::time::Duration;

use mosquitto::{Mosquitto, PATIENCE};
use sensor_agent::source::simulated::{Room, RoomSettings};
use sensor_agent::source::{GapReason, Happened};
use smc_mqtt::clock::Clock;
use smc_mqtt::connection::{ConnectionSettings, Publisher};
use support::{TEN, context, ends, next, quantity, replay, start, told};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

#[tokio::test(start_paused = true)]
async fn a_simulated_room_tells_the_truth_at_whole_intervals() {
    let (running, mut receiver) = start(
        "kind = 'simulated'\nseed = 7\ninterval_s = 60",
        context(replay(120.0), &["co2", "occupancy", "temperature"]),
    )
    .unwrap();
    let settings = RoomSettings::office(7);
    let mut truth = Room::new("room-101", settings);
    for minute in 1..200 {
        truth.advance(TEN + Duration::from_secs(60 * minute));
        let expected = [
            ("co2", truth.co2()),
            ("occupancy", truth.occupants().into()),
            ("temperature", truth.temperature()),
        ];
        for (stream, value) in expected {
            assert_eq!(told(&mut receiver).await, (stream.to_owned(), 60 * minute, Ok(value)));
        }
    }
    drop(receiver);
    ends(running).await;
}

#[tokio::test(start_paused = true)]
async fn simulated_vectors_lie_on_the_steps_of_their_quantity() {
    let mut context = context(replay(1.0), &["gradient"]);
    context.streams.insert("gradient".parse().unwrap(), quantity("gradient", "", 1_000));
    let (_running, mut receiver) = start("kind = 'simulated'\ninterval_s = 1", context).unwrap();
    let mut before = Vec::new();
    for _ in 0..3 {
        let Some(Happened::Observed(observation)) = next(&mut receiver).await else { panic!("no reading") };
        let vector = observation.value.reveal().to_vec();
        assert!(observation.value.is_vector() && vector.len() == 1_000 && vector != before);
        for step in -4..=4 {
            assert!(vector.contains(&(f64::from(step) / 4.0)), "{step} was never drawn");
        }
        assert!(vector.iter().all(|x| (-1.0..=1.0).contains(x) && (x * 4.0).fract() == 0.0));
        before = vector;
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_agent_skips_readings_instead_of_getting_old_ones() {
    let config = "kind = 'simulated'\ninterval_s = 1\nstreams = ['co2']";
    let (_running, mut receiver) = start(config, context(replay(1.0), &["co2", "motion"])).unwrap();
    tokio::time::sleep(Duration::from_secs(100)).await;
    let mut times = Vec::new();
    for _ in 0..8 {
        times.push(told(&mut receiver).await.1);
    }
    // Four in the channel, one on its way, then the present.
    assert_eq!(times, [1, 2, 3, 4, 5, 101, 102, 103]);
}

fn table(rows: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    write!(file, "minute,room,co2,motion\n{rows}").unwrap();
    file
}

fn csv(file: &tempfile::NamedTempFile, more: &str) -> String {
    let path = file.path().display();
    format!("kind = 'csv'\npath = '{path}'\ntime_column = 'minute'\ncolumns = {{ co2 = 'co2' }}\n{more}")
}

#[tokio::test(start_paused = true)]
async fn events_of_a_table_come_when_the_clock_shows_their_time() {
    let ten = TEN.as_micros() / 1_000_000;
    let file = table(&format!(
        "{},a,400,1\n{},b,9,1\n{},a,410,\n{},a,,\n{},a,warm,0\n",
        ten - 60,
        ten,
        ten + 60,
        ten + 120,
        ten + 180
    ));
    let config = csv(&file, "time = 'event'\nagent_column = 'room'\nagent = 'a'");
    let began = Instant::now();
    let (running, mut receiver) = start(&config, context(replay(60.0), &["co2"])).unwrap();
    assert_eq!(told(&mut receiver).await, ("co2".into(), 0, Ok(400.0)), "the past comes at once");
    assert!(began.elapsed() < Duration::from_millis(100));
    assert_eq!(told(&mut receiver).await, ("co2".into(), 60, Ok(410.0)));
    assert_eq!(began.elapsed().as_secs(), 1);
    assert_eq!(told(&mut receiver).await, ("co2".into(), 180, Err(GapReason::Unparsable)));
    assert_eq!(began.elapsed().as_secs(), 3);
    assert!(matches!(next(&mut receiver).await, Some(Happened::Ended)));
    assert!(next(&mut receiver).await.is_none());
    ends(running).await;
}

#[tokio::test(start_paused = true)]
async fn rows_can_be_told_from_now_on_and_faster_than_they_were_recorded() {
    let file = table("1000,a,400,1\n1060,a,410,\n1180.5,a,420,\n");
    let config = csv(&file, "time = 'now'\nspeed = 10");
    let began = Instant::now();
    let (_running, mut receiver) = start(&config, context(replay(1.0), &["co2"])).unwrap();
    for (seconds, value) in [(0, 400.0), (6, 410.0), (18, 420.0)] {
        assert_eq!(told(&mut receiver).await, ("co2".into(), seconds, Ok(value)));
        assert_eq!(began.elapsed().as_secs(), seconds);
    }
}

#[tokio::test(start_paused = true)]
async fn a_cell_may_hold_a_vector() {
    let file = table("1000,a,0.5;-1,1\n1060,a,\"[0.5, -1]\",\n1120,a,0.5;x,\n");
    let (_running, mut receiver) = start(&csv(&file, "speed = 60"), context(replay(1.0), &["co2"])).unwrap();
    for _ in 0..2 {
        let Some(Happened::Observed(observation)) = next(&mut receiver).await else { panic!("no reading") };
        assert_eq!((observation.value.is_vector(), observation.value.reveal()), (true, &[0.5, -1.0][..]));
    }
    assert_eq!(told(&mut receiver).await.2, Err(GapReason::Unparsable));
}

#[tokio::test(start_paused = true)]
async fn a_table_that_breaks_off_is_told_up_to_there() {
    let file = table("1000,a,400,1\n999,a,410,\n");
    let (running, mut receiver) = start(&csv(&file, ""), context(replay(1.0), &["co2"])).unwrap();
    assert_eq!(told(&mut receiver).await.2, Ok(400.0));
    let Some(Happened::Failed(error)) = next(&mut receiver).await else { panic!("no error") };
    let (path, text) = (file.path().display().to_string(), error.to_string());
    assert!(text.starts_with(&path) && text.contains("line 3, column `minute`"), "{text}");
    ends(running).await;
}

#[tokio::test]
async fn what_can_be_known_at_once_is_an_error_at_once() {
    let file = table("1000,a,400,1\n");
    for (config, word) in [
        (csv(&file, "agent = 'a'"), "go together"),
        (csv(&file, "time = 'event'\nspeed = 2"), "remove `speed`"),
        (csv(&file, "agent_column = 'flat'\nagent = 'a'"), "no column `flat`; there are: minute, room"),
        ("kind = 'csv'\npath = 'none'\ntime_column = 'a'\ncolumns = { co2 = 'x' }".into(), "none"),
        ("kind = 'csv'\npath = 'none'\ntime_column = 'a'\ncolumns = { warmth = 'x' }".into(), "warmth"),
        ("kind = 'mqtt'\ntopics = {}".into(), "no stream"),
        ("kind = 'simulated'\nstreams = ['warmth']".into(), "warmth"),
        ("kind = 'simulated'\nvolume_m3 = -1".into(), "volume_m3"),
    ] {
        let error = start(&config, context(Clock::system(), &["co2"])).map(|_| ()).unwrap_err();
        assert!(error.to_string().contains(word), "{word} is not in: {error}");
    }
    let error = start("kind = 'simulated'", context(Clock::system(), &["radon"])).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("radon"), "{error}");
}

/// Publishes until the source tells of it, which shows that it is subscribed.
async fn subscribed(publisher: &Publisher, receiver: &mut mpsc::Receiver<Happened>) {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        publisher.publish("probe", "1", false).unwrap();
        if timeout(Duration::from_millis(50), receiver.recv()).await.is_ok() {
            return;
        }
    }
    panic!("the source does not subscribe");
}

async fn past_probes(receiver: &mut mpsc::Receiver<Happened>) -> (String, Result<f64, GapReason>) {
    loop {
        let (stream, _, value) = told(receiver).await;
        if stream != "probe" {
            return (stream, value);
        }
    }
}

#[tokio::test]
async fn readings_of_other_devices_are_taken_from_the_broker() {
    let mut broker = Mosquitto::open();
    let config = format!(
        "kind = 'mqtt'
        broker = {{ address = 'mqtt://{}', client_id = 'reader' }}
        max_payload = 1000
        topics.probe = {{ topic = 'probe' }}
        topics.co2 = {{ topic = 'tele/+/SENSOR', pointer = '/SCD40/CarbonDioxide' }}
        topics.temperature = {{ topic = 'tele/+/SENSOR', pointer = '/SCD40/Temperature' }}
        topics.motion = {{ topic = 'esp/binary_sensor/pir/state' }}",
        broker.address()
    );
    let publisher = broker.device().await;
    publisher.publish("esp/binary_sensor/pir/state", "ON", true).unwrap();
    let streams = ["probe", "co2", "temperature", "motion"];
    let (running, mut receiver) = start(&config, context(Clock::system(), &streams)).unwrap();
    subscribed(&publisher, &mut receiver).await;

    let sensor = "tele/office/SENSOR";
    publisher.publish(sensor, r#"{"SCD40":{"CarbonDioxide":1204,"Temperature":28.8}}"#, false).unwrap();
    publisher.publish(sensor, r#"{"SCD40":{"CarbonDioxide":1205}}"#, false).unwrap();
    publisher.publish("tele/office/STATE", "{}", false).unwrap();
    publisher.publish("esp/binary_sensor/pir/state", "nan", false).unwrap();
    publisher.publish("esp/binary_sensor/pir/state", vec![b'1'; 1001], false).unwrap();
    let expected = [
        ("co2", Ok(1204.0)),
        ("temperature", Ok(28.8)),
        ("co2", Ok(1205.0)),
        ("motion", Err(GapReason::NotANumber)),
        ("motion", Err(GapReason::TooLarge)),
    ];
    for (stream, value) in expected {
        assert_eq!(past_probes(&mut receiver).await, (stream.to_owned(), value));
    }
    assert_eq!(running.ignored(), 2, "the retained message and the partial update");

    broker.start();
    subscribed(&publisher, &mut receiver).await;
    publisher.publish(sensor, r#"{"SCD40":{"CarbonDioxide":1206}}"#, false).unwrap();
    assert_eq!(past_probes(&mut receiver).await, ("co2".into(), Ok(1206.0)));
    drop(receiver);
    ends(running).await;
}

#[tokio::test]
async fn without_a_broker_of_its_own_the_agents_is_read() {
    let broker = Mosquitto::open();
    let mut context = context(Clock::system(), &["probe"]);
    let settings = ConnectionSettings::new(broker.address().parse().unwrap(), "room-101-source");
    context.connection = Some(settings);
    let (running, mut receiver) =
        start("kind = 'mqtt'\nretained = true\ntopics.probe = { topic = 'probe' }", context).unwrap();
    broker.device().await.publish("probe", "21.5", true).unwrap();
    assert_eq!(told(&mut receiver).await.2, Ok(21.5));
    drop(receiver);
    ends(running).await;
}
