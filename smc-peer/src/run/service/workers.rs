//! What came by which connection, and what is asked for again when one of them broke.

use smc_mqtt::status::{Worker, WorkerState};
use smc_mqtt::topic::worker_id;

use super::*;
use crate::run::Workers;

/// How the connections of `node` stand before there are any; nothing is told of a single one.
pub(super) fn roll(node: &NodeName, workers: Workers) -> Vec<Worker> {
    if workers == Workers::default() {
        return Vec::new();
    }
    let others = (2..=workers.get()).map(|number| worker_id(node, number));
    std::iter::once(node.to_string()).chain(others).map(Worker::new).collect()
}

impl Service {
    /// Counts a message with shares that came by the connection at `place`.
    pub(super) fn count_share(&mut self, place: usize) {
        if let Some(worker) = self.workers.get_mut(place) {
            worker.shares += 1;
        }
    }

    /// Notes how the connection at `place` stands.
    pub(in crate::run) fn set_worker(&mut self, place: usize, state: WorkerState) {
        if let Some(worker) = self.workers.get_mut(place).filter(|worker| worker.state != state) {
            worker.state = state;
            self.publish_status();
        }
    }

    /// The connection at `place` takes a part. If it did before, the broker may meanwhile have given what it can't say to a
    /// connection that it took for alive.
    pub(in crate::run) fn worker_joined(&mut self, place: usize) {
        self.set_worker(place, WorkerState::Shared);
        if self.workers.get(place).is_some_and(|worker| worker.broke > 0) {
            self.expect_card();
        }
    }

    /// The connection at `place` broke, and with it went what was on its way.
    pub(in crate::run) fn worker_broke(&mut self, place: usize) {
        let Some(worker) = self.workers.get_mut(place) else { return };
        if worker.state == WorkerState::Shared {
            worker.broke += 1;
            self.expect_card();
        }
        self.set_worker(place, WorkerState::Away);
    }

    /// The broker takes no connection but the first for the shares.
    pub(in crate::run) fn workers_refused(&mut self) {
        for (place, worker) in self.workers.iter_mut().enumerate() {
            worker.state = match worker.state {
                WorkerState::Shared if place == 0 => WorkerState::Alone,
                state if place == 0 => state,
                _ => WorkerState::Refused,
            };
        }
        self.publish_status();
    }
}
