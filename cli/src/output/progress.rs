//! [`Progress`]: one line on standard error while something goes on: rewritten on a terminal, below each other in a pipe.

use std::io::{self, IsTerminal as _, Write as _};

/// What is shown while it goes on.
pub(crate) struct Progress {
    is_terminal: bool,
    last: String,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self { is_terminal: io::stderr().is_terminal(), last: String::new() }
    }

    /// Whether somebody sees it move.
    pub(crate) fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Shows a line, unless it is the one that is there.
    pub(crate) fn show(&mut self, line: String) {
        if line == self.last {
            return;
        }
        let text = if self.is_terminal { format!("\r{line}\u{1b}[K") } else { format!("{line}\n") };
        self.last = line;
        write(&text);
    }

    /// Takes the line away: what follows says it all.
    pub(crate) fn end(&self) {
        if self.is_terminal && !self.last.is_empty() {
            write("\r\u{1b}[K");
        }
    }
}

fn write(text: &str) {
    let mut stderr = io::stderr().lock();
    // Nobody who cannot see the progress must be kept from it.
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}
