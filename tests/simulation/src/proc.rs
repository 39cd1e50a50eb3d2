//! What the kernel of a simulated host tells, which is on no disk.

use std::sync::Arc;

use bellows_agent::host::{FileKind, Metadata};
use camino::Utf8Path;

use super::{machine::Machine, process::Process};

/// The bytes of a file of the kernel's, or of one that is alike on every host; `None`: it is none.
pub fn bytes(machine: &Machine, path: &Utf8Path) -> Option<Vec<u8>> {
    let words = |address: std::net::Ipv4Addr| u32::from_ne_bytes(address.octets());
    match path.as_str() {
        "/proc/sys/kernel/random/boot_id" => {
            Some(format!("boot-{}-{}\n", machine.name, machine.boot()).into_bytes())
        }
        "/proc/net/tcp" => {
            let mut text = "  sl  local_address rem_address   st\n".to_owned();
            for (address, port) in machine.world().tools.listening(machine) {
                let line = format!("   0: {:08X}:{port:04X} 00000000:0000 0A\n", words(address));
                text.push_str(&line);
            }
            Some(text.into_bytes())
        }
        "/proc/net/fib_trie" => {
            let address = machine.address;
            Some(format!("Main:\n     |-- {address}\n        /32 host LOCAL\n").into_bytes())
        }
        "/etc/machine-id" => Some(format!("machine-{}\n", machine.name).into_bytes()),
        "/etc/os-release" => Some(b"PRETTY_NAME=\"Simulated Linux 12\"\n".to_vec()),
        _ => {
            let (process, file) = of_process(machine, path)?;
            match file {
                "cmdline" => {
                    let words = machine.world().tools.command_line(&process);
                    Some(joined(words.into_iter()))
                }
                "environ" => {
                    let all = process.birth.environment.iter();
                    Some(joined(all.map(|(name, value)| format!("{name}={value}"))))
                }
                _ => None,
            }
        }
    }
}

/// Names in a folder of the kernel's; `None`: it is none.
pub fn list(machine: &Machine, folder: &Utf8Path) -> Option<Vec<String>> {
    (folder == "/proc")
        .then(|| machine.processes().iter().map(|process| process.id.pid.to_string()).collect())
}

/// Facts of a process's folder, or of a file in it.
pub fn metadata(machine: &Machine, path: &Utf8Path) -> Option<Metadata> {
    let (process, file) = of_process(machine, path)?;
    let (kind, mode) = match file {
        "" => (FileKind::Directory, 0o555),
        "cmdline" => (FileKind::File, 0o444),
        "environ" => (FileKind::File, 0o400),
        _ => return None,
    };
    let uid = machine.users.get(&process.birth.user).copied().unwrap_or(0);
    let changed_at_ms = i64::try_from(process.id.started).unwrap_or(0);
    Some(Metadata { kind, length: 0, mode, uid, gid: uid, changed_at_ms })
}

/// The process of `/proc/NUMBER/FILE`, and the file; empty: the folder itself.
fn of_process<'a>(machine: &Machine, path: &'a Utf8Path) -> Option<(Arc<Process>, &'a str)> {
    let inside = path.as_str().strip_prefix("/proc/")?;
    let (pid, file) = inside.split_once('/').unwrap_or((inside, ""));
    Some((machine.process(pid.parse().ok()?)?, file))
}

/// Words as the kernel has them: each with a zero behind it.
fn joined(words: impl Iterator<Item = String>) -> Vec<u8> {
    words.flat_map(|word| [word.into_bytes(), vec![0]].concat()).collect()
}
