//! KWDB as the tests and the demo see it: its own client program asked at its own members, clusters as an
//! administrator installs them, and a client that writes rows. Knows nothing of Bellows, but for what stands in
//! an `agent.toml`.
//!
//! `kwbase` is the double's (`tests/doubles`), or the one that the environment's `KWBASE` names.

mod client;
pub mod hosts;
pub mod kit;
pub mod loopback;
mod members;
mod status;
mod writer;

use std::path::PathBuf;

use anyhow::{Result, ensure};

pub use client::{Client, Security};
pub use members::Members;
pub use status::Row;
pub use writer::{TABLE, Writer};

use crate::process;

/// Where members listen for SQL and for each other; each has an address of its own.
pub const PORT: u16 = 26257;
/// Of the HTTP service.
pub const HTTP_PORT: u16 = 8080;
/// Of brpc.
pub const BRPC_PORT: u16 = 27257;
/// How many rows of the cluster that tests make fit into one look: all.
pub const PROGRAM: &str = "kwbase";

/// The program to test with: what `KWBASE` names, else the double, which Cargo built beside this program.
///
/// # Errors
/// It is not there.
pub fn program() -> Result<PathBuf> {
    match std::env::var_os("KWBASE").filter(|path| !path.is_empty()) {
        Some(path) => {
            let path = PathBuf::from(path);
            ensure!(
                path.is_absolute() && path.is_file(),
                "KWBASE={}: no absolute path of a program",
                path.display()
            );
            Ok(path)
        }
        None => process::built(PROGRAM),
    }
}
