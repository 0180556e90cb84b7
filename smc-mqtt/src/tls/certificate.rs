//! What a certificate says: whose it is, and from when to when it holds.

use std::net::IpAddr;

use rustls::pki_types::CertificateDer;
use smc_core::time::Timestamp;
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::time::Time;

/// How many names of a certificate are looked at.
const MAX_NAMES: usize = 64;

/// What is read of a certificate. That it says so proves nothing: whoever needs that has it verified before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Whose: the common name first, if it has one, then the host names and addresses.
    pub names: Vec<String>,
    /// From when on it holds.
    pub not_before: Timestamp,
    /// Until when it holds.
    pub not_after: Timestamp,
}

impl Facts {
    /// Reads a certificate; none if it is none.
    pub fn read(der: &[u8]) -> Option<Self> {
        let certificate = Certificate::from_der(der).ok()?;
        let certificate = certificate.tbs_certificate();
        let common = certificate.subject().common_name().ok().flatten();
        let common = common.map(|name| name.value().into_owned());
        let others = certificate.get_extension::<SubjectAltName>().ok().flatten();
        let others = others.iter().flat_map(|(_, SubjectAltName(names))| names).filter_map(name);
        let validity = certificate.validity();
        Some(Self {
            names: common.into_iter().chain(others).take(MAX_NAMES).collect(),
            not_before: timestamp(validity.not_before),
            not_after: timestamp(validity.not_after),
        })
    }

    /// Reads the first of a chain: the one that the others vouch for.
    pub fn of_first(chain: &[CertificateDer<'_>]) -> Option<Self> {
        chain.first().and_then(|certificate| Self::read(certificate))
    }

    /// Whether `account` is one of its names, letter by letter.
    pub fn is_of(&self, account: &str) -> bool {
        self.names.iter().any(|name| name == account)
    }
}

fn name(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DnsName(name) => Some(name.to_string()),
        GeneralName::IpAddress(bytes) => {
            let bytes = bytes.as_bytes();
            let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
            v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok().map(|ip| ip.to_string())
        }
        _ => None,
    }
}

fn timestamp(time: Time) -> Timestamp {
    Timestamp::default() + time.to_unix_duration()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DnType, KeyPair};

    #[test]
    fn a_certificate_tells_its_names_and_days() {
        let hosts = ["room-101.example", "10.0.0.7", "::1"].map(str::to_owned);
        let mut params = CertificateParams::new(hosts).unwrap();
        params.distinguished_name.push(DnType::CommonName, "room-101");
        (params.not_before, params.not_after) =
            (rcgen::date_time_ymd(2026, 1, 2), rcgen::date_time_ymd(2051, 3, 4));
        let der = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let facts = Facts::read(der.der()).unwrap();
        assert_eq!(facts.names, ["room-101", "room-101.example", "10.0.0.7", "::1"]);
        assert_eq!(facts.not_before.to_string(), "2026-01-02T00:00:00Z");
        assert_eq!(
            facts.not_after.to_string(),
            "2051-03-04T00:00:00Z",
            "after 2049 it is written in another way"
        );
        assert!(facts.is_of("room-101") && !facts.is_of("room-1"));
        assert_eq!(Facts::read(&der.der()[1..]), None);
        assert_eq!(Facts::read(b""), None);
    }
}
