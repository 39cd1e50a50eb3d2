//! KWDB on [testbed](crate::testbed) hosts: installed by its own `deploy.sh`, run by the unit that this leaves, with a
//! site beside them. What is asked is asked of KWDB, systemd and the disks; Bellows is only told what to do.

use std::{
    collections::BTreeMap,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use bellows_proto::v1::ClusterDetail;

use super::{Client, Members, PORT, Security, Writer, kit, loopback::Pace};
use crate::{
    kills::play,
    process, real_hosts,
    site::{Cli, Coordinator, temporary},
    testbed::{Host, Testbed},
};

/// The cluster's name.
pub const CLUSTER: &str = "meters";
/// Nothing of a test takes longer.
pub const LIMIT: Duration = Duration::from_secs(240);

/// What is there at first.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Names of the hosts.
    pub hosts: &'static [&'static str],
    /// The first so many have a member each.
    pub members: usize,
    /// With certificates.
    pub secure: bool,
    /// Of the double.
    pub pace: Pace,
}

/// Real hosts with a cluster of KWDB, and a coordinator beside them.
pub struct Machines {
    /// The hosts.
    pub testbed: Testbed,
    /// Beside them.
    pub coordinator: Coordinator,
    /// Who should be a member now.
    pub members: Members,
    /// The client that writes.
    pub writer: Option<Writer>,
    named: usize,
    // Dropped last.
    folder: Folder,
}

