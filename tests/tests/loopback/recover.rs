//! The coordinator's store is lost in the middle of an operation and made anew from what the agents
//! keep, with real programs and a real cluster.

use std::os::unix::fs::PermissionsExt as _;

use anyhow::{Context, Result, ensure};
use bellows_proto::v1::{ClusterDetail, OperationDetail, event::Kind};
use bellows_tests::{
    demo::{self, CLUSTER, Growth, Stage},
    process::Ended,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_store_is_made_anew_from_what_the_agents_keep() {
    super::on_a_site(4, play).await;
}

async fn play(stage: &mut Stage) -> Result<()> {
    demo::create(stage, 2, 2).await?;
    demo::fill(stage).await?;
    let before = spec(stage).await?;
    let (growth, _) = Growth::start(stage, 3).await?;
    let operation = growth.operation.clone();
    let plan = stage.site.cli().operation(&operation).await?.plan.context("no plan")?;
    refused_beside_a_store(stage).await?;
    stage.site.coordinator().kill().await?;
    drop(growth);

    // Its store is full, then gone; the agents have been started anew meanwhile.
    let full = recover(stage).await?;
    ensure!(full.code == Some(2) && full.stderr.contains("only an empty one"), "{full:?}");
    let store = stage.site.coordinator().folder().join("data/store");
    std::fs::remove_dir_all(&store)?;
    stage.site.agent(0)?.kill().await?;
    stage.site.agent(0)?.start().await?;
    private(stage)?;

    let made = recover(stage).await?;
    let text = made.expect_code(0)?;
    for word in [operation.as_str(), CLUSTER, "h1", "h4", "kept by h1, h2, h3"] {
        ensure!(text.contains(word), "{word}: {text}");
    }
    ensure!(recover(stage).await?.code == Some(2), "it is not empty any more");

    // Another store has led: only the administrator can say that this one may.
    stage.site.coordinator().start().await?;
    let status = stage.site.cli().run(&["status"]).await?;
    ensure!(status.stderr.contains("another store"), "{}", status.stderr);
    stage.site.coordinator().kill().await?;
    stage.site.coordinator().start_with(&["--take-over"]).await?;

    let known = spec(stage).await?;
    let (was, is) = (before.spec.context("no spec")?, known.spec.context("no spec")?);
    ensure!(is.nodes == was.nodes && is.version >= was.version, "{is:?}");
    ensure!(is.highest_id > was.highest_id, "ids of the lost operation would be used again");
    let held = stage.site.cli().operation(&operation).await?;
    ensure!(held.plan.as_ref() == Some(&plan), "another plan");
    is_held(&held)?;
    only_abandoned(stage, &operation).await?;

    // What is left is the administrator's, as it says; then the cluster grows by another node.
    stage.primary().await?.execute("select pg_drop_replication_slot('repmgr_slot_3')").await?;
    let words = ["expand", CLUSTER, "--node", "pg4@h4", "--yes"];
    stage.site.cli().run(&words).await?.expect_code(0)?;
    stage.members.insert(4);
    ensure!(stage.count().await? == stage.members.len(), "the new node is no member");
    let grown = spec(stage).await?.spec.context("no spec")?;
    ensure!(grown.nodes.len() == 3 && grown.highest_id > is.highest_id, "{grown:?}");
    let shown = stage.site.cli().run(&["audit", "verify"]).await?;
    shown.expect_code(0)?;
    Ok(())
}

async fn spec(stage: &Stage) -> Result<ClusterDetail> {
    stage.site.cli().json(&["cluster", "show", CLUSTER]).await
}

async fn recover(stage: &Stage) -> Result<Ended> {
    let agents = stage.site.agents().iter();
    let hosts: Vec<String> =
        agents.map(|agent| format!("{}={}", agent.host.name, agent.address())).collect();
    let mut words = vec!["recover", "--from-agents", "--yes"];
    for host in &hosts {
        words.extend(["--host", host]);
    }
    stage.site.cli().run(&words).await
}

/// A coordinator runs: nothing is asked, nothing is changed.
async fn refused_beside_a_store(stage: &Stage) -> Result<()> {
    let refused = recover(stage).await?;
    refused.expect_code(5)?;
    ensure!(refused.stderr.contains("stop the coordinator first"), "{}", refused.stderr);
    Ok(())
}

/// What agents keep is for them alone.
fn private(stage: &Stage) -> Result<()> {
    for agent in &stage.site.agents()[..3] {
        for folder in ["plans", "specs"] {
            let folder = agent.host.folder.join("state").join(folder);
            let mut files = 0;
            for file in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
                let mode = file?.metadata()?.permissions().mode();
                ensure!(mode & 0o777 == 0o600, "{folder:?}: mode {mode:o}");
                files += 1;
            }
            // The host that is new has heard of the cluster with the fence.
            ensure!(files == 1, "{folder:?}: {files} files");
        }
    }
    Ok(())
}

/// Held, with what the hosts have of it; no step is told as done.
fn is_held(detail: &OperationDetail) -> Result<()> {
    let summary = detail.summary.as_ref().context("no summary")?;
    ensure!(summary.state == "held" && summary.hold_cause == 6, "{summary:?}");
    let kinds: Vec<&Kind> = detail.events.iter().filter_map(|event| event.kind.as_ref()).collect();
    let [Kind::Accepted(accepted), Kind::Held(held)] = &kinds[..] else {
        anyhow::bail!("{kinds:?}");
    };
    ensure!(accepted.recovered && !accepted.principal.is_empty(), "{accepted:?}");
    let clone = held.found.iter().any(|found| found.contains("on h3") && found.contains("step"));
    ensure!(clone && held.step > 0, "{held:?}");
    Ok(())
}

/// Nothing but giving up; that tells what is left and closes it at all agents.
async fn only_abandoned(stage: &Stage, operation: &str) -> Result<()> {
    let cli = stage.site.cli();
    for word in ["retry", "undo", "resume"] {
        let refused = cli.run(&["op", word, operation]).await?;
        ensure!(refused.code != Some(0), "{word}");
        ensure!(refused.stderr.contains("recovered from what the agents keep"), "{refused:?}");
    }
    let locked = cli.run(&["expand", CLUSTER, "--node", "pg4@h4", "--yes"]).await?;
    let told = format!("{}{}", locked.stdout, locked.stderr);
    ensure!(locked.code == Some(5) && told.contains(operation), "{locked:?}");
    cli.run(&["op", "abandon", operation]).await?.expect_code(0)?;
    let detail = cli.operation(operation).await?;
    let left = detail.events.iter().find_map(|event| match &event.kind {
        Some(Kind::Rested(rested)) => Some(rested.left.clone()),
        _ => None,
    });
    ensure!(left.is_some_and(|left| !left.is_empty()), "nothing is said to be left");
    bellows_tests::process::until("all agents know that it is over", demo_limit(), || async {
        for agent in stage.site.agents() {
            let plans = agent.host.folder.join("state/plans");
            if std::fs::read_dir(plans).is_ok_and(|mut files| files.next().is_some()) {
                return Ok(false);
            }
        }
        Ok(true)
    })
    .await
}

fn demo_limit() -> std::time::Duration {
    std::time::Duration::from_secs(120)
}
