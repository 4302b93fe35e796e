//! Compiles the `.proto` files without an installed compiler, and keeps their descriptor for reflection.

use prost::Message as _;
use std::{env, fs, path::PathBuf};

const FILES: [&str; 12] = [
    "penstock/management/v1/audit.proto",
    "penstock/management/v1/backup.proto",
    "penstock/management/v1/deployment.proto",
    "penstock/management/v1/domain_name.proto",
    "penstock/management/v1/explain.proto",
    "penstock/management/v1/fleet.proto",
    "penstock/management/v1/gateway_response.proto",
    "penstock/management/v1/method.proto",
    "penstock/management/v1/resource.proto",
    "penstock/management/v1/rest_api.proto",
    "penstock/discovery/v1/discovery.proto",
    "penstock/state/v1/state.proto",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=penstock");
    let descriptors = protox::compile(FILES, ["."])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        // Ordered maps make the encoding of equal messages equal, which bundle hashes rest on.
        .btree_map(".")
        .bytes(".penstock.discovery.v1.BundleChunk.data")
        .compile_fds(descriptors)?;
    Ok(())
}