/// The folder of coordinator and client, removed at the end.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Machines {
    /// Boots hosts, installs KWDB on all of them, makes a cluster of the first ones, and a site. Nothing is adopted yet.
    ///
    /// # Errors
    /// As [`Testbed::up`]; or something does not come.
    pub async fn up(shape: Shape) -> Result<Self> {
        let testbed = Testbed::up(shape.hosts)?;
        let folder = Folder(temporary("kwdb")?);
        let mut coordinator = Coordinator::init(&folder.0, &testbed.outside().to_string()).await?;
        coordinator.start().await?;
        let addresses: Vec<String> =
            testbed.hosts().iter().map(|host| host.address().to_string()).collect();
        let members = addresses.get(..shape.members).context("more members than hosts")?;
        for host in testbed.hosts() {
            kit::put(host, shape.pace, shape.secure)?;
            let security = if shape.secure { "tls" } else { "insecure" };
            let section = format!("[systems.kwdb]\nsecurity = \"{security}\"\nadopt = true\n");
            real_hosts::put_agent_for(host, &section)?;
        }
        kit::install(testbed.hosts(), shape.members, shape.secure)?;
        let security = match shape.secure {
            true => Security::Certificates(certificates(testbed.hosts(), &folder.0)?),
            false => Security::Insecure,
        };
        let client = Client { program: outside(&folder.0)?, security };
        real_hosts::enrol(&testbed, &coordinator).await?;
        let addresses = members.iter().map(|address| format!("{address}:{PORT}")).collect();
        let members = Members { client, addresses };
        members.agree().await.context("the cluster as deploy.sh made it")?;
        members.are_replicated().await?;
        let named = shape.members;
        Ok(Self { testbed, coordinator, members, writer: None, named, folder })
    }

    /// The command line.
    #[must_use]
    pub fn cli(&self) -> Cli {
        self.coordinator.cli().clone()
    }

    /// Where its own files are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder.0
    }

    /// A host.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn host(&self, name: &str) -> Result<&Host> {
        self.testbed.host(name)
    }

    /// Where a host's member listens.
    ///
    /// # Errors
    /// There is no such host.
    pub fn address(&self, host: &str) -> Result<String> {
        Ok(format!("{}:{PORT}", self.host(host)?.address()))
    }

    /// Takes the cluster into care.
    ///
    /// # Errors
    /// It does not rest as done.
    pub async fn adopt(&mut self) -> Result<()> {
        let hosts: Vec<&Host> = self.testbed.hosts().iter().take(self.named).collect();
        let mut words = vec!["cluster", "adopt", CLUSTER, "--system", "kwdb"];
        words.extend(hosts.iter().flat_map(|host| ["--host", host.name()]));
        words.extend(["--option", "poll_s=1", "--yes"]);
        self.cli().run(&words).await?.expect_code(0)?;
        Ok(())
    }

    /// Lets a client write from now on, at whoever takes it.
    ///
    /// # Errors
    /// The first member refuses.
    pub async fn write(&mut self) -> Result<()> {
        let everybody: Vec<String> =
            self.testbed.hosts().iter().map(|host| format!("{}:{PORT}", host.address())).collect();
        self.writer = Some(Writer::start(&self.members.client, &everybody).await?);
        // Its table is new.
        self.members.are_replicated().await?;
        self.writes_on(5).await
    }

    /// Waits until so many rows more are acknowledged.
    ///
    /// # Errors
    /// Not within four minutes.
    pub async fn writes_on(&self, rows: usize) -> Result<()> {
        self.writer.as_ref().context("no writer")?.writes_on(rows, LIMIT).await
    }

    /// Nothing acknowledged is lost, asked at every member; they see each other and nobody else.
    ///
    /// # Errors
    /// It does not become so within two minutes.
    pub async fn is_well(&self) -> Result<()> {
        self.members.agree().await?;
        self.writes_on(2).await?;
        self.writer.as_ref().context("no writer")?.all_there(&self.members.list()).await
    }

    /// Members by name, with their hosts, as the cluster's spec has them.
    ///
    /// # Errors
    /// The coordinator does not answer.
    pub async fn nodes(&self) -> Result<BTreeMap<String, String>> {
        let seen: ClusterDetail = self.cli().json(&["cluster", "show", CLUSTER]).await?;
        let nodes = seen.spec.context("a cluster without a spec")?.nodes;
        Ok(nodes.into_iter().map(|one| (one.node, one.host)).collect())
    }

    /// The member on a host, as Bellows calls it.
    ///
    /// # Errors
    /// There is none.
    pub async fn node(&self, host: &str) -> Result<String> {
        let nodes = self.nodes().await?;
        let found = nodes.iter().find(|(_, at)| at.as_str() == host);
        Ok(found.with_context(|| format!("no member on {host}: {nodes:?}"))?.0.clone())
    }

    /// A name that no node had before.
    pub fn new_node(&mut self) -> String {
        self.named += 1;
        format!("kw{}", self.named)
    }

    /// Has an operation done, to its end. Words: without `--yes`.
    ///
    /// # Errors
    /// It is refused, or does not rest as done.
    pub async fn done(&self, words: &[&str]) -> Result<String> {
        let ended = self.cli().run(&[words, &["--yes"]].concat()).await?;
        ended.expect_code(0).map(str::to_owned).with_context(|| words.join(" "))
    }

    /// Begins an operation and returns its id. Words: without `--yes` and `--detach`.
    ///
    /// # Errors
    /// It is refused.
    pub async fn begin(&self, words: &[&str]) -> Result<String> {
        self.cli().run(&[words, &["--yes", "--detach"]].concat()).await?.expect_code(0)?;
        let list = self.cli().operations().await?;
        Ok(list.last().context("no operation began")?.operation.clone())
    }

    /// A host has a member from now on.
    ///
    /// # Errors
    /// There is no such host.
    pub fn came(&mut self, host: &str) -> Result<()> {
        let address = self.address(host)?;
        self.members.addresses.insert(address);
        Ok(())
    }

    /// A host has no member any more.
    ///
    /// # Errors
    /// There is no such host.
    pub fn left(&mut self, host: &str) -> Result<()> {
        let address = self.address(host)?;
        self.members.addresses.remove(&address);
        Ok(())
    }

    /// How many ranges have a replica at a host's node, asked at a member that is on another host.
    ///
    /// # Errors
    /// Nobody answers, or there is no such node.
    pub async fn replicas(&self, host: &str) -> Result<u64> {
        let address = self.address(host)?;
        let others: Vec<String> =
            self.members.list().into_iter().filter(|other| *other != address).collect();
        let mut last = anyhow::anyhow!("nobody else");
        for other in &others {
            let client = &self.members.client;
            let asked = async {
                let rows = client.known(other).await?;
                let ids = rows.iter().filter(|row| row.address == address).map(|row| row.id);
                client.replicas(other, ids.max().context("no such node")?).await
            };
            match asked.await {
                Ok(count) => return Ok(count),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Waits until a host's node has a number of replicas that fits; returns it.
    ///
    /// # Errors
    /// Not within four minutes.
    pub async fn until_replicas(&self, host: &str, fits: impl Fn(u64) -> bool) -> Result<u64> {
        let seen = Mutex::new(0);
        process::until(&format!("the replicas at {host}"), LIMIT, || async {
            let count = self.replicas(host).await?;
            *seen.lock().unwrap_or_else(PoisonError::into_inner) = count;
            ensure!(fits(count), "{count}");
            Ok(true)
        })
        .await?;
        Ok(seen.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// An error, with the end of the journal and what the programs said.
    pub async fn story(&self, error: anyhow::Error) -> anyhow::Error {
        let error = play::with_journal(&self.cli(), error).await;
        let rows = self.members.seen().await;
        let mut words = vec![format!("{error:#}"), format!("== members\n{rows:#?}")];
        words.push(crate::site::cli::tail(self.coordinator.log()));
        let on = self.testbed.hosts().iter().filter(|host| host.is_on());
        words.extend(on.map(|host| format!("== {}\n{}", host.name(), kit::last_words(host))));
        anyhow::anyhow!("{}", words.join("\n"))
    }

    /// Waits until all agents of hosts that are on are connected.
    ///
    /// # Errors
    /// Not within four minutes.
    pub async fn connected(&self) -> Result<()> {
        let wanted = self.testbed.hosts().iter().filter(|host| host.is_on()).count();
        let cli = self.cli();
        process::until("all agents are connected", LIMIT, || async {
            Ok(cli.connected_hosts().await? == wanted)
        })
        .await
    }
}

/// What a client that is not on a host needs, and nothing else.
fn certificates(hosts: &[Host], folder: &Path) -> Result<PathBuf> {
    let first = hosts.first().context("no host")?;
    let certs = folder.join("certs");
    std::fs::create_dir_all(&certs).context("folder for certificates")?;
    for name in ["ca.crt", "client.root.crt", "client.root.key"] {
        let bytes = first.get(&format!("{}/{name}", kit::CERTS))?;
        let path = certs.join(name);
        std::fs::write(&path, bytes).with_context(|| format!("write {}", path.display()))?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    }
    Ok(certs)
}

/// The program for the client, with a `double.toml` of nobody beside it.
fn outside(folder: &Path) -> Result<PathBuf> {
    let own = folder.join("kwbase");
    std::fs::copy(super::program()?, &own).context("the client's program")?;
    Ok(own)
}
