//! Handshakes on a client's side.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::client::WebPkiServerVerifier;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::sign::SingleCertAndKey;
use smc_core::time::Timestamp;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::pem::{authorities, certificates};
use super::verify::{Anything, HostOrSite};
use super::{
    Dates, Expiring, Facts, Identity, PemError, PemFiles, Tls, TlsFault, Trust, broker_name, provider,
};
use crate::watch::{Stamp, stamp};

/// Up to how many authorities in a file it is noted when they end: more are a list of public ones, which others look after.
const OWN_AUTHORITIES: usize = 4;

/// Shakes hands with one server, connection after connection. Files are read when they have changed, so that a certificate
/// can be renewed at any time.
#[derive(Debug)]
pub struct Handshakes {
    tls: Tls,
    /// What the server's certificate is called in `dates`.
    server: String,
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

impl Handshakes {
    /// Trusts whom `tls` says. Until when the certificates hold that it comes by is noted in `dates`, that of the other side
    /// under the name `server`.
    pub fn new(tls: Tls, server: &str, dates: Arc<Dates>) -> Self {
        Self { tls, server: server.to_owned(), dates, loaded: None }
    }

    /// Whom it trusts.
    pub fn tls(&self) -> &Tls {
        &self.tls
    }

    /// Reads the files, unless that was done and none has changed.
    ///
    /// # Errors
    /// If one can't be used.
    pub async fn prepare(&mut self) -> Result<(), TlsFault> {
        self.config().await.map(|_| ())
    }

    /// Has `stream` lead to `host`, whose certificate has to be for that name or address, and to nobody else.
    ///
    /// # Errors
    /// See [`TlsFault`].
    pub async fn shake<S>(&mut self, host: &str, stream: S) -> Result<TlsStream<S>, TlsFault>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let config = self.config().await?;
        let name = server_name(host)?;
        let stream = TlsConnector::from(config).connect(name, stream).await;
        let stream = stream.map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof => {
                TlsFault::Cut
            }
            kind => TlsFault::of(&error, host, self.tls.authority()).unwrap_or(TlsFault::Broken(kind)),
        })?;
        self.note(&stream);
        Ok(stream)
    }

    /// Certificates of the last connection that end soon, by `now`; in the log, too, once a day.
    pub fn expiring(&self, now: Timestamp) -> Vec<Expiring> {
        self.dates.look(now)
    }

    /// Notes until when the certificates hold that make up this connection.
    fn note<S>(&self, stream: &TlsStream<S>) {
        let (_, session) = stream.get_ref();
        let server = session.peer_certificates().and_then(Facts::of_first);
        let (authorities, own) = self
            .loaded
            .as_ref()
            .map_or((&[][..], None), |loaded| (&loaded.authorities[..], loaded.own.as_ref()));
        let authorities = authorities.iter().map(|facts| ("authority", facts));
        let server = server.iter().map(|facts| (self.server.as_str(), facts));
        self.dates.note(authorities.chain(server).chain(own.map(|facts| ("own", facts))));
    }

    /// What a handshake takes: as it was read before, unless a file has changed.
    async fn config(&mut self) -> Result<Arc<ClientConfig>, TlsFault> {
        let seen: Vec<_> = self.tls.files().map(stamp).collect();
        if let Some(loaded) = self.loaded.as_ref().filter(|loaded| loaded.seen == seen) {
            return Ok(loaded.config.clone());
        }
        let tls = self.tls.clone();
        let loaded = tokio::task::spawn_blocking(move || load(&tls, seen)).await;
        let loaded = loaded.map_err(|error| TlsFault::Handshake(error.to_string()))??;
        Ok(self.loaded.insert(loaded).config.clone())
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

fn server_name(host: &str) -> Result<ServerName<'static>, TlsFault> {
    // The interface of a link-local address is this machine's business.
    let host = host.split('%').next().unwrap_or_default();
    ServerName::try_from(host.to_owned()).map_err(|_| TlsFault::Host(host.to_owned()))
}

impl Tls {
    /// All files that it takes.
    fn files(&self) -> impl Iterator<Item = &Path> {
        let own = self.identity.iter().flat_map(|own| [own.certificate.as_path(), own.key.as_path()]);
        self.authority().into_iter().chain(own)
    }
}
