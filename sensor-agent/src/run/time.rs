//! A machine that does not know the time yet.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use smc_core::name::NodeName;
use smc_mqtt::clock::Clock;
use tracing::{info, warn};

/// How often the clock is looked at.
const PAUSE: Duration = Duration::from_secs(1);

/// Waits until the clock shows a time that can be true; `false` if the process is asked to end before. Small machines have no
/// clock that goes on without power: they begin in 1970, or where they stopped, until the network tells them. What was
/// shared meanwhile would be of windows that nobody is in, and sealed to keys that can't be right.
pub(super) async fn is_known(
    node: &NodeName,
    clock: &Clock,
    mut shutdown: Pin<&mut impl Future<Output = ()>>,
) -> bool {
    if clock.is_set() {
        return true;
    }
    warn!(
        %node,
        "this machine's clock says {}, which can't be, so nothing is shared: set it, or have the network set it \
         (timedatectl set-ntp true)",
        clock.now()
    );
    while !clock.is_set() {
        tokio::select! {
            () = shutdown.as_mut() => return false,
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
    info!(%node, "this machine's clock says {} now", clock.now());
    true
}
