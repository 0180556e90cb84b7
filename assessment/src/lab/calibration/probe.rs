//! Small packets there and back.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::super::urgent::become_urgent;
use super::super::{Host, Impairment, LabError, LinkKind};
use super::Pace;

/// What a probe is: when it was sent, when it was sent back, and what makes it as long as a small message.
const PROBE_BYTES: usize = 64;

/// With UDP's and IP's headers.
const PACKET_BYTES: usize = PROBE_BYTES + 28;

/// How often a thread that waits looks whether it is to end.
const LOOK: Duration = Duration::from_millis(20);

/// Beyond the delays that were asked, how long stragglers are waited for.
const PATIENCE: Duration = Duration::from_millis(250);

/// What came back.
#[derive(Debug)]
pub(in crate::lab) struct Echoes {
    /// How long each took, one way, there and back, without its own time on the line. Both hosts have the same clock.
    pub(in crate::lab) delays_ms: Vec<f64>,
    /// Packets that were sent, there and back.
    pub(in crate::lab) sent: u64,
    /// Of these, packets that did not arrive.
    pub(in crate::lab) lost: u64,
}

/// How long a probe's bytes take at a rate.
pub(super) fn line_ms(rate_mbit_s: f64) -> f64 {
    PACKET_BYTES as f64 * 8e-3 / rate_mbit_s
}

/// Sends probes from one host to another and back: by UDP, or, through proxies, by TCP. Takes up to some seconds.
pub(in crate::lab) fn echoes(
    near: &Host,
    far: &Host,
    asked: &Impairment,
    kind: LinkKind,
) -> Result<Echoes, LabError> {
    let failed = |source| LabError::Network { what: "probes between two hosts", source };
    let mut echoes = if near.is_proxied() {
        let listener = far.inside(|| TcpListener::bind((far.address(), 0)))?.map_err(failed)?;
        let to = near.reach(listener.local_addr().map_err(failed)?)?;
        by_tcp(&listener, to).map_err(failed)?
    } else {
        let far = far.inside(|| UdpSocket::bind((far.address(), 0)))?.map_err(failed)?;
        let near = near.inside(|| UdpSocket::bind((near.address(), 0)))?.map_err(failed)?;
        near.connect(far.local_addr().map_err(failed)?).map_err(failed)?;
        by_udp(&near, &far, asked, Pace::of(asked, kind)).map_err(failed)?
    };
    let line_ms = asked.rate_mbit_s.map_or(0.0, line_ms);
    echoes.delays_ms.iter_mut().for_each(|delay| *delay -= line_ms);
    Ok(echoes)
}

fn by_udp(near: &UdpSocket, far: &UdpSocket, asked: &Impairment, pace: Pace) -> io::Result<Echoes> {
    let (over, began) = (AtomicBool::new(false), Instant::now());
    near.set_read_timeout(Some(LOOK))?;
    far.set_read_timeout(Some(LOOK))?;
    thread::scope(|scope| {
        // Urgent, so that the network is measured and not the wait for a core; where that is not allowed, the lab's notes say it.
        let echo = scope.spawn(|| {
            let _ = become_urgent();
            echo(far, began, &over)
        });
        let listen = scope.spawn(|| {
            let _ = become_urgent();
            listen(near, began, &over)
        });
        let sent = send(near, began, pace);
        thread::sleep(
            Duration::from_secs_f64(2.0 * (asked.latency_ms + asked.jitter_ms) / 1000.0) + PATIENCE,
        );
        over.store(true, Ordering::Relaxed);
        let ended = || io::Error::other("a thread ended early");
        let returned = echo.join().map_err(|_| ended())??;
        let back = listen.join().map_err(|_| ended())??;
        let sent = sent? + returned;
        // All that was sent twice, less what arrived twice.
        let lost = sent.saturating_sub(returned + back.len() as u64);
        Ok(Echoes { delays_ms: back.into_iter().flatten().collect(), sent, lost })
    })
}

/// Sends probes in their pace, and says how many.
fn send(socket: &UdpSocket, began: Instant, pace: Pace) -> io::Result<u64> {
    let mut next = Instant::now();
    for _ in 0..pace.packets {
        thread::sleep(next.saturating_duration_since(Instant::now()));
        socket.send(&probe(began))?;
        next += pace.apart;
    }
    Ok(pace.packets)
}

/// Sends everything back, and says how much that was.
fn echo(socket: &UdpSocket, began: Instant, over: &AtomicBool) -> io::Result<u64> {
    let (mut probe, mut returned) = ([0; PROBE_BYTES], 0);
    while !over.load(Ordering::Relaxed) {
        match socket.recv_from(&mut probe) {
            Ok((_, from)) => {
                stamp(&mut probe[8..], began);
                socket.send_to(&probe, from)?;
                returned += 1;
            }
            Err(error) if is_timeout(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(returned)
}

/// How long each probe took that came back, there and back.
fn listen(socket: &UdpSocket, began: Instant, over: &AtomicBool) -> io::Result<Vec<[f64; 2]>> {
    let (mut probe, mut delays) = ([0; PROBE_BYTES], Vec::new());
    while !over.load(Ordering::Relaxed) {
        match socket.recv(&mut probe) {
            Ok(_) => delays.push(delays_ms(&probe, began)),
            Err(error) if is_timeout(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(delays)
}

/// A connection's round trips, one after the other, for at most two seconds.
fn by_tcp(listener: &TcpListener, to: SocketAddr) -> io::Result<Echoes> {
    let began = Instant::now();
    let mut near = TcpStream::connect(to)?;
    let (mut far, _) = listener.accept()?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let (mut message, mut delays) = ([0; PROBE_BYTES], Vec::new());
    // At least a few, however slow.
    while delays.len() < 5 || (delays.len() < 200 && began.elapsed() < Duration::from_secs(2)) {
        near.write_all(&probe(began))?;
        far.read_exact(&mut message)?;
        stamp(&mut message[8..], began);
        far.write_all(&message)?;
        near.read_exact(&mut message)?;
        delays.push(delays_ms(&message, began));
    }
    let sent = 2 * delays.len() as u64;
    Ok(Echoes { delays_ms: delays.into_iter().flatten().collect(), sent, lost: 0 })
}

fn probe(began: Instant) -> [u8; PROBE_BYTES] {
    let mut probe = [0; PROBE_BYTES];
    stamp(&mut probe, began);
    probe
}

/// Writes the instant into the first eight bytes, as nanoseconds since the beginning.
fn stamp(bytes: &mut [u8], began: Instant) {
    let now = began.elapsed().as_nanos() as u64;
    bytes[..8].copy_from_slice(&now.to_be_bytes());
}

/// How long a probe took there and back that is back now.
fn delays_ms(probe: &[u8; PROBE_BYTES], began: Instant) -> [f64; 2] {
    let now = began.elapsed().as_nanos() as u64;
    let read = |at: usize| {
        let mut ns = [0; 8];
        ns.copy_from_slice(&probe[at..at + 8]);
        u64::from_be_bytes(ns)
    };
    let (sent, turned) = (read(0), read(8));
    [turned.saturating_sub(sent) as f64 / 1e6, now.saturating_sub(turned) as f64 / 1e6]
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}
