//! [`Progress`]: one line on standard error while something goes on: rewritten on a terminal, below each other in a pipe.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

/// Between two lines of [`Progress::show_sparsely`] in a pipe, in seconds.
const SPARSE_S: u64 = 10;

/// What is shown while it goes on.
pub(crate) struct Progress {
    is_terminal: bool,
    last: String,
    shown: Option<Instant>,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self { is_terminal: io::stderr().is_terminal(), last: String::new(), shown: None }
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
        self.shown = Some(Instant::now());
        write(&text);
    }

    /// Shows a line of something long whose figures always change: in a pipe one now and then.
    pub(crate) fn show_sparsely(&mut self, line: String) {
        let is_soon = |shown: Instant| shown.elapsed() < Duration::from_secs(SPARSE_S);
        if !self.is_terminal && self.shown.is_some_and(is_soon) {
            return;
        }
        self.show(line);
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
