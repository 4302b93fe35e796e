//! [`StateDir`]: the directory in which a node keeps what it serves, so that it can start without a control plane.
//!
//! Opened once by `process`, written by the subscriber on blocking threads. It decides nothing about what serves; it never
//! reads a clock. What is in it:
//!
//! ```text
//! lock               held while a node uses the directory
//! manifest           what served last: checksummed, with the number of its format
//! confirmed          when a control plane confirmed that last
//! bundles/{SHA-256}  one file for each bundle
//! ```
//!
//! A bundle is written before the manifest that names it, and removed behind one that does not. So whatever happens in
//! between, the manifest that is there finds its bundles.

mod envelope;
mod files;
mod record;
#[cfg(test)]
mod tests;

use crate::causes::with_causes;
use crate::subscription::{Kept, ToKeep};
use bytes::Bytes;
use envelope::Kind;
use files::{Durability, FileError, UNFINISHED, failed};
use penstock_model::bundle::Hash;
use penstock_model::id::Version;
use penstock_model::limits::BUNDLE_BYTES_MAX;
use record::{Confirmed, Record};
use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Largest manifest file, in bytes: a manifest of as many bundles as a node takes, each of them quarantined.
const MANIFEST_BYTES_MAX: usize = 192 * 1024 * 1024;
/// Largest file that says when, in bytes.
const CONFIRMED_BYTES_MAX: usize = 4 * 1024;

/// Another process uses the directory.
#[derive(Debug, thiserror::Error)]
#[error("another node uses the state directory {}; each node needs one of its own (--state-dir)", .0.display())]
pub struct InUse(PathBuf);

/// The directory in which a node keeps what it serves.
#[derive(Debug)]
pub struct StateDir {
    directory: PathBuf,
    node_id: String,
    build: &'static str,
    /// Held as long as this lives; the operating system ends it with the process. `None`: the directory could not be used
    /// yet.
    lock: Option<File>,
    /// Bundles whose files this process wrote, or read and found right.
    known: HashSet<Hash>,
    /// Bundles of the manifest that is there.
    needed: HashSet<Hash>,
}

/// What a directory held.
#[derive(Debug)]
pub struct Opened {
    /// To be written to; `None` when it is another node's.
    pub state_dir: Option<StateDir>,
    /// The node's name: as it was given, else as it was kept, else as it was made up.
    pub node_id: String,
    /// What served last; `None` when nothing is there, or nothing that can be used.
    pub kept: Option<Kept>,
    /// Why nothing can be used of what is there.
    pub problem: Option<String>,
}

/// Who opens a directory.
#[derive(Debug)]
pub struct Opener {
    /// The node's name, when one was given.
    pub node_id: Option<String>,
    /// Its name when none was given, and none was kept.
    pub new_node_id: String,
    /// Name and version of the program.
    pub build: &'static str,
    /// Milliseconds since 1970.
    pub now_ms: i64,
}

impl StateDir {
    /// Takes the directory into use and reads what is there. What is wrong with it is no error: the node can do without.
    ///
    /// # Errors
    /// When another process uses it.
    pub fn open(directory: &Path, opener: Opener) -> Result<Opened, InUse> {
        let mut state_dir = Self {
            directory: directory.to_owned(),
            node_id: String::new(),
            build: opener.build,
            lock: None,
            known: HashSet::new(),
            needed: HashSet::new(),
        };
        let mut opened = Opened { state_dir: None, node_id: String::new(), kept: None, problem: None };
        let mut kept_name = None;
        match state_dir.take_lock().and_then(|()| state_dir.read_manifest()) {
            Err(StateError::InUse(error)) => return Err(error),
            Err(error) => opened.problem = Some(with_causes(&error)),
            Ok(None) => {}
            Ok(Some(record)) => {
                if opener.node_id.as_ref().is_some_and(|name| *name != record.node_id) {
                    let (path, owner) = (directory.display(), record.node_id);
                    let advice = "give this node one of its own, or empty it";
                    opened.problem = Some(format!("{path} is the state directory of node {owner}: {advice}"));
                    opened.node_id = opener.node_id.unwrap_or_default();
                    return Ok(opened);
                }
                kept_name = Some(record.node_id.clone());
                match state_dir.verify(record, opener.now_ms) {
                    Ok(kept) => opened.kept = Some(kept),
                    Err(problem) => opened.problem = Some(problem),
                }
            }
        }
        opened.node_id = opener.node_id.or(kept_name).unwrap_or(opener.new_node_id);
        state_dir.node_id.clone_from(&opened.node_id);
        opened.state_dir = Some(state_dir);
        Ok(opened)
    }

