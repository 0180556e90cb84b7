//! Why a broker can't start or can't go on.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::limits::LimitsError;
use crate::tls::TlsError;

/// Why [`crate::Broker::bind`] or [`crate::Broker::run`] failed.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// An account's name holds other characters than letters, digits, `-`, `_`, `.`, or more than 64.
    #[error("account name {name:?}: use 1 to 64 letters, digits, `-`, `_` or `.`")]
    AccountName {
        /// The name.
        name: String,
    },
    /// The account for anonymous clients does not exist or is not shared.
    #[error("anonymous = {name:?}: there must be an account of that name with `shared = true`")]
    AnonymousAccount {
        /// The name.
        name: String,
    },
    /// Two accounts have one name.
    #[error("account {name:?} is configured twice: remove one")]
    DuplicateAccount {
        /// The name.
        name: String,
    },
    /// The operating system gave no entropy.
    #[error("the operating system gave no entropy")]
    Entropy,
    /// A limit outside its range.
    #[error(transparent)]
    Limits(#[from] LimitsError),
    /// The address can't be listened on.
    #[error("can't listen on {address}: {source}; {}", listen_remedy(source, *address))]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// There is nowhere to listen.
    #[error("nowhere to listen: set `listen`, or `listen` in [tls] or [websocket]")]
    NoListener,
    /// The router's thread ended or did not answer.
    #[error("the router does not answer: restart the broker, and report what its log says")]
    Router,
    /// The retained messages can't be read or written.
    #[error("retained messages in {}: {source}; check that the folder exists, is writable and has space", path.display())]
    State {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Another process holds the state folder.
    #[error("{} is in use by another broker: end it or choose another state_dir", path.display())]
    StateInUse {
        /// The lock file.
        path: PathBuf,
    },
    /// The operating system gave no thread.
    #[error("can't start a thread: {source}")]
    Thread {
        /// What the operating system said.
        source: io::Error,
    },
    /// There can be no TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

fn listen_remedy(source: &io::Error, address: SocketAddr) -> String {
    match source.kind() {
        io::ErrorKind::AddrInUse => format!(
            "another program has port {}: end it, or set `listen` to another port (0 picks a free one)",
            address.port()
        ),
        io::ErrorKind::PermissionDenied => "ports below 1024 need privileges: choose a higher one".into(),
        _ => "set `listen` to an address of this machine".into(),
    }
}
