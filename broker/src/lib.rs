//! The embedded MQTT broker: rumqttd's router behind a door of its own.
//!
//! MQTT 3.1.1 and 5 on one port, over TCP, TLS or websockets; every client has an account, and every account may publish and subscribe
//! exactly what its rules say. Retained messages and wills are kept here, not by the router, and survive a
//! restart. There is no QoS 2, no shared subscription, no topic alias and no session beyond a connection.
//!
//! ```text
//! client -- wire -- handshake -- connection --(publish)--> router's ingress link
//!                                    ^                           |
//!                                  outbox <-- fan-out <-- router's link per filter
//! ```

/// What a log filter has to say about rumqttd. It opens a span per message and per link, at a level that only
/// `off` turns off; with anything else the router spends most of its time in the log.
pub const QUIET_ROUTER: &str = "rumqttd=off";

mod account;
mod admission;
mod auth;
mod close;
mod codec;
mod connection;
mod counters;
mod door;
mod error;
mod fanout;
mod filter;
mod filter_tree;
#[doc(hidden)]
pub mod fuzz;
mod gate;
mod handshake;
mod hub;
mod inflight;
mod limits;
mod message;
mod outbox;
mod pace;
mod publish;
mod pump;
mod rate;
mod registry;
mod reload;
mod retained;
pub mod roles;
mod router;
mod server;
pub mod settings;
mod shared;
mod subscribe;
mod tap;
mod tls;
mod watchdog;
mod websocket;
mod wire;

pub use account::{Account, Rules};
pub use codec::QoS;
pub use counters::{Counters, CountersSnapshot};
pub use door::Speaks;
pub use error::BrokerError;
pub use filter::{Filter, FilterError, MAX_FILTER};
pub use limits::{Limits, LimitsError};
pub use pace::{Pace, Paces};
pub use server::{Broker, BrokerConfig};
pub use smc_mqtt::password::{Password, PasswordHash, PasswordHashError};
pub use tap::{Tap, TapEvent};
pub use tls::{ClientCertificates, TlsError, TlsListener};
pub use websocket::WebsocketListener;
