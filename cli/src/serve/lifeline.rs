//! When to stop: on SIGTERM, on SIGINT, and when the pipe that the parent holds ends.

use std::io::{self, Read};
use std::thread;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// From the end of the pipe to the end of the process: longer than any part drains. Nobody is left to wait for more.
const ORPHAN_MS_MAX: u64 = 45_000;
/// How a process ends that did not drain in time.
const ORPHAN_EXIT_CODE: i32 = 1;

/// The tie to the parent, when there is one.
#[derive(Debug)]
pub(super) struct Lifeline {
    /// Becomes true when the pipe has ended.
    cut: watch::Receiver<bool>,
    /// Keeps `cut` from ending where there is no pipe.
    _never: Option<watch::Sender<bool>>,
}

impl Lifeline {
    /// Watches standard input from now on.
    pub(super) fn standard_input() -> Self {
        let (cut, receiver) = watch::channel(false);
        // A thread of its own: a runtime's blocking pool would have to be left behind at the end.
        thread::spawn(move || {
            until_end(io::stdin().lock());
            cut.send_replace(true);
            thread::sleep(Duration::from_millis(ORPHAN_MS_MAX));
            tracing::error!("still here {ORPHAN_MS_MAX} ms after the parent let go");
            std::process::exit(ORPHAN_EXIT_CODE);
        });
        Self { cut: receiver, _never: None }
    }

    /// Only signals count.
    pub(super) fn none() -> Self {
        let (never, cut) = watch::channel(false);
        Self { cut, _never: Some(never) }
    }

    /// Waits until it is time to stop.
    pub(super) async fn cut(mut self) {
        let signals = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
        let (Ok(mut terminate), Ok(mut interrupt)) = signals else {
            tracing::error!("signals cannot be heard");
            let _ = self.cut.wait_for(|&cut| cut).await;
            return;
        };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            // An error means that the watching thread is gone, and with it the tie.
            _ = self.cut.wait_for(|&cut| cut) => {}
        }
    }
}

/// Reads and drops everything; an unreadable pipe is an ended one.
fn until_end(mut pipe: impl Read) {
    let mut buffer = [0; 64];
    loop {
        match pipe.read(&mut buffer) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_through_the_pipe_does_not_cut_it() {
        let (reader, writer) = io::pipe().unwrap();
        let watching = thread::spawn(move || until_end(reader));
        io::Write::write_all(&mut &writer, &[b'x'; 200]).unwrap();
        assert!(!watching.is_finished());
        drop(writer);
        watching.join().unwrap();
    }
}
