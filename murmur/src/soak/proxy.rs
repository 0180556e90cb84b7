//! A small proxy between the nodes and the broker: each node has a link of its own, which can be cut, slowed or
//! silenced.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// How much is carried at once.
const CHUNK: usize = 16 << 10;
/// How many chunks may be on their way; what is beyond them waits.
const CHUNKS: usize = 1024;

/// What a link does with what it is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Mode {
    /// Carries it.
    #[default]
    Open,
    /// Breaks every connection, and takes no new one.
    Cut,
    /// Carries each chunk so much later.
    Delayed(Duration),
    /// Takes it and carries nothing, as a network does that lost its way; afterwards it carries what it took.
    Silent,
}

/// The way of one node to the broker. It ends with its handle.
#[derive(Debug)]
pub(super) struct Link {
    address: SocketAddr,
    mode: watch::Sender<Mode>,
    // Aborts the task when dropped.
    _task: JoinSet<()>,
}

impl Link {
    /// Listens for a node; `broker` tells where the broker is now.
    pub(super) async fn open(broker: watch::Receiver<Option<SocketAddr>>) -> std::io::Result<Self> {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        let address = listener.local_addr()?;
        let (mode, modes) = watch::channel(Mode::Open);
        let mut task = JoinSet::new();
        task.spawn(accept(listener, broker, modes));
        Ok(Self { address, mode, _task: task })
    }

    /// Where the node connects to.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }
}

async fn accept(
    listener: TcpListener,
    broker: watch::Receiver<Option<SocketAddr>>,
    modes: watch::Receiver<Mode>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (Ok((client, _)), Some(address)) = (accepted, *broker.borrow()) else { continue };
                if *modes.borrow() != Mode::Cut {
                    connections.spawn(carry(client, address, modes.clone()));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Carries both ways until one end is gone or the link is cut.
async fn carry(mut client: TcpStream, broker: SocketAddr, mut modes: watch::Receiver<Mode>) {
    let Ok(mut server) = TcpStream::connect(broker).await else { return };
    // Without it a round through the proxy would wait for acknowledgements.
    if client.set_nodelay(true).and(server.set_nodelay(true)).is_err() {
        return;
    }
    let (up, down) = (modes.clone(), modes.clone());
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    tokio::select! {
        () = pump(&mut from_client, &mut to_server, up) => {}
        () = pump(&mut from_server, &mut to_client, down) => {}
        _ = modes.wait_for(|mode| *mode == Mode::Cut) => {}
    }
}

async fn pump(
    from: &mut (impl AsyncReadExt + Unpin),
    to: &mut (impl AsyncWriteExt + Unpin),
    mut modes: watch::Receiver<Mode>,
) {
    // What is delayed must not hold up what comes after it: that is as late, and no later.
    let (queue, mut queued) = mpsc::channel(CHUNKS);
    let reading = async move {
        let mut chunk = vec![0; CHUNK];
        while let Ok(count @ 1..) = from.read(&mut chunk).await {
            let mode = *modes.borrow_and_update();
            let delay = if let Mode::Delayed(delay) = mode { delay } else { Duration::ZERO };
            if mode == Mode::Silent && modes.wait_for(|mode| *mode != Mode::Silent).await.is_err() {
                break;
            }
            if queue.send((Instant::now() + delay, chunk[..count].to_vec())).await.is_err() {
                break;
            }
        }
        drop(queue);
        // The connection ends once all of it is written.
        std::future::pending::<()>().await;
    };
    let writing = async {
        while let Some((due, chunk)) = queued.recv().await {
            sleep_until(due).await;
            if to.write_all(&chunk).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = reading => {}
        () = writing => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A broker's end and a node's end of one link.
    async fn joined(link: &Link, broker: &TcpListener) -> (TcpStream, TcpStream) {
        let node = TcpStream::connect(link.address()).await.unwrap();
        let (server, _) = broker.accept().await.unwrap();
        (node, server)
    }

    async fn begin() -> (Link, TcpListener) {
        let broker = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (_, address) = watch::channel(Some(broker.local_addr().unwrap()));
        (Link::open(address).await.unwrap(), broker)
    }

    #[tokio::test]
    async fn a_link_carries_both_ways_until_it_is_cut() {
        let (link, broker) = begin().await;
        let (mut node, mut server) = joined(&link, &broker).await;
        node.write_all(b"up").await.unwrap();
        server.write_all(b"down").await.unwrap();
        let (mut up, mut down) = ([0; 2], [0; 4]);
        server.read_exact(&mut up).await.unwrap();
        node.read_exact(&mut down).await.unwrap();
        assert_eq!((&up, &down), (b"up", b"down"));
        link.set(Mode::Cut);
        assert_eq!(node.read(&mut up).await.unwrap_or(0), 0);
        assert_eq!(server.read(&mut up).await.unwrap_or(0), 0);
        let mut refused = TcpStream::connect(link.address()).await.unwrap();
        assert_eq!(refused.read(&mut up).await.unwrap_or(0), 0);
        link.set(Mode::Open);
        joined(&link, &broker).await;
    }

    #[tokio::test]
    async fn what_is_delayed_holds_up_nothing_that_follows() {
        const DELAY: Duration = Duration::from_millis(200);
        let (link, broker) = begin().await;
        let (mut node, mut server) = joined(&link, &broker).await;
        link.set(Mode::Delayed(DELAY));
        let (from, sent, mut received) = (Instant::now(), vec![7; 20 * CHUNK], vec![0; 20 * CHUNK]);
        let (writing, reading) = tokio::join!(node.write_all(&sent), server.read_exact(&mut received));
        writing.and(reading.map(|_| ())).unwrap();
        let passed = from.elapsed();
        assert_eq!(received, sent);
        assert!((DELAY..10 * DELAY).contains(&passed), "20 chunks took {passed:?}");
    }

    #[tokio::test]
    async fn what_a_silent_link_took_is_carried_afterwards() {
        let (link, broker) = begin().await;
        let (mut node, mut server) = joined(&link, &broker).await;
        link.set(Mode::Silent);
        node.write_all(b"x").await.unwrap();
        link.set(Mode::Open);
        let mut byte = [0];
        server.read_exact(&mut byte).await.unwrap();
        assert_eq!(&byte, b"x");
    }
}
