//! The audit log end to end: a real cluster is made, the logs of coordinator and agents are
//! verified, then each is tampered with in every way that a program with write access could.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use bellows_proto::v1::{
    AuditEntry, AuditFinding, AuditVerdict, VerifyAuditReply, audit_record::Kind,
};
use bellows_tests::demo::{self, Stage};

/// Of the demo's database administrator and repmgr; never in any log.
const PASSWORD: &[u8] = b"throw-away";
const HEADER_BYTES: usize = 56;

fn folder(stage: &Stage, host: usize) -> PathBuf {
    stage.site.agents()[host].host.folder.join("state/audit")
}

fn own_folder(stage: &Stage) -> PathBuf {
    stage.site.coordinator_log().parent().unwrap().join("site/data/audit")
}

fn first_segment(folder: &Path) -> PathBuf {
    folder.join("segment.0000000001")
}

async fn verified(stage: &Stage, code: i32) -> Result<VerifyAuditReply> {
    let ended = stage.site.cli().run(&["audit", "verify", "--output", "json"]).await?;
    Ok(serde_json::from_str(ended.expect_code(code)?)?)
}

fn damage(reply: &VerifyAuditReply) -> Vec<AuditFinding> {
    let of = |found: &&AuditFinding| found.verdict() == AuditVerdict::Damage;
    reply.findings.iter().filter(of).cloned().collect()
}

async fn shown(stage: &Stage, words: &[&str]) -> Result<Vec<AuditEntry>> {
    let all = [&["audit", "--output", "json"], words].concat();
    let ended = stage.site.cli().run(&all).await?;
    let lines = ended.expect_code(0)?.lines();
    lines.map(|line| Ok(serde_json::from_str(line)?)).collect()
}

/// Where each record of a segment begins.
fn starts(bytes: &[u8]) -> Vec<usize> {
    let (mut at, mut found) = (HEADER_BYTES, Vec::new());
    while at < bytes.len() {
        found.push(at);
        at += 40 + u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    }
    found
}

/// Every way of tampering with a log: what it leaves of the file.
fn tampered(bytes: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let starts = starts(bytes);
    let middle = starts.len() / 2;
    let (from, to) = (starts[middle], starts[middle + 1]);
    let mut flipped = bytes.to_vec();
    flipped[from + 20] ^= 1;
    let removed = [&bytes[..from], &bytes[to..]].concat();
    let cut = bytes[..from].to_vec();
    let doubled = [&bytes[..to], &bytes[from..]].concat();
    vec![("flipped", flipped), ("removed", removed), ("cut", cut), ("doubled", doubled)]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_changed_in_a_log_is_found() {
    super::on_a_site(2, play).await;
}

async fn play(stage: &mut Stage) -> Result<()> {
    demo::create(stage, 2, 2).await?;
    // A coordinator and an agent that were killed go on with their chains.
    stage.site.coordinator().kill().await?;
    stage.site.coordinator().start().await?;
    stage.site.agent(0)?.kill().await?;
    stage.site.agent(0)?.start().await?;
    stage.site.connected().await?;

    let reply = verified(stage, 0).await?;
    ensure!(reply.findings.is_empty() && reply.jobs > 10 && reply.logs.len() == 3, "{reply:?}");
    tells_all(stage).await?;
    no_secret(stage)?;

    for host in 0..2 {
        let file = first_segment(&folder(stage, host));
        let name = stage.site.agents()[host].host.name.clone();
        tamper(stage, &file, &name).await?;
    }
    let file = first_segment(&own_folder(stage));
    tamper(stage, &file, "").await?;
    an_older_copy(stage).await?;
    away(stage).await
}

/// The logs tell who asked, and each tool with its arguments.
async fn tells_all(stage: &Stage) -> Result<()> {
    let own = shown(stage, &[]).await?;
    let kinds = || own.iter().filter_map(|entry| entry.record.as_ref()?.kind.as_ref());
    let applied = kinds().any(|kind| {
        matches!(kind, Kind::Call(call) if call.call == "ApplyPlan"
            && call.plan_digest.len() == 32 && call.intent.is_some() && !call.principal.is_empty())
    });
    let answered = kinds().any(|kind| {
        matches!(kind, Kind::Answer(answer) if answer.call == "ApplyPlan" && !answer.operation.is_empty())
    });
    ensure!(applied && answered, "the operation was asked for by nobody");
    let jobs = |kind: &Kind| matches!(kind, Kind::JobReported(_));
    let reported = kinds().filter(|kind| jobs(kind)).count();

    let operation = stage.site.cli().operations().await?.remove(0).operation;
    let mut ended = 0;
    for name in ["h1", "h2"] {
        let entries = shown(stage, &["show", "--host", name, "--operation", &operation]).await?;
        for entry in entries {
            if let Some(Kind::JobEnded(job)) = entry.record.and_then(|record| record.kind) {
                ended += 1;
                for run in &job.tool_runs {
                    ensure!(run.command[0].starts_with('/') && run.output_digest.len() == 32);
                }
            }
        }
    }
    ensure!(ended == reported && ended > 10, "{ended} ended, {reported} reported");
    let clone = shown(stage, &["show", "--host", "h2"]).await?.into_iter().any(|entry| {
        let Some(Kind::JobEnded(job)) = entry.record.and_then(|record| record.kind) else {
            return false;
        };
        job.tool_runs.iter().any(|run| run.command.iter().any(|word| word == "clone"))
    });
    ensure!(clone, "repmgr's clone is not in the log of h2");
    ensure!(shown(stage, &["--since", "2099-01-01"]).await?.is_empty());
    Ok(())
}

fn no_secret(stage: &Stage) -> Result<()> {
    for folder in [own_folder(stage), folder(stage, 0), folder(stage, 1)] {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            let bytes = std::fs::read(&path)?;
            let found = bytes.windows(PASSWORD.len()).any(|part| part == PASSWORD);
            ensure!(!found, "a password is in {}", path.display());
        }
    }
    Ok(())
}

