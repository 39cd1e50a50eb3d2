//! The oldest user land that can be had: Ubuntu 16.04, glibc 2.23, systemd 229. Both packages are installed, started
//! and removed there; its systemd reads the units.

use std::{
    path::PathBuf,
    process::{Command, Output},
};

use anyhow::{Context, Result, ensure};

use crate::{
    bundles::{bundles, root},
    machine::expect,
};

struct Old(PathBuf);

impl Old {
    /// A copy of the tree that `tests/scripts/old-base` makes, once.
    fn fresh() -> Result<Self> {
        let made = root().join("target/package");
        let base = made.join("old-host");
        if !base.is_dir() {
            let script = root().join("tests/scripts/old-base");
            let output = Command::new(script).arg(&base).output()?;
            let said = String::from_utf8_lossy(&output.stderr);
            ensure!(output.status.success(), "no old host: {said}");
        }
        let copy = Self(made.join("tests/old-host"));
        let output = Command::new("cp").arg("-a").args([&base, &copy.0]).output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(copy)
    }

    fn exec(&self, argv: &[&str]) -> Result<Output> {
        let mut call = Command::new("unshare");
        call.args(["--mount", "--pid", "--net", "--fork", "--kill-child"]);
        call.arg(format!("--mount-proc={}", self.0.join("proc").display()));
        // systemd wants to see its cgroups, also to read a unit.
        call.args(["sh", "-c", "mount --rbind /sys \"$0/sys\" && exec chroot \"$0\" \"$@\""]);
        call.arg(&self.0).args(["env", "-i", "LC_ALL=C"]);
        call.arg("PATH=/usr/sbin:/usr/bin:/sbin:/bin").args(argv);
        call.output().with_context(|| format!("start {argv:?}"))
    }
}

impl Drop for Old {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn both_packages_on_the_oldest_user_land() {
    on_the_oldest().unwrap();
}

fn on_the_oldest() -> Result<()> {
    let bundle = &bundles().now;
    let old = Old::fresh()?;
    expect(&old.exec(&["systemctl", "--version"])?, 0, "systemd 229")?;
    expect(&old.exec(&["dpkg-query", "-W", "libc6"])?, 0, "2.23")?;
    let unpacked = Command::new("tar")
        .arg("-C")
        .arg(old.0.join("root"))
        .arg("-xzf")
        .arg(&bundle.archive)
        .output()?;
    ensure!(unpacked.status.success(), "{}", String::from_utf8_lossy(&unpacked.stderr));
    let version = &bundle.version;
    for name in ["bellows", "bellows-agent"] {
        let package = format!("/root/{}/packages/{name}_{version}_amd64.deb", bundle.folder);
        expect(&old.exec(&["dpkg", "--install", &package])?, 0, "Setting up")?;
        expect(&old.exec(&[name, "--version"])?, 0, version)?;
        let unit = format!("/usr/lib/systemd/system/{name}.service");
        // What it does not know it says, and passes over; an error would be another exit status.
        expect(&old.exec(&["systemd-analyze", "verify", &unit])?, 0, "")?;
    }
    let init = ["bellows", "init", "--name", "old", "--enrolment-address", "old:7421"];
    expect(&old.exec(&[&["runuser", "-u", "bellows", "--"], &init[..]].concat())?, 0, "")?;
    for name in ["bellows-agent", "bellows"] {
        expect(&old.exec(&["dpkg", "--purge", name])?, 0, "Removing")?;
        ensure!(!old.0.join("usr/bin").join(name).exists(), "{name} stays");
        ensure!(!old.0.join("var/lib").join(name).exists(), "data of {name} stay");
    }
    Ok(())
}
