//! `--broker ADDRESS --ca FILE`: where the broker is, and whom to trust there.

use std::path::{Path, PathBuf};

use clap::Args;
use smc_core::name::SiteName;
use smc_mqtt::config::beside;
use smc_mqtt::discovery::{DiscoveryError, locate};
use smc_mqtt::settings::BrokerAddress;
use smc_mqtt::tls::Tls;

/// What the authority's file is called beside a site file.
pub(super) const CA: &str = "ca.pem";

/// The broker of a command.
#[derive(Debug, Args)]
pub(crate) struct At {
    /// Where the broker is; if not given, the one that a node's file names, or one that announces the site is looked for
    #[arg(long, value_name = "ADDRESS")]
    broker: Option<BrokerAddress>,
    /// The authority that the certificate of a broker with TLS is of; if not given, ca.pem beside the site file
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
}

impl At {
    /// The broker of `site`, whose file is at `file`.
    ///
    /// # Errors
    /// If it has to be looked for and is not found, or can't be trusted.
    pub(crate) async fn locate(&self, file: &Path, site: &SiteName) -> Result<BrokerAddress, DiscoveryError> {
        locate(self.broker.clone(), self.tls(file).as_ref(), site).await
    }

    /// The same for who has a node's file, which says `named` unless the command line says otherwise.
    ///
    /// # Errors
    /// As [`At::locate`].
    pub(crate) async fn locate_as(
        &self,
        named: (Option<BrokerAddress>, Option<Tls>),
        site: &SiteName,
    ) -> Result<BrokerAddress, DiscoveryError> {
        let (address, tls) = named;
        let tls = self.ca.as_deref().map(Tls::of_authority).or(tls);
        let broker = self.broker.clone().or(address);
        let plain = broker.as_ref().is_some_and(|broker| !broker.is_tls());
        // That the file trusts somebody does not keep the command line from naming a broker without TLS.
        let tls = tls.filter(|_| self.ca.is_some() || !plain);
        locate(broker, tls.as_ref(), site).await
    }

    fn tls(&self, site_file: &Path) -> Option<Tls> {
        let plain = self.broker.as_ref().is_some_and(|broker| !broker.is_tls());
        let beside = || Some(beside(site_file, Path::new(CA))).filter(|path| !plain && path.exists());
        self.ca.clone().or_else(beside).map(|path| Tls::of_authority(&path))
    }
}
