//! Generates the types of each release from the descriptors that it left, and from nothing else.

use prost::Message as _;
use prost_types::FileDescriptorSet;
use std::{env, fs, path::PathBuf};

const RELEASES: &str = "../releases";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed={RELEASES}");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    for release in fs::read_dir(RELEASES)? {
        let release = release?;
        if !release.file_type()?.is_dir() {
            continue;
        }
        let descriptors = fs::read(release.path().join("descriptors.bin"))?;
        let generated = out.join(release.file_name());
        fs::create_dir_all(&generated)?;
        tonic_prost_build::configure()
            // As the releases themselves generate theirs, so that equal messages have equal bytes.
            .btree_map(".")
            .bytes(".penstock.discovery.v1.BundleChunk.data")
            // A server of a test answers only the calls that the test is about.
            .generate_default_stubs(true)
            .out_dir(generated)
            .compile_fds(FileDescriptorSet::decode(&descriptors[..])?)?;
    }
    Ok(())
}
