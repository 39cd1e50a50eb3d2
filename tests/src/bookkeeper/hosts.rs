//! BookKeeper on [testbed](crate::testbed) hosts, run by the units that an administrator wrote, with a site beside them.
//! What is asked is asked of BookKeeper, systemd and the disks; Bellows is only told what to do.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use bellows_proto::v1::ClusterDetail;

use super::{
    Generator, Members, Reader, Shape, Writer, ZOOKEEPER_PORT, get, home,
    layer::{self, HOME},
    verify,
};
use crate::{
    kills::play,
    process, real_hosts,
    site::{Cli, Coordinator, temporary},
    testbed::{Host, Testbed},
};

/// The cluster's name.
pub const CLUSTER: &str = "ledgers";
/// The unit of the administrator's bookies.
pub const UNIT: &str = "bookkeeper.service";
/// Their configuration.
pub const CONF: &str = "/etc/bookkeeper/bk_server.conf";
/// Where all bookies have their data.
pub const DATA: &str = "/var/lib/bookkeeper";
/// Nothing of a test takes longer.
pub const LIMIT: Duration = Duration::from_secs(300);

/// Real hosts with a cluster of BookKeeper, and a coordinator beside them.
pub struct Machines {
    /// The hosts.
    pub testbed: Testbed,
    /// Beside them.
    pub coordinator: Coordinator,
    /// Who should be a bookie now.
    pub members: Members,
    /// What new ledgers look like.
    pub shape: Shape,
    /// Writes and reads.
    pub generator: Generator,
    traffic: Option<(Writer, Reader)>,
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
    /// Boots hosts with BookKeeper on them; ZooKeeper on the first, bookies on the first so many, and a site. Nothing is
    /// adopted yet.
    ///
    /// # Errors
    /// As [`Testbed::up`]; or something does not come.
    pub async fn up(hosts: &[&str], members: usize, shape: Shape) -> Result<Self> {
        let testbed = Testbed::up_with(hosts, &[layer::tree(&crate::testbed::cache()?).await?])?;
        let folder = Folder(temporary("bookkeeper")?);
        let mut coordinator = Coordinator::init(&folder.0, &testbed.outside().to_string()).await?;
        coordinator.start().await?;
        let first = testbed.hosts().first().context("no host")?;
        let zookeeper = format!("{}:{ZOOKEEPER_PORT}", first.address());
        for (index, host) in testbed.hosts().iter().enumerate() {
            put(host, &zookeeper, index < members)?;
        }
        start_zookeeper(first).await?;
        let conf = format!("BOOKIE_CONF={CONF}");
        let init = format!("{HOME}/bin/bookkeeper");
        first.succeed(&[
            "runuser",
            "-u",
            "bookkeeper",
            "--",
            "env",
            &conf,
            "BOOKIE_LOG_DIR=/var/log/bookkeeper",
            &init,
            "shell",
            "initnewcluster",
        ])?;
        for host in testbed.hosts().iter().take(members) {
            host.succeed(&["systemctl", "enable", "--now", "--quiet", UNIT])?;
        }
        let addresses =
            testbed.hosts().iter().take(members).map(|host| host.address().to_string()).collect();
        let members_seen = Members { addresses };
        members_seen.agree().await.context("the cluster as the administrator made it")?;
        real_hosts::enrol(&testbed, &coordinator).await?;
        let generator = Generator { home: home()?, zookeeper, records: folder.0.clone() };
        Ok(Self {
            testbed,
            coordinator,
            members: members_seen,
            shape,
            generator,
            traffic: None,
            named: members,
            folder,
        })
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

    /// The id of a host's bookie.
    ///
    /// # Errors
    /// There is no such host.
    pub fn id(&self, host: &str) -> Result<String> {
        Ok(Members::id(&self.host(host)?.address().to_string()))
    }

    /// Takes the cluster into care.
    ///
    /// # Errors
    /// It does not rest as done.
    pub async fn adopt(&mut self) -> Result<()> {
        let hosts: Vec<&Host> = self.testbed.hosts().iter().take(self.named).collect();
        let mut words = vec!["cluster", "adopt", CLUSTER, "--system", "bookkeeper"];
        words.extend(hosts.iter().flat_map(|host| ["--host", host.name()]));
        words.extend(["--option", "min_bookies=3", "--yes"]);
        self.cli().run(&words).await?.expect_code(0)?;
        Ok(())
    }

    /// Lets one client write from now on, and another one read that back.
    ///
    /// # Errors
    /// Nothing is acknowledged.
    pub async fn write(&mut self) -> Result<()> {
        let writer = Writer::start(&self.generator, "writer", 200, self.shape).await?;
        let (generator, record) = writer.record();
        self.traffic = Some((writer, Reader::start(generator, record)));
        Ok(())
    }

    /// The writer goes on; the bookies see each other and nobody else.
    ///
    /// # Errors
    /// It does not become so.
    pub async fn is_well(&self) -> Result<()> {
        self.members.agree().await?;
        let (writer, _) = self.traffic.as_ref().context("no writer")?;
        writer.writes_on(5, LIMIT).await
    }

    /// The clients end; every acknowledged entry is read back, with all its copies.
    ///
    /// # Errors
    /// One is not there, or was not in between.
    pub async fn all_is_there(&mut self) -> Result<usize> {
        let (writer, reader) = self.traffic.take().context("no writer")?;
        let (generator, record) = writer.record();
        let told = writer.finish().await?;
        reader.finish().await?;
        self.members.are_replicated().await?;
        let found = verify(&generator, &record, true).await?;
        ensure!(
            found.ok && found.entries == told.entries && told.entries > 0,
            "{found:?} {told:?}"
        );
        Ok(told.entries)
    }

    /// Bookies by name, with their hosts, as the cluster's spec has them.
    ///
    /// # Errors
    /// The coordinator does not answer.
    pub async fn nodes(&self) -> Result<BTreeMap<String, String>> {
        let seen: ClusterDetail = self.cli().json(&["cluster", "show", CLUSTER]).await?;
        let nodes = seen.spec.context("a cluster without a spec")?.nodes;
        Ok(nodes.into_iter().map(|one| (one.node, one.host)).collect())
    }

    /// The bookie on a host, as Bellows calls it.
    ///
    /// # Errors
    /// There is none.
    pub async fn node(&self, host: &str) -> Result<String> {
        let nodes = self.nodes().await?;
        let found = nodes.iter().find(|(_, at)| at.as_str() == host);
        Ok(found.with_context(|| format!("no bookie on {host}: {nodes:?}"))?.0.clone())
    }

    /// A name that no node had before.
    pub fn new_node(&mut self) -> String {
        self.named += 1;
        format!("bk{}", self.named)
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

    /// A host has a bookie from now on.
    ///
    /// # Errors
    /// There is no such host.
    pub fn came(&mut self, host: &str) -> Result<()> {
        let address = self.host(host)?.address().to_string();
        self.members.addresses.insert(address);
        Ok(())
    }

    /// A host has no bookie any more.
    ///
    /// # Errors
    /// There is no such host.
    pub fn left(&mut self, host: &str) -> Result<()> {
        let address = self.host(host)?.address().to_string();
        self.members.addresses.remove(&address);
        Ok(())
    }

    /// Waits until a number of ledgers that fits name a host's bookie; returns it.
    ///
    /// # Errors
    /// Not in time.
    pub async fn until_ledgers(&self, host: &str, fits: impl Fn(usize) -> bool) -> Result<usize> {
        let id = self.id(host)?;
        let seen = Mutex::new(0);
        process::until(&format!("the ledgers of {host}"), LIMIT, || async {
            let count = self.members.ledgers_of(&id).await?;
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
        let mut words = vec![format!("{error:#}")];
        words.push(crate::site::cli::tail(self.coordinator.log()));
        for host in self.testbed.hosts().iter().filter(|host| host.is_on()) {
            let said = host.succeed(&[
                "journalctl",
                "--no-pager",
                "-n",
                "40",
                "-u",
                "bellows*",
                "-u",
                UNIT,
            ]);
            words.push(format!("== {}\n{}", host.name(), said.unwrap_or_default()));
        }
        anyhow::anyhow!("{}", words.join("\n"))
    }

    /// Waits until all agents of hosts that are on are connected.
    ///
    /// # Errors
    /// Not in time.
    pub async fn connected(&self) -> Result<()> {
        let wanted = self.testbed.hosts().iter().filter(|host| host.is_on()).count();
        let cli = self.cli();
        process::until("all agents are connected", LIMIT, || async {
            Ok(cli.connected_hosts().await? == wanted)
        })
        .await
    }
}

/// User, units, configuration and folders, as an administrator puts them; the agent.
fn put(host: &Host, zookeeper: &str, bookie: bool) -> Result<()> {
    let from = home()?;
    let address = host.address().to_string();
    host.succeed(&[
        "useradd",
        "--system",
        "--home-dir",
        DATA,
        "--shell",
        "/usr/sbin/nologin",
        "bookkeeper",
    ])?;
    let folders: &[&str] = match bookie {
        true => &["journal", "ledgers", "zookeeper"],
        false => &[],
    };
    let folders = folders.iter().map(|name| format!("{DATA}/{name}"));
    for folder in folders.chain([DATA.to_owned(), "/var/log/bookkeeper".to_owned()]) {
        host.succeed(&["install", "-d", "-o", "bookkeeper", "-g", "bookkeeper", &folder])?;
    }
    if bookie {
        let text = std::fs::read_to_string(from.join("conf/host.conf.in")).context("conf")?;
        let text = text.replace("@ZOOKEEPER@", zookeeper).replace("@ADDRESS@", &address);
        // Asked from outside too: by the tests.
        let text = text
            .replace("@PERSIST@", "true")
            .replace("httpServerHost=127.0.0.1", &format!("httpServerHost={address}"));
        host.put(CONF, text.as_bytes(), 0o644)?;
        let unit = std::fs::read(from.join("systemd").join(UNIT)).context("the unit")?;
        host.put(&format!("/etc/systemd/system/{UNIT}"), &unit, 0o644)?;
        host.succeed(&["systemctl", "daemon-reload"])?;
    }
    let mut section = vec!["[systems.bookkeeper]".to_owned(), format!("http_host = \"{address}\"")];
    if bookie {
        section.push(format!("adopt_conf_file = \"{CONF}\"\nadopt_unit = \"{UNIT}\""));
    }
    section.push(String::new());
    real_hosts::put_agent_for(host, &section.join("\n"))
}

async fn start_zookeeper(host: &Host) -> Result<()> {
    let from = home()?;
    let text = std::fs::read_to_string(from.join("conf/zookeeper.conf.in")).context("conf")?;
    let text = text
        .replace("@DATA@", &format!("{DATA}/zookeeper"))
        .replace("@PORT@", &ZOOKEEPER_PORT.to_string())
        .replace("@ADDRESS@", &host.address().to_string());
    host.put("/etc/bookkeeper/zookeeper.conf", text.as_bytes(), 0o644)?;
    let unit = std::fs::read(from.join("systemd/zookeeper.service")).context("the unit")?;
    host.put("/etc/systemd/system/zookeeper.service", &unit, 0o644)?;
    host.succeed(&["systemctl", "daemon-reload"])?;
    host.succeed(&["systemctl", "enable", "--now", "--quiet", "zookeeper.service"])?;
    let at = format!("{}:{ZOOKEEPER_PORT}", host.address());
    process::until("ZooKeeper listens", LIMIT, || async {
        Ok(tokio::net::TcpStream::connect(&at).await.map(|_| true)?)
    })
    .await
}

/// The bookie of a host answers.
///
/// # Errors
/// Not in time.
pub async fn answers(host: &Host) -> Result<()> {
    let at = Members::http(&host.address().to_string());
    process::until(&format!("the bookie of {} answers", host.name()), LIMIT, || async {
        Ok(get(&at, "/heartbeat").await?.status == 200)
    })
    .await
}
