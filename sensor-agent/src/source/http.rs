//! Readings that a device serves as JSON or text, asked by HTTP GET, with TLS where its address says so.

mod error;
mod url;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, CONNECTION, HOST, LOCATION, USER_AGENT};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use smc_core::name::StreamName;
use smc_mqtt::clock::Clock;
use smc_mqtt::config::{ConfigError, beside};
use smc_mqtt::tls::{Handshakes, Tls};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::interval::Interval;
use super::pick::Pick;
use super::sensor::{Answer, Bytes, Sensor, Timeout, drawn};

pub use self::error::HttpError;
pub use self::url::{HttpUrl, HttpUrlError};

/// Where Debian and most others keep the certificates of public authorities. Read for addresses with https alone, and only
/// where no `ca` is named.
const PUBLIC_AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";
/// How long the lines before a body may be together.
const MAX_HEAD: usize = 16 << 10;
/// How much of an address that is not ours is shown.
const SHOWN: usize = 200;

/// An http source, as configured.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpConfig {
    /// What to ask: `http://host[:port]/path`, or the same with `https`.
    pub url: HttpUrl,
    /// The file of the authority that the server's certificate is of; for https. The public ones of this machine if left out.
    #[serde(default)]
    pub ca: Option<PathBuf>,
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

impl HttpConfig {
    /// Reads `ca` as the file at `config` means it: beside itself.
    ///
    /// # Errors
    /// If there is one, and nothing would be encrypted.
    pub(crate) fn settle(&mut self, config: &Path) -> Result<(), ConfigError> {
        let Some(ca) = &mut self.ca else { return Ok(()) };
        if !self.url.is_tls() {
            let why = "there is `ca`, but nothing would be encrypted: write https:// instead of http://, or remove `ca`";
            return Err(ConfigError::Value { path: config.to_owned(), key: "ca", why: why.to_owned() });
        }
        *ca = beside(config, ca);
        Ok(())
    }
}

/// The running source.
#[derive(Debug)]
pub(super) struct HttpSource {
    config: HttpConfig,
    clock: Clock,
    /// For an address with https.
    handshakes: Option<Handshakes>,
}

impl HttpSource {
    pub(super) fn new(config: HttpConfig, clock: Clock) -> Self {
        let ca = config.ca.as_deref().unwrap_or(Path::new(PUBLIC_AUTHORITIES));
        let handshakes = || Handshakes::new(Tls::of_authority(ca), &config.url.to_string(), Arc::default());
        let handshakes = config.url.is_tls().then(handshakes);
        Self { config, clock, handshakes }
    }

    /// Asks once, over a connection of its own: devices have few, and forget them.
    async fn fetch(&mut self) -> Result<Zeroizing<Vec<u8>>, HttpError> {
        let url = &self.config.url;
        let stream = TcpStream::connect((url.host(), url.port()))
            .await
            .map_err(|error| HttpError::Connect { url: url.clone(), error })?;
        let Some(handshakes) = &mut self.handshakes else { return self.exchange(stream).await };
        let stream = handshakes.shake(url.host(), stream).await;
        let stream = stream.map_err(|fault| HttpError::Tls { url: url.clone(), fault })?;
        // Whoever looks after the device is told before its certificate ends.
        handshakes.expiring(self.clock.now());
        self.exchange(stream).await
    }

    async fn exchange<S>(&self, stream: S) -> Result<Zeroizing<Vec<u8>>, HttpError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let url = &self.config.url;
        let failed = |error| HttpError::of_exchange(url, error);
        let handshake = http1::Builder::new().max_buf_size(MAX_HEAD).handshake(TokioIo::new(stream));
        let (mut sender, connection) = handshake.await.map_err(failed)?;
        // Ends with this question, however that ends.
        let mut driver = JoinSet::new();
        driver.spawn(connection);
        let request = Request::get(url.path())
            .header(HOST, url.authority())
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
        let (url, status) = (self.config.url.clone(), response.status());
        if status.is_redirection() {
            let location =
                response.headers().get(LOCATION).map(|location| location.as_bytes()).unwrap_or_default();
            let location = String::from_utf8_lossy(location).chars().take(SHOWN).collect();
            return Err(HttpError::Redirected { url, status, location });
        }
        if status == StatusCode::OK { Ok(()) } else { Err(HttpError::Refused { url, status }) }
    }

    async fn read(&self, mut body: Incoming) -> Result<Zeroizing<Vec<u8>>, HttpError> {
        let url = &self.config.url;
        let max = self.config.max_bytes.get();
        let mut read = Zeroizing::new(Vec::new());
        while let Some(frame) = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await
        {
            let frame = frame.map_err(|error| HttpError::of_exchange(url, error))?;
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
        let limit = self.config.timeout_s.get();
        let said = timeout(limit, self.fetch()).await;
        let slow = |_| HttpError::Slow { url: self.config.url.clone(), timeout: limit };
        let said = said.map_err(slow).flatten();
        vec![drawn(&self.config.readings, self.config.max_bytes, said.map_err(Into::into))]
    }
}
