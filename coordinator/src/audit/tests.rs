//! Two logs on disks in memory, and whoever changes one of them.

use std::collections::BTreeMap;

use bellows_proto::{
    audit::{Disk as _, Entry, Reader, index_of},
    v1::{
        Act, ActStarted, Action, AuditFinding, AuditJobAccepted, AuditVerdict, Closed, Event,
        Fault, FaultCode, JobKey, JobState, Plan, Term, ToolRun, VerifyAuditReply,
    },
};

use super::*;

const OPERATION: &str = "01932c07-7d5b-7000-8000-000000000001";

fn now() -> i64 {
    1_700_000_000_000
}

fn limits() -> Limits {
    Limits { segment_bytes: 100_000, keep: 4 }
}

/// A coordinator and one host, in folders.
struct Site {
    folder: tempfile::TempDir,
}

impl Site {
    /// An operation of so many acts, told by both sides.
    fn played(acts: u32) -> Self {
        let site = Self { folder: tempfile::tempdir().unwrap() };
        let own = site.own();
        let mut host = site.host();
        let plan = Plan { cluster: "orders".into(), ..Plan::default() };
        let accepted = bellows_proto::v1::Accepted { plan: Some(plan), ..Default::default() };
        tell(&own, 1, event::Kind::Accepted(accepted));
        for act in 1..=acts {
            started(&own, act);
            run(&own, &mut host, act);
        }
        tell(&own, 50, event::Kind::Closed(Closed::default()));
        own.witness("h1", host.head()).unwrap();
        site
    }

    fn own(&self) -> AuditLog {
        AuditLog::open(&self.folder.path().join("own"), limits(), now).unwrap()
    }

    fn host(&self) -> Log<Folder> {
        let folder = Folder::make(&self.folder.path().join("h1")).unwrap();
        Log::open(folder, limits(), now(), &mut |_| {}).unwrap()
    }

    fn read<F>(
        &self,
        which: &str,
        mut each: impl FnMut(Entry),
        end: impl FnOnce(bellows_proto::audit::Chain) -> F,
    ) -> F {
        let folder = Folder::make(&self.folder.path().join(which)).unwrap();
        let mut reader = Reader::default();
        let mut names = folder.list().unwrap();
        names.sort();
        for name in names {
            let bytes = folder.read(&name).unwrap();
            reader.segment(index_of(&name).unwrap(), &bytes, &mut each);
        }
        end(reader.finish(&mut |_| {}))
    }

    fn own_facts(&self) -> OwnFacts {
        let mut facts = OwnFacts::default();
        let chain = self.read("own", |entry| facts.learn(entry), |chain| chain);
        facts.end(chain)
    }

    fn host_facts(&self) -> HostFacts {
        let mut facts = HostFacts::default();
        let chain = self.read("h1", |entry| facts.learn(entry), |chain| chain);
        facts.end(chain)
    }

    fn verified(&self) -> VerifyAuditReply {
        let hosts = BTreeMap::from([("h1".to_owned(), Ok(self.host_facts()))]);
        verify(self.own_facts(), hosts, &self.own_facts(), true)
    }

    fn file(&self, which: &str) -> PathBuf {
        self.folder.path().join(which).join("segment.0000000001")
    }

    /// The file with its records from `from` on replaced by what `anew` writes.
    fn cut(&self, which: &str, records: usize) {
        let bytes = std::fs::read(self.file(which)).unwrap();
        let starts = starts(&bytes);
        std::fs::write(self.file(which), &bytes[..starts[starts.len() - records]]).unwrap();
    }
}

/// Where each record begins.
fn starts(bytes: &[u8]) -> Vec<usize> {
    let (mut at, mut found) = (bellows_proto::audit::HEADER_BYTES, Vec::new());
    while at < bytes.len() {
        found.push(at);
        at += 40 + u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    }
    found
}

fn tell(own: &AuditLog, sequence: u64, kind: event::Kind) {
    own.event(OPERATION, &Event { sequence, at_ms: 1, kind: Some(kind) }).unwrap();
}

fn key(act: u32) -> JobKey {
    JobKey { operation: OPERATION.into(), act, attempt: 1 }
}

fn job(act: u32) -> Job {
    let run = ToolRun {
        command: vec!["/usr/bin/tool".into(), format!("--act={act}")],
        exit_status: Some(0),
        ..ToolRun::default()
    };
    Job {
        key: Some(key(act)),
        state: JobState::Succeeded.into(),
        digest: bellows_proto::digest::of(&Action::default()).to_vec(),
        tool_runs: vec![run],
        output_digest: vec![5; 32],
        ..Job::default()
    }
}

fn started(own: &AuditLog, act: u32) {
    let number = act;
    let act = Act { number, host: "h1".into(), action: Some(Action::default()), ..Act::default() };
    let started = ActStarted { act: Some(act), attempt: 1, ..ActStarted::default() };
    tell(own, u64::from(number) + 1, event::Kind::ActStarted(started));
}

