//! A site whose hosts have KWDB installed, ready for the parts of the demo and for the tests.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use bellows_proto::v1::ClusterDetail;

use crate::{
    duplicates::{self, Findings},
    kwdb::{Members, Row, Writer, loopback, loopback::Pace},
    narrate::{Narrator, table},
    process,
    site::{Agent, Host, Site, User},
    snapshot::Snapshot,
    wrapper,
};

/// The cluster's name.
pub const CLUSTER: &str = "meters";
/// A range moves in half a second at this pace, and liveness runs out in two.
const PACE: Pace = Pace { pace: 5, ranges: 24, range_bytes: 16 << 20 };
/// Ranges begin to move when the new node is seen; a busy machine may need many times that.
const MOVE_LIMIT: Duration = Duration::from_secs(180);

/// The stage.
pub struct Stage {
    /// The site.
    pub site: Site,
    /// Who tells what happens.
    pub tell: Narrator,
    /// Who should be a member now.
    pub members: Members,
    user: User,
}

impl Stage {
    /// Sets up a site with so many hosts, and a cluster of the first so many.
    ///
    /// # Errors
    /// A program is missing, or does not start.
    pub async fn set(hosts: usize, members: usize) -> Result<Self> {
        let configure = |host: &Host, user: &User| loopback::configure(host, user, PACE);
        let site = Box::pin(Site::up(hosts, configure)).await?;
        let user = User::of_the_servers()?;
        let first: Vec<&Host> = site.agents().iter().take(members).map(|one| &one.host).collect();
        let client = loopback::build(&first, &user).await?;
        let addresses = first.iter().map(|host| loopback::member(host)).collect();
        let members = Members { client, addresses };
        members.agree().await?;
        members.are_replicated().await?;
        Ok(Self { tell: Narrator::default(), site, members, user })
    }

    /// A host, by its number from 1.
    ///
    /// # Errors
    /// There is no such host.
    pub fn host(&self, number: usize) -> Result<&Host> {
        Ok(&self.agent(number)?.host)
    }

    fn agent(&self, number: usize) -> Result<&Agent> {
        self.site.agents().get(number.wrapping_sub(1)).context("no such host")
    }

    /// Where a host's member listens, by the host's number.
    ///
    /// # Errors
    /// There is no such host.
    pub fn address(&self, number: usize) -> Result<String> {
        Ok(loopback::member(self.host(number)?))
    }

    /// Starts the node that the installer put on a host again.
    ///
    /// # Errors
    /// It does not start.
    pub async fn start_by_hand(&self, number: usize) -> Result<()> {
        loopback::start(self.host(number)?, &self.user, &self.members.list().join(",")).await
    }

    /// The member on a host, as Bellows calls it.
    ///
    /// # Errors
    /// There is none.
    pub async fn node(&self, number: usize) -> Result<String> {
        let host = &self.host(number)?.name;
        let found = self.nodes().await?;
        let node = found.iter().find(|(_, at)| at == &host).with_context(|| format!("{found:?}"));
        Ok(node.with_context(|| format!("no member on {host}"))?.0.clone())
    }

    /// Members by name, with their hosts, as the cluster's spec has them.
    ///
    /// # Errors
    /// The coordinator does not answer.
    pub async fn nodes(&self) -> Result<BTreeMap<String, String>> {
        let seen: ClusterDetail = self.site.cli().json(&["cluster", "show", CLUSTER]).await?;
        let nodes = seen.spec.context("a cluster without a spec")?.nodes;
        Ok(nodes.into_iter().map(|one| (one.node, one.host)).collect())
    }

    /// How many members KWDB counts.
    ///
    /// # Errors
    /// None answers.
    pub async fn count(&self) -> Result<usize> {
        self.members.count().await
    }

    /// All members see each other and nobody else, and there are so many.
    ///
    /// # Errors
    /// It does not become so.
    pub async fn counts(&self, wanted: usize) -> Result<()> {
        self.members.agree().await?;
        let count = self.count().await?;
        ensure!(count == wanted, "KWDB counts {count} members instead of {wanted}");
        Ok(())
    }

    /// The members as KWDB shows them, as a table.
    ///
    /// # Errors
    /// None answers.
    pub async fn table(&self) -> Result<String> {
        let asked = self.members.list();
        let first = asked.first().context("no members")?;
        let mut rows = Vec::new();
        for row in self.members.client.status(first).await? {
            let Row { id, address, build, available, live, .. } = row;
            let replicas = self.members.client.replicas(first, id).await?.to_string();
            let [available, live] = [available, live].map(|yes| yes.to_string());
            rows.push(vec![id.to_string(), address, build, available, live, replicas]);
        }
        Ok(table(&["id", "address", "version", "available", "live", "ranges"], &rows))
    }

