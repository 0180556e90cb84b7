//! `murmur bench sessions`: what a peer holds while it computes many queries in every window, beside one.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use smc_core::result::Status;
use smc_core::roster::Span;
use smc_mqtt::client::Client;
use smc_mqtt::process;
use tokio::time::timeout;

use super::asking::{PER_CLIENT, Site, allowed, query, request};
use super::child::Child;
use super::figures::Machine;
use super::{BenchError, LIMIT};

/// The whole report; `--json` prints it.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    machine: Machine,
    sessions: usize,
    windows: u32,
    period_ms: u64,
    /// What the peer that holds the most holds, in MiB, with one query that was asked for.
    one_mib: f64,
    /// The same with all.
    all_mib: f64,
    /// The most that it ever held.
    peak_mib: f64,
    all_by_one: f64,
    kib_per_session: f64,
    /// CPU time of all peers in a window with all queries.
    cpu_s_per_window: f64,
}

/// Measures. Says what it does on standard error.
pub(crate) async fn sessions(sessions: usize, period: Span, windows: u32) -> Result<Report, BenchError> {
    tokio::select! {
        report = measure(sessions, period, windows) => report,
        () = process::asked_to_end() => Err(BenchError::Interrupted),
    }
}

async fn measure(sessions: usize, period: Span, windows: u32) -> Result<Report, BenchError> {
    let mut site = Site::open(sessions, period).await?;
    site.start().await?;
    let limit = LIMIT + period.get() * (2 * windows + 6);
    eprintln!("one query");
    let mut client = site.client(0).await?;
    ask(&site, &mut client, 0).await?;
    timeout(limit, values(&mut client, 0, windows)).await.map_err(|_| BenchError::Stalled(limit))??;
    let one_mib = most(&site.peers, Child::rss_mib);
    for number in 1..sessions {
        if number.is_multiple_of(PER_CLIENT) {
            client.close().await;
            client = site.client(number).await?;
            eprintln!("{number} queries");
        }
        ask(&site, &mut client, number).await?;
    }
    eprintln!("{sessions} queries");
    // The window that runs began with fewer.
    timeout(limit, values(&mut client, sessions - 1, 2)).await.map_err(|_| BenchError::Stalled(limit))??;
    let before = cpu(&site.peers);
    timeout(limit, values(&mut client, sessions - 1, windows))
        .await
        .map_err(|_| BenchError::Stalled(limit))??;
    let cpu_s_per_window = (cpu(&site.peers) - before) / f64::from(windows);
    let all_mib = most(&site.peers, Child::rss_mib);
    let peak_mib = most(&site.peers, |peer| peer.usage().peak_rss_mib);
    client.close().await;
    site.close().await?;
    Ok(Report {
        machine: Machine::here(),
        sessions,
        windows,
        period_ms: Duration::as_millis(&period.get()) as u64,
        one_mib,
        all_mib,
        peak_mib,
        all_by_one: all_mib / one_mib,
        kib_per_session: (all_mib - one_mib) * 1024.0 / (sessions - 1) as f64,
        cpu_s_per_window,
    })
}

/// Asks, and hears of every peer that it allows it.
async fn ask(site: &Site, client: &mut Client, number: usize) -> Result<(), BenchError> {
    let query = query(number)?;
    client.ask(request(client.access(), number)?).await?;
    for _ in 0..site.setup.peers {
        allowed(client, &query).await?;
    }
    Ok(())
}

/// So many values of one query; what a window without a value says is passed over.
async fn values(client: &mut Client, number: usize, windows: u32) -> Result<(), BenchError> {
    let (query, mut left) = (query(number)?, windows);
    while left > 0 {
        let told = client.next_result(&query).await.ok_or(BenchError::Stalled(LIMIT))?;
        match told.result.status {
            Status::Ok => left -= 1,
            _ => eprintln!("  no value: {}", told.result.reason.unwrap_or_default()),
        }
    }
    Ok(())
}

fn most(peers: &[Child], of: impl Fn(&Child) -> f64) -> f64 {
    peers.iter().map(of).fold(0.0, f64::max)
}

fn cpu(peers: &[Child]) -> f64 {
    peers.iter().map(|peer| peer.usage().cpu_s).sum()
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sessions, windows, period_ms, .. } = self;
        writeln!(f, "{sessions} queries at once, {windows} windows of {period_ms} ms, 3 peers, 6 agents")?;
        writeln!(f, "a peer with one query    {:>8.1} MiB", self.one_mib)?;
        writeln!(f, "a peer with all of them  {:>8.1} MiB, at most {:.1} MiB", self.all_mib, self.peak_mib)?;
        writeln!(f, "{:.2} times as much, {:.0} KiB for each query", self.all_by_one, self.kib_per_session)?;
        write!(f, "{:.2} s of CPU time of all peers for a window", self.cpu_s_per_window)
    }
}
