//! The agent's audit log over jobs with real processes: what is in it, what never is, and that
//! a crash neither loses nor doubles a record.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use std::path::PathBuf;

use bellows_agent::audit::Caller;
use bellows_proto::{
    audit::{Entry, HEADER_BYTES, Reader, index_of},
    digest,
    v1::{AuditHead, AuditJobAccepted, AuditJobEnded, FaultCode, JobState, audit_record::Kind},
};
use support::TestHost;

#[test]
fn shim() {
    support::be_a_shim_if_asked();
}

fn folder(host: &TestHost) -> PathBuf {
    host.folder.path().join("state/audit")
}

/// The log as a reader far away sees it.
fn entries(host: &TestHost) -> Vec<Entry> {
    let (mut reader, mut found) = (Reader::default(), Vec::new());
    let audit = host.jobs.audit();
    for piece in audit.pieces(0).unwrap() {
        let (mut bytes, mut segment) = (Vec::new(), 0);
        while let Some(chunk) = audit.read(piece, bytes.len() as u64).unwrap() {
            assert_eq!(chunk.offset, bytes.len() as u64);
            segment = chunk.segment;
            bytes.extend(chunk.bytes);
        }
        reader.segment(segment, &bytes, &mut |entry| found.push(entry));
    }
    let chain = reader.finish(&mut |entry| found.push(entry));
    assert_eq!(Some(chain.head), audit.head());
    found
}

/// What an undamaged log says.
fn kinds(host: &TestHost) -> Vec<Kind> {
    let found = entries(host).into_iter();
    found
        .map(|entry| (entry.damage.is_empty().then_some(entry)).expect("damage"))
        .flat_map(|entry| entry.record.unwrap().kind)
        .collect()
}

fn accepted(host: &TestHost) -> Vec<AuditJobAccepted> {
    let of = |kind| if let Kind::JobAccepted(job) = kind { Some(job) } else { None };
    kinds(host).into_iter().filter_map(of).collect()
}

fn ended(host: &TestHost) -> Vec<AuditJobEnded> {
    let of = |kind| if let Kind::JobEnded(job) = kind { Some(job) } else { None };
    kinds(host).into_iter().filter_map(of).collect()
}

/// Names of the calls, refused ones with their code.
fn calls(host: &TestHost) -> Vec<(String, Option<FaultCode>)> {
    let of = |kind| match kind {
        Kind::Call(call) => Some((call.call, None)),
        Kind::Answer(answer) => Some((answer.call.clone(), Some(answer.code()))),
        Kind::Opened(_)
        | Kind::Torn(_)
        | Kind::Pruned(_)
        | Kind::JobAccepted(_)
        | Kind::JobEnded(_)
        | Kind::Event(_)
        | Kind::JobReported(_)
        | Kind::Witness(_)
        | Kind::Acceptance(_) => None,
    };
    kinds(host).into_iter().filter_map(of).collect()
}

#[tokio::test]
async fn a_job_is_told_with_all_that_it_ran() {
    let mut host = TestHost::new();
    let head = AuditHead { number: 41, hash: vec![7; 32] };
    let caller = Caller { principal: "coordinator (coordinator)".into(), head: Some(head.clone()) };
    let jobs = host.jobs.called_by(caller);
    let request = host.request(1, "echo out; exit 0");
    jobs.start(request.clone()).await.unwrap();
    let job = host.ended(1).await;
    host.restart();
    host.jobs.start(request.clone()).await.unwrap();

    let accepted = accepted(&host);
    assert_eq!(accepted.len(), 1);
    assert_eq!(accepted[0].key, request.key);
    assert_eq!(accepted[0].action_digest, request.digest);
    assert_eq!(accepted[0].principal, "coordinator (coordinator)");
    assert_eq!(accepted[0].coordinator, Some(head));
    let ended = ended(&host);
    assert_eq!(ended.len(), 1);
    assert_eq!(ended[0].state(), JobState::Succeeded);
    assert_eq!(ended[0].output_digest, job.output_digest);
    assert_eq!(ended[0].tool_runs, job.tool_runs);
    let run = &ended[0].tool_runs[0];
    assert_eq!(run.command, ["/bin/sh", "-c", "echo out; exit 0"]);
    assert_eq!((run.exit_status, run.signal), (Some(0), None));
    assert_eq!(run.output_digest, digest::of_bytes(b"out\n"));
    assert!(run.started_at_ms > 0 && run.ended_at_ms >= run.started_at_ms);

    host.close().unwrap();
    host.close().unwrap();
    host.restart();
    let calls = calls(&host);
    assert_eq!(calls, [("PlantFence".into(), None), ("Close".into(), None)]);
    assert_eq!(self::ended(&host).len(), 1);
}