/// The host's part.
fn run(own: &AuditLog, host: &mut Log<Folder>, act: u32) {
    let accepted = AuditJobAccepted {
        key: Some(key(act)),
        action_digest: job(act).digest,
        coordinator: Some(own.head()),
        ..AuditJobAccepted::default()
    };
    host.append(now(), Kind::JobAccepted(accepted)).unwrap();
    let ended = bellows_proto::audit::job_ended(&job(act));
    let head = host.append(now(), Kind::JobEnded(ended)).unwrap();
    own.job_ended("h1", &job(act), Some(head.clone())).unwrap();
    own.job_ended("h1", &job(act), Some(head)).unwrap();
}

fn damage(reply: &VerifyAuditReply) -> Vec<&AuditFinding> {
    reply.findings.iter().filter(|found| found.verdict() == AuditVerdict::Damage).collect()
}

#[test]
fn what_nobody_touched_is_verified() {
    let site = Site::played(3);
    let reply = site.verified();
    assert_eq!(reply.findings, []);
    assert_eq!(reply.jobs, 3);
    // Three ends of jobs for the log of the host, three acceptances for ours.
    assert_eq!(reply.anchors, 6);
    assert_eq!(reply.logs.len(), 2);
}

#[test]
fn any_changed_byte_of_either_log_is_found() {
    let site = Site::played(2);
    for which in ["own", "h1"] {
        let whole = std::fs::read(site.file(which)).unwrap();
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 0x20;
            std::fs::write(site.file(which), &changed).unwrap();
            let reply = site.verified();
            let host = if which == "own" { "" } else { which };
            assert!(damage(&reply).iter().any(|found| found.host == host), "{which} {at}");
        }
        std::fs::write(site.file(which), &whole).unwrap();
    }
}

#[test]
fn a_cut_tail_contradicts_the_other_side() {
    for records in 1..=4 {
        let site = Site::played(2);
        site.cut("h1", records);
        let reply = site.verified();
        let found = damage(&reply);
        assert!(found.iter().any(|found| found.text.contains("the coordinator has seen it")));
        assert!(found.iter().all(|found| found.host == "h1"), "{found:?}");
        let anchors = found.iter().filter(|found| !found.reason.is_empty());
        assert!(anchors.clone().count() > 0);
        for one in anchors {
            assert!(one.reason.contains("the log of host h1 was cut"), "{one:?}");
        }
    }
    // Ours: down to where a host has seen it.
    let site = Site::played(2);
    site.cut("own", 5);
    let reply = site.verified();
    let found = damage(&reply);
    assert!(found[0].text.contains("host h1 has seen it") || found.len() > 1, "{found:?}");
    assert!(found.iter().any(|found| found.host.is_empty()));
}

#[test]
fn a_log_that_was_written_anew_contradicts_the_other_side() {
    let site = Site::played(2);
    // The same jobs, but the second ran something else, and all hashes are right.
    std::fs::remove_dir_all(site.folder.path().join("h1")).unwrap();
    let mut host = site.host();
    for act in 1..=2 {
        let accepted = AuditJobAccepted {
            key: Some(key(act)),
            action_digest: job(act).digest,
            ..AuditJobAccepted::default()
        };
        host.append(now(), Kind::JobAccepted(accepted)).unwrap();
        let mut ran = job(act);
        if act == 2 {
            ran.tool_runs[0].command.push("--force".into());
        }
        let ended = bellows_proto::audit::job_ended(&ran);
        host.append(now(), Kind::JobEnded(ended)).unwrap();
    }
    let reply = site.verified();
    let found = damage(&reply);
    assert!(found.iter().any(|found| found.text.contains("differ in its command lines")));
    assert!(found.iter().any(|found| found.text.contains("not the one that the coordinator")));
    assert_eq!(reply.jobs, 1);
}

#[test]
fn jobs_that_only_one_side_knows_are_told() {
    let site = Site::played(1);
    let mut host = site.host();
    let accepted = AuditJobAccepted { key: Some(key(9)), ..AuditJobAccepted::default() };
    host.append(now(), Kind::JobAccepted(accepted)).unwrap();
    let reply = site.verified();
    assert!(damage(&reply)[0].text.contains("does not tell of this job"));

    let site = Site::played(1);
    let own = site.own();
    started(&own, 7);
    assert_eq!(site.verified().findings, [], "an act that is not answered yet is no job yet");
    own.job_ended("h1", &job(7), None).unwrap();
    // The same operation is closed: it is told all the same, and once.
    let reply = site.verified();
    assert!(damage(&reply)[0].text.contains("accepted is missing"), "{reply:?}");
}

