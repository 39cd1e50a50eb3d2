//! The real command line against a real coordinator over the wire, with hosts in memory: what
//! it shows, and above all its exit statuses.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    missing_docs
)]

#[path = "support/agents.rs"]
mod agents;
#[path = "command_line/foreign.rs"]
mod foreign;
#[path = "command_line/json.rs"]
mod json;
#[path = "command_line/schema.rs"]
mod schema;
#[path = "command_line/store.rs"]
mod store;

#[path = "engine/memory.rs"]
#[allow(dead_code)]
mod memory;
#[path = "engine/shelf.rs"]
#[allow(dead_code)]
mod shelf;
mod support;

use std::{process::Stdio, sync::Arc, time::Duration};

use bellows::engine::ports::Agents as _;
use bellows_proto::v1::{
    ClusterHistory, GetSiteRequest, HostDetail, JobKey, JobStanding, ListHostJobsReply,
    ListHostsReply, ListOperationsReply, OperationDetail, OperationSummary, Overview, Plan,
    PlantFenceRequest, RemoveHostReply, StartJobRequest, Term,
    coordinator_client::CoordinatorClient,
};
use memory::{MemoryAgents, Trouble};
use shelf::{HOSTS, Shelf};
use support::Running;

const CREATE: &[&str] = &["cluster", "create", "shelf", "--system", "postgresql", "--node", "n@h1"];

struct World {
    running: Running,
    hosts: Arc<MemoryAgents>,
}

/// How a command ended.
#[derive(Debug)]
struct Ended {
    code: i32,
    out: String,
    err: String,
}

impl World {
    async fn start() -> Self {
        let running = Running::start(Shelf::default()).await;
        let hosts = Arc::new(MemoryAgents::default());
        let mut api = CoordinatorClient::new(support::through_socket(&running));
        for host in HOSTS {
            agents::enrol(&running, &mut api, host, Arc::clone(&hosts)).await;
        }
        Self { running, hosts }
    }

