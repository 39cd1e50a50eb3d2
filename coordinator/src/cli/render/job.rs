//! Jobs and fences of hosts, with what the journal knows of them.

use bellows_proto::v1::{
    Action, HostJob, Job, JobStanding, JobState, ListHostJobsReply, SettleJobsReply, Site,
};

use super::{fault, operation};
use crate::cli::{
    page::{Page, Table, Tone},
    text::date_time,
    words,
};

/// More lines about jobs are not shown with a status: there is a command for them.
const MOST_LINES: usize = 10;

/// A table of jobs; hosts that could not be asked stay holes below it.
pub fn list(page: &mut Page, reply: &ListHostJobsReply) {
    if reply.jobs.is_empty() && reply.faults.is_empty() {
        page.line(Tone::Plain, "There are none.");
        return;
    }
    if !reply.jobs.is_empty() {
        table(page, 0, &reply.jobs);
    }
    for seen in &reply.faults {
        page.line(Tone::Warn, "unknown:");
        fault::fault(page, "  ", seen);
    }
}

/// One line per job or lone fence.
pub fn table(page: &mut Page, indent: usize, jobs: &[HostJob]) {
    let zone = page.look().zone.clone();
    let mut table = Table::new(&[
        "HOST",
        "OPERATION",
        "STEP",
        "ACT",
        "ATTEMPT",
        "STATE",
        "SINCE",
        "JOURNAL",
        "WHAT",
    ]);
    for found in jobs {
        let number = |number: u32| if number == 0 { String::new() } else { number.to_string() };
        let key = found.job.as_ref().and_then(|job| job.key.clone()).unwrap_or_default();
        let since = found.job.as_ref().map(|job| date_time(job.accepted_at_ms, &zone));
        table.row(
            tone(found.standing()),
            &[
                &found.host,
                &found.operation,
                &number(found.step),
                &number(key.act),
                &number(key.attempt),
                &found.job.as_ref().map_or("fence only".to_owned(), state),
                &since.unwrap_or_default(),
                standing(found.standing()),
                &what(found),
            ],
        );
    }
    page.table(indent, &table);
}

fn tone(standing: JobStanding) -> Tone {
    match standing {
        JobStanding::Known => Tone::Plain,
        JobStanding::Unspecified
        | JobStanding::NotAskedFor
        | JobStanding::Over
        | JobStanding::Unknown => Tone::Bad,
    }
}

/// What the journal says of it.
fn standing(standing: JobStanding) -> &'static str {
    match standing {
        JobStanding::Known => "known",
        JobStanding::NotAskedFor => "never asked for it",
        JobStanding::Over => "operation is over",
        JobStanding::Unknown => "unknown operation",
        JobStanding::Unspecified => "cannot be read",
    }
}

fn state(job: &Job) -> String {
    match job.state() {
        JobState::Unspecified => "unknown".to_owned(),
        known @ (JobState::Accepted
        | JobState::Running
        | JobState::Succeeded
        | JobState::Failed
        | JobState::Cancelled
        | JobState::Lost) => words::job_state(known),
    }
}

/// The step's title, else the last command line, else the action by its name.
fn what(found: &HostJob) -> String {
    let Some(job) = &found.job else { return format!("holds cluster {}", found.cluster) };
    if !found.step_title.is_empty() {
        return found.step_title.clone();
    }
    match job.tool_runs.last() {
        Some(run) => run.command.join(" "),
        None => job.action.as_ref().map(name).unwrap_or_default(),
    }
}

/// The names of the message's branches, e.g. "postgresql createCluster": no system is named here.
fn name(action: &Action) -> String {
    let mut words = Vec::new();
    let mut value = serde_json::to_value(action).unwrap_or_default();
    for _ in 0..2 {
        let Some((key, inner)) = value.as_object().and_then(|map| map.iter().next()) else { break };
        let (key, inner) = (key.clone(), inner.clone());
        words.push(key);
        value = inner;
    }
    words.join(" ")
}

