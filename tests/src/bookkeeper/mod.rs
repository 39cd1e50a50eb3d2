//! BookKeeper as the tests and the demo see it: the real one (`make setup-bookkeeper`), its bookies asked by their HTTP
//! API and by its own client, clusters as an administrator sets them up, and a client that writes entries. Knows nothing
//! of Bellows, but for what stands in an `agent.toml`.

pub mod hosts;
mod http;
mod layer;
pub mod loopback;
mod members;
mod traffic;

use std::path::PathBuf;

use anyhow::{Result, ensure};

pub use http::{Reply, get, put};
pub use members::Members;
pub use traffic::{Found, Generator, Reader, Shape, Tally, Writer, verify};

/// Where a bookie listens; each has an address of its own.
pub const PORT: u16 = 3181;
/// Of its HTTP admin API.
pub const HTTP_PORT: u16 = 8080;
/// ZooKeeper's.
pub const ZOOKEEPER_PORT: u16 = 2181;
/// The program's name.
pub const PROGRAM: &str = "bookkeeper";

/// Where `make setup-bookkeeper` has put it.
///
/// # Errors
/// It has not run.
pub fn home() -> Result<PathBuf> {
    let home = std::env::var_os("BOOKKEEPER_HOME").filter(|path| !path.is_empty()).map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/bookkeeper")),
        PathBuf::from,
    );
    ensure!(
        home.join("gen.jar").is_file(),
        "{} is not there: run `make setup-bookkeeper`",
        home.join("gen.jar").display()
    );
    Ok(home)
}
