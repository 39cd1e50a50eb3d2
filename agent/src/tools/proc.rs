//! Processes of this host, by `/proc`, whoever started them. Must not know any system.

use bellows_proto::v1::Fault;
use camino::Utf8PathBuf;

use crate::host::Host;

/// So much of a command line is read.
const COMMAND_LIMIT: usize = 64 * 1024;
const LIMIT: u64 = 64 * 1024;

/// Program and arguments of a process; `None`: it has ended.
///
/// # Errors
/// If it lives and cannot be read.
pub fn command(host: &dyn Host, pid: u32) -> Result<Option<Vec<String>>, Fault> {
    let path = Utf8PathBuf::from(format!("/proc/{pid}/cmdline"));
    let bytes = match host.read_at(&path, 0, COMMAND_LIMIT) {
        Ok(bytes) => bytes.unwrap_or_default(),
        Err(_) if host.process(pid).is_none() => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let words = bytes.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into());
    let mut words: Vec<String> = words.collect();
    if words.last().is_some_and(String::is_empty) {
        words.pop();
    }
    Ok(Some(words))
}

/// The unit that a process belongs to; empty: none, or it has ended.
///
/// # Errors
/// If it lives and cannot be read.
pub fn unit_of(host: &dyn Host, pid: u32) -> Result<String, Fault> {
    let path = Utf8PathBuf::from(format!("/proc/{pid}/cgroup"));
    let text = match host.read(&path, LIMIT) {
        Ok(bytes) => bytes.unwrap_or_default(),
        Err(_) if host.process(pid).is_none() => return Ok(String::new()),
        Err(error) => return Err(error.into()),
    };
    Ok(unit(&String::from_utf8_lossy(&text)))
}

/// The innermost service in a `/proc/PID/cgroup`.
fn unit(text: &str) -> String {
    let paths = text.lines().filter_map(|line| line.splitn(3, ':').nth(2));
    let named =
        paths.flat_map(|path| path.split('/').rev().find(|part| part.ends_with(".service")));
    named.map(str::to_owned).next().unwrap_or_default()
}

/// The effective user of a process; `None`: it has ended, or nothing tells.
///
/// # Errors
/// If it lives and cannot be read.
pub fn uid(host: &dyn Host, pid: u32) -> Result<Option<u32>, Fault> {
    let path = Utf8PathBuf::from(format!("/proc/{pid}/status"));
    let text = match host.read(&path, LIMIT) {
        Ok(bytes) => bytes.unwrap_or_default(),
        Err(_) if host.process(pid).is_none() => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let text = String::from_utf8_lossy(&text).into_owned();
    let line = text.lines().find_map(|line| line.strip_prefix("Uid:"));
    Ok(line.and_then(|line| line.split_ascii_whitespace().nth(1)?.parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_of_processes() {
        assert_eq!(unit("0::/system.slice/kaiwudb.service\n"), "kaiwudb.service");
        assert_eq!(unit("0::/system.slice/docker-12.scope\n"), "");
        assert_eq!(unit("12:pids:/a.service/sub\n"), "a.service");
    }
}
