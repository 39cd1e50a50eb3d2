//! Processes of bookies on this host, by `/proc`. Must not know what a process is wanted for.

use bellows_proto::v1::Fault;
use camino::Utf8Path;

use crate::{
    host::{Host, ProcessId},
    tools::proc,
};

/// The classes that a bookie's JVM is started with.
const MAIN: [&str; 2] =
    ["org.apache.bookkeeper.server.Main", "org.apache.bookkeeper.proto.BookieServer"];

/// A bookie's process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// Its number.
    pub pid: u32,
    /// Program and arguments.
    pub command: Vec<String>,
    /// The configuration that it was started with; empty: none was given.
    pub conf_file: String,
}

/// All of them, in order of their numbers.
///
/// # Errors
/// If one that lives cannot be read.
pub fn all(host: &dyn Host) -> Result<Vec<Running>, Fault> {
    let mut found = Vec::new();
    for entry in host.list(Utf8Path::new("/proc"))? {
        let Ok(pid) = entry.parse::<u32>() else { continue };
        let Some(command) = proc::command(host, pid)? else { continue };
        if let Some(conf_file) = conf_of(&command) {
            found.push(Running { pid, conf_file, command });
        }
    }
    found.sort_by_key(|process| process.pid);
    Ok(found)
}

/// The configuration in a bookie's command line; `None`: it is none of a bookie.
fn conf_of(command: &[String]) -> Option<String> {
    let main = command.iter().position(|word| MAIN.contains(&word.as_str()))?;
    let mut words = command.iter().skip(main + 1);
    while let Some(word) = words.next() {
        if let Some(file) = word.strip_prefix("--conf=") {
            return Some(file.to_owned());
        }
        if matches!(word.as_str(), "--conf" | "-c") {
            return Some(words.next().cloned().unwrap_or_default());
        }
    }
    Some(String::new())
}

/// The living process that was started with this configuration.
///
/// # Errors
/// As [`all`].
pub fn of_conf(
    host: &dyn Host,
    conf_file: &Utf8Path,
) -> Result<Option<(Running, ProcessId)>, Fault> {
    for process in all(host)? {
        let own = process.conf_file == conf_file.as_str();
        if let Some(id) = host.process(process.pid).filter(|_| own) {
            return Ok(Some((process, id)));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bookie_is_known_by_its_class_and_its_configuration() {
        let of = |text: &str| {
            let words: Vec<String> = text.split_ascii_whitespace().map(str::to_owned).collect();
            conf_of(&words)
        };
        let java = "java -cp /opt/bookkeeper/lib/* -Xmx1g";
        for (rest, conf) in [
            ("org.apache.bookkeeper.server.Main --conf /c", Some("/c")),
            ("org.apache.bookkeeper.server.Main --conf=/c", Some("/c")),
            ("org.apache.bookkeeper.proto.BookieServer -c /c", Some("/c")),
            ("org.apache.bookkeeper.server.Main", Some("")),
            ("org.apache.bookkeeper.bookie.BookieShell -conf /c listbookies", None),
            ("org.apache.bookkeeper.replication.AutoRecoveryMain --conf /c", None),
        ] {
            assert_eq!(of(&format!("{java} {rest}")).as_deref(), conf, "{rest}");
        }
        assert_eq!(of("bash /opt/bookkeeper/bin/bookkeeper bookie"), None);
    }
}
