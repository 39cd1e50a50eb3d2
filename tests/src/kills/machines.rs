//! Real systemd hosts with a site: the coordinator runs beside them, on a small file system of
//! its own.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::small_disk::SmallDisk;
use crate::{
    process,
    real_hosts::{self, PASSWORD, TOOL_LOG},
    site::{Cli, Coordinator, temporary},
    sql::{Login, Server},
    testbed::{Host, Testbed},
    wrapper,
    writer::{TABLE, Writer},
};

/// The cluster's name.
pub const CLUSTER: &str = "orders";
/// Where the data directories are, a small file system of its own.
pub const DATA: &str = "/srv/pg";
/// Nothing of a test takes longer.
pub const LIMIT: Duration = Duration::from_secs(240);

/// What is there at first.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Names of the hosts.
    pub hosts: &'static [&'static str],
    /// The first so many have a member each: `pg1` on the first one, and so on.
    pub members: usize,
    /// Data directories lie in small file systems that a power cut takes away.
    pub small_disks: bool,
}

/// Two members, and room for a third one.
pub const GROWING: Shape = Shape { hosts: &["db1", "db2", "db3"], members: 2, small_disks: true };

/// Real hosts with a cluster, a writer, and a coordinator beside them whose folder is a small file
/// system of its own.
pub struct Machines {
    /// The hosts.
    pub testbed: Testbed,
    /// Beside them.
    pub coordinator: Coordinator,
    /// Where its store is.
    pub disk: SmallDisk,
    /// The client.
    pub writer: Option<Writer>,
    third: u32,
}

impl Machines {
    /// Boots hosts, makes a site and a cluster, and lets a writer begin.
    ///
    /// # Errors
    /// As [`Testbed::up`]; or something of Bellows does not come.
    pub async fn up(shape: Shape) -> Result<Self> {
        let testbed = Testbed::up(shape.hosts)?;
        let disk = SmallDisk::over(temporary("hosts")?, "64m").await?;
        let outside = testbed.outside().to_string();
        let mut coordinator = Coordinator::init(disk.folder(), &outside).await?;
        coordinator.start().await?;
        for host in testbed.hosts() {
            install(host, shape.small_disks)?;
        }
        real_hosts::enrol(&testbed, &coordinator).await?;
        let mut machines = Self { testbed, coordinator, disk, writer: None, third: 2 };
        machines.create(shape.members).await?;
        Ok(machines)
    }

    /// The command line.
    pub fn cli(&self) -> Cli {
        self.coordinator.cli().clone()
    }

    /// Waits until all agents are connected.
    ///
    /// # Errors
    /// Not within four minutes.
    pub async fn connected(&self) -> Result<()> {
        real_hosts::connected(&self.testbed, self.coordinator.cli()).await
    }

    async fn create(&mut self, members: usize) -> Result<()> {
        let networks = format!("client_networks={}/32", self.testbed.outside());
        let hosts = self.testbed.hosts().iter().take(members).enumerate();
        let nodes: Vec<String> =
            hosts.map(|(number, host)| format!("pg{}@{}", number + 1, host.name())).collect();
        let mut words = vec!["cluster", "create", CLUSTER, "--system", "postgresql"];
        words.extend(nodes.iter().flat_map(|node| ["--node", node]));
        words.extend(["--option", &networks, "--option", "shared_buffers_mib=32", "--yes"]);
        self.cli().run(&words).await?.expect_code(0)?;
        // On the host itself the database's administrator needs no password.
        let statements = format!(
            "create role observer superuser login password '{PASSWORD}'; \
             create table filler as select i as id, repeat(md5(i::text), 30) as text \
             from generate_series(1, 32768) as i"
        );
        let sockets = format!("--host=/run/bellows-postgresql/{CLUSTER}/pg1");
        let psql = format!("{}/psql", wrapper::POSTGRESQL_BIN);
        self.testbed.host("db1")?.succeed(&[
            "runuser",
            "--user",
            "postgres",
            "--",
            &psql,
            "-X",
            &sockets,
            "--username=postgres",
            "--dbname=repmgr",
            "--command",
            &statements,
        ])?;
        // Any host may have the primary one day.
        let hosts = self.testbed.hosts().iter();
        let addresses: Vec<String> = hosts.map(|host| host.address().to_string()).collect();
        self.writer = Some(Writer::start(&addresses, &login()).await?);
        Ok(())
    }

    /// A host's address.
    ///
    /// # Errors
    /// There is no such host.
    pub fn address(&self, host: &str) -> Result<String> {
        Ok(self.testbed.host(host)?.address().to_string())
    }

