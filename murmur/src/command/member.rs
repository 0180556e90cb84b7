//! `murmur member` and `murmur peers`: who takes part in a site that runs.

mod entry;
mod session;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use smc_core::charter::{Change, CharterError, next_boundary};
use smc_core::name::{NodeName, SubjectName};
use smc_core::order::{Reason, ReasonError, Verb};
use smc_core::roster::Span;
use smc_mqtt::config::{ConfigError, KeyFileError};
use smc_mqtt::entropy::NoEntropy;
use smc_mqtt::files::{FilesError, Unfinished};
use smc_mqtt::newcomer::{Newcomer, NewcomerError, Place, key_path};
use smc_mqtt::tls::Tls;

pub(super) use self::entry::{Entry, Keys};
pub(super) use self::session::{Proposed, Session};
use super::{Failure, Outcome, block_on};

const EXAMPLES: &str = "\
Examples:
  murmur member list --config hq/peer-1.toml
  murmur member add room-106 --config hq/peer-1.toml --streams co2 --label floor=1
  murmur member rekey room-101 --config hq/peer-1.toml
  murmur member remove room-106 --config hq/peer-1.toml
  murmur member consent --config hq/peer-2.toml

A change is proposed in the name of the peer whose configuration file is given. It holds when as many
peers signed it as the site's rule demands, from the beginning of a cohort epoch on.

Exit codes: 0 done, or proposed and waiting for consent; 1 refused.";

/// `murmur member ...`
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Member {
    #[command(subcommand)]
    action: MemberAction,
}

#[derive(Debug, Subcommand)]
enum MemberAction {
    /// Let an agent or a client join: makes its key file and its configuration
    Add {
        /// Its name
        name: NodeName,
        #[command(flatten)]
        entry: Entry,
        #[command(flatten)]
        how: How,
    },
    /// Sign a change that waits for this peer's operator
    Consent(Word),
    /// Show who takes part, and what is about to change
    List {
        /// The configuration file of a peer
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Don't sign a change by itself
    Refuse(Word),
    /// Give an agent or a client new keys
    Rekey {
        /// Whom
        name: NodeName,
        #[command(flatten)]
        how: How,
    },
    /// Have an agent or a client leave
    Remove {
        /// Whom
        name: NodeName,
        #[command(flatten)]
        how: How,
    },
}

/// `murmur peers ...`
#[derive(Debug, Args)]
pub(crate) struct Peers {
    #[command(subcommand)]
    action: PeersAction,
}

#[derive(Debug, Subcommand)]
enum PeersAction {
    /// Let a peer join, as the last one: makes its key file and its configuration
    Add {
        /// Its name
        name: NodeName,
        #[command(flatten)]
        how: How,
    },
    /// Have more peers together learn nothing
    RaiseThreshold {
        /// How many
        threshold: u8,
        #[command(flatten)]
        how: How,
    },
    /// Put a peer in the place of one that is gone for good
    Replace {
        /// Who is gone
        gone: NodeName,
        /// Who takes its place; another name than any member has
        by: NodeName,
        #[command(flatten)]
        how: How,
    },
}

/// How a change is proposed.
#[derive(Debug, Args)]
pub(super) struct How {
    /// The configuration file of the peer in whose name it is proposed
    #[arg(long, value_name = "FILE")]
    pub(super) config: PathBuf,
    /// How long the other peers' operators have; the change holds from the next cohort epoch after that on
    #[arg(long, value_name = "SPAN", default_value = "5s")]
    pub(super) lead: Span,
    /// How long to wait for the other peers' signatures before it is told that they are missing
    #[arg(long, value_name = "SPAN", default_value = "10s")]
    pub(super) wait: Span,
}

/// An operator's word on a change.
#[derive(Debug, Args)]
struct Word {
    /// The change, as `murmur member list` names it; may be left out if there is one alone
    subject: Option<SubjectName>,
    /// The configuration file of the peer
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Why
    #[arg(long, value_name = "WORDS", default_value = "", value_parser = reason)]
    reason: Reason,
}

/// Why the member list could not be seen or changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MemberFailure {
    /// No peer would sign it.
    #[error(transparent)]
    Charter(#[from] CharterError),
    /// A file can't be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// There is no entropy.
    #[error(transparent)]
    Entropy(#[from] NoEntropy),
    /// A file can't be written or printed.
    #[error("{path}: {error}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// No broker was found.
    #[error(transparent)]
    Discovery(#[from] smc_mqtt::discovery::DiscoveryError),
    /// The files of a node can't be written.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// A key file can't be used.
    #[error(transparent)]
    Keys(#[from] KeyFileError),
    /// The keys of a newcomer can't be made or written.
    #[error(transparent)]
    Newcomer(#[from] NewcomerError),
    /// There is no such change.
    #[error(
        "no change waits for this peer, or several do and none was named; `murmur member list` shows them"
    )]
    NoSuchChange,
    /// A change of the same revision is open.
    #[error(
        "a change waits for signatures already: {subject}; consent to it, or wait until it lapses at {lapses}"
    )]
    Open {
        /// Which.
        subject: SubjectName,
        /// When it lapses.
        lapses: smc_core::time::Timestamp,
    },
    /// The broker can't be reached, or turns the peer down.
    #[error("the broker can't be used: {0}")]
    Unreachable(String),
}

impl Member {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        Ok(block_on(self.act())??)
    }

