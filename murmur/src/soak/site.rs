//! The site of a soak: a folder as `murmur site init` makes it, with what this site needs otherwise.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use smc_core::name::{NameError, NodeName, QuantityName, QueryName};
use smc_core::roster::document::{QuantityTable, QueryTable, SiteDocument, StreamTable};
use smc_core::roster::{Roster, Span};
use smc_core::time::{Period, Timestamp, WindowIndex};
use smc_mqtt::config::{ConfigError, KeyFile, KeyFileError, load_site};

use super::SoakOptions;
use super::table::{EPOCH, MAXIMUM, Table};
use crate::command::site;

/// The broker among the nodes.
pub(super) const BROKER: &str = "broker";
/// What is measured.
const QUANTITY: &str = "code";
/// What is asked over the whole site.
const SITE_WIDE: [&str; 4] = ["count", "max", "mean", "median"];
/// The label by which queries select groups.
const GROUP: &str = "group";
/// How many cohort epochs a peer's sealing key lives.
const KEY_EPOCHS: u32 = 10;

/// Why the site could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SiteError {
    #[error("`murmur site init` made no site: {0}")]
    Init(String),
    #[error("{path}: {error}")]
    File { path: PathBuf, error: std::io::Error },
    #[error(transparent)]
    Keys(#[from] KeyFileError),
    #[error(transparent)]
    Load(#[from] ConfigError),
    #[error("a name could not be made: {0}")]
    Name(#[from] NameError),
    #[error("a file of the site could not be read: {0}")]
    Read(#[from] toml::de::Error),
    #[error("a file of the site could not be written: {0}")]
    Write(#[from] toml::ser::Error),
}

/// What a process plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    Agent,
    Broker,
    Peer,
}

/// A site in a folder.
#[derive(Debug)]
pub(super) struct Site {
    folder: PathBuf,
    pub(super) roster: Arc<Roster>,
    pub(super) table: Table,
    pub(super) period: Period,
}

impl Site {
    /// Makes the site in `folder`.
    pub(super) fn make(folder: &Path, options: &SoakOptions) -> Result<Self, SiteError> {
        init(folder, options)?;
        let table = Table { agents: options.agents, seed: options.seed };
        let path = folder.join("site.toml");
        let mut document: SiteDocument = toml::from_str(&read(&path)?)?;
        adapt(&mut document, &table, options.period)?;
        write(&path, &toml::to_string(&document)?)?;
        let site =
            Self { folder: folder.to_owned(), roster: load_site(&path)?, table, period: options.period };
        site.edit(BROKER, |broker| {
            broker.insert("listen".to_owned(), "127.0.0.1:0".into());
        })?;
        Ok(site)
    }

    /// The peers' names.
    pub(super) fn peers(&self) -> Vec<NodeName> {
        self.roster.peers().map(|(_, node)| node.name.clone()).collect()
    }

    /// The agents' names, in the order of the table.
    pub(super) fn agents(&self) -> Vec<NodeName> {
        self.roster.agents().iter().map(|agent| agent.node.name.clone()).collect()
    }

    /// What a node plays.
    pub(super) fn role(&self, node: &str) -> Role {
        match self.roster.peer_named(node) {
            Some(_) => Role::Peer,
            None if node == BROKER => Role::Broker,
            None => Role::Agent,
        }
    }

    /// A node's configuration file.
    pub(super) fn config(&self, node: &str) -> PathBuf {
        self.folder.join(format!("{node}.toml"))
    }

    /// What a node writes to standard error.
    pub(super) fn log(&self, node: &str) -> PathBuf {
        self.folder.join(format!("{node}.log"))
    }

    /// The folder where a node keeps what must outlive it.
    pub(super) fn state(&self, node: &str) -> PathBuf {
        self.folder.join("state").join(node)
    }

    /// A node's secrets.
    pub(super) fn secrets(&self, node: &NodeName) -> Result<KeyFile, SiteError> {
        Ok(KeyFile::load(&self.folder.join(format!("keys/{node}.key")), node)?)
    }

    /// The password of who looks on.
    pub(super) fn observer(&self) -> Result<String, SiteError> {
        Ok(read(&self.folder.join("keys/observer.password"))?.trim().to_owned())
    }

    /// Has a node connect to `broker`.
    pub(super) fn connect(&self, node: &NodeName, broker: SocketAddr) -> Result<(), SiteError> {
        self.edit(node.as_str(), |config| {
            config.insert("broker".to_owned(), format!("mqtt://{broker}").into());
        })
    }

    /// Has the `agent`-th agent read its part of the table, from now on for so long.
    pub(super) fn feed(
        &self,
        agent: usize,
        node: &NodeName,
        now: Timestamp,
        span: Duration,
    ) -> Result<(), SiteError> {
        let first = self.period.window_at(now);
        let last = self.period.window_at(now + span);
        let mut rows = "time,code\n".to_owned();
        for window in (first.0..=last.0).map(WindowIndex) {
            if let Some(reading) = self.table.reading(agent, window) {
                let micros = self.period.start(window).as_micros();
                let _ = writeln!(rows, "{}.{:06},{reading}", micros / 1_000_000, micros % 1_000_000);
            }
        }
        let path = self.folder.join(format!("{node}.csv"));
        write(&path, &rows)?;
        let source = format!(
            "[[source]]\nkind = \"csv\"\npath = \"{node}.csv\"\ntime_column = \"time\"\ntime = \"event\"\n\
             columns = {{ {QUANTITY} = \"code\" }}\n"
        );
        let mut source: toml::Table = toml::from_str(&source)?;
        self.edit(node.as_str(), |config| config.extend(std::mem::take(&mut source)))
    }

    fn edit(&self, node: &str, change: impl FnOnce(&mut toml::Table)) -> Result<(), SiteError> {
        let path = self.config(node);
        let mut config: toml::Table = toml::from_str(&read(&path)?)?;
        change(&mut config);
        write(&path, &toml::to_string(&config)?)
    }
}

/// The query over a group.
pub(super) fn group_query(group: usize) -> Result<QueryName, NameError> {
    format!("group-{}", group + 1).parse()
}

/// The group that a query is over, if it is over one.
pub(super) fn group_of(query: &QueryName) -> Option<usize> {
    query.as_str().strip_prefix("group-")?.parse::<usize>().ok()?.checked_sub(1)
}

fn init(folder: &Path, options: &SoakOptions) -> Result<(), SiteError> {
    let period = Span::new(options.period.as_duration()).to_string();
    let (peers, threshold) = (options.peers.to_string(), options.threshold.to_string());
    let agents = options.agents.to_string();
    let flags = ["--name", "soak", "--minimum-cohort", "3", "--peers", &peers, "--threshold", &threshold];
    let flags = [&flags[..], &["--agents", &agents, "--period", &period]].concat();
    site::init(folder, &flags).map_err(SiteError::Init)
}

/// The rules of a site whose windows follow each other fast, one quantity, a sum per group, and more over all.
fn adapt(document: &mut SiteDocument, table: &Table, period: Period) -> Result<(), SiteError> {
    let quantity: QuantityName = QUANTITY.parse()?;
    let epoch = period.as_duration() * EPOCH as u32;
    document.site.grace = Span::new(period.as_duration() / 4);
    // Half a window, so that a peer that is silent is given up before the next window closes.
    document.site.step = Span::new(period.as_duration() / 2);
    document.site.cohort_epoch = Span::new(epoch);
    document.site.key_epoch = Span::new(KEY_EPOCHS * epoch);
    for (place, agent) in document.agent.iter_mut().enumerate() {
        agent.streams = vec![StreamTable::Plain(quantity.clone())];
        agent.labels.insert(GROUP.to_owned(), table.group(place).to_string());
    }
    document.quantity = vec![QuantityTable {
        name: quantity.clone(),
        unit: String::new(),
        minimum: 0.into(),
        maximum: (MAXIMUM as i64).into(),
        resolution: 1.into(),
        elements: 1,
        period: None,
    }];
    document.query.clear();
    for group in 0..table.groups() {
        let mut query = QueryTable::new(group_query(group)?, "sum", quantity.clone());
        query.scope.insert(GROUP.to_owned(), group.to_string());
        document.query.push(query);
    }
    // After the groups in the order of names: a value over the whole site is out only if every group may be
    // told apart.
    for function in SITE_WIDE {
        document.query.push(QueryTable::new(format!("site-{function}").parse()?, function, quantity.clone()));
    }
    Ok(())
}

fn read(path: &Path) -> Result<String, SiteError> {
    fs::read_to_string(path).map_err(|error| SiteError::File { path: path.to_owned(), error })
}

fn write(path: &Path, text: &str) -> Result<(), SiteError> {
    fs::write(path, text).map_err(|error| SiteError::File { path: path.to_owned(), error })
}
