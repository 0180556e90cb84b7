//! Finds the few actions that a violation takes: delta debugging, then shorter and earlier ends.

use crate::action::Schedule;
use crate::run::run;

/// How many histories are played at most.
const MOST_RUNS: usize = 300;

/// A history with fewer actions that breaks the same invariant.
pub fn shrink(schedule: &Schedule) -> Schedule {
    let Some(violation) = run(schedule).violation else { return schedule.clone() };
    let mut search = Search { invariant: violation.invariant, runs: 0, best: schedule.clone() };
    search.fewer_actions();
    search.shorter_trouble();
    search.shorter_actions();
    search.best
}

struct Search {
    invariant: &'static str,
    runs: usize,
    best: Schedule,
}

impl Search {
    /// Keeps `schedule` if it breaks the same.
    fn keeps(&mut self, schedule: Schedule) -> bool {
        if self.runs == MOST_RUNS {
            return false;
        }
        self.runs += 1;
        let same = run(&schedule).violation.is_some_and(|found| found.invariant == self.invariant);
        if same {
            self.best = schedule;
        }
        same
    }

    /// Leaves out ever smaller stretches of actions.
    fn fewer_actions(&mut self) {
        let mut length = self.best.actions.len().div_ceil(2);
        while length > 0 {
            let mut at = 0;
            while at < self.best.actions.len() {
                let mut shorter = self.best.clone();
                shorter.actions.drain(at..(at + length).min(shorter.actions.len()));
                if !self.keeps(shorter) {
                    at += length;
                }
            }
            length = if length == 1 { 0 } else { length.div_ceil(2) };
        }
    }

    fn shorter_trouble(&mut self) {
        let last = self.best.actions.iter().map(|timed| timed.at + timed.lasts).max().unwrap_or(0);
        let trouble = (last / 1000 + 1).min(self.best.trouble);
        self.keeps(Schedule { trouble, ..self.best.clone() });
        let liars = Vec::new();
        self.keeps(Schedule { liars, ..self.best.clone() });
    }

    fn shorter_actions(&mut self) {
        for at in 0..self.best.actions.len() {
            loop {
                let mut shorter = self.best.clone();
                shorter.actions[at].lasts /= 2;
                if shorter == self.best || !self.keeps(shorter) {
                    break;
                }
            }
        }
    }
}
