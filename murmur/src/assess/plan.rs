//! From a point's parameters to a site.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use assessment::lab::{Lab, Limits};
use assessment::rehearsal;
use assessment::{BrokerKind, Parameters, PlayError, Run, Subject};
use smc_core::function::{Entry, FunctionError};
use smc_core::roster::Span;
use smc_core::roster::document::QueryTable;
use smc_core::shamir::PeerIndex;
use smc_core::time::Period;
use smc_mqtt::files;

use super::setup;
use crate::bench::{self, Plain, Role, Setup, TlsPaths};
use crate::command::site::Authority;
use crate::stage::Cast;

/// What is allowed for the way of shares, where nothing delays them.
const GRACE: Duration = Duration::from_millis(100);
/// What a lost packet costs TCP, at least: its shortest wait for an acknowledgement, twice.
const RETRANSMISSION: Duration = Duration::from_millis(400);

/// A site that is to play a point.
pub(super) struct Plan {
    pub(super) setup: Setup,
    /// The site, with everybody's keys.
    pub(super) cast: Cast,
    pub(super) subject: Subject,
    pub(super) broker: BrokerKind,
    pub(super) limits: Limits,
    pub(super) period: Period,
    pub(super) warm_up: u32,
    pub(super) windows: u32,
    /// Where its files go.
    pub(super) folder: PathBuf,
    tls: bool,
}

impl Plan {
    pub(super) fn new(lab: &Lab, point: &Parameters, run: &Run) -> Result<Self, PlayError> {
        let (mut setup, cast) = site(point, run)?;
        let period = Period::try_from(setup.period).map_err(|error| impossible(&error))?;
        let folder = lab.folder().join(format!("site-{}", run.seed));
        std::fs::create_dir_all(&folder).map_err(|error| super::setup(&folder.to_string_lossy(), &error))?;
        setup.state_dir = Some(folder.join("state"));
        Ok(Self {
            setup,
            cast,
            subject: run.subject,
            broker: point.broker,
            limits: Limits::from(point),
            period,
            warm_up: run.warm_up,
            windows: run.windows,
            folder,
            tls: point.tls,
        })
    }

    /// How many readings a window has.
    pub(super) fn readings(&self) -> u64 {
        (self.setup.agents * self.setup.streams) as u64
    }

    /// All hosts that it takes.
    pub(super) fn hosts(&self) -> Vec<String> {
        let (_, receivers) = self.roles();
        let peers = (0..receivers.len()).map(peer_host);
        ["broker", "lookout", "agents"].map(str::to_owned).into_iter().chain(peers).collect()
    }

    /// Who sends readings, and who takes them.
    pub(super) fn roles(&self) -> (Role, Vec<Role>) {
        let indices = (1..=self.setup.peers).filter_map(|number| PeerIndex::new(number).ok());
        match self.subject {
            Subject::PlainMqtt => (Role::Publishers, indices.take(1).map(Role::Subscriber).collect()),
            Subject::Murmuration | Subject::Mpyc => (Role::Agents, indices.map(Role::Peer).collect()),
        }
    }

    /// Makes the broker's certificate, if there is to be one: for the address where it listens.
    pub(super) fn prepare_tls(&mut self) -> Result<(), PlayError> {
        if !self.tls {
            return Ok(());
        }
        let failed = |error: &dyn std::fmt::Display| setup("the broker's certificate", &error.to_string());
        let site = self.cast.roster.site();
        let (authority, now) = (Authority::draw(site).map_err(|error| failed(&error))?, SystemTime::now());
        let issued = authority.issue(&[self.setup.listen.ip().to_string()], now);
        let issued = issued.map_err(|error| failed(&error))?;
        let ca = authority.certificate(now).map_err(|error| failed(&error))?;
        let keep = |name: &str, text: &str| -> Result<PathBuf, PlayError> {
            let path = self.folder.join(name);
            files::replace_secret(&path, text.as_bytes()).map_err(|error| failed(&error))?;
            Ok(path)
        };
        self.setup.tls = Some(TlsPaths {
            ca: keep("ca.crt", &ca)?,
            certificate: keep("broker.crt", &issued.certificate)?,
            key: keep("broker.key", issued.key.reveal())?,
        });
        Ok(())
    }
}

