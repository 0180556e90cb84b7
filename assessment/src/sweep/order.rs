//! In which order runs are played.

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use sha2::{Digest as _, Sha256};

use crate::baseline;
use crate::journal::Entry;
use crate::observation::Subject;
use crate::scenario::{Point, Scenario};
use crate::stage::Run;

/// One run that a sweep is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Unit {
    /// Which point.
    pub point: Point,
    /// What is played there.
    pub subject: Subject,
    /// Which repetition.
    pub repetition: u32,
}

/// All runs of a scenario: repetition by repetition, so that an interrupted sweep has as much of each point, and in each in an
/// order of its own, so that what changes on the machine while it runs does not look like an effect of what is varied.
pub fn units(scenario: &Scenario, seed: u64) -> Vec<Unit> {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let mut units = Vec::new();
    for repetition in 0..scenario.repetitions {
        let mut block: Vec<Unit> = scenario
            .points
            .iter()
            .flat_map(|point| {
                let played = scenario.subjects().filter(|subject| baseline::can(*subject, &point.parameters));
                played.map(|subject| Unit { point: point.clone(), subject, repetition })
            })
            .collect();
        // Fisher and Yates; 64 random bits make the remainder's bias nothing for grids of thousands.
        for last in (1..block.len()).rev() {
            let other = (rng.next_u64() % (last as u64 + 1)) as usize;
            block.swap(last, other);
        }
        units.append(&mut block);
    }
    units
}

impl Unit {
    /// The run; every subject of a repetition draws the same readings.
    pub(super) fn run(&self, scenario: &Scenario, seed: u64) -> Run {
        let Scenario { warm_up, windows, period, .. } = *scenario;
        let (subject, repetition) = (self.subject, self.repetition);
        let digest = Sha256::digest(format!("{seed} {} {repetition}", self.point.id));
        let seed = digest.iter().take(8).fold(0, |seed, byte| seed << 8 | u64::from(*byte));
        Run { subject, repetition, seed, warm_up, windows, period }
    }

    /// Whether it is that one.
    pub(super) fn is(&self, entry: &Entry) -> bool {
        (&entry.point, entry.run.subject, entry.run.repetition)
            == (&self.point.id, self.subject, self.repetition)
    }
}
