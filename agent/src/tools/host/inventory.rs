//! What a host is made of and what is installed on it: for people, and before a host is chosen. Nothing of
//! it is remembered from an earlier call.

use std::{sync::Arc, time::Duration};

use bellows_proto::v1::{Fault, HostDisk, HostInventory, ToolVersion};
use camino::{Utf8Path, Utf8PathBuf};

use crate::{exec::Invocation, facilities::Runner, host::Host, tools::QueryContext};

/// `/proc/mounts` of a host with many mounts.
const LIMIT: u64 = 1024 * 1024;
/// More file systems are not told.
const MOST_DISKS: usize = 64;
/// A program that only prints its version.
const VERSION_LIMIT: Duration = Duration::from_secs(1);
/// Where the base system has its programs.
const FOLDERS: [&str; 4] = ["/usr/bin", "/usr/sbin", "/bin", "/sbin"];
/// Tools of the base system that operations on hosts rely on, and how each is asked for its version.
const TOOLS: [(&str, &str); 10] = [
    ("systemctl", "--version"),
    ("sudo", "--version"),
    ("chronyd", "--version"),
    ("ip", "-V"),
    ("nft", "--version"),
    ("lvm", "version"),
    ("xfs_growfs", "-V"),
    ("resize2fs", "-V"),
    ("rsync", "--version"),
    ("openssl", "version"),
];

/// Reads all of it.
pub(super) async fn inventory(context: &QueryContext) -> Result<HostInventory, Fault> {
    let mut local = context.local().clone();
    // The versions of tools too: facts for guards may be a minute old, these are not.
    local.versions = Arc::default();
    let fresh = QueryContext::new(local, context.deadline());
    let host = fresh.local().host.as_ref();
    let facts = Box::pin(super::facts::facts(&fresh)).await?;
    let memory = text(host, "/proc/meminfo")?;
    let amount = |name| kib(&memory, name).saturating_mul(1024);
    Ok(HostInventory {
        cpus: count(&text(host, "/sys/devices/system/cpu/online")?),
        cpu_model: model(&text(host, "/proc/cpuinfo")?),
        memory_total_bytes: amount("MemTotal"),
        memory_available_bytes: amount("MemAvailable"),
        swap_total_bytes: amount("SwapTotal"),
        up_s: seconds(&text(host, "/proc/uptime")?),
        disks: disks(host, &mounts(host)?),
        tools: tools(&fresh).await,
        facts: Some(facts),
    })
}

/// A file of the kernel's; empty where it has none.
fn text(host: &dyn Host, path: &str) -> Result<String, Fault> {
    let bytes = host.read(Utf8Path::new(path), LIMIT)?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Those of process 1: the agent's own sandbox mounts everything anew, most of it read only.
fn mounts(host: &dyn Host) -> Result<String, Fault> {
    text(host, "/proc/1/mounts").or_else(|_| text(host, "/proc/self/mounts"))
}

/// "0-3,5": five of them.
fn count(online: &str) -> u32 {
    let ranges = online.trim().split(',').filter_map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        last.checked_sub(first)?.checked_add(1)
    });
    ranges.sum()
}

/// Some architectures tell none.
fn model(cpuinfo: &str) -> String {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"));
    line.and_then(|line| line.split_once(':'))
        .map(|(_, name)| name.trim().to_owned())
        .unwrap_or_default()
}

