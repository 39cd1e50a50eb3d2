//! A cluster of three on real systemd hosts, with a fourth host: members come and go, and the
//! primary's role moves. Nothing here is told by Bellows: PostgreSQL and systemd are asked.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};

use super::{
    machines::{self, CLUSTER, LIMIT, Machines, Shape},
    reigns::Reigns,
    trap::{Run, Trap, Trick},
};
use crate::{process, sql::Server, testbed::Host, writer::TABLE};

const SHAPE: Shape = Shape { hosts: &["db1", "db2", "db3", "db4"], members: 3, small_disks: false };
/// What is bound to become true becomes so within this time.
const SOON: Duration = Duration::from_secs(90);

/// The cluster. Names of nodes are used once.
pub struct Cluster {
    /// Hosts, coordinator, writer.
    pub on: Machines,
    /// Members, with their hosts.
    pub nodes: BTreeMap<String, String>,
    /// Acknowledged rows that may be nowhere: see [`Cluster::may_lose`].
    excused: BTreeSet<i64>,
    /// Who led when.
    pub reigns: Reigns,
    named: usize,
}

impl Cluster {
    /// Boots hosts, makes a cluster of three, and lets a writer begin.
    ///
    /// # Errors
    /// As [`Machines::up`].
    pub async fn up() -> Result<Self> {
        let on = Machines::up(SHAPE).await?;
        let number = |number: usize| (format!("pg{number}"), format!("db{number}"));
        let nodes = (1..=SHAPE.members).map(number).collect();
        let hosts = on.testbed.hosts().iter();
        let hosts = hosts.map(|host| (host.name().to_owned(), host.address().to_string()));
        let reigns = Reigns::watch(hosts, &machines::login());
        Ok(Self { on, nodes, excused: BTreeSet::new(), reigns, named: SHAPE.members })
    }

    /// The host of a member.
    ///
    /// # Errors
    /// It is no member.
    pub fn host(&self, node: &str) -> Result<&Host> {
        let host = self.nodes.get(node).with_context(|| format!("{node} is no member"))?;
        self.on.testbed.host(host)
    }

