//! The demo as every system plays it, told in plain words. What a part does is the system's; the order of the
//! parts, what is counted and what is proven are here.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use bellows_proto::v1::OperationDetail;

use super::Found;
use crate::{
    duplicates::Findings,
    narrate::Narrator,
    reap,
    report::{Members, Operation, Refused, Report},
    site::Site,
    wrapper,
};

/// Hosts of the demo.
pub const HOSTS: usize = 5;
/// Members at first, and never fewer.
pub const MEMBERS: usize = 3;

/// What the story says otherwise for each system.
pub struct Words {
    /// As in `SYSTEM`.
    pub system: &'static str,
    /// "a real PostgreSQL cluster (repmgr)".
    pub a_cluster: &'static str,
    /// Who is asked for the members.
    pub asked: &'static str,
    /// What is said where a double stands for the system.
    pub double: &'static str,
    /// Of what a client writes, one and many: "row", "rows".
    pub written: (&'static str, &'static str),
    /// The chapter in which the cluster is made or taken into care.
    pub begins: &'static str,
    /// The cluster's name.
    pub cluster: &'static str,
    /// The newcomer: "pg4@h4".
    pub newcomer: &'static str,
    /// When the coordinator is killed and a cancel comes.
    pub meanwhile: &'static str,
    /// What is as before after a cancel.
    pub as_before: &'static str,
    /// The chapter of the shrink.
    pub shrinks: &'static str,
    /// What is so after it.
    pub shrunk: &'static str,
    /// The chapter of the dead member.
    pub dies: &'static str,
    /// Where what was written is looked for: " on every member".
    pub looked_for: &'static str,
    /// Which tools are counted: "The tools".
    pub tools: &'static str,
}

/// A system's stage and its parts. Each part returns an error where something did not hold.
pub(crate) trait Play: Sized {
    /// Its words.
    const WORDS: Words;
    /// Its client.
    type Writer;

    /// A site of `HOSTS` hosts, ready to begin.
    async fn set() -> Result<Self>;
    /// The site.
    fn site(&mut self) -> &mut Site;
    /// Who tells what happens.
    fn tell(&self) -> Narrator;
    /// Takes it apart at the end.
    fn into_site(self) -> Site;
    /// A double stands for the system.
    async fn is_double(&self) -> Result<bool>;
    /// A cluster of `MEMBERS` members is made, or taken into care.
    async fn begin(&mut self) -> Result<()>;
    /// A client begins to write.
    async fn write(&mut self) -> Result<Self::Writer>;
    /// A fourth member; the coordinator is killed meanwhile.
    async fn expand_with_kill(&mut self) -> Result<()>;
    /// A fifth, cancelled.
    async fn expand_cancelled(&mut self) -> Result<()>;
    /// The first one leaves.
    async fn shrink(&mut self) -> Result<()>;
    /// A member dies, is replaced on the free host, and its host comes back.
    async fn replace(&mut self) -> Result<()>;
    /// A shrink below the minimum: what was refused, and what an administrator sees of it.
    async fn refused(&mut self) -> Result<(Vec<Refused>, String)>;
    /// The client goes on for a moment and ends; all that was acknowledged is looked for.
    async fn look_for(&mut self, writer: Self::Writer) -> Result<Found>;
    /// Members, as the system itself counts them.
    async fn count(&self) -> Result<usize>;
    /// The members as the system shows them.
    async fn table(&self) -> Result<String>;
    /// All runs of the system's tools, by host.
    fn tool_runs(&self) -> Result<Vec<(String, Vec<wrapper::Run>)>>;
    /// Tool runs that the journals do not explain.
    async fn duplicates(&self) -> Result<Findings>;
}

/// `target/demo/report.json` of the checkout that this was built in.
pub fn report_path() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/demo/report.json"))
}

/// Plays all parts and returns the report.
pub(crate) async fn play<P: Play>() -> Result<Report> {
    println!("Bellows grows and shrinks {} on this machine.", P::WORDS.a_cluster);
    let mut stage = Box::pin(P::set()).await?;
    stage.tell().say(&format!(
        "A site on loopback addresses: certificate authority, coordinator, {HOSTS} agents that enrolled with one-time tokens."
    ));
    match Box::pin(parts(&mut stage)).await {
        Ok(report) => {
            leave_nothing(stage.tell(), stage.into_site())?;
            Ok(report)
        }
        Err(error) => {
            eprintln!("{}", stage.site().last_words());
            Err(error)
        }
    }
}

