//! Keys of hosts that are not known yet: what the host shows, and the line that records it. Pure; nothing
//! is recorded here, the administrator does it.

use std::path::Path;

use bellows_proto::{
    digest,
    v1::{Fault, FaultCode},
};

use base64::Engine as _;

use super::{BASE64, list::Destination};

/// What ssh says of a key that it does not know, or that is another one (OpenSSH, `sshconnect.c`; it
/// translates nothing). It has no exit status of its own for them.
pub(super) const NOT_VERIFIED: &str = "Host key verification failed";
/// The same, of a key that is another one.
pub(super) const CHANGED: &str = "REMOTE HOST IDENTIFICATION HAS CHANGED";

/// A configuration for a login that only looks at the host's key: for this host alone it offers no way to
/// log in, so that jump hosts on the way are still those of the administrator's configuration.
pub(super) fn only_look(to: &Destination, config: Option<&Path>) -> String {
    let includes = match config {
        Some(path) => format!("Include \"{}\"\n", path.display()),
        None => "Include ~/.ssh/config\nInclude /etc/ssh/ssh_config\n".to_owned(),
    };
    format!(
        "Host {}\n  PreferredAuthentications none\n  ForwardAgent no\n  ForwardX11 no\n  HashKnownHosts no\n  \
         CheckHostIP no\n  UpdateHostKeys no\n  GlobalKnownHostsFile /dev/null\nHost *\n{includes}",
        to.host()
    )
}

/// The refusal of an unknown host, with its key and the command that records it.
pub(super) fn unknown(to: &Destination, shown: &str) -> Fault {
    let lines: Vec<&str> = shown.lines().filter(|line| fingerprint(line).is_some()).collect();
    let prints: Vec<String> = lines.iter().filter_map(|line| fingerprint(line)).collect();
    let denied = |seen: &str| {
        Fault::new(
            FaultCode::Denied,
            format!("ssh to {to}: the host's key is not known here{seen}"),
        )
    };
    if lines.is_empty() {
        return denied("").remedy(format!(
            "log in by hand once (ssh {to}), compare the key that it shows with the one on the host's console"
        ));
    }
    let record: Vec<String> =
        lines.iter().map(|line| format!("echo '{line}' >> ~/.ssh/known_hosts")).collect();
    denied(&format!("; it shows {}", prints.join(", "))).remedy(format!(
        "compare it on the host's console (ssh-keygen -lf /etc/ssh/ssh_host_{}_key.pub); only if it is the same: {}",
        kind(&lines), record.join("; ")
    ))
}

/// "ed25519", as in the name of the host's file.
fn kind(lines: &[&str]) -> String {
    let word = lines.first().and_then(|line| line.split_whitespace().nth(1)).unwrap_or_default();
    let word = word.trim_start_matches("ssh-");
    if word.starts_with("ecdsa") { "ecdsa".to_owned() } else { word.to_owned() }
}

/// "ssh-ed25519 SHA256:..." of a line of a known_hosts file.
fn fingerprint(line: &str) -> Option<String> {
    let mut words = line.split_whitespace();
    let (_, kind, key) = (words.next()?, words.next()?, words.next()?);
    let plain = |c: char| c.is_ascii_graphic() && !"'\\\"".contains(c);
    if !line.chars().all(|c| plain(c) || c == ' ') {
        return None;
    }
    let key = BASE64.decode(key).ok()?;
    Some(format!("{kind} SHA256:{}", BASE64.encode(digest::of_bytes(&key))))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line and what `ssh-keygen -lf` prints of it.
    const LINE: &str =
        "10.0.0.1 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";
    const PRINT: &str = "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU";

    #[test]
    fn an_unknown_key_is_shown_with_the_line_that_records_it() {
        let to: Destination = "root@10.0.0.1".parse().unwrap();
        let fault = unknown(&to, &format!("{LINE}\n"));
        assert!(fault.message.contains(PRINT), "{}", fault.message);
        assert!(fault.remedy.contains("ssh_host_ed25519_key.pub"), "{}", fault.remedy);
        assert!(fault.remedy.contains(&format!("echo '{LINE}' >>")), "{}", fault.remedy);
        for odd in ["", "rubbish", "10.0.0.1 ssh-ed25519 '$(id)'"] {
            let fault = unknown(&to, odd);
            assert!(!fault.remedy.contains("echo"), "{}", fault.remedy);
        }
    }

    #[test]
    fn the_look_offers_no_login_to_the_host_alone() {
        let to: Destination = "root@db1".parse().unwrap();
        let text = only_look(&to, Some(Path::new("/home/a/config")));
        assert!(text.starts_with("Host db1\n  PreferredAuthentications none\n"));
        assert!(text.contains("Host *\nInclude \"/home/a/config\"\n"));
    }
}
