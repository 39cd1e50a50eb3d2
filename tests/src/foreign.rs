//! A PostgreSQL cluster as an administrator builds it by hand: `initdb`, `pg_ctl`, `repmgr`, on a port of
//! its own, with the configuration outside of the data directories. Knows nothing of Bellows.

use std::{
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};

use crate::{
    process,
    site::{Host, User},
    sql::Login,
    wrapper::POSTGRESQL_BIN,
};

/// Where all of its servers listen.
pub const PORT: u16 = 5544;
/// A slot of somebody else's at the primary, that nobody reads.
pub const SLOT: &str = "backup_of_somebody";
const PASSWORD: &str = "throw-away";
/// `initdb`, a clone: a few seconds on an idle machine.
const LIMIT: Duration = Duration::from_secs(180);

/// Where Bellows puts what it makes: keys of the configuration, and folders of a host.
const ROOTS: [(&str, &str); 4] =
    [("data_root", "data"), ("conf_root", "conf"), ("log_root", "log"), ("socket_root", "run")];

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

/// A host's part of the agent's configuration: the login of the repmgr role, the programs, and where
/// Bellows puts what it makes itself.
///
/// # Errors
/// A file cannot be made.
pub fn configure(host: &Host, user: &User) -> Result<String> {
    let passfile = passfile(host);
    write(&passfile, &format!("*:*:*:repmgr:{PASSWORD}\n"), user)?;
    let mut lines = vec!["[systems.postgresql]".to_owned()];
    let mut set = |key: &str, value: &str| lines.push(format!("{key} = \"{value}\""));
    set("bin_dir", POSTGRESQL_BIN);
    set("os_user", &user.name);
    set("passfile", &passfile.to_string_lossy());
    for (key, name) in ROOTS {
        let root = host.folder.join(name);
        std::fs::create_dir_all(&root).with_context(|| format!("folder {}", root.display()))?;
        set(key, &root.to_string_lossy());
    }
    Ok(format!("{}\n", lines.join("\n")))
}

fn passfile(host: &Host) -> PathBuf {
    host.shared.join("repmgr.pgpass")
}

/// The folder with everything of a host's server.
pub fn folder(host: &Host) -> PathBuf {
    host.folder.join("own")
}

/// The configuration of a host's server.
pub fn configuration(host: &Host) -> PathBuf {
    folder(host).join("etc")
}

/// Builds `pg1` on the first host as the primary, and a standby `pgN` on each of the others, each with
/// repmgrd; and what belongs to others: an application, and a slot.
///
/// # Errors
/// A program fails, or a file cannot be made.
pub async fn build(hosts: &[Host], user: &User) -> Result<()> {
    let (first, others) = hosts.split_first().context("no host")?;
    prepare(first, 1, user)?;
    let primary = Own { host: first, user };
    let tool = primary.tool("initdb");
    let locale = "-E UTF8 --locale=C.UTF-8 --auth-local=trust --auth-host=scram-sha-256";
    primary.shell(&format!("{tool} -D {} -U postgres -k {locale}", primary.path("data"))).await?;
    for name in ["postgresql.conf", "pg_hba.conf", "pg_ident.conf"] {
        let file = folder(first).join("data").join(name);
        std::fs::remove_file(&file).with_context(|| format!("remove {}", file.display()))?;
    }
    primary.start().await?;
    for statement in [
        format!("create role repmgr superuser login password '{PASSWORD}'"),
        "create database repmgr owner repmgr".to_owned(),
        format!("create role app login password '{PASSWORD}'"),
        "create database app owner app".to_owned(),
        format!("select pg_create_physical_replication_slot('{SLOT}', true)"),
    ] {
        let psql = primary.tool("psql");
        let socket = primary.path("run");
        let line =
            format!("{psql} -X -h {socket} -p {PORT} -U postgres -d postgres -c \"{statement}\"");
        primary.shell(&line).await?;
    }
    primary.repmgr("primary register").await?;
    for (index, host) in others.iter().enumerate() {
        prepare(host, index + 2, user)?;
        let standby = Own { host, user };
        let from = conninfo(first);
        standby.repmgr(&format!("-d '{from}' standby clone --fast-checkpoint")).await?;
        standby.start().await?;
        standby.repmgr("standby register --upstream-node-id=1 --wait-sync=60").await?;
    }
    for host in hosts {
        let own = Own { host, user };
        let (tool, conf, pid) = (own.tool("repmgrd"), own.path("etc/repmgr.conf"), own.path("pid"));
        own.shell(&format!("{tool} -f {conf} --pid-file={pid} --daemonize=true")).await?;
    }
    Ok(())
}

