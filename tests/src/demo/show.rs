//! The whole demo for PostgreSQL with repmgr, told in plain words.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, Result, ensure};
use bellows_proto::v1::OperationDetail;

use super::{CLUSTER, Stage, dead, parts, rows};
use crate::{
    narrate::Narrator,
    reap,
    report::{Members, Operation, Report},
    site::Site,
    writer::Writer,
};

/// Hosts of the demo.
const HOSTS: usize = 5;
/// Members at first, and never fewer.
const MEMBERS: usize = 3;

/// `target/demo/report.json` of the checkout that this was built in.
pub fn report_path() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/demo/report.json"))
}

/// Plays all parts and returns the report.
///
/// # Errors
/// Something did not hold; the error says what, and the logs' ends are on standard error.
pub async fn postgresql() -> Result<Report> {
    println!("Bellows grows and shrinks a real PostgreSQL cluster (repmgr) on this machine.");
    let mut stage = Box::pin(Stage::set(HOSTS)).await?;
    stage.tell.say(&format!(
        "A site on loopback addresses: certificate authority, coordinator, {HOSTS} agents that enrolled with one-time tokens."
    ));
    match Box::pin(play(&mut stage)).await {
        Ok(report) => {
            let Stage { tell, site, .. } = stage;
            leave_nothing(tell, site)?;
            Ok(report)
        }
        Err(error) => {
            eprintln!("{}", stage.last_words());
            Err(error)
        }
    }
}

async fn play(stage: &mut Stage) -> Result<Report> {
    let mut members = Members::default();
    sizes(&stage.tell, &stage.site)?;

    stage.tell.chapter(&format!("Bellows creates a cluster: 1 primary, {} standbys", MEMBERS - 1));
    parts::create(stage, MEMBERS, MEMBERS).await?;
    members.start = stage.count().await?;
    table(stage, "Members, asked from PostgreSQL").await?;
    parts::fill(stage).await?;
    let writer = Writer::start(&stage.addresses()?, &super::application()).await?;
    stage.tell.say("A client begins to write rows, and remembers every row that was acknowledged.");

    stage.tell.chapter("(a) The plan of an expand");
    let plan = ["expand", CLUSTER, "--node", "pg4@h4", "--dry-run"];
    let plan = stage.site.cli().run(&plan).await?;
    stage.tell.quote(plan.expect_code(0)?);

    stage.tell.chapter("(b) Expand to 4, and the coordinator is killed in the middle of the copy");
    table(stage, "Before").await?;
    parts::expand_with_kill(stage, 4).await?;
    members.after_expand = stage.count().await?;
    table(stage, "After").await?;

    stage.tell.chapter("(c) Expand to 5, cancelled in the middle of the copy");
    table(stage, "Before").await?;
    parts::expand_cancelled(stage, 5).await?;
    members.after_cancel = stage.count().await?;
    stage.tell.say("Members, slots, pg_hba rules and files of all hosts are as before.");
    table(stage, "After").await?;

    stage.tell.chapter("(d) The primary is shrunk out: its role moves first");
    table(stage, "Before").await?;
    parts::shrink(stage, 1).await?;
    members.after_shrink = stage.count().await?;
    table(stage, "After").await?;
    stage.tell.say(
        "No survivor knows pg1 any more; another one takes the writes, its data directory is kept.",
    );

    stage.tell.chapter("(e) A standby dies for good, and is replaced on the free host");
    table(stage, "Before").await?;
    replace(stage, HOSTS).await?;
    members.after_replace = stage.count().await?;
    table(stage, "After").await?;

    stage.tell.chapter("(f) A shrink below the minimum is refused");
    let standby = dead::a_standby(stage).await?;
    let (refusals, words) = parts::refused(stage, standby).await?;
    stage.tell.quote(&words);

    stage.tell.chapter("(g) Every acknowledged row is looked for on every member");
    writer.reaches(100, Duration::from_secs(30)).await?;
    let rows = rows::look_for(stage, writer).await?;
    for (member, missing) in &rows.missing {
        stage.tell.say(&format!(
            "{member}: {missing} of {} acknowledged rows are missing.",
            rows.tally.acknowledged.len()
        ));
    }
    stage.tell.say(&format!(
        "The longest pause between two acknowledged rows was {} ms.",
        rows.tally.longest_gap.as_millis()
    ));

    let operations = stage.operations().await?;
    let findings = stage.duplicates().await?;
    for duplicate in &findings.duplicates {
        stage.tell.say(&format!("Ran too often: {duplicate}"));
    }
    let tool_runs = stage.tool_runs()?.iter().map(|(_, runs)| runs.len()).sum();
    stage.tell.say(&format!(
        "The tools ran {tool_runs} times, {} of them to change something; {} without a reason in the journal.",
        findings.changing,
        findings.duplicates.len()
    ));
    Ok(Report {
        system: "postgresql".to_owned(),
        double: false,
        members,
        coordinator_kills: stage.site.coordinator().kills(),
        refusals,
        operations: operations.iter().map(operation).collect::<Result<_>>()?,
        acknowledged: rows.tally.acknowledged.len(),
        missing: rows.missing_in_all(),
        tool_runs,
        tool_runs_duplicated: findings.duplicates.len(),
    })
}

