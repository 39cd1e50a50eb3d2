//! A site whose hosts have BookKeeper installed, ready for the parts of the demo and for the tests.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use bellows_proto::v1::ClusterDetail;

use crate::{
    bookkeeper::{Generator, Members, Reader, Shape, Writer, loopback},
    duplicates::{self, Findings},
    narrate::{Narrator, table},
    process, reap,
    site::{Agent, Host, Site, User},
    snapshot::Snapshot,
    wrapper,
};

/// The cluster's name.
pub const CLUSTER: &str = "ledgers";
/// A JVM starts in two or three seconds; a busy machine may need many times that.
pub const LIMIT: Duration = Duration::from_secs(300);

/// The stage.
pub struct Stage {
    /// The site.
    pub site: Site,
    /// Who tells what happens.
    pub tell: Narrator,
    /// Who should be a bookie now.
    pub members: Members,
    /// What new ledgers look like.
    pub shape: Shape,
    /// Writes and reads.
    pub generator: Generator,
    user: User,
}

/// A client that writes, and one that reads it back all the time.
pub struct Traffic {
    /// Who writes.
    pub writer: Writer,
    /// Who reads.
    pub reader: Reader,
}

impl Stage {
    /// Sets up a site with so many hosts, ZooKeeper, and bookies on the first so many.
    ///
    /// # Errors
    /// A program is missing, or does not start.
    pub async fn set(hosts: usize, members: usize, shape: Shape) -> Result<Self> {
        let site = Box::pin(Site::up(hosts, loopback::configure)).await?;
        let user = User::of_the_servers()?;
        let first: Vec<&Host> = site.agents().iter().take(members).map(|one| &one.host).collect();
        let members = loopback::build(&first, &user).await?;
        let host = first.first().context("no host")?;
        let records = host.shared.join("records");
        std::fs::create_dir_all(&records).context("folder of the records")?;
        let generator = Generator {
            home: loopback::installed(host),
            zookeeper: loopback::zookeeper(host),
            records,
        };
        Ok(Self { tell: Narrator::default(), site, members, shape, generator, user })
    }

    /// A host, by its number from 1.
    ///
    /// # Errors
    /// There is no such host.
    pub fn host(&self, number: usize) -> Result<&Host> {
        let agent: Option<&Agent> = self.site.agents().get(number.wrapping_sub(1));
        Ok(&agent.context("no such host")?.host)
    }

    /// A host's address, by its number.
    ///
    /// # Errors
    /// There is no such host.
    pub fn address(&self, number: usize) -> Result<String> {
        Ok(self.host(number)?.address.clone())
    }

    /// Starts the bookie that the administrator set up on a host again.
    ///
    /// # Errors
    /// It does not start.
    pub async fn start_by_hand(&self, number: usize) -> Result<()> {
        loopback::start(self.host(number)?, &self.user).await
    }

    /// Removes what is left in the directories of the bookie that the administrator set up on a host.
    ///
    /// # Errors
    /// A directory cannot be read.
    pub fn empty(&self, number: usize) -> Result<()> {
        let own = loopback::own(self.host(number)?);
        for part in ["journal/current", "ledgers/current"] {
            let folder = own.join(part);
            std::fs::remove_dir_all(&folder)
                .with_context(|| format!("empty {}", folder.display()))?;
        }
        Ok(())
    }

    /// The bookie on a host, as Bellows calls it.
    ///
    /// # Errors
    /// There is none.
    pub async fn node(&self, number: usize) -> Result<String> {
        let host = &self.host(number)?.name;
        let found = self.nodes().await?;
        let node = found.iter().find(|(_, at)| at == &host).with_context(|| format!("{found:?}"));
        Ok(node.with_context(|| format!("no bookie on {host}"))?.0.clone())
    }

    /// Bookies by name, with their hosts, as the cluster's spec has them.
    ///
    /// # Errors
    /// The coordinator does not answer.
    pub async fn nodes(&self) -> Result<BTreeMap<String, String>> {
        let seen: ClusterDetail = self.site.cli().json(&["cluster", "show", CLUSTER]).await?;
        let nodes = seen.spec.context("a cluster without a spec")?.nodes;
        Ok(nodes.into_iter().map(|one| (one.node, one.host)).collect())
    }

