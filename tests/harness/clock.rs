//! A wall clock that a test can set while programs run: Debian's `libfaketime` before the C library. Time that only
//! passes, by which programs measure, is left alone.

use crate::held::has;
use std::fs;
use std::path::{Path, PathBuf};

/// Where the library puts what its processes share.
const SHARED: &str = "/dev/shm";

/// The library, in the directory of whatever architecture this is.
const LIBRARIES: &str = "/usr/lib/*-linux-gnu/faketime/libfaketimeMT.so.1";

/// A clock in a file.
#[derive(Debug)]
pub struct Clock {
    library: String,
    file: PathBuf,
}

impl Clock {
    /// One that is right; `None` where the library is missing, which is then said.
    pub fn new(directory: &Path, name: &str) -> Option<Self> {
        let needed = "libfaketime (Debian: apt-get install libfaketime)";
        if !has(needed, &["/bin/sh", "-c", &format!("ls {LIBRARIES}")]) {
            return None;
        }
        let places = fs::read_dir("/usr/lib").unwrap().flatten();
        let places = places.map(|place| place.path().join("faketime/libfaketimeMT.so.1"));
        let library = places.into_iter().find(|path| path.exists()).unwrap().to_str().unwrap().to_owned();
        let clock = Self { library, file: directory.join(name) };
        clock.set(0);
        Some(clock)
    }

    /// Sets it so many seconds before or behind the right time. A program notices within a second.
    pub fn set(&self, seconds: i64) {
        // Whole or not at all: who reads half a number has a third time.
        let new = self.file.with_extension("new");
        fs::write(&new, format!("{seconds:+}\n")).unwrap();
        fs::rename(&new, &self.file).unwrap();
    }

    /// Variables of the environment of a program that goes by it.
    pub fn environment(&self) -> Vec<(&str, &str)> {
        vec![
            ("LD_PRELOAD", &self.library),
            ("FAKETIME_TIMESTAMP_FILE", self.file.to_str().unwrap()),
            ("FAKETIME_CACHE_DURATION", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ]
    }
}

impl Drop for Clock {
    /// Removes what processes that were killed have left behind.
    fn drop(&mut self) {
        for entry in fs::read_dir(SHARED).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let pid = name.strip_prefix("faketime_shm_").or_else(|| name.strip_prefix("sem.faketime_sem_"));
            if pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}
