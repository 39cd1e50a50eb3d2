//! Where kills are played on this machine: a site on loopback addresses with a cluster of two
//! and room for a third node, and a client that writes to it all the time.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, ensure};

use super::{
    point::Verb,
    trap::{Run, Trap, Trick},
};
use crate::{
    demo::{self, CLUSTER},
    site::Site,
    snapshot::Snapshot,
    sql::{self, Server},
    wrapper,
    writer::Writer,
};

/// Hosts of a ground: primary, standby, and where the third node comes and goes.
pub const HOSTS: usize = 3;
/// The host of the third node, from 0.
pub const THIRD: usize = 2;
/// KiB/s: so slow that a copy of the little cluster lasts some seconds.
const SLOW_KIB: u32 = 5 * 1024;
/// No command line of a test takes longer.
pub const LIMIT: Duration = Duration::from_secs(300);

/// The ground. Its nodes have names that are used once.
pub struct Ground {
    /// Coordinator and agents.
    pub site: Site,
    /// Nodes that are members now, with their host's number from 0.
    pub nodes: BTreeMap<String, usize>,
    /// The client, where the cluster has one.
    pub writer: Option<Writer>,
    /// Nodes so far.
    named: usize,
    /// Starts of services by the administrator's hand: host from 0, tool, how often.
    by_hand: Mutex<BTreeMap<(usize, &'static str), usize>>,
    /// The primary's host: the same all the time, unless somebody makes a failover.
    pub primary: usize,
}

impl Ground {
    /// A site without a cluster.
    ///
    /// # Errors
    /// A program or package is missing, or does not start.
    pub async fn empty() -> Result<Self> {
        Ok(Self {
            site: Box::pin(Site::up(HOSTS, demo::configure)).await?,
            nodes: BTreeMap::new(),
            writer: None,
            named: 0,
            by_hand: Mutex::default(),
            primary: 0,
        })
    }

    /// A site with a cluster of two and a writer.
    ///
    /// # Errors
    /// As [`Ground::empty`]; or the cluster is not made.
    pub async fn with_cluster() -> Result<Self> {
        let mut ground = Self::empty().await?;
        let words = ground.words(Verb::Create, false);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        ground.site.cli().run(&words).await?.expect_code(0)?;
        ground.arrived(Verb::Create);
        ground.write().await?;
        Ok(ground)
    }

    /// Makes role and database of the application, and lets the writer begin.
    ///
    /// # Errors
    /// The primary refuses.
    pub async fn write(&mut self) -> Result<()> {
        let application = demo::application();
        let primary = self.primary().await?;
        let (user, password) = (&application.user, &application.password);
        primary.execute(&format!("create role {user} login password '{password}'")).await?;
        primary.execute(&format!("create database {} owner {user}", application.database)).await?;
        self.writer = Some(Writer::start(&self.addresses()?, &application).await?);
        Ok(())
    }

    /// The command line for a verb, with names that were not used before. `slow`: its copies.
    pub fn words(&self, verb: Verb, slow: bool) -> Vec<String> {
        let mut words: Vec<String> = match verb {
            Verb::Create => {
                let at = |more: usize| format!("pg{}@h{more}", self.named + more);
                [
                    "cluster",
                    "create",
                    CLUSTER,
                    "--system",
                    "postgresql",
                    "--node",
                    &at(1),
                    "--node",
                    &at(2),
                ]
                .map(str::to_owned)
                .into()
            }
            Verb::Expand => {
                let node = format!("pg{}@h{}", self.named + 1, THIRD + 1);
                ["expand", CLUSTER, "--node", &node].map(str::to_owned).into()
            }
            Verb::Shrink => [
                "shrink",
                CLUSTER,
                "--node",
                &self.third().unwrap_or_default(),
                "--option",
                "data=wipe",
            ]
            .map(str::to_owned)
            .into(),
        };
        let mut option = |text: String| words.extend(["--option".to_owned(), text]);
        if verb == Verb::Create {
            for text in
                ["client_networks=127.0.0.0/8", "shared_buffers_mib=16", "max_connections=50"]
            {
                option(text.to_owned());
            }
        }
        if slow {
            option(format!("clone_rate_kib={SLOW_KIB}"));
        }
        words.push("--yes".to_owned());
        words
    }

    /// Counts the nodes of an operation as used, whatever became of it.
    pub fn used(&mut self, verb: Verb) {
        self.named += match verb {
            Verb::Create => 2,
            Verb::Expand => 1,
            Verb::Shrink => 0,
        };
    }

