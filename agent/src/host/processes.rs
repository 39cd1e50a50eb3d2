//! Processes of the real machine, read from `/proc`.

use std::{fs, io};

use rustix::process::Pid;

use super::{Mark, ProcessId, Signal};

/// From `/proc/PID/stat`: state letter and start time. The command's name in it may hold
/// spaces and brackets, so fields are counted from the last `)`.
fn parse_stat(text: &str) -> Option<(char, u64)> {
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    // Field 22 of the file; the state is field 3.
    let started = fields.nth(18)?.parse().ok()?;
    Some((state, started))
}

pub(super) fn process(pid: u32) -> Option<ProcessId> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    match parse_stat(&stat)? {
        ('Z' | 'X' | 'x', _) => None,
        (_, started) => Some(ProcessId { pid, started }),
    }
}

pub(super) fn signal(process: ProcessId, signal: Signal) -> io::Result<bool> {
    use rustix::process::{PidfdFlags, pidfd_open, pidfd_send_signal};
    let Some(pid) = i32::try_from(process.pid).ok().and_then(Pid::from_raw) else {
        return Ok(false);
    };
    let signal = match signal {
        Signal::Term => rustix::process::Signal::TERM,
        Signal::Int => rustix::process::Signal::INT,
        Signal::Hup => rustix::process::Signal::HUP,
        Signal::Kill => rustix::process::Signal::KILL,
    };
    // The descriptor is taken first and the start time compared after: then it is that one.
    let sent = match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(descriptor) => {
            if self::process(process.pid) != Some(process) {
                return Ok(false);
            }
            pidfd_send_signal(&descriptor, signal)
        }
        // Kernels before 5.3: a small gap between comparing and signalling remains.
        Err(rustix::io::Errno::NOSYS) => {
            if self::process(process.pid) != Some(process) {
                return Ok(false);
            }
            rustix::process::kill_process(pid, signal)
        }
        Err(error) => Err(error),
    };
    match sent {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::SRCH) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

pub(super) fn marked(mark: &Mark) -> io::Result<Vec<ProcessId>> {
    let (variable, value) = &mark.variable;
    let wanted = format!("{variable}={value}");
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        // Gone meanwhile, or another user's that we may not read and could not have started.
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let carries = environment.split(|byte| *byte == 0).any(|entry| entry == wanted.as_bytes());
        let lives_in = mark.unit.as_deref().is_some_and(|unit| {
            fs::read_to_string(format!("/proc/{pid}/cgroup")).is_ok_and(|text| in_unit(&text, unit))
        });
        if carries || lives_in {
            found.extend(process(pid));
        }
    }
    found.sort();
    Ok(found)
}

/// Whether a `/proc/PID/cgroup` names the unit as an element of a path, in any hierarchy.
fn in_unit(text: &str, unit: &str) -> bool {
    text.lines()
        .filter_map(|line| line.splitn(3, ':').nth(2))
        .any(|path| path.split('/').any(|element| element == unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_lines_with_odd_names_are_read() {
        let text = "4242 (a b) c) S 1 4242 4242 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 9 9";
        assert_eq!(parse_stat(text), Some(('S', 987_654)));
        assert_eq!(parse_stat("rubbish"), None);
    }

    #[test]
    fn cgroups_of_all_versions_name_units() {
        let v1 = "12:pids:/system.slice/a.service\n1:name=systemd:/system.slice/job-1.service\n";
        assert!(in_unit(v1, "job-1.service"));
        assert!(in_unit("0::/system.slice/job-1.service/sub\n", "job-1.service"));
        assert!(!in_unit("0::/system.slice/job-11.service\n", "job-1.service"));
    }

    #[test]
    fn this_process_lives() {
        let own = process(std::process::id()).unwrap();
        assert_eq!(process(own.pid), Some(own));
        let other = ProcessId { started: own.started + 1, ..own };
        assert!(!signal(other, Signal::Kill).unwrap());
    }
}
