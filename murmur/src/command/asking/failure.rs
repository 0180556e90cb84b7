//! Why a command could not ask, or follow.

use std::io;
use std::time::Duration;

use smc_core::name::{NameError, NodeName, QueryName};
use smc_core::roster::Span;
use smc_core::session::SessionError;
use smc_mqtt::client::{AccessError, ClientError};
use smc_mqtt::config::ConfigError;
use smc_mqtt::connection::PublishRefused;
use smc_mqtt::discovery::DiscoveryError;
use smc_mqtt::entropy::NoEntropy;
use smc_mqtt::members::MembersError;
use smc_peer::AuditError;

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskFailure {
    /// A site or key file can't be used.
    #[error("--site, --members, --key: {0}")]
    Access(#[from] AccessError),
    /// What is asked for is for somebody else's eyes.
    #[error(
        "--audience {audience}: only `{audience}` can open it; with --once say --audience me, or leave --once out"
    )]
    Audience {
        /// Whose.
        audience: String,
    },
    /// It can't be asked.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The site file or the changes of its member list can't be used.
    #[error("--site, --members: {0}")]
    Config(#[from] ConfigError),
    /// No broker was found.
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
    /// The connection is gone for good.
    #[error("the connection to the broker ended")]
    Ended,
    /// The member list can't be taken in.
    #[error(transparent)]
    Members(#[from] MembersError),
    /// A function or an audience is called like nothing can be.
    #[error("no function, client or agent is called like this: {0}")]
    Name(#[from] NameError),
    /// There is no entropy.
    #[error(transparent)]
    Entropy(#[from] NoEntropy),
    /// A log can't be read.
    #[error(transparent)]
    Log(#[from] AuditError),
    /// There is no such agent.
    #[error("`{agent}` is no agent of the site; name yours with --agent")]
    NoAgent {
        /// The name.
        agent: NodeName,
    },
    /// Nobody asks.
    #[error("--key is missing: the key file of a client or an agent, such as keys/display.key")]
    NoKey,
    /// The message was not taken for sending.
    #[error("not sent: {0}")]
    NotSent(#[from] PublishRefused),
    /// There was no connection in time.
    #[error("no connection to the broker within {}: {reason}; see --broker, --key and --wait", Span::new(*.waited))]
    NoConnection {
        /// How long it was tried.
        waited: Duration,
        /// What was the matter last.
        reason: String,
    },
    /// Nobody takes the words.
    #[error("the answer could not be printed: {0}")]
    Output(#[from] io::Error),
    /// The site can't compute it.
    #[error("no peer could compute this: {0}")]
    Session(#[from] SessionError),
    /// The broker forbids something.
    #[error("refused by the broker: {reason}; a client's account has `role = \"client\"`")]
    Refused {
        /// What.
        reason: String,
    },
    /// No request and no query of this name.
    #[error(
        "`{query}` is no query of the site file and no request that the broker has; `murmur queries --all` lists them"
    )]
    Unknown {
        /// The name.
        query: QueryName,
    },
}
