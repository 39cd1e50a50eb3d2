//! Claims, tombstones, managed files and services on a real machine, in the process form.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::{
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    sync::{Arc, Mutex},
    time::Duration,
};

use bellows_agent::{
    config,
    exec::Finished,
    facilities::{
        Local, claims,
        services::{ServiceSpec, Services},
    },
    host::{Access, RealHost, Signal, SystemClock},
    tools::{self, JobContext, QueryContext, Recorder},
};
use bellows_proto::v1::{
    Action, ClaimNode, ClaimResource, DirectoryState, Fault, FaultCode, HostAction, HostQuery,
    LiftTombstone, ManagedFileState, NodeRef, Placement, Progress, Query, ReleaseNode,
    ReleaseResource, ServiceState, Tombstone, ToolRun, Vacancy, VacancyQuery, action, answer,
    host_action, host_answer, host_query, placement, query,
};
use camino::{Utf8Path, Utf8PathBuf};
use tokio_util::sync::CancellationToken;

const AGENT: &str = env!("CARGO_BIN_EXE_bellows-agent");

#[derive(Default)]
struct Runs(Mutex<Vec<ToolRun>>);

impl Recorder for Runs {
    fn tool_started(&self, run: ToolRun) -> usize {
        let mut runs = self.0.lock().unwrap();
        runs.push(run);
        runs.len() - 1
    }
    fn tool_ended(&self, _: usize, _: i64, _: Option<&Finished>, _: [u8; 32]) {}
    fn output(&self, _: &[u8]) {}
    fn progress(&self, _: Progress) {}
}

struct Site {
    node: &'static str,
    folder: tempfile::TempDir,
    runs: Arc<Runs>,
}

impl Site {
    /// Units are the host's, not the test's: each test has a node of its own.
    fn new(node: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().display();
        let launch = std::env::var("BELLOWS_TEST_LAUNCH").unwrap_or_else(|_| "process".into());
        let text = format!(
            "[agent]\nhost = \"h1\"\naddress = \"127.0.0.9\"\ndata_dir = \"{root}/state\"\n\
             runtime_dir = \"/dev/shm/bellows-none\"\nlaunch = \"{launch}\"\n[systems.postgresql]\n\
             data_root = \"{root}/data\"\nconf_root = \"{root}/conf\"\nlog_root = \"{root}/log\"\n\
             socket_root = \"{root}/run\"\nport = 6543\n"
        );
        std::fs::write(folder.path().join("agent.toml"), text).unwrap();
        Self { node, folder, runs: Arc::default() }
    }

    fn path(&self, name: &str) -> Utf8PathBuf {
        Utf8Path::from_path(self.folder.path()).unwrap().join(name)
    }

    fn local(&self) -> Local {
        let config = config::load(&self.path("agent.toml")).unwrap();
        Local {
            host: Arc::new(RealHost::new(AGENT)),
            clock: Arc::new(SystemClock),
            form: config.agent.launch.resolve(),
            config: Arc::new(config),
            own_program: AGENT.into(),
            versions: Arc::default(),
            sudo: Arc::default(),
        }
    }

    fn job(&self, operation: &str) -> JobContext {
        JobContext::new(
            self.local(),
            format!("{operation}/1/1"),
            operation.to_owned(),
            CancellationToken::new(),
            Arc::clone(&self.runs) as Arc<dyn Recorder>,
        )
    }

    async fn act(&self, operation: &str, kind: host_action::Kind) -> Result<String, Fault> {
        let action = Action { kind: Some(action::Kind::Host(HostAction { kind: Some(kind) })) };
        tools::perform(&action, &self.job(operation)).await
    }

    fn node(&self) -> NodeRef {
        NodeRef { cluster: "orders".into(), node: self.node.into() }
    }

