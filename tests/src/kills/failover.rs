//! The primary moves in the middle of an operation: Bellows must notice, hold, and never go on
//! with the old picture. Each on a ground of its own, for nothing brings the old primary back.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bellows_proto::v1::HoldCause;
use futures::future::FutureExt as _;

use super::{
    ground::{Ground, THIRD},
    play::begin,
    point::Verb::{Expand, Shrink},
    proof,
    special::{Special, until_held, until_held_for},
    strike,
    trap::{Run, Trap, Trick},
};
use crate::{
    demo::{self, CLUSTER},
    process,
    sql::Server,
    wrapper,
    writer::TABLE,
};

const COPY: Run = Run { host: THIRD, tool: "pg_basebackup", words: &["-D"] };
const REGISTER: Run = Run { host: THIRD, tool: "repmgr", words: &["standby", "register"] };
const UNREGISTER: Run = Run { host: 0, tool: "repmgr", words: &["standby", "unregister"] };
/// repmgrd looks for a primary that is gone for 60 s; then it promotes.
const PROMOTED: Duration = Duration::from_secs(240);
/// The host that takes over, from 0.
const HEIR: usize = 1;
const SOON: Duration = Duration::from_secs(120);
/// A hold that comes of it says so.
const WORDS: &[&str] = &["primary", "pg1", "h1"];

/// By repmgrd: the old primary is dead.
pub const BY_REPMGRD: &[Special] = &[Special {
    name: "repmgrd promotes while a node is copied; the old primary comes back",
    play: |ground| by_repmgrd(ground).boxed(),
}];

/// By somebody else, in good order.
pub const BY_HAND: &[Special] = &[Special {
    name: "somebody promotes the standby before the new node is registered",
    play: |ground| by_hand(ground).boxed(),
}];

/// In a shrink.
pub const IN_A_SHRINK: &[Special] = &[Special {
    name: "somebody promotes the standby before the leaving node is unregistered",
    play: |ground| in_a_shrink(ground).boxed(),
}];

async fn by_repmgrd(ground: &mut Ground) -> Result<String> {
    let (trap, operation, rows) = stop_at(ground, Expand, COPY).await?;
    strike::kill(strike::postmaster(ground, 0)?).await?;
    promoted(ground).await?;
    trap.release()?;
    let first = until_held_for(ground.site.cli(), &operation, &["clone", "primary", "pg1"]).await?;
    // The old primary comes back, and believes that it still is one: the old picture again.
    strike::service(ground, 0, "start", "server").await?;
    let second = held_again(ground, &operation).await?;
    ends(ground, &operation, &rows, &[first, second]).await
}

async fn by_hand(ground: &mut Ground) -> Result<String> {
    let (trap, operation, rows) = stop_at(ground, Expand, REGISTER).await?;
    promote(ground).await?;
    trap.release()?;
    let first = until_held_for(ground.site.cli(), &operation, WORDS).await?;
    let second = held_again(ground, &operation).await?;
    ends(ground, &operation, &rows, &[first, second]).await
}

async fn in_a_shrink(ground: &mut Ground) -> Result<String> {
    let (trap, operation, rows) = stop_at(ground, Shrink, UNREGISTER).await?;
    promote(ground).await?;
    trap.release()?;
    let first = until_held(ground.site.cli(), &operation).await?;
    let second = held_again(ground, &operation).await?;
    let slots = Server::connect(&ground.address(HEIR)?, &demo::superuser()).await?.slots().await?;
    let told = ends(ground, &operation, &rows, &[first, second]).await?;
    Ok(format!("{told}; {} slots at the new primary", slots.len()))
}

/// A retry changes nothing: the plan is of another picture, and the hold says so.
async fn held_again(ground: &Ground, operation: &str) -> Result<(HoldCause, String)> {
    let retry = ["op", "retry", operation, "--detach"];
    ground.site.cli().run(&retry).await?.expect_code(0)?;
    until_held_for(ground.site.cli(), operation, WORDS).await
}

/// Begins an operation, holds it at a tool, and ends the writer when all its rows are at the
/// heir: replication is asynchronous, and a loss of PostgreSQL's own would prove nothing.
async fn stop_at(
    ground: &mut Ground,
    verb: super::point::Verb,
    run: Run,
) -> Result<(Trap, String, std::collections::BTreeSet<i64>)> {
    ground.ready_for(verb).await?;
    let trap = ground.trap(run, Trick::HoldBefore)?;
    let operation = begin(ground, verb, false).await?;
    trap.sprung(SOON).await?;
    let mut writer = ground.writer.take().context("no writer")?;
    let rows = writer.finish().await?.acknowledged;
    // The primary alone: a node that leaves has stopped already.
    let primary = Server::connect(&ground.address(0)?, &demo::superuser()).await?;
    let written = primary.written().await?;
    let heir = Server::connect(&ground.address(HEIR)?, &demo::superuser()).await?;
    heir.replayed(&written, SOON).await?;
    Ok((trap, operation, rows))
}

/// Stops the primary in good order and promotes the heir, as an administrator does.
async fn promote(ground: &Ground) -> Result<()> {
    strike::service(ground, 0, "stop", "repmgrd").await?;
    strike::service(ground, 0, "stop", "server").await?;
    let node = ground.node_at(HEIR).context("no heir")?;
    let config = ground.folder(HEIR)?.join("conf").join(CLUSTER).join(node).join("repmgr.conf");
    // The real tool: this is no run of Bellows.
    let repmgr = std::path::Path::new(wrapper::POSTGRESQL_BIN).join("repmgr");
    let mut command = if rustix::process::geteuid().is_root() {
        let mut command = process::command("runuser");
        command.args(["-u", "postgres", "--"]).arg(repmgr);
        command
    } else {
        process::command(repmgr)
    };
    command.arg("-f").arg(config).args(["standby", "promote"]);
    process::run(command, SOON).await?.expect_code(0)?;
    promoted(ground).await
}

async fn promoted(ground: &Ground) -> Result<()> {
    let address = ground.address(HEIR)?;
    process::until("the standby is promoted", PROMOTED, || async {
        Ok(!Server::connect(&address, &demo::superuser()).await?.in_recovery().await?)
    })
    .await
}

/// The administrator gives the operation up. The new primary is as it was promoted: the rows are
/// there, and nobody was registered by the old picture.
async fn ends(
    ground: &Ground,
    operation: &str,
    rows: &std::collections::BTreeSet<i64>,
    holds: &[(HoldCause, String)],
) -> Result<String> {
    let cli = ground.site.cli();
    cli.run(&["op", "abandon", operation]).await?.expect_code(0)?;
    let heir = Server::connect(&ground.address(HEIR)?, &demo::superuser()).await?;
    ensure!(!heir.in_recovery().await?, "the new primary is none any more");
    let known = heir.members().await?;
    let wanted: Vec<&String> = ground.nodes.keys().collect();
    ensure!(
        known.iter().all(|one| wanted.contains(&&one.name)),
        "somebody was registered after the failover: {known:?}"
    );
    let application = Server::connect(&ground.address(HEIR)?, &demo::application()).await?;
    let missing = rows.difference(&application.ids(TABLE).await?).count();
    ensure!(missing == 0, "{missing} of {} acknowledged rows are lost", rows.len());
    proof::closed(ground, operation).await?;
    proof::nothing_left(&ground.site.folders()).await?;
    let list = cli.operations().await?;
    let one = list.iter().find(|one| one.operation == operation).context("no such operation")?;
    let course = super::drive::Course { rest: one.state.clone(), holds: holds.to_vec() };
    Ok(proof::told(&course))
}
