//! Hosts for tests: each with its own `agent.toml`, folders and loopback address, on one machine, with real processes of `kwbase`:
//! the double's, or the one that `KWBASE` names. Nothing is left running.

use std::{
    net::{IpAddr, Ipv4Addr, TcpListener},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use bellows_agent::{
    config,
    exec::Finished,
    facilities::{Local, services::process_mark},
    host::{RealHost, Signal, SystemClock},
    tools::{self, JobContext, QueryContext, Recorder},
};
use bellows_proto::v1::{
    Action, Answer, ClaimNode, Fault, HostAction, KwdbAction, KwdbAnswer, KwdbCluster,
    KwdbClusterQuery, KwdbFindQuery, KwdbFoundNode, KwdbNodeQuery, KwdbPlacement, KwdbQuery,
    KwdbReading, KwdbServer, KwdbStatus, NodeRef, Placement, Progress, Query, ToolRun, action,
    answer, host_action, kwdb_action, kwdb_answer, kwdb_query, kwdb_reading, placement, query,
};
use camino::{Utf8Path, Utf8PathBuf};
use tokio_util::sync::CancellationToken;

pub const CLUSTER: &str = "meters";
/// How long anything may take: the double is in a hurry, a real one is not.
fn patience() -> Duration {
    Duration::from_secs(if real().is_some() { 1800 } else { 90 })
}

/// The `kwbase` that is named instead of the double.
fn real() -> Option<Utf8PathBuf> {
    std::env::var("KWBASE").ok().filter(|path| !path.is_empty()).map(Into::into)
}
/// Beside the double: small, and fast.
const DOUBLE: &str = "pace = 60\nranges = 6\n";

struct Nothing;

impl Recorder for Nothing {
    fn tool_started(&self, _: ToolRun) -> usize {
        0
    }
    fn tool_ended(&self, _: usize, _: i64, _: Option<&Finished>, _: [u8; 32]) {}
    fn output(&self, _: &[u8]) {}
    fn progress(&self, _: Progress) {}
}

/// One machine's worth of hosts.
pub struct Bed {
    folder: tempfile::TempDir,
    pub program: Utf8PathBuf,
    pub secure: bool,
    subnet: [u8; 2],
    port: u16,
    installed: Mutex<Vec<Child>>,
    services: Mutex<Vec<(Local, String)>>,
}

/// One host.
pub struct Host<'a> {
    bed: &'a Bed,
    pub local: Local,
    pub number: u8,
    pub address: IpAddr,
}

impl Bed {
    pub fn new(secure: bool) -> Self {
        Self::of(secure, real())
    }

    /// The double's, whatever `KWBASE` names.
    pub fn of_double() -> Self {
        Self::of(false, None)
    }

    fn of(secure: bool, real: Option<Utf8PathBuf>) -> Self {
        let folder = tempfile::Builder::new().prefix("bkw").tempdir().unwrap();
        let path = Utf8PathBuf::try_from(folder.path().to_owned()).unwrap();
        let program = real.unwrap_or_else(|| double(&path));
        let sum = path
            .as_str()
            .bytes()
            .fold(0u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte)));
        let [low, high, ..] = sum.to_le_bytes();
        let subnet = [64 + low % 128, high];
        let port = TcpListener::bind((Ipv4Addr::new(127, subnet[0], subnet[1], 1), 0))
            .and_then(|listener| listener.local_addr())
            .unwrap()
            .port();
        let (installed, services) = (Mutex::default(), Mutex::default());
        Self { folder, program, secure, subnet, port, installed, services }
    }

    pub fn path(&self) -> &Utf8Path {
        Utf8Path::from_path(self.folder.path()).unwrap()
    }

    /// `more`: lines at the end of `agent.toml`.
    pub fn host(&self, number: u8, more: &str) -> Host<'_> {
        let address: IpAddr = [127, self.subnet[0], self.subnet[1], number].into();
        let folder = self.path().join(format!("h{number}"));
        let text = format!(
            "[agent]\nhost = \"h{number}\"\ndata_dir = \"{folder}/agent\"\nruntime_dir = \"{folder}/run\"\n\
             address = \"{address}\"\nlaunch = \"process\"\n\
             [systems.kwdb]\nsecurity = \"{}\"\nprogram = \"{}\"\nos_user = \"{}\"\ndata_root = \"{folder}/data\"\n\
             conf_root = \"{folder}/conf\"\nlog_root = \"{folder}/log\"\ncerts_dir = \"{folder}/certs\"\n\
             info_dir = \"{folder}/info\"\nport = {}\nadopt = true\n{more}",
            if self.secure { "tls" } else { "insecure" },
            self.program,
            user_name(),
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
        Host { bed: self, local, number, address }
    }

    /// Runs the tool as an administrator does. One that has no end is ended, with 124.
    #[allow(clippy::disallowed_methods)] // A test does what an administrator does.
    pub fn kwbase(&self, words: &[&str]) -> std::process::Output {
        let mut command = Command::new("/usr/bin/timeout");
        command.args(["--kill-after=5", &patience().as_secs().to_string(), self.program.as_str()]);
        command.args(words).env_clear().env("HOME", self.folder.path()).stdin(Stdio::null());
        command.output().unwrap()
    }
}

