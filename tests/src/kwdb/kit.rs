//! The package of KWDB on a host, and its `deploy.sh`.

use anyhow::{Context, Result, ensure};

use super::{BRPC_PORT, HTTP_PORT, PORT, PROGRAM, loopback::Pace, program};
use crate::testbed::Host;

/// Where the package was unpacked.
pub const KIT: &str = "/opt/kwdb";
/// Where the programs are once they are installed.
pub const BIN: &str = "/usr/local/kaiwudb/bin";
/// The unit.
pub const UNIT: &str = "kaiwudb.service";
/// Where certificates lie.
pub const CERTS: &str = "/etc/kaiwudb/certs";
/// The store of the installer's node.
pub const STORE: &str = "/var/lib/kaiwudb";

/// Of the double: its scripts, which stand beside `kwbase` in a package.
const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/doubles/scripts");
/// Where `ca.key` and `ca.crt` are packed, as the manual says.
const TARBALL: &str = "/opt/kwdb/kaiwudb_certs.tar.gz";

/// Unpacks the package on a host.
///
/// # Errors
/// A program is not built, or the host does not take a file.
pub fn put(host: &Host, pace: Pace, secure: bool) -> Result<()> {
    let kwbase = std::fs::read(program()?).context("kwbase")?;
    host.put(&format!("{KIT}/{PROGRAM}"), &kwbase, 0o755)?;
    for name in ["deploy.sh", "kw-status.sh", "kw-sql.sh"] {
        let script = format!("{SCRIPTS}/{name}");
        let script = std::fs::read(&script).with_context(|| format!("read {script}"))?;
        host.put(&format!("{KIT}/{name}"), &script, 0o755)?;
    }
    host.put(&format!("{KIT}/double.toml"), pace.toml().as_bytes(), 0o644)?;
    let (own, mode) = (host.address(), if secure { "tls" } else { "insecure" });
    let config = format!(
        "[global]\nsecure_mode={mode}\nmanagement_user=kaiwudb\nrest_port={HTTP_PORT}\n\
         kaiwudb_port={PORT}\nbrpc_port={BRPC_PORT}\ndata_root={STORE}\ncpu=1\n\n\
         [local]\nnode_addr={own}\n\n[cluster]\nnode_addr=\nssh_port=22\nssh_user=root\n"
    );
    host.put(&format!("{KIT}/deploy.cfg"), config.as_bytes(), 0o644)
}

/// Installs it on all hosts and makes a cluster of the first ones, as the manual says. The others have it installed, and
/// nothing else: no store, no certificates. The authority's key stays on the first host alone.
///
/// # Errors
/// `deploy.sh` fails.
pub fn install(hosts: &[Host], members: usize, secure: bool) -> Result<()> {
    let (first, others) = hosts.split_first().context("no host")?;
    for host in hosts {
        deploy(host, "install --multi-replica", "Y")?;
        host.succeed(&["systemctl", "enable", UNIT])?;
    }
    deploy(first, "cluster -i", "")?;
    let tarball = match secure {
        true => {
            let pack = ["tar", "-czf", TARBALL, "-C", CERTS, "ca.key", "ca.crt"];
            first.succeed(&pack)?;
            let bytes = first.get(TARBALL)?;
            first.succeed(&["rm", TARBALL])?;
            Some(bytes)
        }
        false => None,
    };
    for (index, host) in others.iter().enumerate() {
        if index + 1 < members {
            let join = format!("join --addr {}:{PORT}", first.address());
            match &tarball {
                Some(bytes) => {
                    host.put(TARBALL, bytes, 0o600)?;
                    deploy(host, &format!("{join} --tls"), KIT)?;
                    host.succeed(&["rm", TARBALL, &format!("{CERTS}/ca.key")])?;
                }
                None => deploy(host, &join, "")?,
            }
        } else {
            host.succeed(&["systemctl", "disable", UNIT])?;
            host.succeed(&["sh", "-c", &format!("rm -rf {CERTS}/* {STORE}/*")])?;
        }
    }
    Ok(())
}

/// Runs `deploy.sh`, and answers what it asks.
fn deploy(host: &Host, words: &str, answer: &str) -> Result<()> {
    let line = format!("echo '{answer}' | {KIT}/deploy.sh {words} 2>&1");
    host.succeed(&["bash", "-c", &line]).map(drop)
}

/// What systemd says of the unit on a host: whether it is active, and whether it is enabled.
///
/// # Errors
/// The host is off.
pub fn state(host: &Host) -> Result<Vec<String>> {
    let asked = |verb: &str| -> Result<String> {
        let output = host.exec(&["systemctl", verb, UNIT])?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    ["is-active", "is-enabled"].into_iter().map(asked).collect()
}

/// Its node is off, and nothing starts it.
///
/// # Errors
/// It is not so.
pub fn rests(host: &Host) -> Result<()> {
    let state = state(host)?;
    let off = matches!(state.first().map(String::as_str), Some("inactive" | "failed"));
    let disabled = state.get(1).is_some_and(|enabled| enabled != "enabled");
    ensure!(off && disabled, "{UNIT} on {} is {state:?}", host.name());
    let found = host.exec(&["pgrep", "--exact", PROGRAM])?;
    ensure!(!found.status.success(), "kwbase runs on {}", host.name());
    Ok(())
}

/// The end of what agent and unit said on a host. Never fails.
#[must_use]
pub fn last_words(host: &Host) -> String {
    let words =
        ["journalctl", "--no-pager", "--quiet", "--lines=40", "--unit=bellows-agent", "--unit"];
    let said = host.exec(&[&words[..], &[UNIT]].concat());
    said.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
}
