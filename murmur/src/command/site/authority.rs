//! A small certificate authority of the site's own, and the certificate that it gives the broker.

use std::net::{IpAddr, UdpSocket};
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose,
};
use smc_core::name::SiteName;
use smc_mqtt::settings::Secret;
use smc_mqtt::tls::broker_name;
use zeroize::Zeroizing;

const DAY: Duration = Duration::from_secs(24 * 3_600);
/// How long the authority's certificate holds.
const AUTHORITY_HOLDS: Duration = Duration::from_secs(3_653 * 24 * 3_600);
/// How long the broker's certificate holds: clients of some systems take none that holds for more than 398 days.
const BROKER_HOLDS: Duration = Duration::from_secs(365 * 24 * 3_600);

/// The authority: whoever has its key can make certificates that the site's nodes believe.
pub(crate) struct Authority {
    site: SiteName,
    key: KeyPair,
}

/// A certificate and its key, in PEM.
pub(crate) struct Issued {
    pub(crate) certificate: String,
    pub(crate) key: Secret,
}

impl Authority {
    /// Draws a key.
    ///
    /// # Errors
    /// Without entropy.
    pub(crate) fn draw(site: &SiteName) -> Result<Self, rcgen::Error> {
        Ok(Self { site: site.clone(), key: KeyPair::generate()? })
    }

    /// The authority of a site whose key is there already.
    ///
    /// # Errors
    /// If that is no key.
    pub(super) fn of_key(site: &SiteName, pem: &str) -> Result<Self, rcgen::Error> {
        Ok(Self { site: site.clone(), key: KeyPair::from_pem(pem)? })
    }

    /// Its key, in PEM.
    pub(super) fn key(&self) -> Secret {
        Secret::from(self.key.serialize_pem())
    }

    /// Its certificate from `now` on, in PEM. Another one with the same key is as good: what it signed stays believed.
    ///
    /// # Errors
    /// Never with names of sites.
    pub(crate) fn certificate(&self, now: SystemTime) -> Result<String, rcgen::Error> {
        let mut params = self.params();
        hold(&mut params, now, AUTHORITY_HOLDS);
        Ok(params.self_signed(&self.key)?.pem())
    }

    /// A certificate for a broker under `names`, from `now` on, with a fresh key.
    ///
    /// # Errors
    /// If a name can't be in a certificate.
    pub(crate) fn issue(&self, names: &[String], now: SystemTime) -> Result<Issued, rcgen::Error> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name = common_name(&format!("broker of {}", self.site));
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        hold(&mut params, now, BROKER_HOLDS);
        let issuer = Issuer::new(self.params(), &self.key);
        let certificate = params.signed_by(&key, &issuer)?.pem();
        Ok(Issued { certificate, key: Secret::from(Zeroizing::new(key.serialize_pem()).to_string()) })
    }

    fn params(&self) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name = common_name(&format!("murmuration {}", self.site));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params
    }
}

fn common_name(name: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    // 64 characters are what a common name may have; nobody goes by it.
    names.push(DnType::CommonName, name.chars().take(64).collect::<String>());
    names
}

/// From a day before `now`, as clocks differ, until so long afterwards.
fn hold(params: &mut CertificateParams, now: SystemTime, long: Duration) {
    params.not_before = (now - DAY).into();
    params.not_after = (now + long).into();
}

/// What the broker of a site is called on its own machine and from others: the site's name for it, `localhost`, `host`
/// where nodes will look for it, and what this machine is called and has for an address now, in case it is the one.
pub(super) fn names(site: &SiteName, host: &str) -> Vec<String> {
    let mut names: Vec<String> =
        ["localhost", "127.0.0.1", "::1", host].map(str::to_owned).into_iter().collect();
    names.push(broker_name(site));
    let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    if let Some(machine) = Some(machine.trim()).filter(|name| is_host_name(name)) {
        names.extend([machine.to_owned(), format!("{machine}.local")]);
    }
    names.extend(own_address().map(|ip| ip.to_string()));
    let mut seen = std::collections::BTreeSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names
}

fn is_host_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    (1..=57).contains(&name.len()) && name.bytes().all(allowed)
}

/// The address that this machine has towards others. Nothing is sent: a socket that is told where it would send says from
/// where.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind(("0.0.0.0", 0)).ok()?;
    socket.connect(("192.0.2.1", 9)).ok()?;
    socket.local_addr().ok().map(|address| address.ip()).filter(|ip| !ip.is_unspecified())
}
