//! What all connections of this process carried, layer by layer: for measurements.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes and messages since the process began. What connections said before they were established is in none of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// Messages published, those that were said again included.
    pub publishes: u64,
    /// Bytes of their payloads.
    pub payload_bytes: u64,
    /// Bytes of all packets sent, as MQTT makes them.
    pub mqtt_sent_bytes: u64,
    /// Bytes of all packets received.
    pub mqtt_received_bytes: u64,
    /// Bytes sent in TLS's records, handshakes included.
    pub tls_sent_bytes: u64,
    /// Bytes received in TLS's records.
    pub tls_received_bytes: u64,
}

/// One count for the whole process: what a measurement holds it against, an interface's counters, knows no connections.
static CARRIED: Carried = Carried {
    publishes: AtomicU64::new(0),
    payload: AtomicU64::new(0),
    mqtt_sent: AtomicU64::new(0),
    mqtt_received: AtomicU64::new(0),
    tls_sent: AtomicU64::new(0),
    tls_received: AtomicU64::new(0),
};

#[derive(Debug)]
struct Carried {
    publishes: AtomicU64,
    payload: AtomicU64,
    mqtt_sent: AtomicU64,
    mqtt_received: AtomicU64,
    tls_sent: AtomicU64,
    tls_received: AtomicU64,
}

impl Traffic {
    /// Until now.
    pub fn of_this_process() -> Self {
        Self {
            publishes: CARRIED.publishes.load(Relaxed),
            payload_bytes: CARRIED.payload.load(Relaxed),
            mqtt_sent_bytes: CARRIED.mqtt_sent.load(Relaxed),
            mqtt_received_bytes: CARRIED.mqtt_received.load(Relaxed),
            tls_sent_bytes: CARRIED.tls_sent.load(Relaxed),
            tls_received_bytes: CARRIED.tls_received.load(Relaxed),
        }
    }

    /// What was added since `earlier`.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            publishes: self.publishes.saturating_sub(earlier.publishes),
            payload_bytes: self.payload_bytes.saturating_sub(earlier.payload_bytes),
            mqtt_sent_bytes: self.mqtt_sent_bytes.saturating_sub(earlier.mqtt_sent_bytes),
            mqtt_received_bytes: self.mqtt_received_bytes.saturating_sub(earlier.mqtt_received_bytes),
            tls_sent_bytes: self.tls_sent_bytes.saturating_sub(earlier.tls_sent_bytes),
            tls_received_bytes: self.tls_received_bytes.saturating_sub(earlier.tls_received_bytes),
        }
    }
}

/// A publish was encoded.
pub(crate) fn note_publish(payload: usize) {
    CARRIED.publishes.fetch_add(1, Relaxed);
    CARRIED.payload.fetch_add(payload as u64, Relaxed);
}

/// Bytes of packets were handed to the system, or to TLS.
pub(crate) fn note_sent(bytes: usize) {
    CARRIED.mqtt_sent.fetch_add(bytes as u64, Relaxed);
}

/// Bytes of packets came.
pub(crate) fn note_received(bytes: usize) {
    CARRIED.mqtt_received.fetch_add(bytes as u64, Relaxed);
}

/// What lies beneath TLS, counted.
#[derive(Debug)]
pub(crate) struct Counted<S>(pub(crate) S);

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.0).poll_read(context, buffer);
        CARRIED.tls_received.fetch_add((buffer.filled().len() - before) as u64, Relaxed);
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        noted(Pin::new(&mut self.0).poll_write(context, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        noted(Pin::new(&mut self.0).poll_write_vectored(context, slices))
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

fn noted(written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
    if let Poll::Ready(Ok(bytes)) = &written {
        CARRIED.tls_sent.fetch_add(*bytes as u64, Relaxed);
    }
    written
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn what_passes_beneath_tls_is_counted_in_both_directions() {
        let before = Traffic::of_this_process();
        let (near, mut far) = tokio::io::duplex(64);
        let mut near = Counted(near);
        near.write_all(b"twelve bytes").await.unwrap();
        far.write_all(b"seven..").await.unwrap();
        near.read_exact(&mut [0; 7]).await.unwrap();
        // Other tests of this process may talk meanwhile.
        let carried = Traffic::of_this_process().since(before);
        assert!(carried.tls_sent_bytes >= 12 && carried.tls_received_bytes >= 7, "{carried:?}");
    }
}
