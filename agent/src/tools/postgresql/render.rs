//! The four configuration files of a node: typed messages to text, and back again.
//!
//! What is read back is what probes compare with actions. Reading back is only asked for
//! files that are as Bellows left them, so it knows no more than what is written here.
//! Must not know where files are kept or how they get there.

use super::values::Node;

pub mod pg_hba;
pub mod postgresql_conf;
pub mod repmgr_conf;

/// `pg_ident.conf`'s map from the owner of the node to its local roles.
const LOCAL_MAP: &str = "bellows";
/// Roles that the owner of the node may take over the unix socket.
const LOCAL_ROLES: &[&str] = &["postgres", "repmgr"];

/// Names of the managed files, in the order in which they are written.
pub const FILES: &[&str] = &[POSTGRESQL_CONF, PG_HBA_CONF, PG_IDENT_CONF, REPMGR_CONF];
/// The server's settings.
pub const POSTGRESQL_CONF: &str = "postgresql.conf";
/// Who may log in.
pub const PG_HBA_CONF: &str = "pg_hba.conf";
/// Which user of the host is which role.
pub const PG_IDENT_CONF: &str = "pg_ident.conf";
/// repmgr's and repmgrd's settings.
pub const REPMGR_CONF: &str = "repmgr.conf";

/// The first lines of every file.
fn heading(node: &Node) -> String {
    format!(
        "# Rendered by Bellows for node {} of cluster {}.\n\
         # A change by hand is reported as drift and is not overwritten.\n",
        node.name, node.cluster
    )
}

/// A value between single quotes, as `postgresql.conf` and `repmgr.conf` read it.
fn quote(value: &str) -> String {
    let escaped = value.replace('\\', "\\\\").replace('\'', "''");
    format!("'{}'", escaped.replace('\n', "\\n"))
}

/// Appends `key = value`.
fn number(text: &mut String, key: &str, value: impl std::fmt::Display) {
    text.push_str(&format!("{key} = {value}\n"));
}

/// Appends `key = 'value'`.
fn quoted(text: &mut String, key: &str, value: &str) {
    text.push_str(&format!("{key} = {}\n", quote(value)));
}

/// The bare value of `key = value`.
fn find<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (name, value) = line.split_once(" = ")?;
        (name == key).then_some(value)
    })
}

/// `pg_ident.conf`.
pub fn pg_ident(node: &Node) -> String {
    let mut text = heading(node);
    for role in LOCAL_ROLES {
        text.push_str(&format!("{LOCAL_MAP} {} {role}\n", node.os_user));
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tools::postgresql::values::tests::node;

    /// Reads a quoted value as the server does; `None`: it is none, or something follows.
    fn unquote(text: &str) -> Option<String> {
        let mut rest = text.strip_prefix('\'')?.chars();
        let mut value = String::new();
        loop {
            match rest.next()? {
                '\'' => match rest.next() {
                    Some('\'') => value.push('\''),
                    Some(_) => return None,
                    None => return Some(value),
                },
                '\\' => match rest.next()? {
                    'n' => value.push('\n'),
                    other => value.push(other),
                },
                '\n' => return None,
                other => value.push(other),
            }
        }
    }

    #[test]
    fn the_owner_is_its_local_roles() {
        assert!(
            pg_ident(&node()).ends_with("bellows postgres postgres\nbellows postgres repmgr\n")
        );
    }

    proptest! {
        #[test]
        fn no_value_breaks_out_of_its_quotes(value in any::<String>()) {
            prop_assert_eq!(unquote(&quote(&value)), Some(value));
        }
    }
}
