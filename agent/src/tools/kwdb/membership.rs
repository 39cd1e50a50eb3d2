//! Actions on the cluster: flags of nodes, and a setting. Asked of a member that stays.

use bellows_proto::v1::{
    Fault, FaultCode, KwdbCluster, KwdbDecommission, KwdbRecommission, KwdbSetRebalance,
};

use super::{
    processes,
    session::{CHANGE_DEADLINE, READ_DEADLINE, change, dial, led, select, unreadable},
};
use crate::{
    facilities::{Runner as _, fault},
    tools::{
        JobContext, Note,
        kwbase::{
            sql::{Setting, Statement},
            status::{Flagged, parse_flagged},
        },
    },
};

fn id(number: u32) -> Result<u32, Fault> {
    match number {
        0 => Err(Fault::new(FaultCode::Invalid, "the action names no id of a node")),
        id => Ok(id),
    }
}

/// Flags a node: its data begin to move. Flagged already is fine.
pub(super) async fn decommission(
    action: &KwdbDecommission,
    context: &JobContext,
) -> Result<Note, Fault> {
    let at = led(context.local(), action.at.as_ref())?;
    let id = id(action.node_id)?;
    let invocation = dial(context.local(), &at)?.decommission(id, CHANGE_DEADLINE);
    let (command, finished) = change(context, &at, invocation, "decommission the node").await?;
    let rows =
        parse_flagged(&finished.stdout).map_err(|error| unreadable(&command, &finished, &error))?;
    let row = of(&rows, id, true).ok_or_else(|| {
        let reason = format!("it does not tell that node {id} is being decommissioned");
        fault::unreadable(&command, &reason, &finished.stdout)
    })?;
    Ok(format!("node {id} is being decommissioned, with {} replicas now", row.replicas))
}

/// Takes the flag back. Refused while somebody on this host sends it again and again.
pub(super) async fn recommission(
    action: &KwdbRecommission,
    context: &JobContext,
) -> Result<Note, Fault> {
    let at = led(context.local(), action.at.as_ref())?;
    let id = id(action.node_id)?;
    let waiters = processes::waiters(context.local().host.as_ref())?;
    if let Some(waiter) = waiters.first() {
        return Err(Fault::new(
            FaultCode::Drift,
            format!("somebody waits for a decommission here, and would undo it: {waiter}"),
        )
        .remedy("end that process, then retry"));
    }
    let invocation = dial(context.local(), &at)?.recommission(id, CHANGE_DEADLINE);
    let (command, finished) = change(context, &at, invocation, "recommission the node").await?;
    let rows =
        parse_flagged(&finished.stdout).map_err(|error| unreadable(&command, &finished, &error))?;
    if of(&rows, id, false).is_none() {
        let reason = format!("it does not tell that node {id} is a member as before");
        return Err(fault::unreadable(&command, &reason, &finished.stdout));
    }
    Ok(format!("node {id} is a member as before"))
}

fn of(rows: &[Flagged], id: u32, flagged: bool) -> Option<Flagged> {
    rows.iter().copied().find(|row| row.id == id && row.is_decommissioning == flagged)
}

/// Lets data of time series move, or not, and reads it back.
pub(super) async fn set_rebalance(
    action: &KwdbSetRebalance,
    context: &JobContext,
) -> Result<Note, Fault> {
    let at = led(context.local(), action.at.as_ref())?;
    let set = [Statement::SetRebalance(action.enabled)];
    let invocation = dial(context.local(), &at)?.sql(&set, CHANGE_DEADLINE);
    change(context, &at, invocation, "set the setting").await?;
    let mut cluster = KwdbCluster::default();
    let show = [Statement::Show(Setting::Rebalance)];
    select(context, &at, &show, &mut cluster, READ_DEADLINE).await?;
    let name = Setting::Rebalance.name();
    match cluster.rebalance {
        Some(found) if found == action.enabled => Ok(format!("{name} is {found}")),
        found => Err(Fault::new(
            FaultCode::ToolFailed,
            format!("{name} was set to {}, and is {found:?}", action.enabled),
        )
        .remedy("see who else sets it, then retry")),
    }
}
