//! Actions that change who is a member: registering, cloning, unregistering.
//!
//! Must not know the order in which they make sense: the plan does.

use std::{net::IpAddr, time::Duration};

use bellows_proto::v1::{
    CloneStandby, Fault, FaultCode, PostgresqlService, Progress, RegisterPrimary, RegisterStandby,
    ServiceState, UnregisterStandby,
};
use tokio::select;

use super::{
    data::prepare_data_directory,
    service,
    session::{Client, at, led, made, required},
    values::{self, Node},
};
use crate::{
    facilities::{Runner, fault},
    tools::{
        JobContext, Note, psql,
        repmgr::{Done, Server},
    },
};

const UPSTREAM: &str = include_str!("upstream.sql");
const PROGRESS: &str = include_str!("progress.sql");
const REGISTERED: &str = include_str!("registered.sql");
/// Between two readings of a clone's progress.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);

fn said(when: Done, now: &str, before: &str) -> Note {
    match when {
        Done::Now => now.to_owned(),
        Done::Before => before.to_owned(),
    }
}

/// `repmgr primary register`.
pub(super) async fn register_primary(
    action: &RegisterPrimary,
    context: &JobContext,
) -> Result<Note, Fault> {
    let (node, _) = made(context.local(), required(action.node.as_ref())?)?;
    let outcome =
        node.repmgr(context, "register the primary", |repmgr| repmgr.primary_register()).await?;
    Ok(said(outcome, "registered", "was registered already"))
}

/// `repmgr standby clone` into the empty data directory of the node.
pub(super) async fn clone_standby(
    action: &CloneStandby,
    context: &JobContext,
) -> Result<Note, Fault> {
    let local = context.local();
    let (node, _) = made(local, required(action.node.as_ref())?)?;
    let upstream = endpoint("upstream", &action.upstream_address, action.upstream_port)?;
    same_cluster(context, &node, upstream, &action.system_identifier).await?;
    prepare_data_directory(local, &node)?;

    let client = format!("bellows-clone-{}", node.name);
    let source = Server { application: Some(&client), ..node.peer(upstream.0, upstream.1) };
    let clone = node.repmgr(context, "clone the standby", |repmgr| repmgr.standby_clone(&source));
    select! {
        biased;
        outcome = clone => outcome?,
        never = report(context, &node, upstream, &client, action.expected_bytes) => match never {},
    };
    Ok(format!("cloned from {} port {}", upstream.0, upstream.1))
}

/// Reads the progress of a clone from its upstream until it is dropped. A reading that fails
/// is left out: the clone itself tells what is wrong.
async fn report(
    context: &JobContext,
    node: &Node,
    upstream: (IpAddr, u16),
    client: &str,
    expected: u64,
) -> std::convert::Infallible {
    let psql = Client::of_node(node);
    loop {
        context.local().clock.sleep(PROGRESS_INTERVAL).await;
        let read = psql.read(context, upstream, &[("client", client)], PROGRESS).await;
        if let Ok((_, finished)) = read
            && let Ok(Some(progress)) = parse_progress(&finished.stdout, expected)
        {
            context.progress(progress);
        }
    }
}

/// `None`: no base backup of this client runs now.
fn parse_progress(stdout: &[u8], expected: u64) -> Result<Option<Progress>, psql::ParseError> {
    let sections = psql::parse_sections(stdout)?;
    let Some(row) = sections.get("progress")?.rows().next() else {
        return Ok(None);
    };
    let done = row.number("done")?;
    // The server estimates the total after its checkpoint.
    let total = row.optional("total")?.or(Some(expected)).filter(|total| *total > 0);
    Ok(Some(Progress {
        done,
        total: total.map(|total: u64| total.max(done)),
        unit: "bytes".to_owned(),
        ..Progress::default()
    }))
}

fn endpoint(what: &'static str, address: &str, port: u32) -> Result<(IpAddr, u16), Fault> {
    Ok((values::address(what, address)?, values::port(what, port)?.get()))
}

/// A clone of another cluster would join the wrong one.
async fn same_cluster(
    context: &JobContext,
    node: &Node,
    upstream: (IpAddr, u16),
    identifier: &str,
) -> Result<(), Fault> {
    if identifier.is_empty() {
        return Err(Fault::new(
            FaultCode::Invalid,
            "the action does not say which cluster is to be cloned",
        ));
    }
    let (command, finished) = Client::of_node(node).read(context, upstream, &[], UPSTREAM).await?;
    let found = psql::parse_sections(&finished.stdout)
        .and_then(|sections| {
            let row = sections.get("upstream")?.one()?;
            row.text("system_identifier").map(str::to_owned)
        })
        .map_err(|error| fault::unreadable(&command, &error.to_string(), &finished.stdout))?;
    if found == identifier {
        return Ok(());
    }
    Err(Fault::new(
        FaultCode::Drift,
        format!("the upstream is of cluster {found}, not {identifier}"),
    )
    .remedy("plan anew"))
}