    /// Makes it durable: when this returns, a node that starts here serves it. `now_ms` is milliseconds since 1970.
    ///
    /// # Errors
    /// When it is not; then what was durable before still is.
    pub fn keep(&mut self, to_keep: &ToKeep, now_ms: i64) -> Result<(), StateError> {
        self.take_lock()?;
        let serving: HashSet<Hash> = to_keep.serving().collect();
        let written = self.write(to_keep, now_ms);
        if written.is_ok() {
            self.needed = serving;
            self.remove_garbage(|_| false);
        } else {
            // What earlier attempts left may be what there is no room for.
            self.remove_garbage(|hash| serving.contains(hash));
        }
        written
    }

    /// Notes that a control plane confirmed the manifest that is there.
    ///
    /// # Errors
    /// When it could not be written; what is kept only looks older then.
    pub fn note(&mut self, manifest: (Version, Hash), at_ms: i64) -> Result<(), StateError> {
        self.take_lock()?;
        let content = record::encode_confirmed(&Confirmed { manifest, at_ms });
        let file = envelope::wrap(Kind::Confirmed, &content);
        Ok(files::replace(&self.confirmed_path(), &file, Durability::Whenever)?)
    }

    fn take_lock(&mut self) -> Result<(), StateError> {
        if self.lock.is_some() {
            return Ok(());
        }
        files::make_directory(&self.directory)?;
        files::make_directory(&self.bundles_path())?;
        let path = self.directory.join("lock");
        let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
        let file = file.map_err(failed("opening", &path))?;
        match file.try_lock() {
            Ok(()) => self.lock = Some(file),
            Err(TryLockError::WouldBlock) => return Err(InUse(self.directory.clone()).into()),
            Err(TryLockError::Error(error)) => return Err(failed("locking", &path)(error).into()),
        }
        Ok(())
    }

    fn read_manifest(&self) -> Result<Option<Record>, StateError> {
        let path = self.manifest_path();
        let Some(file) = files::read(&path, MANIFEST_BYTES_MAX)? else { return Ok(None) };
        let unusable = |reason| StateError::Unusable { path: path.clone(), reason };
        let content = envelope::unwrap(Kind::Manifest, &file).map_err(|error| unusable(error.to_string()))?;
        record::decode(content).map(Some).map_err(unusable)
    }

    /// Reads every bundle, and verifies all of it.
    fn verify(&mut self, record: Record, now_ms: i64) -> Result<Kept, String> {
        let mut known = HashSet::new();
        let named = (record.manifest.version, record.manifest.root_hash);
        // The clock may have been set back: what seems to come from the future was confirmed just now.
        let age_ms = now_ms.saturating_sub(record.confirmed_at_ms.max(self.noted(named))).max(0);
        let age = Duration::from_millis(u64::try_from(age_ms).unwrap_or(0));
        let is_same_build = record.build == self.build;
        let kept = Kept::verify(record.manifest, record.quarantined, is_same_build, age, |hash| {
            known.insert(*hash);
            match files::read(&self.bundle_path(hash), BUNDLE_BYTES_MAX) {
                Ok(Some(bytes)) => Ok(Bytes::from(bytes)),
                Ok(None) => Err(format!("bundle {hash} is missing in {}", self.bundles_path().display())),
                Err(error) => Err(with_causes(&error)),
            }
        });
        let kept = kept.map_err(|reason| format!("{} cannot be used: {reason}", self.directory.display()))?;
        self.needed.clone_from(&known);
        self.known = known;
        Ok(kept)
    }

