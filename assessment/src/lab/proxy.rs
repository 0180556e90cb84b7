//! What stands in for a network where none can be made: hosts are addresses of the loopback, and what they say to others by
//! TCP passes through proxies that delay it and slow it down.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::sleep_until;

use super::LabError;
use super::host::Wire;
use super::impairment::Shape;
use super::relay::Pacer;

/// What is read at once.
const CHUNK_BYTES: usize = 16 * 1024;

/// Chunks that may be on their way in one direction of a connection; the next one is not read before one has arrived.
const CHUNKS_MAX: usize = 256;

/// How long chunks are read before their line is free for them.
const AHEAD: Duration = Duration::from_millis(50);

/// Connections of one host.
const CONNECTIONS_MAX: usize = 20_000;

/// The address of the host of this number.
pub(super) fn address(host: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 83, 0, host.saturating_add(1))
}

/// What all proxies of a lab have in common.
#[derive(Debug)]
pub(super) struct Proxies {
    shape: Mutex<Shape>,
    /// Each host's line, by its address.
    lines: Mutex<BTreeMap<IpAddr, Arc<Mutex<Pacer>>>>,
    began: Instant,
}

/// The proxies of one host.
#[derive(Debug)]
pub(super) struct Proxy {
    own: Ipv4Addr,
    runtime: Handle,
    proxies: Arc<Proxies>,
    counts: Arc<Counts>,
    /// Near ends, by what they lead to.
    ends: Mutex<BTreeMap<SocketAddr, End>>,
}

#[derive(Debug)]
struct End {
    near: SocketAddr,
    task: AbortHandle,
}

#[derive(Debug, Default)]
struct Counts {
    sent: AtomicU64,
    received: AtomicU64,
}

impl Proxies {
    pub(super) fn new() -> Self {
        Self { shape: Mutex::new(Shape::NONE), lines: Mutex::default(), began: Instant::now() }
    }

    /// From now on, what passes meets with this.
    pub(super) fn shape(&self, shape: Shape) {
        *self.shape.lock().unwrap_or_else(PoisonError::into_inner) = shape;
    }

    /// When so many bytes that are sent now have left over this line, and when they arrive.
    fn times(&self, line: &Mutex<Pacer>, bytes: usize) -> (Instant, Instant) {
        let shape = *self.shape.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.began.elapsed().as_nanos() as u64;
        let mut line = line.lock().unwrap_or_else(PoisonError::into_inner);
        let left = self.began + Duration::from_nanos(line.queue(now, bytes, shape.ns_per_byte));
        (left, left + shape.delay())
    }

    fn line(&self, host: IpAddr) -> Arc<Mutex<Pacer>> {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(lines.entry(host).or_default())
    }
}

impl Proxy {
    pub(super) fn new(own: Ipv4Addr, proxies: Arc<Proxies>, runtime: Handle) -> Self {
        Self { own, runtime, proxies, counts: Arc::default(), ends: Mutex::default() }
    }

    /// The near end of a proxy for `to`.
    pub(super) fn reach(&self, to: SocketAddr) -> Result<SocketAddr, LabError> {
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(end) = ends.get(&to) {
            return Ok(end.near);
        }
        let end = self.open(to).map_err(|source| LabError::Proxy { to, source })?;
        let near = end.near;
        ends.insert(to, end);
        Ok(near)
    }

    fn open(&self, to: SocketAddr) -> io::Result<End> {
        let listener = StdListener::bind((self.own, 0))?;
        listener.set_nonblocking(true)?;
        let _runtime = self.runtime.enter();
        let listener = TcpListener::from_std(listener)?;
        let near = listener.local_addr()?;
        let ways = Ways {
            there: self.proxies.line(self.own.into()),
            back: self.proxies.line(to.ip()),
            proxies: Arc::clone(&self.proxies),
            counts: Arc::clone(&self.counts),
        };
        Ok(End { near, task: self.runtime.spawn(accept(listener, to, ways)).abort_handle() })
    }

    /// What passed so far.
    pub(super) fn wire(&self) -> Wire {
        Wire {
            sent_bytes: self.counts.sent.load(Ordering::Relaxed),
            sent_packets: None,
            received_bytes: self.counts.received.load(Ordering::Relaxed),
            received_packets: None,
            dropped_packets: None,
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let ends = self.ends.get_mut().unwrap_or_else(PoisonError::into_inner);
        ends.values().for_each(|end| end.task.abort());
    }
}

/// The lines of both directions of a host's connections.
#[derive(Debug, Clone)]
struct Ways {
    there: Arc<Mutex<Pacer>>,
    back: Arc<Mutex<Pacer>>,
    proxies: Arc<Proxies>,
    counts: Arc<Counts>,
}

/// Takes connections until it is aborted, which ends them.
async fn accept(listener: TcpListener, to: SocketAddr, ways: Ways) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        // One that fails at once, or is one too many, is closed; whoever made it notices.
        if let Ok((near, _)) = listener.accept().await
            && connections.len() < CONNECTIONS_MAX
        {
            connections.spawn(connect(near, to, ways.clone()));
        }
    }
}

async fn connect(near: TcpStream, to: SocketAddr, ways: Ways) -> io::Result<()> {
    let far = TcpStream::connect(to).await?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
    let there = pass(near_in, far_out, &ways.proxies, &ways.there, &ways.counts.sent);
    let back = pass(far_in, near_out, &ways.proxies, &ways.back, &ways.counts.received);
    tokio::try_join!(there, back)?;
    Ok(())
}

/// One direction of a connection, until its end.
async fn pass(
    from: OwnedReadHalf,
    to: OwnedWriteHalf,
    proxies: &Proxies,
    line: &Mutex<Pacer>,
    count: &AtomicU64,
) -> io::Result<()> {
    let (sender, receiver) = mpsc::channel(CHUNKS_MAX);
    tokio::try_join!(read(from, sender, proxies, line, count), write(to, receiver))?;
    Ok(())
}

async fn read(
    mut from: OwnedReadHalf,
    sender: Sender<(Instant, Vec<u8>)>,
    proxies: &Proxies,
    line: &Mutex<Pacer>,
    count: &AtomicU64,
) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let length = from.read(&mut chunk).await?;
        let Some(bytes) = chunk.get(..length).filter(|bytes| !bytes.is_empty()) else { return Ok(()) };
        let (left, arrives) = proxies.times(line, length);
        count.fetch_add(length as u64, Ordering::Relaxed);
        if sender.send((arrives, bytes.to_vec())).await.is_err() {
            return Ok(());
        }
        // The next chunk is not read long before it can leave; but before, so that the line is never free for want of it.
        sleep_until(left.checked_sub(AHEAD).unwrap_or(left).into()).await;
    }
}

async fn write(mut to: OwnedWriteHalf, mut receiver: Receiver<(Instant, Vec<u8>)>) -> io::Result<()> {
    while let Some((arrives, bytes)) = receiver.recv().await {
        sleep_until(arrives.into()).await;
        to.write_all(&bytes).await?;
    }
    to.shutdown().await
}
