//! Looks at a site through its broker for a while.

use std::time::Duration;

use smc_mqtt::clock::Clock;
use smc_mqtt::connection::{Fault, Happening, Incoming, Refusal, connect};
use smc_mqtt::filter::TopicFilter;
use tokio::time::{Instant, timeout, timeout_at};

use super::seen::Seen;
use crate::command::onlooker::View;

/// How long to wait for the broker.
const CONNECT: Duration = Duration::from_secs(5);
/// After a silence this long, what the broker had kept has come.
const QUIET: Duration = Duration::from_millis(500);
/// The longest that what the broker had kept may take.
const KEPT: Duration = Duration::from_secs(10);

/// How long it takes until what is found by name has come (docs/decisions/0027).
const BY_NAME: Duration = Duration::from_millis(1_500);

/// How it went.
#[derive(Debug)]
pub(super) enum Reached {
    /// The broker let us in.
    Looked {
        /// How long connection, login and subscriptions took.
        took: Duration,
        /// Filters that it does not allow.
        denied: Vec<String>,
        /// For how long was listened after what the broker had kept.
        listened: Duration,
    },
    /// It turns us down.
    Refused(Refusal),
    /// It can't be reached, or does not answer.
    Unreachable(Option<Fault>),
}

/// Connects, takes in what the broker has kept and what comes within `listen`.
pub(super) async fn look(mut view: View, listen: Duration, seen: &mut Seen) -> Reached {
    let began = Instant::now();
    let names = names(&view, seen);
    // All of them at once.
    view.settings.queue = view.settings.queue.max(names.len());
    let (publisher, mut incoming) = connect(view.settings, view.filters);
    let (mut denied, mut fault) = (Vec::new(), None);
    loop {
        match timeout_at(began + CONNECT, incoming.next()).await {
            Ok(Some(Happening::Connected)) => break,
            Ok(Some(Happening::Disconnected { reason })) => fault = Some(reason),
            Ok(Some(Happening::Message { topic, payload, retain })) => {
                seen.take(Clock::system().now(), &topic, &payload, retain);
            }
            Ok(Some(Happening::Refused { reason: Refusal::Subscription { filters } })) => denied = filters,
            Ok(Some(Happening::Refused { reason })) => return Reached::Refused(reason),
            Ok(None) | Err(_) => return Reached::Unreachable(fault),
        }
    }
    let took = began.elapsed();
    take_kept(&mut incoming, &mut denied, seen).await;
    if !publisher.finds_retained() {
        names.into_iter().for_each(|name| publisher.look(name));
        take_until(Instant::now() + BY_NAME, &mut incoming, &mut denied, seen).await;
    }
    let listening = Instant::now();
    take_until(listening + listen, &mut incoming, &mut denied, seen).await;
    publisher.close().await;
    Reached::Looked { took, denied, listened: listening.elapsed() }
}

/// What the broker may keep, as far as this login may read it: some brokers close the connection of who asks for more.
fn names(view: &View, seen: &Seen) -> Vec<String> {
    let filters: Vec<TopicFilter> = view.filters.iter().filter_map(|filter| filter.parse().ok()).collect();
    let mut names = seen.kept_at();
    names.retain(|name| filters.iter().any(|filter| filter.matches(name)));
    names
}

/// What the broker had kept comes at once, among what is said meanwhile.
async fn take_kept(incoming: &mut Incoming, denied: &mut Vec<String>, seen: &mut Seen) {
    let (mut deadline, latest) = (Instant::now() + QUIET, Instant::now() + KEPT);
    while let Ok(Some(happening)) = timeout(QUIET, incoming.next()).await {
        let is_kept = matches!(happening, Happening::Message { retain: true, .. });
        take(happening, denied, seen);
        if is_kept {
            deadline = (Instant::now() + QUIET).min(latest);
        }
        if Instant::now() >= deadline {
            return;
        }
    }
}

async fn take_until(end: Instant, incoming: &mut Incoming, denied: &mut Vec<String>, seen: &mut Seen) {
    while let Ok(Some(happening)) = timeout_at(end, incoming.next()).await {
        take(happening, denied, seen);
    }
}

fn take(happening: Happening, denied: &mut Vec<String>, seen: &mut Seen) {
    match happening {
        Happening::Message { topic, payload, retain } => {
            seen.take(Clock::system().now(), &topic, &payload, retain);
        }
        Happening::Refused { reason: Refusal::Subscription { filters } } => *denied = filters,
        Happening::Connected | Happening::Disconnected { .. } | Happening::Refused { .. } => {}
    }
}
