//! The tables of the configuration file about listeners.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::tls::{ClientCertificates, TlsListener};

/// `[tls]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TlsTable {
    listen: SocketAddr,
    certificate: PathBuf,
    key: PathBuf,
    client_ca: Option<PathBuf>,
    /// Required, if there is a `client_ca` and nothing is said.
    client_certificates: Option<ClientCertificates>,
    #[serde(default)]
    certificate_logs_in: bool,
}

impl TlsTable {
    /// What it says, with paths that count from `folder`.
    pub(super) fn listener(self, folder: &Path) -> TlsListener {
        let wanted = match &self.client_ca {
            None => ClientCertificates::Off,
            Some(_) => ClientCertificates::Required,
        };
        TlsListener {
            listen: self.listen,
            certificate: folder.join(self.certificate),
            key: folder.join(self.key),
            client_ca: self.client_ca.map(|path| folder.join(path)),
            client_certificates: self.client_certificates.unwrap_or(wanted),
            certificate_logs_in: self.certificate_logs_in,
        }
    }
}