#[tokio::test]
async fn calls_are_told_before_their_effect_and_once() {
    let host = TestHost::new();
    host.jobs.plant_fence(host.fence(&host.operation)).unwrap();
    assert_eq!(host.seal(1).unwrap(), None);
    assert_eq!(host.seal(1).unwrap(), None);
    let refused = host.jobs.start(host.request(1, "true")).await.unwrap_err();
    for _ in 0..3 {
        host.jobs.refused("StartJob", &host.operation, &refused);
    }
    host.start(2, "sleep 600").await;
    host.cancel(2).unwrap();
    host.cancel(2).unwrap();
    assert_eq!(host.ended(2).await.state(), JobState::Cancelled);
    let names = calls(&host);
    let names: Vec<_> = names.iter().map(|(name, code)| (name.as_str(), *code)).collect();
    let fenced = Some(FaultCode::Fenced);
    let expected =
        [("PlantFence", None), ("Seal", None), ("StartJob", fenced), ("CancelJob", None)];
    assert_eq!(names, expected);
    assert_eq!(ended(&host)[0].state(), JobState::Cancelled);
    // How a tool that we end would have ended, nobody knows.
    let run = &ended(&host)[0].tool_runs[0];
    assert!(run.ended_at_ms > 0 && run.exit_status.is_none() && run.signal.is_none());
}

/// The segment's bytes and where each of its records begins.
fn records(bytes: &[u8]) -> Vec<usize> {
    let (mut at, mut found) = (HEADER_BYTES, Vec::new());
    while at < bytes.len() {
        found.push(at);
        at += 40 + u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    }
    found
}

#[tokio::test]
async fn a_crash_before_any_record_is_made_good_at_the_next_start() {
    let mut host = TestHost::new();
    host.start(1, "echo one").await;
    host.ended(1).await;
    let file = folder(&host).join("segment.0000000001");
    let whole = std::fs::read(&file).unwrap();
    assert_eq!(index_of("segment.0000000001"), Some(1));
    let starts = records(&whole);
    // The agent died before it wrote the last record, or the last two, or in the middle.
    for cut in starts.iter().skip(2).flat_map(|start| [*start, start + 5, start + 30]) {
        let _ = std::fs::remove_dir_all(folder(&host));
        std::fs::create_dir(folder(&host)).unwrap();
        std::fs::write(&file, &whole[..cut]).unwrap();
        host.restart();
        assert_eq!((accepted(&host).len(), ended(&host).len()), (1, 1), "cut at {cut}");
        let torn = kinds(&host).iter().any(|kind| matches!(kind, Kind::Torn(_)));
        assert_eq!(torn, !starts.contains(&cut), "cut at {cut}");
    }
}

#[tokio::test]
async fn without_its_audit_log_nothing_is_changed() {
    let host = TestHost::new();
    // Where the next segment would be is something else, and this one cannot be appended to.
    let _ = std::fs::remove_dir_all(folder(&host));
    std::fs::write(folder(&host), "in the way").unwrap();
    let job = host.jobs.start(host.request(1, "echo x > $HERE/ran")).await.unwrap();
    assert_eq!(job.state(), JobState::Failed, "{job:?}");
    let fault = job.fault.unwrap();
    assert!(fault.message.contains("audit log"), "{fault}");
    assert!(!host.folder.path().join("ran").exists());
    assert_eq!(host.seal(2).unwrap_err().code(), FaultCode::Io);
    assert_eq!(host.close().unwrap_err().code(), FaultCode::Io);
    std::fs::remove_file(folder(&host)).unwrap();
    host.close().unwrap();
    assert_eq!((accepted(&host).len(), ended(&host).len()), (1, 1));
}

#[tokio::test]
async fn a_secret_never_comes_into_the_log() {
    let mut host = TestHost::new();
    host.start(1, "cat $SECRET; cat $SECRET >&2; exit 3").await;
    let job = host.ended(1).await;
    let (output, _) = host.output(1).await;
    assert!(output.windows(6).any(|part| part == b"hidden"), "{job:?}");
    host.close().unwrap();
    host.restart();
    for entry in std::fs::read_dir(folder(&host)).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(bytes.windows(4).any(|part| part == b"/cat" || part == b"cat "));
        assert!(!bytes.windows(6).any(|part| part == b"hidden"));
    }
}
