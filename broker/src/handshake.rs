//! From an accepted stream to a logged-in client.

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout_at};

use crate::account::{Account, is_name};
use crate::auth::LoginError;
use crate::codec::{self, ConnAck, Connect, DecodeError, Version, Will, reason};
use crate::fanout::RESERVED_ROOT;
use crate::filter::is_topic;
use crate::message::Origin;
use crate::registry::{Claim, ClaimError};
use crate::shared::Shared;
use crate::tls::Shown;
use crate::wire::{Turn, Wire};

/// The longest CONNECT: it is read before anything is known about the client.
const MAX_CONNECT: usize = 64 << 10;
/// What the name of an account is followed by in its owner's client id.
const OPENER: &str = ".open";
/// The longest client id.
const MAX_CLIENT_ID: usize = 128;

/// What a client that speaks TLS says first.
const TLS_HANDSHAKE: [u8; 2] = [0x16, 3];

/// A client that has logged in.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) account: Arc<Account>,
    pub(crate) claim: Claim,
    pub(crate) id: Arc<str>,
    /// Seconds; 0 for never.
    pub(crate) keep_alive: u16,
    pub(crate) max_packet: u32,
    pub(crate) origin: Origin,
    pub(crate) version: Version,
    pub(crate) will: Option<Will>,
    pub(crate) window: u16,
}

/// Why a client was not let in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error(transparent)]
    Claim(#[from] ClaimError),
    #[error(
        "client id {0:?}: use the account's name; shared accounts may use 1 to 128 letters, digits, `-`, `_`, `.`"
    )]
    ClientId(String),
    #[error("the client closed the connection before CONNECT")]
    Closed,
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error("extended authentication, which this broker does not offer")]
    ExtendedAuthentication,
    #[error("the client closed the connection: {0}")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Login(#[from] LoginError),
    #[error("it speaks TLS, which this port is not for: name the port of [tls]")]
    Tls,
    #[error("no CONNECT in time")]
    TooSlow,
    #[error("a will on {topic:?}, which account {account:?} may not publish, or not retained")]
    Will { account: String, topic: String },
}

impl Refusal {
    /// The reason for the CONNACK; none if there is nobody to tell.
    fn reason(&self) -> Option<u8> {
        match self {
            Self::Claim(ClaimError::Held) => Some(reason::SERVER_UNAVAILABLE),
            Self::Claim(ClaimError::TooMany) => Some(reason::QUOTA_EXCEEDED),
            Self::ClientId(_) => Some(reason::CLIENT_ID_NOT_VALID),
            Self::Decode(DecodeError::NotConnect) => None,
            Self::Decode(error) => Some(error.reason()),
            Self::ExtendedAuthentication => Some(reason::BAD_AUTHENTICATION_METHOD),
            Self::Login(LoginError::Anonymous | LoginError::Certificate { .. }) | Self::Will { .. } => {
                Some(reason::NOT_AUTHORIZED)
            }
            Self::Login(LoginError::Credentials) => Some(reason::BAD_LOGIN),
            Self::Closed | Self::Io(_) | Self::Tls | Self::TooSlow => None,
        }
    }
}

/// Reads CONNECT, checks everything that it asks for and answers, all of it until `deadline`; `shown` is the client's
/// certificate.
pub(crate) async fn welcome<S: AsyncRead + AsyncWrite + Unpin>(
    shared: &Shared,
    wire: &mut Wire<S>,
    shown: Option<&Shown>,
    deadline: Instant,
) -> Result<Client, Refusal> {
    timeout_at(deadline, admit_or_refuse(shared, wire, shown)).await.unwrap_or(Err(Refusal::TooSlow))
}

async fn admit_or_refuse<S: AsyncRead + AsyncWrite + Unpin>(
    shared: &Shared,
    wire: &mut Wire<S>,
    shown: Option<&Shown>,
) -> Result<Client, Refusal> {
    let connect = match read_connect(shared, wire).await {
        Ok(connect) => connect,
        Err((version, refusal)) => return Err(refuse(wire, version, refusal).await),
    };
    let version = connect.version;
    match admit(shared, connect, shown).await {
        Ok((client, answer)) => {
            let assigned = answer.assigned.then_some(&*client.id);
            let max_packet = u32::try_from(shared.limits.packet_bytes).unwrap_or(u32::MAX);
            let keep_alive = answer.keep_alive;
            let accepted =
                ConnAck { reason: reason::SUCCESS, assigned_client_id: assigned, keep_alive, max_packet };
            codec::connack(&mut wire.output, version, accepted);
            Ok(client)
        }
        Err(refusal) => Err(refuse(wire, version, refusal).await),
    }
}