fn conninfo(host: &Host) -> String {
    let (address, passfile) = (&host.address, passfile(host));
    let passfile = passfile.display();
    format!(
        "host={address} port={PORT} user=repmgr dbname=repmgr passfile={passfile} connect_timeout=2"
    )
}

/// A host's folders and files.
fn prepare(host: &Host, number: usize, user: &User) -> Result<()> {
    let own = folder(host);
    for name in ["", "data", "etc", "run", "log"] {
        let folder = own.join(name);
        std::fs::create_dir_all(&folder).with_context(|| format!("folder {}", folder.display()))?;
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700))?;
        user.own(&folder)?;
    }
    let (folder, address, conninfo) = (own.display(), &host.address, conninfo(host));
    let server = format!(
        "data_directory = '{folder}/data'\nhba_file = '{folder}/etc/pg_hba.conf'\n\
         ident_file = '{folder}/etc/pg_ident.conf'\nlisten_addresses = '{address}'\nport = {PORT}\n\
         unix_socket_directories = '{folder}/run'\nshared_preload_libraries = 'repmgr'\n\
         wal_level = replica\nhot_standby = on\nwal_log_hints = on\nmax_wal_senders = 10\n\
         max_replication_slots = 10\nshared_buffers = 16MB\nmax_connections = 60\n\
         max_worker_processes = 12\nmax_locks_per_transaction = 100\n"
    );
    let hba = "local all all trust\nhost all,replication repmgr samehost scram-sha-256\n\
               host all all 127.0.0.0/8 scram-sha-256\n";
    let repmgr = format!(
        "node_id={number}\nnode_name='pg{number}'\nconninfo='{conninfo}'\n\
         data_directory='{folder}/data'\npg_bindir='{POSTGRESQL_BIN}'\npassfile='{passfile}'\n\
         use_replication_slots=yes\nfailover=automatic\n\
         promote_command='{POSTGRESQL_BIN}/repmgr -f {folder}/etc/repmgr.conf standby promote'\n\
         follow_command='{POSTGRESQL_BIN}/repmgr -f {folder}/etc/repmgr.conf standby follow --upstream-node-id=%n'\n",
        passfile = passfile(host).display()
    );
    for (name, text) in [
        ("postgresql.conf", server.as_str()),
        ("pg_hba.conf", hba),
        ("pg_ident.conf", ""),
        ("repmgr.conf", repmgr.as_str()),
    ] {
        write(&own.join("etc").join(name), text, user)?;
    }
    Ok(())
}

fn write(path: &Path, text: &str, user: &User) -> Result<()> {
    std::fs::write(path, text).with_context(|| format!("write {}", path.display()))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    user.own(path)
}

/// The server of one host.
struct Own<'a> {
    host: &'a Host,
    user: &'a User,
}

impl Own<'_> {
    fn tool(&self, name: &str) -> String {
        format!("{POSTGRESQL_BIN}/{name}")
    }

    fn path(&self, name: &str) -> String {
        folder(self.host).join(name).display().to_string()
    }

    async fn start(&self) -> Result<()> {
        let (tool, data, log) =
            (self.tool("pg_ctl"), self.path("data"), self.path("log/server.log"));
        let conf = self.path("etc/postgresql.conf");
        self.shell(&format!("{tool} -D {data} -l {log} -o --config-file={conf} -w start")).await
    }

    async fn repmgr(&self, words: &str) -> Result<()> {
        let (tool, conf) = (self.tool("repmgr"), self.path("etc/repmgr.conf"));
        self.shell(&format!("{tool} -f {conf} {words}")).await
    }

    /// As the servers' user. What it leaves running keeps no pipe of ours open.
    async fn shell(&self, line: &str) -> Result<()> {
        let log = self.path("log/by-hand.log");
        let line = format!("cd / && {line} >>{log} 2>&1");
        let root = rustix::process::geteuid().is_root();
        let mut command = match root {
            true => {
                let mut command = process::command("runuser");
                command.args(["-u", &self.user.name, "--", "sh", "-c", &line]);
                command
            }
            false => {
                let mut command = process::command("sh");
                command.args(["-c", &line]);
                command
            }
        };
        command.kill_on_drop(false);
        let ended = process::run(command, LIMIT).await?;
        let said = || std::fs::read_to_string(&log).unwrap_or_default();
        ended.expect_code(0).map(|_| ()).with_context(said)
    }
}