/// What was forgotten at a host.
pub fn settled(page: &mut Page, host: &str, reply: &SettleJobsReply) {
    table(page, 0, &reply.jobs);
    let line = format!("Host {host} has forgotten this. Nothing that it did was taken back.");
    page.line(Tone::Plain, &line);
}

/// What a status must say before anything else: that nothing may change, and what the journal
/// does not know. Nothing, if there is nothing.
pub fn warnings(page: &mut Page, site: &Site) {
    if !site.read_only.is_empty() {
        page.spans(&[(Tone::Bad, "read-only: "), (Tone::Plain, &site.read_only)]);
        page.line(
            Tone::Plain,
            "  do: if no other coordinator of this site is alive, restart this one with \
             `bellows serve --take-over`; otherwise stop this one",
        );
    }
    for one in &site.damaged {
        operation::damage(page, &format!("operation {} is held: ", one.operation), one);
    }
    let mut lines: Vec<String> = Vec::new();
    for found in &site.unknown_jobs {
        let why = standing(found.standing());
        let line = format!("  {}  operation {} ({why})", found.host, found.operation);
        if lines.last() != Some(&line) {
            lines.push(line);
        }
    }
    if lines.is_empty() {
        return;
    }
    page.line(Tone::Bad, "The journal does not know jobs or fences that hosts have:");
    lines.iter().take(MOST_LINES).for_each(|line| page.line(Tone::Plain, line));
    if lines.len() > MOST_LINES {
        page.line(Tone::Plain, &format!("  and {} more", lines.len() - MOST_LINES));
    }
    page.line(
        Tone::Plain,
        "  do: see `bellows job list --unknown`, look at the hosts, then `bellows job settle`",
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::page::Look;
    use bellows_proto::v1::{ClaimNode, Fault, HostAction, JobKey, ToolRun, action, host_action};

    const OPERATION: &str = "01900000-0000-7000-8000-000000000000";

    fn job(standing: JobStanding) -> HostJob {
        let key = JobKey { operation: OPERATION.into(), act: 3, attempt: 1 };
        HostJob {
            host: "h1".into(),
            operation: OPERATION.into(),
            cluster: "orders".into(),
            standing: standing.into(),
            fenced: true,
            job: Some(Job {
                key: Some(key),
                state: JobState::Running.into(),
                accepted_at_ms: 1_700_000_000_000,
                tool_runs: vec![ToolRun {
                    command: vec!["/usr/bin/repmgr".into(), "standby".into(), "clone".into()],
                    ..ToolRun::default()
                }],
                ..Job::default()
            }),
            ..HostJob::default()
        }
    }

    #[test]
    fn jobs_are_told_with_what_the_journal_knows_and_holes_stay_holes() {
        let lone = HostJob { host: "h2".into(), job: None, ..job(JobStanding::Over) };
        let reply = ListHostJobsReply {
            jobs: vec![job(JobStanding::Unknown), lone],
            faults: vec![Fault {
                message: "the agent does not answer".into(),
                host: "h3".into(),
                ..Fault::default()
            }],
        };
        let mut page = Page::new(&Look::plain());
        list(&mut page, &reply);
        insta::assert_snapshot!(page.into_text());
    }

    #[test]
    fn a_job_that_ran_nothing_is_told_by_its_action() {
        let kind = Some(host_action::Kind::ClaimNode(ClaimNode::default()));
        let action = Action { kind: Some(action::Kind::Host(HostAction { kind })) };
        assert_eq!(name(&action), "host claimNode");
        assert_eq!(name(&Action::default()), "");
    }

    #[test]
    fn a_status_warns_before_anything_else() {
        let mut page = Page::new(&Look::plain());
        warnings(&mut page, &Site::default());
        let site = Site {
            read_only: "another coordinator leads".into(),
            unknown_jobs: vec![job(JobStanding::Unknown), job(JobStanding::Unknown)],
            ..Site::default()
        };
        warnings(&mut page, &site);
        insta::assert_snapshot!(page.into_text());
    }
}
