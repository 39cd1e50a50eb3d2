//! BookKeeper on the hosts of a [site](crate::site): ZooKeeper and bookies set up by hand in the hosts' folders, and started
//! as an administrator does who has no systemd. Each bookie has an address of its own and the usual ports.

use std::{
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{HTTP_PORT, Members, PORT, PROGRAM, ZOOKEEPER_PORT, get, home};
use crate::{
    process,
    site::{Host, User},
    wrapper,
};

/// A JVM starts in two or three seconds; a busy machine may need many times that.
const LIMIT: Duration = Duration::from_secs(300);
/// Where Bellows puts what it makes: keys of the configuration, and folders of a host.
const ROOTS: [(&str, &str); 2] = [("conf_root", "conf"), ("log_root", "log")];
const LISTS: [(&str, &str); 2] = [("journal_roots", "journal"), ("ledger_roots", "ledgers")];

/// BookKeeper's home of a site: every user may read it.
#[must_use]
pub fn installed(host: &Host) -> PathBuf {
    host.shared.join("bookkeeper")
}

/// Installs BookKeeper once for all hosts of a site.
fn install(host: &Host, user: &User) -> Result<PathBuf> {
    let to = installed(host);
    if to.join("gen.jar").is_file() {
        return Ok(to);
    }
    let from = home()?;
    for part in ["bin", "conf", "lib"] {
        copy(&from.join(part), &to.join(part))?;
    }
    copy_file(&from.join("gen.jar"), &to.join("gen.jar"))?;
    // Its own user writes the archive of classes and logs there.
    user.own(&to)?;
    Ok(to)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    folder(to, None)?;
    for entry in std::fs::read_dir(from).with_context(|| format!("read {}", from.display()))? {
        let entry = entry?;
        copy_file(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

/// A link where it can be one: the jars are 100 MB.
fn copy_file(from: &Path, to: &Path) -> Result<()> {
    if std::fs::hard_link(from, to).is_err() {
        std::fs::copy(from, to).with_context(|| format!("copy {}", from.display()))?;
    }
    Ok(())
}

fn folder(path: &Path, owner: Option<&User>) -> Result<()> {
    std::fs::create_dir_all(path).with_context(|| format!("folder {}", path.display()))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))?;
    owner.map_or(Ok(()), |user| user.own(path))
}

/// Installs BookKeeper on a host and returns the host's part of the agent's configuration. The agent runs it behind a wrapper
/// that counts; who set the bookies up does not.
///
/// # Errors
/// It is not there, or a file cannot be made.
pub fn configure(host: &Host, user: &User) -> Result<String> {
    let real = install(host, user)?.join("bin");
    let own = own(host);
    folder(&own, Some(user))?;
    for name in ["journal", "ledgers", "log"] {
        folder(&own.join(name), Some(user))?;
    }
    let tools = tools(&host.folder);
    wrapper::install(&tools, &wrapper::log_beside(&tools), &real, &[PROGRAM])?;
    // The version is in the name of a jar beside the program.
    std::os::unix::fs::symlink(installed(host).join("lib"), host.folder.join("lib"))
        .context("link to the jars")?;
    let mut lines = vec!["[systems.bookkeeper]".to_owned()];
    let mut set = |key: &str, value: &str| lines.push(format!("{key} = \"{value}\""));
    set("program", &tools.join(PROGRAM).to_string_lossy());
    set("os_user", &user.name);
    set("http_host", &host.address);
    set("adopt_conf_file", &conf_file(host).to_string_lossy());
    for (key, name) in ROOTS {
        let root = host.folder.join(name);
        folder(&root, None)?;
        set(key, &root.to_string_lossy());
    }
    for (key, name) in LISTS {
        let root = host.folder.join(name);
        folder(&root, None)?;
        lines.push(format!("{key} = [\"{}\"]", root.display()));
    }
    lines.push(String::new());
    Ok(lines.join("\n"))
}

/// Where the administrator's own things are on a host.
#[must_use]
pub fn own(host: &Host) -> PathBuf {
    host.folder.join("own")
}

/// Where a host's wrapper is.
#[must_use]
pub fn tools(host: &Path) -> PathBuf {
    host.join("bin")
}

/// The configuration of the administrator's own bookie.
#[must_use]
pub fn conf_file(host: &Host) -> PathBuf {
    own(host).join("bk_server.conf")
}

/// ZooKeeper of a site: at the first host's address.
#[must_use]
pub fn zookeeper(first: &Host) -> String {
    format!("{}:{ZOOKEEPER_PORT}", first.address)
}

/// Builds a cluster of these hosts as the manual says: ZooKeeper beside the first, `initnewcluster`, a bookie on each.
///
/// # Errors
/// A program fails, or does not answer.
pub async fn build(hosts: &[&Host], user: &User) -> Result<Members> {
    let first = hosts.first().context("no host")?;
    start_zookeeper(first, user).await?;
    for host in hosts {
        write_conf(host, &zookeeper(first), user)?;
    }
    let home = installed(first);
    // The archive of classes halves the processor time of each later call.
    let archive = home.join("shell.jsa");
    let line = format!(
        "BOOKIE_EXTRA_OPTS=-XX:ArchiveClassesAtExit={archive} BOOKIE_CONF={conf} BOOKIE_LOG_DIR={log} {home}/bin/{PROGRAM} shell initnewcluster",
        archive = archive.display(),
        conf = conf_file(first).display(),
        log = own(first).join("log").display(),
        home = home.display()
    );
    process::run(as_user(user, &line), LIMIT).await?.expect_code(0)?;
    futures::future::try_join_all(hosts.iter().map(|host| start(host, user))).await?;
    let members = Members { addresses: hosts.iter().map(|host| host.address.clone()).collect() };
    members.agree().await?;
    Ok(members)
}

fn as_user(user: &User, line: &str) -> tokio::process::Command {
    let root = rustix::process::geteuid().is_root();
    let mut command = process::command(if root { "runuser" } else { "bash" });
    if root {
        command.args(["-u", &user.name, "--", "bash"]);
    }
    command.args(["-c", line]);
    command
}

fn fill(template: &Path, into: &Path, values: &[(&str, &str)], user: &User) -> Result<()> {
    let mut text = std::fs::read_to_string(template)
        .with_context(|| format!("read {}", template.display()))?;
    for (name, value) in values {
        text = text.replace(&format!("@{name}@"), value);
    }
    std::fs::write(into, text).with_context(|| format!("write {}", into.display()))?;
    user.own(into)
}

fn write_conf(host: &Host, zookeeper: &str, user: &User) -> Result<()> {
    let template = installed(host).join("conf/loopback.conf.in");
    let into = conf_file(host);
    let (port, http) = (PORT.to_string(), HTTP_PORT.to_string());
    let data = own(host);
    let values = [
        ("ZOOKEEPER", zookeeper),
        ("PORT", &port),
        ("HTTP", &http),
        ("DATA", &data.to_string_lossy()),
        ("PERSIST", "true"),
    ];
    fill(&template, &into, &values, user)?;
    let address = &host.address;
    // An address of its own instead of ports of its own. With the interface named it binds this address alone.
    let text = std::fs::read_to_string(&into)?
        .replace(
            "advertisedAddress=127.0.0.1",
            &format!(
                "advertisedAddress={address}\nlisteningInterface=lo\nbookieId={address}:{PORT}"
            ),
        )
        .replace("httpServerHost=127.0.0.1", &format!("httpServerHost={address}"));
    std::fs::write(&into, text).with_context(|| format!("write {}", into.display()))
}

async fn start_zookeeper(host: &Host, user: &User) -> Result<()> {
    let own = own(host);
    folder(&own.join("zookeeper"), Some(user))?;
    let conf = own.join("zookeeper.conf");
    let data = own.join("zookeeper");
    let values = [
        ("DATA", &*data.to_string_lossy()),
        ("PORT", &ZOOKEEPER_PORT.to_string()),
        ("ADDRESS", &host.address),
    ];
    fill(&installed(host).join("conf/zookeeper.conf.in"), &conf, &values, user)?;
    behind(host, user, &format!("BOOKIE_ZK_CONF={}", conf.display()), "zookeeper").await?;
    let at = zookeeper(host);
    process::until("ZooKeeper answers", LIMIT, || async {
        // A connection that comes while it starts may never be answered.
        tokio::time::timeout(Duration::from_secs(2), ruok(&at)).await?
    })
    .await
}

async fn ruok(at: &str) -> Result<bool> {
    let mut stream = tokio::net::TcpStream::connect(at).await?;
    stream.write_all(b"ruok").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer == "imok")
}

/// Starts a host's own bookie, which goes on with its directories if it has them. It outlives its caller.
///
/// # Errors
/// It does not answer.
pub async fn start(host: &Host, user: &User) -> Result<()> {
    let conf = format!("BOOKIE_CONF={}", conf_file(host).display());
    behind(host, user, &conf, "bookie").await?;
    let at = Members::http(&host.address);
    process::until(&format!("the bookie of {} answers", host.name), LIMIT, || async {
        Ok(get(&at, "/heartbeat").await?.status == 200)
    })
    .await
    .with_context(|| {
        let log = own(host).join("log/by-hand.log");
        std::fs::read_to_string(log).unwrap_or_default()
    })
}

async fn behind(host: &Host, user: &User, variable: &str, word: &str) -> Result<()> {
    let (own, home) = (own(host), installed(host));
    let line = format!(
        "cd / || exit; {variable} BOOKIE_LOG_DIR={own}/log setsid {home}/bin/{PROGRAM} {word} </dev/null >>{own}/log/by-hand.log 2>&1 &",
        own = own.display(),
        home = home.display()
    );
    let mut command = as_user(user, &line);
    command.kill_on_drop(false);
    process::run(command, LIMIT).await?.expect_code(0)?;
    Ok(())
}