/// "MemTotal:  16384 kB".
fn kib(meminfo: &str, name: &str) -> u64 {
    let value = meminfo.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    value.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

fn seconds(uptime: &str) -> u64 {
    let whole = uptime.split(['.', ' ']).next();
    whole.and_then(|whole| whole.parse().ok()).unwrap_or_default()
}

/// File systems on devices, each once. Those of a network are left out: one that hangs would hang the
/// answer.
fn disks(host: &dyn Host, mounts: &str) -> Vec<HostDisk> {
    let mut found: Vec<HostDisk> = Vec::new();
    for line in mounts.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let [device, mounted_at, kind, options, ..] = words.as_slice() else { continue };
        let local = device.starts_with("/dev/") || matches!(*kind, "overlay" | "zfs" | "btrfs");
        let known = found.iter().any(|disk| disk.device == *device && *kind != "overlay");
        if !local || known || *kind == "squashfs" || found.len() == MOST_DISKS {
            continue;
        }
        let path = Utf8PathBuf::from(unescape(mounted_at));
        let Ok(space) = host.space(&path) else { continue };
        found.push(HostDisk {
            mounted_at: path.into_string(),
            device: (*device).to_owned(),
            kind: (*kind).to_owned(),
            total_bytes: space.total,
            free_bytes: space.free,
            read_only: options.split(',').any(|option| option == "ro"),
        });
    }
    found
}

/// The kernel writes a space as an octal escape.
fn unescape(path: &str) -> String {
    path.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")
}

/// Tools of the base system. One that is missing has no version.
async fn tools(runner: &dyn Runner) -> Vec<ToolVersion> {
    let mut found = Vec::new();
    for (tool, argument) in TOOLS {
        let version = match path_of(runner.local().host.as_ref(), tool) {
            Some(path) => version(runner, &path, argument).await,
            None => String::new(),
        };
        found.push(ToolVersion { tool: tool.to_owned(), version });
    }
    found
}

fn path_of(host: &dyn Host, tool: &str) -> Option<Utf8PathBuf> {
    let places = FOLDERS.into_iter().map(|folder| Utf8Path::new(folder).join(tool));
    places.into_iter().find(|path| matches!(host.metadata(path), Ok(Some(_))))
}

/// The first line that it prints, on either stream, without its own name.
async fn version(runner: &dyn Runner, path: &Utf8Path, argument: &str) -> String {
    let unknown = || "there, its version cannot be read".to_owned();
    let invocation = Invocation::new(path.as_str(), [argument], VERSION_LIMIT);
    let Ok(finished) = runner.read(invocation).await else { return unknown() };
    let both = [finished.stdout.as_slice(), finished.stderr.as_slice()].concat();
    let text = String::from_utf8_lossy(&both).into_owned();
    let line = text.lines().map(str::trim).find(|line| !line.is_empty());
    line.map_or_else(unknown, |line| line.chars().take(80).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_counted() {
        assert_eq!(count("0-3,5\n"), 5);
        assert_eq!(count("0"), 1);
        assert_eq!(count(""), 0);
        assert_eq!(count("3-0,x,7-"), 0);
    }

    #[test]
    fn the_kernels_files_are_read() {
        let meminfo = "MemTotal:       16384 kB\nMemAvailable:    8 kB\n";
        assert_eq!((kib(meminfo, "MemTotal"), kib(meminfo, "MemFree")), (16384, 0));
        assert_eq!(model("processor : 0\nmodel name\t: A CPU @ 3 GHz\n"), "A CPU @ 3 GHz");
        assert_eq!(seconds("86400.12 3.4\n"), 86400);
        assert_eq!(unescape("/a\\040b"), "/a b");
    }

    #[test]
    fn each_device_is_told_once_and_no_network() {
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "[agent]\nhost = \"h1\"\naddress = \"127.0.0.1\"\ndata_dir = \"{}\"\n",
            folder.path().display()
        );
        let config = crate::config::parse(Utf8Path::new("agent.toml"), &text).unwrap();
        let local = crate::run::local(config).unwrap();
        let mounts = "/dev/sda1 / ext4 rw 0 0\n/dev/sda1 /again ext4 rw 0 0\nproc /proc proc rw 0 0\n\
                      nas:/x /mnt nfs rw 0 0\nodd\n";
        let found = disks(local.host.as_ref(), mounts);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].mounted_at.as_str(), found[0].read_only), ("/", false));
        assert!(found[0].total_bytes > 0);
    }
}
