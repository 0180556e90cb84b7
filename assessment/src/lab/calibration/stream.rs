//! As much as a network takes from one host to another.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::super::{Host, Impairment, LabError};

/// For how long what arrives is counted.
const COUNT: Duration = Duration::from_millis(600);

/// Before that, beyond the delays: the time in which TCP comes to its speed.
const SETTLE: Duration = Duration::from_millis(250);

/// The payload of UDP's largest packets.
const DATAGRAM_BYTES: usize = 1472;

/// How much more than the asked rate is sent, so that the line is never free.
const SURPLUS: f64 = 1.3;

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(60);

/// How often a thread that waits looks whether it is to end.
const LOOK: Duration = Duration::from_millis(20);

/// How long nothing must pass for a network to be quiet, and how long that is waited for.
const QUIET: Duration = Duration::from_millis(150);
const QUIET_MAX: Duration = Duration::from_secs(20);

/// What sends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::lab) enum Sender {
    /// Packets, whether they arrive or not, somewhat more than this rate in Mbit/s.
    Flood(f64),
    /// One TCP connection.
    Tcp,
}

/// What arrives at the other host, by its counters, in Mbit/s. Takes about a second and some round trips.
pub(in crate::lab) fn rate_mbit_s(
    near: &Host,
    far: &Host,
    asked: &Impairment,
    sender: Sender,
) -> Result<f64, LabError> {
    let failed = |source| LabError::Network { what: "a stream between two hosts", source };
    let over = AtomicBool::new(false);
    let settle = SETTLE + Duration::from_secs_f64(asked.latency_ms * 4.0 / 1000.0);
    let count = || -> Result<f64, LabError> {
        thread::sleep(settle);
        let (from, began) = (arrived(near, far)?, Instant::now());
        thread::sleep(COUNT);
        let bytes = arrived(near, far)?.saturating_sub(from);
        Ok(bytes as f64 * 8e-6 / began.elapsed().as_secs_f64())
    };
    match sender {
        Sender::Flood(rate) => {
            let sink = far.inside(|| UdpSocket::bind((far.address(), 0)))?.map_err(failed)?;
            let socket = near.inside(|| UdpSocket::bind((near.address(), 0)))?.map_err(failed)?;
            socket.connect(sink.local_addr().map_err(failed)?).map_err(failed)?;
            // The sink is never read: what it can't hold, the kernel has counted before.
            during(&over, || flood(&socket, rate * SURPLUS, &over), count)
        }
        Sender::Tcp => {
            let listener = far.inside(|| TcpListener::bind((far.address(), 0)))?.map_err(failed)?;
            let to = near.reach(listener.local_addr().map_err(failed)?)?;
            let stream = near.inside(|| TcpStream::connect_timeout(&to, CONNECT))?.map_err(failed)?;
            let (mut sink, _) = listener.accept().map_err(failed)?;
            sink.set_read_timeout(Some(LOOK)).map_err(failed)?;
            stream.set_write_timeout(Some(LOOK)).map_err(failed)?;
            thread::scope(|scope| {
                scope.spawn(|| drain(&mut sink, &over));
                during(&over, || pour(&stream, &over), count)
            })
        }
    }
}

/// Waits until what was sent before has arrived: nothing passes for a while, or patience ends, and the verdict will tell.
pub(in crate::lab) fn quiet(near: &Host, far: &Host) -> Result<(), LabError> {
    let (began, mut since, mut last) = (Instant::now(), Instant::now(), None);
    while since.elapsed() < QUIET && began.elapsed() < QUIET_MAX {
        let now = Some((near.wire()?, far.wire()?));
        if now != last {
            (since, last) = (Instant::now(), now);
        }
        thread::sleep(LOOK);
    }
    Ok(())
}

/// Counts while somebody sends.
fn during(
    over: &AtomicBool,
    send: impl FnOnce() -> io::Result<()> + Send,
    count: impl FnOnce() -> Result<f64, LabError>,
) -> Result<f64, LabError> {
    thread::scope(|scope| {
        let sender = scope.spawn(send);
        let counted = count();
        over.store(true, Ordering::Relaxed);
        let sent = sender.join().unwrap_or_else(|_| Err(io::Error::other("the sender ended early")));
        sent.map_err(|source| LabError::Network { what: "a stream between two hosts", source })?;
        counted
    })
}

/// What has passed so far: through proxies, as they count it where it is sent.
fn arrived(near: &Host, far: &Host) -> Result<u64, LabError> {
    if near.is_proxied() { Ok(near.wire()?.sent_bytes) } else { Ok(far.wire()?.received_bytes) }
}

/// Sends what is due each millisecond.
fn flood(socket: &UdpSocket, rate_mbit_s: f64, over: &AtomicBool) -> io::Result<()> {
    let datagram = [0; DATAGRAM_BYTES];
    let (began, mut sent) = (Instant::now(), 0.0);
    while !over.load(Ordering::Relaxed) {
        let due = began.elapsed().as_secs_f64() * rate_mbit_s * 1e6 / 8.0;
        while sent < due && !over.load(Ordering::Relaxed) {
            match socket.send(&datagram) {
                Ok(_) => sent += DATAGRAM_BYTES as f64,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// Sends as much as TCP takes.
fn pour(mut stream: &TcpStream, over: &AtomicBool) -> io::Result<()> {
    let bytes = vec![0; 64 * 1024];
    while !over.load(Ordering::Relaxed) {
        match stream.write(&bytes) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads and forgets.
fn drain(stream: &mut TcpStream, over: &AtomicBool) {
    let mut bytes = vec![0; 64 * 1024];
    while !over.load(Ordering::Relaxed) {
        match stream.read(&mut bytes) {
            Ok(1..) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Ok(0) | Err(_) => return,
        }
    }
}
