//! Plays the points of an assessment: a whole site on the hosts of a laboratory, every role a process of its own.

mod company;
mod mosquitto;
mod plan;
mod readout;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::SocketAddr;
use std::time::Duration;

use assessment::lab::{Host, Lab, Limits};
use assessment::{BrokerKind, Observation, Parameters, PlayError, Run, Stage};
use smc_core::time::{Timestamp, WindowIndex};
use smc_mqtt::clock::Clock;

use self::company::{Company, Place};
pub(crate) use self::mosquitto::program as mosquitto_program;
use self::plan::Plan;
use self::readout::{Readout, Sample};
use crate::bench::Role;
use crate::bench::said::Said;

/// Where brokers listen, on their own host.
const PORT: u16 = 1883;
/// How long nodes may take until all are online.
const START: Duration = Duration::from_secs(120);
/// How many windows may pass until all readings are in one, beyond those that are to pass anyway.
const SETTLING: u32 = 15;
/// How long a result may be late, beyond ten windows.
const LATE: Duration = Duration::from_secs(20);

/// Plays this system and the plain baseline. Its hosts are made once, and play in every point.
#[derive(Debug, Default)]
pub(crate) struct Sites {
    hosts: BTreeMap<String, Host>,
}

impl Stage<Lab> for Sites {
    async fn play(
        &mut self,
        lab: &mut Lab,
        point: &Parameters,
        run: &Run,
    ) -> Result<Vec<Observation>, PlayError> {
        let plan = Plan::new(lab, point, run)?;
        for name in plan.hosts() {
            if let Entry::Vacant(free) = self.hosts.entry(name) {
                let host = lab.host(free.key()).await.map_err(|error| setup(free.key(), &error))?;
                free.insert(host);
            }
        }
        let mut site = Site { plan, hosts: &self.hosts, company: Company::new(), clock: Clock::system() };
        let measured = site.measure().await;
        // What failed is told first: a company that can't part may be the consequence.
        let parted = site.company.part().await;
        let observations = measured?;
        parted?;
        Ok(observations)
    }
}

/// A site that plays one point.
struct Site<'a> {
    plan: Plan,
    hosts: &'a BTreeMap<String, Host>,
    company: Company,
    clock: Clock,
}

impl<'a> Site<'a> {
    async fn measure(&mut self) -> Result<Vec<Observation>, PlayError> {
        self.open().await?;
        let first = self.settle().await?;
        let (period, windows) = (self.plan.period, u64::from(self.plan.windows));
        let after = WindowIndex(first.0 + windows);
        self.until(period.start(first)).await?;
        let before = self.sample().await?;
        // As many windows later, to the instant: what adds up in between is of so many windows.
        self.until(period.start(after)).await?;
        let then = self.sample().await?;
        self.finish(after).await?;
        let readout = Readout { plan: &self.plan, first, before: &before, after: &then };
        readout.observations(self.company.actors())
    }

    /// Broker, onlooker and agents first: a cohort is frozen with its first window.
    async fn open(&mut self) -> Result<(), PlayError> {
        self.start_broker().await?;
        self.start(Role::Lookout, "lookout", &Limits::NONE).await?;
        let limits = self.plan.limits;
        let (senders, receivers) = self.plan.roles();
        self.start(senders, "agents", &limits).await?;
        let agents = self.plan.setup.agents;
        self.online(agents).await?;
        for (number, receiver) in receivers.iter().enumerate() {
            self.start(*receiver, &plan::peer_host(number), &limits).await?;
        }
        self.online(agents + receivers.len()).await
    }

    async fn start_broker(&mut self) -> Result<(), PlayError> {
        let host = self.host("broker")?;
        let listen = SocketAddr::new(host.address(), PORT);
        self.plan.setup.listen = listen;
        self.plan.prepare_tls()?;
        let limits = self.plan.limits;
        match self.plan.broker {
            BrokerKind::Embedded => self.start(Role::Broker, "broker", &limits).await,
            BrokerKind::Mosquitto => {
                let command = mosquitto::command(&self.plan, listen)?;
                let place = Place { host, limits: &limits };
                self.company.start_foreign("broker", &place, command).await?;
                mosquitto::listening(&self.plan, host, listen).await
            }
        }
    }

