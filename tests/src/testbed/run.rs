//! One run of the testbed: its folder, its id, who owns it, and how all of it is taken away, by its
//! owner or by a later run when the owner was killed.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustix::fs::{FlockOperation, flock};

use super::command::{command, succeed};
use super::{cgroup, cut, net};

/// Short, so that a link's name (15 bytes at most) has room for a host's index.
const PREFIX: &str = "bt";

/// A run in progress. Bridge, links, namespaces and cgroups bear its id.
#[derive(Debug)]
pub struct Run {
    id: String,
    folder: PathBuf,
}

impl Run {
    /// Removes what killed runs left in this cache, and begins a new one.
    ///
    /// # Errors
    /// The cache cannot be written, or a leftover cannot be removed.
    pub fn begin(cache: &Path) -> Result<Self> {
        // Held until the owner stands in the folder, so that no other run takes it for a leftover.
        let _lock = Lock::take(&cache.join("runs.lock"))?;
        sweep_locked(cache)?;
        let mut random = [0; 3];
        getrandom::fill(&mut random).context("random bytes")?;
        let [a, b, c] = random;
        let id = format!("{PREFIX}{a:02x}{b:02x}{c:02x}");
        let folder = cache.join(format!("run-{id}"));
        std::fs::create_dir(&folder).with_context(|| format!("folder {}", folder.display()))?;
        let owner = std::process::id();
        let since = started(owner).context("start time of this process")?;
        std::fs::write(folder.join("owner"), format!("{owner} {since}\n"))
            .context("write the run's owner")?;
        Ok(Self { id, folder })
    }

    /// Unique on this machine; a prefix of the names of links, namespaces and cgroups.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Folder for the hosts' files; removed at the end.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The cgroup below which all hosts of this run live.
    pub fn cgroup(&self) -> String {
        cgroup_of(&self.id)
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.id, &self.folder) {
            eprintln!("the testbed left something behind: {error:#}");
        }
    }
}

/// Removes what killed runs left in this cache. Nothing to do is fine.
///
/// # Errors
/// A leftover cannot be removed.
pub fn sweep(cache: &Path) -> Result<()> {
    let _lock = Lock::take(&cache.join("runs.lock"))?;
    sweep_locked(cache)
}

fn sweep_locked(cache: &Path) -> Result<()> {
    for entry in std::fs::read_dir(cache).with_context(|| format!("list {}", cache.display()))? {
        let folder = entry.context("list the cache")?.path();
        let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if let Some(id) = name.strip_prefix("run-")
            && !owner_lives(&folder)
        {
            eprintln!("removing what a killed run left: {}", folder.display());
            remove(id, &folder)?;
        }
    }
    Ok(())
}

/// Kills the hosts of a run and removes all of it. When it fails the folder stays, and the next run of
/// this cache tries again: every part is fine with nothing to do.
fn remove(id: &str, folder: &Path) -> Result<()> {
    cgroup::destroy(&cgroup_of(id))?;
    unmount_below(folder)?;
    cut::remove(id)?;
    net::remove(id)?;
    std::fs::remove_dir_all(folder).with_context(|| format!("remove {}", folder.display()))
}

/// Unmounts all that is mounted below a folder. Nothing to do is fine.
///
/// # Errors
/// Something is in use.
pub fn unmount_below(folder: &Path) -> Result<()> {
    for point in mounts_below(folder)? {
        let mut umount = command("umount");
        umount.arg(&point);
        succeed(umount)?;
    }
    Ok(())
}

fn cgroup_of(id: &str) -> String {
    format!("bellows-{id}")
}

/// A lock between processes, held until dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Waits for the lock.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn take(path: &Path) -> Result<Self> {
        let file = File::create(path).with_context(|| format!("lock file {}", path.display()))?;
        flock(&file, FlockOperation::LockExclusive)
            .with_context(|| format!("lock {}", path.display()))?;
        Ok(Self { _file: file })
    }
}

fn owner_lives(folder: &Path) -> bool {
    let text = std::fs::read_to_string(folder.join("owner")).unwrap_or_default();
    let Some((pid, since)) = text.trim().split_once(' ') else {
        return false;
    };
    pid.parse().ok().and_then(started).is_some_and(|now| now == since)
}

/// When a process started, in the kernel's ticks: tells it from a later one with the same id. `None`: there is none, or it is
/// dead and only waits for its parent to look.
fn started(pid: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in brackets, may hold anything; after it the fields are plain, the 22nd is ours.
    let (_, fields) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let dead = matches!(fields.first(), None | Some(&("Z" | "X")));
    fields.get(19).filter(|_| !dead).map(|since| (*since).to_owned())
}

/// Mount points below a folder, last mounted first.
fn mounts_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let table = std::fs::read_to_string("/proc/self/mountinfo").context("read the mount table")?;
    let mut points: Vec<PathBuf> = table
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        // The kernel writes a space as an octal escape.
        .map(|point| PathBuf::from(point.replace("\\040", " ")))
        .filter(|point| point.starts_with(folder))
        .collect();
    points.reverse();
    Ok(points)
}
