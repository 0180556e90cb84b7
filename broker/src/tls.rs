//! TLS at the door: the broker's certificate, and what clients show of theirs (docs/decisions/0026-tls.md).

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::SingleCertAndKey;
use rustls::{RootCertStore, ServerConfig};
use serde::Deserialize;
use smc_mqtt::clock::Clock;
use smc_mqtt::tls::{Dates, Facts, PemError, PemFiles, certificates, provider};
use smc_mqtt::watch::Watch;
use tokio_rustls::TlsAcceptor;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(5);

/// A listener with TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsListener {
    /// Where; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The broker's certificate, with those between it and its authority; PEM.
    pub certificate: PathBuf,
    /// The key of that; PEM, mode 0600.
    pub key: PathBuf,
    /// The authorities of clients' certificates; PEM.
    pub client_ca: Option<PathBuf>,
    /// Whether clients have to show a certificate.
    pub client_certificates: ClientCertificates,
    /// Whether a certificate stands in for a password that is not sent.
    pub certificate_logs_in: bool,
}

/// Whether clients have to show a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientCertificates {
    /// None is asked for.
    Off,
    /// Whoever shows one must show a good one.
    Optional,
    /// Nobody comes in without.
    Required,
}

/// Why there can be no TLS.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// A file can't be used.
    #[error("[tls] {0}")]
    File(#[from] PemError),
    /// There is no `client_ca`.
    #[error("[tls] client_certificates: `client_ca` has to name the file of the authority that they are of")]
    NoClientAuthority,
    /// rustls does not like it.
    #[error("[tls] {0}")]
    Unfit(String),
}

/// A client's certificate, which was found good.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) facts: Facts,
    /// Whether it stands in for a password.
    pub(crate) logs_in: bool,
}

/// What handshakes take. It follows its files: who comes after a renewal gets the new certificate.
#[derive(Debug)]
pub(crate) struct TlsDoor {
    settings: TlsListener,
    current: RwLock<Arc<ServerConfig>>,
    dates: Dates,
    /// The files, as they were when they were read first.
    files: Watch,
}

impl TlsDoor {
    /// Reads the files.
    ///
    /// # Errors
    /// If they can't be used.
    pub(crate) fn open(settings: TlsListener) -> Result<Self, TlsError> {
        let dates = Dates::default();
        let TlsListener { certificate, key, client_ca, .. } = &settings;
        let files = Watch::new([certificate, key].into_iter().chain(client_ca).cloned().collect());
        let config = load(&settings, &dates)?;
        Ok(Self { settings, current: RwLock::new(config), dates, files })
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone().into()
    }

    /// What a client showed, if it showed anything.
    pub(crate) fn shown(&self, connection: &rustls::ServerConnection) -> Option<Shown> {
        let facts = Facts::of_first(connection.peer_certificates()?)?;
        Some(Shown { facts, logs_in: self.settings.certificate_logs_in })
    }

    /// Follows the files, and warns of what ends soon. Never returns.
    pub(crate) async fn follow(&self) {
        let clock = Clock::system();
        let mut files = self.files.clone();
        loop {
            self.dates.look(clock.now());
            tokio::time::sleep(LOOK).await;
            if files.poll() {
                self.reread();
            }
        }
    }

    /// Reads the files again; what can't be used changes nothing.
    fn reread(&self) {
        match load(&self.settings, &self.dates) {
            Ok(config) => {
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = config;
                tracing::info!(certificate = %self.settings.certificate.display(), "the certificate was read again");
            }
            Err(error) => tracing::error!(%error, "the certificate stays as it was"),
        }
    }
}

fn load(settings: &TlsListener, dates: &Dates) -> Result<Arc<ServerConfig>, TlsError> {
    let unfit = |error: rustls::Error| TlsError::Unfit(error.to_string());
    let own = PemFiles { certificate: &settings.certificate, key: &settings.key }.read()?;
    let facts = Facts::of_first(&own.cert);
    let builder = ServerConfig::builder_with_provider(provider());
    let builder = builder.with_safe_default_protocol_versions().map_err(unfit)?;
    let (builder, clients) = match (settings.client_certificates, &settings.client_ca) {
        (ClientCertificates::Off, _) => (builder.with_no_client_auth(), None),
        (_, None) => return Err(TlsError::NoClientAuthority),
        (wanted, Some(path)) => {
            let (verifier, facts) = of_clients(path, wanted)?;
            (builder.with_client_cert_verifier(verifier), facts)
        }
    };
    let config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(own)));
    let named = [("broker", facts.as_ref()), ("client authority", clients.as_ref())];
    dates.note(named.into_iter().filter_map(|(name, facts)| Some((name, facts?))));
    Ok(Arc::new(config))
}

/// Who has clients' certificates checked, and until when the first of their authorities holds.
fn of_clients(
    path: &Path,
    wanted: ClientCertificates,
) -> Result<(Arc<dyn ClientCertVerifier>, Option<Facts>), TlsError> {
    let authorities = certificates(path)?;
    let facts = Facts::of_first(&authorities);
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(authorities);
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
    let builder = match wanted {
        ClientCertificates::Optional => builder.allow_unauthenticated(),
        ClientCertificates::Off | ClientCertificates::Required => builder,
    };
    let verifier = builder.build().map_err(|_| PemError::Certificate { path: path.to_owned() })?;
    Ok((verifier, facts))
}
