//! The page of a peer: what runs, what waits for its operator, what was, who takes part; in a browser, without scripts
//! if need be (docs/page.md).
//!
//! It knows nothing of the peer but [`View`]s, which the peer puts into a channel, and [`Order`]s, which it takes out of
//! another. So a page that is busy or broken into holds up no window.

mod door;
mod html;
mod log;
mod order;
mod past;
mod plot;
mod routes;
mod server;
mod view;

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use rand_chacha::ChaCha20Rng;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, watch};

use self::door::Door;
pub use self::door::{PagePassword, PagePasswordError};
pub use self::order::{MAX_REASON, Order};
use self::routes::Page;
pub use self::view::{
    Health, Log, Member, Role, Says, Session, State, Story, Subject, View, Waiting, Window,
};

/// `[page]` of a peer's file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageOptions {
    /// Where it listens. Anything but this machine itself takes a password.
    pub listen: SocketAddr,
    /// The hash of its password.
    #[serde(default)]
    pub password_hash: Option<PagePassword>,
}

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// The address can't be had.
    #[error("[page] listen = \"{listen}\": {error}; choose another port, or leave the table out for no page")]
    Listen {
        /// Where.
        listen: SocketAddr,
        /// Why.
        error: std::io::Error,
    },
    /// Anybody on the network could approve requests.
    #[error(
        "[page] listen = \"{listen}\" can be reached from other machines: add password_hash = \"...\", as `smc-broker passwd` \
         makes it, or listen on 127.0.0.1"
    )]
    Open {
        /// Where.
        listen: SocketAddr,
    },
}

/// A page that has its address, and is not served yet.
#[derive(Debug)]
pub struct Site {
    listener: TcpListener,
    address: SocketAddr,
    router: Router,
}

impl Site {
    /// Takes the address of the page. It will show the newest of `views` and the peer's `log`, and send `orders`.
    ///
    /// # Errors
    /// If the address can't be had, or must not be had without a password.
    pub async fn open(
        options: PageOptions,
        views: watch::Receiver<Arc<View>>,
        orders: mpsc::Sender<Order>,
        log: Option<PathBuf>,
        rng: ChaCha20Rng,
    ) -> Result<Self, PageError> {
        let PageOptions { listen, password_hash } = options;
        if !listen.ip().is_loopback() && password_hash.is_none() {
            return Err(PageError::Open { listen });
        }
        let failed = |error| PageError::Listen { listen, error };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let door = Door::new(password_hash, address.port(), rng);
        let page =
            Page { door, knocking: Semaphore::new(1), view: views, orders, log, reading: Semaphore::new(1) };
        Ok(Self { listener, address, router: routes::router(Arc::new(page)) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves the page until `shutdown` resolves.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) {
        server::serve(self.listener, self.router, shutdown).await;
    }
}
