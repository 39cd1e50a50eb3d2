//! The bundle of `make package`, and two later ones made from it: one that works, one whose coordinator does not start.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use anyhow::{Context, Result, ensure};

/// One bundle.
pub struct Bundle {
    pub version: String,
    /// Its folder's name once it is unpacked.
    pub folder: String,
    pub archive: PathBuf,
}

/// Bundles of three versions, all signed with one key.
pub struct Bundles {
    pub now: Bundle,
    pub next: Bundle,
    pub broken: Bundle,
    /// The public key.
    pub key: PathBuf,
}

impl Bundle {
    fn of(folder: &Path, version: &str) -> Self {
        let name = format!("bellows-{version}-x86_64");
        let archive = folder.join(format!("{name}.tar.gz"));
        Self { version: version.to_owned(), folder: name, archive }
    }

    pub fn bytes(&self) -> Result<Vec<u8>> {
        fs::read(&self.archive).with_context(|| format!("read {}", self.archive.display()))
    }
}

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Made once per run.
pub fn bundles() -> &'static Bundles {
    static MADE: OnceLock<Bundles> = OnceLock::new();
    MADE.get_or_init(|| make().unwrap())
}

fn make() -> Result<Bundles> {
    let made = root().join("target/package");
    let programs = made.join("x86_64/programs");
    ensure!(programs.is_dir(), "there is no bundle: `make test-package` makes it first");
    let version = env!("CARGO_PKG_VERSION");
    let folder = made.join("tests");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    // The same program, but another file: what runs can be told apart by its digest.
    let mut other = fs::read(programs.join("bellows"))?;
    other.extend_from_slice(b"\nthe next one\n");
    let broken = b"#!/bin/sh\necho 'this version is broken' >&2\nexit 1\n".to_vec();
    let [next, broken] = std::thread::scope(|scope| {
        let next = scope.spawn(|| later(&folder, &format!("{version}.1"), &programs, &other));
        let broken = scope.spawn(|| later(&folder, &format!("{version}.2"), &programs, &broken));
        [next.join().unwrap(), broken.join().unwrap()]
    });
    let bundles = root().join("target/bundle");
    let now = Bundle::of(&bundles, version);
    let key = bundles.join(format!("bellows-{version}-x86_64.pub"));
    Ok(Bundles { now, next: next?, broken: broken?, key })
}

fn later(folder: &Path, version: &str, programs: &Path, coordinator: &[u8]) -> Result<Bundle> {
    let own = folder.join(version);
    fs::create_dir_all(&own)?;
    fs::copy(programs.join("bellows-agent"), own.join("bellows-agent"))?;
    fs::write(own.join("bellows"), coordinator)?;
    fs::set_permissions(own.join("bellows"), fs::Permissions::from_mode(0o755))?;
    let script = root().join("packaging/scripts/bundle");
    let pages = root().join("target/package/x86_64/pages");
    let output = Command::new(script)
        .arg("x86_64")
        .args([own.as_path(), &pages, folder])
        .env("VERSION", version)
        .env("QUICK", "yes")
        .output()
        .context("start packaging/scripts/bundle")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "no bundle {version}: {said}");
    Ok(Bundle::of(folder, version))
}
