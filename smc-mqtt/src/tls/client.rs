//! Connecting to a broker, with TLS where its address says so.

use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::ClientConfig;
use rustls::client::WebPkiServerVerifier;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::sign::SingleCertAndKey;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::pem::{authorities, certificates};
use super::verify::{Anything, HostOrSite};
use super::{Dates, Facts, Identity, PemError, PemFiles, Tls, TlsFault, Trust, broker_name, provider};
use crate::connection::Fault;
use crate::settings::BrokerAddress;
use crate::traffic::Counted;
use crate::watch::{Stamp, stamp};

/// Up to how many authorities in a file it is noted when they end: more are a list of public ones, which others look after.
const OWN_AUTHORITIES: usize = 4;

/// A stream of bytes to and from a broker.
#[derive(Debug)]
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<Counted<TcpStream>>>),
}

/// Makes connections. Files are read when they have changed, so that a certificate can be renewed at any time.
#[derive(Debug)]
pub(crate) struct Connector {
    dates: Arc<Dates>,
    loaded: Option<Loaded>,
}

/// What was read of the files.
#[derive(Debug, Clone)]
struct Loaded {
    seen: Vec<Stamp>,
    config: Arc<ClientConfig>,
    authorities: Vec<Facts>,
    own: Option<Facts>,
}

impl Connector {
    /// Notes in `dates` until when the certificates hold that it comes by.
    pub(crate) fn new(dates: Arc<Dates>) -> Self {
        Self { dates, loaded: None }
    }

    /// Connects to `broker`.
    ///
    /// # Errors
    /// See [`Fault`].
    pub(crate) async fn connect(&mut self, broker: &BrokerAddress) -> Result<Stream, Fault> {
        let config = if broker.is_tls() { Some(self.config(broker).await?) } else { None };
        let address = (broker.host(), broker.port());
        let stream = TcpStream::connect(address).await.map_err(|error| Fault::Unreachable(error.kind()))?;
        stream.set_nodelay(true)?;
        match config {
            None => Ok(Stream::Plain(stream)),
            Some(config) => Ok(Stream::Tls(Box::new(self.shake_hands(broker, config, stream).await?))),
        }
    }

    async fn shake_hands(
        &self,
        broker: &BrokerAddress,
        config: Arc<ClientConfig>,
        stream: TcpStream,
    ) -> Result<TlsStream<Counted<TcpStream>>, Fault> {
        let name = server_name(broker)?;
        let stream = TlsConnector::from(config).connect(name, Counted(stream)).await;
        let stream = stream.map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof => {
                TlsFault::Cut.into()
            }
            _ => fault(&error, broker),
        })?;
        self.note(&stream);
        Ok(stream)
    }

    /// Notes until when the certificates hold that make up this connection.
    fn note(&self, stream: &TlsStream<Counted<TcpStream>>) {
        let (_, session) = stream.get_ref();
        let broker = session.peer_certificates().and_then(Facts::of_first);
        let (authorities, own) = self
            .loaded
            .as_ref()
            .map_or((&[][..], None), |loaded| (&loaded.authorities[..], loaded.own.as_ref()));
        let authorities = authorities.iter().map(|facts| ("authority", facts));
        let others = broker.iter().map(|facts| ("broker", facts)).chain(own.map(|facts| ("own", facts)));
        self.dates.note(authorities.chain(others));
    }

    /// What a handshake takes: as it was read before, unless a file has changed.
    async fn config(&mut self, broker: &BrokerAddress) -> Result<Arc<ClientConfig>, TlsFault> {
        let tls = broker.tls().ok_or(TlsFault::NoAuthority)?.clone();
        let seen: Vec<_> = tls.files().map(stamp).collect();
        if let Some(loaded) = self.loaded.as_ref().filter(|loaded| loaded.seen == seen) {
            return Ok(loaded.config.clone());
        }
        let loaded = tokio::task::spawn_blocking(move || load(&tls, seen)).await;
        let loaded = loaded.map_err(|error| TlsFault::Handshake(error.to_string()))??;
        Ok(self.loaded.insert(loaded).config.clone())
    }
}

/// What an error in reading, writing or the handshake means.
pub(crate) fn fault(error: &io::Error, broker: &BrokerAddress) -> Fault {
    let ca = broker.tls().and_then(Tls::authority).map(PathBuf::from);
    match TlsFault::of(error, broker.host(), ca.as_ref()) {
        Some(fault) => fault.into(),
        None => error.kind().into(),
    }
}

/// Reads all that a handshake takes.
fn load(tls: &Tls, seen: Vec<Stamp>) -> Result<Loaded, TlsFault> {
    let failed = |error: rustls::Error| TlsFault::Handshake(error.to_string());
    let builder = ClientConfig::builder_with_provider(provider());
    let builder = builder.with_safe_default_protocol_versions().map_err(failed)?.dangerous();
    let (builder, authorities) = match &tls.trust {
        Trust::Everybody => {
            (builder.with_custom_certificate_verifier(Arc::new(Anything(provider()))), vec![])
        }
        Trust::Authority(path) => {
            let found = certificates(path)?;
            let told = own_authorities(&found);
            let roots = authorities(path, found)?;
            let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider()).build();
            let by_authority = verifier.map_err(|_| PemError::Certificate { path: path.clone() })?;
            let site = tls.site.as_ref().and_then(|site| broker_name(site).try_into().ok());
            let verifier = Arc::new(HostOrSite { by_authority, site });
            (builder.with_custom_certificate_verifier(verifier), told)
        }
    };
    let (config, own) = match &tls.identity {
        None => (builder.with_no_client_auth(), None),
        Some(Identity { certificate, key }) => {
            let certified = PemFiles { certificate, key }.read()?;
            let own = Facts::of_first(&certified.cert);
            (builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certified))), own)
        }
    };
    Ok(Loaded { seen, config: Arc::new(config), authorities, own })
}

/// What is noted of the authorities that a file has.
fn own_authorities(all: &[CertificateDer<'_>]) -> Vec<Facts> {
    let few = if all.len() <= OWN_AUTHORITIES { all } else { &[] };
    few.iter().filter_map(|certificate| Facts::read(certificate)).collect()
}

fn server_name(broker: &BrokerAddress) -> Result<ServerName<'static>, TlsFault> {
    // The interface of a link-local address is this machine's business.
    let host = broker.host().split('%').next().unwrap_or_default();
    ServerName::try_from(host.to_owned()).map_err(|_| TlsFault::Host(host.to_owned()))
}

impl Tls {
    /// All files that it takes.
    fn files(&self) -> impl Iterator<Item = &std::path::Path> {
        let own = self.identity.iter().flat_map(|own| [own.certificate.as_path(), own.key.as_path()]);
        self.authority().into_iter().chain(own)
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, into),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, into),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
