//! KWDB on the hosts of a [site](crate::site): installed by hand in each host's folder, in the clear, and started as an
//! administrator does who has no systemd. Knows of Bellows only what stands in `agent.toml`.

use std::{
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};

use super::{BRPC_PORT, Client, HTTP_PORT, PORT, PROGRAM, Security, program};
use crate::{
    process,
    site::{Host, User},
    wrapper,
};

/// A start is a second or two; a busy machine may need many times that.
const LIMIT: Duration = Duration::from_secs(60);
/// Where Bellows puts what it makes: keys of the configuration, and folders of a host.
pub const ROOTS: [(&str, &str); 3] =
    [("data_root", "data"), ("conf_root", "conf"), ("log_root", "log")];

/// What a test may turn at the double.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// All times of the double are divided by this.
    pub pace: u32,
    /// Ranges of time series that a new cluster has.
    pub ranges: u32,
    /// Bytes of each.
    pub range_bytes: u64,
}

impl Pace {
    /// The text of `double.toml`. Only the double looks for it.
    #[must_use]
    pub fn toml(self) -> String {
        let Self { pace, ranges, range_bytes } = self;
        format!("pace = {pace}\nranges = {ranges}\nrange_bytes = {range_bytes}\n")
    }
}

/// Installs `kwbase` on a host and returns the host's part of the agent's configuration. The agent runs it behind
/// a wrapper that counts; who installed it does not.
///
/// # Errors
/// The program is not there, or a file cannot be made.
pub fn configure(host: &Host, user: &User, pace: Pace) -> Result<String> {
    let own = own(&host.folder);
    folder(&own.join("bin"), None)?;
    for name in ["store", "log"] {
        folder(&own.join(name), Some(user))?;
    }
    let installed = installed(&host.folder);
    std::fs::copy(program()?, &installed)
        .with_context(|| format!("install {}", installed.display()))?;
    let knobs = own.join("bin/double.toml");
    std::fs::write(&knobs, pace.toml()).with_context(|| format!("write {}", knobs.display()))?;
    let tools = tools(&host.folder);
    let log = wrapper::log_beside(&tools);
    wrapper::install(&tools, &log, &own.join("bin"), &[PROGRAM])?;
    let wrapper = tools.join(PROGRAM);
    let script = wrapper::script_by_name(PROGRAM, &installed, &wrapper, &log);
    std::fs::write(&wrapper, script).with_context(|| format!("write {}", wrapper.display()))?;
    let mut lines = vec!["[systems.kwdb]".to_owned()];
    let mut set = |key: &str, value: &str| lines.push(format!("{key} = \"{value}\""));
    set("program", &tools.join(PROGRAM).to_string_lossy());
    set("os_user", &user.name);
    set("security", "insecure");
    for (key, name) in ROOTS {
        let root = host.folder.join(name);
        folder(&root, None)?;
        set(key, &root.to_string_lossy());
    }
    for (key, name) in [("certs_dir", "certs"), ("info_dir", "info")] {
        set(key, &host.folder.join(name).to_string_lossy());
    }
    lines.push("adopt = true\n".to_owned());
    Ok(lines.join("\n"))
}

fn folder(path: &Path, owner: Option<&User>) -> Result<()> {
    std::fs::create_dir_all(path).with_context(|| format!("folder {}", path.display()))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))?;
    owner.map_or(Ok(()), |user| user.own(path))
}

/// Where the administrator's own things are on a host.
#[must_use]
pub fn own(host: &Path) -> PathBuf {
    host.join("own")
}

/// The program as it is installed on a host.
#[must_use]
pub fn installed(host: &Path) -> PathBuf {
    own(host).join("bin").join(PROGRAM)
}

/// Where a host's wrapper is.
#[must_use]
pub fn tools(host: &Path) -> PathBuf {
    host.join("bin")
}

/// Where a node's store is, by the agent's convention.
#[must_use]
pub fn data(host: &Path, cluster: &str, node: &str) -> PathBuf {
    host.join("data").join(cluster).join(node)
}

/// Where a host's member listens.
#[must_use]
pub fn member(host: &Host) -> String {
    format!("{}:{PORT}", host.address)
}

/// A client that runs the program as it is installed on the first host.
///
/// # Errors
/// There is no host.
pub fn client(hosts: &[&Host]) -> Result<Client> {
    let first = hosts.first().context("no host")?;
    Ok(Client { program: installed(&first.folder), security: Security::Insecure })
}

/// Builds a cluster of these hosts as the manual says: `kwbase start` on each, `kwbase init` on the first one.
///
/// # Errors
/// A program fails, or does not answer.
pub async fn build(hosts: &[&Host], user: &User) -> Result<Client> {
    let client = client(hosts)?;
    let join: Vec<String> = hosts.iter().map(|host| member(host)).collect();
    for host in hosts {
        start(host, user, &join.join(",")).await?;
    }
    let first = join.first().context("no host")?;
    process::until("kwbase init", LIMIT, || async {
        client.run(first, &["init"]).await?.expect_code(0)?;
        Ok(true)
    })
    .await?;
    Ok(client)
}

/// Starts a host's node of the installer's, which goes on with its store if it has one. It outlives its caller.
///
/// # Errors
/// The program fails.
pub async fn start(host: &Host, user: &User, join: &str) -> Result<()> {
    let (own, address) = (own(&host.folder), &host.address);
    let (own, name) = (own.display(), tools(&host.folder).join(PROGRAM));
    // Its process bears the name that the agent knows; the wrapper does not count it.
    let line = format!(
        "cd / || exit; setsid bash -c 'exec -a {name} {own}/bin/{PROGRAM} start --insecure --store={own}/store \
         --listen-addr={address}:{PORT} --advertise-addr={address}:{PORT} \
         --http-addr={address}:{HTTP_PORT} --brpc-addr={address}:{BRPC_PORT} --join={join}' \
         </dev/null >>{own}/log/by-hand.log 2>&1 &",
        name = name.display()
    );
    let root = rustix::process::geteuid().is_root();
    let mut command = process::command(if root { "runuser" } else { "bash" });
    if root {
        command.args(["-u", &user.name, "--", "bash"]);
    }
    command.args(["-c", &line]).kill_on_drop(false);
    let ended = process::run(command, LIMIT).await?;
    let said = || {
        let log = format!("{own}/log/by-hand.log");
        std::fs::read_to_string(log).unwrap_or_default()
    };
    ended.expect_code(0).with_context(said)?;
    process::until(&format!("the node of {} listens", host.name), LIMIT, || async {
        Ok(tokio::net::TcpStream::connect(member(host)).await.map(|_| true)?)
    })
    .await
    .with_context(said)
}
