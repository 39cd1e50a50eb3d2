//! A PostgreSQL cluster on [testbed](crate::testbed) hosts, as an administrator of Debian builds it:
//! `pg_createcluster`, settings in `/etc/postgresql`, the unit `postgresql@15-main`, and repmgrd by the
//! package's script and `/etc/default/repmgrd`. Knows nothing of Bellows.

use anyhow::{Context, Result};

use crate::{sql::Login, testbed::Host, wrapper::POSTGRESQL_BIN};

/// The unit of a host's server.
pub const SERVER_UNIT: &str = "postgresql@15-main.service";
/// The unit that systemd makes of the script that starts repmgrd.
pub const REPMGRD_UNIT: &str = "repmgrd.service";
/// A host's data directory.
pub const DATA: &str = "/var/lib/postgresql/15/main";
/// A host's `repmgr.conf`.
pub const REPMGR_CONF: &str = "/etc/repmgr.conf";
/// The login of the repmgr role, on all hosts.
pub const PASSFILE: &str = "/var/lib/postgresql/repmgr.pgpass";
const SETTINGS: &str = "/etc/postgresql/15/main";
const PORT: u16 = 5432;
const PASSWORD: &str = "throw-away";

/// The login of the repmgr role.
pub fn superuser() -> Login {
    login("repmgr")
}

/// The login of the application that writes rows.
pub fn application() -> Login {
    login("app")
}

fn login(name: &str) -> Login {
    let (user, database) = (name.to_owned(), name.to_owned());
    Login { user, password: PASSWORD.to_owned(), database, port: PORT }
}

/// Puts the login of the repmgr role on a host.
///
/// # Errors
/// The host is off, or the file cannot be written.
pub fn put_login(host: &Host) -> Result<()> {
    host.put(PASSFILE, format!("*:*:*:repmgr:{PASSWORD}\n").as_bytes(), 0o600)?;
    host.succeed(&["chown", "postgres:postgres", PASSFILE])?;
    Ok(())
}

/// Builds `pg1` on the first host as the primary, and a standby `pgN` on each of the others, each with
/// repmgrd. `network` may log in.
///
/// # Errors
/// A program fails.
pub fn build(hosts: &[&Host], network: &str) -> Result<()> {
    let (first, others) = hosts.split_first().context("no host")?;
    prepare(first, 1, network)?;
    first.succeed(&["systemctl", "start", SERVER_UNIT])?;
    for statement in [
        format!("create role repmgr superuser login password '{PASSWORD}'"),
        "create database repmgr owner repmgr".to_owned(),
        format!("create role app login password '{PASSWORD}'"),
        "create database app owner app".to_owned(),
    ] {
        as_postgres(first, "psql", &["-X", "-d", "postgres", "-c", &statement])?;
    }
    repmgr(first, &["primary", "register"])?;
    for (index, host) in others.iter().enumerate() {
        prepare(host, index + 2, network)?;
        host.succeed(&["find", DATA, "-mindepth", "1", "-delete"])?;
        let from = conninfo(first);
        repmgr(host, &["-d", &from, "standby", "clone", "--fast-checkpoint"])?;
        host.succeed(&["systemctl", "start", SERVER_UNIT])?;
        repmgr(host, &["standby", "register", "--upstream-node-id=1", "--wait-sync=60"])?;
    }
    for host in hosts {
        let settings = format!(
            "REPMGRD_ENABLED=yes\nREPMGRD_CONF={REPMGR_CONF}\nREPMGRD_OPTS=--daemonize=false\n"
        );
        host.put("/etc/default/repmgrd", settings.as_bytes(), 0o644)?;
        // At boot it had nothing to start, and counts as active.
        host.succeed(&["systemctl", "restart", REPMGRD_UNIT])?;
    }
    Ok(())
}

fn conninfo(host: &Host) -> String {
    let address = host.address();
    format!(
        "host={address} port={PORT} user=repmgr dbname=repmgr passfile={PASSFILE} connect_timeout=2"
    )
}

/// A cluster as the package makes it, and what repmgr needs besides.
fn prepare(host: &Host, number: usize, network: &str) -> Result<()> {
    host.succeed(&["pg_createcluster", "15", "main", "--", "-k", "--auth-host=scram-sha-256"])?;
    let settings = "listen_addresses = '*'\nshared_preload_libraries = 'repmgr'\nwal_log_hints = on\n\
                    max_wal_senders = 10\nmax_replication_slots = 10\nshared_buffers = 32MB\n\
                    max_locks_per_transaction = 100\nmax_worker_processes = 12\n";
    let rules = format!("host all,replication all {network} scram-sha-256\n");
    for (name, more) in [("postgresql.conf", settings), ("pg_hba.conf", rules.as_str())] {
        let file = format!("{SETTINGS}/{name}");
        let mut text = host.get(&file)?;
        text.extend(more.as_bytes());
        host.put(&file, &text, 0o640)?;
        host.succeed(&["chown", "postgres:postgres", &file])?;
    }
    let conninfo = conninfo(host);
    // The first one wins an election among equals.
    let priority = 200 - number;
    let repmgr = format!(
        "node_id={number}\nnode_name='pg{number}'\nconninfo='{conninfo}'\ndata_directory='{DATA}'\n\
         pg_bindir='{POSTGRESQL_BIN}'\npassfile='{PASSFILE}'\nuse_replication_slots=yes\n\
         failover=automatic\npriority={priority}\nreconnect_attempts=3\nreconnect_interval=2\n\
         promote_command='repmgr -f {REPMGR_CONF} standby promote'\n\
         follow_command='repmgr -f {REPMGR_CONF} standby follow --upstream-node-id=%n'\n"
    );
    host.put(REPMGR_CONF, repmgr.as_bytes(), 0o640)?;
    host.succeed(&["chown", "postgres:postgres", REPMGR_CONF])?;
    // Its generator has to see the new cluster.
    host.succeed(&["systemctl", "daemon-reload"])?;
    Ok(())
}

fn repmgr(host: &Host, words: &[&str]) -> Result<String> {
    as_postgres(host, "repmgr", &[&["-f", REPMGR_CONF], words].concat())
}

fn as_postgres(host: &Host, program: &str, words: &[&str]) -> Result<String> {
    let program = format!("{POSTGRESQL_BIN}/{program}");
    host.succeed(&[&["runuser", "-u", "postgres", "--", &program], words].concat())
}

/// Every file of a host's settings with its digest and mode.
///
/// # Errors
/// The host is off.
pub fn settings(host: &Host) -> Result<String> {
    let line = format!(
        "find {SETTINGS} {REPMGR_CONF} /etc/default/repmgrd -type f -printf '%p %m %u ' \
         -exec sha256sum {{}} ';' | sort"
    );
    host.succeed(&["sh", "-c", &line])
}
