//! Accounts that follow the configuration file while the broker runs.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use smc_core::name::SiteName;
use smc_mqtt::watch::Watch;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::limits::Limits;
use crate::server::BrokerConfig;
use crate::settings::Settings;
use crate::shared::Shared;
use crate::tls::TlsListener;
use crate::websocket::WebsocketListener;

/// How many filters accounts may bring along that come later.
pub(crate) const FILTERS_TO_COME: usize = 1_024;
/// How often the file is looked at.
const LOOK: Duration = Duration::from_secs(2);

/// The file, and what of it holds until a restart.
#[derive(Debug)]
pub(crate) struct Source {
    path: PathBuf,
    /// The file, as it was when the broker began.
    file: Watch,
    fixed: Fixed,
}

/// What a broker that runs can't change.
#[derive(Debug, PartialEq)]
struct Fixed {
    announce: Option<SiteName>,
    limits: Limits,
    listen: Option<SocketAddr>,
    state_dir: Option<PathBuf>,
    tls: Option<TlsListener>,
    websocket: Option<WebsocketListener>,
}

impl Source {
    /// The file that `config` came from, if it came from one.
    pub(crate) fn of(config: &BrokerConfig) -> Option<Self> {
        let path = config.file.clone()?;
        Some(Self { file: Watch::new(vec![path.clone()]), path, fixed: Fixed::of(config) })
    }

    /// Has the accounts be what the file says whenever it changes, and when the process is asked by SIGHUP. Never returns.
    pub(crate) async fn follow(&self, shared: &Shared) {
        let mut asked = signal(SignalKind::hangup()).ok();
        let mut file = self.file.clone();
        loop {
            let news = tokio::select! {
                () = hangup(&mut asked) => {
                    file.skip();
                    true
                }
                () = tokio::time::sleep(LOOK) => file.poll(),
            };
            if news {
                self.reread(shared).await;
            }
        }
    }

    async fn reread(&self, shared: &Shared) {
        let path = self.path.clone();
        let Ok(loaded) = tokio::task::spawn_blocking(move || Settings::load(&path)).await else { return };
        let path = self.path.display();
        let applied = match loaded {
            Ok(config) => {
                self.mind_the_rest(&config);
                apply(shared, config)
            }
            Err(error) => Err(error.to_string()),
        };
        match applied {
            Ok(dismissed) => tracing::info!(file = %path, dismissed, "the accounts were read again"),
            Err(error) => tracing::error!(%error, "the accounts stay as they were"),
        }
    }

    fn mind_the_rest(&self, config: &BrokerConfig) {
        if Fixed::of(config) != self.fixed {
            tracing::warn!(
                file = %self.path.display(),
                "listeners, limits, state_dir and what is announced have changed in the file: they take a restart"
            );
        }
    }
}

impl Fixed {
    fn of(config: &BrokerConfig) -> Self {
        Self {
            announce: config.announce.clone(),
            limits: config.limits.clone(),
            listen: config.listen,
            state_dir: config.state_dir.clone(),
            tls: config.tls.clone(),
            websocket: config.websocket.clone(),
        }
    }
}

/// Takes the accounts of `config`, and closes the connections of those that are not what they were; how many accounts.
fn apply(shared: &Shared, config: BrokerConfig) -> Result<usize, String> {
    let filters = config.accounts.iter().flat_map(|account| account.rules.subscribe.iter().cloned());
    let filters: Vec<_> = filters.collect();
    let dismissed = shared.auth.configure(config.accounts, config.anonymous.as_deref());
    let dismissed = dismissed.map_err(|error| error.to_string())?;
    shared.fanout.extend(filters);
    for name in &dismissed {
        shared.registry.dismiss(name);
    }
    Ok(dismissed.len())
}

/// When the process is asked to read again.
async fn hangup(asked: &mut Option<Signal>) {
    match asked {
        // The stream of signals has no end.
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}
