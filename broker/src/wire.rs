//! A client's byte stream with a buffer on either side, read and written by one task.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use zeroize::Zeroize;

/// Bytes read at once.
const CHUNK: usize = 16 << 10;
/// Capacity that an empty buffer may keep when its connection has gone quiet.
const KEPT: usize = 512;

/// What [`Wire::turn`] achieved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// The client closed its side.
    Closed,
    /// Bytes arrived in [`Wire::input`].
    Read(usize),
    /// Bytes of [`Wire::output`] were sent.
    Written(usize),
}

/// The stream and its buffers. An idle connection holds no buffer at all: bytes are read into the stack first.
#[derive(Debug)]
pub(crate) struct Wire<S> {
    stream: S,
    /// Received and not yet decoded.
    pub(crate) input: Vec<u8>,
    /// To be sent, from `sent` on.
    pub(crate) output: Vec<u8>,
    sent: usize,
    /// Bytes were written that the stream may still hold back.
    unflushed: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, input: Vec::new(), output: Vec::new(), sent: 0, unflushed: false }
    }

    /// Bytes that are still to be sent.
    pub(crate) fn pending(&self) -> usize {
        self.output.len() - self.sent
    }

    /// Sends what can be sent and, if `reading`, receives what has come; returns after either. Loses nothing
    /// when dropped.
    pub(crate) async fn turn(&mut self, reading: bool) -> io::Result<Turn> {
        poll_fn(|cx| {
            if let Poll::Ready(written) = self.poll_write(cx)? {
                return Poll::Ready(Ok(Turn::Written(written)));
            }
            if reading { self.poll_read(cx) } else { Poll::Pending }
        })
        .await
    }

    /// Sends everything.
    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        while self.pending() > 0 || self.unflushed {
            poll_fn(|cx| self.poll_write(cx)).await?;
        }
        Ok(())
    }

    /// Says below MQTT, too, that nothing more comes: otherwise TLS can't tell an end from a cut.
    pub(crate) async fn close(&mut self) -> io::Result<()> {
        poll_fn(|cx| Pin::new(&mut self.stream).poll_shutdown(cx)).await
    }

    /// Removes `count` decoded bytes from the input, erasing them where they held a password.
    pub(crate) fn consume(&mut self, count: usize, secret: bool) {
        if secret {
            self.input[..count].zeroize();
        }
        self.input.drain(..count);
    }

    /// Gives memory back that the last burst needed.
    pub(crate) fn shrink(&mut self) {
        if self.input.is_empty() && self.input.capacity() > KEPT {
            self.input = Vec::new();
        }
        if self.output.is_empty() && self.output.capacity() > KEPT {
            self.output = Vec::new();
        }
    }

    /// Ready when at least one byte was written.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut written = 0;
        while self.sent < self.output.len() {
            match Pin::new(&mut self.stream).poll_write(cx, &self.output[self.sent..])? {
                Poll::Ready(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(count) => {
                    self.sent += count;
                    written += count;
                    self.unflushed = true;
                }
                Poll::Pending => break,
            }
        }
        if self.sent == self.output.len() {
            self.output.clear();
            self.sent = 0;
        }
        if self.unflushed && self.output.is_empty() && Pin::new(&mut self.stream).poll_flush(cx)?.is_ready() {
            self.unflushed = false;
            return Poll::Ready(Ok(written));
        }
        if written > 0 { Poll::Ready(Ok(written)) } else { Poll::Pending }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Turn>> {
        let mut chunk = [MaybeUninit::<u8>::uninit(); CHUNK];
        let mut chunk = ReadBuf::uninit(&mut chunk);
        match Pin::new(&mut self.stream).poll_read(cx, &mut chunk)? {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) if chunk.filled().is_empty() => Poll::Ready(Ok(Turn::Closed)),
            Poll::Ready(()) => {
                self.input.extend_from_slice(chunk.filled());
                Poll::Ready(Ok(Turn::Read(chunk.filled().len())))
            }
        }
    }
}
