//! Readings that a device serves as JSON or text, asked by HTTP GET.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, CONNECTION, HOST, LOCATION, USER_AGENT};
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use smc_core::name::StreamName;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::interval::Interval;
use super::pick::Pick;
use super::sensor::{Answer, Bytes, Sensor, Timeout, drawn};

/// How long the lines before a body may be together.
const MAX_HEAD: usize = 16 << 10;
/// How much of an address that is not ours is shown.
const SHOWN: usize = 200;

/// An http source, as configured.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpConfig {
    /// What to ask: `http://host[:port]/path`.
    pub url: HttpUrl,
    /// Seconds between readings, 0.1 to 3600.
    #[serde(default)]
    pub interval_s: Interval,
    /// How many seconds the answer may take, to its last byte; 0.1 to 300.
    #[serde(default)]
    pub timeout_s: Timeout,
    /// How many bytes it may have, at most 16 MiB.
    #[serde(default)]
    pub max_bytes: Bytes,
    /// Where each stream is in the answer.
    pub readings: BTreeMap<StreamName, Pick>,
}

/// An address that can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct HttpUrl {
    host: String,
    port: u16,
    /// As it stands in the request, with the port if it was given.
    authority: String,
    path: String,
}

/// Why a text is no such address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HttpUrlError {
    /// There is a login in it.
    #[error("`url`: a login in the address is not supported")]
    Login,
    /// It is not written like one.
    #[error("`url` is written like http://192.0.2.7/status or http://sensor.local:8080/data.json")]
    Malformed,
    /// It wants encryption.
    #[error(
        "`url`: https is not supported yet; use http in a network that you trust, or a `command` source with curl"
    )]
    Secure,
}

impl TryFrom<String> for HttpUrl {
    type Error = HttpUrlError;
    fn try_from(text: String) -> Result<Self, HttpUrlError> {
        let uri: Uri = text.parse().map_err(|_| HttpUrlError::Malformed)?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => return Err(HttpUrlError::Secure),
            _ => return Err(HttpUrlError::Malformed),
        }
        let authority = uri.authority().ok_or(HttpUrlError::Malformed)?;
        if authority.as_str().contains('@') {
            return Err(HttpUrlError::Login);
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err(HttpUrlError::Malformed);
        }
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        let port = authority.port_u16().unwrap_or(80);
        Ok(Self { host, port, authority: authority.to_string(), path })
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority, self.path)
    }
}

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
    /// It does not speak HTTP, or breaks off.
    #[error("{url}: {error}")]
    Exchange {
        /// What was asked.
        url: HttpUrl,
        /// Why.
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
}

/// The running source.
#[derive(Debug)]
pub(super) struct HttpSource(HttpConfig);

impl HttpSource {
    pub(super) fn new(config: HttpConfig) -> Self {
        Self(config)
    }

    /// Asks once, over a connection of its own: devices have few, and forget them.
    async fn fetch(&self) -> Result<Zeroizing<Vec<u8>>, HttpError> {
        let url = &self.0.url;
        let stream = TcpStream::connect((url.host.as_str(), url.port))
            .await
            .map_err(|error| HttpError::Connect { url: url.clone(), error })?;
        let failed = |error| HttpError::Exchange { url: url.clone(), error };
        let handshake = http1::Builder::new().max_buf_size(MAX_HEAD).handshake(TokioIo::new(stream));
        let (mut sender, connection) = handshake.await.map_err(failed)?;
        // Ends with this question, however that ends.
        let mut driver = JoinSet::new();
        driver.spawn(connection);
        let request = Request::get(&url.path)
            .header(HOST, &url.authority)
            .header(ACCEPT, "application/json, text/plain, */*")
            .header(CONNECTION, "close")
            .header(USER_AGENT, concat!("murmuration/", env!("CARGO_PKG_VERSION")))
            .body(String::new())
            .map_err(|_| HttpError::Refused { url: url.clone(), status: StatusCode::BAD_REQUEST })?;
        let response = sender.send_request(request).await.map_err(failed)?;
        self.is_answer(&response)?;
        self.read(response.into_body()).await
    }

    fn is_answer(&self, response: &Response<Incoming>) -> Result<(), HttpError> {
        let (url, status) = (self.0.url.clone(), response.status());
        if status.is_redirection() {
            let location =
                response.headers().get(LOCATION).map(|location| location.as_bytes()).unwrap_or_default();
            let location = String::from_utf8_lossy(location).chars().take(SHOWN).collect();
            return Err(HttpError::Redirected { url, status, location });
        }
        if status == StatusCode::OK { Ok(()) } else { Err(HttpError::Refused { url, status }) }
    }

    async fn read(&self, mut body: Incoming) -> Result<Zeroizing<Vec<u8>>, HttpError> {
        let url = &self.0.url;
        let max = self.0.max_bytes.get();
        let mut read = Zeroizing::new(Vec::new());
        while let Some(frame) = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await
        {
            let frame = frame.map_err(|error| HttpError::Exchange { url: url.clone(), error })?;
            let Ok(data) = frame.into_data() else { continue };
            if read.len() + data.len() > max {
                return Err(HttpError::Large { url: url.clone(), max });
            }
            read.extend_from_slice(&data);
        }
        Ok(read)
    }
}

impl Sensor for HttpSource {
    async fn ask(&mut self) -> Vec<Answer> {
        let limit = self.0.timeout_s.get();
        let slow = |_| HttpError::Slow { url: self.0.url.clone(), timeout: limit };
        let said = timeout(limit, self.fetch()).await.map_err(slow).flatten();
        vec![drawn(&self.0.readings, self.0.max_bytes, said.map_err(Into::into))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read() {
        let url = |text: &str| HttpUrl::try_from(text.to_owned());
        let parts = |text: &str| url(text).map(|url| (url.host.clone(), url.port, url.path.clone()));
        assert_eq!(parts("http://192.0.2.7"), Ok(("192.0.2.7".into(), 80, "/".into())));
        assert_eq!(parts("http://[::1]:8080/a?b=c"), Ok(("::1".into(), 8080, "/a?b=c".into())));
        assert_eq!(url("http://sensor.local/x").unwrap().to_string(), "http://sensor.local/x");
        for (text, error) in [
            ("https://192.0.2.7/", HttpUrlError::Secure),
            ("http://me:secret@192.0.2.7/", HttpUrlError::Login),
            ("192.0.2.7", HttpUrlError::Malformed),
            ("/status", HttpUrlError::Malformed),
            ("http://", HttpUrlError::Malformed),
            ("ftp://a/b", HttpUrlError::Malformed),
            ("http://a b/", HttpUrlError::Malformed),
        ] {
            assert_eq!(url(text), Err(error), "{text}");
        }
    }
}
