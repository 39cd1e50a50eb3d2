//! Whether a bookie runs, and whether it takes new ledgers.

use std::time::Duration;

use bellows_proto::v1::{
    BookkeeperSetReadOnly, BookkeeperStartBookie, BookkeeperStopBookie, Fault, FaultCode,
    ServiceState,
};
use camino::Utf8Path;

use super::words;
use crate::{
    config::LaunchForm,
    exec::Invocation,
    facilities::{Local, Runner as _},
    host::http::{HttpRequest, Target},
    tools::{
        JobContext, Note,
        bookkeeper::{http, service, session::led, values::Node},
    },
};

/// It reads its journals first, and on a busy machine its JVM takes its time.
const START_WAIT: Duration = Duration::from_secs(10 * 60);
const POLL: Duration = Duration::from_millis(500);
/// One request that changes something.
pub(super) const CHANGE: Duration = Duration::from_secs(60);
/// So much of the end of a log is looked at.
const LOG_END: usize = 64 * 1024;

/// Starts and enables a bookie; ends when it says that it runs.
pub(super) async fn start(
    action: &BookkeeperStartBookie,
    context: &JobContext,
) -> Result<Note, Fault> {
    let node = led(context.local(), action.node.as_ref())?;
    let clock = &context.local().clock;
    let since = clock.elapsed();
    if let Err(fault) = service::start(context, &node).await {
        let ended = fault.code() == FaultCode::ToolFailed;
        return Err(if ended { with_last_words(context, &node, fault).await } else { fault });
    }
    loop {
        match http::state(context, &node).await {
            Ok(state) if state.running => return Ok("the bookie runs and answers".to_owned()),
            Err(fault) if fault.code() == FaultCode::Cancelled => return Err(fault),
            Ok(_) | Err(_) => {}
        }
        if service::reading(context, &node).await?.state() != ServiceState::Running {
            let ended = service::ended(context, &node);
            return Err(with_last_words(context, &node, ended).await);
        }
        if clock.elapsed().saturating_sub(since) >= START_WAIT {
            let message = format!(
                "the bookie {} runs, but its HTTP API at {} does not say so within {} min",
                node.name,
                node.http,
                START_WAIT.as_secs() / 60
            );
            let fault = Fault::new(FaultCode::Deadline, message).remedy(
                "see its log: it registers before it answers, and needs ZooKeeper for that",
            );
            return Err(with_last_words(context, &node, fault).await);
        }
        if context.cancel().is_cancelled() {
            return Err(Fault::new(FaultCode::Cancelled, "the start was not waited for"));
        }
        clock.sleep(POLL).await;
    }
}

/// With what the bookie's log says last, where that can be read: why it does not start stands nowhere else.
async fn with_last_words(context: &JobContext, node: &Node, mut fault: Fault) -> Fault {
    let log = match context.local().form {
        LaunchForm::Process => {
            of_file(context.local(), &service::spec(context, node).log_file).unwrap_or_default()
        }
        LaunchForm::Systemd | LaunchForm::User => {
            of_journal(context, node).await.unwrap_or_default()
        }
    };
    if let Some(words) = words::last_words(&String::from_utf8_lossy(&log)) {
        fault.message = format!("{}; its log says last: {words}", fault.message);
    }
    fault
}

fn of_file(local: &Local, path: &Utf8Path) -> Option<Vec<u8>> {
    let found = local.host.metadata(path).ok()??;
    let limit = u64::try_from(LOG_END).unwrap_or(u64::MAX);
    local.host.read_at(path, found.length.saturating_sub(limit), LOG_END).ok()?
}

async fn of_journal(context: &JobContext, node: &Node) -> Option<Vec<u8>> {
    let unit = match node.adopted {
        true => node.unit.clone(),
        false => format!("{}.service", node.service),
    };
    let words = ["--unit", &unit, "--lines", "300", "--output", "cat", "--no-pager", "--quiet"];
    let invocation = Invocation::new("/usr/bin/journalctl", words, Duration::from_secs(30));
    context.read(invocation).await.ok().filter(|finished| finished.success()).map(|it| it.stdout)
}

/// Stops and disables a bookie. Stopped is fine.
pub(super) async fn stop(
    action: &BookkeeperStopBookie,
    context: &JobContext,
) -> Result<Note, Fault> {
    let node = led(context.local(), action.node.as_ref())?;
    service::stop(context, &node).await?;
    Ok("the bookie is stopped".to_owned())
}

/// Lets a bookie take new ledgers, or none. One that does not run takes none.
pub(super) async fn set_read_only(
    action: &BookkeeperSetReadOnly,
    context: &JobContext,
) -> Result<Note, Fault> {
    let node = led(context.local(), action.node.as_ref())?;
    let runs = service::reading(context, &node).await?.state() == ServiceState::Running;
    if !runs && action.read_only {
        return Ok("the bookie does not run, and takes no new ledgers".to_owned());
    }
    assert_read_only(context, &node, action.read_only).await?;
    Ok(told(action.read_only).to_owned())
}

fn told(read_only: bool) -> &'static str {
    if read_only { "the bookie is read-only" } else { "the bookie takes new ledgers" }
}

/// Makes it so and reads it back; `true`: it was otherwise.
pub(super) async fn assert_read_only(
    context: &JobContext,
    node: &Node,
    wanted: bool,
) -> Result<bool, Fault> {
    if is_read_only(context, node).await? == wanted {
        return Ok(false);
    }
    let body = format!("{{\"readOnly\":{wanted}}}");
    let target = Target::new("/api/v1/bookie/state/readonly");
    let request = HttpRequest::put(node.http, target, body.into_bytes(), CHANGE);
    let command = request.command();
    let reply = context.http(request).await?;
    let said = words::reason(&reply.body);
    if reply.status != 200 {
        let message = format!("the bookie refuses to be made so (status {}): {said}", reply.status);
        return Err(Fault::new(FaultCode::ToolFailed, message)
            .remedy("forceReadOnlyBookie and readOnlyModeEnabled=false in its configuration bar it")
            .tool(&command, None, b""));
    }
    // It is told at once, and becomes so a moment later.
    let clock = &context.local().clock;
    let since = clock.elapsed();
    while is_read_only(context, node).await? != wanted {
        if clock.elapsed().saturating_sub(since) >= CHANGE {
            let message =
                format!("the bookie said {said:?}, and is not so after {} s", CHANGE.as_secs());
            return Err(Fault::new(FaultCode::ToolFailed, message)
                .remedy("a bookie on a full disk stays read-only: see its log")
                .tool(&command, None, b""));
        }
        clock.sleep(POLL).await;
    }
    Ok(true)
}

async fn is_read_only(context: &JobContext, node: &Node) -> Result<bool, Fault> {
    let state = http::state(context, node).await?;
    if state.running && !state.shutting_down {
        return Ok(state.read_only);
    }
    let message = format!("the bookie {} is about to end, or has not begun", node.name);
    Err(Fault::new(FaultCode::Drift, message).remedy("start it, then retry"))
}
