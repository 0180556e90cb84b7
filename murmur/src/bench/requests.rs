//! `murmur bench requests`: from a request to what the peers decide, each with its decision on disk and in its log before it
//! tells; beside the way of the same bytes to the broker and back.

use std::fmt;
use std::time::{Duration, Instant};

use serde::Serialize;
use smc_core::roster::Span;
use smc_mqtt::process;
use smc_mqtt::topic::{Topic, Topics};

use super::BenchError;
use super::asking::{PER_CLIENT, Site, allowed, query, request};
use super::echo::Echo;
use super::figures::Machine;
use super::role::address;
use crate::percentiles::{Percentiles, percentiles};

/// The whole report; `--json` prints it.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    machine: Machine,
    requests: usize,
    request_bytes: usize,
    /// From the request to the first peer's decision.
    first_ms: Percentiles,
    /// From the request to the last peer's decision.
    last_ms: Percentiles,
    /// From publishing the same bytes to their coming back.
    plain_ms: Percentiles,
    /// The first decision, in ways there and back.
    first_by_plain: f64,
}

/// Measures. Says what it does on standard error.
pub(crate) async fn requests(requests: usize) -> Result<Report, BenchError> {
    tokio::select! {
        report = measure(requests) => report,
        () = process::asked_to_end() => Err(BenchError::Interrupted),
    }
}

async fn measure(requests: usize) -> Result<Report, BenchError> {
    let mut site = Site::open(requests, Span::from_secs(10)).await?;
    eprintln!("{requests} messages there and back");
    let (request_bytes, mut plain) = plain(&site, requests).await?;
    site.start().await?;
    eprintln!("{requests} requests");
    let (mut first, mut last) = (Vec::new(), Vec::new());
    for begin in (0..requests).step_by(PER_CLIENT) {
        let mut client = site.client(begin).await?;
        for number in begin..requests.min(begin + PER_CLIENT) {
            let (request, query) = (request(client.access(), number)?, query(number)?);
            let asked = Instant::now();
            client.ask(request).await?;
            allowed(&mut client, &query).await?;
            first.push(millis(asked));
            for _ in 1..site.setup.peers {
                allowed(&mut client, &query).await?;
            }
            last.push(millis(asked));
        }
        client.close().await;
    }
    site.close().await?;
    let (first_ms, last_ms, plain_ms) =
        (percentiles(&mut first), percentiles(&mut last), percentiles(&mut plain));
    let first_by_plain = first_ms.p50 / plain_ms.p50;
    let machine = Machine::here();
    Ok(Report { machine, requests, request_bytes, first_ms, last_ms, plain_ms, first_by_plain })
}

/// The same bytes on the same topics through the same broker, to whoever sent them; nobody else is there yet.
async fn plain(site: &Site, messages: usize) -> Result<(usize, Vec<f64>), BenchError> {
    let access = site.access(0)?;
    let topics = Topics::new(access.roster().site().clone());
    let settings = access.connection(address(&site.setup)?, format!("{}-plain", access.node()));
    let mut echo = Echo::connect(settings, topics.request_outbox(access.node())).await?;
    let (mut bytes, mut took) = (0, Vec::new());
    for number in 0..messages {
        let (_, json) = access.sign(request(&access, number)?)?;
        let topic = Topic::Request { client: access.node().clone(), query: query(number)? };
        bytes = json.len();
        took.push(echo.call(topics.spell(&topic), json).await?);
    }
    echo.close().await;
    Ok((bytes, took))
}

fn millis(since: Instant) -> f64 {
    Duration::as_secs_f64(&since.elapsed()) * 1e3
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} requests of {} bytes, 3 peers", self.requests, self.request_bytes)?;
        writeln!(f, "{:<34}{:>9}{:>9}", "", "p50 ms", "p99 ms")?;
        let rows = [
            ("request to first decision", self.first_ms),
            ("request to last decision", self.last_ms),
            ("the same bytes there and back", self.plain_ms),
        ];
        for (what, Percentiles { p50, p99 }) in rows {
            writeln!(f, "{what:<34}{p50:>9.2}{p99:>9.2}")?;
        }
        write!(f, "a first decision takes as long as {:.1} messages there and back", self.first_by_plain)
    }
}
