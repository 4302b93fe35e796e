//! Reading and writing of single files: bounded, and either whole or not at all.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// How the name of a file ends that is being written.
pub(super) const UNFINISHED: &str = "tmp";

/// Whether the bytes must survive a loss of power before the call returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Durability {
    /// The file's own; that its name leads to it needs [`sync_directory`].
    Synced,
    /// What is lost is written again soon, and what is torn is found out.
    Whenever,
}

/// A file that did not do as it was told.
#[derive(Debug, thiserror::Error)]
#[error("{doing} {}", path.display())]
pub(super) struct FileError {
    pub(super) doing: &'static str,
    pub(super) path: PathBuf,
    #[source]
    pub(super) source: io::Error,
}

pub(super) fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FileError {
    let path = path.to_owned();
    move |source| FileError { doing, path, source }
}

/// Makes the directory unless there is one. What is in it is nobody else's business.
pub(super) fn make_directory(path: &Path) -> Result<(), FileError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed("making the directory", path))
}

/// The whole file, `None` when there is none.
pub(super) fn read(path: &Path, bytes_max: usize) -> Result<Option<Vec<u8>>, FileError> {
    let failed = || failed("reading", path);
    let kind = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(failed())?,
    };
    // Opening what is no file, a pipe for instance, could take for ever.
    if !kind.is_file() {
        return Err(failed()(io::Error::other("it is not a file")));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed())?;
    file.take(bytes_max as u64 + 1).read_to_end(&mut bytes).map_err(failed())?;
    if bytes.len() > bytes_max {
        return Err(failed()(io::Error::other(format!("it has more than {bytes_max} bytes"))));
    }
    Ok(Some(bytes))
}

/// Writes beside the file and puts it in its place, so that the name always leads to a whole one.
pub(super) fn replace(path: &Path, content: &[u8], durability: Durability) -> Result<(), FileError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(UNFINISHED);
    let unfinished = path.with_file_name(name);
    let done = write(&unfinished, content, durability)
        .and_then(|()| fs::rename(&unfinished, path))
        .map_err(failed("writing", path));
    if done.is_err() {
        // It may be what the room is wanted for.
        let _ = fs::remove_file(&unfinished);
    }
    done
}

fn write(path: &Path, content: &[u8], durability: Durability) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(content)?;
    match durability {
        Durability::Synced => file.sync_all(),
        Durability::Whenever => Ok(()),
    }
}

/// Makes the names in a directory survive a loss of power.
pub(super) fn sync_directory(path: &Path) -> Result<(), FileError> {
    File::open(path).and_then(|directory| directory.sync_all()).map_err(failed("syncing the directory", path))
}

/// Removes the files of a directory that `is_garbage` names. One that cannot be removed is looked at again the next time.
pub(super) fn remove_garbage(directory: &Path, is_garbage: impl Fn(&OsStr) -> bool) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten().filter(|entry| is_garbage(&entry.file_name())) {
        if let Err(error) = fs::remove_file(entry.path()) {
            tracing::debug!(path = %entry.path().display(), %error, "garbage stays in the state directory");
        }
    }
}
