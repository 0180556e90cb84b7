//! Who asks, of which site, by way of which broker: the same flags for all these commands.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use smc_core::name::QueryName;
use smc_core::roster::Span;
use smc_mqtt::client::{Access, Client, Notice};
use smc_mqtt::process;
use tokio::time::{Instant, timeout, timeout_at};

use super::AskFailure;
use crate::command::at::At;
use crate::command::told::Told;

/// After a silence this long, what the broker had kept has come.
const QUIET: Duration = Duration::from_millis(400);

/// How long it takes at least where the broker may hand out by name alone what it has kept (docs/decisions/0027).
const BY_NAME: Duration = Duration::from_secs(2);

const BY_NAME_ALONE: &str = "as far as can be seen, the broker hands out by name alone what it has kept; requests of which nothing was said meanwhile are missing here (name one, or use the key of a client)";

/// `--site site.toml --key NAME.key --broker ADDRESS`
#[derive(Debug, Args)]
pub(crate) struct Who {
    #[command(flatten)]
    pub(super) told: Told,
    /// The key file of the client, called after it
    #[arg(long, value_name = "FILE")]
    pub(super) key: Option<PathBuf>,
    #[command(flatten)]
    at: At,
    /// How long to wait for the broker, and for the peers' answers
    #[arg(long, value_name = "SPAN", default_value = "10s")]
    wait: Span,
}

impl Who {
    pub(super) fn access(&self) -> Result<Access, AskFailure> {
        let Told { site, members } = &self.told;
        let key = self.key.as_deref().ok_or(AskFailure::NoKey)?;
        Ok(Access::load_told(site, members.as_deref(), key)?)
    }

    pub(super) fn wait(&self) -> Duration {
        self.wait.get()
    }

    /// Connects, and hears what the broker has kept: first of all how the member list changed.
    pub(super) async fn connect(&self, access: Access) -> Result<(Client, Vec<Notice>), AskFailure> {
        let (client, kept) = connected(self.client(access).await?, self.wait()).await?;
        let asks = client.roster().client(client.access().node()).is_some();
        if !asks && !client.publisher().finds_retained() {
            eprintln!("note: {BY_NAME_ALONE}");
        }
        Ok((client, kept))
    }

    /// The same for who wants to know of one query above all.
    pub(super) async fn connect_about(&self, query: &QueryName) -> Result<(Client, Vec<Notice>), AskFailure> {
        let client = self.client(self.access()?).await?;
        client.look_for(query);
        connected(client, self.wait()).await
    }

    async fn client(&self, mut access: Access) -> Result<Client, AskFailure> {
        let broker = self.at.locate(&self.told.site, access.roster().site()).await?;
        access.join(broker.clone(), process::asked_to_end()).await?;
        Ok(Client::connect(access, broker)?)
    }
}

/// Waits until `client` is connected and has heard what the broker has kept: all of that, in its order.
pub(crate) async fn connected(
    mut client: Client,
    wait: Duration,
) -> Result<(Client, Vec<Notice>), AskFailure> {
    let deadline = Instant::now() + wait;
    let (mut kept, mut reason, mut is_connected) = (Vec::new(), "it does not answer".to_owned(), false);
    while !is_connected {
        match timeout_at(deadline, client.next()).await {
            Err(_) => return Err(AskFailure::NoConnection { waited: wait, reason }),
            Ok(None) => return Err(AskFailure::Ended),
            Ok(Some(Notice::Connected)) => is_connected = true,
            Ok(Some(Notice::Disconnected(fault))) => reason = fault.to_string(),
            Ok(Some(Notice::Refused(refusal))) => {
                return Err(AskFailure::Refused { reason: refusal.to_string() });
            }
            Ok(Some(notice)) => kept.push(notice),
        }
    }
    let named = Instant::now() + BY_NAME;
    while Instant::now() < deadline {
        match timeout(QUIET, client.next()).await {
            Err(_) if client.publisher().finds_retained() || named <= Instant::now() => break,
            Err(_) => {}
            Ok(None) => return Err(AskFailure::Ended),
            Ok(Some(notice)) => kept.push(notice),
        }
    }
    Ok((client, kept))
}
