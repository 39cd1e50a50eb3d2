//! What the administrator of the hosts prepares for PostgreSQL: folders, the login of the
//! repmgr role, wrappers around the tools, and the agents' leave to use all that.

use std::{
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use crate::{
    site::{Host, User},
    sql::Login,
    wrapper,
};

/// The cluster's name.
pub const CLUSTER: &str = "demo";
/// Port of all members; each has an address of its own.
pub const PORT: u16 = 5432;
/// A password of this run's throw-away cluster.
const PASSWORD: &str = "throw-away";

/// The login of the repmgr role: a superuser.
pub fn superuser() -> Login {
    Login {
        user: "repmgr".to_owned(),
        password: PASSWORD.to_owned(),
        database: "repmgr".to_owned(),
        port: PORT,
    }
}

/// The login of the application that writes rows.
pub fn application() -> Login {
    Login {
        user: "app".to_owned(),
        password: PASSWORD.to_owned(),
        database: "app".to_owned(),
        port: PORT,
    }
}

/// Prepares a host and returns its part of the agent's configuration.
///
/// # Errors
/// A package is missing, or a file cannot be made.
pub fn configure(host: &Host, user: &User) -> Result<String> {
    let passfile = host.shared.join("repmgr.pgpass");
    if !passfile.exists() {
        let line = format!("*:*:*:repmgr:{PASSWORD}\n");
        std::fs::write(&passfile, line).context("write the passfile")?;
        std::fs::set_permissions(&passfile, std::fs::Permissions::from_mode(0o600))
            .context("mode of the passfile")?;
        user.own(&passfile)?;
    }
    let tools = tools(&host.folder);
    wrapper::install(
        &tools,
        &wrapper::log_beside(&tools),
        Path::new(wrapper::POSTGRESQL_BIN),
        &wrapper::POSTGRESQL_TOOLS,
    )?;
    let mut lines = vec!["[systems.postgresql]".to_owned()];
    let mut set = |key: &str, value: &str| lines.push(format!("{key} = \"{value}\""));
    set("bin_dir", &tools.to_string_lossy());
    set("os_user", &user.name);
    set("passfile", &passfile.to_string_lossy());
    for (key, name) in ROOTS {
        let root = host.folder.join(name);
        std::fs::create_dir_all(&root).with_context(|| format!("folder {}", root.display()))?;
        set(key, &root.to_string_lossy());
    }
    lines.push(format!("port = {PORT}\n"));
    Ok(lines.join("\n"))
}

/// Keys of the configuration and the folders of a host that they name.
pub const ROOTS: [(&str, &str); 4] =
    [("data_root", "data"), ("conf_root", "conf"), ("log_root", "log"), ("socket_root", "run")];

/// Where a host's wrappers are.
pub fn tools(host: &Path) -> PathBuf {
    host.join("bin")
}

/// Where a node's data directory is, by the agent's convention.
pub fn data(host: &Path, node: &str) -> PathBuf {
    host.join("data").join(CLUSTER).join(node)
}

/// Where a host's configuration files are.
pub fn conf(host: &Path) -> PathBuf {
    host.join("conf")
}
