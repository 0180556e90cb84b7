//! Finding the broker without being told its address: it announces itself by multicast DNS (RFC 6762, RFC 6763), and
//! nodes look for one that announces their site (docs/decisions/0025-discovery.md).
//!
//! What is found is an address and proves nothing: whoever is in the network can announce anything. With TLS, the broker's
//! certificate shows that it is the site's; without, who the broker is matters no more than with an address that a file
//! names, since what nodes send is sealed or signed.

mod announcement;
mod sightings;

use std::fmt;
use std::pin::{Pin, pin};
use std::time::Duration;

use mdns_sd::{ServiceDaemon, ServiceEvent};
use smc_core::name::SiteName;
use tokio::time::{Instant, timeout_at};
use tracing::{debug, info};

pub use self::announcement::{Announcement, AnnouncementError, Listener};
use self::sightings::Sightings;
use crate::settings::BrokerAddress;
use crate::tls::{Tls, TlsFault};

/// How long nodes look for a broker. Queries go out at once and after 1 s and 3 s; an answer takes 0.1 s at most.
pub const PATIENCE: Duration = Duration::from_secs(5);
/// How much longer it is listened after the first broker, in case another one announces the same site. What was
/// multicast within the last second is not repeated at once (RFC 6762, 6), so the second query has to be answered, too.
const OTHERS: Duration = Duration::from_millis(1_500);
/// The key of the TXT record that names the site.
const SITE_KEY: &str = "site";
/// The key of the TXT record that says which version of the protocol the site speaks.
const VERSION_KEY: &str = "v";

/// Whose broker is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// That of whatever site.
    AnySite,
    /// That of one site.
    Site(SiteName),
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AnySite => f.write_str("any site"),
            Self::Site(site) => write!(f, "the site {site}"),
        }
    }
}

/// Why no broker was found.
#[derive(Debug, thiserror::Error)]
pub enum DiscoveryError {
    /// The broker has TLS, and nothing says whom to trust.
    #[error(transparent)]
    Untrusted(TlsFault),
    /// Whom to trust was said, in vain.
    #[error(
        "nothing would be encrypted on the way to {broker}, though it was said whom to trust (`ca`, --ca): write mqtts:// instead of mqtt://"
    )]
    NotEncrypted {
        /// Where the broker is.
        broker: BrokerAddress,
    },
    /// The operating system gives no thread or no sockets.
    #[error("can't look for a broker by multicast DNS: {0}; {REMEDY}")]
    Multicast(#[from] mdns_sd::Error),
    /// None announces what is wanted.
    #[error(
        "no broker announced {wanted} by multicast DNS (UDP port 5353) within {} ms, and {overlooked} announced it in a way that can't be used; {REMEDY}", .waited.as_millis()
    )]
    None {
        /// Whose.
        wanted: Wanted,
        /// How long it was looked for.
        waited: Duration,
        /// How many announcements of it were of another version, had no usable address, or were too many.
        overlooked: u64,
    },
    /// More than one does.
    #[error("{count} different brokers announce {wanted}, such as {first} and {second}; {REMEDY}")]
    Several {
        /// Whose.
        wanted: Wanted,
        /// How many, as far as they were counted.
        count: usize,
        /// One of them.
        first: BrokerAddress,
        /// Another one.
        second: BrokerAddress,
    },
}

const REMEDY: &str = "say which one it is: `broker = \"mqtt://HOST:PORT\"` (mqtts:// with TLS) in the configuration file, or --broker";

/// The broker at `configured`, or else the one that announces `site`: with TLS, if there is `tls`, and without it if not.
/// Who knows whom to trust takes no other: or whoever announces something could have passwords sent in the clear.
///
/// # Errors
/// If it has to be looked for and is not found, or `tls` and what was configured don't go together.
pub async fn locate(
    configured: Option<BrokerAddress>,
    tls: Option<&Tls>,
    site: &SiteName,
) -> Result<BrokerAddress, DiscoveryError> {
    let address = match configured {
        Some(address) => address,
        None => {
            let listener = if tls.is_some() { Listener::Tls } else { Listener::Plain };
            let found = find_broker(site, listener, PATIENCE).await?;
            info!(broker = %found, %site, "found a broker that announces the site");
            found
        }
    };
    match tls {
        Some(tls) if address.is_tls() => Ok(address.trusting(tls.clone().of_site(site))),
        Some(_) => Err(DiscoveryError::NotEncrypted { broker: address }),
        None if address.is_tls() && address.tls().is_none() => {
            Err(DiscoveryError::Untrusted(TlsFault::NoAuthority))
        }
        None => Ok(address),
    }
}

