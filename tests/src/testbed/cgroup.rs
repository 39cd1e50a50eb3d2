//! A cgroup for each host, outside of every other one. Without it the hosts share one tree: units of
//! equal name on two hosts get into each other's way, and what ignores TERM survives a stop.
//!
//! Both layouts will do: cgroup v2 alone, and v1 with the named hierarchy `systemd` (with or without
//! `unified` beside it).

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::command::{command, succeed};
use super::wait_until;

const ROOT: &str = "/sys/fs/cgroup";

/// Makes a cgroup of this path in every hierarchy that systemd uses and returns their folders.
///
/// # Errors
/// There is no hierarchy that systemd could use, or it is read only.
pub fn create(path: &str) -> Result<Vec<PathBuf>> {
    let hierarchies = hierarchies()?;
    if hierarchies.is_empty() {
        bail!("{ROOT} holds no cgroup hierarchy");
    }
    let mut folders = Vec::new();
    for hierarchy in hierarchies {
        let folder = hierarchy.join(path);
        std::fs::create_dir_all(&folder).with_context(|| format!("cgroup {}", folder.display()))?;
        folders.push(folder);
    }
    Ok(folders)
}

/// Kills all that runs in the cgroup of this path and below it, then removes it. Nothing to do is fine.
///
/// # Errors
/// Something survives KILL for ten seconds.
pub fn destroy(path: &str) -> Result<()> {
    for hierarchy in hierarchies()? {
        let top = hierarchy.join(path);
        wait_until(&format!("end of all in {}", top.display()), Duration::from_secs(10), || {
            let mut quiet = true;
            for folder in tree(&top) {
                for pid in processes(&folder) {
                    quiet = false;
                    // Gone meanwhile is as good.
                    let _ = kill_process(pid, Signal::KILL);
                }
            }
            Ok(quiet)
        })?;
        wait_until(&format!("removal of {}", top.display()), Duration::from_secs(10), || {
            for folder in tree(&top) {
                let _ = std::fs::remove_dir(folder);
            }
            Ok(!top.exists())
        })?;
    }
    Ok(())
}

/// The hierarchies that systemd keeps its units in.
fn hierarchies() -> Result<Vec<PathBuf>> {
    let root = Path::new(ROOT);
    if root.join("cgroup.procs").exists() {
        return Ok(vec![root.to_path_buf()]);
    }
    let named = root.join("systemd");
    if !named.join("cgroup.procs").exists() && root.is_dir() {
        // A machine without systemd often has the v1 controllers only.
        std::fs::create_dir_all(&named).with_context(|| format!("folder {}", named.display()))?;
        let mut mount = command("mount");
        mount.args(["-t", "cgroup", "-o", "none,name=systemd", "cgroup"]).arg(&named);
        succeed(mount)?;
    }
    Ok(["systemd", "unified"]
        .map(|name| root.join(name))
        .into_iter()
        .filter(|folder| folder.join("cgroup.procs").exists())
        .collect())
}

/// The folder and all below it, innermost first.
fn tree(top: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    if let Ok(entries) = std::fs::read_dir(top) {
        for entry in entries.flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                found.extend(tree(&entry.path()));
            }
        }
        found.push(top.to_path_buf());
    }
    found
}

fn processes(folder: &Path) -> Vec<Pid> {
    let text = std::fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok().and_then(Pid::from_raw)).collect()
}
