//! The shares that a peer holds: the open windows, and the newest two readings of every stream of the cohort epoch.
//! What nothing refers to any more is dropped, and with it erased.

use super::input::Input;
use super::inventory::Held;
use crate::roster::{BundleIndex, Roster};
use crate::time::WindowIndex;

/// Shares by bundle and window.
#[derive(Debug)]
pub struct Holdings {
    /// Per bundle, ascending by window.
    bundles: Vec<Vec<(WindowIndex, Input)>>,
}

/// What became of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// It differs from what the agent sent before: the first one stays.
    Contradicts,
    /// It was known.
    Duplicate,
    /// It is kept.
    New,
}

impl Holdings {
    /// Nothing yet.
    pub fn new(roster: &Roster) -> Self {
        Self { bundles: roster.bundles().iter().map(|_| Vec::new()).collect() }
    }

    /// Keeps the first input of each bundle and window. The caller bounds the windows.
    pub fn keep(&mut self, bundle: BundleIndex, window: WindowIndex, input: Input) -> Kept {
        let windows = &mut self.bundles[bundle.at()];
        match windows.binary_search_by_key(&window, |&(window, _)| window) {
            Ok(at) if windows[at].1 == input => Kept::Duplicate,
            Ok(_) => Kept::Contradicts,
            Err(at) => {
                windows.insert(at, (window, input));
                Kept::New
            }
        }
    }

    /// The input of a bundle and window.
    pub fn get(&self, bundle: BundleIndex, window: WindowIndex) -> Option<&Input> {
        let windows = &self.bundles[bundle.at()];
        let at = windows.binary_search_by_key(&window, |&(window, _)| window).ok()?;
        Some(&windows[at].1)
    }

    /// What is held of the stream at `place` of `bundle` when `closing` closes, in an epoch that began at `first`.
    pub fn held(&self, bundle: BundleIndex, place: usize, first: WindowIndex, closing: WindowIndex) -> Held {
        let mut newest = self.readings(bundle, place, first, closing);
        Held::at(closing, [newest.next(), newest.next()])
    }

    /// The windows of the readings of one stream within `first..=last`, newest first.
    fn readings(
        &self,
        bundle: BundleIndex,
        place: usize,
        first: WindowIndex,
        last: WindowIndex,
    ) -> impl Iterator<Item = WindowIndex> {
        let windows = self.bundles[bundle.at()].iter().rev();
        let within =
            windows.skip_while(move |(window, _)| *window > last).take_while(move |(w, _)| *w >= first);
        within.filter(move |(_, input)| input.has(place)).map(|&(window, _)| window)
    }

    /// Drops what no plan can refer to any more once `closed` is over, in an epoch that began at `first`; returns
    /// the windows dropped.
    pub fn prune(
        &mut self,
        roster: &Roster,
        bundle: BundleIndex,
        first: WindowIndex,
        closed: WindowIndex,
    ) -> Vec<WindowIndex> {
        let streams = roster.bundle(bundle).streams.len();
        let needed = |window: WindowIndex| {
            window > closed
                || (0..streams)
                    .any(|place| self.readings(bundle, place, first, closed).take(2).any(|w| w == window))
        };
        let windows = self.bundles[bundle.at()].iter().map(|&(window, _)| window);
        let dropped: Vec<_> = windows.filter(|&window| !needed(window)).collect();
        self.bundles[bundle.at()].retain(|(window, _)| !dropped.contains(window));
        dropped
    }

    /// How many inputs are held.
    pub fn len(&self) -> usize {
        self.bundles.iter().map(Vec::len).sum()
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
