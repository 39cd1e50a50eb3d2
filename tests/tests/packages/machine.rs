//! A testbed host and what an administrator does there.

use std::{process::Output, time::Duration};

use anyhow::{Context, Result, ensure};
use bellows_tests::testbed::{Host, wait_until};

use crate::bundles::{Bundle, Bundles};

/// What install.sh keeps on a host.
pub const STATE: &str = "/var/lib/bellows-install";
const KEY: &str = "/root/release.pub";
/// A coordinator answers within a second; a busy machine may need many times that.
const LIMIT: Duration = Duration::from_secs(60);

/// Brings the key, as an administrator brings it: another way than the bundle.
pub fn bring_key(host: &Host, bundles: &Bundles) -> Result<()> {
    host.put(KEY, &std::fs::read(&bundles.key)?, 0o644)
}

/// Brings a bundle and unpacks it; returns its folder.
pub fn bring(host: &Host, bundle: &Bundle) -> Result<String> {
    host.put("/root/bundle.tar.gz", &bundle.bytes()?, 0o644)?;
    host.succeed(&["tar", "-C", "/root", "-xzf", "/root/bundle.tar.gz"])?;
    Ok(format!("/root/{}", bundle.folder))
}

/// Runs install.sh with the key.
pub fn install(host: &Host, folder: &str, words: &[&str]) -> Result<Output> {
    let script = format!("{folder}/install.sh");
    host.exec(&[&["sh", &script, "--key", KEY], words].concat())
}

/// All that a program said, if it ended with this status and said this too.
///
/// # Errors
/// It ended otherwise, or did not say it.
pub fn expect(output: &Output, status: i32, word: &str) -> Result<String> {
    let said = [&output.stdout[..], &output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    ensure!(
        output.status.code() == Some(status),
        "{:?} instead of {status}: {said}",
        output.status
    );
    ensure!(said.contains(word), "it does not say {word:?}: {said}");
    Ok(said)
}

/// Makes the site and starts the coordinator.
pub fn start_site(host: &Host, program: &str) -> Result<()> {
    let address = format!("{}:7421", host.address());
    let init = [program, "init", "--name", "test", "--enrolment-address", &address];
    host.succeed(&[&["runuser", "-u", "bellows", "--"], &init[..]].concat())?;
    host.succeed(&["systemctl", "enable", "--now", "bellows"])?;
    wait_until("the coordinator answers", LIMIT, || {
        Ok(host.exec(&[program, "host", "list"])?.status.success())
    })
}

/// The digest of the program that runs as this service.
pub fn running(host: &Host, unit: &str) -> Result<String> {
    let shown = host.succeed(&["systemctl", "show", "-p", "MainPID", unit])?;
    let process = shown.trim().trim_start_matches("MainPID=").to_owned();
    ensure!(process != "0", "{unit} does not run");
    digest(host, &format!("/proc/{process}/exe"))
}

/// The digest of a file.
pub fn digest(host: &Host, path: &str) -> Result<String> {
    let line = host.succeed(&["sha256sum", path])?;
    line.split(' ').next().map(str::to_owned).context("no digest")
}

/// Is there such a file or folder?
pub fn there(host: &Host, path: &str) -> bool {
    host.exec(&["test", "-e", path]).unwrap().status.success()
}

/// Processes of the host that run this program, also one that was replaced or removed meanwhile.
pub fn processes(host: &Host, program: &str) -> Result<String> {
    let look = "for exe in /proc/[0-9]*/exe; do readlink $exe; done | grep -Ex \"$1( \\(deleted\\))?\" || true";
    host.succeed(&["sh", "-c", look, "sh", program])
}
