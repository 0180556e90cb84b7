//! How far a sweep is: a bar on a terminal, lines elsewhere.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write};
use std::time::Duration;

use crate::observation::Subject;
use crate::stage::Run;

/// The width of the bar in characters.
const BAR: usize = 24;
/// So much of a point's description stays on one line with the bar.
const SHOWN: usize = 60;

/// Tells how far a sweep is.
pub struct Progress {
    out: Box<dyn Write + Send>,
    /// Whether lines can be written over.
    terminal: bool,
    all: usize,
    done: usize,
    /// Runs of this sweep, and how long they took.
    runs: u32,
    took: Duration,
}

impl Progress {
    /// On standard error.
    pub fn here() -> Self {
        let terminal = std::io::stderr().is_terminal();
        Self::on(Box::new(std::io::stderr()), terminal)
    }

    /// On `out`; whether that is a terminal.
    pub fn on(out: Box<dyn Write + Send>, terminal: bool) -> Self {
        Self { out, terminal, all: 0, done: 0, runs: 0, took: Duration::ZERO }
    }

    pub(super) fn begin(&mut self, all: usize, done: usize) {
        (self.all, self.done) = (all, done);
        if done > 0 {
            self.tell(&format!("{done} of {all} runs are there already"));
        }
    }

    /// Says something beside how far it is.
    pub fn tell(&mut self, what: &str) {
        let clear = if self.terminal { "\r\x1b[K" } else { "" };
        self.say(&format!("{clear}{what}\n"));
    }

    pub(super) fn playing(&mut self, point: &str, run: &Run) {
        let subject = match run.subject {
            Subject::Murmuration => "",
            Subject::PlainMqtt => ", plain MQTT",
            Subject::Mpyc => ", MPyC",
        };
        let mut line = format!("{}/{}", self.done + 1, self.all);
        if let Some(left) = self.left() {
            let _ = write!(line, ", {} left", minutes(left));
        }
        let point: String = point.chars().take(SHOWN).collect();
        let _ = write!(line, ": {point}{subject}, repetition {}", run.repetition + 1);
        if self.terminal {
            let full = (BAR * self.done).checked_div(self.all).unwrap_or(0);
            line = format!("\r\x1b[K[{}{}] {line}", "#".repeat(full), " ".repeat(BAR - full));
        } else {
            line.push('\n');
        }
        self.say(&line);
    }

    pub(super) fn done(&mut self, took: Duration, done: usize) {
        self.runs += 1;
        self.took += took;
        self.done = done;
    }

    pub(super) fn end(&mut self) {
        if self.terminal {
            self.say("\r\x1b[K");
        }
    }

    /// What the runs that are left will take if they take as long as those before; nothing before the first.
    fn left(&self) -> Option<Duration> {
        let each = self.took.checked_div(self.runs)?;
        Some(each * u32::try_from(self.all - self.done).ok()?)
    }

    /// Whoever closed the terminal does not want to know, and the samples are not written there.
    fn say(&mut self, text: &str) {
        let _ = self.out.write_all(text.as_bytes());
        let _ = self.out.flush();
    }
}

/// A time for people: 0:09, 12:30, 3:00:00.
pub(crate) fn minutes(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        hours => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}
