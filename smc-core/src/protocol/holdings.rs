//! The shares that a peer holds: the open windows, and the newest two readings of every stream of the cohort epoch.
//! What nothing refers to any more is dropped, and with it erased.

use super::input::Input;
use super::inventory::Held;
use crate::roster::{BundleIndex, Roster};
use crate::time::WindowIndex;

/// How many readings of a stream a plan may choose from.
const READINGS: u8 = 2;

/// Shares by bundle and window.
#[derive(Debug)]
pub struct Holdings {
    /// Per bundle, ascending by window.
    bundles: Vec<Vec<(WindowIndex, Input)>>,
    /// Room to count in.
    seen: Vec<u8>,
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
        Self { bundles: roster.bundles().iter().map(|_| Vec::new()).collect(), seen: Vec::new() }
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

    /// What is held of the stream at `place` of `bundle` when `closing` closes, in an epoch that began at `first`; and
    /// the larger of the cohorts that its agent demands with it.
    pub fn held(
        &self,
        bundle: BundleIndex,
        place: usize,
        first: WindowIndex,
        closing: WindowIndex,
    ) -> (Held, u16) {
        let mut newest = self.readings(bundle, place, first, closing);
        let newest = [newest.next(), newest.next()];
        let demand = newest.iter().flatten().map(|(_, input)| input.terms().minimum_cohort).max();
        (Held::at(closing, newest.map(|reading| Some(reading?.0))), demand.unwrap_or(0))
    }

    /// The readings of one stream within `first..=last`, newest first.
    fn readings(
        &self,
        bundle: BundleIndex,
        place: usize,
        first: WindowIndex,
        last: WindowIndex,
    ) -> impl Iterator<Item = (WindowIndex, &Input)> {
        let windows = self.bundles[bundle.at()].iter().rev();
        let within =
            windows.skip_while(move |(window, _)| *window > last).take_while(move |(w, _)| *w >= first);
        within.filter(move |(_, input)| input.has(place)).map(|(window, input)| (*window, input))
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
        let mut dropped = Vec::new();
        let (windows, seen) = (&mut self.bundles[bundle.at()], &mut self.seen);
        seen.clear();
        seen.resize(roster.bundle(bundle).streams.len(), 0);
        // From the newest on: an input is needed for each stream of which no two newer readings were seen.
        for at in (0..windows.len()).rev().skip_while(|&at| windows[at].0 > closed) {
            let (window, input) = &windows[at];
            let mut needed = false;
            for (_, seen) in seen.iter_mut().enumerate().filter(|&(place, _)| input.has(place)) {
                needed |= *seen < READINGS && *window >= first;
                *seen = seen.saturating_add(1);
            }
            if !needed {
                dropped.push(*window);
            }
        }
        dropped.reverse();
        if !dropped.is_empty() {
            windows.retain(|(window, _)| dropped.binary_search(window).is_err());
        }
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
