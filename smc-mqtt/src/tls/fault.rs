//! Why a connection with TLS did not come about, in words that say what to do.

use std::io;
use std::path::{Path, PathBuf};

use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, OtherError};
use smc_core::time::Timestamp;

use super::PemError;

/// What went wrong about TLS.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlsFault {
    /// The broker's certificate is of an authority that is not trusted.
    #[error(
        "the broker's certificate is not of the authority in {}: `ca` must name the file of the authority that signed it", ca.display()
    )]
    Authority {
        /// The file of those that are trusted.
        ca: PathBuf,
    },
    /// The connection broke in the handshake.
    #[error("the connection broke in the TLS handshake: {0}")]
    Broken(io::ErrorKind),
    /// The broker's certificate holds from a later time on, by this machine's clock.
    #[error(
        "this machine's clock says {now}, and the broker's certificate holds from {not_before} on: set the clock (NTP); until then it is tried again and again"
    )]
    Clock {
        /// What the clock says.
        now: Timestamp,
        /// From when on the certificate holds.
        not_before: Timestamp,
    },
    /// The connection ended in the handshake.
    #[error(
        "the connection was closed in the TLS handshake: what answers there may speak no TLS (the broker's listener with TLS has a port of its own, 8883 unless it says otherwise), or have too much to do"
    )]
    Cut,
    /// The broker's certificate holds no more.
    #[error(
        "the broker's certificate ended on {not_after} (this machine's clock says {now}): it has to be renewed there, by `murmur site renew` if `site init --tls` made it"
    )]
    Expired {
        /// What the clock says.
        now: Timestamp,
        /// Until when it held.
        not_after: Timestamp,
    },
    /// A file can't be used.
    #[error(transparent)]
    File(#[from] PemError),
    /// Something else.
    #[error("the TLS handshake failed: {0}")]
    Handshake(String),
    /// The host can't be in a certificate.
    #[error("`{0}` is no host that a certificate can be for; name the broker by a host name or an address")]
    Host(String),
    /// The broker's certificate is for another host.
    #[error(
        "the broker's certificate is for {presented}, not for {host}: correct `broker`, or have a certificate made for that name, by `murmur site renew --name {host}` if `site init --tls` made it"
    )]
    Name {
        /// Where we connected to.
        host: String,
        /// The names that it is for.
        presented: String,
    },
    /// Nothing says whom to trust.
    #[error(
        "nothing says whom to trust with `mqtts://`: `ca` in the configuration file, or --ca, names the authority's file"
    )]
    NoAuthority,
    /// What answers speaks something else.
    #[error(
        "what answers there speaks no TLS: use the port of the broker's listener with TLS (8883 unless it says otherwise), or `mqtt://`"
    )]
    NotTls,
    /// The broker does not like our certificate.
    #[error(
        "the broker refuses the certificate of this node ({0:?}): check `certificate` and the `client_ca` of the broker"
    )]
    Refused(AlertDescription),
    /// The broker's certificate is an authority's.
    #[error(
        "the broker's certificate is an authority's, which is to sign others and not to stand for a broker: have that authority sign one for the broker's name"
    )]
    Unfit,
    /// The broker wants a certificate of us.
    #[error(
        "the broker wants a certificate of this node: `certificate` and `certificate_key` in the configuration file"
    )]
    Wanted,
}

impl TlsFault {
    /// What an error of a connection to `host` means, where those in `ca` are trusted; none if it is not about TLS.
    pub(crate) fn of(error: &io::Error, host: &str, ca: Option<&Path>) -> Option<Self> {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
        inner.map(|inner| Self::of_rustls(inner, host, ca))
    }

    fn of_rustls(error: &Error, host: &str, ca: Option<&Path>) -> Self {
        match error {
            Error::AlertReceived(AlertDescription::CertificateRequired) => Self::Wanted,
            Error::AlertReceived(alert) if is_about_certificates(*alert) => Self::Refused(*alert),
            Error::InvalidCertificate(error) => Self::of_certificate(error, host, ca),
            Error::InvalidMessage(InvalidMessage::InvalidContentType) => Self::NotTls,
            other => Self::Handshake(other.to_string()),
        }
    }

    fn of_certificate(error: &CertificateError, host: &str, ca: Option<&Path>) -> Self {
        match (error, ca) {
            (CertificateError::ExpiredContext { time, not_after }, _) => {
                Self::Expired { now: timestamp(time), not_after: timestamp(not_after) }
            }
            (CertificateError::NotValidForNameContext { presented, .. }, _) => {
                Self::Name { host: host.to_owned(), presented: listed(presented) }
            }
            (CertificateError::NotValidYetContext { time, not_before }, _) => {
                Self::Clock { now: timestamp(time), not_before: timestamp(not_before) }
            }
            // A signature that does not fit comes of another authority of the same name.
            (CertificateError::BadSignature | CertificateError::UnknownIssuer, Some(ca)) => {
                Self::Authority { ca: ca.to_owned() }
            }
            // rustls has no variant for it.
            (CertificateError::Other(OtherError(why)), _) if why.to_string() == "CaUsedAsEndEntity" => {
                Self::Unfit
            }
            (other, _) => Self::Handshake(other.to_string()),
        }
    }
}

fn is_about_certificates(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::AccessDenied
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateUnknown
            | AlertDescription::DecryptError
            | AlertDescription::UnknownCA
            | AlertDescription::UnsupportedCertificate
    )
}

/// A few of the names; a stranger wrote them.
fn listed(names: &[String]) -> String {
    const FEW: usize = 6;
    let shown = |name: &String| bare(name).chars().take(80).flat_map(char::escape_debug).collect::<String>();
    match names.iter().take(FEW).map(shown).collect::<Vec<_>>().join(", ") {
        none if none.is_empty() => "no name at all".to_owned(),
        few => few,
    }
}

/// A name without its kind: rustls tells `DnsName("localhost")` and `IpAddress(192.0.2.7)`.
fn bare(name: &str) -> &str {
    let within = |before, after| name.strip_prefix(before)?.strip_suffix(after);
    within("DnsName(\"", "\")").or_else(|| within("IpAddress(", ")")).unwrap_or(name)
}

fn timestamp(time: &UnixTime) -> Timestamp {
    Timestamp::from_secs(time.as_secs())
}
