//! Looks on over MQTT, as anybody may with a reader's login, and closes windows one after the other.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;
use smc_core::name::QueryName;
use smc_core::result::{SignedResult, Status};
use smc_core::roster::Roster;
use smc_core::time::{Period, WindowIndex};
use smc_mqtt::clock::Clock;
use smc_mqtt::connection::{Happening, Incoming, Publisher, connect};
use smc_mqtt::settings::ConnectionSettings;
use smc_mqtt::topic::{Topic, Topics};

use super::site::{Site, group_of};
use super::table::EPOCH;
use super::truth::{Finding, Judge, Members};

/// How many windows are kept after they closed, to judge what comes late and to notice a second value.
const KEPT: u64 = 2 * EPOCH;
/// How many periods after its end a window is waited for: peers work on two closed windows at once, at most.
const WAITED: u32 = 5;
/// How many different reasons for no value are told.
const REASONS: usize = 64;
/// How many mistakes are told in full.
const TOLD: usize = 20;

/// What all windows came to.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Tally {
    /// Windows that were closed.
    pub(super) windows: u64,
    /// Windows in which every query had a value.
    pub(super) complete: u64,
    /// Values published: one per window and query.
    pub(super) results: u64,
    /// Of these, equal to the truth.
    pub(super) right: u64,
    /// Of these, possible: the truth could not be told.
    pub(super) possible: u64,
    /// Of these, wrong.
    pub(super) wrong: u64,
    /// Second values of a window and query, other than the first.
    pub(super) duplicate: u64,
    /// Windows and queries without a value, as a rule forbids it.
    pub(super) withheld: u64,
    /// Windows and queries that failed, as a peer said.
    pub(super) failed: u64,
    /// Windows and queries of which nothing was heard.
    pub(super) unheard: u64,
    /// How often each reason for no value was given; names left out.
    pub(super) reasons: BTreeMap<String, u64>,
    /// The first mistakes in full.
    pub(super) mistakes: Vec<String>,
}

impl Tally {
    /// Counts a reason; of more than so many different ones, the others are not told.
    fn reason(&mut self, reason: String) {
        if self.reasons.len() < REASONS || self.reasons.contains_key(&reason) {
            *self.reasons.entry(reason).or_default() += 1;
        }
    }
}

/// A window that no more is waited for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Closed {
    pub(super) window: WindowIndex,
    /// When its last value came, if every query had one.
    pub(super) complete: Option<Instant>,
    /// Whether moreover all members stand in it with their newest reading, and all peers took part.
    pub(super) whole: bool,
}

/// What is known of one window.
#[derive(Debug, Default)]
struct Window {
    results: BTreeMap<QueryName, SignedResult>,
    members: Members,
    /// When the last value came.
    latest: Option<Instant>,
}

/// The observer.
pub(super) struct Watch {
    roster: Arc<Roster>,
    topics: Topics,
    clock: Clock,
    period: Period,
    judge: Judge,
    publisher: Publisher,
    incoming: Incoming,
    windows: BTreeMap<WindowIndex, Window>,
    /// The window that is closed next; earlier ones are not looked at.
    next: WindowIndex,
    tally: Tally,
}

impl Watch {
    /// Looks on from the next window on.
    pub(super) fn start(site: &Site, settings: ConnectionSettings, clock: Clock) -> Self {
        let topics = Topics::new(site.roster.site().clone());
        let (publisher, incoming) = connect(settings, vec![topics.results()]);
        Self {
            judge: Judge::new(Arc::clone(&site.roster), site.table),
            roster: Arc::clone(&site.roster),
            topics,
            next: site.period.window_at(clock.now()).next(),
            clock,
            period: site.period,
            publisher,
            incoming,
            windows: BTreeMap::new(),
            tally: Tally::default(),
        }
    }

    /// What was not complete before counts as the way to it.
    pub(super) fn begin_to_count(&mut self) {
        let Tally { wrong, duplicate, mistakes, .. } = std::mem::take(&mut self.tally);
        self.tally = Tally { wrong, duplicate, mistakes, ..Tally::default() };
    }

    /// The next window that closes. Cancelling it loses nothing.
    pub(super) async fn closed(&mut self) -> Closed {
        loop {
            let due = self.period.end(self.next) + WAITED * self.period.as_duration();
            let ended = self.period.end(self.next) <= self.clock.now();
            if ended && (due <= self.clock.now() || self.is_complete(self.next)) {
                return self.close();
            }
            let clock = self.clock.clone();
            tokio::select! {
                happening = self.incoming.next() => match happening {
                    Some(Happening::Message { topic, payload, .. }) => self.take(&topic, &payload),
                    Some(_) => {}
                    None => std::future::pending().await,
                },
                () = clock.sleep_until(due) => {}
            }
        }
    }

