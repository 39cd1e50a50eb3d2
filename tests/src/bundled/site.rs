//! Hosts without a network to the outside: the coordinator on one of them, installed by install.sh; the others added by ssh
//! from there.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, Result, ensure};

use super::Bundle;
use crate::{
    process,
    real_hosts::PASSWORD,
    site::{Cli, temporary},
    ssh::Admin,
    testbed::{Host, Testbed},
};

/// The host of the coordinator.
pub const COORDINATOR: &str = "c";
const KEY: &str = "/root/release.pub";
const PASSFILE: &str = "/etc/bellows/repmgr.pgpass";
/// Something that takes seconds, on a busy machine.
const LIMIT: Duration = Duration::from_secs(240);

/// Hosts with a site.
pub struct Site {
    /// The hosts.
    pub testbed: Testbed,
    /// The command line on the coordinator's host.
    pub cli: Cli,
    hosts: Vec<String>,
}

/// Removed at the end.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Site {
    /// Boots the hosts and one more, installs the coordinator there, and adds the hosts from it.
    ///
    /// # Errors
    /// As [`Testbed::up`]; there is no bundle; or a command of the administrator's fails.
    pub async fn up(hosts: &[&str]) -> Result<Self> {
        let bundle = Bundle::given()?;
        let testbed = Testbed::up(&[&[COORDINATOR], hosts].concat())?;
        let cli = Cli::installed(testbed.host(COORDINATOR)?.door());
        let hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
        let site = Self { testbed, cli, hosts };
        site.install(&bundle).context("install.sh")?;
        site.begin().await.context("a site")?;
        site.let_in().await.context("logins")?;
        site.add().await.context("host add")?;
        Ok(site)
    }

    /// The coordinator's host.
    ///
    /// # Errors
    /// Never, once it is up.
    pub fn coordinator(&self) -> Result<&Host> {
        self.testbed.host(COORDINATOR)
    }

    /// The hosts that were added.
    #[must_use]
    pub fn hosts(&self) -> &[String] {
        &self.hosts
    }

    /// Waits until the coordinator talks to all hosts.
    ///
    /// # Errors
    /// Not within four minutes.
    pub async fn connected(&self) -> Result<()> {
        process::until("all agents are connected", LIMIT, || async {
            Ok(self.cli.connected_hosts().await? == self.hosts.len())
        })
        .await
    }

    /// Waits until the coordinator has noticed that a host is away.
    ///
    /// # Errors
    /// Not within four minutes.
    pub async fn misses_one(&self) -> Result<()> {
        process::until("the coordinator misses a host", LIMIT, || async {
            Ok(self.cli.connected_hosts().await? + 1 == self.hosts.len())
        })
        .await
    }

    /// The last lines of the coordinator's log, for an error.
    #[must_use]
    pub fn story(&self) -> String {
        let read = ["journalctl", "--no-pager", "--quiet", "--unit=bellows", "--lines=60"];
        match self.coordinator().and_then(|host| host.succeed(&read)) {
            Ok(log) => format!("== coordinator\n{log}\n=="),
            Err(error) => format!("== no log of the coordinator: {error:#}"),
        }
    }

    fn install(&self, bundle: &Bundle) -> Result<()> {
        let host = self.coordinator()?;
        let (archive, key) = bundle.bytes()?;
        host.put("/root/bundle.tar.gz", &archive, 0o644)?;
        host.put(KEY, &key, 0o644)?;
        host.succeed(&["tar", "-C", "/root", "-xzf", "/root/bundle.tar.gz"])?;
        let script = format!("/root/{}/install.sh", bundle.folder);
        let said = host.succeed(&["sh", &script, "--key", KEY])?;
        ensure!(said.contains("The coordinator is installed"), "{said}");
        Ok(())
    }

    async fn begin(&self) -> Result<()> {
        let host = self.coordinator()?;
        let address = format!("{}:7421", host.address());
        let init = ["bellows", "init", "--name", "test", "--enrolment-address", &address];
        host.succeed(&[&["runuser", "-u", "bellows", "--"], &init[..]].concat())?;
        host.succeed(&["systemctl", "enable", "--now", "bellows"])?;
        process::until("the coordinator answers", LIMIT, || async {
            Ok(self.cli.connected_hosts().await? == 0)
        })
        .await
    }

    /// The administrator's key on the coordinator's host, the login of the role repmgr on all others.
    async fn let_in(&self) -> Result<()> {
        let folder = Folder(temporary("bundled")?);
        let admin = Admin::new(&folder.0).await?;
        let login = format!("*:*:*:repmgr:{PASSWORD}\n");
        for name in &self.hosts {
            let host = self.testbed.host(name)?;
            admin.let_in(host)?;
            admin.know(host)?;
            host.put(PASSFILE, login.as_bytes(), 0o600)?;
            host.succeed(&["chown", "postgres:postgres", PASSFILE])?;
        }
        let host = self.coordinator()?;
        let key = std::fs::read(folder.0.join("id")).context("the administrator's key")?;
        let known = std::fs::read(admin.known_hosts()).context("the known hosts")?;
        host.put("/root/.ssh/known_hosts", &known, 0o600)?;
        host.put("/root/.ssh/id_ed25519", &key, 0o600)
    }

    async fn add(&self) -> Result<()> {
        let mut list = String::new();
        for name in &self.hosts {
            list.push_str(&format!("{name} root@{}\n", self.testbed.host(name)?.address()));
        }
        let host = self.coordinator()?;
        host.put("/root/hosts.txt", list.as_bytes(), 0o644)?;
        host.put("/root/postgresql.toml", b"[systems.postgresql]\n", 0o644)?;
        let files = ["--file", "/root/hosts.txt", "--systems", "/root/postgresql.toml"];
        let words = [&["host", "add"], &files[..], &["--yes"]].concat();
        self.cli.run(&words).await?.expect_code(0)?;
        ensure!(self.cli.connected_hosts().await? == self.hosts.len(), "not all are connected");
        Ok(())
    }
}
