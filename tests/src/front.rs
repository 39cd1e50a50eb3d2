//! What stands in front of a cluster, as an administrator sets it up: a real Pgpool-II that something
//! keeps running, and a hook whose proxy is a file. Knows nothing of Bellows but `agent.toml`.

use std::{
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};
use tokio::process::Child;

use crate::{
    process,
    site::{Host, User},
    sql::{Login, Server},
};

const PGPOOL: &str = "/usr/sbin/pgpool";
/// Where clients find Pgpool-II.
const PORT: u16 = 9999;
const PCP_PORT: u16 = 9898;
const PASSWORD: &str = "throw-away";
/// MD5 of it, as `pcp.conf` wants it.
const PASSWORD_MD5: &str = "9fc8a85a7b2395be2d6664e65fd17ea1";
const LIMIT: Duration = Duration::from_secs(30);

/// Pgpool-II on a host. Ends with what keeps it running.
pub struct Pool {
    address: String,
    folder: PathBuf,
    _keeper: Child,
}

impl Pool {
    /// Starts it in front of these members, and waits until it leads clients. `login`: of an
    /// application that every member lets in.
    ///
    /// # Errors
    /// The package is missing, or it does not start.
    pub async fn start(
        host: &Host,
        user: &User,
        members: &[String],
        login: &Login,
    ) -> Result<Self> {
        let folder = host.folder.join("pgpool");
        std::fs::create_dir_all(&folder).with_context(|| format!("folder {}", folder.display()))?;
        user.own(&folder)?;
        let write = |name: &str, text: &str, mode: u32| write(&folder.join(name), text, mode, user);
        write("pgpool.conf", &configuration(&folder, &host.address, members, login), 0o640)?;
        write("pcp.conf", &format!("bellows:{PASSWORD_MD5}\n"), 0o640)?;
        let at = folder.display();
        // As systemd would: it is started again whenever it ends.
        let keeper = format!(
            "#!/bin/sh\ncd {at}\nwhile :; do {PGPOOL} -n -f {at}/pgpool.conf -F {at}/pcp.conf >>{at}/log 2>&1 \
             || sleep 0.2; done\n"
        );
        write("keeper", &keeper, 0o755)?;
        let restart = format!(
            "#!/bin/sh\npid=$(head -n 1 {at}/pgpool.pid) || exit 1\nkill -INT $pid\n\
             while kill -0 $pid 2>/dev/null; do sleep 0.1; done\n"
        );
        write("restart", &restart, 0o755)?;
        let passfile = folder.join("pcppass");
        std::fs::write(&passfile, format!("*:*:bellows:{PASSWORD}\n")).context("pcppass")?;
        std::fs::set_permissions(&passfile, std::fs::Permissions::from_mode(0o600))?;
        let mut command = match rustix::process::geteuid().is_root() {
            true => {
                let mut command = process::command("runuser");
                command.args(["-u", &user.name, "--"]).arg(folder.join("keeper"));
                command
            }
            false => process::command(folder.join("keeper")),
        };
        let keeper = command.spawn().context("start what keeps Pgpool-II running")?;
        let pool = Self { address: host.address.clone(), folder, _keeper: keeper };
        process::until("Pgpool-II leads clients", LIMIT, || async {
            Ok(pool.connect(login).await.is_ok())
        })
        .await
        .with_context(|| crate::site::cli::tail(&pool.folder.join("log")))?;
        Ok(pool)
    }

    /// Its part of `agent.toml`.
    pub fn declaration(&self, cluster: &str) -> String {
        let at = self.folder.display();
        format!(
            "[[systems.postgresql.fronts]]\nname = \"pool\"\ncluster = \"{cluster}\"\nkind = \"pgpool\"\n\
             config = \"{at}/pgpool.conf\"\npcp_address = \"{}\"\npcp_port = {PCP_PORT}\n\
             pcp_passfile = \"{at}/pcppass\"\nrestart = [\"{at}/restart\"]\nport = {PORT}\n",
            self.address
        )
    }

    /// A connection through it.
    ///
    /// # Errors
    /// It does not answer, or refuses the login.
    pub async fn connect(&self, login: &Login) -> Result<Server> {
        Server::connect(&self.address, &Login { port: PORT, ..login.clone() }).await
    }

