//! A node that is not on the member list yet: it waits until the list names it.

use std::pin::Pin;
use std::time::Duration;

use smc_core::name::NodeName;
use smc_core::roster::SiteDocument;
use tracing::{info, warn};

use crate::clock::Clock;
use crate::connection::{Happening, connect};
use crate::members::{Members, MembersError};
use crate::settings::ConnectionSettings;
use crate::topic::{Topic, Topics};

/// How long to ask the broker for a list that names this node, before it counts as a stranger.
const PATIENCE: Duration = Duration::from_secs(5);

/// How the wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Joined {
    /// The list in force names the node.
    Member,
    /// The process was asked to end.
    Ended,
    /// No list that is known names it.
    Stranger,
}

/// Waits until the list in force names this node, as `named` sees it: for a few seconds if no charter that is known will
/// do so, and for as long as it takes if one will.
///
/// # Errors
/// If the list can't be kept.
pub async fn wait(
    members: &mut Members,
    node: &NodeName,
    settings: ConnectionSettings,
    clock: &Clock,
    mut shutdown: Pin<&mut impl Future<Output = ()>>,
    named: impl Fn(&SiteDocument) -> bool,
) -> Result<Joined, MembersError> {
    if named(members.register().document()) {
        return Ok(Joined::Member);
    }
    info!(%node, "not on the member list; asking the broker for a newer one");
    let topics = Topics::new(members.register().document().site.name.clone());
    // Under the id of its owner's program, so that it does not push out whoever has its name until then; and nobody need be
    // told that it is gone.
    let settings = ConnectionSettings { will: None, client_id: format!("{node}.open"), ..settings };
    let (publisher, mut incoming) = connect(settings, vec![topics.spell(&Topic::Charter)]);
    let patience = clock.now() + PATIENCE;
    let outcome = loop {
        members.advance(clock.now())?;
        if named(members.register().document()) {
            break Joined::Member;
        }
        let expected = named(members.register().newest());
        if !expected && clock.now() >= patience {
            break Joined::Stranger;
        }
        let due = members.due().unwrap_or(patience);
        tokio::select! {
            () = shutdown.as_mut() => break Joined::Ended,
            happening = incoming.next() => match happening {
                Some(Happening::Message { payload, .. }) => take(members, node, &payload)?,
                Some(Happening::Refused { reason }) => warn!(%node, %reason, "refused by the broker"),
                Some(Happening::Disconnected { reason }) => warn!(%node, %reason, "disconnected; trying again"),
                Some(Happening::Connected) => {}
                None => break Joined::Ended,
            },
            () = clock.sleep_until(due.max(clock.now())) => {}
        }
    };
    publisher.close().await;
    Ok(outcome)
}

fn take(members: &mut Members, node: &NodeName, json: &[u8]) -> Result<(), MembersError> {
    match members.take(json) {
        Ok(true) => {
            info!(%node, revision = members.register().revision(), due = ?members.due(), "a newer member list")
        }
        Ok(false) => {}
        Err(error @ MembersError::Charter(_)) => warn!(%node, %error, "member list refused"),
        Err(error) => return Err(error),
    }
    Ok(())
}
