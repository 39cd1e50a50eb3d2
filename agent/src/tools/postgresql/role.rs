//! Actions by which the primary's role moves: repmgrd held still, a standby promoted, the others
//! led to it, the former primary made a standby.
//!
//! Each works on its own host, through its own server: no host needs a shell on another one. Must
//! not know the order in which they make sense: the plan does.

use bellows_proto::v1::{
    DemotePrimary, Fault, FaultCode, FollowUpstream, PauseRepmgrd, PromoteStandby,
};

use super::{
    data::{AUTO_CONF, CONF_LIMIT, STANDBY_SIGNAL},
    reading,
    running::{self, refuse_running},
    session::{Client, led, required},
    values::{self, Node},
};
use crate::{
    facilities::{Runner as _, fault},
    host::Access,
    tools::{
        JobContext, Note,
        repmgr::{Done, Server},
    },
};

const PAUSE: &str = include_str!("pause_repmgrd.sql");

/// Pauses repmgrd of this node, or lets it decide again: started anew then, and read back.
pub(super) async fn pause_repmgrd(
    action: &PauseRepmgrd,
    context: &JobContext,
) -> Result<Note, Fault> {
    let (node, _) = led(context.local(), required(action.node.as_ref())?)?;
    if !action.paused {
        running::repmgrd_anew(context, &node).await?;
    }
    let paused = if action.paused { "true" } else { "false" };
    let (command, finished) = Client::of_node(&node)
        .change(context, node.endpoint(), &[("paused", paused)], PAUSE)
        .await?;
    if !finished.success() {
        return Err(fault::tool_failed(&command, &finished, "tell repmgrd to pause or go on"));
    }
    Ok(if action.paused { "repmgrd is paused" } else { "repmgrd decides again" }.to_owned())
}

/// `repmgr standby promote`.
pub(super) async fn promote_standby(
    action: &PromoteStandby,
    context: &JobContext,
) -> Result<Note, Fault> {
    let (node, _) = led(context.local(), required(action.node.as_ref())?)?;
    if reading::ask(context, &node).await?.in_recovery == Some(false) {
        // An earlier try came that far, and repmgr does not promote a primary.
        node.repmgr(context, "record the new primary", |repmgr| repmgr.primary_register_again())
            .await?;
        return Ok(format!("{} was promoted already; it is recorded as the primary", node.name));
    }
    node.repmgr(context, "promote the standby", |repmgr| repmgr.standby_promote()).await?;
    Ok(format!("{} is the primary", node.name))
}

/// `repmgr standby follow`.
pub(super) async fn follow_upstream(
    action: &FollowUpstream,
    context: &JobContext,
) -> Result<Note, Fault> {
    let (node, _) = led(context.local(), required(action.node.as_ref())?)?;
    let id = action.upstream_id;
    let when =
        node.repmgr(context, "follow the new upstream", |repmgr| repmgr.standby_follow(id)).await?;
    match when {
        Done::Now => Ok(format!("follows the node with id {id}")),
        Done::Before => {
            // An earlier try came that far: what may be missing is its record.
            node.repmgr(context, "record the new upstream", |repmgr| {
                repmgr.standby_register_again(id)
            })
            .await?;
            Ok(format!("followed the node with id {id} already; it is recorded so"))
        }
    }
}

/// Writes what makes a server start as a standby. It must not run: a primary that is told so while
/// it serves would go on as one until somebody restarts it.
pub(super) async fn demote_primary(
    action: &DemotePrimary,
    context: &JobContext,
) -> Result<Note, Fault> {
    let local = context.local();
    let (node, _) = led(local, required(action.node.as_ref())?)?;
    let address = values::address("primary", &action.primary_address)?;
    let port = values::port("primary", action.primary_port)?.get();
    let slot = super::slots::slot_name(&action.slot)?;
    refuse_running(context, &node).await?;
    let auto = node.data_dir.as_path().join(AUTO_CONF);
    let before = match local.host.read_guarded(&auto, CONF_LIMIT)? {
        Some((bytes, _)) => String::from_utf8(bytes).map_err(|_| not_text(&node))?,
        None => String::new(),
    };
    let upstream = Server { application: Some(node.name.as_str()), ..node.peer(address, port) };
    let after = with_upstream(&before, &upstream.conninfo(), slot);
    let private = Access::owned(0o600, &node.os_user);
    local.host.write(&auto, after.as_bytes(), &private)?;
    // Last: only with it the rest counts.
    local.host.write(&node.data_dir.as_path().join(STANDBY_SIGNAL), b"", &private)?;
    Ok(format!("{} will start as a standby of {address} port {port}", node.name))
}

fn not_text(node: &Node) -> Fault {
    Fault::new(FaultCode::Drift, format!("{AUTO_CONF} of {} is no text", node.name))
        .remedy("look at it by hand; it is not overwritten")
}

/// The file with this upstream and no other; everything else stays as it is.
fn with_upstream(before: &str, conninfo: &str, slot: &str) -> String {
    let own = |line: &&str| {
        let key = line.split('=').next().unwrap_or_default().trim();
        matches!(key, "primary_conninfo" | "primary_slot_name")
    };
    let kept: Vec<&str> = before.lines().filter(|line| !own(line)).collect();
    let mut text = kept.join("\n");
    if !text.is_empty() {
        text.push('\n');
    }
    // Address, port, names and a plain path: nothing in it is to be quoted.
    text.push_str(&format!("primary_conninfo = '{conninfo}'\nprimary_slot_name = '{slot}'\n"));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_upstream_changes() {
        let before = "# Do not edit this file manually!\n\
                      synchronous_standby_names = 'ANY 1 (pg2, pg3)'\n\
                      primary_conninfo = 'host=10.0.0.9'\nprimary_slot_name='repmgr_slot_9'\n";
        assert_eq!(
            with_upstream(before, "host=10.0.0.2", "repmgr_slot_1"),
            "# Do not edit this file manually!\n\
             synchronous_standby_names = 'ANY 1 (pg2, pg3)'\n\
             primary_conninfo = 'host=10.0.0.2'\nprimary_slot_name = 'repmgr_slot_1'\n"
        );
        assert_eq!(
            with_upstream("", "host=10.0.0.2", "s"),
            "primary_conninfo = 'host=10.0.0.2'\nprimary_slot_name = 's'\n"
        );
        let once = with_upstream(before, "host=10.0.0.2", "s");
        assert_eq!(with_upstream(&once, "host=10.0.0.2", "s"), once);
    }
}
