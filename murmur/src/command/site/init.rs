//! `murmur site init`

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use smc_core::name::{QuantityName, SiteName};
use smc_core::quantity::Quantity;
use smc_core::roster::{Roster, RosterError, SiteDocument, Span, Tolerate};
use smc_core::shamir::{Sharing, SharingError};
use smc_core::time::{Period, PeriodError};
use smc_mqtt::entropy::{self, NoEntropy};
use smc_mqtt::settings::{BrokerAddress, BrokerAddressError};

use super::folder::{self, FolderError};
use super::names::{Names, NamesError};
use super::plan::{Nodes, Plan, PlanError, RESERVED, Rules};
use super::{render, told};
use crate::command::Outcome;

const EXAMPLES: &str = "\
Examples:
  murmur site init hq --name hq --agents room-101,room-102,room-103,room-104,room-105
  murmur site init hq --name hq --peers landlord,tenants,auditor --agents @rooms.txt --period 1m
  murmur site init hq --name hq --agents @rooms.txt --clients display,facility
  murmur site init hq --name hq --agents @rooms.txt --tls --broker mqtts://broker.example
  murmur site init lab --name lab --peers 5 --threshold 2 --agents 20 --quantities co2,temperature

A list is names with commas between; a number N means peer-1 to peer-N or room-1 to room-N; @FILE
has one name per line. Nothing that exists is ever written over.";

/// `murmur site init DIR --name NAME --agents LIST`
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Init {
    /// Where the site's files go; made if it is not there
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// The site's name, part of every topic
    #[arg(long)]
    name: SiteName,
    /// The peers, 3 to 9: a number, a list of names, or @FILE
    #[arg(long, value_name = "N|LIST|@FILE", default_value = "3")]
    peers: Names,
    /// The agents: a list of names, a number, or @FILE
    #[arg(long, value_name = "LIST|N|@FILE")]
    agents: Names,
    /// Clients that outputs may be sealed for: a list of names, or @FILE
    #[arg(long, value_name = "LIST|@FILE")]
    clients: Option<Names>,
    /// How many peers together must learn nothing; the most that the number of peers allows if not given
    #[arg(long, value_name = "T")]
    threshold: Option<u8>,
    /// How often there is a result, 100ms to 24h
    #[arg(long, value_name = "SPAN", default_value = "60s")]
    period: Span,
    /// What every agent measures
    #[arg(long, value_name = "LIST", default_value = "co2", value_delimiter = ',', value_parser = known_quantity)]
    quantities: Vec<QuantityName>,
    /// Where the broker will listen; mqtt://localhost:1883 if not given, or mqtts://localhost:8883 with --tls
    #[arg(long, value_name = "ADDRESS")]
    broker: Option<BrokerAddress>,
    /// Have nodes and broker speak TLS, with certificates of an authority that is made here
    #[arg(long)]
    tls: bool,
    /// The fewest agents that a result may cover, at least 3
    #[arg(long, value_name = "N", default_value_t = 5)]
    minimum_cohort: u32,
    /// What peers may do without harm: stop (crash), or anything (malicious)
    #[arg(long, value_name = "crash|malicious", default_value = "crash", value_parser = tolerate)]
    tolerate: Tolerate,
}