    /// A host's server.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn server(&self, host: &str) -> Result<Server> {
        Server::connect(&self.address(host)?, &login()).await
    }

    /// Begins an expand onto the third host and waits for the middle of its slow copy.
    ///
    /// # Errors
    /// It is refused, or does not copy.
    pub async fn copying(&mut self, rate_kib: u32) -> Result<String> {
        self.third += 1;
        let node = format!("pg{}@db3", self.third);
        let rate = format!("clone_rate_kib={rate_kib}");
        let words = ["expand", CLUSTER, "--node", &node, "--option", &rate, "--yes", "--detach"];
        self.cli().run(&words).await?.expect_code(0)?;
        let list = self.cli().operations().await?;
        let operation = list.last().context("no operation began")?.operation.clone();
        let primary = self.server("db1").await?;
        process::until("the copy is on its way", LIMIT, || async {
            let progress = primary.backup_progress().await?;
            Ok(progress.is_some_and(|(done, total)| done * 10 > total && done * 5 < total * 3))
        })
        .await?;
        Ok(operation)
    }

    /// The third node is a member everywhere and has every acknowledged row; then it leaves.
    ///
    /// # Errors
    /// It is not so.
    pub async fn grown(&mut self, operation: &str) -> Result<()> {
        let third = format!("pg{}", self.third);
        let rows = self.writer.as_ref().context("no writer")?.tally().acknowledged;
        let written = self.server("db1").await?.written().await?;
        for host in GROWING.hosts {
            let server = self.server(host).await?;
            let names: Vec<String> =
                server.members().await?.into_iter().map(|one| one.name).collect();
            ensure!(names == ["pg1", "pg2", &third], "{host} counts {names:?}");
            if server.in_recovery().await? {
                server.replayed(&written, LIMIT).await?;
            }
            let missing = rows.difference(&server.ids(TABLE).await?).count();
            ensure!(missing == 0, "{missing} acknowledged rows are not at {host}");
        }
        let slots = self.server("db1").await?.slots().await?;
        ensure!(slots.len() == 2 && slots.iter().all(|one| one.active), "slots: {slots:?}");
        self.settled(operation).await?;
        let words = ["shrink", CLUSTER, "--node", &third, "--option", "data=wipe", "--yes"];
        self.cli().run(&words).await?.expect_code(0)?;
        Ok(())
    }

    /// No job is left on any host, and no tool ran twice.
    ///
    /// # Errors
    /// It is not so.
    pub async fn settled(&self, operation: &str) -> Result<()> {
        let cli = self.cli();
        let mut journals = Vec::new();
        for one in cli.operations().await? {
            journals.push(cli.operation(&one.operation).await?);
        }
        let mut runs = Vec::new();
        for host in self.testbed.hosts() {
            let Ok(log) = host.get(TOOL_LOG) else { continue };
            runs.push((host.name().to_owned(), wrapper::parse(&String::from_utf8(log)?)?));
            let units =
                host.succeed(&["systemctl", "list-units", "--plain", "--no-legend", "*job*"])?;
            ensure!(!units.contains(operation), "{} still has {units}", host.name());
        }
        let attempts = crate::duplicates::attempts(&journals);
        let findings = crate::duplicates::find(&runs, &attempts);
        let doubled: Vec<&String> =
            findings.duplicates.iter().filter(|one| !of_a_service(one)).collect();
        ensure!(doubled.is_empty(), "doubled tool runs: {doubled:?}");
        Ok(())
    }
}

/// systemd starts servers and repmgrd again by itself, and repmgrd promotes and follows by repmgr.
fn of_a_service(run: &str) -> bool {
    [": postgres ", ": repmgrd ", " standby promote", " standby follow", " reload"]
        .iter()
        .any(|words| run.contains(words))
}

/// A superuser that may log in from beside the hosts.
pub fn login() -> Login {
    Login {
        user: "observer".to_owned(),
        password: PASSWORD.to_owned(),
        database: "repmgr".to_owned(),
        port: 5432,
    }
}

/// What a package and an administrator would put on a host.
fn install(host: &Host, small_disks: bool) -> Result<()> {
    let tools = real_hosts::put_tools(host)?;
    host.succeed(&["mkdir", "-p", DATA])?;
    if small_disks {
        // The guards want 1 GiB and the databases' size.
        host.succeed(&["mount", "-t", "tmpfs", "-o", "size=2500m,mode=755", "tmpfs", DATA])?;
    }
    real_hosts::put_agent(host, &format!("{tools}data_root = \"{DATA}\"\n"))
}
