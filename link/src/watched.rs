//! [`Watched`]: what some files say, read again when they change. What is broken is reported, and the old stays.
//!
//! Contents are compared, and not times or names: so it does not matter whether a file is written in place, renamed over,
//! or reached through symbolic links that change, as Kubernetes does.

use crate::file::{self, Contents, FileError};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// Makes something of the files, which come in the order in which they were named.
pub type Parse<T> = Box<dyn Fn(&[Contents]) -> Result<T, FileError> + Send + Sync>;

/// What some files say now.
pub struct Watched<T> {
    /// For the log.
    what: &'static str,
    paths: Vec<PathBuf>,
    parse: Parse<T>,
    /// The last look, good or bad, so that one finding is reported once.
    seen: Mutex<Seen>,
    current: watch::Sender<Arc<T>>,
}

#[derive(PartialEq, Eq)]
enum Seen {
    Contents([u8; 32]),
    Unreadable(FileError),
}

impl<T> fmt::Debug for Watched<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").field("what", &self.what).field("paths", &self.paths).finish_non_exhaustive()
    }
}

impl<T> Watched<T> {
    /// Reads the files for the first time.
    ///
    /// # Errors
    /// The first file that cannot be read or understood.
    pub fn open(what: &'static str, paths: Vec<PathBuf>, parse: Parse<T>) -> Result<Self, FileError> {
        let contents = read_all(&paths)?;
        let first = parse(&contents)?;
        let seen = Mutex::new(Seen::Contents(digest(&contents)));
        Ok(Self { what, paths, parse, seen, current: watch::Sender::new(Arc::new(first)) })
    }

    /// What the files said when they were last good.
    pub fn current(&self) -> Arc<T> {
        self.current.borrow().clone()
    }

    /// Tells of every change.
    pub fn subscribe(&self) -> watch::Receiver<Arc<T>> {
        self.current.subscribe()
    }

    /// Looks at the files now, which blocks for as long as reading takes. Answers whether something new is in force.
    pub fn look(&self) -> bool {
        let read = read_all(&self.paths);
        let found = match &read {
            Ok(contents) => Seen::Contents(digest(contents)),
            Err(error) => Seen::Unreadable(error.clone()),
        };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *seen == found {
            return false;
        }
        *seen = found;
        match read.and_then(|contents| (self.parse)(&contents)) {
            Ok(new) => {
                self.current.send_replace(Arc::new(new));
                tracing::info!(what = self.what, "read again, and in force");
                true
            }
            Err(error) => {
                tracing::warn!(what = self.what, %error, "cannot be used; what was in force before stays");
                false
            }
        }
    }
}

fn read_all(paths: &[PathBuf]) -> Result<Vec<Contents>, FileError> {
    paths.iter().map(|path| file::read(path)).collect()
}

fn digest(contents: &[Contents]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for file in contents {
        hash.update(file.bytes.len().to_be_bytes());
        hash.update(&file.bytes);
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;
    use tempfile::TempDir;

    fn number(files: &[Contents]) -> Result<u32, FileError> {
        let text = String::from_utf8_lossy(&files[0].bytes);
        text.trim().parse().map_err(|_| FileError::new(&files[0].path, "is no number"))
    }

    fn watched(directory: &TempDir) -> (PathBuf, Watched<u32>) {
        let path = directory.path().join("number");
        fs::write(&path, "1").unwrap();
        let watched = Watched::open("a number", vec![path.clone()], Box::new(number)).unwrap();
        (path, watched)
    }

    #[test]
    fn a_new_file_is_in_force_and_an_equal_one_is_no_news() {
        let directory = tempfile::tempdir().unwrap();
        let (path, watched) = watched(&directory);
        assert!(!watched.look());
        fs::write(&path, "2").unwrap();
        assert!(watched.look() && *watched.current() == 2);
        fs::write(&path, "2").unwrap();
        assert!(!watched.look());
    }

    #[test]
    fn the_old_stays_while_the_new_is_broken_or_gone() {
        let directory = tempfile::tempdir().unwrap();
        let (path, watched) = watched(&directory);
        fs::write(&path, "x").unwrap();
        assert!(!watched.look() && *watched.current() == 1);
        fs::remove_file(&path).unwrap();
        assert!(!watched.look() && *watched.current() == 1);
        fs::write(&path, "1").unwrap();
        assert!(watched.look(), "what was there before is news after a break");
    }

    #[test]
    fn a_directory_behind_a_link_may_be_exchanged() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        for (version, text) in [("v1", "1"), ("v2", "2")] {
            fs::create_dir(at(version)).unwrap();
            fs::write(at(version).join("number"), text).unwrap();
        }
        symlink("v1", at("data")).unwrap();
        symlink("data/number", at("number")).unwrap();
        let watched = Watched::open("a number", vec![at("number")], Box::new(number)).unwrap();
        symlink("v2", at("data-new")).unwrap();
        fs::rename(at("data-new"), at("data")).unwrap();
        assert!(watched.look() && *watched.current() == 2);
    }

    #[test]
    fn a_file_is_read_up_to_its_limit_and_not_beyond() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("large");
        let bytes = usize::try_from(crate::limits::FILE_BYTES_MAX).unwrap();
        fs::write(&path, vec![b'1'; bytes]).unwrap();
        assert_eq!(file::read(&path).unwrap().bytes.len(), bytes);
        fs::write(&path, vec![b'1'; bytes + 1]).unwrap();
        assert!(file::read(&path).is_err());
    }
}
