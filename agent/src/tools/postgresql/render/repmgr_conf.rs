//! `repmgr.conf`.
//!
//! Versions: tried with repmgr 5.3.3.
//! Traps:
//! - `conninfo` is kept in `repmgr.nodes` and used by every member: its passfile must have the
//!   same path on all hosts.
//! - `standby follow` writes `primary_conninfo` anew and leaves out the passfile of `conninfo`: the
//!   standby is recorded below its new upstream and cannot log in to it ("no password supplied"),
//!   after a failover too. `passfile` puts it in. (Seen with 5.3.3.)
//! - `promote_command` and `follow_command` are shell lines: plain values only.
//! - The `service_*_command`s are left out: repmgrd runs as the owner of the node, who may not
//!   call systemctl. repmgr then uses `pg_ctl`; promote and reload need no more, and a
//!   restart finds `--config-file` in the data directory's `postmaster.opts`.

use super::{Node, find, heading, number, quote, quoted};
use crate::tools::repmgr::Server;

const RATE: &str = "--max-rate=";

/// Renders it. `clone_rate_kib` is KiB/s, 0: no limit.
pub fn render(node: &Node, clone_rate_kib: u32) -> String {
    let mut text = heading(node);
    let server = Server {
        address: node.address,
        port: node.port.get(),
        passfile: node.passfile.as_path(),
        application: None,
    };
    let file = node.conf_dir.file(super::REPMGR_CONF);
    let repmgr = format!("{}/repmgr --config-file={file}", node.bin_dir);
    number(&mut text, "node_id", node.node_id);
    quoted(&mut text, "node_name", node.name.as_str());
    quoted(&mut text, "conninfo", &server.conninfo());
    quoted(&mut text, "data_directory", node.data_dir.as_path().as_str());
    quoted(&mut text, "pg_bindir", node.bin_dir.as_path().as_str());
    quoted(&mut text, "passfile", node.passfile.as_path().as_str());
    number(&mut text, "use_replication_slots", "yes");
    if clone_rate_kib > 0 {
        let options = format!("{RATE}{clone_rate_kib}k");
        quoted(&mut text, "pg_basebackup_options", &options);
    }
    number(&mut text, "failover", "automatic");
    quoted(&mut text, "promote_command", &format!("{repmgr} standby promote"));
    quoted(&mut text, "follow_command", &format!("{repmgr} standby follow --upstream-node-id=%n"));
    number(&mut text, "monitor_interval_secs", 2);
    number(&mut text, "reconnect_attempts", 6);
    number(&mut text, "reconnect_interval", 10);
    text
}

/// Reads the rate of clones back, KiB/s, 0: no limit; `None`: it is not what [`render`] writes.
pub fn read_back(text: &str) -> Option<u32> {
    find(text, "node_id")?;
    let Some(options) = find(text, "pg_basebackup_options") else {
        return Some(0);
    };
    let number = options.strip_prefix(quote(RATE).trim_end_matches('\''))?.strip_suffix("k'")?;
    number.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tools::postgresql::values::tests::node;

    #[test]
    fn commands_are_plain_shell_words() {
        let text = render(&node(), 0);
        assert!(text.contains(
            "promote_command = '/usr/lib/postgresql/15/bin/repmgr --config-file=/etc/bellows/postgresql/orders/pg1/repmgr.conf standby promote'\n"
        ));
        assert!(!text.contains("basebackup"));
    }

    proptest! {
        #[test]
        fn the_rate_is_read_back(rate: u32) {
            prop_assert_eq!(read_back(&render(&node(), rate)), Some(rate));
        }

        #[test]
        fn no_text_makes_it_panic(text: String) {
            let _ = read_back(&text);
        }
    }
}
