//! What each test on real systemd hosts begins with: a coordinator beside them, and on each what a package
//! and an administrator would put there.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};

use crate::{
    process,
    site::{Cli, Coordinator, temporary},
    testbed::{Host, Testbed},
    wrapper,
};

/// The agent's configuration on each host.
pub const CONFIG: &str = "/etc/bellows/agent.toml";
/// The log of each host's wrappers.
pub const TOOL_LOG: &str = "/var/log/tools/log";
/// The password of the repmgr role, and of the test's own login.
pub const PASSWORD: &str = "throw-away";
const DROP_IN: &str = "/etc/systemd/system/bellows-agent.service.d/tools.conf";
const TOOLS: &str = "/opt/tools";
const PASSFILE: &str = "/etc/bellows/repmgr.pgpass";
/// An agent connects within seconds; a busy machine may need many times that.
const LIMIT: Duration = Duration::from_secs(240);

/// The folder of the coordinator, removed at the end.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Boots hosts of these names, starts a coordinator beside them, and plays.
///
/// # Errors
/// As [`Testbed::up`]; the coordinator does not start; or what the play says, with the coordinator's log.
pub async fn beside(
    purpose: &str,
    hosts: &[&str],
    play: impl AsyncFnOnce(&Testbed, &Coordinator) -> Result<()>,
) -> Result<()> {
    let testbed = Testbed::up(hosts)?;
    let folder = Folder(temporary(purpose)?);
    let mut coordinator = Coordinator::init(&folder.0, &testbed.outside().to_string()).await?;
    coordinator.start().await?;
    Box::pin(play(&testbed, &coordinator)).await.with_context(|| {
        let log = std::fs::read_to_string(coordinator.log()).unwrap_or_default();
        format!("== coordinator\n{log}\n==")
    })
}

/// The agent with its unit. `postgresql`: lines of `[systems.postgresql]`.
///
/// # Errors
/// The program is not built, or the host does not take a file.
pub fn put_agent(host: &Host, postgresql: &str) -> Result<()> {
    put_agent_for(host, &format!("[systems.postgresql]\n{postgresql}"))
}

/// The agent with its unit. `systems`: what it may do, with the headers of its sections.
///
/// # Errors
/// As [`put_agent`].
pub fn put_agent_for(host: &Host, systems: &str) -> Result<()> {
    let agent = std::fs::read(process::built("bellows-agent")?).context("the agent's program")?;
    host.put("/usr/bin/bellows-agent", &agent, 0o755)?;
    let unit = include_bytes!("../../packaging/systemd/bellows-agent.service");
    host.put("/etc/systemd/system/bellows-agent.service", unit, 0o644)?;
    // The wrappers of `put_tools` write there; nothing else of a reading may write.
    let log = Path::new(TOOL_LOG).parent().context("no folder")?.display();
    let drop_in = format!("[Service]\nReadWritePaths=-{log}\n");
    host.put(DROP_IN, drop_in.as_bytes(), 0o644)?;
    let config = format!(
        "[agent]\nhost = \"{}\"\nlisten = \"{address}:7411\"\naddress = \"{address}\"\n{systems}",
        host.name(),
        address = host.address(),
    );
    host.put(CONFIG, config.as_bytes(), 0o644)
}

/// The tools behind wrappers that log each run, and the login of the repmgr role. Returns the lines of
/// `[systems.postgresql]` that name them.
///
/// # Errors
/// The host does not take a file.
pub fn put_tools(host: &Host) -> Result<String> {
    host.put(TOOL_LOG, b"", 0o666)?;
    for tool in wrapper::POSTGRESQL_TOOLS {
        let real = Path::new(wrapper::POSTGRESQL_BIN).join(tool);
        let script = wrapper::script(tool, &real, Path::new(TOOL_LOG));
        host.put(&format!("{TOOLS}/{tool}"), script.as_bytes(), 0o755)?;
    }
    host.put(PASSFILE, format!("*:*:*:repmgr:{PASSWORD}\n").as_bytes(), 0o600)?;
    host.succeed(&["chown", "postgres:postgres", PASSFILE])?;
    Ok(format!("bin_dir = \"{TOOLS}\"\npassfile = \"{PASSFILE}\"\n"))
}

/// Lets every host in and starts its agent.
///
/// # Errors
/// A host is not let in, or its agent does not connect within four minutes.
pub async fn enrol(testbed: &Testbed, coordinator: &Coordinator) -> Result<()> {
    let cli = coordinator.cli();
    for host in testbed.hosts() {
        let token = cli.token(host.name()).await?;
        let to = coordinator.enrolment_address();
        let enrol = ["bellows-agent", "enrol", "--coordinator", to, "--token", &token];
        host.succeed(&[&enrol[..], &["--config", CONFIG]].concat())?;
        host.succeed(&["systemctl", "enable", "--now", "bellows-agent"])?;
    }
    connected(testbed, cli).await
}

/// Waits until all agents are connected.
///
/// # Errors
/// Not within four minutes.
pub async fn connected(testbed: &Testbed, cli: &Cli) -> Result<()> {
    let wanted = testbed.hosts().len();
    process::until("all agents are connected", LIMIT, || async {
        Ok(cli.connected_hosts().await? == wanted)
    })
    .await
}