async fn refuse<S: AsyncRead + AsyncWrite + Unpin>(
    wire: &mut Wire<S>,
    version: Version,
    refusal: Refusal,
) -> Refusal {
    if let Some(reason) = refusal.reason() {
        let answer = ConnAck { reason, assigned_client_id: None, keep_alive: None, max_packet: 0 };
        codec::connack(&mut wire.output, version, answer);
        // The client may have gone; the refusal is counted and logged all the same.
        let _ = wire.flush().await;
    }
    refusal
}

/// The CONNECT, or why there is none and in which version to say so. MQTT 3.1.1's answer is the one that clients
/// of yet other versions understand.
async fn read_connect<S: AsyncRead + AsyncWrite + Unpin>(
    shared: &Shared,
    wire: &mut Wire<S>,
) -> Result<Connect, (Version, Refusal)> {
    let old = |refusal| (Version::V311, refusal);
    let max = shared.limits.packet_bytes.min(MAX_CONNECT);
    loop {
        // Its first byte could begin a CONNECT.
        if wire.input.starts_with(&TLS_HANDSHAKE) {
            return Err(old(Refusal::Tls));
        }
        if wire.input.first().is_some_and(|first| first & 0xf0 != 0x10) {
            return Err(old(DecodeError::NotConnect.into()));
        }
        if let Some(frame) = codec::frame(&wire.input, max).map_err(|error| old(error.into()))? {
            let (connect, len) = (Connect::decode(frame), frame.len);
            let version = if frame.body.starts_with(b"\0\x04MQTT\x05") { Version::V5 } else { Version::V311 };
            wire.consume(len, true);
            return connect.map_err(|error| (version, error.into()));
        }
        match wire.turn(true).await.map_err(|error| old(error.into()))? {
            Turn::Closed => return Err(old(Refusal::Closed)),
            Turn::Read(count) => crate::counters::add(&shared.counters.bytes_in, count as u64),
            Turn::Written(_) => {}
        }
    }
}

/// What the CONNACK tells besides success.
struct Answer {
    assigned: bool,
    keep_alive: Option<u16>,
}

async fn admit(
    shared: &Shared,
    connect: Connect,
    shown: Option<&Shown>,
) -> Result<(Client, Answer), Refusal> {
    if connect.extended_authentication {
        return Err(Refusal::ExtendedAuthentication);
    }
    let account = shared.auth.login(connect.user_name.as_deref(), connect.password, shown).await?;
    let (id, assigned) = client_id(shared, &account, connect.client_id, connect.clean)?;
    if let Some(will) = &connect.will {
        check_will(shared, &account, will)?;
    }
    let claim = shared.registry.claim(id.clone(), &account.name, &shared.limits).await?;
    let most = shared.limits.keep_alive_s;
    let too_long = connect.keep_alive == 0 || connect.keep_alive > most;
    let imposed = (connect.version == Version::V5 && too_long).then_some(most);
    let client = Client {
        account,
        claim,
        id,
        keep_alive: imposed.unwrap_or(connect.keep_alive),
        max_packet: connect.max_packet,
        origin: shared.origins.next(),
        version: connect.version,
        will: connect.will,
        window: connect.receive_maximum.min(shared.limits.inflight),
    };
    Ok((client, Answer { assigned, keep_alive: imposed }))
}

/// The client id that the client gets, and whether it was made up here.
///
/// An account that is not shared has one client, and that is called like the account; and one more, called
/// `<account>.open`, through which its owner opens what is sealed for it. Clients of a shared account choose (Home Assistant
/// draws its id at random); only the ids of another account are nobody's to choose.
fn client_id(
    shared: &Shared,
    account: &Account,
    wanted: String,
    clean: bool,
) -> Result<(Arc<str>, bool), Refusal> {
    if wanted == account.name {
        return Ok((wanted.into(), false));
    }
    let owner = wanted.strip_suffix(OPENER);
    if owner == Some(account.name.as_str()) && !shared.auth.has(&wanted) {
        return Ok((wanted.into(), false));
    }
    if !account.shared || shared.auth.has(&wanted) || owner.is_some_and(|name| shared.auth.has(name)) {
        return Err(Refusal::ClientId(wanted));
    }
    if wanted.is_empty() && clean {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|_| Refusal::ClientId(wanted))?;
        return Ok((format!("{}-{:016x}", account.name, u64::from_be_bytes(random)).into(), true));
    }
    if is_name(&wanted, MAX_CLIENT_ID) { Ok((wanted.into(), false)) } else { Err(Refusal::ClientId(wanted)) }
}

fn check_will(shared: &Shared, account: &Account, will: &Will) -> Result<(), Refusal> {
    let topic = will.topic.as_str();
    let known = is_topic(topic, shared.limits.topic_bytes) && !topic.starts_with(RESERVED_ROOT);
    let rules = &account.rules;
    if known && rules.may_publish(topic) && (!will.retain || rules.may_retain(topic)) {
        return Ok(());
    }
    crate::counters::bump(&shared.counters.refused_publishes);
    Err(Refusal::Will { account: account.name.clone(), topic: topic.to_owned() })
}
