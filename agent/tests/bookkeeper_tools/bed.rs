//! One ZooKeeper and hosts with a bookie each, all on this machine: each host has its own `agent.toml`, folders and loopback
//! address. Nothing is left running.

use std::{
    net::{IpAddr, SocketAddr},
    process::{Child, Command, Output, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use bellows_agent::{
    config,
    exec::Finished,
    facilities::{Local, services::process_mark},
    host::{
        RealHost, Signal, SystemClock,
        http::{HttpReply, HttpRequest, Target},
    },
    tools::{self, JobContext, QueryContext, Recorder},
};
use bellows_proto::v1::{
    Action, Answer, BookkeeperAction, BookkeeperAnswer, BookkeeperCluster, BookkeeperClusterQuery,
    BookkeeperFindQuery, BookkeeperFoundBookie, BookkeeperHeld, BookkeeperLedgers,
    BookkeeperLedgersQuery, BookkeeperNodeQuery, BookkeeperPlacement, BookkeeperPlacesQuery,
    BookkeeperQuery, BookkeeperReading, BookkeeperSetting, BookkeeperShell, BookkeeperShellQuery,
    BookkeeperToldPlace, BookkeeperWriteConfig, ClaimNode, Fault, HostAction, NodeRef, Placement,
    Progress, Query, ToolRun, action, answer, bookkeeper_action, bookkeeper_answer,
    bookkeeper_query, host_action, placement, query,
};
use camino::{Utf8Path, Utf8PathBuf};
use tokio_util::sync::CancellationToken;

pub const CLUSTER: &str = "events";
/// A JVM on a busy machine takes its time.
const PATIENCE: Duration = Duration::from_secs(600);
const PORT: u16 = 3181;
const HTTP_PORT: u16 = 8080;
const ZOOKEEPER_PORT: u16 = 2181;
/// The shape of ledgers for `gen`.
pub const COPIED: &[&str] = &["--ensemble", "2", "--write", "2", "--ack", "2"];

/// What a job has told.
#[derive(Default)]
pub struct Told {
    pub tools: Mutex<Vec<Vec<String>>>,
    pub progress: Mutex<Vec<Progress>>,
    pub output: Mutex<Vec<u8>>,
}

impl Recorder for Told {
    fn tool_started(&self, run: ToolRun) -> usize {
        self.tools.lock().unwrap().push(run.command);
        0
    }
    fn tool_ended(&self, _: usize, _: i64, _: Option<&Finished>, _: [u8; 32]) {}
    fn output(&self, bytes: &[u8]) {
        self.output.lock().unwrap().extend_from_slice(bytes);
    }
    fn progress(&self, progress: Progress) {
        self.progress.lock().unwrap().push(progress);
    }
}

/// One machine's worth of hosts.
pub struct Bed {
    folder: tempfile::TempDir,
    home: Utf8PathBuf,
    subnet: [u8; 2],
    zookeeper: Mutex<Option<Child>>,
    installed: Mutex<Vec<Child>>,
    services: Mutex<Vec<(Local, String)>>,
}

/// One host.
pub struct Host<'a> {
    bed: &'a Bed,
    pub local: Local,
    pub name: String,
    pub address: IpAddr,
}

impl Bed {
    /// With ZooKeeper and the metadata of a cluster without bookies.
    pub async fn new() -> Self {
        let home = match std::env::var("BOOKKEEPER_HOME") {
            Ok(home) => home.into(),
            Err(_) => Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/bookkeeper"),
        };
        let home = home.canonicalize_utf8().unwrap_or(home);
        assert!(home.join("lib").exists(), "{home} is not there: make setup-bookkeeper");
        let folder = tempfile::Builder::new().prefix("bkb").tempdir().unwrap();
        let sum = folder.path().to_str().unwrap().bytes();
        let sum = sum.fold(0u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte)));
        let [low, high, ..] = sum.to_le_bytes();
        let subnet = [64 + low % 128, high];
        let (zookeeper, installed, services) =
            (Mutex::default(), Mutex::default(), Mutex::default());
        let bed = Self { folder, home, subnet, zookeeper, installed, services };
        bed.start_zookeeper().await;
        bed
    }

    pub fn path(&self) -> &Utf8Path {
        Utf8Path::from_path(self.folder.path()).unwrap()
    }

    fn address(&self, number: u8) -> IpAddr {
        [127, self.subnet[0], self.subnet[1], number].into()
    }

    fn zookeeper(&self) -> SocketAddr {
        (self.address(1), ZOOKEEPER_PORT).into()
    }

    #[allow(clippy::disallowed_methods)] // A test does what an administrator does.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.home.join("bin").join(program));
        command.env("BOOKIE_LOG_DIR", self.path().join("logs")).stdin(Stdio::null());
        command
    }

    async fn start_zookeeper(&self) {
        std::fs::create_dir_all(self.path().join("logs")).unwrap();
        std::fs::create_dir_all(self.path().join("zookeeper")).unwrap();
        let template = std::fs::read_to_string(self.home.join("conf/zookeeper.conf.in")).unwrap();
        let text = template
            .replace("@DATA@", self.path().join("zookeeper").as_str())
            .replace("@PORT@", &ZOOKEEPER_PORT.to_string())
            .replace("@ADDRESS@", &self.address(1).to_string());
        let conf = self.path().join("zookeeper.conf");
        std::fs::write(&conf, text).unwrap();
        let log = std::fs::File::create(self.path().join("logs/zookeeper")).unwrap();
        let mut command = self.command("bookkeeper");
        command
            .arg("zookeeper")
            .env("BOOKIE_ZK_CONF", conf)
            .stderr(log.try_clone().unwrap())
            .stdout(log);
        *self.zookeeper.lock().unwrap() = Some(command.spawn().unwrap());
        until("ZooKeeper", async || tokio::net::TcpStream::connect(self.zookeeper()).await.ok())
            .await;
        let conf = self.path().join("admin.conf");
        let settings = self.settings();
        let lines: Vec<String> =
            settings.iter().map(|s| format!("{}={}\n", s.key, s.value)).collect();
        std::fs::write(&conf, lines.concat()).unwrap();
        let done = self.shell(&["initnewcluster"]);
        assert!(done.status.success(), "{done:?}");
    }

    /// The shell, as an administrator calls it.
    pub fn shell(&self, words: &[&str]) -> Output {
        let mut command = self.command("bookkeeper");
        command.arg("shell").args(words).env("BOOKIE_CONF", self.path().join("admin.conf"));
        command.output().unwrap()
    }

    /// ZooKeeper's own client, as an administrator calls it.
    pub fn zookeeper_client(&self, words: &[&str]) -> Output {
        let server = self.zookeeper().to_string();
        let mut command = self.command("bookkeeper");
        command.args(["org.apache.zookeeper.ZooKeeperMain", "-server", &server]).args(words);
        command.output().unwrap()
    }

    /// What a member would hand over: the template's lines that are no host's own.
    pub fn settings(&self) -> Vec<BookkeeperSetting> {
        let template = std::fs::read_to_string(self.home.join("conf/loopback.conf.in")).unwrap();
        let own = ["advertisedAddress", "httpServerEnabled", "httpServerHost"];
        let lines = template.lines().filter(|line| !line.starts_with('#') && !line.contains('@'));
        let pairs =
            lines.filter_map(|line| line.split_once('=')).filter(|(key, _)| !own.contains(key));
        let mut all: Vec<(String, String)> = pairs.map(|(k, v)| (k.into(), v.into())).collect();
        let uri = format!("zk+hierarchical://{}/ledgers", self.zookeeper());
        all.push(("metadataServiceUri".into(), uri));
        // A bookie binds the address of its own alone.
        all.push(("listeningInterface".into(), "lo".into()));
        all.into_iter().map(|(key, value)| BookkeeperSetting { key, value }).collect()
    }

    /// The writer and reader of the tests.
    pub fn generate(&self, verb: &str, words: &[&str]) {
        let zookeeper = self.zookeeper().to_string();
        let record = self.path().join("record");
        let mut command = self.command("gen");
        command.args([verb, "--zk", &zookeeper, "--record", record.as_str()]).args(words);
        let done = command.output().unwrap();
        assert!(done.status.success(), "gen {verb}: {done:?}");
    }

    /// A host; `port` and folders as its `agent.toml` says.
    pub fn host(&self, number: u8) -> Host<'_> {
        self.host_with(number, "")
    }

    /// A host with a bookie that somebody has set up, and that may be adopted. `more`: lines at the end of its configuration.
    pub fn installed(&self, number: u8, more: &str) -> Host<'_> {
        let conf = self.path().join(format!("b{number}.conf"));
        let host = self.host_with(number, &format!("adopt_conf_file = \"{conf}\"\n"));
        let (data, address) = (self.path().join(format!("b{number}")), host.address);
        let own = format!(
            "bookiePort={PORT}\nadvertisedAddress={address}\njournalDirectories={data}/journal\n\
             ledgerDirectories={data}/l1,{data}/l2\nindexDirectories={data}/l1,{data}/l2\nhttpServerEnabled=true\n\
             httpServerHost={address}\nhttpServerPort={HTTP_PORT}\nallowMultipleDirsUnderSameDiskPartition=true\n\
             persistBookieStatusEnabled=true\n"
        );
        let lines = self.settings().into_iter().map(|s| format!("{}={}\n", s.key, s.value));
        std::fs::write(&conf, format!("{own}{}{more}", lines.collect::<String>())).unwrap();
        host
    }

    /// Starts such a bookie, as an administrator does.
    pub fn start(&self, number: u8) {
        let log = std::fs::File::create(self.path().join(format!("logs/b{number}"))).unwrap();
        let mut command = self.command("bookkeeper");
        let conf = self.path().join(format!("b{number}.conf"));
        command.arg("bookie").env("BOOKIE_CONF", conf);
        let child = command.stderr(log.try_clone().unwrap()).stdout(log).spawn().unwrap();
        self.installed.lock().unwrap().push(child);
    }

    /// `more`: lines at the end of `agent.toml`.
    fn host_with(&self, number: u8, more: &str) -> Host<'_> {
        let (name, address) = (format!("b{number}"), self.address(number + 1));
        let folder = self.path().join(format!("h{number}"));
        let text = format!(
            "[agent]\nhost = \"h{number}\"\ndata_dir = \"{folder}/agent\"\nruntime_dir = \"{folder}/run\"\n\
             address = \"{address}\"\nlaunch = \"process\"\n\
             [systems.bookkeeper]\nprogram = \"{}/bin/bookkeeper\"\nos_user = \"{}\"\n\
             journal_roots = [\"{folder}/journal\"]\nledger_roots = [\"{folder}/ledgers\"]\nconf_root = \"{folder}/conf\"\n\
             log_root = \"{folder}/log\"\nport = {PORT}\nhttp_port = {HTTP_PORT}\nhttp_host = \"{address}\"\n{more}",
            self.home,
            user_name(),
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
        Host { bed: self, local, name, address }
    }

    /// Hosts 1 to `count`, each with a bookie that runs.
    pub async fn cluster(&self, count: u8) -> Vec<Host<'_>> {
        let hosts: Vec<Host<'_>> = (1..=count).map(|number| self.host(number)).collect();
        futures::future::join_all(hosts.iter().map(Host::join)).await;
        hosts
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        for (local, name) in self.services.lock().unwrap().iter() {
            for process in local.host.marked(&process_mark(local, name)).unwrap_or_default() {
                let _ = local.host.signal(process, Signal::Kill);
            }
        }
        for mut child in self.installed.lock().unwrap().drain(..) {
            let _ = child.kill();
            let _ = child.wait();
        }
        if let Some(mut child) = self.zookeeper.lock().unwrap().take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Looks until there is something.
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut look: impl FnMut() -> F) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < end, "waited too long for {what}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

