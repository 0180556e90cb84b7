//! MQTT over websockets (RFC 6455), for browsers: binary messages are a stream of bytes, wherever they are cut.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use futures_util::{Sink, Stream};
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::tungstenite::handshake::server::{Callback, ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::header::{HOST, HeaderValue, ORIGIN, SEC_WEBSOCKET_PROTOCOL};
use tokio_tungstenite::tungstenite::http::{HeaderMap, StatusCode};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async_with_config};

use crate::limits::Limits;

/// What a client has to ask for (MQTT 5.0, 6).
const SUBPROTOCOL: &str = "mqtt";
/// Bytes read at once, and bytes that a write may wait for others: every connection has such buffers.
const BUFFER: usize = 8 << 10;
/// The most bytes in one message that is sent.
const LARGEST_SENT: usize = 64 << 10;
/// The most bytes that wait to be sent, as clients see to it that nothing more is written.
const MOST_WAITING: usize = 4 * LARGEST_SENT;

/// A listener for websockets.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebsocketListener {
    /// Where; port 0 takes a free one. With TLS, if there is a listener with TLS, by the same certificate.
    pub listen: SocketAddr,
    /// From which pages a browser may connect, such as `https://dashboard.example`; `*` for any. Whoever is no browser
    /// says nothing of pages, or that it is one of this very host and port, and is let in.
    #[serde(default)]
    pub origins: Vec<String>,
}

/// A client's stream of bytes in messages.
#[derive(Debug)]
pub(crate) struct Websocket<S> {
    messages: WebSocketStream<S>,
    /// What of the last message was not read yet.
    unread: Bytes,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Websocket<S> {
    /// Answers the request with which a client begins.
    ///
    /// # Errors
    /// If that is none, asks for something else than MQTT, or comes from a page that may not.
    pub(crate) async fn accept(stream: S, listener: &WebsocketListener, limits: &Limits) -> io::Result<Self> {
        // A message has a packet, or many small ones: a client that cuts them by the largest packet is understood.
        let largest = limits.packet_bytes + LARGEST_SENT;
        let config = WebSocketConfig::default()
            .read_buffer_size(BUFFER)
            .write_buffer_size(BUFFER)
            .max_write_buffer_size(MOST_WAITING)
            .max_message_size(Some(largest))
            .max_frame_size(Some(largest));
        let gatekeeper = Gatekeeper { origins: &listener.origins };
        let messages = accept_hdr_async_with_config(stream, gatekeeper, Some(config)).await;
        Ok(Self { messages: messages.map_err(broken)?, unread: Bytes::new() })
    }
}

/// Looks at what a client asks for.
struct Gatekeeper<'a> {
    origins: &'a [String],
}

impl Callback for Gatekeeper<'_> {
    fn on_request(self, request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
        if !asks_for_mqtt(request.headers()) {
            return Err(refusal(StatusCode::BAD_REQUEST, "ask for the subprotocol `mqtt`"));
        }
        let (origin, host) = (request.headers().get(ORIGIN), request.headers().get(HOST));
        if origin.is_some_and(|origin| !self.knows(origin, host)) {
            return Err(refusal(StatusCode::FORBIDDEN, "this page may not connect: see `origins`"));
        }
        response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
        Ok(response)
    }
}

impl Gatekeeper<'_> {
    /// Whether a page of `origin` may connect. Programs that are no browsers, such as paho, claim to be a page of `host`, where
    /// there are none.
    fn knows(&self, origin: &HeaderValue, host: Option<&HeaderValue>) -> bool {
        let Ok(origin) = origin.to_str() else { return false };
        let own = origin.split_once("://").map(|(_, host)| host.as_bytes());
        own.is_some() && own == host.map(HeaderValue::as_bytes)
            || self.origins.iter().any(|known| known == "*" || known == origin)
    }
}

fn asks_for_mqtt(headers: &HeaderMap) -> bool {
    let asked = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|value| value.to_str().ok());
    asked.flat_map(|value| value.split(',')).any(|protocol| protocol.trim() == SUBPROTOCOL)
}

fn refusal(status: StatusCode, why: &str) -> ErrorResponse {
    let mut response = ErrorResponse::new(Some(why.to_owned()));
    *response.status_mut() = status;
    response
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Websocket<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.unread.is_empty() {
            match ready!(Pin::new(&mut self.messages).poll_next(cx)) {
                Some(Ok(Message::Binary(bytes))) => self.unread = bytes,
                None | Some(Ok(Message::Close(_)) | Err(Error::ConnectionClosed | Error::AlreadyClosed)) => {
                    return Poll::Ready(Ok(()));
                }
                Some(Ok(Message::Text(_))) => {
                    return Poll::Ready(Err(invalid("a text message, and MQTT is bytes")));
                }
                // Answered already.
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Err(error)) => return Poll::Ready(Err(broken(error))),
            }
        }
        let count = self.unread.len().min(into.remaining());
        into.put_slice(&self.unread[..count]);
        self.unread.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Websocket<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(Pin::new(&mut self.messages).poll_ready(cx)).map_err(broken)?;
        let bytes = &bytes[..bytes.len().min(LARGEST_SENT)];
        let message = Message::Binary(Bytes::copy_from_slice(bytes));
        Pin::new(&mut self.messages).start_send(message).map_err(broken)?;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.messages).poll_flush(cx).map_err(broken)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.messages).poll_close(cx).map_err(broken)
    }
}

fn broken(error: Error) -> io::Error {
    match error {
        Error::Io(error) => error,
        Error::AlreadyClosed | Error::ConnectionClosed => io::ErrorKind::BrokenPipe.into(),
        other => invalid(&other.to_string()),
    }
}

fn invalid(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}
