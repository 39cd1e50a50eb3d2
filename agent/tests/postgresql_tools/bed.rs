//! Hosts for tests: each with its own `agent.toml`, folders and loopback address, on one
//! machine, with the real tools and real processes. Nothing is left running.

use std::{
    net::{IpAddr, Ipv4Addr, TcpListener},
    os::unix::fs::PermissionsExt as _,
    sync::{Arc, Mutex},
    time::Duration,
};

use bellows_agent::{
    config,
    exec::Finished,
    facilities::{Local, services::process_mark},
    host::{Access, Host as _, ProcessId, RealHost, Signal, SystemClock},
    tools::{self, JobContext, QueryContext, Recorder},
};
use bellows_proto::v1::{
    Action, Answer, ClaimNode, ClaimResource, Fault, FaultCode, HostAction, NodeRef, Placement,
    PostgresqlAction, PostgresqlAnswer, PostgresqlBackups, PostgresqlBackupsQuery,
    PostgresqlFindQuery, PostgresqlFoundServer, PostgresqlLogin, PostgresqlLoginQuery,
    PostgresqlNodeQuery, PostgresqlPlacement, PostgresqlQuery, PostgresqlReading, PostgresqlServer,
    Progress, Query, ToolRun, action, answer, host_action, placement, postgresql_action,
    postgresql_answer, postgresql_query, postgresql_reading, query,
};
use camino::{Utf8Path, Utf8PathBuf};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

pub const CLUSTER: &str = "orders";
pub const PASSWORD: &str = "a:secret\\ password";
const OPERATION: &str = "operation-1";

/// What a job told.
#[derive(Default)]
pub struct Told {
    pub runs: Mutex<Vec<ToolRun>>,
    pub output: Mutex<Vec<u8>>,
    pub progress: Mutex<Vec<Progress>>,
}

impl Recorder for Told {
    fn tool_started(&self, run: ToolRun) -> usize {
        let mut runs = self.runs.lock().unwrap();
        runs.push(run);
        runs.len() - 1
    }

    fn tool_ended(&self, place: usize, ended_at_ms: i64, finished: Option<&Finished>, _: [u8; 32]) {
        let mut runs = self.runs.lock().unwrap();
        runs[place].ended_at_ms = ended_at_ms;
        runs[place].exit_status = finished.and_then(|finished| finished.status);
    }

    fn output(&self, bytes: &[u8]) {
        self.output.lock().unwrap().extend_from_slice(bytes);
    }

    fn progress(&self, progress: Progress) {
        self.progress.lock().unwrap().push(progress);
    }
}

/// One machine's worth of hosts.
pub struct Bed {
    folder: TempDir,
    runtime: TempDir,
    os_user: String,
    subnet: [u8; 2],
    pub port: u16,
    services: Mutex<Vec<(Local, String)>>,
}

/// One host.
pub struct Host<'a> {
    bed: &'a Bed,
    pub local: Local,
    pub address: IpAddr,
}

impl Bed {
    pub fn new() -> Self {
        // Readable for the owner of the nodes, who is another user where tests run as root.
        let folder = tempfile::Builder::new().prefix("bpg").tempdir().unwrap();
        open(folder.path());
        // Secrets reach no disk.
        let runtime = tempfile::tempdir_in("/dev/shm").unwrap();
        open(runtime.path());
        let subnet = subnet(folder.path().as_os_str().as_encoded_bytes());
        let port = TcpListener::bind((Ipv4Addr::new(127, subnet[0], subnet[1], 1), 0))
            .and_then(|listener| listener.local_addr())
            .unwrap()
            .port();
        let root = rustix::process::geteuid().is_root();
        let os_user = if root { "postgres".to_owned() } else { user_name() };
        let bed = Self { folder, runtime, os_user, subnet, port, services: Mutex::default() };
        bed.passfile("passfile", PASSWORD);
        bed
    }

    /// The folder of all of it.
    pub fn path(&self) -> &Utf8Path {
        Utf8Path::from_path(self.folder.path()).unwrap()
    }

