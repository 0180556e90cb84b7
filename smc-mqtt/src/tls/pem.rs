//! Files with certificates and keys.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use zeroize::Zeroizing;

use super::provider;
use crate::files::open_to_others;

/// How many certificates a file may have: more than a list of all public authorities has.
pub const MAX_CERTIFICATES: usize = 1_024;
/// The largest file that is read, in bytes.
const MAX_FILE: u64 = 4 << 20;

/// A file that can't be used for TLS.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PemError {
    /// It has no certificate, or a broken one.
    #[error(
        "{path}: no certificate in it that can be used; it should begin with `-----BEGIN CERTIFICATE-----`"
    )]
    Certificate {
        /// The file.
        path: PathBuf,
    },
    /// It has no key, or one of a kind that is not known.
    #[error(
        "{path}: no private key in it that can be used; it should begin with `-----BEGIN PRIVATE KEY-----`"
    )]
    Key {
        /// The file.
        path: PathBuf,
    },
    /// Others may read the key.
    #[error("{path}: mode {mode:o}, so others may read the key; run `chmod 600 {path}`")]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It can't be read.
    #[error("{path}: {kind}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        kind: io::ErrorKind,
    },
    /// It is larger than any file of certificates.
    #[error("{path}: larger than {MAX_FILE} bytes, or more than {MAX_CERTIFICATES} certificates")]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The key is another certificate's.
    #[error("{key}: not the key of the certificate in {certificate}")]
    Unlike {
        /// The file of the key.
        key: PathBuf,
        /// The file of the certificate.
        certificate: PathBuf,
    },
}

/// A certificate, with those between it and its authority, and its key, as two files have them.
#[derive(Debug, Clone, Copy)]
pub struct PemFiles<'a> {
    /// The file of the certificate.
    pub certificate: &'a Path,
    /// The file of its key.
    pub key: &'a Path,
}

impl PemFiles<'_> {
    /// Reads both.
    ///
    /// # Errors
    /// If one can't be used, or they don't belong together.
    pub fn read(self) -> Result<Arc<CertifiedKey>, PemError> {
        let chain = certificates(self.certificate)?;
        let unlike =
            || PemError::Unlike { key: self.key.to_owned(), certificate: self.certificate.to_owned() };
        match CertifiedKey::from_der(chain, key(self.key)?, &provider()) {
            Ok(certified) => Ok(Arc::new(certified)),
            Err(rustls::Error::InconsistentKeys(_)) => Err(unlike()),
            Err(rustls::Error::InvalidCertificate(_)) => {
                Err(PemError::Certificate { path: self.certificate.to_owned() })
            }
            Err(_) => Err(PemError::Key { path: self.key.to_owned() }),
        }
    }
}

/// The certificates in a file, at least one.
///
/// # Errors
/// If it can't be read, has none, or a broken one.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let text = read(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).take(MAX_CERTIFICATES + 1).collect();
    match found {
        Ok(found) if found.len() > MAX_CERTIFICATES => Err(PemError::TooLarge { path: path.to_owned() }),
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(PemError::Certificate { path: path.to_owned() }),
    }
}

/// Whether a text is certificates in PEM, at least one.
pub fn are_certificates(text: &str) -> bool {
    let found: Result<Vec<_>, _> =
        CertificateDer::pem_slice_iter(text.as_bytes()).take(MAX_CERTIFICATES).collect();
    found.is_ok_and(|found| authorities(Path::new(""), found).is_ok())
}

/// The authorities among the certificates of the file at `path`, at least one.
pub(super) fn authorities(
    path: &Path,
    certificates: Vec<CertificateDer<'static>>,
) -> Result<Arc<RootCertStore>, PemError> {
    let mut roots = RootCertStore::empty();
    // Lists of public authorities have some that are not understood; a file with none that is can't be meant.
    let (known, _) = roots.add_parsable_certificates(certificates);
    if known > 0 { Ok(Arc::new(roots)) } else { Err(PemError::Certificate { path: path.to_owned() }) }
}

/// The private key in a file that only its owner may read.
///
/// # Errors
/// If it can't be read, others may read it, or it has no key.
pub fn key(path: &Path) -> Result<PrivateKeyDer<'static>, PemError> {
    let failed = |error: io::Error| PemError::Read { path: path.to_owned(), kind: error.kind() };
    if let Some(mode) = open_to_others(path).map_err(failed)? {
        return Err(PemError::Open { path: path.to_owned(), mode });
    }
    let text = Zeroizing::new(read(path)?);
    PrivateKeyDer::from_pem_slice(&text).map_err(|_| PemError::Key { path: path.to_owned() })
}

fn read(path: &Path) -> Result<Vec<u8>, PemError> {
    let failed = |error: io::Error| PemError::Read { path: path.to_owned(), kind: error.kind() };
    let mut bytes = Vec::new();
    File::open(path).map_err(failed)?.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_FILE { Err(PemError::TooLarge { path: path.to_owned() }) } else { Ok(bytes) }
}
