//! All that runs, and what can be done to it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use smc_core::time::Timestamp;
use smc_mqtt::settings::{BrokerAddress, ConnectionSettings, Login};
use smc_mqtt::topic::Topics;
use tokio::sync::watch;
use tokio::time::sleep;

use super::disk::Disk;
use super::fault::{Fault, Kind, Target, Way};
use super::fleet::{Fleet, Order};
use super::hostile::Hostile;
use super::proxy::{Link, Mode};
use super::site::{BROKER, Site};
use super::{SoakError, SoakOptions};
use crate::stage::OBSERVER;

/// A site at work. Its parts are dropped in this order: the processes before what they use.
pub(super) struct World {
    fleet: Fleet,
    links: BTreeMap<String, Link>,
    disks: BTreeMap<String, Disk>,
    pub(super) site: Site,
    /// Why no disk can be filled, if none can.
    pub(super) no_disks: Option<String>,
}

impl World {
    /// Makes a site in `folder` and starts its processes; agents have readings for `span`.
    pub(super) async fn start(
        folder: &Path,
        options: &SoakOptions,
        now: Timestamp,
        span: Duration,
    ) -> Result<Self, SoakError> {
        let site = Site::make(folder, options)?;
        let (disks, no_disks) = match options.mounts.clone().and_then(|()| disks(&site)) {
            Ok(disks) => (disks, None),
            Err(why) => (BTreeMap::new(), Some(why)),
        };
        let (address, broker) = watch::channel(None);
        let mut links = BTreeMap::new();
        let (peers, agents) = (site.peers(), site.agents());
        for node in peers.iter().chain(&agents) {
            let link = Link::open(broker.clone()).await.map_err(SoakError::Proxy)?;
            site.connect(node, link.address())?;
            links.insert(node.to_string(), link);
        }
        let link = Link::open(broker).await.map_err(SoakError::Proxy)?;
        links.insert(OBSERVER.to_owned(), link);
        for (place, agent) in agents.iter().enumerate() {
            site.feed(place, agent, now, span)?;
        }
        let mut fleet = Fleet::launch(&site, address);
        for node in agents.iter().chain(&peers) {
            fleet.start(&site, node.as_str());
        }
        Ok(Self { fleet, links, disks, site, no_disks })
    }

    pub(super) fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    /// How an observer connects: over a link of its own, which nothing ever happens to.
    pub(super) fn observer(&self) -> Result<ConnectionSettings, SoakError> {
        let link = self.links.get(OBSERVER).map(Link::address).ok_or(SoakError::Observer)?;
        let broker =
            BrokerAddress::new(&link.ip().to_string(), link.port()).map_err(|_| SoakError::Observer)?;
        let login = Login { user: OBSERVER.to_owned(), password: self.site.observer()?.into() };
        Ok(ConnectionSettings { login: Some(login), ..ConnectionSettings::new(broker, OBSERVER) })
    }

    /// Does all of this at once, and undoes it; resolves when the last is undone.
    pub(super) async fn inflict(&self, faults: &[Fault]) -> Result<(), SoakError> {
        match faults {
            [] => Ok(()),
            [first, rest @ ..] => {
                tokio::try_join!(self.inflict_one(first), Box::pin(self.inflict(rest))).map(|_| ())
            }
        }
    }

    async fn inflict_one(&self, fault: &Fault) -> Result<(), SoakError> {
        let span = self.site.period.as_duration() * fault.windows;
        match fault.way.0 {
            Kind::Kill => self.between(&fault.nodes, Order::Kill, span, Order::Start).await,
            Kind::Stop => self.between(&fault.nodes, Order::Stop, span, Order::Continue).await,
            Kind::Restart => self.between(&fault.nodes, Order::End, span, Order::Start).await,
            Kind::Cut => self.link(&fault.nodes, Mode::Cut, span).await,
            Kind::Delay => self.link(&fault.nodes, Mode::Delayed(fault.delay), span).await,
            Kind::Silence => self.link(&fault.nodes, Mode::Silent, span).await,
            Kind::Flood | Kind::Garbage => return self.harm(fault, span).await,
            Kind::Disk => return self.disk(&fault.nodes, span).await,
        }
        Ok(())
    }

    async fn between(&self, nodes: &[String], first: Order, span: Duration, then: Order) {
        self.fleet.order(nodes, first).await;
        sleep(span).await;
        self.fleet.order(nodes, then).await;
    }

    /// Of everybody, if no nodes are named.
    async fn link(&self, nodes: &[String], mode: Mode, span: Duration) {
        let hit = |name: &str| {
            if nodes.is_empty() { name != OBSERVER } else { nodes.iter().any(|node| node == name) }
        };
        let links: Vec<_> = self.links.iter().filter(|(name, _)| hit(name)).map(|(_, link)| link).collect();
        links.iter().for_each(|link| link.set(mode));
        sleep(span).await;
        links.iter().for_each(|link| link.set(Mode::Open));
    }

    async fn harm(&self, fault: &Fault, span: Duration) -> Result<(), SoakError> {
        let (Some(node), Some(broker)) = (fault.nodes.first(), self.fleet.broker()) else {
            // Whoever took the broker away did harm enough.
            sleep(span).await;
            return Ok(());
        };
        let node = node.parse().map_err(super::site::SiteError::from)?;
        let hostile = Hostile {
            broker,
            topics: Topics::new(self.site.roster.site().clone()),
            secrets: self.site.secrets(&node)?,
            peers: self.site.peers(),
            seed: self.site.table.seed,
        };
        match fault.way {
            Way(Kind::Flood, _) => hostile.flood(span).await,
            Way(_, Target::Broker) => hostile.babble(span).await,
            _ => hostile.garble(span).await,
        }
        Ok(())
    }

    async fn disk(&self, nodes: &[String], span: Duration) -> Result<(), SoakError> {
        let disks = || nodes.iter().filter_map(|node| self.disks.get(node));
        disks().try_for_each(Disk::fill).map_err(SoakError::Disk)?;
        sleep(span).await;
        disks().try_for_each(Disk::free).map_err(SoakError::Disk)
    }
}

/// A disk for everybody who keeps a state.
fn disks(site: &Site) -> Result<BTreeMap<String, Disk>, String> {
    let names = site.peers().into_iter().map(|peer| peer.to_string()).chain([BROKER.to_owned()]);
    let mount = |name: String| {
        let disk = Disk::mount(&site.state(&name))
            .map_err(|error| format!("no tmpfs can be mounted here: {error}"))?;
        Ok((name, disk))
    };
    names.map(mount).collect()
}
