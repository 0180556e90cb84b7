//! Where the broker is, and how a node introduces itself there.

mod pauses;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

pub use self::pauses::Pauses;
use crate::tls::Tls;

/// The port of plain MQTT.
pub const DEFAULT_PORT: u16 = 1883;
/// The port of MQTT over TLS.
pub const DEFAULT_TLS_PORT: u16 = 8883;
/// The largest packet that is taken in or sent unless the settings say otherwise: 4 MiB.
pub const DEFAULT_MAX_PACKET: usize = 4 << 20;
/// How many messages wait in each direction unless the settings say otherwise.
pub const DEFAULT_QUEUE: usize = 4096;
/// The time after which a silent connection is probed unless the settings say otherwise.
pub const DEFAULT_KEEP_ALIVE: Duration = Duration::from_secs(30);

/// All that a connection needs to know.
#[derive(Debug, Clone)]
pub struct ConnectionSettings {
    /// Where the broker listens.
    pub broker: BrokerAddress,
    /// Who connects; the broker allows one connection per client id.
    pub client_id: String,
    /// Absent where the broker allows anonymous clients.
    pub login: Option<Login>,
    /// The broker takes the client for dead after 1.5 times this. Whole seconds, 1 to 65,535.
    pub keep_alive: Duration,
    /// What the broker publishes when the connection breaks.
    pub will: Option<Will>,
    /// The largest packet in bytes, in both directions. Larger ones that arrive are skipped and counted.
    pub max_packet: usize,
    /// How many messages wait at most, in each direction.
    pub queue: usize,
    /// How long it waits before it tries again.
    pub pauses: Pauses,
}

impl ConnectionSettings {
    /// An anonymous connection without a will; every limit at its default.
    pub fn new(broker: BrokerAddress, client_id: impl Into<String>) -> Self {
        Self {
            broker,
            client_id: client_id.into(),
            login: None,
            keep_alive: DEFAULT_KEEP_ALIVE,
            will: None,
            max_packet: DEFAULT_MAX_PACKET,
            queue: DEFAULT_QUEUE,
            pauses: Pauses::default(),
        }
    }
}

/// A broker's host and port, written `host:port` or `mqtt://host:port`, or `mqtts://host:port` for one with TLS; the port
/// may be left out (1883, and 8883 with TLS). Whom to trust there is no part of the text: see [`BrokerAddress::trusting`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BrokerAddress {
    host: String,
    port: u16,
    is_tls: bool,
    tls: Option<Arc<Tls>>,
}

impl BrokerAddress {
    /// The broker at `host` (a name, or an IP address without brackets) and `port`.
    ///
    /// # Errors
    /// When `host` is neither a name nor an address.
    pub fn new(host: &str, port: u16) -> Result<Self, BrokerAddressError> {
        if host.is_empty() {
            return Err(BrokerAddressError::HostMissing);
        }
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b':' | b'%');
        if host.len() > 255 || !host.bytes().all(allowed) {
            return Err(BrokerAddressError::Host);
        }
        Ok(Self { host: host.to_owned(), port, is_tls: false, tls: None })
    }

    /// The same, with TLS.
    pub fn with_tls(mut self) -> Self {
        self.is_tls = true;
        self
    }

    /// The same, trusting whom `tls` says, if it is one with TLS.
    pub fn trusting(mut self, tls: Tls) -> Self {
        self.tls = self.is_tls.then(|| Arc::new(tls));
        self
    }

    /// Whether it is spoken to by TLS.
    pub fn is_tls(&self) -> bool {
        self.is_tls
    }

    /// Whom to trust there, if that was said.
    pub fn tls(&self) -> Option<&Tls> {
        self.tls.as_deref()
    }

    /// As it stands in a configuration file, with `mqtt://` or `mqtts://`.
    pub fn url(&self) -> String {
        if self.is_tls { self.to_string() } else { format!("mqtt://{self}") }
    }

    /// The host, an IPv6 address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

/// Why a text is not a broker's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BrokerAddressError {
    /// A user or password stands in the address.
    #[error("a broker's address holds no login; give user and password by themselves")]
    Credentials,
    /// The host has characters that no host name has.
    #[error("a broker's host is a name or an IP address (IPv6 in brackets)")]
    Host,
    /// There is no host.
    #[error("a broker's address needs a host, as in `localhost:1883`")]
    HostMissing,
    /// Something follows the port.
    #[error("a broker's address ends with the port")]
    Path,
    /// The port is no number from 1 to 65535.
    #[error("a broker's port is a number from 1 to 65535")]
    Port,
    /// A scheme that nobody here knows.
    #[error("a broker's address begins with `mqtt://`, `mqtts://` or the host")]
    Scheme,
    /// MQTT over websockets was asked for.
    #[error("nodes don't speak MQTT over websockets; use `mqtt://` or `mqtts://` and the port for that")]
    Websocket,
}

impl FromStr for BrokerAddress {
    type Err = BrokerAddressError;

