//! A panic breaks a history like anything else that must not be: with its seed, and to be shrunk and replayed.
//!
//! A release build ends at a panic, with all other histories; nothing there can catch it. So each history is played in a
//! thread of its own, and there one that panics is held in the hook, which comes first, for as long as the program lasts.
//! Elsewhere the thread just ends: who is held in the hook holds back whoever wants to change it, as test runners do.

use std::cell::{Cell, RefCell};
use std::panic;
use std::sync::Once;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use super::{Outcome, Violation};
use crate::coverage::Coverage;

/// What a history says of itself.
pub(super) enum Said {
    /// It has come to an end.
    Ended(Box<Outcome>),
    /// Something happened.
    Happened(String),
    /// It broke off here.
    Panicked(Violation),
}

/// Where it says so.
pub(super) type Says = Sender<Said>;

thread_local! {
    /// Who hears what becomes of the history that this thread plays, if it plays one.
    static LISTENER: RefCell<Option<Says>> = const { RefCell::new(None) };
    static MOMENT: Cell<u64> = const { Cell::new(0) };
}

/// Notes how far the history is, in milliseconds after the start of window 0.
pub(super) fn reached(moment: u64) {
    MOMENT.set(moment);
}

/// Plays a history, which may say on the way what happens, and tells what it came to.
pub(super) fn guarded(play: impl FnOnce(&Says) -> Outcome + Send + 'static) -> Outcome {
    hold_panics();
    let (says, said) = channel();
    thread::spawn(move || {
        LISTENER.set(Some(says.clone()));
        let outcome = play(&says);
        // Nobody listens any more to one that was given up.
        let _ = says.send(Said::Ended(Box::new(outcome)));
    });
    listen(&said)
}

fn listen(said: &Receiver<Said>) -> Outcome {
    let mut history = Vec::new();
    loop {
        match said.recv().expect("a history that ended without a word") {
            Said::Ended(outcome) => return Outcome { history, ..*outcome },
            Said::Happened(line) => history.push(line),
            Said::Panicked(violation) => {
                let coverage = Coverage { schedules: 1, ..Coverage::default() };
                return Outcome { violation: Some(violation), coverage, history };
            }
        }
    }
}

fn hold_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            let Some(listener) = LISTENER.take() else { return usual(panic) };
            let what = panic.to_string().replace('\n', " ");
            let violation = Violation { invariant: "no panic", what, at: MOMENT.get() };
            if listener.send(Said::Panicked(violation)).is_ok() && cfg!(panic = "abort") {
                loop {
                    thread::park();
                }
            }
        }));
    });
}
