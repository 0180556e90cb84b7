//! How long a newcomer takes to join by a code, from entering it to knowing that the peers have signed.

use std::fmt;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use broker::Broker;
use broker::settings::Settings;
use serde::Serialize;
use serde_json::Value;
use smc_core::name::NodeName;
use smc_core::pairing::{InvitedAs, Outcome, PairingCode};
use smc_mqtt::clock::Clock;
use smc_mqtt::config::KeyFile;
use smc_mqtt::connection::{Happening, Incoming, connect};
use smc_mqtt::newcomer::key_path;
use smc_mqtt::pairing::{Join, join};
use smc_mqtt::settings::{BrokerAddress, ConnectionSettings, Login};
use smc_mqtt::topic::{PAIR_ANSWERS, Topic, Topics};
use smc_peer::PeerConfig;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::BenchError;
use crate::command::site;
use crate::percentiles::{Percentiles, percentiles};

const SITE: &str = "bench";
const PEERS: [&str; 3] = ["peer-1", "peer-2", "peer-3"];
/// How many messages the two sides of a pairing send each other.
const MESSAGES: f64 = 6.0;
/// How long anything may take.
const LIMIT: Duration = Duration::from_secs(30);

/// What came of it.
#[derive(Debug, Serialize)]
pub(crate) struct PairingReport {
    newcomers: u32,
    /// Over those that joined.
    pairing_ms: Percentiles,
    /// One message on the same broker, from client to client.
    message_ms: Percentiles,
    /// What pairing takes, over as many plain messages as it sends.
    ratio: f64,
}

/// Has `newcomers` join one after the other.
pub(crate) async fn pairing(newcomers: u32) -> Result<PairingReport, BenchError> {
    let folder = tempfile::tempdir().map_err(BenchError::Folder)?;
    make_site(folder.path())?;
    let file = |name: &str| folder.path().join(format!("{name}.toml"));
    let settings = Settings::load(&file("broker")).map_err(|error| BenchError::Pairing(error.to_string()))?;
    let broker = Broker::bind(settings).await.map_err(|error| BenchError::Pairing(error.to_string()))?;
    let address = broker.local_addr().to_string().parse::<BrokerAddress>();
    let address = address.map_err(|error| BenchError::Pairing(error.to_string()))?;
    // They end with this value.
    let mut roles = JoinSet::new();
    roles.spawn(async move { drop(broker.run(std::future::pending()).await) });
    for peer in PEERS {
        let mut options =
            PeerConfig::load(&file(peer)).map_err(|error| BenchError::Pairing(error.to_string()))?;
        options.broker = Some(address.clone());
        roles.spawn(async move {
            drop(smc_peer::run(options, Clock::system(), None, std::future::pending()).await);
        });
    }
    eprintln!("plain messages");
    let mut messages = plain(folder.path(), &address, 20 * newcomers).await?;
    eprintln!("{newcomers} newcomers, one after the other");
    let mut times = Vec::new();
    for number in 0..newcomers {
        times.push(one(folder.path(), &address, number).await?);
    }
    let (pairing_ms, message_ms) = (percentiles(&mut times), percentiles(&mut messages));
    let ratio = pairing_ms.p50 / (MESSAGES * message_ms.p50);
    Ok(PairingReport { newcomers, pairing_ms, message_ms, ratio })
}

/// A site whose peers sign by themselves that agents come.
fn make_site(folder: &Path) -> Result<(), BenchError> {
    site::init(folder, &["--name", SITE, "--agents", "5"]).map_err(BenchError::Pairing)?;
    let edit = |name: &str, from: &str, to: &str| {
        let path = folder.join(format!("{name}.toml"));
        let text = std::fs::read_to_string(&path)?;
        std::fs::write(&path, text.replace(from, to))
    };
    edit("broker", "127.0.0.1:1883", "127.0.0.1:0").map_err(BenchError::Folder)?;
    for peer in PEERS {
        edit(peer, "consent = \"ask\"", "consent = \"auto\"").map_err(BenchError::Folder)?;
    }
    Ok(())
}