    /// Places a login of the repmgr role, as the administrator does.
    fn passfile(&self, name: &str, password: &str) {
        let escaped = password.replace('\\', "\\\\").replace(':', "\\:");
        let text = format!("# logins\n*:*:*:repmgr:{escaped}\n");
        let access = Access::owned(0o600, &self.os_user);
        let host = RealHost::new(env!("CARGO_BIN_EXE_bellows-agent"));
        host.write(&self.path().join(name), text.as_bytes(), &access).unwrap();
    }

    pub fn host(&self, number: u8) -> Host<'_> {
        self.host_with_password(number, PASSWORD)
    }

    pub fn host_with_password(&self, number: u8, password: &str) -> Host<'_> {
        self.host_with(number, password, "")
    }

    /// `more`: lines for `[systems.postgresql]`.
    pub fn host_with(&self, number: u8, password: &str, more: &str) -> Host<'_> {
        let address: IpAddr = [127, self.subnet[0], self.subnet[1], number].into();
        let folder = self.path().join(format!("h{number}"));
        let passfile = if password == PASSWORD {
            self.path().join("passfile")
        } else {
            self.passfile("other-passfile", password);
            self.path().join("other-passfile")
        };
        let text = format!(
            "[agent]\nhost = \"h{number}\"\ndata_dir = \"{folder}/agent\"\nruntime_dir = \"{}/h{number}\"\n\
             address = \"{address}\"\nlaunch = \"process\"\n\
             [systems.postgresql]\nbin_dir = \"{}\"\nos_user = \"{}\"\ndata_root = \"{folder}/data\"\n\
             conf_root = \"{folder}/conf\"\nlog_root = \"{folder}/log\"\nsocket_root = \"{folder}/sock\"\n\
             passfile = \"{passfile}\"\nport = {}\n{more}",
            self.runtime.path().display(),
            bin_dir(),
            self.os_user,
            self.port,
        );
        let path = self.path().join(format!("h{number}.toml"));
        let config = config::parse(&path, &text).unwrap_or_else(|error| panic!("{error}"));
        std::fs::write(&path, text).unwrap();
        let own_program = Utf8PathBuf::from(env!("CARGO_BIN_EXE_bellows-agent"));
        let local = Local {
            host: Arc::new(RealHost::new(own_program.clone())),
            clock: Arc::new(SystemClock),
            config: Arc::new(config),
            form: config::LaunchForm::Process,
            own_program,
            versions: Arc::default(),
            sudo: Arc::default(),
        };
        for folder in [&local.config.agent.data_dir, &local.config.agent.runtime_dir] {
            std::fs::create_dir_all(folder).unwrap();
        }
        Host { bed: self, local, address }
    }
}

impl Drop for Bed {
    /// Ends every process of every service, whatever became of the test. A server that is
    /// killed leaves its shared memory behind: it is asked first.
    #[allow(clippy::disallowed_methods)] // A destructor cannot await; it polls with a deadline.
    fn drop(&mut self) {
        let services = self.services.lock().map(|list| list.clone()).unwrap_or_default();
        let living = || -> Vec<(&Local, ProcessId)> {
            services.iter().rev().flat_map(|(local, name)| local_processes(local, name)).collect()
        };
        for (patience, signal) in [(100, Signal::Int), (40, Signal::Kill)] {
            for (local, process) in living() {
                let _ = local.host.signal(process, signal);
            }
            for _ in 0..patience {
                if living().is_empty() {
                    return;
                }
                std::thread::sleep(Duration::from_millis(50));
            }
        }
    }
}

fn local_processes<'a>(local: &'a Local, name: &str) -> Vec<(&'a Local, ProcessId)> {
    let found = local.host.marked(&process_mark(local, name)).unwrap_or_default();
    found.into_iter().map(|process| (local, process)).collect()
}

