//! `murmur bench door`: how long other clients' messages take while somebody is at the broker's door who means harm; beside
//! the same without.

mod attack;

use std::fmt;
use std::time::{Duration, Instant};

use serde::Serialize;
use smc_core::name::NodeName;
use smc_core::roster::Span;
use smc_mqtt::entropy;
use smc_mqtt::process;
use smc_mqtt::settings::{ConnectionSettings, Login, Secret};
use smc_mqtt::topic::{Topic, Topics};
use tokio::time::sleep_until;

use self::attack::{Attack, Target};
use super::BenchError;
use super::child::{Child, ChildError};
use super::echo::Echo;
use super::figures::Machine;
use super::role::{Role, address};
use super::setup::Setup;
use crate::percentiles::{Percentiles, percentiles};
use crate::stage::OBSERVER;

/// Between two messages of the client that is measured.
const PAUSE: Duration = Duration::from_millis(5);
/// How large they are: as a share of a few streams.
const MESSAGE_BYTES: usize = 1_000;
/// The least agents that a site may have; two of them are used.
const AGENTS: usize = 5;

/// The whole report; `--json` prints it.
#[derive(Debug, Serialize)]
pub(crate) struct DoorReport {
    machine: Machine,
    seconds_each: f64,
    message_bytes: usize,
    /// A message there and back while nobody attacks.
    quiet_ms: Percentiles,
    attacks: Vec<Attacked>,
    /// What the broker holds after all of it.
    broker_rss_mib: f64,
}

/// What an attack did to others.
#[derive(Debug, Serialize)]
struct Attacked {
    attack: &'static str,
    /// How often the attackers did what they do.
    times: u64,
    round_trip_ms: Percentiles,
    /// The 99th percentile, in those of the quiet time.
    p99_ratio: f64,
}

/// Measures a quiet time and each attack for so long. Says what it does on standard error.
pub(crate) async fn door(each: Duration) -> Result<DoorReport, BenchError> {
    tokio::select! {
        report = measure(each) => report,
        () = process::asked_to_end() => Err(BenchError::Interrupted),
    }
}

async fn measure(each: Duration) -> Result<DoorReport, BenchError> {
    let mut setup = site()?;
    let mut broker = Child::start(Role::Broker, &setup).await?;
    setup.broker = Some(broker.ready().await?.parse().map_err(|_| ChildError::Garbled)?);
    let target = target(&setup)?;
    let mut caller = Caller::connect(&setup).await?;
    eprintln!("quiet");
    let mut quiet = caller.call_for(each).await?;
    let quiet_ms = percentiles(&mut quiet);
    let mut attacks = Vec::new();
    for attack in Attack::ALL {
        eprintln!("{attack}");
        let running = attack.start(&target).await?;
        let called = caller.call_for(each).await;
        let times = running.end().await;
        let round_trip_ms = percentiles(&mut called?);
        let p99_ratio = round_trip_ms.p99 / quiet_ms.p99;
        attacks.push(Attacked { attack: attack.name(), times, round_trip_ms, p99_ratio });
    }
    let broker_rss_mib = broker.rss_mib();
    caller.echo.close().await;
    broker.stop().await?;
    let (machine, seconds_each) = (Machine::here(), each.as_secs_f64());
    Ok(DoorReport { machine, seconds_each, message_bytes: MESSAGE_BYTES, quiet_ms, attacks, broker_rss_mib })
}

/// The smallest site, of which the broker alone runs.
fn site() -> Result<Setup, BenchError> {
    Ok(Setup {
        agents: AGENTS,
        period: Span::from_secs(10),
        grace: Span::from_secs(1),
        seed: super::setup::fresh_seed(&mut entropy::rng()?),
        ..Setup::default()
    })
}

/// The broker, with the logins of an agent that turned hostile and of those who look on.
fn target(setup: &Setup) -> Result<Target, BenchError> {
    let mut cast = setup.cast()?;
    let missing = || BenchError::Setup("no such agent".to_owned());
    let agent = cast.roster.agents().get(1).ok_or_else(missing)?.node.name.clone();
    let secrets = cast.secrets.remove(&agent).ok_or_else(missing)?;
    let (_, peer) = cast.roster.peers().next().ok_or_else(missing)?;
    let topics = Topics::new(cast.roster.site().clone());
    let share = topics.spell(&Topic::Share { to: peer.name.clone(), from: agent.clone() });
    Ok(Target {
        broker: setup.broker.ok_or_else(|| BenchError::Setup("no broker".to_owned()))?,
        everything: topics.everything(),
        status: topics.spell(&Topic::Status { node: agent.clone() }),
        agent: login(&agent, secrets.password),
        reader: Login { user: OBSERVER.to_owned(), password: cast.observer },
        share,
    })
}

fn login(node: &NodeName, password: Secret) -> Login {
    Login { user: node.to_string(), password }
}

/// An honest agent, which sends itself messages.
struct Caller {
    echo: Echo,
    topic: String,
}

impl Caller {
    async fn connect(setup: &Setup) -> Result<Self, BenchError> {
        let mut cast = setup.cast()?;
        let missing = || BenchError::Setup("no such agent".to_owned());
        let agent = cast.roster.agents().first().ok_or_else(missing)?.node.name.clone();
        let password = cast.secrets.remove(&agent).ok_or_else(missing)?.password;
        let topics = Topics::new(cast.roster.site().clone());
        let topic = topics.spell(&Topic::Control { agent: agent.clone() });
        let login = Some(login(&agent, password));
        let settings =
            ConnectionSettings { login, ..ConnectionSettings::new(address(setup)?, agent.to_string()) };
        Ok(Self { echo: Echo::connect(settings, topic.clone()).await?, topic })
    }

    /// Messages there and back for so long: how many milliseconds each takes.
    async fn call_for(&mut self, span: Duration) -> Result<Vec<f64>, BenchError> {
        let (end, mut took) = (Instant::now() + span, Vec::new());
        while Instant::now() < end {
            let sent = Instant::now();
            took.push(self.echo.call(self.topic.clone(), vec![b'x'; MESSAGE_BYTES]).await?);
            sleep_until((sent + PAUSE).into()).await;
        }
        Ok(took)
    }
}

impl fmt::Display for DoorReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "a message of {} bytes to the broker and back, {} s each",
            self.message_bytes, self.seconds_each
        )?;
        writeln!(f, "{:<60}{:>9}{:>9}{:>9}{:>9}", "", "times", "p50 ms", "p99 ms", "p99 by")?;
        let Percentiles { p50, p99 } = self.quiet_ms;
        writeln!(f, "{:<60}{:>9}{p50:>9.2}{p99:>9.2}{:>9}", "nobody else", "", "")?;
        for Attacked { attack, times, round_trip_ms, p99_ratio } in &self.attacks {
            let Percentiles { p50, p99 } = round_trip_ms;
            writeln!(f, "{attack:<60}{times:>9}{p50:>9.2}{p99:>9.2}{p99_ratio:>9.2}")?;
        }
        write!(f, "the broker holds {:.1} MiB after it", self.broker_rss_mib)
    }
}
