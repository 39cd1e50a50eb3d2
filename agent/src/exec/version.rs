//! The version of systemd: asked once at the start, before there is a runtime that could wait for a program.

use std::process::{Command, Stdio};

const PROGRAMS: [&str; 2] = ["/usr/bin/systemctl", "/bin/systemctl"];

/// As `systemctl --version` tells it; `None`: it does not.
#[allow(clippy::disallowed_methods)] // This is the place that starts processes.
pub fn systemd() -> Option<u32> {
    let program = PROGRAMS.into_iter().find(|path| std::path::Path::new(path).exists())?;
    let mut command = Command::new(program);
    command.arg("--version").env_clear().env("LC_ALL", "C").stdin(Stdio::null());
    parse(&command.output().ok()?.stdout)
}

/// "systemd 252 (252.39-1~deb12u2)", or "systemd 219".
fn parse(bytes: &[u8]) -> Option<u32> {
    let text = String::from_utf8_lossy(bytes);
    let rest = text.lines().next()?.strip_prefix("systemd ")?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_systemd_writes_them() {
        assert_eq!(parse(b"systemd 219\n+PAM +AUDIT\n"), Some(219));
        assert_eq!(parse(b"systemd 252 (252.39-1~deb12u2)\n"), Some(252));
        assert_eq!(parse(b"systemd 256~rc3\n"), Some(256));
        for text in ["", "systemd\n", "openrc 0.5\n"] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }
}