#[test]
fn a_host_that_does_not_answer_is_unknown_not_good() {
    let site = Site::played(1);
    let away = Fault::new(FaultCode::Unreachable, "no route").at("h1");
    let hosts = BTreeMap::from([("h1".to_owned(), Err(away))]);
    let reply = verify(site.own_facts(), hosts, &site.own_facts(), true);
    assert_eq!(reply.findings.len(), 1);
    assert_eq!(reply.findings[0].verdict(), AuditVerdict::Unknown);
    let reply = verify(site.own_facts(), BTreeMap::new(), &site.own_facts(), true);
    assert_eq!(reply.findings[0].verdict(), AuditVerdict::NotCheckable);
}

#[test]
fn a_restart_knows_what_was_told() {
    let site = Site::played(1);
    let own = site.own();
    assert_eq!(own.open_operations(), BTreeMap::new());
    tell(&own, 3, event::Kind::StepStarted(Default::default()));
    drop(own);
    let own = site.own();
    assert_eq!(own.open_operations(), BTreeMap::from([(OPERATION.to_owned(), 3)]));
    let before = own.head();
    own.witness("h1", site.host().head()).unwrap();
    assert_eq!(own.head(), before, "no news");
}

#[test]
fn refusals_are_counted_where_there_are_too_many() {
    let site = Site::played(1);
    let own = site.own();
    let before = own.head().number;
    let refusal = |text: String| AuditAnswer { text, ..AuditAnswer::default() };
    for _ in 0..10 {
        own.refused(refusal("the same".into())).unwrap();
    }
    assert_eq!(own.head().number, before + 1);
    for number in 0..100 {
        own.refused(refusal(format!("{number}"))).unwrap();
    }
    assert_eq!(own.head().number, before + 30);
}

#[test]
fn what_another_coordinator_asked_for_is_told_and_no_damage_to_this_log() {
    let site = Site::played(1);
    let term = |number, incarnation: &str| {
        Some(Term { number, store_id: "s".into(), incarnation: incarnation.into() })
    };
    let raised = |number, incarnation: &str| AuditCall {
        call: RAISE_TERM.into(),
        term: term(number, incarnation),
        ..AuditCall::default()
    };
    site.own().call(raised(4, "ours")).unwrap();
    let elsewhere = Some(AuditHead { number: 1, hash: vec![9; 32] });
    let call = |term| AuditCall {
        call: "AnnounceTerm".into(),
        term,
        coordinator: elsewhere.clone(),
        ..AuditCall::default()
    };
    let mut host = site.host();
    host.append(now(), Kind::Call(call(term(5, "a copy's")))).unwrap();
    let started = AuditJobAccepted {
        key: Some(key(9)),
        term: term(5, "a copy's"),
        coordinator: elsewhere.clone(),
        ..AuditJobAccepted::default()
    };
    host.append(now(), Kind::JobAccepted(started)).unwrap();
    let reply = site.verified();
    assert_eq!(damage(&reply), Vec::<&AuditFinding>::new());
    let told = &reply.findings[0];
    assert_eq!((reply.findings.len(), told.verdict()), (1, AuditVerdict::NotCheckable));
    assert!(told.text.contains("term 5: 2 records"), "{told:?}");
    // Under a term of ours, a head that does not fit is damage as ever; before the first raise that
    // the log has, nobody can tell whose it was.
    for ours in [term(4, "ours"), term(3, "of long ago"), term(5, "")] {
        let another = Site::played(1);
        another.own().call(raised(4, "ours")).unwrap();
        another.host().append(now(), Kind::Call(call(ours))).unwrap();
        assert_eq!(damage(&another.verified()).len(), 1);
    }
}

#[test]
fn a_log_that_was_emptied_can_be_accepted_and_is_held_to_that() {
    let site = Site::played(2);
    std::fs::remove_dir_all(site.folder.path().join("h1")).unwrap();
    let mut host = site.host();
    host.append(now(), Kind::Opened(AuditOpened::default())).unwrap();
    assert!(damage(&site.verified()).len() > 1);
    let own = site.own();
    let acceptance = AuditAcceptance {
        host: "h1".into(),
        agent: Some(host.head()),
        principal: "alice (admin)".into(),
        reason: "disk replaced".into(),
    };
    own.accept(acceptance).unwrap();
    own.witness("h1", host.head()).unwrap();
    let reply = site.verified();
    assert_eq!(damage(&reply), Vec::<&AuditFinding>::new());
    let told = &reply.findings[0];
    assert_eq!((told.verdict(), told.host.as_str()), (AuditVerdict::NotCheckable, "h1"));
    assert!(told.text.contains("alice (admin)") && told.text.contains("disk replaced"), "{told:?}");

    // What comes afterwards is checked as ever; what was accepted too.
    started(&own, 8);
    run(&own, &mut host, 8);
    assert_eq!((damage(&site.verified()).len(), site.verified().jobs), (0, 1));
    std::fs::remove_dir_all(site.folder.path().join("h1")).unwrap();
    site.host()
        .append(now(), Kind::Opened(AuditOpened { name: "x".into(), ..AuditOpened::default() }))
        .unwrap();
    assert!(damage(&site.verified()).len() > 1);
}