    /// What a verb that ended as done has changed. Call it instead of [`Ground::used`].
    pub fn arrived(&mut self, verb: Verb) {
        let first = self.named + 1;
        self.used(verb);
        match verb {
            Verb::Create => {
                self.nodes = [(format!("pg{first}"), 0), (format!("pg{}", first + 1), 1)].into();
            }
            Verb::Expand => {
                self.nodes.insert(format!("pg{first}"), THIRD);
            }
            Verb::Shrink => self.nodes.retain(|_, host| *host != THIRD),
        }
    }

    /// The third node, where there is one.
    pub fn third(&self) -> Option<String> {
        self.node_at(THIRD)
    }

    /// The node on a host, from 0.
    pub fn node_at(&self, host: usize) -> Option<String> {
        self.nodes.iter().find(|(_, at)| **at == host).map(|(node, _)| node.clone())
    }

    /// Brings the cluster to where a verb can be asked for: with a third node, or without.
    ///
    /// # Errors
    /// The expand or shrink that it takes does not end as done.
    pub async fn ready_for(&mut self, verb: Verb) -> Result<()> {
        let needed = match (verb, self.third().is_some()) {
            (Verb::Expand, true) => Verb::Shrink,
            (Verb::Shrink, false) => Verb::Expand,
            (Verb::Create | Verb::Expand | Verb::Shrink, _) => return Ok(()),
        };
        let words = self.words(needed, false);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        self.site.cli().run(&words).await?.expect_code(0).context("make ready")?;
        self.arrived(needed);
        Ok(())
    }

    /// The address of a host, from 0.
    ///
    /// # Errors
    /// There is no such host.
    pub fn address(&self, host: usize) -> Result<String> {
        Ok(self.site.agents().get(host).context("no such host")?.host.address.clone())
    }

    /// Addresses of the members.
    ///
    /// # Errors
    /// A member has no host.
    pub fn addresses(&self) -> Result<Vec<String>> {
        self.nodes.values().map(|host| self.address(*host)).collect()
    }

    /// The folder of a host, from 0.
    ///
    /// # Errors
    /// There is no such host.
    pub fn folder(&self, host: usize) -> Result<PathBuf> {
        Ok(self.site.agents().get(host).context("no such host")?.host.folder.clone())
    }

    /// The primary, with the rights of a superuser; it must be where it was.
    ///
    /// # Errors
    /// There is not exactly one, or it is another one.
    pub async fn primary(&self) -> Result<Server> {
        let server = sql::primary(&self.addresses()?, &demo::superuser()).await?;
        let here = Server::connect(&self.address(self.primary)?, &demo::superuser()).await?;
        ensure!(!here.in_recovery().await?, "the primary moved away from h{}", self.primary + 1);
        Ok(server)
    }

    /// The cluster as PostgreSQL and the hosts' files have it; for a site without a cluster the
    /// files alone.
    ///
    /// # Errors
    /// A member does not answer, or a folder cannot be read.
    pub async fn snapshot(&self) -> Result<Snapshot> {
        let mut snapshot = match self.nodes.is_empty() {
            true => Snapshot::default(),
            false => Snapshot::of_members(&self.addresses()?, &demo::superuser()).await?,
        };
        for agent in self.site.agents() {
            let (name, folder) = (&agent.host.name, &agent.host.folder);
            snapshot.add_files(&format!("{name} configuration"), &folder.join("conf"))?;
            for root in ["data", "conf", "log", "run"] {
                snapshot.add_names(&format!("{name} {root}"), &folder.join(root), 2)?;
            }
        }
        Ok(snapshot)
    }

    /// The log of a host's wrappers.
    ///
    /// # Errors
    /// There is no such host.
    pub fn tool_log(&self, host: usize) -> Result<PathBuf> {
        Ok(wrapper::log_beside(&self.folder(host)?.join("bin")))
    }

    /// Sets a trap.
    ///
    /// # Errors
    /// As [`Trap::set`].
    pub fn trap(&self, run: Run, trick: Trick) -> Result<Trap> {
        Trap::set(&self.tool_log(run.host)?, run, trick)
    }

    /// Notes that the administrator started a tool as a service on a host, from 0.
    pub fn started_by_hand(&self, host: usize, tool: &'static str) {
        let mut known = self.by_hand.lock().unwrap_or_else(PoisonError::into_inner);
        *known.entry((host, tool)).or_default() += 1;
    }

    /// How often that was.
    pub fn starts_by_hand(&self) -> BTreeMap<(usize, &'static str), usize> {
        self.by_hand.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// All tool runs, by host.
    ///
    /// # Errors
    /// A log cannot be read.
    pub fn tool_runs(&self) -> Result<Vec<(String, Vec<wrapper::Run>)>> {
        self.site.tool_runs(|host| host.join("bin"))
    }
}