    /// All bookies see each other writable and nobody else, and there are so many.
    ///
    /// # Errors
    /// It does not become so.
    pub async fn counts(&self, wanted: usize) -> Result<()> {
        self.members.agree().await?;
        let count = self.members.count().await?;
        ensure!(count == wanted, "BookKeeper counts {count} bookies instead of {wanted}");
        Ok(())
    }

    /// The bookies as BookKeeper shows them, as a table.
    ///
    /// # Errors
    /// None answers.
    pub async fn table(&self) -> Result<String> {
        let first = self.members.addresses.first().context("no bookies")?;
        let mut rows = Vec::new();
        for (kind, word) in [("rw", "writable"), ("ro", "read-only")] {
            for id in Members::registered(first, kind).await? {
                let ledgers = self.members.ledgers_of(&id).await?.to_string();
                rows.push(vec![id, word.to_owned(), ledgers]);
            }
        }
        Ok(table(&["bookie", "state", "ledgers"], &rows))
    }

    /// The cluster as it is: who is a bookie, and the files on all hosts.
    ///
    /// # Errors
    /// A bookie does not answer, or a folder cannot be read.
    pub async fn snapshot(&self) -> Result<Snapshot> {
        let mut snapshot = Snapshot::default();
        for address in &self.members.addresses {
            for kind in ["rw", "ro"] {
                let ids = Members::registered(address, kind).await?;
                snapshot.add(&format!("{address} lists {kind}"), ids.into_iter().collect());
            }
        }
        for agent in self.site.agents() {
            let (name, folder) = (&agent.host.name, &agent.host.folder);
            snapshot.add_files(&format!("{name} conf"), &folder.join("conf"))?;
            for part in ["journal", "ledgers"] {
                snapshot.add_names(&format!("{name} {part}"), &folder.join(part), 2)?;
            }
        }
        Ok(snapshot)
    }

    /// Waits until a bookie of Bellows' own starts on a host: its JVM runs.
    ///
    /// # Errors
    /// It does not.
    pub async fn starts(&self, number: usize) -> Result<()> {
        let folder = self.host(number)?.folder.join("conf");
        process::until(&format!("a bookie starts on h{number}"), LIMIT, || async {
            Ok(!reap::processes(std::slice::from_ref(&folder)).is_empty())
        })
        .await
    }

    /// Tool runs that the journals do not explain.
    ///
    /// # Errors
    /// A log or a journal cannot be read.
    pub async fn duplicates(&self) -> Result<Findings> {
        let attempts = duplicates::attempts(&self.site.operations().await?);
        Ok(duplicates::find(&self.tool_runs()?, &attempts))
    }

    /// All tool runs of Bellows, by host.
    ///
    /// # Errors
    /// A log cannot be read.
    pub fn tool_runs(&self) -> Result<Vec<(String, Vec<wrapper::Run>)>> {
        self.site.tool_runs(loopback::tools)
    }

    /// Lets one client write from now on, and another one read that back.
    ///
    /// # Errors
    /// Nothing is acknowledged.
    pub async fn write(&self) -> Result<Traffic> {
        let writer = Writer::start(&self.generator, "writer", 200, self.shape).await?;
        let (generator, record) = writer.record();
        Ok(Traffic { writer, reader: Reader::start(generator, record) })
    }

    /// Hosts, by number, that have a bookie now.
    #[must_use]
    pub fn taken(&self) -> BTreeSet<usize> {
        let hosts = self.site.agents().iter().map(|agent| &agent.host.address).enumerate();
        let taken = hosts.filter(|(_, address)| self.members.addresses.contains(*address));
        taken.map(|(index, _)| index + 1).collect()
    }

    /// Bookies that run from a host's folders.
    ///
    /// # Errors
    /// There is no such host.
    pub fn left_running(&self, number: usize) -> Result<Vec<reap::Found>> {
        let folder = &self.host(number)?.folder;
        let parts: Vec<PathBuf> = ["conf", "own"].map(|part| folder.join(part)).to_vec();
        let found = reap::processes(&parts).into_iter();
        // ZooKeeper is beside the first one.
        Ok(found.filter(|one| !one.what.contains("QuorumPeerMain")).collect())
    }

    /// The end of all logs, for an error.
    #[must_use]
    pub fn last_words(&self) -> String {
        self.site.last_words()
    }
}