    /// The cluster as it is: who is a member, and the files on all hosts.
    ///
    /// # Errors
    /// A member does not answer, or a folder cannot be read.
    pub async fn snapshot(&self) -> Result<Snapshot> {
        let mut snapshot = Snapshot::default();
        for address in &self.members.addresses {
            let rows = self.members.client.status(address).await?;
            let line = |row: &Row| format!("{} {} since {}", row.id, row.address, row.started_at);
            snapshot.add(&format!("{address} lists"), rows.iter().map(line).collect());
        }
        let first = self.members.list();
        let first = first.first().context("no members")?;
        let setting = "SHOW CLUSTER SETTING kv.allocator.ts_consider_rebalance.enabled";
        let value = self.members.client.query(first, setting).await?;
        snapshot.add("setting", value.iter().map(|row| format!("{row:?}")).collect());
        for agent in self.site.agents() {
            let (name, folder) = (&agent.host.name, &agent.host.folder);
            for part in ["conf", "certs"] {
                snapshot.add_files(&format!("{name} {part}"), &folder.join(part))?;
            }
            snapshot.add_names(&format!("{name} data"), &folder.join("data"), 2)?;
        }
        Ok(snapshot)
    }

    /// Waits until some of its ranges are at a new node, and not all; returns how many, and about how many it will
    /// have.
    ///
    /// # Errors
    /// It does not become so within three minutes.
    pub async fn in_the_middle_of_a_move(&self, number: usize) -> Result<(u64, u64)> {
        let address = self.address(number)?;
        let asked = self.members.list();
        let first = asked.first().context("no members")?;
        let seen = Mutex::new((0, 0));
        process::until("ranges move to the new node", MOVE_LIMIT, || async {
            let id = self.members.id(&address).await?;
            let client = &self.members.client;
            let done = client.replicas(first, id).await?;
            let other = self.members.id(first).await?;
            let share = client.replicas(first, other).await?;
            *seen.lock().unwrap_or_else(PoisonError::into_inner) = (done, share);
            Ok(done * 5 > share && done * 5 < share * 4)
        })
        .await?;
        Ok(seen.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until more ranges than `before` are at a node of a host; returns how many.
    ///
    /// # Errors
    /// It does not become so within three minutes.
    pub async fn moves_on(&self, number: usize, before: u64) -> Result<u64> {
        let address = self.address(number)?;
        let asked = self.members.list();
        let first = asked.first().context("no members")?;
        let seen = Mutex::new(0);
        process::until("ranges go on moving", MOVE_LIMIT, || async {
            let id = self.members.id(&address).await?;
            let done = self.members.client.replicas(first, id).await?;
            *seen.lock().unwrap_or_else(PoisonError::into_inner) = done;
            Ok(done > before)
        })
        .await?;
        Ok(seen.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// All tool runs of Bellows, by host.
    ///
    /// # Errors
    /// A log cannot be read.
    pub fn tool_runs(&self) -> Result<Vec<(String, Vec<wrapper::Run>)>> {
        self.site.tool_runs(loopback::tools)
    }

    /// Tool runs that the journals do not explain.
    ///
    /// # Errors
    /// A log or a journal cannot be read.
    pub async fn duplicates(&self) -> Result<Findings> {
        let attempts = duplicates::attempts(&self.site.operations().await?);
        Ok(duplicates::find(&self.tool_runs()?, &attempts))
    }

    /// Lets a client write from now on. Its table is new: this waits until all replicas of it are there.
    ///
    /// # Errors
    /// The first member refuses, or they do not come.
    pub async fn write(&self) -> Result<Writer> {
        let everybody = self.site.agents().iter().map(|agent| loopback::member(&agent.host));
        let everybody: Vec<String> = everybody.collect();
        let writer = Writer::start(&self.members.client, &everybody).await?;
        self.members.are_replicated().await?;
        Ok(writer)
    }

    /// Hosts, by number, that have a member now.
    #[must_use]
    pub fn taken(&self) -> BTreeSet<usize> {
        let hosts =
            self.site.agents().iter().map(|agent| loopback::member(&agent.host)).enumerate();
        let taken = hosts.filter(|(_, address)| self.members.addresses.contains(address));
        taken.map(|(index, _)| index + 1).collect()
    }
}
