//! `murmur bench functions`: from the vote to the result, function by function, every role a process of its own; and
//! the same computation without messages.

use std::fmt;
use std::time::{Duration, Instant};

use serde::Serialize;
use smc_core::arithmetic::Cost;
use smc_core::function::{Audience, Rehearsal, Subject};
use smc_core::roster::document::QueryTable;
use smc_mqtt::entropy;
use smc_mqtt::process;
use tokio::time::timeout;

use super::child::{Child, ChildError};
use super::figures::Machine;
use super::lookout::Lookout;
use super::role::{Role, reading};
use super::said::{Said, Window};
use super::setup::{MEASURED, Setup, fresh_seed};
use super::{BenchError, LIMIT};
use crate::percentiles::{Percentiles, percentiles};

/// How many results are waited for and not counted: the first windows make everybody's keys.
const WARM_UP: u64 = 3;

/// The functions that are measured if nothing else is said.
pub(crate) const USUAL: [&str; 8] =
    ["any_above", "count_above", "max", "mean_above", "median", "second_price", "sum", "variance"];

/// The whole report; `--json` prints it.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    machine: Machine,
    peers: u8,
    threshold: u8,
    windows: u64,
    functions: Vec<Row>,
}

/// One function with so many agents.
#[derive(Debug, Serialize)]
struct Row {
    function: String,
    agents: usize,
    /// From the votes of all to the signed result, over MQTT.
    result_ms: Percentiles,
    /// The same without messages, all peers in one thread; per peer.
    in_process_ms_per_peer: f64,
    rounds: u32,
    products: u64,
    /// Messages of one peer to all others, as published.
    bytes_per_peer: u64,
    /// From the plan to the vote: all inputs are checked, over MQTT.
    validity_ms: Percentiles,
    /// From the vote, which goes to disk first, to the votes of all.
    vote_ms: Percentiles,
}

/// Measures. Says what it does on standard error.
pub(crate) async fn functions(
    setup: Setup,
    agents: Vec<usize>,
    names: Vec<String>,
) -> Result<Report, BenchError> {
    tokio::select! {
        report = measure(setup, agents, names) => report,
        () = process::asked_to_end() => Err(BenchError::Interrupted),
    }
}

async fn measure(mut setup: Setup, agents: Vec<usize>, names: Vec<String>) -> Result<Report, BenchError> {
    let mut functions = Vec::new();
    for count in agents {
        let folder = tempfile::tempdir().map_err(BenchError::Folder)?;
        setup.agents = count;
        setup.seed = fresh_seed(&mut entropy::rng()?);
        setup.state_dir = Some(folder.path().to_owned());
        setup.broker = None;
        setup.observed = true;
        let mut broker = Child::start(Role::Broker, &setup).await?;
        setup.broker = Some(broker.ready().await?.parse().map_err(|_| ChildError::Garbled)?);
        let mut lookout = Lookout::new(&setup)?;
        let mut everybody = Child::start(Role::Agents, &setup).await?;
        everybody.ready().await?;
        lookout.wait_for(count).await?;
        // It would only hear of every result.
        drop(lookout);
        for name in &names {
            eprintln!("{name} of {count} agents");
            setup.query = Some(query(name)?);
            functions.push(measure_one(&setup, name).await?);
        }
        everybody.stop().await?;
        broker.stop().await?;
    }
    let Setup { peers, threshold, windows, .. } = setup;
    Ok(Report { machine: Machine::here(), peers, threshold, windows, functions })
}

/// One function: peers of its own, beside the same broker and agents.
async fn measure_one(setup: &Setup, name: &str) -> Result<Row, BenchError> {
    let cast = setup.cast()?;
    let mut peers = Vec::new();
    for (peer, _) in cast.roster.peers() {
        let mut child = Child::start(Role::Peer(peer), setup).await?;
        child.ready().await?;
        peers.push(child);
    }
    let windows =
        timeout(LIMIT + setup.period.get() * (2 * setup.windows) as u32, watch(&mut peers[0], setup));
    let windows = windows.await.map_err(|_| BenchError::Stalled(LIMIT))??;
    for peer in &mut peers {
        peer.stop().await?;
    }
    let of = |part: fn(&Window) -> u64| {
        percentiles(&mut windows.iter().map(|window| part(window) as f64 / 1e3).collect::<Vec<_>>())
    };
    let rehearsed = rehearse(setup, name)?;
    Ok(Row {
        function: name.to_owned(),
        agents: setup.agents,
        result_ms: of(|window| Window::between(window.agreed, window.done)),
        in_process_ms_per_peer: rehearsed.took.as_secs_f64() * 1e3 / f64::from(setup.peers),
        rounds: rehearsed.cost.rounds,
        products: rehearsed.cost.products,
        bytes_per_peer: windows.iter().map(Window::sent).max().unwrap_or(0),
        validity_ms: of(|window| Window::between(window.planned, window.voted)),
        vote_ms: of(|window| Window::between(window.voted, window.agreed)),
    })
}

