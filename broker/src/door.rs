//! Where clients come in: listeners, and what a stream goes through before MQTT is spoken on it.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use rustls::InvalidMessage;
use smc_mqtt::clock::Clock;
use smc_mqtt::tls::NOTICE;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

use crate::counters::bump;
use crate::error::BrokerError;
use crate::server::serve;
use crate::shared::Shared;
use crate::tls::{Shown, TlsListener};
use crate::websocket::{Websocket, WebsocketListener};

/// Pause after the operating system refused a connection, so that it is not asked in a tight loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long a client has to go that was turned away.
const PARTING: Duration = Duration::from_secs(1);
/// How much more it may say meanwhile, in KiB.
const MOST_UNREAD: usize = 64;

/// What a listener speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Speaks {
    /// MQTT over TCP.
    Plain,
    /// MQTT over websockets over TLS.
    SecureWebsocket,
    /// MQTT over TLS.
    Tls,
    /// MQTT over websockets.
    Websocket,
}

/// A listener.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) speaks: Speaks,
    pub(crate) address: SocketAddr,
    listener: TcpListener,
}

/// What a client's stream is once it is open.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Duplex for S {}

/// Why no stream came of a connection.
#[derive(Debug, thiserror::Error)]
enum Closed {
    #[error("the handshake failed: {0}")]
    Handshake(#[from] io::Error),
    #[error("it speaks no TLS, which this port is for")]
    NotTls,
    #[error("the handshake takes too long")]
    TooSlow,
}

impl Door {
    /// Listens at `address`; port 0 takes a free one.
    async fn bind(speaks: Speaks, address: SocketAddr) -> Result<Self, BrokerError> {
        let failed = |source| BrokerError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        if matches!(speaks, Speaks::Plain | Speaks::Websocket) && !bound.ip().is_loopback() {
            tracing::warn!(
                address = %bound,
                "whoever reads this network reads logins: listen on the loopback interface alone, and with [tls] elsewhere"
            );
        }
        Ok(Self { speaks, address: bound, listener })
    }
}

/// All listeners that are wanted.
pub(crate) async fn bind(
    plain: Option<SocketAddr>,
    tls: Option<&TlsListener>,
    websocket: Option<&WebsocketListener>,
) -> Result<Vec<Door>, BrokerError> {
    let of_websockets = if tls.is_some() { Speaks::SecureWebsocket } else { Speaks::Websocket };
    let wanted = [
        (Speaks::Plain, plain),
        (Speaks::Tls, tls.map(|tls| tls.listen)),
        (of_websockets, websocket.map(|websocket| websocket.listen)),
    ];
    let mut doors = Vec::new();
    for (speaks, address) in wanted {
        if let Some(address) = address {
            doors.push(Door::bind(speaks, address).await?);
        }
    }
    Ok(doors)
}

/// Lets clients in. Never returns.
pub(crate) async fn accept(
    doors: &[Door],
    shared: &Arc<Shared>,
    connections: &mut JoinSet<()>,
) -> Result<(), BrokerError> {
    let pending = Arc::new(Semaphore::new(shared.limits.pending_connections));
    let mut turn = 0;
    loop {
        let (speaks, stream) = tokio::select! {
            (speaks, accepted) = next(doors, &mut turn) => match accepted {
                Ok(stream) => (speaks, stream),
                Err(error) => {
                    if let Some(more) = shared.gates.crowded.open() {
                        tracing::error!(%error, more, "can't accept connections: raise the limit of open files");
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
            Some(_) = connections.join_next() => continue,
        };
        match pending.clone().try_acquire_owned() {
            Ok(permit) if connections.len() < shared.limits.connections => {
                connections.spawn(come_in(shared.clone(), speaks, stream, permit));
            }
            _ => {
                bump(&shared.counters.connections_refused);
                if let Some(more) = shared.gates.crowded.open() {
                    tracing::warn!(more, "too many connections: turned one away");
                }
            }
        }
    }
}

/// The next connection at any door, each having its turn to be looked at first.
async fn next(doors: &[Door], turn: &mut usize) -> (Speaks, io::Result<TcpStream>) {
    poll_fn(|cx| {
        *turn = turn.wrapping_add(1);
        for at in 0..doors.len() {
            let door = &doors[turn.wrapping_add(at) % doors.len()];
            if let Poll::Ready(accepted) = door.listener.poll_accept(cx) {
                return Poll::Ready((door.speaks, accepted.map(|(stream, _)| stream)));
            }
        }
        Poll::Pending
    })
    .await
}

async fn come_in(shared: Arc<Shared>, speaks: Speaks, stream: TcpStream, pending: OwnedSemaphorePermit) {
    // Small messages must not wait for each other; without the option everything still works, later.
    let _ = stream.set_nodelay(true);
    let deadline = Instant::now() + shared.limits.connect_timeout();
    if speaks == Speaks::Plain {
        return serve(shared, stream, None, pending, deadline).await;
    }
    let opened = timeout_at(deadline, open(&shared, speaks, stream)).await;
    match opened.unwrap_or(Err(Closed::TooSlow)) {
        Ok((stream, shown)) => {
            mind_the_end(&shared, shown.as_ref());
            Box::pin(serve(shared, stream, shown, pending, deadline)).await;
        }
        Err(closed) => {
            bump(&shared.counters.failed_handshakes);
            if let Some(more) = shared.gates.handshake.open() {
                tracing::warn!(why = %closed, more, "refused a connection");
            }
        }
    }
}

/// What has to happen before MQTT.
async fn open(
    shared: &Shared,
    speaks: Speaks,
    stream: TcpStream,
) -> Result<(Box<dyn Duplex>, Option<Shown>), Closed> {
    let encrypted = matches!(speaks, Speaks::SecureWebsocket | Speaks::Tls);
    let (stream, shown): (Box<dyn Duplex>, _) = match shared.tls.as_ref().filter(|_| encrypted) {
        Some(tls) => {
            let stream = match tls.acceptor().accept(stream).into_fallible().await {
                Ok(stream) => stream,
                Err((error, stream)) => {
                    part(stream).await;
                    return Err(closed(error));
                }
            };
            let shown = tls.shown(stream.get_ref().1);
            (Box::new(stream), shown)
        }
        None => (Box::new(stream), None),
    };
    match (speaks, &shared.websocket) {
        (Speaks::SecureWebsocket | Speaks::Websocket, Some(listener)) => {
            let stream = Websocket::accept(stream, listener, &shared.limits).await?;
            Ok((Box::new(stream), shown))
        }
        _ => Ok((stream, shown)),
    }
}

/// Has a client hear why it is turned away: a connection that is closed with something unread is reset, and what was said
/// on it is lost.
async fn part(mut stream: TcpStream) {
    let hear_out = async {
        stream.shutdown().await?;
        let mut unread = [0; 1024];
        for _ in 0..MOST_UNREAD {
            if stream.read(&mut unread).await? == 0 {
                break;
            }
        }
        Ok::<_, io::Error>(())
    };
    // Whoever does not go in time is cut off.
    let _ = timeout(PARTING, hear_out).await;
}

/// Says that a client's certificate ends soon, for whoever has to renew it.
fn mind_the_end(shared: &Shared, shown: Option<&Shown>) {
    let Some(Shown { facts, .. }) = shown else { return };
    if facts.not_after <= Clock::system().now() + NOTICE
        && let Some(more) = shared.gates.certificate.open()
    {
        tracing::warn!(of = ?facts.names, until = %facts.not_after, more, "a client's certificate ends soon");
    }
}

fn closed(error: io::Error) -> Closed {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType)) => Closed::NotTls,
        _ => Closed::Handshake(error),
    }
}
