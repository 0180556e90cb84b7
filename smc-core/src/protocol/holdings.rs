//! The shares that a peer holds: the open windows, and the newest two readings of every stream of the cohort epoch.
//! What nothing refers to any more is dropped, and with it erased.

use super::input::Input;
use super::inventory::Held;
use super::terms::Terms;
use crate::mutation::{Rule, disabled};
use crate::roster::{BundleIndex, Roster};
use crate::time::WindowIndex;

/// How many readings of a stream a plan may choose from.
const READINGS: u8 = 2;

/// Shares by bundle and window.
#[derive(Debug)]
pub struct Holdings {
    /// Per bundle, ascending by window.
    bundles: Vec<Vec<(WindowIndex, Input)>>,
    /// Per bundle, how many after it carry the rest of the same vector. A vector counts as held only whole: what is
    /// agreed on, carried and counted is a reading, never a part of one.
    rest: Box<[u32]>,
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
        Self {
            bundles: roster.bundles().iter().map(|_| Vec::new()).collect(),
            rest: roster.bundles().iter().map(|bundle| bundle.rest).collect(),
            seen: Vec::new(),
        }
    }

    /// Keeps the first input of each bundle and window. The caller bounds the windows.
    pub fn keep(&mut self, bundle: BundleIndex, window: WindowIndex, input: Input) -> Kept {
        let windows = &mut self.bundles[bundle.at()];
        match windows.binary_search_by_key(&window, |&(window, _)| window) {
            Ok(at) if windows[at].1 == input => Kept::Duplicate,
            Ok(at) if disabled(Rule::FirstInput) => {
                windows[at].1 = input;
                Kept::New
            }
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
    /// what its agent demands with it.
    pub fn held(
        &self,
        bundle: BundleIndex,
        place: usize,
        first: WindowIndex,
        closing: WindowIndex,
    ) -> (Held, Terms) {
        let mut newest = self.readings(bundle, place, first, closing);
        let newest = [newest.next(), newest.next()];
        let inputs = newest.iter().flatten().flat_map(|&(window, input)| {
            std::iter::once(input).chain(self.rest(bundle).filter_map(move |part| self.get(part, window)))
        });
        let terms = inputs.map(Input::terms).fold(Terms::default(), Terms::and);
        (Held::at(closing, newest.map(|reading| Some(reading?.0))), terms)
    }

    /// The bundles that carry the rest of the vector that begins in `bundle`.
    fn rest(&self, bundle: BundleIndex) -> impl Iterator<Item = BundleIndex> + use<> {
        (1..=self.rest[bundle.at()]).map(move |part| BundleIndex(bundle.0 + part))
    }

    /// Whether the input of `bundle` and `window` has a reading of the stream at `place`, and all of it is held.
    fn is_whole(&self, bundle: BundleIndex, window: WindowIndex, input: &Input, place: usize) -> bool {
        let held = |part| self.get(part, window).is_some_and(|input| input.has(place));
        input.has(place) && self.rest(bundle).all(held)
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
        let whole = move |(window, input): &&(_, Input)| self.is_whole(bundle, *window, input, place);
        within.filter(whole).map(|(window, input)| (*window, input))
    }

    /// Drops what no plan can refer to any more once `closed` is over, in an epoch that began at `first`, of `bundle`
    /// and all that carries on with it; returns what was dropped.
    pub fn prune(
        &mut self,
        roster: &Roster,
        bundle: BundleIndex,
        first: WindowIndex,
        closed: WindowIndex,
    ) -> Vec<(BundleIndex, WindowIndex)> {
        let needed = self.needed(roster, bundle, first, closed);
        let mut dropped = Vec::new();
        for bundle in std::iter::once(bundle).chain(self.rest(bundle)) {
            self.bundles[bundle.at()].retain(|&(window, _)| {
                let keep = window > closed || needed.contains(&window);
                if !keep {
                    dropped.push((bundle, window));
                }
                keep
            });
        }
        dropped
    }

    /// The windows up to `closed` that a plan may yet refer to.
    fn needed(
        &mut self,
        roster: &Roster,
        bundle: BundleIndex,
        first: WindowIndex,
        closed: WindowIndex,
    ) -> Vec<WindowIndex> {
        let mut seen = std::mem::take(&mut self.seen);
        seen.clear();
        seen.resize(roster.bundle(bundle).streams.len(), 0);
        let mut needed = Vec::new();
        // From the newest on: an input is needed for each stream of which no two newer readings were seen.
        for (window, input) in self.bundles[bundle.at()].iter().rev().skip_while(|(w, _)| *w > closed) {
            let mut counts = false;
            for (place, seen) in seen.iter_mut().enumerate() {
                if self.is_whole(bundle, *window, input, place) {
                    counts |= *seen < READINGS && *window >= first;
                    *seen = seen.saturating_add(1);
                }
            }
            if counts {
                needed.push(*window);
            }
        }
        self.seen = seen;
        needed
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
