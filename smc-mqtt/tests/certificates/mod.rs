//! Certificates of an authority of a test's own.

// Shared by several tests: no single one of them uses all of it, and a failure here is a failed test.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyPair,
};
use tempfile::TempDir;

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// An authority, with a folder for what it makes. Its own certificate is `ca.pem`, with `ca.key`.
pub(crate) struct Authority {
    folder: TempDir,
    params: CertificateParams,
    key: KeyPair,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name = common_name(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
        write_secret(&folder.path().join("ca.key"), &key.serialize_pem());
        Self { folder, params, key }
    }

    /// A file of its folder.
    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    /// Writes `<name>.pem` and `<name>.key`: a certificate that holds from yesterday on, for so many days.
    pub(crate) fn issue(&self, name: &str, hosts: &[&str], days: u32) {
        self.issue_since(name, hosts, SystemTime::now() - DAY, days);
    }

    /// The same from `since` on.
    pub(crate) fn issue_since(&self, name: &str, hosts: &[&str], since: SystemTime, days: u32) {
        let mut params = node(name, hosts);
        (params.not_before, params.not_after) = (since.into(), (since + days * DAY).into());
        let key = KeyPair::generate().unwrap();
        let signed = params.signed_by(&key, &Issuer::from_params(&self.params, &self.key)).unwrap();
        self.write(name, &signed, &key);
    }

    /// The same, signed by itself.
    pub(crate) fn issue_own(&self, name: &str, hosts: &[&str]) {
        let key = KeyPair::generate().unwrap();
        self.write(name, &node(name, hosts).self_signed(&key).unwrap(), &key);
    }

    fn write(&self, name: &str, certificate: &Certificate, key: &KeyPair) {
        write_secret(&self.path(&format!("{name}.key")), &key.serialize_pem());
        std::fs::write(self.path(&format!("{name}.pem")), certificate.pem()).unwrap();
    }
}

fn node(name: &str, hosts: &[&str]) -> CertificateParams {
    let hosts: Vec<_> = hosts.iter().map(|&host| host.to_owned()).collect();
    let mut params = CertificateParams::new(hosts).unwrap();
    params.distinguished_name = common_name(name);
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params
}

fn common_name(name: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
}

fn write_secret(path: &Path, text: &str) {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path).unwrap();
    std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
}