impl Host<'_> {
    /// Runs an action, and where it came through runs it once more: what is done already is no
    /// error, but for what fills a data directory, which never goes onto something that is there.
    pub async fn act(&self, kind: postgresql_action::Kind) -> Result<String, Fault> {
        let told = Arc::default();
        let first = self.act_told(kind.clone(), &told, &CancellationToken::new()).await?;
        let again = self.act_told(kind.clone(), &told, &CancellationToken::new()).await;
        match (&kind, again) {
            (_, Ok(_)) => {}
            (
                postgresql_action::Kind::CloneStandby(_) | postgresql_action::Kind::InitDatabase(_),
                Err(fault),
            ) => {
                assert_eq!(fault.code(), FaultCode::Drift, "{fault}");
            }
            (kind, Err(fault)) => panic!("the second time {kind:?}: {fault}"),
        }
        Ok(first)
    }

    pub async fn act_told(
        &self,
        kind: postgresql_action::Kind,
        told: &Arc<Told>,
        cancel: &CancellationToken,
    ) -> Result<String, Fault> {
        let action = PostgresqlAction { kind: Some(kind) };
        self.perform(action::Kind::Postgresql(action), told, cancel).await
    }

    async fn perform(
        &self,
        kind: action::Kind,
        told: &Arc<Told>,
        cancel: &CancellationToken,
    ) -> Result<String, Fault> {
        let action = Action { kind: Some(kind) };
        let context = JobContext::new(
            self.local.clone(),
            "operation-1/1/1".to_owned(),
            OPERATION.to_owned(),
            cancel.clone(),
            told.clone(),
        );
        let outcome = Box::pin(tools::perform(&action, &context)).await;
        let output = String::from_utf8_lossy(&told.output.lock().unwrap()).into_owned();
        assert!(!output.contains(PASSWORD), "a secret in the output: {output}");
        context.clear_secrets().unwrap();
        outcome
    }

    /// Claims a node here, by the host's own proposal.
    pub async fn claim(&self, name: &str, node_id: u32) -> PostgresqlPlacement {
        let reference = node(name);
        let proposed = tools::propose("postgresql", &self.local, &reference, 0).unwrap();
        let Some(placement::System::Postgresql(placement)) = proposed.system else { panic!() };
        let placement = PostgresqlPlacement { node_id, ..placement };
        for service in [&placement.server_service, &placement.repmgrd_service] {
            self.bed.services.lock().unwrap().push((self.local.clone(), service.clone()));
        }
        let claim = ClaimNode {
            node: Some(reference),
            placement: Some(Placement {
                system: Some(placement::System::Postgresql(placement.clone())),
            }),
        };
        self.act_host(host_action::Kind::ClaimNode(claim)).await;
        placement
    }

    /// Claims a slot here for a node that lives elsewhere.
    pub async fn claim_slot(&self, name: &str, slot: &str) {
        let claim = ClaimResource {
            node: Some(node(name)),
            resource: format!("postgresql:slot:{slot}"),
            prior: String::new(),
        };
        self.act_host(host_action::Kind::ClaimResource(claim)).await;
    }

    async fn act_host(&self, kind: host_action::Kind) {
        self.try_host(kind).await.unwrap();
    }

    async fn ask(&self, kind: postgresql_query::Kind) -> postgresql_answer::Kind {
        self.try_to_ask(kind).await.unwrap()
    }

    async fn try_to_ask(
        &self,
        kind: postgresql_query::Kind,
    ) -> Result<postgresql_answer::Kind, Fault> {
        let kind = query::Kind::Postgresql(PostgresqlQuery { kind: Some(kind) });
        let query = Query { kind: Some(kind) };
        let context = QueryContext::new(self.local.clone(), tools::QUERY_DEADLINE);
        match Box::pin(tools::answer(&query, &context)).await? {
            Answer { kind: Some(answer::Kind::Postgresql(PostgresqlAnswer { kind })) } => {
                Ok(kind.unwrap())
            }
            other => panic!("{other:?}"),
        }
    }

    pub async fn backups(&self) -> Result<PostgresqlBackups, Fault> {
        let query = postgresql_query::Kind::Backups(PostgresqlBackupsQuery {});
        match self.try_to_ask(query).await? {
            postgresql_answer::Kind::Backups(backups) => Ok(backups),
            other @ (postgresql_answer::Kind::Node(_)
            | postgresql_answer::Kind::Login(_)
            | postgresql_answer::Kind::Found(_)
            | postgresql_answer::Kind::Front(_)) => {
                panic!("{other:?}")
            }
        }
    }

    pub async fn read(&self, name: &str) -> PostgresqlReading {
        let query = PostgresqlNodeQuery { node: Some(node(name)) };
        match self.ask(postgresql_query::Kind::Node(query)).await {
            postgresql_answer::Kind::Node(reading) => reading,
            other @ (postgresql_answer::Kind::Login(_)
            | postgresql_answer::Kind::Found(_)
            | postgresql_answer::Kind::Backups(_)
            | postgresql_answer::Kind::Front(_)) => {
                panic!("{other:?}")
            }
        }
    }

    /// The server with this data directory, as this host finds it.
    pub async fn find(&self, data_dir: &str) -> PostgresqlFoundServer {
        match self.ask(postgresql_query::Kind::Find(PostgresqlFindQuery {})).await {
            postgresql_answer::Kind::Found(found) => {
                let own = |server: &PostgresqlFoundServer| {
                    server.placement.as_ref().is_some_and(|place| place.data_dir == data_dir)
                };
                found.servers.into_iter().find(own).unwrap()
            }
            other @ (postgresql_answer::Kind::Node(_)
            | postgresql_answer::Kind::Login(_)
            | postgresql_answer::Kind::Backups(_)
            | postgresql_answer::Kind::Front(_)) => {
                panic!("{other:?}")
            }
        }
    }

    /// An action of the host itself, whatever comes of it.
    pub async fn try_host(&self, kind: host_action::Kind) -> Result<String, Fault> {
        let kind = action::Kind::Host(HostAction { kind: Some(kind) });
        self.perform(kind, &Arc::default(), &CancellationToken::new()).await
    }

    pub async fn server(&self, name: &str) -> PostgresqlServer {
        up(self.read(name).await)
    }

    pub async fn login(&self, address: IpAddr, port: u16) -> PostgresqlLogin {
        let query = PostgresqlLoginQuery { address: address.to_string(), port: port.into() };
        match self.ask(postgresql_query::Kind::Login(query)).await {
            postgresql_answer::Kind::Login(login) => login,
            other @ (postgresql_answer::Kind::Node(_)
            | postgresql_answer::Kind::Found(_)
            | postgresql_answer::Kind::Backups(_)
            | postgresql_answer::Kind::Front(_)) => {
                panic!("{other:?}")
            }
        }
    }
}

