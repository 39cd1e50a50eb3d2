//! The base tree that all hosts share, read only: made once by `tests/scripts/testbed-base`, kept in the
//! cache, made anew when that script changes.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use super::command::{command, succeed};
use super::run::{Lock, unmount_below};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/testbed-base");
/// Settings of the caller that a way to the mirror may need; all other environment is cleared.
const PROXY_SETTINGS: [&str; 3] = ["http_proxy", "https_proxy", "no_proxy"];

/// The base tree in this cache; makes it when it is not there.
///
/// # Errors
/// The script failed; its log stands beside the tree.
pub fn tree(cache: &Path) -> Result<PathBuf> {
    // Two runs must not make it at once; the second waits, and finds it.
    let _lock = Lock::take(&cache.join("base.lock"))?;
    let script = std::fs::read(SCRIPT).with_context(|| format!("read {SCRIPT}"))?;
    let release = std::fs::read("/etc/os-release").context("read /etc/os-release")?;
    let digest = Sha256::new().chain_update(script).chain_update(release).finalize();
    let tag: String = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    let tree = cache.join(format!("base-{tag}"));
    if tree.is_dir() {
        return Ok(tree);
    }
    let partial = cache.join("base.partial");
    if partial.exists() {
        // debootstrap mounts /proc there for a while: one that was killed leaves it.
        unmount_below(&partial)?;
        let mut remove = command("rm");
        remove.args(["-rf", "--one-file-system"]).arg(&partial);
        succeed(remove)?;
    }
    let log = cache.join("base.log");
    let sink = std::fs::File::create(&log).with_context(|| format!("create {}", log.display()))?;
    eprintln!("making the base tree of the test hosts, a minute or two; log: {}", log.display());
    let mut make = command(SCRIPT);
    for name in PROXY_SETTINGS {
        if let Some(value) = std::env::var_os(name) {
            make.env(name, value);
        }
    }
    make.arg(&partial).stdout(sink.try_clone().context("share the log")?).stderr(Stdio::from(sink));
    succeed(make).with_context(|| tail(&log))?;
    std::fs::rename(&partial, &tree)
        .with_context(|| format!("name the base tree {}", tree.display()))?;
    Ok(tree)
}

fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().rev().take(15).collect();
    let end: Vec<&str> = lines.into_iter().rev().collect();
    format!("the base tree could not be made; end of {}:\n{}", log.display(), end.join("\n"))
}
