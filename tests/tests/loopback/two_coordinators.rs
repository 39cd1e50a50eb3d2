//! Two coordinators on one site, with real programs and a real cluster: a copy of the store, an old
//! VM that comes back, a store out of a backup. What holds is asked of the agents, and of the
//! tools that ran, not of a coordinator's own word.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, Result, ensure};
use bellows_proto::v1::{HostDetail, JobStanding, ListHostJobsReply, Term};
use bellows_tests::{
    demo::{self, CLUSTER, Growth, Stage},
    process,
    site::{Ask, Cli, Coordinator},
};

/// An operation takes some seconds; a busy machine may need many times that.
const LIMIT: Duration = Duration::from_secs(300);

#[tokio::test(flavor = "multi_thread")]
async fn only_one_coordinator_ever_acts() {
    super::on_a_site(4, play).await;
}

async fn play(stage: &mut Stage) -> Result<()> {
    demo::create(stage, 2, 2).await?;
    demo::fill(stage).await?;
    started_twice(stage).await?;
    a_copy_of_the_store(stage).await?;
    an_old_machine(stage).await?;
    a_backup(stage).await
}

fn folder(stage: &Stage, name: &str) -> Result<PathBuf> {
    let folder = stage.site.folders().first().context("no folder")?.join(name);
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// What all agents obey.
async fn terms(stage: &Stage) -> Result<Vec<Term>> {
    let asked = asked(stage)?;
    let mut terms = Vec::new();
    for ask in asked {
        terms.push(ask.hello().await?.term.context("no term")?);
    }
    Ok(terms)
}

fn asked(stage: &Stage) -> Result<Vec<Ask>> {
    let agents = stage.site.agents().len();
    (0..agents).map(|index| stage.site.ask(index)).collect()
}

/// Why it changes nothing, as `bellows status` tells; `None`: it leads.
async fn read_only(cli: &Cli) -> Result<Option<String>> {
    let status = cli.run(&["status"]).await?;
    status.expect_code(0)?;
    let line = status.stderr.lines().find_map(|line| line.strip_prefix("read-only: "));
    Ok(line.map(str::to_owned))
}

/// It refuses what changes something, says why and what to do, and no agent hears of it.
async fn changes_nothing(stage: &Stage, cli: &Cli) -> Result<()> {
    let why = read_only(cli).await?.context("it is not read-only")?;
    let terms_before = terms(stage).await?;
    let runs_before = stage.tool_runs()?.iter().map(|(_, runs)| changing(runs)).sum::<usize>();
    let expand = ["expand", CLUSTER, "--node", "pg9@h4", "--yes"];
    for words in [&expand[..], &["host", "token", "h9"]] {
        let refused = cli.run(words).await?;
        refused.expect_code(5)?;
    }
    let token = cli.run(&["host", "token", "h9"]).await?.stderr;
    ensure!(token.contains(&why) && token.contains("--take-over"), "{token}");
    let runs_after = stage.tool_runs()?.iter().map(|(_, runs)| changing(runs)).sum::<usize>();
    ensure!(terms_before == terms(stage).await?, "an agent obeys another one now");
    ensure!(runs_before == runs_after, "tools ran for a coordinator that may change nothing");
    for ask in asked(stage)? {
        ensure!(ask.hello().await?.fences.is_empty(), "a fence was planted");
    }
    Ok(())
}

fn changing(runs: &[bellows_tests::wrapper::Run]) -> usize {
    let changes = |run: &&bellows_tests::wrapper::Run| {
        matches!(run.tool.as_str(), "initdb" | "pg_basebackup" | "pg_rewind" | "repmgrd")
            || (run.tool == "repmgr"
                && run.args.iter().any(|arg| arg == "clone" || arg.contains("register")))
    };
    runs.iter().filter(changes).count()
}

/// Two copies that start at the same moment raise the term to the same number: no more than one
/// of them leads.
async fn started_twice(stage: &mut Stage) -> Result<()> {
    stage.site.coordinator().kill().await?;
    let folder = folder(stage, "twin")?;
    let mut twin = stage.site.coordinator().copy(&folder, 7403)?;
    let (first, second) = tokio::join!(stage.site.coordinator().start(), twin.start());
    first.and(second)?;
    let (own, other) = (read_only(stage.site.cli()).await?, read_only(twin.cli()).await?);
    ensure!(own.is_some() || other.is_some(), "both lead");
    let all = terms(stage).await?;
    if own.is_none() || other.is_none() {
        ensure!(all.iter().all(|term| *term == all[0]), "one leads, but not all obey it: {all:?}");
    }
    // The administrator says which one.
    twin.kill().await?;
    stage.site.coordinator().kill().await?;
    stage.site.coordinator().start_with(&["--take-over"]).await?;
    ensure!(read_only(stage.site.cli()).await?.is_none(), "it was to take over");
    let now = terms(stage).await?;
    ensure!(now.iter().all(|term| *term == now[0] && term.number > all[0].number), "{now:?}");
    Ok(())
}

/// A copy of the stopped coordinator is started beside the original, which goes on.
async fn a_copy_of_the_store(stage: &mut Stage) -> Result<()> {
    stage.site.coordinator().kill().await?;
    let folder = folder(stage, "copy")?;
    let mut copy = stage.site.coordinator().copy(&folder, 7404)?;
    stage.site.coordinator().start().await?;
    ensure!(read_only(stage.site.cli()).await?.is_none(), "the original leads by itself");
    copy.start().await?;
    let why = read_only(copy.cli()).await?.context("the copy leads too")?;
    ensure!(why.contains("of this very store") && why.contains("copy"), "{why}");
    let cli = copy.cli().clone();
    changes_nothing(stage, &cli).await?;
    ensure!(read_only(stage.site.cli()).await?.is_none(), "the original leads still");
    copy.kill().await
}

/// A machine that was copied in the middle of an operation comes back after it: it leads nothing
/// by itself, and, told to take over, it does nothing of that operation again.
async fn an_old_machine(stage: &mut Stage) -> Result<()> {
    let (growth, _) = Growth::start(stage, 3).await?;
    let operation = growth.operation.clone();
    stage.site.coordinator().kill().await?;
    let folder = folder(stage, "old")?;
    let mut old = stage.site.coordinator().copy(&folder, 7405)?;
    stage.site.coordinator().start().await?;
    growth.ended(LIMIT).await?.expect_code(0)?;
    stage.members.insert(3);
    let members = stage.count().await?;

    old.start().await?;
    let why = read_only(old.cli()).await?.context("the old machine leads")?;
    ensure!(why.contains("of this very store"), "{why}");
    let cli = old.cli().clone();
    changes_nothing(stage, &cli).await?;
    old.kill().await?;
    old.start_with(&["--take-over"]).await?;
    ensure!(read_only(old.cli()).await?.is_none(), "it was to take over");

    // The original hears of it at its next call, and changes nothing from then on.
    stage.site.cli().run(&["host", "list"]).await?.expect_code(0)?;
    let own = stage.site.cli().clone();
    changes_nothing(stage, &own).await?;

    // The operation that was open in the copy is over on the hosts: held, and held again.
    let held = old.cli().operation(&operation).await?.summary.context("no summary")?;
    ensure!(held.state == "held" && held.hold_cause == 6, "{held:?}");
    old.cli().run(&["op", "retry", &operation]).await?.expect_code(3)?;
    old.cli().run(&["op", "abandon", &operation]).await?.expect_code(0)?;
    let runs = stage.tool_runs()?;
    demo::one_clone(&runs[2].1)?;
    ensure!(stage.count().await? == members, "the cluster is not what it was");
    old.kill().await?;

    // Back to the original, which knows the cluster.
    stage.site.coordinator().kill().await?;
    stage.site.coordinator().start_with(&["--take-over"]).await?;
    ensure!(read_only(stage.site.cli()).await?.is_none(), "it was to take over");
    Ok(())
}

/// A store out of a backup does not know the operation that ran after it: told, in the way of
/// plans, and settled.
async fn a_backup(stage: &mut Stage) -> Result<()> {
    let file = folder(stage, "backup")?.join("store");
    let cli = stage.site.cli().clone();
    cli.run(&["store", "backup", &file.to_string_lossy()]).await?.expect_code(0)?;
    let (growth, _) = Growth::start(stage, 4).await?;
    let operation = growth.operation.clone();
    stage.site.coordinator().kill().await?;
    drop(growth);
    restore(stage.site.coordinator(), &file).await?;
    stage.site.coordinator().start().await?;
    let why = read_only(&cli).await?.context("a restored store leads by itself")?;
    ensure!(why.contains("another store"), "{why}");
    stage.site.coordinator().kill().await?;
    stage.site.coordinator().start_with(&["--take-over"]).await?;
    ensure!(read_only(&cli).await?.is_none(), "it was to take over");

    process::until("the status tells of unknown jobs", Duration::from_secs(30), || async {
        Ok(cli.run(&["status"]).await?.stderr.contains(&operation))
    })
    .await?;
    let shown: HostDetail = cli.json(&["host", "show", "h4"]).await?;
    ensure!(!shown.unknown_jobs.is_empty(), "{shown:?}");
    let found: ListHostJobsReply = cli.json(&["job", "list", "--unknown"]).await?;
    let of = |job: &&bellows_proto::v1::HostJob| {
        job.operation == operation && job.standing() == JobStanding::Unknown && job.fenced
    };
    ensure!(found.jobs.iter().filter(of).count() == found.jobs.len(), "{found:?}");
    let mut hosts: Vec<&str> = found.jobs.iter().map(|job| job.host.as_str()).collect();
    hosts.dedup();
    ensure!(hosts.len() == 4, "{hosts:?}");

    // The fence of the unknown operation keeps other plans away, and names itself.
    let shrink = ["shrink", CLUSTER, "--node", "pg3", "--yes"];
    let refused = cli.run(&shrink).await?;
    refused.expect_code(5)?;
    let settle = format!("bellows job settle h1 {operation}");
    ensure!(refused.stderr.contains(&settle), "{}", refused.stderr);
    for host in hosts {
        let words = ["job", "settle", host, &operation, "--end-running", "--yes"];
        cli.run(&words).await?.expect_code(0)?;
    }
    for ask in asked(stage)? {
        let left = (ask.hello().await?.fences, ask.jobs().await?);
        ensure!(left.0.is_empty() && left.1.is_empty(), "{left:?}");
    }
    let status = cli.run(&["status"]).await?;
    ensure!(!status.stderr.contains(&operation), "{}", status.stderr);
    // Nothing of it came back, and nothing ran twice.
    let runs = stage.tool_runs()?;
    // What the other ones asked for is told, and is no damage to the log of this one.
    let verified = cli.run(&["audit", "verify"]).await?;
    let text = verified.expect_code(0)?;
    ensure!(text.contains("another coordinator, or a copy of this one, led this host"), "{text}");
    demo::one_clone(&runs[3].1)
}

/// `bellows store restore` in the place of the store, which is moved away.
async fn restore(coordinator: &mut Coordinator, file: &std::path::Path) -> Result<()> {
    let store = coordinator.folder().join("data/store");
    std::fs::rename(&store, store.with_extension("old"))?;
    let words = ["store", "restore", &file.to_string_lossy()];
    coordinator.cli().run(&words).await?.expect_code(0)?;
    Ok(())
}
