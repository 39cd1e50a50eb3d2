//! The audit log: its records, one line each, and what a check of it found.

use bellows_proto::{
    digest::hex,
    v1::{
        AuditAnswer, AuditCall, AuditEntry, AuditEvent, AuditFinding, AuditHead, AuditJobEnded,
        AuditVerdict, FaultCode, JobKey, ToolRun, VerifyAuditReply, audit_record::Kind, event,
    },
};

use crate::cli::{
    page::{Page, Tone},
    text::date_time,
    words,
};

/// Of a digest so many characters are shown; JSON has it all.
const DIGEST_SHOWN: usize = 12;

/// One record, and a line for each program that it tells of.
pub fn entry(page: &mut Page, entry: &AuditEntry) {
    let record = entry.record.clone().unwrap_or_default();
    let time =
        if record.at_ms > 0 { date_time(record.at_ms, &page.look().zone) } else { "-".to_owned() };
    let (tone, text, runs) = match &record.kind {
        Some(kind) => said(kind),
        None => (Tone::Bad, "no record".to_owned(), &[][..]),
    };
    page.spans(&[(Tone::Quiet, &format!("{time}  {:>6}  ", record.number)), (tone, &text)]);
    for tool_run in runs {
        page.line(Tone::Plain, &format!("{:29}{}", "", run(tool_run)));
    }
    if !entry.damage.is_empty() {
        page.line(Tone::Bad, &format!("{:29}DAMAGED: {}", "", entry.damage));
    }
}

fn said(kind: &Kind) -> (Tone, String, &[ToolRun]) {
    let text = match kind {
        Kind::Opened(told) => format!("{} {} began to write", told.name, told.version),
        Kind::Torn(told) => {
            let text = format!("a crash left {} bytes of an unfinished record", told.bytes);
            return (Tone::Warn, text, &[]);
        }
        Kind::Pruned(told) => {
            let through = told.through.as_ref().map_or(0, |head| head.number);
            format!("records up to {through} were removed by retention")
        }
        Kind::Call(told) => call(told),
        Kind::Answer(told) => {
            let tone = if told.code() == FaultCode::Unspecified { Tone::Plain } else { Tone::Warn };
            return (tone, answer(told), &[]);
        }
        Kind::JobAccepted(told) => parts(&[
            &format!("job {} accepted", key(told.key.as_ref())),
            &named("cluster", &told.cluster),
            &named("by", &told.principal),
            &digest("action", &told.action_digest),
            &head("coordinator at", told.coordinator.as_ref()),
        ]),
        Kind::JobEnded(told) => return (tone_of(told), ended("", told), &told.tool_runs),
        Kind::Event(told) => return (Tone::Strong, event(told), &[]),
        Kind::JobReported(told) => {
            let at = head(&format!("log of {} at", told.host), told.agent.as_ref());
            let Some(job) = &told.job else { return (Tone::Bad, at, &[]) };
            let text = parts(&[&ended(&format!("host {}: ", told.host), job), &at]);
            return (tone_of(job), text, &job.tool_runs);
        }
        Kind::Acceptance(told) => {
            let at = head(
                &format!("log of host {} is taken as it is at", told.host),
                told.agent.as_ref(),
            );
            parts(&[&format!("{}: {at}", who(&told.principal)), &told.reason])
        }
        Kind::Witness(told) => head(&format!("log of host {} at", told.host), told.agent.as_ref()),
    };
    (Tone::Plain, text, &[])
}

fn tone_of(job: &AuditJobEnded) -> Tone {
    if job.code() == FaultCode::Unspecified { Tone::Plain } else { Tone::Warn }
}

fn call(told: &AuditCall) -> String {
    let intent = told.intent.as_ref().map(|intent| bellows_proto::digest::of(intent).to_vec());
    parts(&[
        &format!("{}: {}", who(&told.principal), told.call),
        &told.detail,
        &named("cluster", &told.cluster),
        &told.key.as_ref().map(|_| key(told.key.as_ref())).unwrap_or(told.operation.clone()),
        &digest("plan", &told.plan_digest),
        &digest("intent", &intent.unwrap_or_default()),
        &head("coordinator at", told.coordinator.as_ref()),
    ])
}

fn answer(told: &AuditAnswer) -> String {
    let outcome = if told.code() == FaultCode::Unspecified {
        "answered".to_owned()
    } else {
        let name = told.code().as_str_name();
        let word = name.strip_prefix("FAULT_CODE_").unwrap_or(name).to_lowercase();
        format!("refused ({})", word.replace('_', " "))
    };
    let of = if told.call_number > 0 {
        format!(" (record {})", told.call_number)
    } else {
        String::new()
    };
    let more = match told.not_written {
        0 => String::new(),
        more => format!("{more} more were not written"),
    };
    parts(&[
        &format!("{}: {}{of} {outcome}", who(&told.principal), told.call),
        &told.operation,
        &told.text,
        &more,
    ])
}