    /// Where a connection through it lands that writes: the server's address, by its own word. The
    /// table `through_the_front` is made there if it is not.
    ///
    /// # Errors
    /// It does not answer, or the server takes no writes.
    pub async fn lands(&self, login: &Login) -> Result<String> {
        let through = self.connect(login).await?;
        through
            .execute(
                "create table if not exists through_the_front (at timestamptz); \
                 insert into through_the_front values (now())",
            )
            .await?;
        through.text("select host(inet_server_addr()) || ' ' || pg_is_in_recovery()::text").await
    }

    /// The end of its log, for an error.
    pub fn last_words(&self) -> String {
        crate::site::cli::tail(&self.folder.join("log"))
    }
}

fn configuration(folder: &Path, address: &str, members: &[String], login: &Login) -> String {
    let at = folder.display();
    let Login { user, password, database, .. } = login;
    let mut text = format!(
        "backend_clustering_mode = 'streaming_replication'\nlisten_addresses = '{address}'\n\
         port = {PORT}\npcp_listen_addresses = '{address}'\npcp_port = {PCP_PORT}\n\
         unix_socket_directories = '{at}'\npcp_socket_dir = '{at}'\nlogdir = '{at}'\n\
         pid_file_name = '{at}/pgpool.pid'\nnum_init_children = 4\nmax_pool = 1\n\
         sr_check_user = '{user}'\nsr_check_password = '{password}'\nsr_check_database = '{database}'\n\
         sr_check_period = 2\npool_passwd = ''\nallow_clear_text_frontend_auth = on\n\
         load_balance_mode = on\n"
    );
    for (number, member) in members.iter().enumerate() {
        text.push_str(&format!(
            "backend_hostname{number} = '{member}'\nbackend_port{number} = {}\n\
             backend_weight{number} = 1\nbackend_flag{number} = 'ALLOW_TO_FAILOVER'\n",
            login.port
        ));
    }
    text
}

fn write(path: &Path, text: &str, mode: u32, user: &User) -> Result<()> {
    std::fs::write(path, text).with_context(|| format!("write {}", path.display()))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    user.own(path)
}

/// A hook whose proxy is a file.
pub struct Hook {
    folder: PathBuf,
}

impl Hook {
    /// Places it, with these members served: node and address, the primary first.
    ///
    /// # Errors
    /// A file cannot be made.
    pub fn place(host: &Host, members: &[(String, String)], port: u16) -> Result<Self> {
        let folder = host.folder.join("hook");
        std::fs::create_dir_all(&folder).with_context(|| format!("folder {}", folder.display()))?;
        let backend = |(number, (node, address)): (usize, &(String, String))| {
            serde_json::json!({
                "node": node, "address": address, "port": port,
                "attached": true, "primary": number == 0
            })
        };
        let backends: Vec<_> = members.iter().enumerate().map(backend).collect();
        let served = serde_json::json!({ "backends": backends }).to_string();
        std::fs::write(folder.join("served.json"), served).context("what the hook serves")?;
        let at = folder.display();
        let script = format!(
            "#!/bin/sh\n# read: what is served. set: serve what standard input says.\ncase \"$1\" in\n\
             read) cat {at}/served.json ;;\n\
             set) cat >{at}/wanted.json && mv {at}/wanted.json {at}/served.json ;;\n\
             *) exit 2 ;;\nesac\n"
        );
        let program = folder.join("hook");
        std::fs::write(&program, script).context("the hook")?;
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755))?;
        Ok(Self { folder })
    }

    /// Its part of `agent.toml`.
    pub fn declaration(&self, cluster: &str) -> String {
        let at = self.folder.display();
        format!(
            "[[systems.postgresql.fronts]]\nname = \"web\"\ncluster = \"{cluster}\"\nkind = \"hook\"\n\
             command = [\"{at}/hook\"]\nport = 5000\n"
        )
    }

    /// The nodes that it was told to serve, the primary with a star.
    ///
    /// # Errors
    /// What it was told cannot be read.
    pub fn served(&self) -> Result<Vec<String>> {
        let text = std::fs::read_to_string(self.folder.join("served.json"))?;
        let told: serde_json::Value = serde_json::from_str(&text)?;
        let backends =
            told.get("backends").and_then(|all| all.as_array()).context("no backends")?;
        let word = |one: &serde_json::Value| {
            let text =
                |key: &str| one.get(key).and_then(|value| value.as_str()).unwrap_or_default();
            let is = |key: &str| one.get(key).and_then(|value| value.as_bool()).unwrap_or_default();
            let star = if is("primary") { "*" } else { "" };
            let away = if is("attached") { "" } else { " away" };
            format!("{}{star}{away}", text("node"))
        };
        Ok(backends.iter().map(word).collect())
    }
}
