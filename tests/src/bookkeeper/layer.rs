//! BookKeeper and a JVM as they lie on [testbed](crate::testbed) hosts: one tree for all of them, read only, made once.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use sha2::{Digest as _, Sha256};

use super::home;
use crate::process;

/// Where BookKeeper is on a host.
pub const HOME: &str = "/opt/bookkeeper";
/// The JVM that `make setup-bookkeeper` has installed here; the hosts have the same Debian release.
const JVM: &str = "usr/lib/jvm/java-17-openjdk-amd64";
/// A copy of 300 MB; a busy disk may need many times that.
const LIMIT: std::time::Duration = std::time::Duration::from_secs(300);

/// The tree, below `cache`.
///
/// # Errors
/// `make setup-bookkeeper` has not run, or a file cannot be copied.
pub async fn tree(cache: &Path) -> Result<PathBuf> {
    let home = home()?;
    let jvm = Path::new("/").join(JVM);
    ensure!(
        jvm.join("bin/java").is_file(),
        "{} is not there: run `make setup-bookkeeper`",
        jvm.display()
    );
    let mut digest = Sha256::new();
    for file in [home.join("gen.jar"), home.join("bin/bookkeeper"), jvm.join("release")] {
        digest.update(std::fs::read(&file).with_context(|| format!("read {}", file.display()))?);
    }
    let tag: String = digest.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    let tree = cache.join(format!("bookkeeper-{tag}"));
    if tree.is_dir() {
        return Ok(tree);
    }
    std::fs::create_dir_all(cache).with_context(|| format!("folder {}", cache.display()))?;
    let partial = cache.join(format!("bookkeeper.partial-{}", std::process::id()));
    let line = format!(
        "set -e; rm -rf {partial}; mkdir -p {partial}{HOME} {partial}/{JVM} {partial}/usr/bin; \
         cp -r {home}/bin {home}/conf {home}/lib {home}/gen.jar {partial}{HOME}/; \
         cd /{JVM}; cp -r bin conf lib release {partial}/{JVM}/; \
         mkdir -p {partial}/etc; cp -r /etc/java-17-openjdk {partial}/etc/; \
         ln -s /{JVM}/bin/java {partial}/usr/bin/java",
        partial = partial.display(),
        home = home.display(),
    );
    let mut copy = process::command("bash");
    copy.args(["-c", &line]);
    process::run(copy, LIMIT).await?.expect_code(0)?;
    // Another run may have been first.
    match std::fs::rename(&partial, &tree) {
        Ok(()) => Ok(tree),
        Err(_) if tree.is_dir() => {
            std::fs::remove_dir_all(&partial).context("remove the second tree")?;
            Ok(tree)
        }
        Err(error) => Err(error).with_context(|| format!("name {}", tree.display())),
    }
}
