//! The whole demo for KWDB, told in plain words.

use std::time::Duration;

use anyhow::Result;

use super::{CLUSTER, Stage, dead, parts, rows};
use crate::{
    demo::show::{leave_nothing, operation, sizes},
    report::{Members, Report},
};

/// Hosts of the demo.
const HOSTS: usize = 5;
/// Members at first, and never fewer.
const MEMBERS: usize = 3;

/// Plays all parts and returns the report.
///
/// # Errors
/// Something did not hold; the error says what, and the logs' ends are on standard error.
pub async fn play() -> Result<Report> {
    println!("Bellows grows and shrinks a KWDB cluster on this machine.");
    let mut stage = Box::pin(Stage::set(HOSTS, MEMBERS)).await?;
    stage.tell.say(&format!(
        "A site on loopback addresses: certificate authority, coordinator, {HOSTS} agents that enrolled with one-time tokens."
    ));
    match Box::pin(played(&mut stage)).await {
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

async fn played(stage: &mut Stage) -> Result<Report> {
    let mut members = Members::default();
    let double = stage.members.client.is_double().await?;
    sizes(&stage.tell, &stage.site)?;
    if double {
        stage.tell.say(
            "KWDB itself is not in any package registry: its tools are played by a double that keeps rows and ranges as it does.",
        );
    }

    stage.tell.chapter("Bellows takes a cluster into care that its installer made");
    parts::adopt(stage).await?;
    members.start = stage.count().await?;
    table(stage, "Members, asked from KWDB").await?;
    let writer = stage.write().await?;
    stage.tell.say("A client begins to write rows, and remembers every row that was acknowledged.");

    stage.tell.chapter("(a) The plan of an expand");
    let plan = ["expand", CLUSTER, "--node", "kw4@h4", "--dry-run"];
    let plan = stage.site.cli().run(&plan).await?;
    stage.tell.quote(plan.expect_code(0)?);

    stage.tell.chapter("(b) Expand to 4, and the coordinator is killed while ranges move");
    table(stage, "Before").await?;
    parts::expand_with_kill(stage, 4).await?;
    members.after_expand = stage.count().await?;
    table(stage, "After").await?;

    stage.tell.chapter("(c) Expand to 5, cancelled while ranges move");
    table(stage, "Before").await?;
    parts::expand_cancelled(stage, 5).await?;
    members.after_cancel = stage.count().await?;
    stage.tell.say("Members, the setting and the files of all hosts are as before.");
    table(stage, "After").await?;

    stage.tell.chapter("(d) A member is shrunk out: its ranges move first");
    table(stage, "Before").await?;
    parts::shrink(stage, 1).await?;
    members.after_shrink = stage.count().await?;
    table(stage, "After").await?;
    stage.tell.say("No survivor lists it any more; its data directory is kept.");

    stage.tell.chapter("(e) A member dies for good, and is replaced on the free host");
    table(stage, "Before").await?;
    replace(stage, HOSTS).await?;
    members.after_replace = stage.count().await?;
    table(stage, "After").await?;

    stage.tell.chapter("(f) A shrink below the minimum is refused");
    let (refusals, words) = parts::refused(stage, 4).await?;
    stage.tell.quote(&words);

    stage.tell.chapter("(g) Every acknowledged row is looked for, asked at every member");
    writer.writes_on(10, Duration::from_secs(30)).await?;
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
        "kwbase ran {tool_runs} times, {} of them to change something; {} without a reason in the journal.",
        findings.changing,
        findings.duplicates.len()
    ));
    Ok(Report {
        system: "kwdb".to_owned(),
        double,
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

/// The member on the second host dies, one on host `new` takes its place, then the host comes back.
async fn replace(stage: &mut Stage, new: usize) -> Result<()> {
    let number = 2;
    let node = stage.node(number).await?;
    stage.tell.say(&format!(
        "kill -9 of everything on h{number}: agent and member. `bellows replace --dead` wants the word that it is off."
    ));
    dead::dies(stage, number).await?;
    dead::replace_dead(stage, number, new).await?;
    stage.tell.say(&format!("h{number} comes back: its agent is started again."));
    dead::comes_back(stage, number, &node).await?;
    stage
        .tell
        .say(&format!("Its agent got the tombstone that it was owed: {node} never starts again."));
    Ok(())
}

async fn table(stage: &Stage, title: &str) -> Result<()> {
    stage.tell.say(&format!("{title}:"));
    stage.tell.quote(&stage.table().await?);
    Ok(())
}