/// The windows that came to a value, after the first ones.
async fn watch(peer: &mut Child, setup: &Setup) -> Result<Vec<Window>, BenchError> {
    let mut windows = Vec::new();
    let mut warm = 0;
    while (windows.len() as u64) < setup.windows {
        let said = serde_json::from_str(&peer.line().await?).map_err(|_| ChildError::Garbled)?;
        let Said::Window(window) = said else { continue };
        if window.value.is_none() {
            eprintln!("  no value: {}", window.reason.unwrap_or_default());
        } else if warm < WARM_UP {
            warm += 1;
        } else {
            windows.push(*window);
        }
    }
    Ok(windows)
}

/// The query of a function, with parameters that make it work on the readings of the measurement.
fn query(name: &str) -> Result<QueryTable, BenchError> {
    let named = |error: smc_core::name::NameError| BenchError::Setup(error.to_string());
    let mut query = QueryTable::new(
        name.replace('_', "-").parse().map_err(named)?,
        name,
        MEASURED.parse().map_err(named)?,
    );
    match name {
        "any_above" | "count_above" | "mean_above" => query.above = Some(40_000.into()),
        "count_below" => query.below = Some(40_000.into()),
        "histogram" => query.edges = Some((1..8).map(|i| (8_192 * i).into()).collect()),
        "quantile" => query.q = "0.9".parse().ok(),
        "top_k" => query.k = Some(3),
        _ => {}
    }
    Ok(query)
}

/// A function at all peers in one thread, without messages.
struct Rehearsed {
    took: Duration,
    cost: Cost,
}

/// How often the function is rehearsed; the quickest run counts.
const REHEARSALS: usize = 5;

fn rehearse(setup: &Setup, name: &str) -> Result<Rehearsed, BenchError> {
    let cast = setup.cast()?;
    let refused = |error: &dyn fmt::Display| BenchError::Setup(error.to_string());
    let asked = query(name)?;
    let (_, query) = cast.roster.queries().next().ok_or_else(|| refused(&asked.name))?;
    let quantity = &cast.roster.quantity(query.quantity).quantity;
    let readings: Vec<u64> =
        (0..setup.agents).map(|agent| u64::from(reading(agent, 1) & setup.greatest())).collect();
    let agents: Vec<_> = cast.roster.agents().iter().map(|agent| agent.node.name.clone()).collect();
    let rehearsal = Rehearsal {
        sharing: cast.roster.sharing(),
        subject: Subject { quantity, with: None },
        agents: &agents,
        readings: &readings,
        with: &[],
        own: None,
        audience: Audience::Everybody,
    };
    let mut best: Option<Rehearsed> = None;
    for _ in 0..REHEARSALS {
        let mut rng = entropy::rng()?;
        let shares = rehearsal.deal(&query.function, &mut rng).map_err(|error| refused(&error))?;
        let begin = Instant::now();
        let outcome = rehearsal.run_on(&query.function, shares, &mut rng);
        let took = begin.elapsed();
        let cost = outcome.map_err(|error| refused(&error))?.cost;
        if best.as_ref().is_none_or(|best| took < best.took) {
            best = Some(Rehearsed { took, cost });
        }
    }
    best.ok_or_else(|| refused(&name))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<14}{:>7}{:>11}{:>11}{:>14}{:>8}{:>10}{:>12}{:>13}{:>10}",
            "function",
            "agents",
            "p50 ms",
            "p99 ms",
            "in-process ms",
            "rounds",
            "products",
            "bytes/peer",
            "validity ms",
            "vote ms"
        )?;
        for row in &self.functions {
            writeln!(
                f,
                "{:<14}{:>7}{:>11.2}{:>11.2}{:>14.3}{:>8}{:>10}{:>12}{:>13.2}{:>10.2}",
                row.function,
                row.agents,
                row.result_ms.p50,
                row.result_ms.p99,
                row.in_process_ms_per_peer,
                row.rounds,
                row.products,
                row.bytes_per_peer,
                row.validity_ms.p50,
                row.vote_ms.p50,
            )?;
        }
        write!(f, "{} peers, t = {}; {} windows each", self.peers, self.threshold, self.windows)
    }
}
