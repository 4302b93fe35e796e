//! A disk that is small enough to be filled: a file system in memory, mounted for one test.

use crate::held::{Held, has};
use crate::world::temporary_directory;
use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

/// Mounts it, and takes it away when standard input ends, even while files are open.
const HOLD: &str =
    r#"mount -t tmpfs -o "size=$2" penstock-test "$1" && echo ready && read -r _; umount -l "$1"; rmdir "$1""#;
/// What takes the room away.
const BALLAST: &str = "ballast";
const PIECE_BYTES: usize = 4 * 1024;

/// A small disk. It is gone when this is dropped.
#[derive(Debug)]
pub struct SmallDisk {
    path: PathBuf,
    _held: Held,
}

impl SmallDisk {
    /// Mounts one of so many bytes; `None` where this process may not, which is then said.
    pub fn mount(bytes: u64) -> Option<Self> {
        if !has("root, to mount a tmpfs", &["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]) {
            return None;
        }
        let path = temporary_directory();
        let held = Held::by("/bin/sh", &["-c", HOLD, "sh", path.to_str().unwrap(), &bytes.to_string()]);
        Some(Self { path, _held: held })
    }

    /// Its root.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes to it until not one more page fits.
    pub fn fill(&self) {
        let mut file = File::options().create(true).append(true).open(self.path.join(BALLAST)).unwrap();
        loop {
            match file.write_all(&[b'x'; PIECE_BYTES]) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => return,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Makes room again.
    pub fn make_room(&self) {
        fs::remove_file(self.path.join(BALLAST)).unwrap();
    }
}