    async fn act(self) -> Result<Outcome, MemberFailure> {
        match self.action {
            MemberAction::Add { name, entry, how } => how.admit(name, entry).await,
            MemberAction::Consent(word) => word.give(Verb::Consent).await,
            MemberAction::List { config } => {
                print!("{}", Session::open(&config).await?.describe());
                Ok(Outcome::Done)
            }
            MemberAction::Refuse(word) => word.give(Verb::Refuse).await,
            MemberAction::Rekey { name, how } => how.rekey(name).await,
            MemberAction::Remove { name, how } => how.propose(Change::Remove { name }).await,
        }
    }
}

impl Peers {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        Ok(block_on(self.act())??)
    }

    async fn act(self) -> Result<Outcome, MemberFailure> {
        match self.action {
            PeersAction::Add { name, how } => how.admit(name, Entry::peer(None)).await,
            PeersAction::RaiseThreshold { threshold, how } => {
                how.propose(Change::RaiseThreshold { threshold }).await
            }
            PeersAction::Replace { gone, by, how } => how.admit(by, Entry::peer(Some(gone))).await,
        }
    }
}

impl How {
    /// Proposes `change`.
    async fn propose(self, change: Change) -> Result<Outcome, MemberFailure> {
        let mut session = Session::open(&self.config).await?;
        let charter = session.draft(change, self.lead.get())?;
        println!("{}", session.propose(charter, self.wait.get()).await?);
        session.close().await;
        Ok(Outcome::Done)
    }

    /// Proposes that a node joins, and makes its files beside the configuration file.
    async fn admit(self, name: NodeName, entry: Entry) -> Result<Outcome, MemberFailure> {
        let newcomer = Newcomer::draw(name)?;
        let mut session = Session::open(&self.config).await?;
        let charter = session.draft(entry.change(&Keys::of(&newcomer)), self.lead.get())?;
        let mut files = Unfinished::begin(folder(&self.config))?;
        let broker = session.broker();
        // As the peer's own file has it, which is in the same folder.
        let ca = broker.tls().and_then(Tls::authority);
        let ca = ca.map(|ca| ca.strip_prefix(folder(&self.config)).unwrap_or(ca).display().to_string());
        let place = Place { broker: Some(broker), ca: ca.as_deref() };
        newcomer.write(&mut files, place, entry.invites_as(), None)?;
        let proposed = session.propose(charter, self.wait.get()).await?;
        files.finish();
        println!("{proposed}");
        println!("{} is for its machine alone; with it goes a copy of site.toml", key_path(&newcomer.name));
        session.close().await;
        Ok(Outcome::Done)
    }

    async fn rekey(self, name: NodeName) -> Result<Outcome, MemberFailure> {
        let newcomer = Newcomer::draw(name.clone())?;
        let mut session = Session::open(&self.config).await?;
        let login = newcomer.login.clone();
        let known = session.members().register().newest().client.iter().find(|client| client.name == name);
        let change = if known.is_some() {
            // Whoever may ask still may, and belongs to the same groups.
            let groups = known.map(|client| client.groups.clone()).unwrap_or_default();
            Change::RekeyClient { client: newcomer.client(groups), login }
        } else {
            Change::RekeyAgent { name, identity: newcomer.identity(), sealing: newcomer.sealing(), login }
        };
        let charter = session.draft(change, self.lead.get())?;
        let path = newcomer.write_next(folder(&self.config))?;
        println!("{}", session.propose(charter, self.wait.get()).await?);
        println!(
            "{} has the new keys: start the node with them instead of the old ones; until the change holds, it waits",
            path.display()
        );
        session.close().await;
        Ok(Outcome::Done)
    }
}

impl Word {
    async fn give(self, verb: Verb) -> Result<Outcome, MemberFailure> {
        let mut session = Session::open(&self.config).await?;
        println!("{}", session.order(verb, self.subject, self.reason).await?);
        session.close().await;
        Ok(Outcome::Done)
    }
}

/// The first instant after `lead` at which a change may hold.
fn effective(session: &Session, lead: Duration) -> smc_core::time::Timestamp {
    let register = session.members().register();
    let after = register.pending().last().map(|enacted| enacted.charter.effective);
    let epoch = register.voters().timing().cohort_epoch;
    next_boundary(session.now() + lead, epoch).max(after.unwrap_or_default())
}

/// The folder of a configuration file.
fn folder(config: &Path) -> &Path {
    match config.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn reason(text: &str) -> Result<Reason, ReasonError> {
    text.to_owned().try_into()
}
