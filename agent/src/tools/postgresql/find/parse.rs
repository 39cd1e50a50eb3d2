//! What tells of a server without asking it: its pid file, its control file, `repmgr.conf`,
//! `postgresql.conf`, its cgroup. Pure.
//!
//! Versions: PostgreSQL 9.1 and newer have the pid file in this order (`miscadmin.h`); the system
//! identifier has always been the first eight bytes of the control file.

/// `postmaster.pid`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PidFile {
    /// The postmaster.
    pub pid: u32,
    /// Its data directory.
    pub data_dir: String,
    /// Where it listens.
    pub port: u32,
    /// Its first socket directory; empty: it has none.
    pub socket_dir: String,
}

/// Reads `postmaster.pid`; `None`: it is not whole.
pub fn pid_file(text: &str) -> Option<PidFile> {
    let mut lines = text.lines();
    let pid = lines.next()?.trim().parse().ok()?;
    let data_dir = lines.next()?.trim().to_owned();
    let _started = lines.next()?;
    let port = lines.next()?.trim().parse().ok()?;
    let socket_dir = lines.next()?.trim().to_owned();
    Some(PidFile { pid, data_dir, port, socket_dir })
}

/// What `repmgr.conf` says of its node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepmgrConf {
    /// repmgr's node id.
    pub node_id: u32,
    /// repmgr's node name.
    pub node_name: String,
    /// The data directory that it is for.
    pub data_directory: String,
}

/// Reads `repmgr.conf`; `None`: it lacks one of these.
pub fn repmgr_conf(text: &str) -> Option<RepmgrConf> {
    Some(RepmgrConf {
        node_id: setting(text, "node_id")?.parse().ok()?,
        node_name: setting(text, "node_name")?,
        data_directory: setting(text, "data_directory")?,
    })
}

/// The value of a setting in the form of `postgresql.conf` and `repmgr.conf`; the last line counts.
pub fn setting(text: &str, key: &str) -> Option<String> {
    text.lines().rev().find_map(|line| {
        let rest = line.trim_start().strip_prefix(key)?;
        // Another setting that begins alike.
        if !rest.starts_with(|c: char| c == '=' || c.is_ascii_whitespace()) {
            return None;
        }
        let rest = rest.trim_start();
        Some(value(rest.strip_prefix('=').unwrap_or(rest).trim_start()))
    })
}

/// A quoted value, or a plain one up to a comment.
fn value(text: &str) -> String {
    let Some(quoted) = text.strip_prefix('\'') else {
        return text.split(['#', ' ', '\t']).next().unwrap_or_default().to_owned();
    };
    let mut plain = String::new();
    let mut letters = quoted.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\'' if letters.peek() == Some(&'\'') => plain.extend(letters.next()),
            '\'' => break,
            '\\' => plain.extend(letters.next()),
            other => plain.push(other),
        }
    }
    plain
}

/// The system identifier in the bytes of `global/pg_control`, which has the machine's own byte order.
pub fn system_identifier(control: &[u8]) -> Option<String> {
    let bytes: [u8; 8] = control.get(..8)?.try_into().ok()?;
    Some(u64::from_ne_bytes(bytes).to_string())
}

/// The unit that a process belongs to, by `/proc/PID/cgroup`; empty: none.
pub fn unit(cgroup: &str) -> String {
    let last = |line: &str| line.rsplit('/').next().map(str::to_owned);
    let is_unit = |name: &String| name.ends_with(".service");
    cgroup.lines().filter_map(last).find(is_unit).unwrap_or_default()
}

/// The name of a user in the text of `/etc/passwd`.
pub fn user_name(passwd: &str, uid: u32) -> Option<String> {
    let uid = uid.to_string();
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid).then(|| name.to_owned())
    })
}

/// The `repmgr.conf` that a command line of repmgrd names.
pub fn config_file(arguments: &[String]) -> Option<&str> {
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        if let Some(path) = word.strip_prefix("--config-file=") {
            return Some(path);
        }
        if word == "-f" || word == "--config-file" {
            return words.next().map(String::as_str);
        }
        if let Some(path) = word.strip_prefix("-f").filter(|_| !word.starts_with("--")) {
            return Some(path);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_pid_file_is_read() {
        let text = "4711\n/var/lib/postgresql/15/main\n1700000000\n5433\n/var/run/postgresql\n*\n  7 0\nready   \n";
        let found = pid_file(text).unwrap();
        assert_eq!((found.pid, found.port), (4711, 5433));
        assert_eq!(found.data_dir, "/var/lib/postgresql/15/main");
        assert_eq!(found.socket_dir, "/var/run/postgresql");
        // It is written line by line.
        assert_eq!(pid_file("4711\n/var/lib/postgresql/15/main\n1700000000\n"), None);
        assert_eq!(pid_file(""), None);
    }

    #[test]
    fn settings_are_read_in_all_their_forms() {
        let text = "# node_id=9\nnode_id=2\nnode_name = 'pg''2' # ours\n\
                    data_directory '/srv/pg data'\nnode_id_other=3\nport=5433\t# x\n";
        let found = repmgr_conf(text).unwrap();
        assert_eq!((found.node_id, found.node_name.as_str()), (2, "pg'2"));
        assert_eq!(found.data_directory, "/srv/pg data");
        assert_eq!(setting(text, "port").as_deref(), Some("5433"));
        assert_eq!(setting("port=1\nport=2\n", "port").as_deref(), Some("2"));
        assert_eq!(repmgr_conf("node_id=x\n"), None);
    }

    #[test]
    fn a_process_tells_its_unit_and_its_file() {
        let cgroup = "0::/system.slice/system-postgresql.slice/postgresql@15-main.service\n";
        assert_eq!(unit(cgroup), "postgresql@15-main.service");
        assert_eq!(unit("0::/user.slice/user-0.slice/session-1.scope\n"), "");
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        for line in ["repmgrd -f /a.conf", "repmgrd --config-file=/a.conf", "repmgrd -d -f/a.conf"]
        {
            assert_eq!(config_file(&words(line)), Some("/a.conf"), "{line}");
        }
        assert_eq!(config_file(&words("repmgrd --daemonize=false")), None);
        assert_eq!(user_name("root:x:0:0::/:/bin/sh\ndba:x:105:1::/:\n", 105).unwrap(), "dba");
    }

    #[test]
    fn the_identifier_is_the_control_files_first_number() {
        let id = 7_245_901_234_567_890_123_u64;
        assert_eq!(system_identifier(&id.to_ne_bytes()).unwrap(), id.to_string());
        assert_eq!(system_identifier(b"short"), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text: String, key in "[a-z_]{1,10}") {
            let _ = (pid_file(&text), repmgr_conf(&text), setting(&text, &key), unit(&text));
        }
    }
}