pub fn up(reading: PostgresqlReading) -> PostgresqlServer {
    match reading.server {
        Some(postgresql_reading::Server::Up(server)) => server,
        other => panic!("the server is not up: {other:?}"),
    }
}

pub fn node(name: &str) -> NodeRef {
    NodeRef { cluster: CLUSTER.to_owned(), node: name.to_owned() }
}

fn open(path: &std::path::Path) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// Two tests at a time do not share an address.
fn subnet(name: &[u8]) -> [u8; 2] {
    let sum = name.iter().fold(0u32, |sum, byte| sum.wrapping_mul(31) + u32::from(*byte));
    let [low, high, ..] = sum.to_le_bytes();
    [64 + low % 128, high]
}

fn user_name() -> String {
    let uid = rustix::process::geteuid().as_raw().to_string();
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap();
    let entry = passwd.lines().find(|line| line.split(':').nth(2) == Some(&uid)).unwrap();
    entry.split(':').next().unwrap().to_owned()
}

/// The newest PostgreSQL with repmgr on this machine.
pub fn bin_dir() -> String {
    let root = std::path::Path::new("/usr/lib/postgresql");
    let mut found: Vec<_> = std::fs::read_dir(root)
        .map(|entries| entries.flatten().map(|entry| entry.path().join("bin")).collect())
        .unwrap_or_default();
    found.retain(|path: &std::path::PathBuf| path.join("repmgr").is_file());
    found.sort();
    let path = found.pop().expect("PostgreSQL with repmgr is not installed: run make setup");
    path.to_str().unwrap().to_owned()
}
