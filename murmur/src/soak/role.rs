//! What a process of a soak does: what the program of its role does, until it is asked to end or whoever started it
//! is gone.

use std::io::{Write, stdin, stdout};
use std::os::fd::AsFd;
use std::path::Path;

use broker::settings::{Settings, SettingsError};
use broker::{Broker, BrokerError};
use sensor_agent::{AgentConfig, AgentError};
use smc_mqtt::clock::Clock;
use smc_mqtt::config::ConfigError;
use smc_mqtt::process;
use smc_peer::{PeerConfig, PeerError};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;

use super::site::Role;

/// What the broker says when it listens; its address follows.
pub(super) const LISTENING: &str = "listening on ";

/// Why a role ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RoleError {
    #[error(transparent)]
    Agent(#[from] AgentError),
    #[error(transparent)]
    Broker(#[from] BrokerError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("standard input or output: {0}")]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Peer(#[from] PeerError),
    #[error(transparent)]
    Settings(#[from] SettingsError),
}

/// Plays `role` as `config` says.
pub(crate) async fn play(role: Role, config: &Path) -> Result<(), RoleError> {
    // Not `tokio::io::stdin`, whose thread would keep the process from ending.
    let mut parent = Receiver::from_owned_fd(stdin().as_fd().try_clone_to_owned()?)?;
    let over = async move {
        tokio::select! {
            () = process::asked_to_end() => {}
            // Nothing is ever said: the other end closes when whoever started this ends, in whatever way.
            _ = parent.read_u8() => {}
        }
    };
    match role {
        Role::Agent => sensor_agent::run(AgentConfig::load(config)?, Clock::system(), None, over).await?,
        Role::Broker => {
            let broker = Broker::bind(Settings::load(config)?).await?;
            let mut output = stdout().lock();
            writeln!(output, "{LISTENING}{}", broker.local_addr())?;
            output.flush()?;
            drop(output);
            broker.run(over).await?;
        }
        Role::Peer => smc_peer::run(PeerConfig::load(config)?, Clock::system(), None, over).await?,
    }
    Ok(())
}
