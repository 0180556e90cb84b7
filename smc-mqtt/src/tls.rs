//! TLS on the way to a broker, and to devices that serve readings: whom a client trusts, what it shows of itself, what is said when
//! that fails; and reading certificates and keys, which the embedded broker does, too (docs/decisions/0026-tls.md).
//!
//! One stack: rustls with ring. There is no store of system-wide authorities: who has a certificate of a public one names
//! a file of those, such as Debian's `/etc/ssl/certs/ca-certificates.crt`.

mod certificate;
mod client;
mod dates;
mod fault;
mod handshake;
mod pem;
mod verify;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use smc_core::name::SiteName;

pub use self::certificate::Facts;
pub(crate) use self::client::{Connector, Stream, fault};
pub use self::dates::{Dates, Expiring, NOTICE};
pub use self::fault::TlsFault;
pub use self::handshake::Handshakes;
pub use self::pem::{MAX_CERTIFICATES, PemError, PemFiles, are_certificates, certificates, key};

/// How a client knows that a broker is the one, and how it proves itself who it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Tls {
    trust: Trust,
    identity: Option<Identity>,
    /// Whose broker it is: a certificate for the site's name will do, whatever the host is called.
    site: Option<SiteName>,
}

/// Whom a client believes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Trust {
    /// Whoever has a certificate of an authority in this file.
    Authority(PathBuf),
    /// Everybody.
    Everybody,
}

/// The client's own certificate.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Identity {
    certificate: PathBuf,
    key: PathBuf,
}

/// The keys about TLS that a configuration file has.
#[derive(Debug, Clone, Default)]
pub struct TlsFiles {
    /// `ca`: the certificate of the authority, PEM.
    pub ca: Option<PathBuf>,
    /// `certificate`: the node's own, PEM, with those between it and the authority.
    pub certificate: Option<PathBuf>,
    /// `certificate_key`: the key of that, PEM.
    pub certificate_key: Option<PathBuf>,
}

/// Keys about TLS that make no sense together: which, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct TlsFilesError {
    /// The key.
    pub key: &'static str,
    /// What is wrong with it.
    pub why: &'static str,
}

impl Tls {
    /// Trusts brokers with a certificate of an authority in the PEM file at `ca`.
    pub fn of_authority(ca: &Path) -> Self {
        Self { trust: Trust::Authority(ca.to_owned()), identity: None, site: None }
    }

    /// Trusts whatever answers. Only for what proves itself by other means and is sealed: pairing by a code.
    pub fn unverified() -> Self {
        Self { trust: Trust::Everybody, identity: None, site: None }
    }

    /// Shows the broker the certificate in one PEM file, with its key in the other.
    pub fn with_identity(mut self, certificate: &Path, key: &Path) -> Self {
        self.identity = Some(Identity { certificate: certificate.to_owned(), key: key.to_owned() });
        self
    }

    /// Takes a certificate for the name of `site`, too (see [`broker_name`]).
    pub fn of_site(mut self, site: &SiteName) -> Self {
        self.site = Some(site.clone());
        self
    }

    /// The file of the authority, if one is trusted.
    pub fn authority(&self) -> Option<&Path> {
        match &self.trust {
            Trust::Authority(path) => Some(path),
            Trust::Everybody => None,
        }
    }
}

impl TlsFiles {
    /// What they mean, with paths that count from the file at `config`.
    ///
    /// # Errors
    /// If one of them lacks another one.
    pub fn tls(self, config: &Path) -> Result<Option<Tls>, TlsFilesError> {
        let at = |path: PathBuf| crate::config::beside(config, &path);
        let wrong = |key, why| Err(TlsFilesError { key, why });
        let identity = match (self.certificate, self.certificate_key) {
            (Some(certificate), Some(key)) => Some(Identity { certificate: at(certificate), key: at(key) }),
            (None, None) => None,
            (Some(_), None) => {
                return wrong("certificate", "it needs `certificate_key`, the file of its key");
            }
            (None, Some(_)) => {
                return wrong("certificate_key", "it needs `certificate`, the file that it is for");
            }
        };
        match (self.ca, identity) {
            (None, None) => Ok(None),
            (None, Some(_)) => wrong(
                "ca",
                "`certificate` needs it: the file of the authority that the broker's certificate is of",
            ),
            (Some(ca), identity) => Ok(Some(Tls { identity, ..Tls::of_authority(&at(ca)) })),
        }
    }
}

/// What the broker of a site may be called in its certificate, beside its host: nodes that found it in their network know
/// an address alone, which may be another one tomorrow. Nobody else can have a public certificate for a name below
/// `internal`, which is reserved for private use.
pub fn broker_name(site: &SiteName) -> String {
    format!("{site}.murmur.internal")
}

/// The cryptography of all TLS here.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
