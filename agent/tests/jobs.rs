//! Jobs with real processes: programs that hang, flood, fork, ignore TERM, and agents and
//! shims that die.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use std::time::{Duration, Instant};

use bellows_agent::host::{ProcessId, Signal};
use bellows_proto::v1::{
    Action, AnnounceTermRequest, FaultCode, GetJobRequest, JobState, PostgresqlAction, action,
};
use support::{TestHost, term};

#[test]
fn shim() {
    support::be_a_shim_if_asked();
}

async fn gone(host: &TestHost, process: ProcessId) {
    let machine = host.local().host;
    let started = Instant::now();
    while machine.is_alive(process) {
        assert!(started.elapsed() < support::LIMIT, "{process:?} lives on");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_job_runs_and_is_known_afterwards() {
    let host = TestHost::new();
    host.start(1, "echo out; echo err >&2; printf '\\377\\000rubbish'").await;
    let job = host.ended(1).await;
    assert_eq!(job.state(), JobState::Succeeded, "{job:?}");
    assert_eq!(job.note, "done");
    assert_eq!(job.tool_runs.len(), 1);
    assert_eq!(job.tool_runs[0].exit_status, Some(0));
    let (output, skipped) = host.output(1).await;
    assert_eq!(skipped, 0);
    assert_eq!(output.len() as u64, job.output_bytes);
    assert_eq!(job.output_digest, bellows_proto::digest::of_bytes(&output));
    // Standard output and standard error are two pipes: their order is not fixed.
    assert!(output.windows(9).any(|part| part == b"\xff\x00rubbish"));
    assert_eq!(host.jobs.list(&host.operation).unwrap().len(), 1);
    host.close().unwrap();
    host.close().unwrap();
    assert!(host.jobs.list(&host.operation).unwrap().is_empty());
}

#[tokio::test]
async fn a_second_start_is_the_same_job() {
    let host = TestHost::new();
    let script = "echo run >> $HERE/runs; while [ ! -e $HERE/go ]; do sleep 0.05; done";
    let first = host.request(1, script);
    let (a, b) = tokio::join!(host.jobs.start(first.clone()), host.jobs.start(first));
    assert_eq!(a.unwrap().key, b.unwrap().key);
    assert_eq!(host.file("runs").await, "run");
    let other = host.jobs.start(host.request(1, "true")).await.unwrap_err();
    assert_eq!(other.code(), FaultCode::Conflict);
    std::fs::write(host.folder.path().join("go"), "").unwrap();
    let job = host.ended(1).await;
    assert_eq!(job.state(), JobState::Succeeded);
    host.start(1, script).await;
    assert_eq!(host.file("runs").await, "run");
    assert_eq!(host.get(1).await, job);
}

#[tokio::test]
async fn a_sealed_job_never_runs() {
    let mut host = TestHost::new();
    assert_eq!(host.seal(1).unwrap(), None);
    host.restart();
    let late = host.jobs.start(host.request(1, "true")).await.unwrap_err();
    assert_eq!(late.code(), FaultCode::Fenced);
    assert_eq!(host.seal(1).unwrap(), None);
    host.start(2, "true").await;
    assert!(host.seal(2).unwrap().is_some());
    assert_eq!(host.ended(2).await.state(), JobState::Succeeded);
}

#[tokio::test]
async fn terms_and_fences_hold() {
    let mut host = TestHost::new();
    let other = uuid::Uuid::now_v7().to_string();
    let code = |result: Result<(), bellows_proto::v1::Fault>| result.unwrap_err().code();
    assert_eq!(code(host.jobs.plant_fence(host.fence(&other))), FaultCode::Fenced);
    let mut unfenced = host.request(1, "true");
    unfenced.cluster = "billing".into();
    let refused = host.jobs.start(unfenced).await.unwrap_err();
    assert_eq!(refused.code(), FaultCode::Fenced);
    // A fence of one cluster is none for the nodes of another.
    let mut fence = host.fence(&host.operation);
    fence.cluster = "billing".into();
    host.jobs.plant_fence(fence).unwrap();
    let mut elsewhere = host.request(1, "true");
    elsewhere.cluster = "billing".into();
    let refused = host.jobs.start(elsewhere).await.unwrap_err();
    assert_eq!(refused.code(), FaultCode::Fenced);
    assert!(refused.message.contains("cluster orders"), "{refused}");
    let mut wrong = host.request(1, "true");
    wrong.digest = vec![0; 32];
    let refused = host.jobs.start(wrong).await.unwrap_err();
    assert_eq!(refused.code(), FaultCode::Invalid);

    let mut newer = host.fence(&host.operation);
    newer.term = Some(term(2));
    host.jobs.plant_fence(newer).unwrap();
    host.restart();
    let stale = host.jobs.start(host.request(1, "true")).await.unwrap_err();
    assert_eq!(stale.code(), FaultCode::StaleTerm);
    let mut stranger = host.fence(&host.operation);
    stranger.term = Some(bellows_proto::v1::Term { store_id: "store-b".into(), ..term(2) });
    assert_eq!(code(host.jobs.plant_fence(stranger)), FaultCode::StaleTerm);
    // A copy of the same store that raised it to the same number.
    let mut copy = host.fence(&host.operation);
    copy.term = Some(bellows_proto::v1::Term { incarnation: "second".into(), ..term(2) });
    assert_eq!(code(host.jobs.plant_fence(copy)), FaultCode::StaleTerm);
    let hello = host.jobs.hello().unwrap();
    assert_eq!((hello.term, hello.fences.len()), (Some(term(2)), 2));

    let announce = |term| host.jobs.announce_term(&AnnounceTermRequest { term: Some(term) });
    assert_eq!(code(announce(term(1))), FaultCode::StaleTerm);
    announce(term(2)).unwrap();
    // Of a version without incarnations; the first one that is heard then is the one.
    let nameless = bellows_proto::v1::Term { incarnation: String::new(), ..term(3) };
    announce(nameless.clone()).unwrap();
    announce(term(3)).unwrap();
    assert_eq!(code(announce(nameless)), FaultCode::StaleTerm);
    assert_eq!(host.jobs.hello().unwrap().term, Some(term(3)));
}

#[tokio::test]
async fn a_closed_operation_never_comes_back() {
    let mut host = TestHost::new();
    host.start(1, "while [ ! -e $HERE/go ]; do sleep 0.05; done").await;
    assert_eq!(host.close().unwrap_err().code(), FaultCode::Conflict);
    std::fs::write(host.folder.path().join("go"), "").unwrap();
    host.ended(1).await;
    host.close().unwrap();
    host.restart();
    assert!(host.jobs.hello().unwrap().fences.is_empty());
    let late = host.jobs.start(host.request(2, "true")).await.unwrap_err();
    assert_eq!(late.code(), FaultCode::Conflict);
    // Job 1 did run: "it never was" would be a lie.
    assert_eq!(host.seal(1).unwrap_err().code(), FaultCode::Conflict);
    let fence = host.jobs.plant_fence(host.fence(&host.operation));
    assert_eq!(fence.unwrap_err().code(), FaultCode::Conflict);
    // Another operation may hold the cluster now.
    let other = uuid::Uuid::now_v7().to_string();
    host.jobs.plant_fence(host.fence(&other)).unwrap();
}

#[tokio::test]
async fn the_host_has_the_last_word() {
    let mut host = TestHost::new();
    let mut foreign = host.request(1, "");
    let action = Action { kind: Some(action::Kind::Postgresql(PostgresqlAction::default())) };
    foreign.digest = bellows_proto::digest::of(&action).to_vec();
    foreign.action = Some(action);
    let refused = host.jobs.start(foreign).await.unwrap_err();
    assert_eq!(refused.code(), FaultCode::Denied);
    let config = host.folder.path().join("agent.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text + "mode = \"observe\"\n").unwrap();
    host.restart();
    let refused = host.jobs.start(host.request(1, "true")).await.unwrap_err();
    assert_eq!(refused.code(), FaultCode::Denied);
    let fence = host.jobs.plant_fence(host.fence(&host.operation));
    assert_eq!(fence.unwrap_err().code(), FaultCode::Denied);
    assert!(refused.message.contains("may only be observed"), "{refused}");
    assert!(refused.remedy.contains("\"manage\""), "{refused}");
    assert_eq!(host.jobs.hello().unwrap().mode, "observe");
    assert!(host.jobs.list("").unwrap().is_empty());
}

#[tokio::test]
async fn odd_ends_are_told() {
    let host = TestHost::new();
    host.start(1, "echo why >&2; exit 77").await;
    host.start(2, "kill -SEGV $$").await;
    host.start(3, "echo panic-now").await;
    let job = host.ended(1).await;
    let fault = job.fault.unwrap();
    assert_eq!(job.state, i32::from(JobState::Failed));
    assert_eq!((fault.code(), fault.exit_status), (FaultCode::ToolFailed, Some(77)));
    assert_eq!((fault.stderr_tail.as_str(), fault.host.as_str()), ("why", "h1"));
    let job = host.ended(2).await;
    assert_eq!(job.tool_runs[0].signal, Some(11));
    assert_eq!(job.state(), JobState::Failed);
    let job = host.ended(3).await;
    assert_eq!(job.fault.unwrap().code(), FaultCode::Internal);
}

#[tokio::test]
async fn a_flood_is_bounded_on_disk() {
    let host = TestHost::new();
    host.start(1, "head -c 30000000 /dev/zero; echo end").await;
    let job = host.ended(1).await;
    assert_eq!(job.state(), JobState::Succeeded, "{job:?}");
    assert_eq!(job.output_bytes, 30_000_004);
    let (output, skipped) = host.output(1).await;
    assert_eq!(skipped + output.len() as u64, job.output_bytes);
    assert!(output.len() < 10_000_000, "{}", output.len());
    assert!(output.ends_with(b"end\n"));
}

#[tokio::test]
async fn a_hanging_job_ends_at_its_deadline() {
    let host = TestHost::new();
    let mut request = host.request(1, "trap '' TERM; while true; do sleep 1; done");
    request.deadline_ms = 500;
    host.jobs.start(request).await.unwrap();
    let job = host.ended(1).await;
    assert_eq!(job.state(), JobState::Failed);
    assert_eq!(job.fault.unwrap().code(), FaultCode::Deadline);
    host.nothing_left(1).await;
}

#[tokio::test]
async fn a_flooding_job_ends_at_its_deadline_and_when_it_is_cancelled() {
    let host = TestHost::new();
    let mut request = host.request(1, "yes & yes & yes >&2 & yes");
    request.deadline_ms = 500;
    host.jobs.start(request).await.unwrap();
    let job = host.ended(1).await;
    assert!(job.ended_at_ms - job.accepted_at_ms < 10_000, "{job:?}");
    assert_eq!(job.fault.unwrap().code(), FaultCode::Deadline);
    host.nothing_left(1).await;
    host.start(2, "echo > $HERE/up; yes & yes & yes >&2 & yes").await;
    host.file("up").await;
    host.cancel(2).unwrap();
    assert_eq!(host.ended(2).await.state(), JobState::Cancelled);
    host.nothing_left(2).await;
}

#[tokio::test]
async fn cancel_reaches_what_forks_and_ignores_term() {
    let host = TestHost::new();
    let script = "setsid sh -c 'trap \"\" TERM; echo $$ > $HERE/far; while true; do sleep 1; done' & \
                  sh -c 'trap \"\" TERM; echo $$ > $HERE/near; while true; do sleep 1; done' & \
                  while true; do sleep 1; done";
    host.start(1, script).await;
    let machine = host.local().host;
    let far = machine.process(host.file("far").await.parse().unwrap()).unwrap();
    let near = machine.process(host.file("near").await.parse().unwrap()).unwrap();
    host.cancel(1).unwrap();
    host.cancel(1).unwrap();
    let job = host.ended(1).await;
    assert_eq!(job.state(), JobState::Cancelled, "{job:?}");
    assert_eq!(job.fault.unwrap().code(), FaultCode::Cancelled);
    gone(&host, far).await;
    gone(&host, near).await;
    host.nothing_left(1).await;
    assert_eq!(host.cancel(1).unwrap().state(), JobState::Cancelled);
}

#[tokio::test]
async fn a_job_that_nobody_cancelled_says_so() {
    let host = TestHost::new();
    host.start(1, "echo > $HERE/up; while true; do sleep 1; done").await;
    host.file("up").await;
    let machine = host.local().host;
    let shim = machine.process(host.shim_pid(1)).unwrap();
    assert!(machine.signal(shim, Signal::Term).unwrap());
    let job = host.ended(1).await;
    assert_eq!(job.state(), JobState::Cancelled, "{job:?}");
    let said = job.fault.unwrap().message;
    assert!(said.contains("SIGTERM") && !said.contains("request"), "{said}");
    host.nothing_left(1).await;
}

#[tokio::test]
async fn a_restarted_agent_adopts_its_jobs() {
    let mut host = TestHost::new();
    let script =
        "echo run >> $HERE/runs; echo one; while [ ! -e $HERE/go ]; do sleep 0.05; done; echo two";
    host.start(1, script).await;
    host.file("runs").await;
    host.restart();
    assert_eq!(host.get(1).await.state(), JobState::Running);
    host.start(1, script).await;
    std::fs::write(host.folder.path().join("go"), "").unwrap();
    assert_eq!(host.ended(1).await.state(), JobState::Succeeded);
    assert_eq!(host.file("runs").await, "run");
    assert_eq!(host.output(1).await.0, b"one\ntwo\n");
}

#[tokio::test]
async fn a_killed_shim_leaves_a_lost_job_and_nothing_alive() {
    let host = TestHost::new();
    let script = "setsid sh -c 'echo $$ > $HERE/far; while true; do sleep 1; done' & \
                  echo $$ > $HERE/near; while true; do sleep 1; done";
    host.start(1, script).await;
    let machine = host.local().host;
    let far = machine.process(host.file("far").await.parse().unwrap()).unwrap();
    let near = machine.process(host.file("near").await.parse().unwrap()).unwrap();
    let shim = machine.process(host.shim_pid(1)).unwrap();
    assert!(machine.signal(shim, Signal::Kill).unwrap());
    let job = host.ended(1).await;
    assert_eq!(job.state(), JobState::Lost, "{job:?}");
    assert_eq!(job.fault.unwrap().code(), FaultCode::Lost);
    for process in [far, near] {
        assert!(!machine.is_alive(process), "lost, but {process:?} lives");
    }
}

#[tokio::test]
async fn what_a_job_leaves_behind_is_ended_with_it() {
    let host = TestHost::new();
    let script = "setsid sh -c 'echo $$ > $HERE/left; while true; do sleep 1; done' > /dev/null 2>&1 & \
                  while [ ! -s $HERE/left ]; do sleep 0.05; done";
    host.start(1, script).await;
    let job = host.ended(1).await;
    assert_eq!(job.state(), JobState::Succeeded, "{job:?}");
    host.nothing_left(1).await;
}

#[tokio::test]
async fn a_waiting_call_is_answered_by_the_change() {
    let host = TestHost::new();
    host.start(1, "while [ ! -e $HERE/go ]; do sleep 0.05; done").await;
    let running = host.until(1, "running", |job| !job.tool_runs.is_empty()).await;
    let wait =
        GetJobRequest { key: Some(host.key(1)), after_revision: running.revision, wait_ms: 10_000 };
    let change = async {
        std::fs::write(host.folder.path().join("go"), "").unwrap();
    };
    let (job, ()) = tokio::join!(host.jobs.get(wait), change);
    assert!(job.unwrap().revision > running.revision);
    host.ended(1).await;
}

#[tokio::test]
async fn secrets_are_handed_over_and_gone_at_the_end() {
    let host = TestHost::new();
    host.start(1, "cat $SECRET > $HERE/seen; stat -c '%a' $SECRET; echo >> $HERE/seen").await;
    let job = host.ended(1).await;
    assert_eq!(job.state(), JobState::Succeeded, "{job:?}");
    assert_eq!(host.file("seen").await, "hidden");
    assert_eq!(host.output(1).await.0, b"400\n");
    let left = std::fs::read_dir(host.runtime().join("secrets")).unwrap().count();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn secrets_of_a_killed_job_are_gone_when_it_is_told_lost() {
    let mut host = TestHost::new();
    host.start(1, "echo > $HERE/up; while [ -e $SECRET ]; do sleep 0.05; done").await;
    host.file("up").await;
    let folder = host.runtime().join("secrets");
    let secrets = || std::fs::read_dir(&folder).unwrap().count();
    assert_eq!(secrets(), 1);
    let machine = host.local().host;
    let shim = machine.process(host.shim_pid(1)).unwrap();
    machine.signal(shim, Signal::Kill).unwrap();
    assert_eq!(host.ended(1).await.state(), JobState::Lost);
    assert_eq!(secrets(), 0);
    // A restarted agent removes what belongs to no running job, and nothing else.
    host.start(2, "echo > $HERE/again; while [ ! -e $HERE/go ]; do sleep 0.05; done; cat $SECRET")
        .await;
    host.file("again").await;
    let orphan = host.runtime().join("secrets/orphan");
    std::fs::create_dir(&orphan).unwrap();
    host.restart();
    assert!(!orphan.exists());
    std::fs::write(host.folder.path().join("go"), "").unwrap();
    assert_eq!(host.ended(2).await.state(), JobState::Succeeded);
    assert_eq!(host.output(2).await.0, b"hidden");
}

#[tokio::test]
async fn a_job_that_cannot_be_started_has_failed() {
    let host = TestHost::new();
    std::fs::remove_file(host.folder.path().join("shim")).unwrap();
    let job = host.jobs.start(host.request(1, "true")).await.unwrap();
    assert_eq!(job.state(), JobState::Failed);
    // What systemd-run says of a missing program is for people only.
    let code = job.fault.unwrap().code();
    assert!(matches!(code, FaultCode::ToolMissing | FaultCode::ToolFailed), "{code:?}");
}