    /// When that manifest was confirmed last, as far as there is a note of it.
    fn noted(&self, manifest: (Version, Hash)) -> i64 {
        let path = self.confirmed_path();
        let read = || -> Result<Option<Confirmed>, String> {
            let file = files::read(&path, CONFIRMED_BYTES_MAX).map_err(|error| with_causes(&error))?;
            let Some(file) = file else { return Ok(None) };
            let content = envelope::unwrap(Kind::Confirmed, &file).map_err(|error| error.to_string())?;
            record::decode_confirmed(content).map(Some)
        };
        match read() {
            Ok(confirmed) => confirmed.filter(|note| note.manifest == manifest).map_or(0, |note| note.at_ms),
            Err(reason) => {
                // Without it the configuration only looks older.
                tracing::warn!(path = %path.display(), reason, "the note of the last confirmation cannot be used");
                0
            }
        }
    }

    fn write(&mut self, to_keep: &ToKeep, now_ms: i64) -> Result<(), StateError> {
        let missing: Vec<_> = to_keep.bundles.iter().filter(|(hash, _)| !self.known.contains(*hash)).collect();
        for (hash, bytes) in &missing {
            files::replace(&self.bundle_path(hash), bytes, Durability::Synced)?;
            self.known.insert(**hash);
        }
        if let Some(absent) = to_keep.serving().find(|hash| !self.known.contains(hash)) {
            let reason = format!("bundle {absent} was to be there already");
            return Err(StateError::Unusable { path: self.directory.clone(), reason });
        }
        // Also when nothing was written: an earlier attempt may have failed between the two.
        files::sync_directory(&self.bundles_path())?;
        let content = record::encode(to_keep, &self.node_id, self.build, now_ms);
        let file = envelope::wrap(Kind::Manifest, &content);
        files::replace(&self.manifest_path(), &file, Durability::Synced)?;
        Ok(files::sync_directory(&self.directory)?)
    }

    /// Removes the files of bundles that nobody needs, and what was never finished.
    fn remove_garbage(&mut self, is_wanted: impl Fn(&Hash) -> bool) {
        let needed: HashSet<Hash> =
            self.known.iter().filter(|hash| self.needed.contains(*hash) || is_wanted(hash)).copied().collect();
        let names: HashSet<String> = self.needed.iter().chain(&needed).map(Hash::to_string).collect();
        files::remove_garbage(&self.bundles_path(), |name| {
            is_ours(name) && name.to_str().is_none_or(|name| !names.contains(name))
        });
        self.known = needed;
    }

    fn manifest_path(&self) -> PathBuf {
        self.directory.join("manifest")
    }

    fn confirmed_path(&self) -> PathBuf {
        self.directory.join("confirmed")
    }

    fn bundles_path(&self) -> PathBuf {
        self.directory.join("bundles")
    }

    fn bundle_path(&self, hash: &Hash) -> PathBuf {
        self.bundles_path().join(hash.to_string())
    }
}

/// Whether a node gave a file its name: a hash, or one that was being written.
fn is_ours(name: &OsStr) -> bool {
    let Some(name) = name.to_str() else { return false };
    let stem = name.strip_suffix(UNFINISHED).and_then(|stem| stem.strip_suffix('.')).unwrap_or(name);
    stem.len() == 64 && stem.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Why the directory could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Another process uses it.
    #[error(transparent)]
    InUse(#[from] InUse),
    /// The operating system refused something.
    #[error("{doing} {}", path.display())]
    File {
        /// What was tried.
        doing: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why it did not work.
        source: io::Error,
    },
    /// What is there is of no use.
    #[error("{} cannot be used: {reason}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl From<FileError> for StateError {
    fn from(error: FileError) -> Self {
        let FileError { doing, path, source } = error;
        Self::File { doing, path, source }
    }
}
