//! A web server that answers as it is told, also as none should.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use smc_mqtt::tls::provider;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// What it does when it is asked.
#[derive(Debug, Clone)]
pub(crate) enum Behaviour {
    /// Sends these bytes and closes.
    Bytes(Vec<u8>),
    /// Sends the beginning of an answer, and then a byte now and then, for ever.
    Drip,
    /// Sends the beginning of an answer, and then more and more of it.
    Flood,
}

/// A server on a port of its own; it ends with its handle.
pub(crate) struct Server {
    behaviour: Arc<Mutex<Behaviour>>,
    requests: Arc<Mutex<Vec<String>>>,
    port: u16,
    scheme: &'static str,
    _tasks: JoinSet<()>,
}

impl Server {
    pub(crate) async fn start(behaviour: Behaviour) -> Self {
        Self::start_at(behaviour, None).await
    }

    /// One with TLS, and this certificate.
    pub(crate) async fn start_tls(behaviour: Behaviour, certified: Arc<CertifiedKey>) -> Self {
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
        Self::start_at(behaviour, Some(TlsAcceptor::from(Arc::new(config)))).await
    }

    async fn start_at(behaviour: Behaviour, door: Option<TlsAcceptor>) -> Self {
        let scheme = if door.is_some() { "https" } else { "http" };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let behaviour = Arc::new(Mutex::new(behaviour));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (does, heard) = (Arc::clone(&behaviour), Arc::clone(&requests));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut clients = JoinSet::new();
            loop {
                let (client, _) = listener.accept().await.unwrap();
                clients.spawn(welcome(client, door.clone(), Arc::clone(&does), Arc::clone(&heard)));
            }
        });
        Self { behaviour, requests, port, scheme, _tasks: tasks }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        self.url_of("127.0.0.1", path)
    }

    /// An address with another name of this machine.
    pub(crate) fn url_of(&self, host: &str, path: &str) -> String {
        format!("{}://{host}:{}{path}", self.scheme, self.port)
    }

    pub(crate) fn set(&self, behaviour: Behaviour) {
        *self.behaviour.lock().unwrap() = behaviour;
    }

    /// What it was asked last, head and all.
    pub(crate) fn last_request(&self) -> String {
        self.requests.lock().unwrap().last().cloned().unwrap_or_default()
    }
}

/// An answer with a body.
pub(crate) fn answer(status: &str, headers: &str, body: &str) -> Behaviour {
    let length = body.len();
    Behaviour::Bytes(
        format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\n\r\n{body}").into_bytes(),
    )
}

async fn welcome(
    client: TcpStream,
    door: Option<TlsAcceptor>,
    does: Arc<Mutex<Behaviour>>,
    heard: Arc<Mutex<Vec<String>>>,
) {
    match door {
        None => serve(client, does, heard).await,
        Some(door) => {
            // Whoever does not like the certificate goes.
            let Ok(client) = door.accept(client).await else { return };
            serve(client, does, heard).await;
        }
    }
}

async fn serve(
    mut client: impl AsyncRead + AsyncWrite + Unpin,
    does: Arc<Mutex<Behaviour>>,
    heard: Arc<Mutex<Vec<String>>>,
) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let Ok(byte) = client.read_u8().await else { return };
        request.push(byte);
    }
    heard.lock().unwrap().push(String::from_utf8(request).unwrap());
    let behaviour = does.lock().unwrap().clone();
    let begins = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    match behaviour {
        Behaviour::Bytes(bytes) => {
            let _ = client.write_all(&bytes).await;
            let _ = client.shutdown().await;
        }
        Behaviour::Drip => {
            let _ = client.write_all(begins).await;
            while client.write_all(b"1\r\n{\r\n").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        Behaviour::Flood => {
            let _ = client.write_all(begins).await;
            let chunk = [b"400\r\n".to_vec(), vec![b' '; 1024], b"\r\n".to_vec()].concat();
            while client.write_all(&chunk).await.is_ok() {}
        }
    }
}
