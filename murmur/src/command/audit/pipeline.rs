//! Entries of a log, examined on all cores and taken in their order.

use std::mem;
use std::num::NonZero;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, Scope};

use smc_core::audit::{Examined, Lists, Row, Unfit, examine_many};
use smc_core::roster::Roster;
use smc_peer::{AuditError, LogFile};

/// How many entries, and about how many bytes of them, are examined in one go.
const CHUNK: (usize, usize) = (256, 4 << 20);
/// How many chunks wait at each thread.
const WAITING: usize = 2;

type Done = Vec<Examined>;

/// Entries that one member list is to judge.
#[derive(Default)]
struct Chunk {
    rows: Vec<Row>,
    bytes: usize,
    list: Option<Arc<Roster>>,
    /// What is wrong with the last of them beside the others.
    unfit: Option<Unfit>,
}

/// Shows all entries of `file`, examined, in their order, until it is enough. Each is judged by the one of `lists` that its
/// peer went by.
///
/// # Errors
/// If the file can't be read.
pub(crate) fn examine_all(
    file: &LogFile,
    lists: &mut Lists,
    take: impl FnMut(Examined) -> ControlFlow<()>,
) -> Result<(), AuditError> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        let lanes = (0..threads).map(|_| Lane::start(scope)).collect();
        let mut line = Line { lanes, filling: Chunk::default(), sent: 0, taken: 0, take };
        let mut flow = ControlFlow::Continue(());
        file.each(0, |row| {
            let (list, unfit) = lists.follow(&row);
            flow = line.add(row, list, unfit);
            flow
        })?;
        // Nobody is shown anything more once it was enough.
        if flow.is_continue() && line.send().is_continue() {
            line.finish();
        }
        Ok(())
    })
}

impl Chunk {
    fn is_full(&self) -> bool {
        self.unfit.is_some() || self.rows.len() >= CHUNK.0 || self.bytes >= CHUNK.1
    }

    fn examine(self) -> Done {
        // What is to be judged has somebody to judge it.
        let Some(list) = self.list else { return Done::new() };
        let mut examined = examine_many(self.rows, &list);
        if let Some(unfit) = self.unfit
            && let Some(last) = examined.pop()
        {
            examined.push(last.spoiled(unfit));
        }
        examined
    }
}

/// A thread, what goes to it and what comes from it.
struct Lane {
    chunks: SyncSender<Chunk>,
    done: Receiver<Done>,
}

impl Lane {
    fn start<'scope>(scope: &'scope Scope<'scope, '_>) -> Self {
        let (chunks, queue) = sync_channel::<Chunk>(WAITING);
        let (sender, done) = sync_channel(WAITING);
        scope.spawn(move || {
            for chunk in queue {
                if sender.send(chunk.examine()).is_err() {
                    return;
                }
            }
        });
        Self { chunks, done }
    }
}

/// Chunks go to the lanes in turn and are taken from them in the same turn.
struct Line<F> {
    lanes: Vec<Lane>,
    filling: Chunk,
    sent: usize,
    taken: usize,
    take: F,
}

impl<F: FnMut(Examined) -> ControlFlow<()>> Line<F> {
    fn add(&mut self, row: Row, list: Arc<Roster>, unfit: Option<Unfit>) -> ControlFlow<()> {
        if self.filling.list.as_ref().is_some_and(|before| !Arc::ptr_eq(before, &list)) {
            self.send()?;
        }
        self.filling.bytes += row.body.len();
        self.filling.rows.push(row);
        (self.filling.list, self.filling.unfit) = (Some(list), unfit);
        if self.filling.is_full() { self.send() } else { ControlFlow::Continue(()) }
    }

    fn send(&mut self) -> ControlFlow<()> {
        let lane = &self.lanes[self.sent % self.lanes.len()];
        // A thread ends early only by panicking, which the scope passes on.
        let _ = lane.chunks.send(mem::take(&mut self.filling));
        self.sent += 1;
        if self.sent - self.taken < WAITING * self.lanes.len() {
            return ControlFlow::Continue(());
        }
        self.receive()
    }

    fn finish(&mut self) {
        while self.taken < self.sent && self.receive().is_continue() {}
    }

    fn receive(&mut self) -> ControlFlow<()> {
        let lane = &self.lanes[self.taken % self.lanes.len()];
        self.taken += 1;
        let Ok(done) = lane.done.recv() else { return ControlFlow::Break(()) };
        done.into_iter().try_for_each(&mut self.take)
    }
}

#[cfg(test)]
mod tests {
    use smc_core::charter::Register;

    use super::*;
    use crate::bench::{a_long_log, a_setup};

    #[test]
    fn all_entries_are_taken_in_order_and_none_after_it_was_enough() {
        let cast = a_setup().cast().unwrap();
        let folder = tempfile::tempdir().unwrap();
        a_long_log(&cast, folder.path(), 600).unwrap();
        let log = LogFile::open(&folder.path().join("audit.sqlite")).unwrap();
        let in_file = log.size().unwrap();
        assert_eq!(in_file, 1_201);
        for enough in [1, 256, 257, 1_100, in_file, in_file + 1] {
            let (mut auditor, mut taken) = (None, 0);
            let register = Register::new(cast.document.clone()).unwrap();
            let mut lists = Lists::new(cast.document.clone(), register).unwrap();
            examine_all(&log, &mut lists, |entry| {
                let name = cast.roster.peers().next().map(|(_, node)| node.name.clone()).unwrap();
                let site = cast.roster.site();
                let auditor = auditor.get_or_insert_with(|| smc_core::audit::Auditor::new(site, &name));
                assert_eq!(auditor.take(entry), Ok(None), "entry {taken}");
                taken += 1;
                if taken == enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })
            .unwrap();
            assert_eq!(taken, enough.min(in_file));
        }
    }
}
