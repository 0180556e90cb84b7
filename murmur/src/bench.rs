//! `murmur bench`. `functions`: what each function takes from the vote to the result. `requests`: from a request to the peers'
//! decisions. `footprint`: what the programs hold and what a peer writes. `sessions`: what many queries cost a peer. `door`: other clients while some do harm. `ingest`: this system beside plain MQTT with as many messages of the same size, in one run on the
//! same broker, every role a process of its own.

mod asking;
mod audit;
mod child;
mod door;
mod echo;
mod figures;
mod footprint;
mod functions;
mod heap;
mod lookout;
mod pairing;
mod phase;
mod plain;
mod requests;
mod role;
pub(crate) mod said;
mod sessions;
mod setup;
mod timeline;

use std::time::Duration;

use smc_core::name::{NodeName, QueryName};
use smc_core::request::Verdict;
use smc_core::roster::RosterError;
use smc_mqtt::client::ClientError;
use smc_mqtt::entropy::{self, NoEntropy};
use smc_mqtt::process;
use smc_peer::AuditError;

pub(crate) use self::audit::log;
#[cfg(test)]
pub(crate) use self::audit::{a_long_log, a_setup};
use self::child::Child;
pub(crate) use self::child::ChildError;
pub(crate) use self::child::command as role_command;
pub(crate) use self::door::door;
pub(crate) use self::figures::Report;
use self::figures::{Machine, Ratios};
pub(crate) use self::footprint::{Options as FootprintOptions, footprint};
pub(crate) use self::functions::{USUAL, functions};
pub(crate) use self::pairing::pairing;
use self::phase::Phase;
pub(crate) use self::requests::requests;
pub(crate) use self::role::{Role, play};
pub(crate) use self::sessions::sessions;
pub(crate) use self::setup::{Plain, Setup, TlsPaths, asked};
use crate::stage::StageError;

/// Why a measurement failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    #[error(transparent)]
    Ask(#[from] ClientError),
    #[error(transparent)]
    Child(#[from] ChildError),
    #[error("`{query}` is {verdict} at {peer}: {reason}")]
    Denied { query: QueryName, verdict: Verdict, peer: NodeName, reason: String },
    #[error(transparent)]
    Entropy(#[from] NoEntropy),
    #[error("stopped before the end")]
    Interrupted,
    #[error("a folder for the peers' stores could not be made: {0}")]
    Folder(std::io::Error),
    #[error("the site could not be measured: {0}")]
    Footprint(String),
    #[error(transparent)]
    Log(Box<AuditError>),
    #[error("nobody could pair: {0}")]
    Pairing(String),
    #[error("a role was not told its setup: {0}")]
    Setup(String),
    #[error("{0}")]
    Site(Box<RosterError>),
    #[error(transparent)]
    Stage(#[from] StageError),
    #[error("{have} of {need} nodes connected within {LIMIT:?}; try fewer agents")]
    Start { have: usize, need: usize },
    #[error("the plain table: {0}")]
    Table(rusqlite::Error),
    #[error("no result came within {0:?} of its window's end")]
    Stalled(Duration),
}

/// How long all nodes may take to connect.
const LIMIT: Duration = Duration::from_secs(60);

/// Measures. Says what it does on standard error.
pub(crate) async fn ingest(mut setup: Setup) -> Result<Report, BenchError> {
    let folder = tempfile::tempdir().map_err(BenchError::Folder)?;
    setup.seed = setup::fresh_seed(&mut entropy::rng()?);
    setup.state_dir = Some(folder.path().to_owned());
    tokio::select! {
        report = measure(setup) => report,
        () = process::asked_to_end() => Err(BenchError::Interrupted),
    }
}

async fn measure(mut setup: Setup) -> Result<Report, BenchError> {
    let mut broker = Child::start(Role::Broker, &setup).await?;
    setup.broker = Some(broker.ready().await?.parse().map_err(|_| ChildError::Garbled)?);
    eprintln!("murmuration: {} agents x {} streams, {} peers", setup.agents, setup.streams, setup.peers);
    let murmuration = Phase::Murmuration.run(&setup, &mut broker).await?;
    eprintln!("plain MQTT: as many messages of the same size");
    let plain = Phase::Plain.run(&setup, &mut broker).await?;
    broker.stop().await?;
    let ratios = Ratios::of(&murmuration, &plain);
    Ok(Report { setup: setup.told(), machine: Machine::here(), murmuration, plain, ratios })
}