fn ended(before: &str, job: &AuditJobEnded) -> String {
    let name = job.state().as_str_name();
    let state = name.strip_prefix("JOB_STATE_").unwrap_or(name).to_lowercase();
    parts(&[
        &format!("{before}job {} {state}", key(job.key.as_ref())),
        &job.text,
        &format!("output {} bytes", job.output_bytes),
        &digest("output", &job.output_digest),
    ])
}

fn run(run: &ToolRun) -> String {
    let how = match (run.exit_status, run.signal) {
        (Some(status), _) => format!("exit status {status}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "no exit status".to_owned(),
    };
    let took = run.ended_at_ms.saturating_sub(run.started_at_ms);
    let took = if run.ended_at_ms > 0 { format!("{took} ms") } else { "not ended".to_owned() };
    parts(&[
        &run.command.join(" "),
        &named("as", &run.user),
        &how,
        &took,
        &digest("output", &run.output_digest),
    ])
}

fn event(told: &AuditEvent) -> String {
    let sequence = told.event.as_ref().map_or(0, |event| event.sequence);
    let kind = told.event.as_ref().and_then(|event| event.kind.as_ref());
    let what = match kind {
        Some(event::Kind::Accepted(told)) => format!("accepted, asked for by {}", told.principal),
        Some(event::Kind::Fenced(told)) => format!("fenced at {}", told.hosts.join(", ")),
        Some(event::Kind::StepStarted(told)) => format!("step {} started", told.step),
        Some(event::Kind::ActStarted(started)) => {
            let act = started.act.clone().unwrap_or_default();
            let (number, attempt, host) = (act.number, started.attempt, &told.host);
            format!("act {number}, attempt {attempt} at {host}: {}", act.summary)
        }
        Some(event::Kind::ActNever(told)) => {
            format!("act {}, attempt {} never was", told.act, told.attempt)
        }
        Some(event::Kind::ActDone(told)) => format!("act {} done", told.act),
        Some(event::Kind::ActFailed(told)) => format!("act {} failed", told.act),
        Some(event::Kind::StepSucceeded(told)) => format!("step {} succeeded", told.step),
        Some(event::Kind::StepFailed(told)) => format!("step {} failed: {}", told.step, told.text),
        Some(event::Kind::Held(told)) => {
            format!("held ({}): {}", words::cause(told.cause()), told.text)
        }
        Some(event::Kind::Control(told)) => {
            let asked = format!("{}, asked for by {}", words::control(told.kind()), told.principal);
            parts(&[&asked, &told.reason])
        }
        Some(event::Kind::UndoStarted(told)) => format!("undo from step {}", told.from_step),
        Some(event::Kind::StepUndone(told)) => format!("step {} undone", told.step),
        Some(event::Kind::StepSkipped(told)) => {
            format!("step {} skipped by {}: {}", told.step, told.principal, told.reason)
        }
        Some(event::Kind::Rested(told)) => {
            format!("rested as {}: {}", words::outcome(told.outcome()), told.text)
        }
        Some(event::Kind::Closed(told)) => format!("closed at {}", told.hosts.join(", ")),
        Some(event::Kind::Resumed(told)) => parts(&["resumed", &told.text]),
        None => "an event without a kind".to_owned(),
    };
    parts(&[
        &format!("{} event {sequence}: {what}", told.operation),
        &named("cluster", &told.cluster),
        &digest("plan", &told.plan_digest),
        &digest("action", &told.action_digest),
    ])
}

/// What a check of the logs found.
pub fn verification(page: &mut Page, reply: &VerifyAuditReply) {
    for log in &reply.logs {
        let name = of(&log.host);
        match &log.fault {
            None => {
                let text = format!("{name}: records {} to {}", log.first, log.last);
                page.line(Tone::Plain, &text);
            }
            Some(fault) => {
                page.line(Tone::Warn, &format!("{name}: not read: {}", fault.message));
            }
        }
    }
    let text = format!(
        "{} jobs are told alike by both sides; {} times one side confirms the other's log",
        reply.jobs, reply.anchors
    );
    page.line(Tone::Plain, &text);
    for found in &reply.findings {
        finding(page, found);
    }
    let any = |verdict| reply.findings.iter().any(|found| found.verdict() == verdict);
    let (tone, text) = if any(AuditVerdict::Damage) || any(AuditVerdict::Unspecified) {
        (Tone::Bad, "DAMAGED: records were changed, removed or added")
    } else if any(AuditVerdict::Unknown) {
        (Tone::Warn, "not verified: not every log could be read")
    } else {
        (Tone::Good, "verified")
    };
    page.line(tone, text);
}

fn finding(page: &mut Page, found: &AuditFinding) {
    let (tone, word) = match found.verdict() {
        AuditVerdict::Note => (Tone::Quiet, "note"),
        AuditVerdict::NotCheckable => (Tone::Plain, "not checkable"),
        AuditVerdict::Unknown => (Tone::Warn, "unknown"),
        AuditVerdict::Damage | AuditVerdict::Unspecified => (Tone::Bad, "damage"),
    };
    let number = if found.number > 0 { format!(" record {}", found.number) } else { String::new() };
    let job = named("job", &found.job);
    let text = parts(&[&format!("{}{number}: {}", of(&found.host), found.text), &job]);
    page.spans(&[(tone, word), (Tone::Plain, ": "), (Tone::Plain, &text)]);
    if !found.reason.is_empty() {
        page.line(Tone::Plain, &format!("  {}", found.reason));
    }
}

fn of(host: &str) -> String {
    if host.is_empty() { "coordinator".to_owned() } else { format!("host {host}") }
}

fn who(principal: &str) -> &str {
    if principal.is_empty() { "somebody" } else { principal }
}

fn key(key: Option<&JobKey>) -> String {
    key.map_or_else(|| "?".to_owned(), |k| format!("{}/{}/{}", k.operation, k.act, k.attempt))
}

fn named(name: &str, value: &str) -> String {
    if value.is_empty() { String::new() } else { format!("{name} {value}") }
}

fn digest(name: &str, bytes: &[u8]) -> String {
    let text: String = hex(bytes).chars().take(DIGEST_SHOWN).collect();
    if text.is_empty() { text } else { format!("{name} {text}") }
}

fn head(name: &str, head: Option<&AuditHead>) -> String {
    head.map(|head| format!("{name} record {}", head.number)).unwrap_or_default()
}

/// What there is to say, with commas.
fn parts(parts: &[&str]) -> String {
    let said: Vec<&str> = parts.iter().copied().filter(|part| !part.is_empty()).collect();
    said.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::page::Look;
    use bellows_proto::v1::{AuditLogReport, AuditRecord, Event, JobState, Rested};

    fn record(number: u64, kind: Kind) -> AuditEntry {
        let record = AuditRecord { number, at_ms: 1_700_000_000_000, kind: Some(kind) };
        AuditEntry { record: Some(record), ..AuditEntry::default() }
    }

    #[test]
    fn records_are_lines_and_programs_stand_below_them() {
        let call = AuditCall {
            principal: "alice (operator)".into(),
            call: "ApplyPlan".into(),
            cluster: "orders".into(),
            plan_digest: vec![0xab; 32],
            ..AuditCall::default()
        };
        let refused = AuditAnswer {
            principal: "bob (viewer) of site s".into(),
            call: "ApplyPlan".into(),
            code: FaultCode::Denied.into(),
            text: "bob (viewer) may not do this".into(),
            not_written: 3,
            ..AuditAnswer::default()
        };
        let ran = ToolRun {
            command: vec!["/usr/bin/repmgr".into(), "standby".into(), "a\nb".into()],
            user: "postgres".into(),
            exit_status: Some(6),
            started_at_ms: 1_000,
            ended_at_ms: 1_250,
            output_digest: vec![0xcd; 32],
            ..ToolRun::default()
        };
        let job = AuditJobEnded {
            key: Some(JobKey { operation: "0193".into(), act: 7, attempt: 1 }),
            state: JobState::Failed.into(),
            code: FaultCode::ToolFailed.into(),
            text: "repmgr failed".into(),
            tool_runs: vec![ran],
            output_bytes: 12,
            ..AuditJobEnded::default()
        };
        let rested = event::Kind::Rested(Rested { text: "done".into(), ..Rested::default() });
        let event = Event { sequence: 9, at_ms: 1, kind: Some(rested) };
        let event =
            AuditEvent { operation: "0193".into(), event: Some(event), ..AuditEvent::default() };
        let mut damaged = record(4, Kind::Event(event));
        damaged.damage = "it was changed".into();
        let mut page = Page::new(&Look::plain());
        for one in [
            record(1, Kind::Call(call)),
            record(2, Kind::Answer(refused)),
            record(3, Kind::JobEnded(job)),
            damaged,
        ] {
            entry(&mut page, &one);
        }
        insta::assert_snapshot!(page.into_text());
    }

    #[test]
    fn a_check_says_what_is_damaged_and_who_is_right() {
        let log = |host: &str, last| AuditLogReport {
            host: host.into(),
            first: 1,
            last,
            ..AuditLogReport::default()
        };
        let damage = AuditFinding {
            verdict: AuditVerdict::Damage.into(),
            host: "h1".into(),
            number: 7,
            text: "record 7 is missing at the end of the log".into(),
            reason: "hosts confirm the coordinator's log".into(),
            ..AuditFinding::default()
        };
        let reply = VerifyAuditReply {
            logs: vec![log("", 40), log("h1", 6)],
            findings: vec![damage],
            jobs: 3,
            anchors: 9,
        };
        let mut page = Page::new(&Look::plain());
        verification(&mut page, &reply);
        insta::assert_snapshot!(page.into_text());
    }
}