/// The site that a point asks for, and its nodes. Whatever its roster refuses is told before anything runs.
fn site(point: &Parameters, run: &Run) -> Result<(Setup, Cast), PlayError> {
    let setup = Setup {
        agents: point.agents as usize,
        streams: point.streams as usize,
        peers: point.peers,
        threshold: point.threshold,
        period: Span::new(run.period),
        grace: Span::new(grace(point)),
        windows: u64::from(run.windows),
        query: Some(query(point)?),
        seed: run.seed,
        bits: point.bits,
        elements: point.batch,
        sessions: point.sessions,
        plain: Plain::Bare,
        observed: true,
        ..Setup::default()
    };
    let cast = setup.cast().map_err(|error| impossible(&error))?;
    Ok((setup, cast))
}

/// What is asked: the function as the model counts it.
fn query(point: &Parameters) -> Result<QueryTable, PlayError> {
    let entry = Entry::named(&point.function);
    let entry = entry.ok_or_else(|| impossible(&FunctionError::Unknown(point.function.clone())))?;
    let example = rehearsal::example(entry, point.bits.into()).map_err(|error| impossible(&error))?;
    bench::asked(example).map_err(|error| impossible(&error))
}

impl Drop for Plan {
    fn drop(&mut self) {
        // The laboratory's folder goes at the end; a long sweep is not to fill the disk before.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The host of the peer, or subscriber, with this number from 0.
pub(super) fn peer_host(number: usize) -> String {
    format!("peer-{}", number + 1)
}

/// How long shares may be under way: through the broker, to and fro once more if packets are lost.
fn grace(point: &Parameters) -> Duration {
    let hop = Duration::from_secs_f64((point.latency_ms + point.jitter_ms).max(0.0) / 1e3);
    let lost = if point.loss_percent > 0.0 { 2 * RETRANSMISSION + 4 * hop } else { Duration::ZERO };
    GRACE + 3 * hop + lost
}

fn impossible(why: &impl std::fmt::Display) -> PlayError {
    PlayError::Impossible(why.to_string())
}

#[cfg(test)]
mod tests {
    use smc_core::function::catalogue;

    use super::*;

    fn run() -> Run {
        let (subject, period) = (Subject::Murmuration, Duration::from_secs(1));
        Run { subject, repetition: 0, seed: 1, warm_up: 1, windows: 1, period }
    }

    #[test]
    fn every_function_has_a_site_that_can_play_it() {
        for entry in catalogue() {
            // No function takes fewer steps of a quantity than 2^10.
            let function = entry.name.to_owned();
            let point = Parameters { function, bits: 10, agents: 5, ..Parameters::default() };
            let (setup, cast) =
                site(&point, &run()).unwrap_or_else(|error| panic!("{}: {error}", entry.name));
            let (_, query) = cast.roster.queries().next().unwrap();
            let quantities = if query.with.is_some() { 2 } else { 1 };
            assert_eq!(setup.agent_streams().unwrap().len(), quantities, "{}", entry.name);
        }
    }

    #[test]
    fn a_cohort_is_no_larger_than_the_site() {
        let point = Parameters { agents: 3, ..Parameters::default() };
        assert!(site(&point, &run()).is_ok());
    }

    #[test]
    fn shares_are_waited_for_as_long_as_links_and_losses_may_take() {
        let point = Parameters { latency_ms: 0.0, ..Parameters::default() };
        assert_eq!(grace(&point), GRACE);
        let slow = Parameters { latency_ms: 40.0, jitter_ms: 10.0, ..Parameters::default() };
        assert_eq!(grace(&slow), GRACE + Duration::from_millis(150));
        let lossy = Parameters { loss_percent: 1.0, ..slow };
        assert_eq!(grace(&lossy), GRACE + Duration::from_millis(150 + 800 + 200));
    }
}
