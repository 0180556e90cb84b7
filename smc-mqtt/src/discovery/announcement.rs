//! A broker tells the network where it is.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use mdns_sd::{IfKind, ServiceDaemon, ServiceInfo};
use rand_core::Rng;
use smc_core::envelope::PROTOCOL_VERSION;
use smc_core::name::SiteName;

use super::{SITE_KEY, VERSION_KEY, end};
use crate::entropy::{self, NoEntropy};
use crate::settings::BrokerAddress;

/// How long it may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(1);

/// What a broker's port speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listener {
    /// MQTT over TCP.
    Plain,
    /// MQTT over TLS.
    Tls,
}

impl Listener {
    /// What it is called in multicast DNS.
    pub(super) fn service_type(self) -> &'static str {
        match self {
            Self::Plain => "_mqtt._tcp.local.",
            Self::Tls => "_secure-mqtt._tcp.local.",
        }
    }

    /// What was found as this, as an address.
    pub(super) fn address(self, found: BrokerAddress) -> BrokerAddress {
        match self {
            Self::Plain => found,
            Self::Tls => found.with_tls(),
        }
    }
}

/// Why a broker can't announce itself.
#[derive(Debug, thiserror::Error)]
pub enum AnnouncementError {
    /// There is no entropy.
    #[error(transparent)]
    Entropy(#[from] NoEntropy),
    /// The operating system gives no thread or no sockets.
    #[error("can't announce the broker by multicast DNS: {0}")]
    Multicast(#[from] mdns_sd::Error),
}

/// A broker that is announced, by a thread of its own, until [`Announcement::end`] or the end of this value.
pub struct Announcement {
    daemon: ServiceDaemon,
}

impl std::fmt::Debug for Announcement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Announcement")
    }
}

impl Announcement {
    /// Announces that a broker of `site` listens at `address`: where that is reachable, so on the loopback interface
    /// alone if it listens there alone.
    ///
    /// # Errors
    /// Without entropy or a thread. Interfaces without multicast are left out.
    pub fn start(
        site: &SiteName,
        listener: Listener,
        address: SocketAddr,
    ) -> Result<Self, AnnouncementError> {
        Self::by(ServiceDaemon::new()?, site, listener, address)
    }

    pub(super) fn by(
        daemon: ServiceDaemon,
        site: &SiteName,
        listener: Listener,
        address: SocketAddr,
    ) -> Result<Self, AnnouncementError> {
        let announcement = Self { daemon };
        let interfaces = interfaces(address.ip());
        announcement.daemon.disable_interface(IfKind::All)?;
        announcement.daemon.enable_interface(interfaces.clone())?;
        let mut service = service(site, listener, address)?;
        service.set_interfaces(interfaces);
        announcement.daemon.register(service)?;
        Ok(announcement)
    }

    /// Says goodbye, so that nobody goes on looking for the broker here.
    pub async fn end(self) {
        if let Ok(ended) = self.daemon.shutdown() {
            // Whoever does not hear it forgets the announcement two minutes later.
            let _ = tokio::time::timeout(GOODBYE, ended.recv_async()).await;
        }
    }
}

impl Drop for Announcement {
    fn drop(&mut self) {
        end(&self.daemon);
    }
}

/// Where an address that is listened on is reachable.
fn interfaces(listened: IpAddr) -> Vec<IfKind> {
    match listened {
        IpAddr::V4(ip) if ip.is_loopback() => vec![IfKind::LoopbackV4],
        IpAddr::V6(ip) if ip.is_loopback() => vec![IfKind::LoopbackV6],
        IpAddr::V4(ip) if ip.is_unspecified() => vec![IfKind::IPv4],
        // On Linux it takes IPv4, too.
        IpAddr::V6(ip) if ip.is_unspecified() => vec![IfKind::All],
        ip => vec![IfKind::Addr(ip)],
    }
}

/// Instance and host are called like nothing else is: so nobody has to be asked whether the names are free, and the
/// names that the machine has in multicast DNS stay its own.
fn service(
    site: &SiteName,
    listener: Listener,
    address: SocketAddr,
) -> Result<ServiceInfo, AnnouncementError> {
    let name = format!("murmur-{:016x}", entropy::rng()?.next_u64());
    let host = format!("{name}.local.");
    let version = PROTOCOL_VERSION.to_string();
    let text = [(SITE_KEY, site.as_str()), (VERSION_KEY, &version)];
    let (kind, port) = (listener.service_type(), address.port());
    let mut service = match address.ip() {
        ip if ip.is_unspecified() => {
            ServiceInfo::new(kind, &name, &host, (), port, &text[..])?.enable_addr_auto()
        }
        ip => ServiceInfo::new(kind, &name, &host, ip, port, &text[..])?,
    };
    service.set_requires_probe(false);
    Ok(service)
}
