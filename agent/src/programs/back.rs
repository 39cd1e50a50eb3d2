//! `bellows-agent take-back`: what the timer of a trial starts. A program that was not confirmed goes, by force,
//! and the one before it is started.

use std::time::Duration;

use bellows_proto::v1::Fault;
use camino::Utf8Path;
use tokio_util::sync::CancellationToken;

use super::{choose, folder::Folder};
use crate::{
    exec::{Invocation, Silent},
    facilities::fault,
    host::{Clock, Host},
};

/// systemd does what it is asked for at once.
const LIMIT: Duration = Duration::from_secs(15);
const SYSTEMCTL: &str = "/usr/bin/systemctl";

/// Takes a trial back that is still under way; `false`: it is not. Reads nothing of agent.toml but where the
/// agent's folder is: there may be more in it than this program knows.
///
/// # Errors
/// If the record cannot be written, or systemd refuses.
pub async fn take_back(
    (host, clock): (&dyn Host, &dyn Clock),
    data_dir: &Utf8Path,
    trial: &str,
    unit: &str,
) -> Result<bool, Fault> {
    let folder = Folder::of(data_dir);
    {
        let held = folder.hold()?;
        let mut record = folder.record(host)?;
        let Some(ours) = record.trial.take().filter(|now| now.id == trial) else {
            return Ok(false);
        };
        let reason = "it did not answer the coordinator in time";
        let now_ms = clock.now_ms();
        held.keep(host, &choose::fell_back(record, ours, reason, now_ms))?;
    }
    tracing::warn!(trial, "a program that was not confirmed is taken back");
    // It may hang, and not hear TERM.
    let kill = ["kill", "--signal=KILL", unit];
    let killed = run(host, &kill, "end the program").await;
    let restart = ["--no-block", "restart", unit];
    run(host, &restart, "start the program before it").await?;
    if let Err(fault) = killed {
        // It had ended already.
        tracing::info!(%fault, "nothing was there to be ended");
    }
    Ok(true)
}

async fn run(host: &dyn Host, words: &[&str], what: &str) -> Result<(), Fault> {
    let call = Invocation::new(SYSTEMCTL, words.iter().copied(), LIMIT);
    let never = CancellationToken::new();
    let finished = host.run(&call, &never, &mut Silent).await;
    let finished = finished.map_err(|error| fault::of_exec(&call, &error))?;
    if finished.success() {
        return Ok(());
    }
    Err(fault::tool_failed(&call.command(), &finished, what))
}
