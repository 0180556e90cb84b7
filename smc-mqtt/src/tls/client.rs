//! Connecting to a broker, with TLS where its address says so.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::{Dates, Handshakes, Tls, TlsFault};
use crate::connection::Fault;
use crate::settings::BrokerAddress;
use crate::traffic::Counted;

/// A stream of bytes to and from a broker.
#[derive(Debug)]
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<Counted<TcpStream>>>),
}

/// Makes connections.
#[derive(Debug)]
pub(crate) struct Connector {
    dates: Arc<Dates>,
    /// With the broker that it connected to last.
    handshakes: Option<Handshakes>,
}

impl Connector {
    /// Notes in `dates` until when the certificates hold that it comes by.
    pub(crate) fn new(dates: Arc<Dates>) -> Self {
        Self { dates, handshakes: None }
    }

    /// Connects to `broker`.
    ///
    /// # Errors
    /// See [`Fault`].
    pub(crate) async fn connect(&mut self, broker: &BrokerAddress) -> Result<Stream, Fault> {
        let handshakes = if broker.is_tls() { Some(self.handshakes(broker)?) } else { None };
        let address = (broker.host(), broker.port());
        let Some(handshakes) = handshakes else { return Ok(Stream::Plain(reach(address).await?)) };
        // First, so that a file that can't be used is told of whether or not the broker is there.
        handshakes.prepare().await?;
        let stream = Counted(reach(address).await?);
        Ok(Stream::Tls(Box::new(handshakes.shake(broker.host(), stream).await?)))
    }

    fn handshakes(&mut self, broker: &BrokerAddress) -> Result<&mut Handshakes, TlsFault> {
        let tls = broker.tls().ok_or(TlsFault::NoAuthority)?;
        let known = self.handshakes.take().filter(|known| known.tls() == tls);
        let known = known.unwrap_or_else(|| Handshakes::new(tls.clone(), "broker", self.dates.clone()));
        Ok(self.handshakes.insert(known))
    }
}

async fn reach(address: (&str, u16)) -> Result<TcpStream, Fault> {
    let stream = TcpStream::connect(address).await.map_err(|error| Fault::Unreachable(error.kind()))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// What an error in reading or writing means.
pub(crate) fn fault(error: &io::Error, broker: &BrokerAddress) -> Fault {
    match TlsFault::of(error, broker.host(), broker.tls().and_then(Tls::authority)) {
        Some(fault) => fault.into(),
        None => error.kind().into(),
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, into),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, into),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