    fn from_str(text: &str) -> Result<Self, BrokerAddressError> {
        let bare = |rest: &'_ str| rest.strip_suffix('/').unwrap_or(rest).len();
        let (rest, is_tls) = match text.split_once("://") {
            None => (text, false),
            Some(("mqtt" | "tcp", rest)) => (&rest[..bare(rest)], false),
            Some(("mqtts" | "ssl" | "tls", rest)) => (&rest[..bare(rest)], true),
            Some(("ws" | "wss", _)) => return Err(BrokerAddressError::Websocket),
            Some(_) => return Err(BrokerAddressError::Scheme),
        };
        if rest.contains('@') {
            return Err(BrokerAddressError::Credentials);
        }
        if rest.contains('/') {
            return Err(BrokerAddressError::Path);
        }
        let (host, port) = split_port(rest, if is_tls { DEFAULT_TLS_PORT } else { DEFAULT_PORT })?;
        let address = Self::new(host, port)?;
        Ok(if is_tls { address.with_tls() } else { address })
    }
}

/// Host and port of `host`, `host:port`, `[v6]` or `[v6]:port`.
fn split_port(text: &str, default: u16) -> Result<(&str, u16), BrokerAddressError> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']').ok_or(BrokerAddressError::Host)?;
            match after.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None if after.is_empty() => (host, None),
                None => return Err(BrokerAddressError::Host),
            }
        }
        None => match text.split_once(':') {
            Some((_, port)) if port.contains(':') => return Err(BrokerAddressError::Host),
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let number = match port {
        None => default,
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
            digits.parse().map_err(|_| BrokerAddressError::Port)?
        }
        Some(_) => return Err(BrokerAddressError::Port),
    };
    if number == 0 { Err(BrokerAddressError::Port) } else { Ok((host, number)) }
}

impl TryFrom<String> for BrokerAddress {
    type Error = BrokerAddressError;
    fn try_from(text: String) -> Result<Self, BrokerAddressError> {
        text.parse()
    }
}

impl From<BrokerAddress> for String {
    fn from(address: BrokerAddress) -> String {
        address.to_string()
    }
}

/// Without a scheme if it is plain: so it can be put behind one.
impl fmt::Display for BrokerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_tls { "mqtts://" } else { "" })?;
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// User name and password, as the broker asks for at CONNECT.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// The user's name.
    pub user: String,
    /// The user's password.
    pub password: Secret,
}

/// A text that nobody sees: wiped from memory when dropped, `<redacted>` when printed.
#[derive(Clone, Deserialize)]
#[serde(from = "String")]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// The text itself. Never to be logged.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

/// MQTT's last will: what the broker publishes, at QoS 1, when a connection ends without DISCONNECT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Will {
    /// Where it appears.
    pub topic: String,
    /// What appears there, at most 65,535 bytes.
    pub payload: Bytes,
    /// Whether the broker keeps it for later subscribers.
    pub retain: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<String, BrokerAddressError> {
        text.parse::<BrokerAddress>().map(|a| a.to_string())
    }

    #[test]
    fn an_address_is_read_in_all_its_forms() {
        for (text, meaning) in [
            ("localhost", "localhost:1883"),
            ("localhost:1884", "localhost:1884"),
            ("mqtt://broker.example:1884", "broker.example:1884"),
            ("mqtt://broker.example/", "broker.example:1883"),
            ("tcp://10.0.0.7:1", "10.0.0.7:1"),
            ("[::1]:1884", "[::1]:1884"),
            ("mqtt://[fe80::1%eth0]", "[fe80::1%eth0]:1883"),
            ("mqtts://broker.example", "mqtts://broker.example:8883"),
            ("ssl://[::1]:8884/", "mqtts://[::1]:8884"),
        ] {
            assert_eq!(parse(text).as_deref(), Ok(meaning), "{text}");
            assert_eq!(parse(meaning).as_deref(), Ok(meaning), "{text} as printed");
        }
    }

    #[test]
    fn anything_else_is_refused_with_its_reason() {
        use BrokerAddressError as E;
        for (text, reason) in [
            ("", E::HostMissing),
            (":1883", E::HostMissing),
            ("a b", E::Host),
            ("h\u{e4}ll", E::Host),
            ("::1", E::Host),
            ("[::1", E::Host),
            ("[::1]x", E::Host),
            ("a:0", E::Port),
            ("a:+1", E::Port),
            ("a:65536", E::Port),
            ("a:", E::Port),
            ("mqtts://", E::HostMissing),
            ("wss://a", E::Websocket),
            ("http://a", E::Scheme),
            ("mqtt://user:word@a", E::Credentials),
            ("mqtt://a:1/topic", E::Path),
        ] {
            assert_eq!(parse(text), Err(reason), "{text:?}");
        }
    }

    #[test]
    fn a_secret_is_never_printed() {
        let login: Login = serde_json::from_str(r#"{"user":"a","password":"hunter2"}"#).unwrap();
        assert_eq!(login.password.reveal(), "hunter2");
        assert!(!format!("{login:?}").contains("hunter2"));
    }
}
