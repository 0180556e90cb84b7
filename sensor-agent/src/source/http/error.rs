//! Why a web server brings no reading.

use std::time::Duration;

use hyper::StatusCode;
use smc_mqtt::tls::{PemError, TlsFault};

use super::{HttpUrl, PUBLIC_AUTHORITIES};

/// Why a web server brings no reading.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// It is not reached.
    #[error("{url}: {error}; is the device on, and its address right?")]
    Connect {
        /// What was asked.
        url: HttpUrl,
        /// Why.
        error: std::io::Error,
    },
    /// It breaks off.
    #[error("{url}: {error}")]
    Exchange {
        /// What was asked.
        url: HttpUrl,
        /// Why.
        error: hyper::Error,
    },
    /// What it says is no HTTP.
    #[error(
        "{url}: {error}: what answers there speaks no HTTP; if it is TLS, write https:// instead of http://"
    )]
    Foreign {
        /// What was asked.
        url: HttpUrl,
        /// What is wrong with it.
        error: hyper::Error,
    },
    /// The answer is too large.
    #[error("{url}: more than {max} bytes; ask for less, or raise `max_bytes`")]
    Large {
        /// What was asked.
        url: HttpUrl,
        /// How much it may be.
        max: usize,
    },
    /// It sends elsewhere.
    #[error("{url}: {status}: it sends to {location:?}; if that is right, put it into `url`")]
    Redirected {
        /// What was asked.
        url: HttpUrl,
        /// How it says so.
        status: StatusCode,
        /// Where to.
        location: String,
    },
    /// It has no answer.
    #[error("{url}: {status}")]
    Refused {
        /// What was asked.
        url: HttpUrl,
        /// How it says so.
        status: StatusCode,
    },
    /// It takes too long.
    #[error("{url}: no whole answer within {timeout:?}; raise `timeout_s` if it needs longer")]
    Slow {
        /// What was asked.
        url: HttpUrl,
        /// How long it may take.
        timeout: Duration,
    },
    /// It is not believed to be the one, or speaks no TLS.
    #[error("{url}: {}", of_a_server(.fault))]
    Tls {
        /// What was asked.
        url: HttpUrl,
        /// Why.
        fault: TlsFault,
    },
}

impl HttpError {
    pub(super) fn of_exchange(url: &HttpUrl, error: hyper::Error) -> Self {
        let url = url.clone();
        if error.is_parse() && !url.is_tls() {
            Self::Foreign { url, error }
        } else {
            Self::Exchange { url, error }
        }
    }
}

/// What went wrong about TLS, for who looks after a web server: faults speak of brokers and of what their owners can do.
fn of_a_server(fault: &TlsFault) -> String {
    match fault {
        TlsFault::Authority { ca } if ca.as_os_str() == PUBLIC_AUTHORITIES => {
            "its certificate is of no public authority that this machine knows; `ca` has to name the file of the \
             authority that signed it"
                .to_owned()
        }
        TlsFault::Authority { ca } => format!(
            "its certificate is not of the authority in {}: `ca` must name the file of the authority that signed it",
            ca.display()
        ),
        TlsFault::Broken(_) | TlsFault::Handshake(_) | TlsFault::NoAuthority => fault.to_string(),
        TlsFault::Clock { now, not_before } => format!(
            "this machine's clock says {now}, and its certificate holds from {not_before} on: set the clock (NTP); \
             until then it is asked again and again"
        ),
        TlsFault::Cut => "the connection was closed in the TLS handshake: what answers there may speak no TLS; if \
             so, write http://, or another port"
            .to_owned(),
        TlsFault::Expired { now, not_after } => format!(
            "its certificate ended on {not_after} (this machine's clock says {now}): it has to be renewed there"
        ),
        TlsFault::File(error @ PemError::Read { path, .. }) if path.as_os_str() == PUBLIC_AUTHORITIES => {
            format!(
                "{error}; without Debian's package ca-certificates, `ca` has to name the file of the authority \
                 that signed its certificate"
            )
        }
        TlsFault::File(error) => error.to_string(),
        TlsFault::Host(host) => format!("`{host}` is no host that a certificate can be for; correct `url`"),
        TlsFault::Name { host, presented } => format!(
            "its certificate is for {presented}, not for {host}: write one of those into `url`, or have a \
             certificate made for {host}"
        ),
        TlsFault::NotTls => "what answers there speaks no TLS: write http://, or another port".to_owned(),
        TlsFault::Refused(_) | TlsFault::Wanted => "it wants a certificate of whoever asks, which this source has \
             not; a `command` source can show one with curl"
            .to_owned(),
        TlsFault::Unfit => "its certificate is an authority's, which is to sign others and not to stand for a \
             server; have one made for it, by `openssl req -x509 -addext basicConstraints=critical,CA:FALSE` or by \
             an authority"
            .to_owned(),
    }
}
