//! What is done to bookies of this host, and to their cluster from here. Each action may be repeated.

use std::time::Duration;

use bellows_proto::v1::{BookkeeperAction, Fault, FaultCode, NodeRef, bookkeeper_action};

use futures::future::{Either, select};

use super::{
    empty,
    session::{self, required},
    values::Node,
};
use crate::{
    exec::Finished,
    facilities::{Local, Runner as _},
    tools::{JobContext, Note, bookkeeper_shell::BookieId},
};

mod audit;
mod budget;
mod config;
mod cookies;
mod data;
mod decommission;
mod drain;
mod held;
mod places;
mod running;
mod words;

/// A call of the shell that changes one thing. A JVM on a busy machine takes its time.
const SHELL: Duration = Duration::from_secs(5 * 60);

/// Performs an action.
///
/// # Errors
/// Why it failed: command, exit status and end of stderr where a tool ran.
pub(super) async fn perform(
    action: &BookkeeperAction,
    context: &JobContext,
) -> Result<Note, Fault> {
    use bookkeeper_action::Kind;
    match &action.kind {
        Some(Kind::WriteConfig(action)) => config::write(action, context).await,
        Some(Kind::RemoveConfig(action)) => if_there(config::remove(action, context).await),
        Some(Kind::StartBookie(action)) => running::start(action, context).await,
        Some(Kind::StopBookie(action)) => if_there(running::stop(action, context).await),
        Some(Kind::SetReadOnly(action)) => if_there(running::set_read_only(action, context).await),
        Some(Kind::Audit(action)) => audit::audit(action, context).await,
        Some(Kind::Drain(action)) => drain::drain(action, context).await,
        Some(Kind::Decommission(action)) => decommission::decommission(action, context).await,
        Some(Kind::SaveCookie(action)) => cookies::save(action, context).await,
        Some(Kind::DeleteCookie(action)) => cookies::delete(action, context).await,
        Some(Kind::RestoreCookie(action)) => cookies::restore(action, context).await,
        Some(Kind::SetAutorecovery(action)) => audit::set_autorecovery(action, context).await,
        Some(Kind::DiscardData(action)) => data::discard(action, context).await,
        Some(Kind::TellPlace(action)) => places::tell(action, context).await,
        None => Err(empty("action")),
    }
}

/// An undo of what never was.
fn if_there(done: Result<Note, Fault>) -> Result<Note, Fault> {
    match done {
        Err(fault) if fault.code() == FaultCode::NotClaimed => Ok(fault.message),
        done => done,
    }
}

/// The bookie of this host that an action is done with, and the id of the bookie that it is about. A bookie of this very name has
/// the id of its placement and no other.
fn about(
    local: &Local,
    at: Option<&NodeRef>,
    node: Option<&NodeRef>,
    bookie: &str,
) -> Result<(Node, BookieId), Fault> {
    let here = session::led(local, at)?;
    let about = required(node)?;
    let id = BookieId::new(bookie)?;
    if Some(about) == at && id.to_string() != here.id() {
        let message = format!("{}/{} is {}, not {id}", about.cluster, about.node, here.id());
        return Err(Fault::new(FaultCode::Invalid, message));
    }
    Ok((here, id))
}

/// Runs a command of the shell that changes something to its end, whatever that is.
async fn shell(
    context: &JobContext,
    node: &Node,
    words: &[String],
) -> Result<(Vec<String>, Finished), Fault> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let invocation = session::shell(context.local(), node, &words, SHELL)?;
    let command = invocation.command();
    Ok((command, context.run(invocation).await?))
}

/// Waits, unless the job is to end.
async fn wait(context: &JobContext, time: Duration) -> Result<(), Fault> {
    let sleep = context.local().clock.sleep(time);
    match select(sleep, Box::pin(context.cancel().cancelled())).await {
        Either::Left(_) => Ok(()),
        Either::Right(_) => {
            Err(Fault::new(FaultCode::Cancelled, "ended by request while it waited"))
        }
    }
}
