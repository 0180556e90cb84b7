//! Brokers with TLS, and clients of them.

#[path = "../../../smc-mqtt/tests/certificates/mod.rs"]
mod authority;

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use smc_broker::{BrokerConfig, ClientCertificates, TlsListener};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub(crate) use self::authority::Authority;
use super::{TestBroker, config, within};

/// A CONNACK of MQTT 3.1.1 that lets in.
pub const CONNECTED: [u8; 4] = [0x20, 2, 0, 0];

impl Authority {
    /// A listener with the certificate called `broker`.
    pub(crate) fn listener(&self, client_certificates: ClientCertificates) -> TlsListener {
        TlsListener {
            listen: ([127, 0, 0, 1], 0).into(),
            certificate: self.path("broker.pem"),
            key: self.path("broker.key"),
            client_ca: Some(self.path("ca.pem")),
            client_certificates,
            certificate_logs_in: false,
        }
    }

    /// A broker with TLS alone, for `localhost`.
    pub(crate) async fn broker(&self, client_certificates: ClientCertificates) -> TestBroker {
        self.issue("broker", &["localhost"], 90);
        let tls = self.listener(client_certificates);
        TestBroker::with(BrokerConfig { listen: None, tls: Some(tls), ..config() }).await
    }

    /// A client that trusts this authority, and shows the certificate called `shown`.
    pub(crate) fn client(&self, shown: Option<&str>) -> ClientConfig {
        self.client_of(shown, rustls::ALL_VERSIONS)
    }

    /// The same that speaks `versions` alone.
    pub(crate) fn client_of(
        &self,
        shown: Option<&str>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(certificate(&self.path("ca.pem"))).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        match shown {
            None => builder.with_no_client_auth(),
            Some(name) => {
                let key = PrivateKeyDer::from_pem_file(self.path(&format!("{name}.key"))).unwrap();
                let chain = vec![certificate(&self.path(&format!("{name}.pem")))];
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        }
    }
}

/// A connection to `localhost` at the broker's port.
pub async fn connected(broker: &TestBroker, client: ClientConfig) -> std::io::Result<TlsStream<TcpStream>> {
    let connector = TlsConnector::from(Arc::new(client));
    let stream = TcpStream::connect(broker.address).await.unwrap();
    within(connector.connect(ServerName::try_from("localhost").unwrap(), stream)).await
}

/// Connects, says `hello`, and returns what is answered, as much as a CONNACK of MQTT 3.1.1 has; what went wrong, else.
pub async fn say(broker: &TestBroker, client: ClientConfig, hello: &[u8]) -> Result<Vec<u8>, String> {
    let talk = async {
        let mut stream = connected(broker, client).await?;
        stream.write_all(hello).await?;
        stream.flush().await?;
        let mut answer = vec![0; CONNECTED.len()];
        stream.read_exact(&mut answer).await?;
        Ok(answer)
    };
    within(talk).await.map_err(|error: std::io::Error| error.to_string())
}

fn certificate(path: &Path) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(path).unwrap()
}