/// One newcomer: how many milliseconds it takes.
async fn one(folder: &Path, broker: &BrokerAddress, number: u32) -> Result<f64, BenchError> {
    let program = std::env::current_exe().map_err(BenchError::Folder)?;
    let mut command = Command::new(program);
    command.args(["pair", &format!("newcomer-{number}"), "--json", "--streams", "co2", "--config"]);
    command.arg(folder.join("peer-1.toml")).env("MURMUR_BROKER", format!("mqtt://{broker}"));
    let mut member = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().map_err(BenchError::Folder)?;
    let output = member.stdout.take().ok_or(BenchError::Stalled(LIMIT))?;
    let mut lines = BufReader::new(output).lines();
    let line = timeout(LIMIT, lines.next_line()).await.map_err(|_| BenchError::Stalled(LIMIT))?;
    let shown: Value = serde_json::from_str(&line.map_err(BenchError::Folder)?.unwrap_or_default())
        .map_err(|error| BenchError::Pairing(format!("`murmur pair` shows no code: {error}")))?;
    let code: PairingCode = shown["code"]
        .as_str()
        .and_then(|code| code.parse().ok())
        .ok_or_else(|| BenchError::Pairing("`murmur pair` shows no code".to_owned()))?;
    let joining = Join {
        code,
        broker: Some(broker.clone()),
        member: None,
        only: Some(InvitedAs::Agent),
        folder: folder.join(format!("machine-{number}")),
        sources: None,
        wait: LIMIT,
    };
    let began = Instant::now();
    let paired = join(&joining).await.map_err(|error| BenchError::Pairing(error.to_string()))?;
    let took = began.elapsed();
    let Outcome::Member { .. } = paired.outcome else {
        return Err(BenchError::Pairing("the peers have not signed in time".to_owned()));
    };
    member.wait().await.map_err(BenchError::Folder)?;
    Ok(took.as_secs_f64() * 1e3)
}

/// Messages from one client to another, one at a time: how many milliseconds each takes.
async fn plain(folder: &Path, broker: &BrokerAddress, count: u32) -> Result<Vec<f64>, BenchError> {
    let peer: NodeName = PEERS[1].parse().map_err(|_| BenchError::Pairing("no peer".to_owned()))?;
    let secrets = KeyFile::load(&folder.join(key_path(&peer)), &peer);
    let KeyFile { password, .. } = secrets.map_err(|error| BenchError::Pairing(error.to_string()))?;
    let login = Some(Login { user: peer.to_string(), password });
    let sender =
        ConnectionSettings { login, ..ConnectionSettings::new(broker.clone(), format!("{peer}.open")) };
    let (publisher, mut told) = connect(sender, vec![]);
    let receiver = ConnectionSettings::new(broker.clone(), "plain");
    let (_keep, mut incoming) = connect(receiver, vec![PAIR_ANSWERS.to_owned()]);
    connected(&mut told).await?;
    connected(&mut incoming).await?;
    let site = SITE.parse().map_err(|_| BenchError::Pairing("no site".to_owned()))?;
    let topic = Topics::new(site).spell(&Topic::PairAnswer { member: peer });
    let mut times = Vec::new();
    for _ in 0..count {
        let began = Instant::now();
        let sent = publisher.publish(topic.clone(), vec![b' '; 1_000], false);
        sent.map_err(|error| BenchError::Pairing(error.to_string()))?;
        next(&mut incoming, |happening| matches!(happening, Happening::Message { .. })).await?;
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    publisher.close().await;
    Ok(times)
}

async fn connected(incoming: &mut Incoming) -> Result<(), BenchError> {
    next(incoming, |happening| *happening == Happening::Connected).await
}

async fn next(incoming: &mut Incoming, wanted: impl Fn(&Happening) -> bool) -> Result<(), BenchError> {
    let wait = async {
        while let Some(happening) = incoming.next().await {
            if wanted(&happening) {
                return Ok(());
            }
        }
        Err(BenchError::Stalled(LIMIT))
    };
    timeout(LIMIT, wait).await.map_err(|_| BenchError::Stalled(LIMIT))?
}

impl fmt::Display for PairingReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { newcomers, pairing_ms, message_ms, ratio } = self;
        write!(
            f,
            "{newcomers} newcomers joined, each in {:.0} ms (median; 99 % within {:.0} ms): from the code to the signed entry\n\
             a plain message on the same broker took {:.2} ms (99 % within {:.2} ms)\n\
             pairing takes {ratio:.1} times what its {MESSAGES} messages take",
            pairing_ms.p50, pairing_ms.p99, message_ms.p50, message_ms.p99
        )
    }
}