    fn command(&self, words: &[&str]) -> tokio::process::Command {
        // This test is a shell.
        #[allow(clippy::disallowed_methods)]
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_bellows"));
        command.arg("--socket").arg(&self.running.site.config.listen.socket).args(words);
        command.env_clear().env("TZ", "UTC").kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    async fn run(&self, words: &[&str]) -> Ended {
        ended(self.command(words).spawn().unwrap()).await
    }

    async fn json<T: serde::de::DeserializeOwned>(&self, words: &[&str]) -> T {
        let ended = self.run(&[words, &["--output", "json"]].concat()).await;
        serde_json::from_str(&ended.out).unwrap_or_else(|e| panic!("{e}: {ended:?}"))
    }

    /// Under which the coordinator leads.
    async fn running_term(&self) -> Term {
        let mut api = CoordinatorClient::new(support::through_socket(&self.running));
        let site = api.get_site(GetSiteRequest {}).await.unwrap().into_inner();
        site.term.unwrap()
    }

    fn trouble(&self, act: u32, trouble: Trouble) {
        self.hosts.trouble.lock().unwrap().insert(act, trouble);
    }

    async fn create(&self, more: &[&str]) -> Ended {
        self.run(&[CREATE, more].concat()).await
    }

    /// The id of the newest operation, once its state and its step are these.
    async fn newest(&self, state: &str, step: u32) -> String {
        for _ in 0..600 {
            let list: ListOperationsReply = self.json(&["op", "list"]).await;
            let first = list.operations.first();
            if let Some(one) = first.filter(|one| one.state == state && one.step == step) {
                return one.operation.clone();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("no operation is {state} at step {step}");
    }
}

async fn ended(child: tokio::process::Child) -> Ended {
    let output = child.wait_with_output();
    let output = tokio::time::timeout(Duration::from_secs(60), output).await.expect("an end");
    let output = output.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ended {
        code: output.status.code().unwrap_or(-1),
        out: text(output.stdout),
        err: text(output.stderr),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn done_is_0_and_readings_tell_the_rest() {
    let world = World::start().await;
    let hosts: ListHostsReply = world.json(&["host", "list"]).await;
    assert!(hosts.hosts.iter().all(|host| host.state == "connected"), "{hosts:?}");
    let host: HostDetail = world.json(&["host", "show", "h1"]).await;
    assert!(host.facts.is_some() && host.fault.is_none(), "{host:?}");

    let hour = jiff::Zoned::now().hour();
    let window = format!("{:02}:00-{:02}:00", (hour + 2) % 24, (hour + 3) % 24);
    let closed = world.create(&["--yes", "--window", &window]).await;
    assert_eq!(closed.code, 5, "{closed:?}");
    assert!(closed.out.contains("OP-01 maintenance window"), "{closed:?}");

    let said = ["--yes", "--ticket", "CHG-4711", "--note", "the first shelf"];
    let done = world.create(&said).await;
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.out.contains("ticket CHG-4711"), "{done:?}");
    assert!(done.out.contains("Plan: create cluster shelf"), "{done:?}");
    assert!(done.out.trim_end().ends_with("done: everything is as predicted"), "{done:?}");

    let list: ListOperationsReply = world.json(&["op", "list", "shelf"]).await;
    let one = &list.operations[0];
    assert_eq!((one.kind.as_str(), one.state.as_str()), ("create", "done"));
    let kept = one.remarks.clone().unwrap();
    assert_eq!((kept.ticket.as_str(), kept.note.as_str()), ("CHG-4711", "the first shelf"));
    let history: ClusterHistory = world.json(&["cluster", "history", "shelf"]).await;
    let newest = history.versions.first().unwrap();
    assert_eq!(newest.made_by.as_ref().unwrap().operation, one.operation, "{history:?}");
    assert_eq!(newest.spec.as_ref().unwrap().version as usize, history.versions.len());
    let told = world.run(&["cluster", "history", "shelf"]).await;
    assert!(
        told.out.contains("  + node n-h1 on h1\n") && told.out.contains("CHG-4711"),
        "{told:?}"
    );
    assert_eq!(world.run(&["cluster", "history", "other"]).await.code, 2);
    let needed = world.run(&["host", "remove", "h1", "--yes"]).await;
    assert_eq!(needed.code, 5, "{needed:?}");
    assert!(needed.err.contains("node n-h1 of cluster shelf is on host h1"), "{needed:?}");
    let audit = world.run(&["audit", "show"]).await;
    assert!(audit.out.contains("CHG-4711: the first shelf"), "{audit:?}");
    let watched = world.run(&["op", "watch", &one.operation]).await;
    assert_eq!(watched.code, 0, "{watched:?}");
    let shown: OperationDetail = world.json(&["op", "show", &one.operation]).await;
    assert_eq!(shown.events.len() as u64, shown.events.last().unwrap().sequence);
    let report = world.run(&["op", "report", &one.operation]).await;
    assert_eq!(report.code, 0, "{report:?}");
    assert!(report.out.starts_with("# Report: create cluster shelf\n"), "{report:?}");
    assert!(report.out.contains("nothing differs"), "{report:?}");
    let html = ["op", "report", &one.operation, "--format", "html", "--lang", "zh"];
    let html = world.run(&html).await;
    assert!(
        html.out.contains("<html lang=\"zh-CN\">") && html.out.contains("CHG-4711"),
        "{html:?}"
    );
    assert_eq!(world.run(&["op", "report", "unknown"]).await.code, 2);
    assert_eq!(world.run(&["op", "logs", &one.operation]).await.code, 2);
    let over = world.run(&["op", "cancel", &one.operation]).await;
    assert_eq!(over.code, 5, "{over:?}");
    assert!(over.err.contains("it rests as done"), "{over:?}");
    assert_eq!(world.run(&["status", "--fresh"]).await.code, 0);
    let seen: Overview = world.json(&["status"]).await;
    assert_eq!((seen.clusters.len(), seen.open.len()), (1, 0), "{seen:?}");
    assert_eq!(seen.hosts.len(), HOSTS.len());
    assert_eq!(world.run(&["status", "other"]).await.code, 2);
    world.running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn held_is_3_locked_is_5_and_the_administrator_decides() {
    let world = World::start().await;
    world.trouble(2, Trouble::Fails);
    let held = world.create(&["--yes"]).await;
    assert_eq!(held.code, 3, "{held:?}");
    let id = world.newest("held", 2).await;
    assert!(held.out.contains(&format!("do: bellows op retry {id}")), "{held:?}");
    assert_eq!(world.run(&["op", "watch", &id]).await.code, 3);

    let logs = world.run(&["op", "logs", &id]).await;
    assert_eq!((logs.code, logs.out.as_str()), (0, "act 2 says \\u{1b}[31mhello\n"), "{logs:?}");

    let locked = world.create(&["--yes"]).await;
    assert_eq!(locked.code, 5, "{locked:?}");
    assert!(locked.err.contains(&id), "{locked:?}");

    let kept = world.run(&["op", "skip", &id, "--reason", "please"]).await;
    assert_eq!(kept.code, 5, "{kept:?}");
    assert!(kept.err.contains("the spec changes with it"), "{kept:?}");
    let retried = world.run(&["op", "retry", &id]).await;
    assert_eq!(retried.code, 0, "{retried:?}");
    assert_eq!(world.run(&["op", "watch", &id]).await.code, 0);
    world.running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_is_skipped_with_a_reason_where_its_plan_allows_it() {
    let world = World::start().await;
    world.trouble(8, Trouble::Fails);
    assert_eq!(world.create(&["--yes"]).await.code, 3);
    let id = world.newest("held", 8).await;
    for bad in [&[][..], &["--reason", ""], &["--reason", "two\nlines"]] {
        let refused = world.run(&[&["op", "skip", &id], bad].concat()).await;
        assert_eq!(refused.code, 2, "{refused:?}");
    }
    world.hosts.intrude("h2", "c");
    let skipped = world.run(&["op", "skip", &id, "--reason", "c was put by hand"]).await;
    assert_eq!(skipped.code, 0, "{skipped:?}");
    assert!(skipped.out.contains("skipped by"), "{skipped:?}");
    let audit = world.run(&["audit", "show"]).await;
    assert!(audit.out.contains("skip: c was put by hand"), "{audit:?}");
    let over = world.run(&["op", "skip", &id, "--reason", "again"]).await;
    assert_eq!(over.code, 5, "{over:?}");
    world.running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn undone_as_asked_is_0_for_who_asked_and_6_for_who_wanted_it_done() {
    let world = World::start().await;
    world.trouble(2, Trouble::Fails);
    assert_eq!(world.create(&["--yes"]).await.code, 3);
    let id = world.newest("held", 2).await;
    let undone = world.run(&["op", "undo", &id]).await;
    assert_eq!(undone.code, 0, "{undone:?}");
    assert_eq!(world.run(&["op", "watch", &id]).await.code, 6);

    world.trouble(4, Trouble::Fails);
    let by_itself = world.create(&["--yes", "--on-failure", "undo", "--output", "json"]).await;
    assert_eq!(by_itself.code, 6, "{by_itself:?}");
    let summary: OperationSummary = serde_json::from_str(&by_itself.out).unwrap();
    assert_eq!(summary.state, "undone");
    assert!(world.hosts.things().is_empty());
    world.running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failed_before_the_first_act_is_1() {
    let world = World::start().await;
    world.hosts.intrude("h3", "foreign");
    let failed = world.create(&["--yes"]).await;
    assert_eq!(failed.code, 1, "{failed:?}");
    assert!(failed.out.contains("undone"), "{failed:?}");
    world.running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ctrl_c_leaves_the_view_and_cancel_ends_the_operation() {
    let world = World::start().await;
    world.trouble(2, Trouble::Hangs);
    let viewer = world.command(&[CREATE, &["--yes"]].concat()).spawn().unwrap();
    let id = world.newest("running", 2).await;
    let pid = rustix::process::Pid::from_raw(viewer.id().unwrap().try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let left = ended(viewer).await;
    assert_eq!(left.code, 130, "{left:?}");
    assert!(left.err.contains(&format!("bellows op watch {id}")), "{left:?}");

    let watcher = world.command(&["op", "watch", &id, "--output", "json"]).spawn().unwrap();
    assert_eq!(world.newest("running", 2).await, id, "the operation went on");
    let cancelled = world.run(&["op", "cancel", &id]).await;
    assert_eq!(cancelled.code, 0, "{cancelled:?}");
    let watched = ended(watcher).await;
    assert_eq!(watched.code, 6, "{watched:?}");
    for line in watched.out.lines() {
        let update: Result<bellows_proto::v1::WatchUpdate, _> = serde_json::from_str(line);
        assert!(update.is_ok(), "{line}");
    }
    assert!(world.hosts.things().is_empty());
    world.running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_happens_without_agreement() {
    let world = World::start().await;
    let nobody = world.create(&[]).await;
    assert_eq!(nobody.code, 2, "{nobody:?}");
    assert!(nobody.err.contains("--yes"), "{nobody:?}");
    assert_eq!(world.create(&["--dry-run"]).await.code, 0);

    let file = world.running.folder.path().join("plan.json");
    let path = file.to_str().unwrap();
    assert_eq!(world.create(&["--out", path]).await.code, 0);
    let plan: Plan = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(plan.cluster, "shelf");
    let none: ListOperationsReply = world.json(&["op", "list"]).await;
    assert!(none.operations.is_empty());

    let applied = world.run(&["apply", path, "--yes", "--detach", "--output", "json"]).await;
    assert_eq!(applied.code, 0, "{applied:?}");
    let id = world.newest("done", 8).await;
    assert!(applied.out.contains(&id), "{applied:?}");
    // What was planned for a blank site does not fit any more.
    assert_eq!(world.run(&["apply", path, "--yes"]).await.code, 5);
    world.running.end().await;
}

const ID: &str = "01900000-0000-7000-8000-000000000000";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_nothing_needs_can_leave() {
    let world = World::start().await;
    let nobody = world.run(&["host", "remove", "h2"]).await;
    assert_eq!(nobody.code, 2, "{nobody:?}");

    let gone: RemoveHostReply = world.json(&["host", "remove", "h2", "--yes"]).await;
    assert_eq!(gone.removed.unwrap().host, "h2");
    assert_eq!(world.run(&["host", "remove", "h2", "--yes"]).await.code, 2);
    let left: ListHostsReply = world.json(&["host", "list"]).await;
    assert_eq!(left.hosts.len(), HOSTS.len() - 1, "{left:?}");
    let audit = world.run(&["audit", "show"]).await;
    assert!(audit.out.contains("RemoveHost") && audit.out.contains("host h2"), "{audit:?}");
    // The name is free again, for another key.
    let mut api = CoordinatorClient::new(support::through_socket(&world.running));
    agents::enrol(&world.running, &mut api, "h2", Arc::clone(&world.hosts)).await;
    let back: HostDetail = world.json(&["host", "show", "h2"]).await;
    assert_eq!(back.summary.unwrap().state, "connected");
    world.running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_is_forgotten_only_on_purpose() {
    let world = World::start().await;
    assert_eq!(world.create(&["--yes"]).await.code, 0);
    assert_eq!(world.run(&["cluster", "delete", "shelf"]).await.code, 2);
    let kept = world.run(&["cluster", "delete", "shelf", "--yes"]).await;
    assert_eq!(kept.code, 5, "{kept:?}");
    assert!(kept.err.contains("has 3 node(s)") && kept.err.contains("--forget-nodes"), "{kept:?}");
    let gone = world.run(&["cluster", "delete", "shelf", "--forget-nodes", "--yes"]).await;
    assert_eq!(gone.code, 0, "{gone:?}");
    assert!(gone.out.contains("Left to themselves") && gone.out.contains("n-h1"), "{gone:?}");
    assert_eq!(world.run(&["cluster", "show", "shelf"]).await.code, 2);
    let audit = world.run(&["audit", "show"]).await;
    assert!(audit.out.contains("DeleteCluster"), "{audit:?}");
    // Its hosts are free for the site's own purposes.
    assert_eq!(world.run(&["host", "remove", "h1", "--yes"]).await.code, 0);
    world.running.end().await;
}
