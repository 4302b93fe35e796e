//! Keeps a release's protobuf descriptors: compiles its `.proto` files and writes them to
//! `proto/releases/{RELEASE}/descriptors.bin`. A step of a release, run by a person; see `proto/releases/README.md`.
//!
//! `cargo run -p penstock-proto --example freeze RELEASE [FOLDER]`, where FOLDER is the `proto` folder of that release, and
//! this one's if it is left out. What is there already stays: a release does not change any more.

use std::error::Error;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args_os().skip(1);
    let release = words.next().ok_or("say which release: freeze RELEASE [FOLDER]")?;
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = words.next().map_or_else(|| here.to_owned(), PathBuf::from);

    let mut files = Vec::new();
    find(&folder.join("penstock"), &mut files)?;
    // Equal files make equal bytes, whatever the order in which they lie on the disk.
    files.sort();
    let mut compiler = protox::Compiler::new([&folder])?;
    // With imports the set stands alone; comments are not part of a promise.
    compiler.include_imports(true).include_source_info(false).open_files(&files)?;
    let descriptors = compiler.encode_file_descriptor_set();

    let place = here.join("releases").join(release);
    fs::create_dir_all(&place)?;
    let mut file = File::create_new(place.join("descriptors.bin"))?;
    file.write_all(&descriptors)?;
    Ok(())
}

/// Every `.proto` file below `folder`.
fn find(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        match path.is_dir() {
            true => find(&path, files)?,
            false if path.extension().is_some_and(|extension| extension == "proto") => files.push(path),
            false => {}
        }
    }
    Ok(())
}
