//! Colours, where there is a terminal to show them.

use std::io::{IsTerminal, stdout};

/// Paints words, or leaves them as they are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paint {
    colour: bool,
}

impl Paint {
    /// For the standard output: colours if it is a terminal.
    pub(crate) fn on_stdout() -> Self {
        Self { colour: stdout().is_terminal() }
    }

    /// As it should be.
    pub(crate) fn good(self, text: &str) -> String {
        self.paint(32, text)
    }

    /// As it must not be.
    pub(crate) fn bad(self, text: &str) -> String {
        self.paint(31, text)
    }

    /// As it mostly isn't.
    pub(crate) fn unusual(self, text: &str) -> String {
        self.paint(33, text)
    }

    /// What a line is about.
    pub(crate) fn subject(self, text: &str) -> String {
        self.paint(36, text)
    }

    fn paint(self, colour: u8, text: &str) -> String {
        if self.colour { format!("\x1b[{colour}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

#[cfg(test)]
impl Paint {
    /// No colours.
    pub(crate) fn plain() -> Self {
        Self { colour: false }
    }
}