impl Host<'_> {
    pub fn id(&self) -> String {
        SocketAddr::from((self.address, PORT)).to_string()
    }

    pub fn node(&self) -> Option<NodeRef> {
        Some(NodeRef { cluster: CLUSTER.to_owned(), node: self.name.clone() })
    }

    /// Claims, writes and starts its bookie.
    pub async fn join(&self) {
        self.claim().await;
        self.twice(self.write_config()).await;
        let start = bellows_proto::v1::BookkeeperStartBookie { node: self.node() };
        self.twice(bookkeeper_action::Kind::StartBookie(start)).await;
    }

    pub fn write_config(&self) -> bookkeeper_action::Kind {
        let (node, settings) = (self.node(), self.bed.settings());
        bookkeeper_action::Kind::WriteConfig(BookkeeperWriteConfig { node, settings })
    }

    pub async fn claim(&self) {
        let proposed = tools::propose("bookkeeper", &self.local, &self.node().unwrap(), 0).unwrap();
        let Some(placement::System::Bookkeeper(found)) = proposed.system else { panic!() };
        self.claim_as(found).await;
    }

    /// Claims its bookie as it was found.
    pub async fn claim_as(&self, found: BookkeeperPlacement) {
        let service = format!("bellows-{CLUSTER}-{}-bookie", self.name);
        self.bed.services.lock().unwrap().push((self.local.clone(), service));
        let system = Some(placement::System::Bookkeeper(found));
        let claim = ClaimNode { node: self.node(), placement: Some(Placement { system }) };
        let kind = Some(host_action::Kind::ClaimNode(claim));
        let action = action::Kind::Host(HostAction { kind });
        self.perform(action, &CancellationToken::new(), &Arc::default()).await.unwrap();
    }

    async fn perform(
        &self,
        kind: action::Kind,
        cancel: &CancellationToken,
        told: &Arc<Told>,
    ) -> Result<String, Fault> {
        let context = JobContext::new(
            self.local.clone(),
            "operation-1/1/1".to_owned(),
            "operation-1".to_owned(),
            cancel.clone(),
            told.clone(),
        );
        Box::pin(tools::perform(&Action { kind: Some(kind) }, &context)).await
    }

    /// Runs an action as a job that can be ended and is listened to.
    pub async fn job(
        &self,
        kind: bookkeeper_action::Kind,
        cancel: &CancellationToken,
        told: &Arc<Told>,
    ) -> Result<String, Fault> {
        let action = action::Kind::Bookkeeper(BookkeeperAction { kind: Some(kind) });
        self.perform(action, cancel, told).await
    }

    /// Runs an action.
    pub async fn act(&self, kind: bookkeeper_action::Kind) -> Result<String, Fault> {
        self.job(kind, &CancellationToken::new(), &Arc::default()).await
    }

    /// Runs an action twice: what is done already is no error.
    pub async fn twice(&self, kind: bookkeeper_action::Kind) {
        for _ in 0..2 {
            self.act(kind.clone()).await.unwrap_or_else(|fault| panic!("{kind:?}: {fault:?}"));
        }
    }

    async fn ask(&self, kind: bookkeeper_query::Kind) -> Result<bookkeeper_answer::Kind, Fault> {
        let query = BookkeeperQuery { kind: Some(kind) };
        let query = Query { kind: Some(query::Kind::Bookkeeper(query)) };
        let context = QueryContext::unhurried(self.local.clone(), PATIENCE);
        match Box::pin(tools::answer(&query, &context)).await? {
            Answer { kind: Some(answer::Kind::Bookkeeper(BookkeeperAnswer { kind })) } => {
                Ok(kind.unwrap())
            }
            other => panic!("{other:?}"),
        }
    }

    pub async fn read(&self) -> BookkeeperReading {
        let query = BookkeeperNodeQuery { node: self.node() };
        match self.ask(bookkeeper_query::Kind::Node(query)).await.unwrap() {
            bookkeeper_answer::Kind::Node(reading) => reading,
            other => panic!("{other:?}"),
        }
    }

    /// The bookie that is on it.
    pub async fn find(&self) -> Option<BookkeeperFoundBookie> {
        let query = bookkeeper_query::Kind::Find(BookkeeperFindQuery {});
        match self.ask(query).await.unwrap() {
            bookkeeper_answer::Kind::Found(found) => found.bookie,
            other => panic!("{other:?}"),
        }
    }

    /// The cluster as its bookie sees it.
    pub async fn sees(&self) -> Result<BookkeeperCluster, Fault> {
        let query = BookkeeperClusterQuery { at: self.node() };
        match self.ask(bookkeeper_query::Kind::Cluster(query)).await? {
            bookkeeper_answer::Kind::Cluster(cluster) => Ok(cluster),
            other => panic!("{other:?}"),
        }
    }

    /// All ledgers, by HTTP at this one's bookie.
    pub async fn ledgers(&self, bookies: Vec<String>, gone: Vec<String>) -> BookkeeperLedgers {
        let query = BookkeeperLedgersQuery { at: self.node(), bookies, gone };
        match self.ask(bookkeeper_query::Kind::Ledgers(query)).await.unwrap() {
            bookkeeper_answer::Kind::Ledgers(read) => read,
            other => panic!("{other:?}"),
        }
    }

    /// What a bookie holds, by HTTP at this one.
    pub async fn held(&self, bookie: &Host<'_>) -> BookkeeperHeld {
        self.ledgers(vec![bookie.id()], Vec::new()).await.held[0].clone()
    }

    /// What the shell says of a bookie.
    pub async fn shell(&self, bookie: &Host<'_>) -> BookkeeperShell {
        self.shell_of(bookie.id()).await
    }

    /// The same of any id.
    pub async fn shell_of(&self, bookie: String) -> BookkeeperShell {
        let query = BookkeeperShellQuery { at: self.node(), bookie };
        match self.ask(bookkeeper_query::Kind::Shell(query)).await.unwrap() {
            bookkeeper_answer::Kind::Shell(read) => read,
            other => panic!("{other:?}"),
        }
    }

    /// What clients are told of bookies.
    pub async fn places(&self) -> Vec<BookkeeperToldPlace> {
        let query = BookkeeperPlacesQuery { at: self.node() };
        match self.ask(bookkeeper_query::Kind::Places(query)).await.unwrap() {
            bookkeeper_answer::Kind::Places(read) => read.places,
            other => panic!("{other:?}"),
        }
    }

    /// Asks its bookie behind the agent's back.
    pub async fn put(&self, target: Target, body: &str) -> HttpReply {
        let address = SocketAddr::from((self.address, HTTP_PORT));
        let request = HttpRequest::put(address, target, body.into(), PATIENCE);
        self.local.host.http(request).await.unwrap()
    }
}

fn user_name() -> String {
    let uid = rustix::process::geteuid().as_raw().to_string();
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap();
    let entry = passwd.lines().find(|line| line.split(':').nth(2) == Some(&uid)).unwrap();
    entry.split(':').next().unwrap().to_owned()
}