/// The highest standby dies, one on host `new` takes its place, then the host comes back.
async fn replace(stage: &mut Stage, new: usize) -> Result<()> {
    let number = dead::a_standby(stage).await?;
    stage.tell.say(&format!(
        "kill -9 of everything on h{number}: agent, server, repmgrd. `bellows replace --dead` wants the word that it is off."
    ));
    dead::dies(stage, number).await?;
    dead::replace_dead(stage, number, new).await?;
    stage.tell.say(&format!("h{number} comes back: its agent is started again."));
    dead::comes_back(stage, number).await?;
    stage.tell.say(&format!(
        "Its agent got the tombstone that it was owed: the server of pg{number} never starts again."
    ));
    Ok(())
}

async fn table(stage: &Stage, title: &str) -> Result<()> {
    stage.tell.say(&format!("{title}:"));
    stage.tell.quote(&stage.table().await?);
    Ok(())
}

/// A line of the report.
pub(super) fn operation(detail: &OperationDetail) -> Result<Operation> {
    let summary = detail.summary.as_ref().context("an operation without a summary")?;
    let millis = u32::try_from(summary.ended_at_ms - summary.started_at_ms);
    let tenths = millis.context("an operation that has not ended")?.div_ceil(100);
    Ok(Operation {
        kind: summary.kind.clone(),
        outcome: summary.state.clone(),
        seconds: f64::from(tenths) / 10.0,
        steps: usize::try_from(summary.steps).context("steps")?,
    })
}

/// Takes the site down, and proves that nothing of it is left.
pub(super) fn leave_nothing(tell: Narrator, site: Site) -> Result<()> {
    let folders = site.folders();
    site.down()?;
    let left = reap::processes(&folders);
    ensure!(left.is_empty(), "still running: {left:?}");
    tell.chapter("The end");
    tell.say("Everything is stopped and removed; nothing of it runs any more.");
    Ok(())
}

/// What an idle agent costs its host.
pub(super) fn sizes(tell: &Narrator, site: &Site) -> Result<()> {
    let sizes: Vec<(u64, u64)> =
        site.agents().iter().map(crate::site::Agent::sizes).collect::<Result<_>>()?;
    let resident = sizes.iter().map(|(resident, _)| *resident).max().unwrap_or(0);
    let program = sizes.iter().map(|(_, program)| *program).max().unwrap_or(0);
    tell.say(&format!(
        "An idle agent holds {:.1} MiB of memory at most; its program has {:.1} MiB.",
        mib(resident),
        mib(program)
    ));
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a figure for the eyes")]
fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}
