//! Compiles the .proto files without protoc.
#![allow(clippy::expect_used, missing_docs)]

use std::path::{Path, PathBuf};

use prost::Message;

const FILES: &[&str] = &[
    "bellows/v1/names.proto",
    "bellows/v1/fault.proto",
    "bellows/v1/postgresql_front.proto",
    "bellows/v1/postgresql.proto",
    "bellows/v1/bookkeeper.proto",
    "bellows/v1/kwdb.proto",
    "bellows/v1/placement.proto",
    "bellows/v1/host.proto",
    "bellows/v1/system.proto",
    "bellows/v1/jobs.proto",
    "bellows/v1/upgrade.proto",
    "bellows/v1/agent.proto",
    "bellows/v1/plan.proto",
    "bellows/v1/events.proto",
    "bellows/v1/audit.proto",
    "bellows/v1/coordinator.proto",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = Path::new("proto");
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(FILES, [root])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    let encoded = descriptors.encode_to_vec();
    std::fs::write(out.join("bellows.bin"), &encoded)?;
    let rpc = std::env::var_os("CARGO_FEATURE_RPC").is_some();
    let code = tonic_prost_build::configure().build_client(rpc).build_server(rpc);
    code.compile_fds(descriptors)?;
    if std::env::var_os("CARGO_FEATURE_JSON").is_some() {
        pbjson_build::Builder::new().register_descriptors(&encoded)?.build(&[".bellows.v1"])?;
    }
    Ok(())
}