/// As [`locate`], unless `over` resolves before: none then.
///
/// # Errors
/// If it has to be looked for and is not found.
pub async fn locate_unless(
    configured: Option<BrokerAddress>,
    tls: Option<&Tls>,
    site: &SiteName,
    over: Pin<&mut impl Future<Output = ()>>,
) -> Result<Option<BrokerAddress>, DiscoveryError> {
    tokio::select! {
        () = over => Ok(None),
        found = locate(configured, tls, site) => found.map(Some),
    }
}

/// Looks for `timeout` at most for the one broker that announces `site` and that `listener`.
///
/// # Errors
/// If there is none, more than one, or nothing can be heard at all.
pub async fn find_broker(
    site: &SiteName,
    listener: Listener,
    timeout: Duration,
) -> Result<BrokerAddress, DiscoveryError> {
    let search = Search::start(ServiceDaemon::new()?, listener)?;
    let found = find(search, Wanted::Site(site.clone()), timeout).await?;
    Ok(listener.address(found))
}

/// As [`find_broker`], for who knows no site yet and whom no listener has to prove itself to: one with TLS if there is one.
///
/// # Errors
/// If there is none, more than one, or nothing can be heard at all.
pub async fn find_any_broker(timeout: Duration) -> Result<BrokerAddress, DiscoveryError> {
    let look = async |listener| {
        find(Search::start(ServiceDaemon::new()?, listener)?, Wanted::AnySite, timeout).await
    };
    let (mut tls, mut plain) = (pin!(look(Listener::Tls)), pin!(look(Listener::Plain)));
    let found = tokio::select! {
        tls = &mut tls => match tls {
            Err(DiscoveryError::None { .. }) => plain.await,
            tls => tls.map(|found| Listener::Tls.address(found)),
        },
        plain = &mut plain => match tokio::time::timeout(OTHERS, tls).await {
            // Whoever announces both does so at the same time.
            Err(_) | Ok(Err(DiscoveryError::None { .. })) => plain,
            Ok(tls) => tls.map(|found| Listener::Tls.address(found)),
        },
    }?;
    info!(broker = %found, "found a broker");
    Ok(found)
}

async fn find(search: Search, wanted: Wanted, timeout: Duration) -> Result<BrokerAddress, DiscoveryError> {
    let deadline = Instant::now() + timeout;
    let (mut until, mut sightings) = (deadline, Sightings::of(wanted));
    // The channel ends, too, when more is announced than can be looked at: what was seen until then counts.
    while let Ok(Ok(event)) = timeout_at(until, search.events.recv_async()).await {
        match event {
            ServiceEvent::ServiceResolved(service) => sightings.see(&service),
            ServiceEvent::ServiceRemoved(_, instance) => sightings.lose(&instance),
            other => debug!(?other, "looking for a broker"),
        }
        until = match sightings.is_empty() {
            true => deadline,
            false => until.min(Instant::now() + OTHERS),
        };
    }
    sightings.verdict(timeout)
}

/// A thread that listens; it ends with this value.
struct Search {
    daemon: ServiceDaemon,
    events: mdns_sd::Receiver<ServiceEvent>,
}

impl Search {
    fn start(daemon: ServiceDaemon, listener: Listener) -> Result<Self, DiscoveryError> {
        match daemon.browse(listener.service_type()) {
            Ok(events) => Ok(Self { daemon, events }),
            Err(error) => {
                end(&daemon);
                Err(error.into())
            }
        }
    }
}

impl Drop for Search {
    fn drop(&mut self) {
        end(&self.daemon);
    }
}

/// Has the thread end. It reads orders one by one and gets no other one than this here, so its queue has room.
fn end(daemon: &ServiceDaemon) {
    if let Err(error) = daemon.shutdown() {
        debug!(%error, "the thread for multicast DNS");
    }
}

#[cfg(test)]
mod tests;
