//! A peer whose store or log can't be opened yet: idle until there is room on its disk.

use std::pin::Pin;
use std::time::Duration;

use smc_core::name::NodeName;
use smc_core::time::Timestamp;
use smc_mqtt::clock::Clock;
use smc_mqtt::connection::{Happening, Publisher, connect};
use smc_mqtt::entropy;
use smc_mqtt::settings::ConnectionSettings;
use smc_mqtt::status::{self, Report};
use smc_mqtt::topic::{Topic, Topics};
use tracing::{error, info, warn};

use super::start::Memory;
use super::{PeerError, PeerOptions};

/// How often a disk that takes nothing is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Opens store and log. While its disk takes nothing, the peer says so in its status, so that nobody waits for it, and tries
/// again. None if it is asked to end meanwhile.
///
/// # Errors
/// If that can't be mended by making room.
pub(super) async fn remember(
    options: &PeerOptions,
    settings: &ConnectionSettings,
    topics: &Topics,
    clock: &Clock,
    shutdown: Pin<&mut impl Future<Output = ()>>,
) -> Result<Option<Memory>, PeerError> {
    let mut rng = entropy::rng()?;
    let mut open = || match Memory::open(options, clock.now(), &mut rng) {
        Err(error) if error.may_pass() => Ok(Err(error)),
        Err(error) => Err(error),
        Ok(memory) => Ok(Ok(memory)),
    };
    let trouble = match open()? {
        Ok(memory) => return Ok(Some(memory)),
        Err(trouble) => trouble,
    };
    let node = &options.secrets.node;
    error!(%node, error = %trouble, "the store or the log can't be opened; trying again");
    // One that hears nothing: what is told to those who connect, such as cards, is for the peer to be.
    let (publisher, mut incoming) = connect(settings.clone(), Vec::new());
    let mut idle = Idle {
        node,
        topic: topics.spell(&Topic::Status { node: node.clone() }),
        publisher,
        since: clock.now(),
        reason: trouble.cause(),
    };
    let mut retry = clock.now() + RETRY;
    tokio::pin!(shutdown);
    let outcome = loop {
        tokio::select! {
            () = &mut shutdown => break Ok(None),
            happening = incoming.next() => match happening {
                Some(happening) => idle.handle(happening),
                None => break Ok(None),
            },
            () = clock.sleep_until(retry) => match open() {
                Ok(Ok(memory)) => break Ok(Some(memory)),
                Ok(Err(trouble)) => {
                    idle.tell(trouble.cause());
                    retry = clock.now() + RETRY;
                }
                Err(error) => break Err(error),
            },
        }
    };
    idle.end(matches!(outcome, Ok(Some(_)))).await;
    outcome
}

/// The peer while it waits.
struct Idle<'a> {
    node: &'a NodeName,
    /// Of its status.
    topic: String,
    publisher: Publisher,
    since: Timestamp,
    reason: String,
}

impl Idle<'_> {
    fn handle(&self, happening: Happening) {
        match happening {
            Happening::Connected => self.say(),
            Happening::Disconnected { reason } => {
                warn!(node = %self.node, %reason, "disconnected; trying again");
            }
            Happening::Message { .. } => {}
            Happening::Refused { reason } => warn!(node = %self.node, %reason, "refused by the broker"),
        }
    }

    /// Tells of another reason, if it is another one.
    fn tell(&mut self, reason: String) {
        if self.reason != reason {
            self.reason = reason;
            self.say();
        }
    }

    fn say(&self) {
        let program = Some(env!("CARGO_PKG_VERSION"));
        let report = Report { program, disk: Some(&self.reason), ..Report::default() };
        // Refused only if thousands wait: it is said again on the next connection.
        let _ = self.publisher.publish(&*self.topic, status::online(self.node, self.since, &report), true);
    }

    /// Makes way for the peer that `goes_on`, or takes leave.
    async fn end(self, goes_on: bool) {
        if goes_on {
            info!(node = %self.node, "there is room on the disk; starting");
        } else {
            let _ = self.publisher.publish(self.topic, status::offline(self.node), true);
        }
        self.publisher.close().await;
    }
}
