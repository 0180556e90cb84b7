//! What a peer tells the measuring process about each window, as one line.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use smc_core::peer::Event;
use smc_core::time::{Timestamp, WindowIndex};
use smc_peer::Observed;
use tokio::sync::mpsc;

/// How many events may wait to be told.
const WAITING: usize = 1_024;

/// One window at one peer, in microseconds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Window {
    /// From the plan to the vote: the inputs are checked.
    pub(crate) check_us: u64,
    /// From the vote to the votes of all.
    pub(crate) vote_us: u64,
    /// From the votes of all to the signed result.
    pub(crate) compute_us: u64,
    /// Bytes of messages to other peers during that time, as published.
    pub(crate) sent: u64,
    /// The result's value; nothing if there is none.
    pub(crate) value: Option<String>,
    /// Why there is none.
    pub(crate) reason: Option<String>,
}

/// The marks of a window that is not done.
#[derive(Debug, Default)]
struct Marks {
    planned: Option<Timestamp>,
    voted: Option<Timestamp>,
    agreed: Option<(Timestamp, u64)>,
}

/// An observer that prints each window when it is done.
pub(crate) fn tell() -> mpsc::Sender<Observed> {
    let (sender, mut observed) = mpsc::channel::<Observed>(WAITING);
    tokio::spawn(async move {
        let mut windows: BTreeMap<WindowIndex, Marks> = BTreeMap::new();
        while let Some(Observed { at, sent, event }) = observed.recv().await {
            match event {
                Event::Planned { window, .. } => windows.entry(window).or_default().planned = Some(at),
                Event::Persist { vote, .. } => windows.entry(vote.window).or_default().voted = Some(at),
                Event::Agreed { window, .. } => {
                    windows.entry(window).or_default().agreed = Some((at, sent));
                }
                Event::Result { result, .. } => {
                    let result = result.result;
                    let marks = windows.remove(&result.window.index).unwrap_or_default();
                    let since = |mark: Option<Timestamp>, until: Option<Timestamp>| {
                        until.zip(mark).map_or(0, |(until, mark)| until.as_micros() - mark.as_micros())
                    };
                    let agreed = marks.agreed.map(|(at, _)| at);
                    let window = Window {
                        check_us: since(marks.planned, marks.voted),
                        vote_us: since(marks.voted, agreed),
                        compute_us: since(agreed, Some(at)),
                        sent: marks.agreed.map_or(0, |(_, before)| sent - before),
                        value: result.value.map(|value| value.to_string()),
                        reason: result.reason,
                    };
                    println!("{}", serde_json::to_string(&window).unwrap_or_default());
                }
                _ => {}
            }
        }
    });
    sender
}
