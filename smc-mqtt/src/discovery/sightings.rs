//! Who announced the site. All of it was written by others and may be a lie.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use mdns_sd::{ResolvedService, ScopedIp};
use smc_core::envelope::PROTOCOL_VERSION;
use smc_core::name::SiteName;
use tracing::debug;

use super::{DiscoveryError, SITE_KEY, VERSION_KEY, Wanted};
use crate::settings::BrokerAddress;

/// How many instances are kept; two are too many already.
const MAX_INSTANCES: usize = 16;
/// How many addresses of an instance are looked at.
const MAX_ADDRESSES: usize = 16;
/// The interface from which only this machine can be heard.
const LOOPBACK: &str = "lo";

/// The brokers that announce what is wanted, by instance.
pub(super) struct Sightings {
    wanted: Wanted,
    version: String,
    instances: BTreeMap<String, BTreeSet<Place>>,
    overlooked: u64,
}

/// An address of a broker; the better one is the lesser one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    nearness: Nearness,
    host: String,
    port: u16,
}

/// In the order in which they are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Nearness {
    ThisMachine,
    V4,
    V6,
    LinkLocal,
}

impl Sightings {
    pub(super) fn of(wanted: Wanted) -> Self {
        Self { wanted, version: PROTOCOL_VERSION.to_string(), instances: BTreeMap::new(), overlooked: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.instances.is_empty()
    }

    /// Takes an announcement in, if it is one of the site and can be used. A later one of an instance replaces the earlier.
    pub(super) fn see(&mut self, service: &ResolvedService) {
        let says = |key| service.get_property_val(key).flatten();
        if !says(SITE_KEY).is_some_and(|site| self.wanted.is(site)) {
            debug!(instance = service.get_fullname(), "announces another site or none");
            return;
        }
        let port = service.get_port();
        let places: BTreeSet<Place> =
            service.get_addresses().iter().take(MAX_ADDRESSES).filter_map(|ip| place(ip, port)).collect();
        let known = self.instances.contains_key(service.get_fullname());
        let fits = says(VERSION_KEY) == Some(self.version.as_bytes()) && port != 0 && !places.is_empty();
        if !fits || (!known && self.instances.len() >= MAX_INSTANCES) {
            self.overlooked = self.overlooked.saturating_add(1);
            return;
        }
        self.instances.insert(service.get_fullname().to_owned(), places);
    }

    /// An instance said goodbye.
    pub(super) fn lose(&mut self, instance: &str) {
        self.instances.remove(instance);
    }

    /// The one broker, if there is one. Instances that share an address are one broker.
    pub(super) fn verdict(self, waited: Duration) -> Result<BrokerAddress, DiscoveryError> {
        let Self { wanted, instances, overlooked, .. } = self;
        let brokers = merged(instances.into_values());
        let mut addresses = brokers.iter().filter_map(|places| places.first().and_then(Place::address));
        match (addresses.next(), addresses.next()) {
            (None, _) => Err(DiscoveryError::None { wanted, waited, overlooked }),
            (Some(only), None) => Ok(only),
            (Some(first), Some(second)) => {
                Err(DiscoveryError::Several { wanted, count: brokers.len(), first, second })
            }
        }
    }
}

impl Wanted {
    fn is(&self, announced: &[u8]) -> bool {
        match self {
            Self::AnySite => {
                std::str::from_utf8(announced).is_ok_and(|name| name.parse::<SiteName>().is_ok())
            }
            Self::Site(site) => announced == site.as_str().as_bytes(),
        }
    }
}

impl Place {
    fn address(&self) -> Option<BrokerAddress> {
        BrokerAddress::new(&self.host, self.port).ok()
    }
}

/// Sets that overlap become one.
fn merged(instances: impl Iterator<Item = BTreeSet<Place>>) -> Vec<BTreeSet<Place>> {
    instances.fold(Vec::new(), |brokers, mut places| {
        let (same, mut others): (Vec<_>, Vec<_>) =
            brokers.into_iter().partition(|broker: &BTreeSet<Place>| !broker.is_disjoint(&places));
        places.extend(same.into_iter().flatten());
        others.push(places);
        others
    })
}

/// Where an announced address leads, if it leads to one machine. An address of the loopback interface counts if it was
/// heard there: from elsewhere it would have this machine talk to itself.
fn place(address: &ScopedIp, port: u16) -> Option<Place> {
    let (heard_here, scope) = match address {
        ScopedIp::V4(v4) => (v4.interface_ids().iter().any(|id| id.name == LOOPBACK), ""),
        ScopedIp::V6(v6) => (v6.scope_id().name == LOOPBACK, v6.scope_id().name.as_str()),
        _ => return None,
    };
    let ip = address.to_ip_addr();
    let nearness = match ip {
        ip if ip.is_unspecified() || ip.is_multicast() => return None,
        ip if ip.is_loopback() && !heard_here => return None,
        ip if ip.is_loopback() => Nearness::ThisMachine,
        IpAddr::V4(ip) if ip.is_broadcast() => return None,
        IpAddr::V4(_) => Nearness::V4,
        IpAddr::V6(ip) if ip.is_unicast_link_local() && scope.is_empty() => return None,
        IpAddr::V6(ip) if ip.is_unicast_link_local() => Nearness::LinkLocal,
        // ::ffff:a.b.c.d would be a second name of an address of IPv4.
        IpAddr::V6(ip) if ip.to_ipv4_mapped().is_some() => return None,
        IpAddr::V6(_) => Nearness::V6,
    };
    let host = match nearness {
        Nearness::LinkLocal => format!("{ip}%{scope}"),
        _ => ip.to_string(),
    };
    Some(Place { nearness, host, port })
}