    /// The server of a member.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn server(&self, node: &str) -> Result<Server> {
        let host = self.nodes.get(node).with_context(|| format!("{node} is no member"))?;
        self.on.server(host).await
    }

    /// A host without a member.
    ///
    /// # Errors
    /// All have one.
    pub fn free_host(&self) -> Result<String> {
        let taken: BTreeSet<&str> = self.nodes.values().map(String::as_str).collect();
        let mut hosts = self.on.testbed.hosts().iter().map(Host::name);
        Ok(hosts.find(|host| !taken.contains(host)).context("no host is free")?.to_owned())
    }

    /// A name that no node had before.
    pub fn new_node(&mut self) -> String {
        self.named += 1;
        format!("pg{}", self.named)
    }

    /// Members in natural order.
    pub fn in_order(&self) -> Vec<String> {
        let mut nodes: Vec<String> = self.nodes.keys().cloned().collect();
        nodes.sort_by_key(|node| (node.len(), node.clone()));
        nodes
    }

    /// The one primary among the servers of all hosts, whoever is a member.
    ///
    /// # Errors
    /// There are none or several, or it is no member.
    pub async fn primary(&self) -> Result<String> {
        let mut found = Vec::new();
        for host in self.on.testbed.hosts() {
            // One that does not answer leads nobody.
            let Ok(server) = self.on.server(host.name()).await else { continue };
            if !server.in_recovery().await? {
                found.push(host.name());
            }
        }
        let [host] = found.as_slice() else { bail!("primaries run on {found:?}") };
        let node = self.nodes.iter().find(|(_, at)| at == host);
        Ok(node.with_context(|| format!("the primary on {host} is no member"))?.0.clone())
    }

    /// Begins an operation and returns its id. Words: without `bellows`, `--yes` and `--detach`.
    ///
    /// # Errors
    /// It is refused.
    pub async fn begin(&self, words: &[&str]) -> Result<String> {
        let words = [words, &["--yes", "--detach"]].concat();
        self.on.cli().run(&words).await?.expect_code(0)?;
        let list = self.on.cli().operations().await?;
        Ok(list.last().context("no operation began")?.operation.clone())
    }

    /// Sets a trap for a tool on a host.
    ///
    /// # Errors
    /// As [`Trap::set`].
    pub fn trap(
        &self,
        host: &str,
        tool: &'static str,
        words: &'static [&'static str],
        trick: Trick,
    ) -> Result<Trap> {
        let root = self.on.testbed.host(host)?.outside("/");
        Trap::within(
            &root,
            Path::new(crate::real_hosts::TOOL_LOG),
            Run { host: 0, tool, words },
            trick,
        )
    }

    /// From now on the primary may die for good, with what only it has. Replication is asynchronous:
    /// a row may be lost only if the primary acknowledged it after its heir was last seen to have
    /// everything, and before it died. Call it with all that is acknowledged when it is dead.
    ///
    /// # Errors
    /// There is no writer.
    pub fn may_lose(&mut self, safe: &BTreeSet<i64>) -> Result<()> {
        let acknowledged = self.acknowledged()?;
        self.excused.extend(acknowledged.difference(safe));
        Ok(())
    }

    /// Rows that were acknowledged up to now.
    ///
    /// # Errors
    /// There is no writer.
    pub fn acknowledged(&self) -> Result<BTreeSet<i64>> {
        Ok(self.on.writer.as_ref().context("no writer")?.tally().acknowledged)
    }

    /// Rows that are acknowledged now, once this standby has all of them.
    ///
    /// # Errors
    /// It does not catch up.
    pub async fn safe_at(&self, node: &str) -> Result<BTreeSet<i64>> {
        let safe = self.acknowledged()?;
        let written = self.server(&self.primary().await?).await?.written().await?;
        self.server(node).await?.replayed(&written, SOON).await?;
        Ok(safe)
    }

    /// Waits until all other members stream from this one.
    ///
    /// # Errors
    /// Not within four minutes.
    pub async fn streams_to_all(&self, node: &str) -> Result<()> {
        process::until(&format!("all stream from {node}"), LIMIT, || async {
            let streams = self.server(node).await?.streaming().await?;
            Ok(streams.len() + 1 == self.nodes.len())
        })
        .await
    }

    /// Waits until the writer has so many more acknowledged rows.
    ///
    /// # Errors
    /// It has not within four minutes.
    pub async fn writes_on(&self, rows: usize) -> Result<()> {
        let writer = self.on.writer.as_ref().context("no writer")?;
        writer.reaches(writer.tally().acknowledged.len() + rows, LIMIT).await
    }

    /// One primary, this one; every member records the same members, streams from it through its
    /// own slot, has repmgrd at work, and every acknowledged row; no job is left of the operation,
    /// and no tool ran twice.
    ///
    /// # Errors
    /// It does not become so within a minute and a half.
    pub async fn is_well(&self, operation: &str, primary: &str) -> Result<()> {
        process::until("the cluster is as it should be", SOON, || async {
            self.members(primary).await?;
            Ok(true)
        })
        .await?;
        self.writes_on(5).await.context("the writer goes on")?;
        self.rows(primary).await?;
        self.on.settled(operation).await?;
        let status = self.on.cli().run(&["status", CLUSTER, "--fresh"]).await?;
        let status = status.expect_code(0)?;
        ensure!(!status.contains("PROBLEM"), "{status}");
        Ok(())
    }

    async fn members(&self, primary: &str) -> Result<()> {
        let leads = self.primary().await?;
        ensure!(leads == primary, "{leads} leads instead of {primary}");
        let wanted: BTreeSet<&str> = self.nodes.keys().map(String::as_str).collect();
        let mut slots_wanted = BTreeSet::new();
        for node in self.nodes.keys() {
            let server = self.server(node).await?;
            let found = server.members().await?;
            let names: BTreeSet<&str> = found.iter().map(|one| one.name.as_str()).collect();
            ensure!(names == wanted, "{node} counts {names:?} instead of {wanted:?}");
            for one in found {
                let kind = if one.name == primary { "primary" } else { "standby" };
                ensure!(one.active && one.kind == kind, "{node} has {one:?}");
                if one.name != primary {
                    slots_wanted.extend(one.slot);
                }
            }
            let paused = server.text("select repmgr.repmgrd_is_paused()::text").await?;
            let runs = server.text("select repmgr.repmgrd_is_running()::text").await?;
            ensure!((paused, runs) == ("false".to_owned(), "true".to_owned()), "repmgrd of {node}");
            let slots = server.slots().await?;
            ensure!(node == primary || slots.is_empty(), "slots at {node}: {slots:?}");
        }
        let lead = self.server(primary).await?;
        let slots = lead.slots().await?;
        let names: BTreeSet<String> = slots.iter().map(|one| one.name.clone()).collect();
        ensure!(names == slots_wanted, "slots {names:?} instead of {slots_wanted:?}");
        ensure!(slots.iter().all(|one| one.active), "a slot that nobody reads: {slots:?}");
        let streams = lead.streaming().await?;
        let standbys = wanted.iter().filter(|node| **node != primary);
        let standbys: BTreeSet<String> = standbys.map(|node| (*node).to_owned()).collect();
        ensure!(streams == standbys, "{streams:?} stream instead of {standbys:?}");
        Ok(())
    }

    /// All members have all rows that must be there, and the same ones of those that need not.
    async fn rows(&self, primary: &str) -> Result<()> {
        let acknowledged = self.acknowledged()?;
        let lead = self.server(primary).await?;
        let written = lead.written().await?;
        let kept = lead.ids(TABLE).await?;
        for node in self.nodes.keys() {
            let server = self.server(node).await?;
            if node != primary {
                server.replayed(&written, SOON).await?;
            }
            let there = server.ids(TABLE).await?;
            let lost = acknowledged.difference(&there);
            let lost: Vec<&i64> = lost.filter(|id| !self.excused.contains(id)).collect();
            let count = acknowledged.len();
            ensure!(lost.is_empty(), "{} of {count} rows are not at {node}: {lost:?}", lost.len());
            let differ = self.excused.iter().filter(|id| kept.contains(id) != there.contains(id));
            ensure!(differ.count() == 0, "{node} and {primary} do not have the same rows");
        }
        Ok(())
    }
}