/// Why no site was made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InitError {
    /// There is no entropy.
    #[error(transparent)]
    Entropy(#[from] NoEntropy),
    /// There is no address for the broker.
    #[error("--broker: {0}")]
    Address(#[from] BrokerAddressError),
    /// A file could not be made.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// --tls and --broker contradict each other.
    #[error(
        "--broker {broker} and --tls: an address with TLS begins with mqtts://, and is for sites that are made with --tls"
    )]
    Listener {
        /// The address.
        broker: BrokerAddress,
    },
    /// What was asked for is no site.
    #[error("this makes no site: {0}")]
    NoSite(#[from] RosterError),
    /// A list of names can't be used.
    #[error("--{option}: {error}")]
    Names {
        /// Which list.
        option: &'static str,
        /// What is wrong.
        error: NamesError,
    },
    /// What was made could not be told.
    #[error("the site was made in {folder}, but what to do next could not be printed: {error}")]
    Output {
        /// Where.
        folder: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Keys, passwords or certificates can't be made.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The period is out of range.
    #[error("--period: {0}")]
    Period(#[from] PeriodError),
    /// The site file could not be read back.
    #[error("the site file would not read back: {0}")]
    ReadBack(#[from] toml::de::Error),
    /// A node is called like something else of the site.
    #[error("--{option}: `{name}` is taken: {names} have files or logins of their own; choose another name", names = RESERVED.join(", "))]
    Reserved {
        /// Which list.
        option: &'static str,
        /// The name.
        name: String,
    },
    /// The number of peers or the threshold is out of range.
    #[error("--peers and --threshold: {0}")]
    Sharing(#[from] SharingError),
}

impl Init {
    pub(crate) fn run(self) -> Result<Outcome, InitError> {
        let (folder, rules, nodes) = self.checked()?;
        let plan = Plan::draw(rules, nodes, &mut entropy::rng()?)?;
        // What is written is read back first, by the eyes of the programs that will read it.
        let site = render::site(&plan);
        let roster = Roster::try_from(toml::from_str::<SiteDocument>(&site)?)?;
        folder::write(&folder, &plan, site)?;
        let report = told::report(&folder, &plan, &roster);
        io::stdout().write_all(report.as_bytes()).map_err(|error| InitError::Output { folder, error })?;
        Ok(Outcome::Done)
    }

    fn checked(self) -> Result<(PathBuf, Rules, Nodes), InitError> {
        let named = |option, names: Names, prefix| {
            let nodes = names.resolve(prefix).map_err(|error| InitError::Names { option, error })?;
            match nodes.iter().find(|node| RESERVED.contains(&node.as_str())) {
                Some(name) => Err(InitError::Reserved { option, name: name.to_string() }),
                None => Ok(nodes),
            }
        };
        let peers = named("peers", self.peers, "peer")?;
        let agents = named("agents", self.agents, "room")?;
        let clients = self.clients.map(|clients| named("clients", clients, "client")).transpose()?;
        let count = u8::try_from(peers.len()).unwrap_or(u8::MAX);
        let threshold = self.threshold.unwrap_or(count.saturating_sub(1) / 2);
        Sharing::new(count, threshold)?;
        let mut seen = BTreeSet::new();
        let broker = self.broker.map_or_else(|| local(self.tls), Ok)?;
        if broker.is_tls() != self.tls {
            return Err(InitError::Listener { broker });
        }
        let rules = Rules {
            broker,
            minimum_cohort: self.minimum_cohort,
            name: self.name,
            period: Period::try_from(self.period)?,
            quantities: self.quantities.into_iter().filter(|name| seen.insert(name.clone())).collect(),
            threshold,
            tls: self.tls,
            tolerate: self.tolerate,
        };
        Ok((self.folder, rules, Nodes { peers, agents, clients: clients.unwrap_or_default() }))
    }
}

/// The broker of a site on one machine.
fn local(tls: bool) -> Result<BrokerAddress, BrokerAddressError> {
    let address = if tls { "mqtts://localhost" } else { "mqtt://localhost" };
    address.parse()
}

/// A quantity that needs no definition.
fn known_quantity(text: &str) -> Result<QuantityName, String> {
    let known: Vec<_> = Quantity::known_names().collect();
    match text.trim().parse() {
        Ok(name) if known.contains(&text.trim()) => Ok(name),
        _ => Err(format!("known are {}; any other can be defined in site.toml later", known.join(", "))),
    }
}

fn tolerate(text: &str) -> Result<Tolerate, String> {
    match text {
        "crash" => Ok(Tolerate::Crash),
        "malicious" => Ok(Tolerate::Malicious),
        _ => Err("choose crash or malicious".to_owned()),
    }
}
