//! A cluster of PostgreSQL with repmgr on the hosts of a site, and a client that writes to it all the time.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use anyhow::{Context, Result, ensure};

use super::Site;
use crate::{
    kills::{
        drive::{self, Course},
        machines::{CLUSTER, login},
        point::End,
    },
    process,
    real_hosts::PASSWORD,
    sql::{self, Server},
    wrapper,
    writer::{TABLE, Writer},
};

const LIMIT: Duration = Duration::from_secs(240);
/// Some 40 MiB, so that a slow copy has a middle.
const ROWS: &str = "32768";

/// The cluster.
pub struct Orders {
    /// Where it is.
    pub site: Site,
    /// Members, with their hosts.
    pub nodes: BTreeMap<String, String>,
    writer: Writer,
}

impl Orders {
    /// Makes a cluster of `pg1@db1` and `pg2@db2`, and lets a writer begin.
    ///
    /// # Errors
    /// It is refused, or a member does not come.
    pub async fn create(site: Site) -> Result<Self> {
        let networks = format!("client_networks={}/32", site.testbed.outside());
        let words = ["cluster", "create", CLUSTER, "--system", "postgresql"];
        let nodes = ["--node", "pg1@db1", "--node", "pg2@db2"];
        let options = ["--option", &networks, "--option", "shared_buffers_mib=32", "--yes"];
        let words = [&words[..], &nodes, &options].concat();
        site.cli.run(&words).await?.expect_code(0)?;
        let statements = format!(
            "create role observer superuser login password '{PASSWORD}'; \
             create table filler as select i as id, repeat(md5(i::text), 30) as text \
             from generate_series(1, {ROWS}) as i"
        );
        let sockets = format!("--host=/run/bellows-postgresql/{CLUSTER}/pg1");
        let psql = format!("{}/psql", wrapper::POSTGRESQL_BIN);
        let login_here = ["runuser", "--user", "postgres", "--", &psql, "-X", &sockets];
        let asked = ["--username=postgres", "--dbname=repmgr", "--command", &statements];
        site.testbed.host("db1")?.succeed(&[&login_here[..], &asked].concat())?;
        // Any host may have the primary one day.
        let hosts = site.hosts().iter();
        let addresses: Result<Vec<String>> =
            hosts.map(|host| Ok(site.testbed.host(host)?.address().to_string())).collect();
        let writer = Writer::start(&addresses?, &login()).await?;
        let at = |node: &str, host: &str| (node.to_owned(), host.to_owned());
        let orders = Self { site, nodes: [at("pg1", "db1"), at("pg2", "db2")].into(), writer };
        orders.is_well().await?;
        Ok(orders)
    }

    /// Begins a verb and returns its operation. Words: without `--yes` and `--detach`.
    ///
    /// # Errors
    /// It is refused.
    pub async fn begin(&self, words: &[&str]) -> Result<String> {
        let words = [words, &["--yes", "--detach"]].concat();
        self.site.cli.run(&words).await?.expect_code(0)?;
        let list = self.site.cli.operations().await?;
        Ok(list.last().context("no operation began")?.operation.clone())
    }

    /// Begins an expand, and waits for the middle of its copy, of so many KiB a second. Returns the operation.
    ///
    /// # Errors
    /// It is refused, or does not copy.
    pub async fn copying(&self, node: &str, host: &str, rate_kib: u32) -> Result<String> {
        let (at, rate) = (format!("{node}@{host}"), format!("clone_rate_kib={rate_kib}"));
        let words = ["expand", CLUSTER, "--node", &at, "--option", &rate];
        let operation = self.begin(&words).await?;
        let primary = self.primary().await?;
        process::until("the copy is on its way", LIMIT, || async {
            let progress = primary.backup_progress().await?;
            Ok(progress.is_some_and(|(done, total)| done * 10 > total && done * 5 < total * 3))
        })
        .await?;
        Ok(operation)
    }

    /// Follows an operation to its good end.
    ///
    /// # Errors
    /// It rests otherwise.
    pub async fn done(&self, operation: &str, end: End) -> Result<Course> {
        drive::to_end(&self.site.cli, operation, end, "done").await
    }

    /// The primary's server.
    ///
    /// # Errors
    /// There is not exactly one among the members.
    pub async fn primary(&self) -> Result<Server> {
        let hosts = self.nodes.values();
        let addresses: Result<Vec<String>> =
            hosts.map(|host| Ok(self.site.testbed.host(host)?.address().to_string())).collect();
        sql::primary(&addresses?, &login()).await
    }

    /// A member's server.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn server(&self, node: &str) -> Result<Server> {
        let host = self.nodes.get(node).with_context(|| format!("{node} is no member"))?;
        let address = self.site.testbed.host(host)?.address().to_string();
        Server::connect(&address, &login()).await
    }

    /// One primary; every member knows the same members and streams; the writer goes on; and every acknowledged row is at
    /// every member.
    ///
    /// # Errors
    /// It does not become so within four minutes.
    pub async fn is_well(&self) -> Result<()> {
        process::until("the cluster is as it should be", LIMIT, || async {
            self.members().await?;
            Ok(true)
        })
        .await?;
        self.writes_on().await?;
        let acknowledged = self.writer.tally().acknowledged;
        let primary = self.primary().await?;
        let written = primary.written().await?;
        for node in self.nodes.keys() {
            let server = self.server(node).await?;
            if server.in_recovery().await? {
                server.replayed(&written, LIMIT).await?;
            }
            let missing = acknowledged.difference(&server.ids(TABLE).await?).count();
            let count = acknowledged.len();
            ensure!(missing == 0, "{missing} of {count} acknowledged rows are not at {node}");
        }
        Ok(())
    }

    /// Waits until more rows are acknowledged.
    ///
    /// # Errors
    /// Not within four minutes.
    pub async fn writes_on(&self) -> Result<()> {
        self.writer.reaches(self.writer.tally().acknowledged.len() + 5, LIMIT).await
    }

    async fn members(&self) -> Result<()> {
        let primary = self.primary().await?;
        let wanted: BTreeSet<&str> = self.nodes.keys().map(String::as_str).collect();
        let mut leader = String::new();
        for node in self.nodes.keys() {
            let server = self.server(node).await?;
            if !server.in_recovery().await? {
                leader.clone_from(node);
            }
            let found = server.members().await?;
            let names: BTreeSet<&str> = found.iter().map(|one| one.name.as_str()).collect();
            ensure!(names == wanted, "{node} counts {names:?} instead of {wanted:?}");
            ensure!(found.iter().all(|one| one.active), "{node} has an inactive one: {found:?}");
        }
        let streams = primary.streaming().await?;
        let standbys = wanted.iter().filter(|node| **node != leader);
        let standbys: BTreeSet<String> = standbys.map(|node| (*node).to_owned()).collect();
        ensure!(streams == standbys, "{streams:?} stream instead of {standbys:?}");
        let slots = primary.slots().await?;
        let count = (slots.len(), standbys.len());
        ensure!(count.0 == count.1 && slots.iter().all(|one| one.active), "slots: {slots:?}");
        Ok(())
    }
}