/// `repmgr standby register`: at a running standby, or (an undo) for one that is stopped.
pub(super) async fn register_standby(
    action: &RegisterStandby,
    context: &JobContext,
) -> Result<Note, Fault> {
    let (node, _) = led(context.local(), required(action.node.as_ref())?)?;
    let service = service::reading(context, &node, PostgresqlService::Server).await?;
    let upstream = action.upstream_id;
    let outcome = if service.state() == ServiceState::Running {
        node.repmgr(context, "register the standby", |repmgr| match action.force {
            true => repmgr.standby_register_again(upstream),
            false => repmgr.standby_register(upstream),
        })
        .await?
    } else {
        let primary = endpoint("primary", &action.primary_address, action.primary_port)?;
        let primary = node.peer(primary.0, primary.1);
        node.repmgr(context, "register the stopped standby", |repmgr| {
            repmgr.standby_register_stopped(upstream, &primary)
        })
        .await?
    };
    Ok(said(outcome, "registered", "was registered already"))
}

/// `repmgr standby unregister` of another node, at a survivor. repmgr takes a number only:
/// whose it is, is read first.
pub(super) async fn unregister_standby(
    action: &UnregisterStandby,
    context: &JobContext,
) -> Result<Note, Fault> {
    let survivor = at(action.at.as_ref(), context.local())?;
    if action.node_id == 0 || action.node_id == survivor.node_id {
        return Err(Fault::new(
            FaultCode::Invalid,
            format!("node id {} is not that of another node", action.node_id),
        ));
    }
    let leaving = required(action.node.as_ref())?;
    match registered(context, &survivor, action.node_id).await? {
        None => return Ok("was not registered any more".to_owned()),
        Some(name) if name == leaving.node => {}
        Some(name) => {
            let (id, node) = (action.node_id, &leaving.node);
            return Err(Fault::new(
                FaultCode::Drift,
                format!("node id {id} is registered for {name}, not {node}"),
            )
            .remedy("plan anew"));
        }
    }
    let id = action.node_id;
    let outcome = survivor
        .repmgr(context, "unregister the node", |repmgr| match action.former_primary {
            true => repmgr.primary_unregister(id),
            false => repmgr.standby_unregister(id),
        })
        .await?;
    Ok(said(outcome, "unregistered", "was not registered any more"))
}

/// The name in the record of a node id, as this node's server has it; `None`: no record.
async fn registered(context: &JobContext, at: &Node, id: u32) -> Result<Option<String>, Fault> {
    let id = id.to_string();
    let (command, finished) =
        Client::of_node(at).read(context, at.endpoint(), &[("node_id", &id)], REGISTERED).await?;
    parse_registered(&finished.stdout)
        .map_err(|error| fault::unreadable(&command, &error.to_string(), &finished.stdout))
}

fn parse_registered(stdout: &[u8]) -> Result<Option<String>, psql::ParseError> {
    let sections = psql::parse_sections(stdout)?;
    let row = sections.get("registered")?.rows().next();
    row.map(|row| row.text("node_name").map(str::to_owned)).transpose()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_record_that_could_not_be_read_is_not_absent() {
        let read = |text: &str| parse_registered(text.as_bytes());
        assert_eq!(read("#registered\nnode_name\npg2\n#end\n").unwrap().unwrap(), "pg2");
        assert_eq!(read("#registered\nnode_name\n#end\n").unwrap(), None);
        // The statement failed.
        assert!(read("#registered\n#end\n").is_err());
        assert!(read("").is_err());
    }

    #[test]
    fn progress_has_the_best_total_that_is_known() {
        let read = |text: &str| parse_progress(text.as_bytes(), 500).unwrap();
        assert_eq!(read("#progress\ndone,total\n"), None);
        let progress = read("#progress\ndone,total\n100,\n").unwrap();
        assert_eq!((progress.done, progress.total), (100, Some(500)));
        let progress = read("#progress\ndone,total\n100,300\n").unwrap();
        assert_eq!((progress.done, progress.total), (100, Some(300)));
        // The total is an estimate.
        let progress = read("#progress\ndone,total\n301,300\n").unwrap();
        assert_eq!(progress.total, Some(301));
        assert!(parse_progress(b"#end\n", 0).is_err());
    }
}
