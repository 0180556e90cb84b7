//! A source as an agent runs it, and what it tells.

// Shared by several tests: no single one of them uses all of it.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub(crate) mod server;
pub(crate) mod tree;

use std::time::Duration;

use sensor_agent::source::{Context, GapReason, Happened, Running, SourceConfig, SourceError};
use smc_core::quantity::{Quantity, QuantityDocument};
use smc_core::time::{Period, Timestamp};
use smc_mqtt::clock::Clock;
use smc_mqtt::connection::ConnectionSettings;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// How long anything in these tests may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// A Tuesday, ten o'clock.
pub(crate) const TEN: Timestamp = Timestamp::from_secs(1_767_693_600);

pub(crate) fn minute() -> Period {
    Period::from_millis(60_000).unwrap()
}

/// An agent with these streams, each of the quantity that it is called after.
pub(crate) fn context(clock: Clock, streams: &[&str]) -> Context {
    let known = |name: &str| Quantity::known(name, minute()).unwrap_or_else(|| quantity(name, "", 1));
    Context {
        agent: "room-101".parse().unwrap(),
        clock,
        connection: Some(ConnectionSettings::new("localhost:1".parse().unwrap(), "room-101")),
        streams: streams.iter().map(|name| (name.parse().unwrap(), known(name))).collect(),
    }
}

/// From -1 to 1 in steps of a quarter.
pub(crate) fn quantity(name: &str, unit: &str, elements: u32) -> Quantity {
    Quantity::new(QuantityDocument {
        name: name.parse().unwrap(),
        unit: unit.to_owned(),
        minimum: "-1".parse().unwrap(),
        maximum: "1".parse().unwrap(),
        resolution: "0.25".parse().unwrap(),
        elements,
        period: minute(),
    })
    .unwrap()
}

pub(crate) fn replay(speed: f64) -> Clock {
    Clock::replay(TEN, speed.try_into().unwrap())
}

pub(crate) fn start(
    config: &str,
    context: Context,
) -> Result<(Running, mpsc::Receiver<Happened>), SourceError> {
    let config: SourceConfig = toml::from_str(config).unwrap();
    let (sender, receiver) = mpsc::channel(4);
    Ok((config.spawn(context, sender)?, receiver))
}

pub(crate) async fn next(receiver: &mut mpsc::Receiver<Happened>) -> Option<Happened> {
    timeout(PATIENCE, receiver.recv()).await.expect("waited in vain for the source")
}

/// Stream, seconds after ten, and value or reason.
pub(crate) async fn told(receiver: &mut mpsc::Receiver<Happened>) -> (String, u64, Result<f64, GapReason>) {
    let seconds = |at: Timestamp| at.since(TEN).as_secs();
    match next(receiver).await.expect("the source has ended") {
        Happened::Observed(o) => (o.stream.to_string(), seconds(o.at), Ok(o.value.reveal()[0])),
        Happened::Unusable { stream, at, reason } => (stream.to_string(), seconds(at), Err(reason)),
        other => panic!("{other:?}"),
    }
}

/// The next readings, as many as `expected`, and nothing else.
pub(crate) async fn tells(receiver: &mut mpsc::Receiver<Happened>, expected: &[(&str, f64)]) {
    for (stream, value) in expected {
        let (told, _, reading) = told(receiver).await;
        assert_eq!((told.as_str(), reading), (*stream, Ok(*value)));
    }
}

/// Why a sensor is lost, which has to be the next thing that is told.
pub(crate) async fn lost(receiver: &mut mpsc::Receiver<Happened>) -> String {
    match next(receiver).await {
        Some(Happened::Lost { error, .. }) => error.to_string(),
        other => panic!("{other:?} instead of a loss"),
    }
}

/// How often a sensor failed that is there again, which has to be the next thing that is told.
pub(crate) async fn found(receiver: &mut mpsc::Receiver<Happened>) -> u64 {
    match next(receiver).await {
        Some(Happened::Found { failures, .. }) => failures,
        other => panic!("{other:?} instead of a return"),
    }
}

pub(crate) async fn ends(running: Running) {
    timeout(PATIENCE, running.task).await.expect("the source should end").unwrap();
}