async fn parts<P: Play>(stage: &mut P) -> Result<Report> {
    let words = P::WORDS;
    let (one, many) = words.written;
    let tell = stage.tell();
    let mut members = Members::default();
    sizes(tell, stage.site())?;
    let double = stage.is_double().await?;
    if double {
        tell.say(words.double);
    }

    tell.chapter(words.begins);
    stage.begin().await?;
    members.start = stage.count().await?;
    table(stage, &format!("Members, asked from {}", words.asked)).await?;
    let writer = stage.write().await?;
    tell.say(&format!(
        "A client begins to write {many}, and remembers every {one} that was acknowledged."
    ));

    tell.chapter("(a) The plan of an expand");
    let plan = ["expand", words.cluster, "--node", words.newcomer, "--dry-run"];
    let plan = stage.site().cli().run(&plan).await?;
    tell.quote(plan.expect_code(0)?);

    tell.chapter(&format!("(b) Expand to 4, and the coordinator is killed {}", words.meanwhile));
    table(stage, "Before").await?;
    stage.expand_with_kill().await?;
    members.after_expand = stage.count().await?;
    table(stage, "After").await?;

    tell.chapter(&format!("(c) Expand to 5, cancelled {}", words.meanwhile));
    table(stage, "Before").await?;
    stage.expand_cancelled().await?;
    members.after_cancel = stage.count().await?;
    tell.say(&format!("{} are as before.", words.as_before));
    table(stage, "After").await?;

    tell.chapter(&format!("(d) {}", words.shrinks));
    table(stage, "Before").await?;
    stage.shrink().await?;
    members.after_shrink = stage.count().await?;
    table(stage, "After").await?;
    tell.say(words.shrunk);

    tell.chapter(&format!("(e) {}", words.dies));
    table(stage, "Before").await?;
    stage.replace().await?;
    members.after_replace = stage.count().await?;
    table(stage, "After").await?;

    tell.chapter("(f) A shrink below the minimum is refused");
    let (refusals, told) = stage.refused().await?;
    tell.quote(&told);

    tell.chapter(&format!("(g) Every acknowledged {one} is looked for{}", words.looked_for));
    let found = stage.look_for(writer).await?;
    let acknowledged = found.tally.acknowledged.len();
    for (member, missing) in &found.missing {
        tell.say(&format!(
            "{member}: {missing} of {acknowledged} acknowledged {many} are missing."
        ));
    }
    tell.say(&format!(
        "The longest pause between two acknowledged {many} was {} ms.",
        found.tally.longest_gap.as_millis()
    ));

    let operations = stage.site().operations().await?;
    let findings = stage.duplicates().await?;
    for duplicate in &findings.duplicates {
        tell.say(&format!("Ran too often: {duplicate}"));
    }
    let tool_runs = stage.tool_runs()?.iter().map(|(_, runs)| runs.len()).sum();
    tell.say(&format!(
        "{} ran {tool_runs} times, {} of them to change something; {} without a reason in the journal.",
        words.tools,
        findings.changing,
        findings.duplicates.len()
    ));
    Ok(Report {
        system: words.system.to_owned(),
        double,
        members,
        coordinator_kills: stage.site().coordinator().kills(),
        refusals,
        operations: operations.iter().map(operation).collect::<Result<_>>()?,
        acknowledged,
        missing: found.missing_in_all(),
        tool_runs,
        tool_runs_duplicated: findings.duplicates.len(),
    })
}

async fn table<P: Play>(stage: &P, title: &str) -> Result<()> {
    stage.tell().say(&format!("{title}:"));
    stage.tell().quote(&stage.table().await?);
    Ok(())
}

/// A line of the report.
fn operation(detail: &OperationDetail) -> Result<Operation> {
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
fn leave_nothing(tell: Narrator, site: Site) -> Result<()> {
    let folders = site.folders();
    site.down()?;
    let left = reap::processes(&folders);
    ensure!(left.is_empty(), "still running: {left:?}");
    tell.chapter("The end");
    tell.say("Everything is stopped and removed; nothing of it runs any more.");
    Ok(())
}

/// What an idle agent costs its host.
fn sizes(tell: Narrator, site: &Site) -> Result<()> {
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