/// A copy of the double that has its settings beside it.
fn double(folder: &Utf8Path) -> Utf8PathBuf {
    let built = Utf8Path::new(env!("CARGO_BIN_EXE_bellows-agent")).with_file_name("kwbase");
    assert!(built.exists(), "{built} is not there: cargo build -p bellows-doubles, or set KWBASE");
    let bin = folder.join("bin");
    std::fs::create_dir(&bin).unwrap();
    std::fs::copy(built, bin.join("kwbase")).unwrap();
    std::fs::write(bin.join("double.toml"), DOUBLE).unwrap();
    bin.join("kwbase")
}

impl Drop for Bed {
    fn drop(&mut self) {
        for child in self.installed.lock().unwrap().iter_mut() {
            let _ = child.kill();
            let _ = child.wait();
        }
        for (local, name) in self.services.lock().unwrap().iter() {
            for process in local.host.marked(&process_mark(local, name)).unwrap_or_default() {
                let _ = local.host.signal(process, Signal::Kill);
            }
        }
    }
}

/// Looks until there is something.
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut look: impl FnMut() -> F) -> T {
    let end = Instant::now() + patience();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < end, "waited too long for {what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

impl Host<'_> {
    pub fn endpoint(&self) -> String {
        format!("{}:{}", self.address, self.bed.port)
    }

    pub fn certs(&self) -> Utf8PathBuf {
        self.bed.path().join(format!("h{}/certs", self.number))
    }

    pub fn store(&self) -> Utf8PathBuf {
        self.bed.path().join(format!("h{}/data", self.number))
    }

    pub fn security(&self) -> String {
        match self.bed.secure {
            true => format!("--certs-dir={}", self.certs()),
            false => "--insecure".to_owned(),
        }
    }

    /// Starts a node as the installer's unit does.
    pub fn install(&self, join: &str) {
        self.install_at(self.address, self.bed.port, join);
    }

    /// The same, listening elsewhere.
    #[allow(clippy::disallowed_methods)] // A test does what an installer does.
    pub fn install_at(&self, listen: IpAddr, port: u16, join: &str) {
        let words = [
            "start".to_owned(),
            self.security(),
            format!("--listen-addr={listen}:{port}"),
            format!("--advertise-addr={}:{port}", self.address),
            format!("--http-addr={}:8080", self.address),
            format!("--brpc-addr={}:27257", self.address),
            format!("--store={}", self.store()),
            format!("--join={join}"),
        ];
        std::fs::create_dir_all(self.store()).unwrap();
        let log =
            std::fs::File::create(self.bed.path().join(format!("out{}", self.number))).unwrap();
        let mut command = Command::new(&self.bed.program);
        command.args(words).env_clear().env("HOME", self.bed.path()).stdin(Stdio::null());
        let child = command.stderr(log.try_clone().unwrap()).stdout(log).spawn().unwrap();
        self.bed.installed.lock().unwrap().push(child);
    }

    async fn perform(&self, kind: action::Kind) -> Result<String, Fault> {
        let context = JobContext::new(
            self.local.clone(),
            "operation-1/1/1".to_owned(),
            "operation-1".to_owned(),
            CancellationToken::new(),
            Arc::new(Nothing),
        );
        Box::pin(tools::perform(&Action { kind: Some(kind) }, &context)).await
    }

    /// Runs an action.
    pub async fn act(&self, kind: kwdb_action::Kind) -> Result<String, Fault> {
        self.perform(action::Kind::Kwdb(KwdbAction { kind: Some(kind) })).await
    }

    /// Runs an action twice: what is done already is no error.
    pub async fn twice(&self, kind: kwdb_action::Kind) {
        for _ in 0..2 {
            self.act(kind.clone()).await.unwrap_or_else(|fault| panic!("{kind:?}: {fault:?}"));
        }
    }

    pub async fn act_host(&self, kind: host_action::Kind) -> Result<String, Fault> {
        self.perform(action::Kind::Host(HostAction { kind: Some(kind) })).await
    }

    /// Claims a node here: as found, or by the host's own proposal.
    pub async fn claim(&self, name: &str, found: Option<KwdbPlacement>) -> KwdbPlacement {
        let placement = found.unwrap_or_else(|| {
            let proposed = tools::propose("kwdb", &self.local, &node(name), 0).unwrap();
            let Some(placement::System::Kwdb(placement)) = proposed.system else { panic!() };
            placement
        });
        let service = format!("bellows-{CLUSTER}-{name}-kwdb");
        self.bed.services.lock().unwrap().push((self.local.clone(), service));
        let system = Some(placement::System::Kwdb(placement.clone()));
        let claim = ClaimNode { node: Some(node(name)), placement: Some(Placement { system }) };
        self.act_host(host_action::Kind::ClaimNode(claim)).await.unwrap();
        placement
    }

    async fn ask(&self, kind: kwdb_query::Kind) -> Result<kwdb_answer::Kind, Fault> {
        let query = Query { kind: Some(query::Kind::Kwdb(KwdbQuery { kind: Some(kind) })) };
        let context = QueryContext::new(self.local.clone(), tools::QUERY_DEADLINE);
        match Box::pin(tools::answer(&query, &context)).await? {
            Answer { kind: Some(answer::Kind::Kwdb(KwdbAnswer { kind })) } => Ok(kind.unwrap()),
            other => panic!("{other:?}"),
        }
    }

    pub async fn read(&self, name: &str) -> KwdbReading {
        let query = kwdb_query::Kind::Node(KwdbNodeQuery { node: Some(node(name)) });
        match self.ask(query).await.unwrap() {
            kwdb_answer::Kind::Node(reading) => reading,
            other @ (kwdb_answer::Kind::Cluster(_) | kwdb_answer::Kind::Found(_)) => {
                panic!("{other:?}")
            }
        }
    }

    pub async fn cluster(&self, name: &str) -> Result<KwdbCluster, Fault> {
        let query = kwdb_query::Kind::Cluster(KwdbClusterQuery { at: Some(node(name)) });
        match self.ask(query).await? {
            kwdb_answer::Kind::Cluster(cluster) => Ok(cluster),
            other @ (kwdb_answer::Kind::Node(_) | kwdb_answer::Kind::Found(_)) => {
                panic!("{other:?}")
            }
        }
    }

    pub async fn find(&self) -> Option<KwdbFoundNode> {
        match self.ask(kwdb_query::Kind::Find(KwdbFindQuery {})).await.unwrap() {
            kwdb_answer::Kind::Found(found) => found.node,
            other @ (kwdb_answer::Kind::Node(_) | kwdb_answer::Kind::Cluster(_)) => {
                panic!("{other:?}")
            }
        }
    }

    /// What its node says, once it can be asked.
    pub async fn up(&self, name: &str) -> KwdbServer {
        until(name, async || up(self.read(name).await)).await
    }

    /// The living row of another host's node, as this one's sees it.
    pub async fn sees(&self, name: &str, other: &Host<'_>) -> KwdbStatus {
        let address = other.endpoint();
        until(&format!("{name} to see {address}"), async || {
            let rows = up(self.read(name).await)?.active;
            let mut here = rows.into_iter().filter(|row| row.address == address);
            here.find(|row| row.is_live && row.is_available)
        })
        .await
    }
}

pub fn up(reading: KwdbReading) -> Option<KwdbServer> {
    match reading.server {
        Some(kwdb_reading::Server::Up(server)) => Some(server),
        Some(kwdb_reading::Server::Down(_)) | None => None,
    }
}

pub fn node(name: &str) -> NodeRef {
    NodeRef { cluster: CLUSTER.to_owned(), node: name.to_owned() }
}

fn user_name() -> String {
    let uid = rustix::process::geteuid().as_raw().to_string();
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap();
    let entry = passwd.lines().find(|line| line.split(':').nth(2) == Some(&uid)).unwrap();
    entry.split(':').next().unwrap().to_owned()
}
