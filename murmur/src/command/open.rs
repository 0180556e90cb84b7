//! `murmur open`: opens outputs that are for one client's eyes alone.

mod inbox;
mod waiting;

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use smc_core::function::Query;
use smc_core::identity::SealingSecret;
use smc_core::name::{NodeName, QueryName};
use smc_core::roster::Span;
use smc_mqtt::client::{Access, AccessError};
use smc_mqtt::clock::Clock;
use smc_mqtt::connection::{Happening, Incoming, connect};
use smc_mqtt::discovery::DiscoveryError;
use smc_mqtt::members::MembersError;
use smc_mqtt::process;
use smc_mqtt::topic::{Topic, Topics};

pub(crate) use self::inbox::{Inbox, Opened};
use super::at::At;
use super::told::Told;
use super::{Failure, Outcome, block_on};

const EXAMPLES: &str = "\
Examples:
  murmur open --site hq/site.toml --key hq/keys/display.key
  murmur open --site hq/site.toml --key hq/keys/display.key --query co2-max --once --json
  murmur open --site hq/site.toml --key hq/keys/room-101.key      an agent asks for its own rank

Each peer seals its share of the output for the client; here they are put together. No peer learns the
value. If some of them stay silent it is opened from the others' shares, provided that they are enough.
Ends with Ctrl-C.

Exit codes: 0 all is well, 1 an output could not be opened, 2 wrong usage.";

/// `murmur open --site site.toml --key NAME.key`
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Open {
    #[command(flatten)]
    told: Told,
    /// The key file of the client or agent, called after it
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    #[command(flatten)]
    at: At,
    /// Only this query
    #[arg(long, value_name = "NAME")]
    query: Option<QueryName>,
    /// How long to wait for silent peers once enough have answered; the site's `step` if not given
    #[arg(long, value_name = "DURATION")]
    patience: Option<Span>,
    /// End after the first output
    #[arg(long)]
    once: bool,
    /// Print one JSON object per output
    #[arg(long)]
    json: bool,
}

/// Why nothing (more) could be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenFailure {
    /// No broker was found.
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
    /// The connection is gone for good.
    #[error("the connection to the broker ended")]
    Ended,
    /// The member list can't be taken in.
    #[error(transparent)]
    Members(#[from] MembersError),
    /// Nobody takes the values.
    #[error("the values could not be printed: {0}")]
    Output(#[source] io::Error),
    /// The site file or the key file can't be used.
    #[error("{flag}: {error}", flag = flag(error))]
    Access {
        /// What is wrong.
        #[from]
        error: AccessError,
    },
    /// The site has no key of this name, or another one.
    #[error("--key: `{node}` with this key is no [[client]] and no [[agent]] of the site")]
    Stranger {
        /// The name.
        node: NodeName,
    },
}

impl Open {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        Ok(block_on(self.open())??)
    }

    async fn open(self) -> Result<Outcome, OpenFailure> {
        let Told { site, members } = &self.told;
        let mut access = Access::load_told(site, members.as_deref(), &self.key)?;
        let broker = self.at.locate(site, access.roster().site()).await?;
        access.join(broker.clone(), process::asked_to_end()).await?;
        let (roster, node) = (Arc::clone(access.roster()), access.node().clone());
        if roster.recipient(&node) != Some(access.sealing().public()) {
            return Err(OpenFailure::Stranger { node });
        }
        let topics = Topics::new(roster.site().clone());
        // The node itself may be connected under its own name meanwhile.
        let settings = access.connection(broker, format!("{node}.open"));
        let secret = SealingSecret::from_bytes(&access.sealing().to_bytes());
        // What is retained comes filter by filter: first of all who the peers are.
        let filters = vec![topics.spell(&Topic::Charter), topics.output_inbox(&node)];
        let patience = self.patience.map_or(roster.timing().step, Span::get);
        let wanted = |query: &&Query| self.query.as_ref().is_none_or(|only| *only == query.name);
        let queries: Vec<_> = roster.queries().map(|(_, query)| query).filter(wanted).cloned().collect();
        let charters = topics.spell(&Topic::Charter);
        let mut opening =
            Opening { inbox: Inbox::new(roster, topics, node, secret, queries, patience), access, charters };
        let (publisher, mut incoming) = connect(settings, filters);
        let outcome = self.attend(&mut opening, &mut incoming).await;
        publisher.close().await;
        outcome
    }

    /// Opens what comes until it is asked to end.
    async fn attend(&self, opening: &mut Opening, incoming: &mut Incoming) -> Result<Outcome, OpenFailure> {
        let mut outcome = Outcome::Done;
        loop {
            tokio::select! {
                happening = incoming.next() => match happening.ok_or(OpenFailure::Ended)? {
                    Happening::Message { topic, payload, .. } => opening.take(&topic, &payload)?,
                    Happening::Refused { reason } => eprintln!("refused by the broker: {reason}"),
                    Happening::Disconnected { reason } => eprintln!("disconnected: {reason}; trying again"),
                    Happening::Connected => {}
                },
                () = due(opening.inbox.due()) => {}
                () = process::asked_to_end() => return Ok(outcome),
            }
            while let Some(opened) = opening.inbox.pop(Instant::now()) {
                let line = if self.json { opened.json() } else { opened.to_string() };
                let mut stdout = io::stdout().lock();
                writeln!(stdout, "{line}").and_then(|()| stdout.flush()).map_err(OpenFailure::Output)?;
                if opened.value.is_err() {
                    outcome = Outcome::Refused;
                }
                if self.once {
                    return Ok(outcome);
                }
            }
        }
    }
}

/// What comes for one node, and who it may be from.
struct Opening {
    inbox: Inbox,
    access: Access,
    /// The topic of the changes of the member list.
    charters: String,
}

impl Opening {
    fn take(&mut self, topic: &str, payload: &[u8]) -> Result<(), OpenFailure> {
        let now = Clock::system().now();
        if topic == self.charters && !payload.is_empty() {
            if let Err(error) = self.access.take_charters(payload, now) {
                eprintln!("member list refused: {error}");
            }
            return Ok(());
        }
        self.access.follow(now)?;
        self.inbox.move_to(self.access.roster());
        self.inbox.take(Instant::now(), topic, payload);
        Ok(())
    }
}

/// The flag that named the file.
fn flag(error: &AccessError) -> &'static str {
    match error {
        AccessError::KeyName { .. } | AccessError::Keys(_) => "--key",
        AccessError::Site(_) => "--site, --members",
    }
}

/// Sleeps until `instant`, or for ever.
async fn due(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant.into()).await,
        None => std::future::pending().await,
    }
}