    async fn start(&mut self, role: Role, name: &str, limits: &Limits) -> Result<(), PlayError> {
        let host = self.host(name)?;
        let mut told = self.plan.setup.clone();
        if role != Role::Broker {
            let reached = host.reach(self.plan.setup.listen).map_err(|error| setup(name, &error))?;
            told.broker = Some(reached);
        }
        let place = Place { host, limits };
        self.company.start(role, name, &place, &told).await
    }

    /// Waits until so many nodes are online.
    async fn online(&mut self, nodes: usize) -> Result<(), PlayError> {
        let mut have = 0;
        let enough = |said: &Said| {
            if let Said::Online(online) = said {
                have = *online;
            }
            have >= nodes
        };
        if self.company.hear_until(enough, START).await? {
            return Ok(());
        }
        let what = format!("after {} s only {have} of {nodes} nodes are online", START.as_secs());
        Err(PlayError::Setup { what: "the site".to_owned(), why: what })
    }

    /// Waits until results have all readings, and for the warm-up before; the window from which on is measured.
    async fn settle(&mut self) -> Result<WindowIndex, PlayError> {
        let (warm_up, all) = (self.plan.warm_up, self.plan.readings());
        let (mut results, mut newest) = (0, None);
        let settled = |said: &Said| {
            let Said::Result(seen) = said else { return false };
            // Of sessions in parallel, each says one.
            if newest < Some(seen.window) {
                newest = Some(seen.window);
                results += 1;
            }
            let whole = seen.ok && seen.readings >= all;
            (results > warm_up && whole) || results > warm_up + SETTLING
        };
        let limit = self.plan.setup.period.get() * (warm_up + SETTLING + 10) + LATE;
        let heard = self.company.hear_until(settled, limit).await?;
        // The window that runs has begun, and the one that closes now is half over.
        newest.filter(|_| heard).map(|window| WindowIndex(window.0 + 3)).ok_or(PlayError::Stalled {
            have: 0,
            wanted: self.plan.windows,
            seconds: limit.as_secs(),
        })
    }

    /// Waits for an instant, and hears what is said meanwhile.
    async fn until(&mut self, instant: Timestamp) -> Result<(), PlayError> {
        let wait = instant.since(self.clock.now());
        self.company.hear_until(|_| false, wait).await.map(drop)
    }

    /// Waits for the result of the window `after` the measured ones, with which all that is to be said of these is said; not
    /// for ever, as it may be lost.
    async fn finish(&mut self, after: WindowIndex) -> Result<(), PlayError> {
        let period = self.plan.setup.period.get();
        let limit = self.plan.setup.grace.get() + period * 10 + LATE;
        let last = |said: &Said| matches!(said, Said::Result(seen) if seen.window >= after);
        self.company.hear_until(last, limit).await.map(drop)
    }

    /// What everybody has used and carried until now.
    async fn sample(&mut self) -> Result<Sample, PlayError> {
        let nodes = self.company.look().await?;
        let mut wires = BTreeMap::new();
        for name in self.plan.hosts() {
            let wire = self.host(&name)?.wire().map_err(|error| setup(&name, &error))?;
            wires.insert(name, wire);
        }
        Ok(Sample { nodes, wires })
    }

    fn host(&self, name: &str) -> Result<&'a Host, PlayError> {
        self.hosts.get(name).ok_or_else(|| setup(name, &"no such host"))
    }
}

/// Something could not be made.
fn setup(what: &str, why: &impl std::fmt::Display) -> PlayError {
    PlayError::Setup { what: what.to_owned(), why: why.to_string() }
}