    async fn vacancy(&self) -> Vacancy {
        let query = Query {
            kind: Some(query::Kind::Host(HostQuery {
                kind: Some(host_query::Kind::Vacancy(VacancyQuery {
                    node: Some(self.node()),
                    system: "postgresql".into(),
                    port: 0,
                })),
            })),
        };
        let context = QueryContext::new(self.local(), Duration::from_secs(5));
        match tools::answer(&query, &context).await.unwrap().kind {
            Some(answer::Kind::Host(host)) => match host.kind {
                Some(host_answer::Kind::Vacancy(vacancy)) => vacancy,
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }

    async fn placement(&self) -> Placement {
        let mut placement = self.vacancy().await.placement.unwrap();
        let Some(placement::System::Postgresql(postgresql)) = &mut placement.system else {
            panic!("no placement");
        };
        postgresql.node_id = 4;
        placement
    }

    async fn claim(&self, operation: &str) -> Result<String, Fault> {
        let claim = ClaimNode { node: Some(self.node()), placement: Some(self.placement().await) };
        self.act(operation, host_action::Kind::ClaimNode(claim)).await
    }
}

fn sleeper(site: &Site, name: &str) -> ServiceSpec {
    ServiceSpec {
        name: name.to_owned(),
        description: "sleeps".into(),
        user: std::env::var("USER").unwrap_or_else(|_| "root".into()),
        program: "/bin/sh".into(),
        arguments: vec![
            "-c".into(),
            // dash loses a signal that comes while it starts a program in the foreground.
            "trap 'echo stopped; exit 0' INT; echo up; sleep 1000 & wait".into(),
        ],
        environment: [("A".to_owned(), "b".to_owned())].into(),
        stop_signal: Signal::Int,
        stop_timeout: Duration::from_secs(5),
        log_file: site.path("service.log"),
        directories: vec![site.path("run/sleeper")],
        restart: false,
    }
}

#[tokio::test]
async fn a_node_is_claimed_once_and_released_by_its_operation() {
    let site = Site::new("pg4");
    let vacancy = site.vacancy().await;
    assert_eq!(vacancy.data_directory(), DirectoryState::Absent);
    assert_eq!((vacancy.port_holder.as_str(), vacancy.claimed_by.as_str()), ("", ""));
    assert!(vacancy.data_free_bytes > 0);

    site.claim("op-a").await.unwrap();
    assert_eq!(site.claim("op-a").await.unwrap(), "claimed already");
    assert_eq!(site.claim("op-b").await.unwrap_err().code(), FaultCode::NotClaimed);
    assert_eq!(site.vacancy().await.claimed_by, "op-a");

    let data = site.path("data/orders/pg4");
    std::fs::create_dir_all(data.join("base")).unwrap();
    let release = || host_action::Kind::ReleaseNode(ReleaseNode { node: Some(site.node()) });
    let refused = site.act("op-b", release()).await.unwrap_err();
    assert_eq!(refused.code(), FaultCode::NotClaimed);
    assert!(data.exists());
    site.act("op-a", release()).await.unwrap();
    assert!(!data.exists());
    site.act("op-a", release()).await.unwrap();
    assert!(site.local().claims().all().unwrap().is_empty());
}

#[tokio::test]
async fn two_nodes_never_claim_one_port_or_service() {
    let site = Site::new("pg12");
    site.claim("op-a").await.unwrap();
    let other = Site { node: "pg13", folder: site.folder, runs: site.runs };
    let vacancy = other.vacancy().await;
    assert!(vacancy.port_holder.contains("orders/pg12"), "{vacancy:?}");
    assert_eq!(vacancy.service_holder, "");
    let refused = other.claim("op-b").await.unwrap_err();
    assert_eq!(refused.code(), FaultCode::NotClaimed);
    assert!(refused.message.contains("orders/pg12 claims port 6543"), "{refused}");

    // orders-a/b and orders/a-b make one service's name.
    let reference =
        |cluster: &str, node: &str| NodeRef { cluster: cluster.into(), node: node.into() };
    let local = other.local();
    let placement = |node: &NodeRef, port| {
        let mut placement = tools::propose("postgresql", &local, node, port).unwrap();
        let Some(placement::System::Postgresql(postgresql)) = &mut placement.system else {
            panic!("no placement");
        };
        postgresql.node_id = 1;
        placement
    };
    let claim = |node: NodeRef, port| {
        let placement = Some(placement(&node, port));
        host_action::Kind::ClaimNode(ClaimNode { node: Some(node), placement })
    };
    other.act("op-c", claim(reference("orders-a", "b"), 7001)).await.unwrap();
    let refused = other.act("op-d", claim(reference("orders", "a-b"), 7002)).await.unwrap_err();
    assert!(refused.message.contains("orders-a/b claims service"), "{refused}");

    let gone = NodeRef { cluster: "orders".into(), node: "pg12".into() };
    let bury = Tombstone { node: Some(gone), wipe_data: false };
    other.act("op-e", host_action::Kind::Tombstone(bury)).await.unwrap();
    assert_eq!(other.vacancy().await.port_holder, "");
    other.claim("op-b").await.unwrap();
}

#[tokio::test]
async fn data_of_a_server_that_was_started_by_hand_stay() {
    let site = Site::new("pg15");
    site.claim("op-a").await.unwrap();
    let data = site.path("data/orders/pg15");
    std::fs::create_dir_all(&data).unwrap();
    let pid_file = data.join("postmaster.pid");
    std::fs::write(&pid_file, format!("{}\n", std::process::id())).unwrap();
    let bury =
        || host_action::Kind::Tombstone(Tombstone { node: Some(site.node()), wipe_data: true });
    let release = || host_action::Kind::ReleaseNode(ReleaseNode { node: Some(site.node()) });
    for kind in [release(), bury()] {
        let refused = site.act("op-a", kind).await.unwrap_err();
        assert_eq!(refused.code(), FaultCode::Drift, "{refused}");
        assert!(pid_file.exists());
    }
    // The services are masked; without the wipe that does not make a tombstone.
    let record = || claims::to_record(&site.local().claims().get(&site.node()).unwrap().unwrap());
    let context = QueryContext::new(site.local(), Duration::from_secs(5));
    assert!(tools::host::enforce(&context).await.faults.is_empty());
    assert!(!record().tombstone);
    // No process has this number.
    std::fs::write(&pid_file, "4194305\n").unwrap();
    site.act("op-a", bury()).await.unwrap();
    assert!(record().tombstone && !data.exists());
}

#[tokio::test]
async fn nothing_is_wiped_through_a_link() {
    for (node, empty) in [("pg10", true), ("pg11", false)] {
        let site = Site::new(node);
        let data = site.path("data/orders").join(node);
        if empty {
            std::fs::create_dir_all(&data).unwrap();
        }
        site.claim("op-a").await.unwrap();
        let theirs = site.path("theirs");
        std::fs::create_dir_all(theirs.join("base")).unwrap();
        std::fs::create_dir_all(data.parent().unwrap()).unwrap();
        let _ = std::fs::remove_dir(&data);
        std::os::unix::fs::symlink(&theirs, &data).unwrap();
        let release = || host_action::Kind::ReleaseNode(ReleaseNode { node: Some(site.node()) });
        let refused = site.act("op-a", release()).await.unwrap_err();
        assert_eq!(refused.code(), FaultCode::Drift, "{refused}");
        assert!(theirs.join("base").exists());
        std::fs::remove_file(&data).unwrap();
        std::fs::write(site.path("data/orders/mine"), "").unwrap();
        site.act("op-a", release()).await.unwrap();
        assert!(site.path("data/orders/mine").exists());
    }
}

#[tokio::test]
async fn what_was_there_before_is_never_claimed() {
    let site = Site::new("pg5");
    let placement = site.placement().await;
    std::fs::create_dir_all(site.path("data/orders/pg5/base")).unwrap();
    assert_eq!(site.vacancy().await.data_directory(), DirectoryState::Occupied);
    assert_eq!(site.claim("op-a").await.unwrap_err().code(), FaultCode::NotClaimed);

    let elsewhere = |change: fn(&mut bellows_proto::v1::PostgresqlPlacement)| {
        let mut placement = placement.clone();
        if let Some(placement::System::Postgresql(postgresql)) = &mut placement.system {
            change(postgresql);
        }
        host_action::Kind::ClaimNode(ClaimNode {
            node: Some(site.node()),
            placement: Some(placement),
        })
    };
    for change in [
        (|p| p.data_dir = "/etc".into()) as fn(&mut bellows_proto::v1::PostgresqlPlacement),
        |p| p.os_user = "root".into(),
        |p| p.bin_dir = "/tmp".into(),
        |p| p.server_service = "sshd".into(),
    ] {
        let refused = site.act("op-a", elsewhere(change)).await.unwrap_err();
        assert!(matches!(refused.code(), FaultCode::Denied | FaultCode::Invalid), "{refused:?}");
    }
    let odd = NodeRef { cluster: "../..".into(), node: "x".into() };
    assert_eq!(site.local().claims().get(&odd).unwrap_err().code(), FaultCode::Invalid);
}

#[tokio::test]
async fn resources_are_claimed_by_name() {
    let site = Site::new("pg6");
    let slot = "postgresql:slot:repmgr_slot_4";
    let claim = |resource: &str| {
        host_action::Kind::ClaimResource(ClaimResource {
            node: Some(site.node()),
            resource: resource.into(),
            prior: String::new(),
        })
    };
    site.act("op-a", claim(slot)).await.unwrap();
    site.act("op-a", claim(slot)).await.unwrap();
    assert!(site.act("op-b", claim(slot)).await.is_err());
    assert!(site.act("op-a", claim("x; rm -rf /")).await.is_err());
    site.local().claims().require(&site.node(), slot).unwrap();
    let other = site.local().claims().require(&site.node(), "postgresql:slot:x");
    assert_eq!(other.unwrap_err().code(), FaultCode::NotClaimed);
    let record = claims::to_record(&site.local().claims().get(&site.node()).unwrap().unwrap());
    assert_eq!(record.resources, [slot]);
    let release = host_action::Kind::ReleaseResource(ReleaseResource {
        node: Some(site.node()),
        resource: slot.into(),
    });
    site.act("op-c", release).await.unwrap();
    assert_eq!(site.local().claims().get(&site.node()).unwrap(), None);
}

/// Where a service's output goes to a file and its start is a program of ours.
fn processes(site: &Site) -> bool {
    site.local().form == config::LaunchForm::Process
}

/// Waits for a state that comes by itself.
async fn until(services: &Services<'_>, name: &str, wanted: ServiceState) {
    let waiting = async {
        while services.reading(name).await.unwrap().state() != wanted {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), waiting).await.unwrap();
}

#[tokio::test]
async fn a_service_outlives_its_job_and_stops_in_time() {
    let site = Site::new("pg7");
    let job = site.job("op-a");
    let services = bellows_agent::facilities::services(&job);
    let spec = sleeper(&site, "sleeper");
    assert_eq!(services.reading("sleeper").await.unwrap().state(), ServiceState::Absent);
    services.install(&spec).await.unwrap();
    services.start("sleeper").await.unwrap();
    services.start("sleeper").await.unwrap();
    let reading = services.reading("sleeper").await.unwrap();
    assert_eq!(reading.state(), ServiceState::Running);
    let environment = std::fs::read(format!("/proc/{}/environ", reading.pid)).unwrap();
    let environment = String::from_utf8_lossy(&environment);
    assert!(environment.contains("A=b") && !environment.contains("BELLOWS_JOB"), "{environment}");
    assert!(site.path("run/sleeper").is_dir());
    services.install(&spec).await.unwrap();
    let log = || std::fs::read_to_string(site.path("service.log")).unwrap_or_default();
    let waiting = async {
        while processes(&site) && log() != "up\n" {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), waiting).await.unwrap();
    services.stop("sleeper").await.unwrap();
    services.stop("sleeper").await.unwrap();
    assert_eq!(services.reading("sleeper").await.unwrap().state(), ServiceState::Stopped);
    if processes(&site) {
        assert_eq!(log(), "up\nstopped\n");
        // Two starts and two stops, each a run of our own program.
        assert_eq!(site.runs.0.lock().unwrap().len(), 4);
    }

    let mut broken = sleeper(&site, "broken");
    broken.arguments = vec!["-c".into(), "exit 3".into()];
    services.install(&broken).await.unwrap();
    let started = services.start("broken").await;
    if processes(&site) {
        assert_eq!(started.unwrap_err().code(), FaultCode::ToolFailed);
    }
    until(&services, "broken", ServiceState::Failed).await;
    services.remove("broken").await.unwrap();

    services.start("sleeper").await.unwrap();
    services.remove("sleeper").await.unwrap();
    assert_eq!(services.reading("sleeper").await.unwrap().state(), ServiceState::Absent);
    services.remove("sleeper").await.unwrap();
}

/// SIGKILL leaves children behind that still have the port: they are no service, and are waited for.
#[tokio::test]
async fn what_a_killed_service_left_behind_is_not_taken_for_it() {
    let site = Site::new("pg9");
    if !processes(&site) {
        // There the unit's cgroup tells.
        return;
    }
    let job = site.job("op-a");
    let services = bellows_agent::facilities::services(&job);
    let mut spec = sleeper(&site, "parent");
    spec.arguments = vec!["-c".into(), "sleep 2 & exec sleep 1000".into()];
    services.install(&spec).await.unwrap();
    services.start("parent").await.unwrap();
    let first = services.reading("parent").await.unwrap().pid;
    let marked = || {
        let mark = bellows_agent::facilities::services::process_mark(&site.local(), "parent");
        site.local().host.marked(&mark).unwrap()
    };
    assert_eq!(marked().len(), 2);
    let pid = rustix::process::Pid::from_raw(i32::try_from(first).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    until(&services, "parent", ServiceState::Failed).await;
    services.start("parent").await.unwrap();
    let second = services.reading("parent").await.unwrap();
    assert_eq!(second.state(), ServiceState::Running);
    let command = std::fs::read(format!("/proc/{}/cmdline", second.pid)).unwrap();
    assert_eq!(String::from_utf8_lossy(&command), "sleep\x001000\x00");
    services.remove("parent").await.unwrap();
    assert_eq!(marked(), []);
}

#[tokio::test]
async fn a_buried_node_never_starts_again() {
    let site = Site::new("pg8");
    site.claim("op-a").await.unwrap();
    let job = site.job("op-a");
    let services = bellows_agent::facilities::services(&job);
    let name = "bellows-orders-pg8-server";
    services.install(&sleeper(&site, name)).await.unwrap();
    services.start(name).await.unwrap();
    let data = site.path("data/orders/pg8");
    std::fs::create_dir_all(data.join("base")).unwrap();

    let bury =
        |wipe_data| host_action::Kind::Tombstone(Tombstone { node: Some(site.node()), wipe_data });
    site.act("op-b", bury(false)).await.unwrap();
    assert!(data.exists());
    assert_eq!(services.reading(name).await.unwrap().state(), ServiceState::Masked);
    assert_eq!(services.start(name).await.unwrap_err().code(), FaultCode::Denied);
    let record = claims::to_record(&site.local().claims().get(&site.node()).unwrap().unwrap());
    assert!(record.tombstone && record.claimed_by.is_empty());

    let lift = host_action::Kind::LiftTombstone(LiftTombstone { node: Some(site.node()) });
    site.act("op-b", lift).await.unwrap();
    services.start(name).await.unwrap();
    // It comes back although it has left: at its start the agent buries it.
    let mut known = site.local().claims().get(&site.node()).unwrap().unwrap();
    known.tombstone = true;
    site.local().claims().put(&site.node(), &known).unwrap();
    let told = || claims::to_record(&site.local().claims().get(&site.node()).unwrap().unwrap());
    assert!(told().burial_begun && !told().tombstone, "an intention proves nothing");
    let context = QueryContext::new(site.local(), Duration::from_secs(5));
    // A record that cannot be read comes first, and keeps no other node alive.
    let damaged = site.path("state/claims/orders/a");
    std::fs::write(&damaged, "rubbish").unwrap();
    let done = tools::host::enforce(&context).await;
    assert!(done.buried.contains(&name.to_owned()), "{done:?}");
    assert_eq!(done.faults.len(), 1, "{done:?}");
    std::fs::remove_file(&damaged).unwrap();
    assert_eq!(services.reading(name).await.unwrap().state(), ServiceState::Masked);
    assert!(told().tombstone);
    let again = tools::host::enforce(&context).await;
    assert!(again.buried.is_empty() && again.faults.is_empty(), "{again:?}");
    site.act("op-b", bury(true)).await.unwrap();
    assert!(!data.exists());
}

#[tokio::test]
async fn a_managed_file_that_somebody_changed_is_not_overwritten() {
    let site = Site::new("pg9");
    let (local, path) = (site.local(), site.path("pg_hba.conf"));
    let access = Access::PRIVATE;
    let state = || local.managed().reading("pg_hba.conf", &path).unwrap().state();
    std::fs::write(&path, "theirs").unwrap();
    let mode = std::fs::Permissions::from_mode(0o640);
    std::fs::set_permissions(&path, mode).unwrap();
    // Only root may give files away.
    let root = rustix::process::geteuid().is_root();
    if root {
        std::os::unix::fs::chown(&path, Some(12345), Some(23456)).unwrap();
    }
    let owned = || {
        let found = std::fs::metadata(&path).unwrap();
        (found.uid(), found.gid(), found.mode() & 0o7777)
    };
    let theirs = owned();
    assert_eq!(state(), ManagedFileState::Changed);
    local.managed().write(&path, b"one", &access).unwrap();
    local.managed().write(&path, b"two", &access).unwrap();
    local.managed().write(&path, b"two", &access).unwrap();
    assert_eq!(state(), ManagedFileState::Ours);
    std::fs::write(&path, "changed").unwrap();
    assert_eq!(state(), ManagedFileState::Changed);
    for outcome in [
        local.managed().check_write(&path, b"three"),
        local.managed().write(&path, b"three", &access),
        local.managed().check_restore(&path),
        local.managed().restore(&path),
    ] {
        assert_eq!(outcome.unwrap_err().code(), FaultCode::Drift);
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "changed");
    std::fs::write(&path, "two").unwrap();
    local.managed().restore(&path).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "theirs");
    assert_eq!(owned(), theirs);
    local.managed().restore(&path).unwrap();

    let fresh = site.path("fresh.conf");
    local.managed().write(&fresh, b"x", &access).unwrap();
    std::fs::remove_file(&fresh).unwrap();
    assert_eq!(local.managed().write(&fresh, b"y", &access).unwrap_err().code(), FaultCode::Drift);
    local.managed().restore(&fresh).unwrap();
    local.managed().write(&fresh, b"y", &access).unwrap();
}

#[test]
fn a_link_or_a_pipe_in_a_users_folder_is_not_read() {
    let site = Site::new("pg14");
    let (local, path) = (site.local(), site.path("pg_hba.conf"));
    let secret = site.path("secret");
    std::fs::write(&secret, "root's").unwrap();
    let read = || {
        let (local, path) = (local.clone(), path.clone());
        let (told, heard) = std::sync::mpsc::channel();
        // A pipe that is waited for would hang for ever.
        std::thread::spawn(move || told.send(local.managed().reading("pg_hba.conf", &path)));
        heard.recv_timeout(Duration::from_secs(10)).unwrap()
    };
    std::os::unix::fs::symlink(&secret, &path).unwrap();
    assert_eq!(read().unwrap_err().code(), FaultCode::Io);
    let written = local.managed().write(&path, b"x", &Access::PRIVATE);
    assert_eq!(written.unwrap_err().code(), FaultCode::Io);
    std::fs::remove_file(&path).unwrap();
    let (pipe, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU);
    rustix::fs::mknodat(rustix::fs::CWD, path.as_std_path(), pipe, mode, 0).unwrap();
    assert_eq!(read().unwrap_err().code(), FaultCode::Io);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(read().unwrap().state(), ManagedFileState::Absent);
}
