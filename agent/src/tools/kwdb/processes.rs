//! `kwbase` processes of this host. Must not know configuration.

use bellows_proto::{
    defect::{Defect, is_seeded},
    v1::{Fault, KwdbStartMode},
};
use camino::Utf8Path;

use super::values;
use crate::{
    host::{Host, ProcessId},
    tools::proc,
};

/// A process with its command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// Its number.
    pub pid: u32,
    /// Program and arguments.
    pub command: Vec<String>,
}

impl Running {
    /// What a node was started with; `None`: it is no node.
    pub fn started(&self) -> Option<Started<'_>> {
        Started::of(self.command.get(1..)?)
    }

    /// A client that sends the flag of decommissioning again and again until it ends.
    fn waits(&self) -> bool {
        let has = |word: &str| self.command.iter().any(|argument| argument == word);
        let flag = |name: &str, value: &str| {
            self.command.iter().any(|argument| *argument == format!("{name}={value}"))
                || self
                    .command
                    .windows(2)
                    .any(|pair| matches!(pair, [a, b] if a == name && b == value))
        };
        let decommissions = has("node") && has("decommission") && !flag("--wait", "none");
        decommissions || has("quit") && has("--decommission")
    }
}

/// Arguments of a node, after the program's name.
#[derive(Debug, Clone, Copy)]
pub struct Started<'a> {
    /// `start` and its like.
    pub mode: KwdbStartMode,
    arguments: &'a [String],
}

impl<'a> Started<'a> {
    /// Reads them; `None`: they start no node.
    pub fn of(arguments: &'a [String]) -> Option<Self> {
        let mode = values::mode(arguments.first()?);
        (mode != KwdbStartMode::Unspecified).then_some(Self { mode, arguments })
    }

    /// The last value of a flag, in either form.
    pub fn flag(&self, name: &str) -> Option<&'a str> {
        self.all(name).last().copied()
    }

    /// All values of a flag.
    pub fn all(&self, name: &str) -> Vec<&'a str> {
        let mut found = Vec::new();
        let mut arguments = self.arguments.iter();
        while let Some(argument) = arguments.next() {
            match argument.strip_prefix(name).map(|rest| (rest.is_empty(), rest.strip_prefix('=')))
            {
                Some((true, _)) => found.extend(arguments.next().map(String::as_str)),
                Some((false, Some(value))) => found.push(value),
                Some((false, None)) | None => {}
            }
        }
        found
    }

    /// Whether a flag without a value is set.
    pub fn is_set(&self, name: &str) -> bool {
        let on = format!("{name}=true");
        self.arguments.iter().any(|argument| argument == name || *argument == on)
    }

    /// `--store`, where it is a plain path.
    pub fn store(&self) -> Option<&'a str> {
        let store = self.flag("--store").or_else(|| self.flag("-s"))?;
        let store = store.strip_prefix("path=").unwrap_or(store);
        (!store.contains(',')).then(|| store.trim_end_matches('/'))
    }

    /// Members that it joins.
    pub fn join(&self) -> Vec<&'a str> {
        let lists = self.all("--join").into_iter().chain(self.all("-j"));
        lists.flat_map(|list| list.split(',')).filter(|one| !one.is_empty()).collect()
    }
}

/// All processes of the program `kwbase`.
///
/// # Errors
/// If one that lives cannot be read.
pub fn all(host: &dyn Host) -> Result<Vec<Running>, Fault> {
    let mut found = Vec::new();
    for entry in host.list(Utf8Path::new("/proc"))? {
        let Ok(pid) = entry.parse::<u32>() else { continue };
        let Some(command) = proc::command(host, pid)? else { continue };
        let program = command.first().map_or("", String::as_str);
        if Utf8Path::new(program).file_name() == Some("kwbase") {
            found.push(Running { pid, command });
        }
    }
    found.sort_by_key(|process| process.pid);
    Ok(found)
}

/// The living process whose store this is.
///
/// # Errors
/// As [`all`].
pub fn of_store(host: &dyn Host, store: &Utf8Path) -> Result<Option<(Running, ProcessId)>, Fault> {
    for process in all(host)? {
        let own = process.started().and_then(|started| started.store()) == Some(store.as_str());
        if let Some(id) = host.process(process.pid).filter(|_| own) {
            return Ok(Some((process, id)));
        }
    }
    Ok(None)
}

/// `kwbase node decommission` that somebody left running here, a command each.
///
/// # Errors
/// As [`all`].
pub fn waiters(host: &dyn Host) -> Result<Vec<String>, Fault> {
    if is_seeded(Defect::WaiterOverlooked) {
        return Ok(Vec::new());
    }
    let waiting = all(host)?.into_iter().filter(Running::waits);
    Ok(waiting.map(|one| format!("process {}: {}", one.pid, one.command.join(" "))).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_ascii_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn arguments_of_a_node_are_read_in_both_forms() {
        let text = words(
            "start --certs-dir=/c --listen-addr=0.0.0.0:26257 --advertise-addr=10.0.0.1:26257 --store /d/ --join a:1 --join=b:2,c:3",
        );
        let started = Started::of(&text).unwrap();
        assert_eq!(started.mode, KwdbStartMode::MultiReplica);
        assert_eq!((started.store(), started.flag("--certs-dir")), (Some("/d"), Some("/c")));
        assert_eq!(started.join(), ["a:1", "b:2", "c:3"]);
        assert!(!started.is_set("--insecure"));
        let text = words("start-single-replica --insecure --store=path=/d,size=10GiB");
        let started = Started::of(&text).unwrap();
        assert!(started.is_set("--insecure") && started.store().is_none());
        assert!(Started::of(&words("node status")).is_none());
        assert!(Started::of(&[]).is_none());
    }

    #[test]
    fn waiters_are_those_that_flag_again() {
        let waits = |text: &str| Running { pid: 1, command: words(text) }.waits();
        assert!(waits("/bin/kwbase node decommission 4 --insecure"));
        assert!(waits("/bin/kwbase node decommission 4 --wait=all"));
        assert!(waits("/bin/kwbase --insecure node decommission --wait live 4"));
        assert!(waits("/bin/kwbase quit --decommission"));
        for other in [
            "node decommission 4 --wait=none",
            "node decommission 4 --wait none",
            "quit",
            "node status --decommission",
            "start --store=/decommission",
        ] {
            assert!(!waits(&format!("/bin/kwbase {other}")), "{other}");
        }
    }
}
