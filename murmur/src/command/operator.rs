//! `murmur approve`, `deny`, `pause`, `resume`, `withdraw`: what the operator of a peer tells it while it runs.

use std::path::{Path, PathBuf};

use clap::Args;
use smc_core::name::{NameError, NodeName, QueryName, SubjectName};
use smc_core::order::{self, Order, Reason, ReasonError, Verb};
use smc_core::request::{Decision, Verdict};
use smc_core::result::VERSION;
use smc_core::roster::Span;
use smc_mqtt::client::{Access, AccessError, Client, Notice};
use smc_mqtt::clock::Clock;
use smc_mqtt::connection::PublishRefused;
use smc_mqtt::settings::BrokerAddress;
use smc_mqtt::tls::Tls;
use smc_mqtt::topic::{Topic, Topics};
use tokio::time::{Instant, timeout_at};

use super::asking::{AskFailure, connected, say, told};
use super::at::At;
use super::{Failure, Outcome, block_on};

const EXAMPLES: &str = "\
Examples:
  murmur approve mean-co2-k3v9q2xa --peer-config hq/peer-1.toml --reason \"agreed with the tenants\"
  murmur withdraw mean-co2-k3v9q2xa --peer-config hq/peer-1.toml --reason \"the display was sold\"
  murmur pause mean-co2-k3v9q2xa --key hq/keys/peer-1.key --site hq/site.toml --broker mqtt://10.0.0.2

The order is signed with the peer's own key, which is in its key file. It counts for five minutes and is
taken once. The peer says in its next decision what it did, for all to see, with the reason. What other
peers do is up to their operators.

Exit codes: 0 done, 1 the peer did something else, or an error, 2 wrong usage, 4 no answer in time.";

/// `murmur approve|deny|pause|resume|withdraw QUERY --peer-config peer.toml`
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Operate {
    /// The request's name
    query: QueryName,
    /// The peer's own file, which names its key file, its site file and its broker
    #[arg(long, value_name = "FILE", required_unless_present = "key", conflicts_with_all = ["key", "site"])]
    peer_config: Option<PathBuf>,
    /// The peer's key file, called after it, where its own file is not at hand
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// The site, with --key
    #[arg(long, value_name = "FILE", default_value = "site.toml")]
    site: PathBuf,
    #[command(flatten)]
    at: At,
    /// Why, in one line that everybody can read
    #[arg(long, default_value = "")]
    reason: String,
    /// How long to wait for the broker and for the peer
    #[arg(long, value_name = "SPAN", default_value = "10s")]
    wait: Span,
}

/// What a node's file says of its broker: where it is, and whom to trust there.
type Named = (Option<BrokerAddress>, Option<Tls>);

/// Why no order was given.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OperateFailure {
    /// The peer's files can't be used.
    #[error("--peer-config, --key: {0}")]
    Access(#[from] AccessError),
    /// The connection could not be used.
    #[error(transparent)]
    Connection(#[from] AskFailure),
    /// The name is none.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Orders are for peers.
    #[error(
        "`{node}` is no peer of the site with this key; orders are signed with the key of the peer they are for"
    )]
    NoPeer {
        /// Whose key it is.
        node: NodeName,
    },
    /// The message was not taken for sending.
    #[error("not sent: {0}")]
    NotSent(#[from] PublishRefused),
    /// The reason is too long.
    #[error("--reason: {0}")]
    Reason(#[from] ReasonError),
}

impl Operate {
    pub(crate) fn run(self, verb: Verb) -> Result<Outcome, Failure> {
        Ok(block_on(self.operate(verb))??)
    }

    async fn operate(self, verb: Verb) -> Result<Outcome, OperateFailure> {
        let reason = Reason::try_from(self.reason.clone())?;
        let (access, named) = self.access()?;
        let site = access.roster().site();
        let broker = match named {
            Some(named) => self.at.locate_as(named, site).await,
            None => self.at.locate(&self.site, site).await,
        };
        let broker = broker.map_err(AskFailure::from)?;
        let client = Client::connect(access, broker).map_err(AskFailure::from)?;
        client.look_for(&self.query);
        let (mut client, _) = connected(client, self.wait.get()).await?;
        let peer = client.access().node().clone();
        self.is_known(&client)?;
        let site = client.roster().site().clone();
        let subject: SubjectName = self.query.as_str().parse()?;
        let issued = Clock::system().now();
        let order = Order {
            v: VERSION,
            site: site.clone(),
            peer: peer.clone(),
            order: verb,
            subject,
            reason,
            issued,
        };
        let topic = Topics::new(site).spell(&Topic::Operator { peer: peer.clone() });
        client.publisher().publish_wait(topic, order::sign(order, client.access().key()), true).await?;
        let decision = self.answer(&mut client, &peer).await?;
        client.close().await;
        let Some(decision) = decision else {
            eprintln!("no answer from {peer} within the time of --wait; the order counts for five minutes");
            return Ok(Outcome::Unanswered);
        };
        say(&told::decision(&decision)).map_err(AskFailure::from)?;
        Ok(if decision.verdict == expected(verb) { Outcome::Done } else { Outcome::Refused })
    }

    /// The peer's keys, and what its file says of its broker, if that is given.
    fn access(&self) -> Result<(Access, Option<Named>), OperateFailure> {
        let (access, named) = match (&self.peer_config, &self.key) {
            (Some(config), _) => {
                let (access, broker, tls) = Access::of_config(config)?;
                (access, Some((broker, tls)))
            }
            // clap asks for one of them.
            (None, key) => {
                let key = key.as_deref().unwrap_or(Path::new(""));
                (Access::load(&self.site, key)?, None)
            }
        };
        let node = access.node();
        let peer = access.roster().peer_named(node.as_str()).and_then(|index| access.roster().peer(index));
        if peer.is_none_or(|peer| peer.identity != access.key().verifying_key()) {
            return Err(OperateFailure::NoPeer { node: node.clone() });
        }
        Ok((access, named))
    }

    /// Whether anybody has asked for it, or the site file has it.
    fn is_known(&self, client: &Client) -> Result<(), AskFailure> {
        let stands = client.roster().query_named(&self.query).is_some();
        if stands || client.queries().any(|((_, name), _)| *name == self.query) {
            return Ok(());
        }
        Err(AskFailure::Unknown { query: self.query.clone() })
    }

    /// What the peer says about the query next, if it does in time.
    async fn answer(&self, client: &mut Client, peer: &NodeName) -> Result<Option<Decision>, AskFailure> {
        let deadline = Instant::now() + self.wait.get();
        loop {
            match timeout_at(deadline, client.next()).await {
                Err(_) => return Ok(None),
                Ok(None) => return Err(AskFailure::Ended),
                Ok(Some(Notice::Decision(decision)))
                    if decision.peer == *peer && decision.query == self.query =>
                {
                    return Ok(Some(decision));
                }
                Ok(Some(_)) => {}
            }
        }
    }
}

/// How a request stands at a peer that did as it was told.
fn expected(verb: Verb) -> Verdict {
    match verb {
        Verb::Approve | Verb::Consent | Verb::Resume => Verdict::Allowed,
        Verb::Deny | Verb::Refuse => Verdict::Denied,
        Verb::Pause => Verdict::Paused,
        Verb::Withdraw => Verdict::Withdrawn,
    }
}