async fn tamper(stage: &Stage, file: &Path, host: &str) -> Result<()> {
    let whole = std::fs::read(file)?;
    for (what, changed) in tampered(&whole) {
        std::fs::write(file, changed)?;
        let reply = verified(stage, 7).await?;
        let found = damage(&reply);
        ensure!(found.iter().any(|found| found.host == host), "{what} at {host:?}: {found:?}");
        if what == "cut" && !host.is_empty() {
            let who = format!("the log of host {host} was cut");
            ensure!(found.iter().any(|found| found.reason.contains(&who)), "{found:?}");
        }
        if what == "cut" && host.is_empty() {
            let who = "the coordinator's log was cut";
            ensure!(found.iter().any(|found| found.reason.contains(who)), "{found:?}");
        }
    }
    std::fs::write(file, whole)?;
    verified(stage, 0).await.map(|_| ())
}

/// A host's whole log is put back to what it was, its agent goes on with it.
async fn an_older_copy(stage: &mut Stage) -> Result<()> {
    let file = first_segment(&folder(stage, 1));
    let whole = std::fs::read(&file)?;
    let starts = starts(&whole);
    // What the agent writes at its start takes the place of a record that was cut off. Of two in a
    // row the coordinator has seen one, the end of a job, as the head of this log.
    let mut replaced = 0;
    for records in [starts.len() / 2, starts.len() / 2 + 1] {
        stage.site.agent(1)?.kill().await?;
        std::fs::write(&file, &whole[..starts[records]])?;
        stage.site.agent(1)?.start().await?;
        stage.site.connected().await?;
        let found = damage(&verified(stage, 7).await?);
        ensure!(found.iter().all(|found| found.host == "h2"), "{found:?}");
        replaced += found.iter().filter(|found| found.text.contains("is not the one")).count();
    }
    ensure!(replaced > 0, "no head of the log that was cut is contradicted");
    stage.site.agent(1)?.kill().await?;
    std::fs::write(&file, whole)?;
    stage.site.agent(1)?.start().await?;
    stage.site.connected().await
}

/// What cannot be read is not good.
async fn away(stage: &mut Stage) -> Result<()> {
    stage.site.agent(1)?.kill().await?;
    // What the copy of before had told is not there any more: only the other host is asked.
    let ended = stage.site.cli().run(&["audit", "verify", "--host", "h1"]).await?;
    ended.expect_code(0)?;
    let ended = stage.site.cli().run(&["audit", "verify", "--host", "h2"]).await?;
    let text = ended.expect_code(8)?;
    ensure!(text.contains("not verified") && text.contains("host h2: not read"), "{text}");
    let ended = stage.site.cli().run(&["audit", "verify", "--host", "h9"]).await?;
    ended.expect_code(2).map(|_| ())
}