    /// Takes leave.
    pub(super) async fn end(self) -> Tally {
        drop(self.incoming);
        self.publisher.close().await;
        self.tally
    }

    fn is_complete(&self, window: WindowIndex) -> bool {
        self.windows.get(&window).is_some_and(|window| self.values(window) == self.roster.queries().count())
    }

    fn values(&self, window: &Window) -> usize {
        window.results.values().filter(|signed| signed.result.status == Status::Ok).count()
    }

    fn take(&mut self, topic: &str, payload: &[u8]) {
        let Ok(Topic::Result { query }) = self.topics.parse(topic) else { return };
        let Ok(signed) = serde_json::from_slice::<SignedResult>(payload) else {
            return self.mistake(format!("{query}: what is published is no result"));
        };
        let at = signed.result.window.index;
        if at.0 + KEPT < self.next.0 || signed.result.query != query {
            return;
        }
        if self.period.start(at) > self.clock.now() {
            return self.mistake(format!("{query}: a result of window {at}, which is still to come"));
        }
        let window = self.windows.entry(at).or_default();
        match (window.results.get(&query), signed.result.status) {
            (Some(first), Status::Ok) if first.result.status == Status::Ok => {
                if first.result != signed.result {
                    self.tally.duplicate += 1;
                    let (first, second) = (first.result.clone(), signed.result);
                    self.tell(format!("{query}: window {at} has two values: {first:?} and {second:?}"));
                }
            }
            // A notice says no more than that one peer came to no value.
            (Some(_), status) if status != Status::Ok => {}
            _ => {
                window.latest = Some(Instant::now());
                window.results.insert(query, signed.clone());
                if at < self.next && signed.result.status == Status::Ok {
                    self.judge_late(&signed);
                }
            }
        }
    }

    fn close(&mut self) -> Closed {
        let at = self.next;
        let mut window = self.windows.remove(&at).unwrap_or_default();
        let (groups, others): (Vec<_>, Vec<_>) =
            window.results.values().partition(|signed| group_of(&signed.result.query).is_some());
        for signed in groups.into_iter().chain(others) {
            match signed.result.status {
                Status::Ok => {
                    let finding = self.judge.judge(signed, &mut window.members);
                    self.note(signed, finding);
                }
                Status::Withheld => self.tally.withheld += 1,
                Status::Failed => self.tally.failed += 1,
            }
            if let Some(reason) = &signed.result.reason {
                self.tally.reason(without_names(reason));
            }
        }
        let asked = self.roster.queries().count();
        let complete = self.values(&window) == asked;
        let peers = self.roster.peers().count();
        let everybody = window.results.values().all(|signed| signed.result.peers.len() == peers);
        self.tally.windows += 1;
        self.tally.complete += u64::from(complete);
        self.tally.unheard += asked.saturating_sub(window.results.len()) as u64;
        let closed = Closed {
            window: at,
            complete: window.latest.filter(|_| complete),
            whole: complete && everybody && self.judge.is_newest(at, &window.members),
        };
        self.windows.insert(at, window);
        self.windows = self.windows.split_off(&WindowIndex(at.0.saturating_sub(KEPT)));
        self.next = at.next();
        closed
    }

    /// A value after its window closed: too late to count for the window, but not to be wrong.
    fn judge_late(&mut self, signed: &SignedResult) {
        let at = signed.result.window.index;
        // Of one that was never looked at, nothing is known.
        let Some(window) = self.windows.get_mut(&at) else { return };
        let mut members = std::mem::take(&mut window.members);
        let finding = self.judge.judge(signed, &mut members);
        window.members = members;
        self.note(signed, finding);
    }

    fn note(&mut self, signed: &SignedResult, finding: Finding) {
        self.tally.results += 1;
        match finding {
            Finding::True => self.tally.right += 1,
            Finding::Possible => self.tally.possible += 1,
            Finding::Wrong(why) => {
                let result = &signed.result;
                self.mistake(format!("{}: window {}: {why}: {result:?}", result.query, result.window.index));
            }
        }
    }

    fn mistake(&mut self, text: String) {
        self.tally.wrong += 1;
        self.tell(text);
    }

    fn tell(&mut self, text: String) {
        eprintln!("{text}");
        if self.tally.mistakes.len() < TOLD {
            self.tally.mistakes.push(text);
        }
    }
}

/// So that like reasons are counted together.
fn without_names(reason: &str) -> String {
    let name = |word: &str| {
        word.bytes().any(|b| b.is_ascii_digit()) && word.bytes().any(|b| b.is_ascii_alphabetic())
    };
    reason.split(' ').map(|word| if name(word) { "_" } else { word }).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_reasons_are_counted_together() {
        assert_eq!(without_names("3 of 5 peers voted in time"), "3 of 5 peers voted in time");
        assert_eq!(without_names("peer-2 voted for another plan"), "_ voted for another plan");
    }
}
