//! What the installer wrote down: `info/MODE`, one value per line, and `info/.version`. Must not judge it.

use bellows_proto::v1::{Fault, KwdbInstallation};

use crate::{config::KwdbConfig, facilities::Local};

const LIMIT: u64 = 64 * 1024;

/// Reads it; `None`: there is no such file.
///
/// # Errors
/// If a file is there and cannot be read.
pub fn read(local: &Local, section: &KwdbConfig) -> Result<Option<KwdbInstallation>, Fault> {
    let text = |name: &str| -> Result<Option<String>, Fault> {
        let found = local.host.read_guarded(&section.info_dir.join(name), LIMIT)?;
        Ok(found.map(|(bytes, _)| String::from_utf8_lossy(&bytes).into_owned()))
    };
    let Some(mode) = text("MODE")? else { return Ok(None) };
    let version = text(".version")?.unwrap_or_default();
    Ok(Some(parse(&mode, &version)))
}

fn parse(mode: &str, version: &str) -> KwdbInstallation {
    let line = |at: usize| mode.lines().nth(at).unwrap_or_default().trim().to_owned();
    KwdbInstallation {
        kind: line(0),
        mode: line(1),
        from: line(2),
        data_root: line(3),
        security: line(7),
        version: version.trim().chars().take(400).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_meanings() {
        let text = "bare\nmulti-replication\n/opt/kaiwudb\n/var/lib/kaiwudb\n26257\n8080\nkaiwudb\ntls\nfalse\n10.0.0.4\n";
        let found = parse(text, "3.1.0\n");
        assert_eq!((found.kind.as_str(), found.mode.as_str()), ("bare", "multi-replication"));
        assert_eq!((found.from.as_str(), found.security.as_str()), ("/opt/kaiwudb", "tls"));
        assert_eq!(
            (found.data_root.as_str(), found.version.as_str()),
            ("/var/lib/kaiwudb", "3.1.0")
        );
        assert_eq!(parse("", "").security, "");
    }
}
