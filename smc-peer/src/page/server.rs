//! Connections: few, short, and none that waits for ever.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tracing::{debug, warn};

/// The most connections at a time; a browser opens six.
const CONNECTIONS: usize = 64;
/// How long a connection lasts, whatever it does.
const LIFE: Duration = Duration::from_secs(600);
/// How long a browser may take to say what it wants.
const HEADERS: Duration = Duration::from_secs(10);
/// The most bytes of a request's headers.
const HEADER_BYTES: usize = 16 * 1024;
/// How long to wait after the system would give no connection, for want of files for instance.
const PAUSE: Duration = Duration::from_millis(200);

/// Serves `router` until `shutdown` resolves; then all connections end.
pub(super) async fn serve(listener: TcpListener, router: Router, shutdown: impl Future<Output = ()>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => return,
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        match (accepted, Arc::clone(&room).try_acquire_owned()) {
            (Ok((stream, _)), Ok(permit)) => {
                let serving = connection(stream, router.clone());
                connections.spawn(async move {
                    let _ = tokio::time::timeout(LIFE, serving).await;
                    drop(permit);
                });
            }
            (Ok((_, from)), Err(_)) => warn!(%from, "the page serves {CONNECTIONS} connections, and no more"),
            (Err(error), _) => {
                warn!(%error, "the page can't take a connection");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, router: Router) {
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS)
        .max_buf_size(HEADER_BYTES)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    if let Err(error) = served.await {
        debug!(%error, "a connection to the page broke");
    }
}
