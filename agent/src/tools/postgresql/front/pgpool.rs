//! Pgpool-II as a front: its rows are written, then read by a reload where that is enough and by a
//! restart where it is not; then nodes are attached and detached, one by one, each read back.

use std::time::Duration;

use bellows_proto::v1::{Fault, FaultCode, FrontBackend};

use super::Wanted;
use crate::{
    config::fronts::{Front, Pgpool},
    exec::{Finished, Invocation},
    facilities::{Runner, fault},
    host::{Access, Metadata, Owner},
    tools::{
        JobContext,
        pgpool::{self, Backend, Node, PAUSE, Pcp},
    },
};

/// `pgpool.conf` is not longer.
const CONF_LIMIT: u64 = 1024 * 1024;
/// A reading must be back before the query's own deadline.
const READ_DEADLINE: Duration = Duration::from_millis(3500);
/// A command takes a moment; a reload of a busy one some seconds.
const CHANGE_DEADLINE: Duration = Duration::from_secs(30);
/// A detach that waits for clients is bounded by Pgpool-II itself (`recovery_timeout`).
const WAITING_DEADLINE: Duration = Duration::from_secs(540);
/// A restart ends with the clients; systemd's own limit is 90 s.
const RESTART_DEADLINE: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(500);
/// So many readings for a state to come by itself: half a minute.
const MOST_POLLS: u32 = 60;
/// Standard error of a PCP command when nobody listens.
const NOBODY: &str = "failed with error \"Connection refused\"";

type Endpoint = (String, u16);

fn endpoint(node: &Node) -> Endpoint {
    (node.host.clone(), node.port)
}

/// What it serves, and what its file lists.
pub(super) async fn read(
    pgpool: &Pgpool,
    runner: &dyn Runner,
) -> Result<(Vec<FrontBackend>, Vec<FrontBackend>), Fault> {
    let (text, _) = file(pgpool, runner)?;
    let configured = rows(pgpool, &text)?.into_iter().map(|(address, port)| FrontBackend {
        address,
        port: port.into(),
        ..FrontBackend::default()
    });
    let nodes = nodes(pgpool, runner).await?.ok_or_else(|| {
        Fault::new(FaultCode::ToolFailed, "Pgpool-II does not run: nobody listens for PCP")
            .remedy("start it: systemctl start pgpool2")
    })?;
    let serving = nodes.into_iter().map(|node| FrontBackend {
        node: String::new(),
        address: node.host,
        port: node.port.into(),
        attached: Some(node.attached),
        primary: Some(node.primary),
    });
    Ok((serving.collect(), configured.collect()))
}

/// Makes it serve exactly these. `before`: what the file lists as long as nothing was done, sorted.
pub(super) async fn set(
    front: &Front,
    pgpool: &Pgpool,
    wanted: &[Wanted],
    before: &[Endpoint],
    context: &JobContext,
) -> Result<(), Fault> {
    let listed = write_rows(front, pgpool, wanted, before, context)?;
    serve(pgpool, &listed, context).await?;
    lead(pgpool, wanted, context).await
}

/// The rows of the wanted ones; returns them in the order of the file.
fn write_rows(
    front: &Front,
    pgpool: &Pgpool,
    wanted: &[Wanted],
    before: &[Endpoint],
    context: &JobContext,
) -> Result<Vec<Endpoint>, Fault> {
    let (text, facts) = file(pgpool, context)?;
    let listed = rows(pgpool, &text)?;
    let sorted = |mut list: Vec<Endpoint>| {
        list.sort();
        list
    };
    let there = sorted(listed.clone());
    if there == sorted(wanted.iter().map(Wanted::endpoint).collect()) {
        return Ok(listed);
    }
    if there != before {
        let text = format!("the backends in {} are not as they were planned with", pgpool.config);
        return Err(Fault::new(FaultCode::Drift, text)
            .remedy("look who changed them; put the change back, then retry"));
    }
    let backends: Vec<Backend> = wanted
        .iter()
        .map(|one| Backend { node: one.node.clone(), address: one.address, port: one.port })
        .collect();
    let after = pgpool::rewritten(&text, &backends).map_err(|error| unreadable(pgpool, &error))?;
    keep(front, context, &text)?;
    let owner = Some(Owner::Ids { uid: facts.uid, gid: facts.gid });
    context.local().host.write(
        &pgpool.config,
        after.as_bytes(),
        &Access { mode: facts.mode, owner },
    )?;
    context.say(&format!("wrote the backends of {}", pgpool.config));
    rows(pgpool, &after)
}

/// What was there before the last change, for the administrator.
fn keep(front: &Front, context: &JobContext, text: &str) -> Result<(), Fault> {
    let local = context.local();
    let folder = local.config.agent.data_dir.join("fronts");
    local.host.create_directory(&folder, &Access::PRIVATE_DIRECTORY)?;
    let name = format!("{}.{}.before", front.cluster, front.name);
    Ok(local.host.write(&folder.join(name), text.as_bytes(), &Access::PRIVATE)?)
}

/// What runs has the rows of the file.
async fn serve(pgpool: &Pgpool, listed: &[Endpoint], context: &JobContext) -> Result<(), Fault> {
    let served = nodes(pgpool, context).await?;
    let served: Option<Vec<Endpoint>> = served.map(|nodes| nodes.iter().map(endpoint).collect());
    match served {
        Some(served) if served == listed => return Ok(()),
        // New rows after those that are known.
        Some(served) if listed.starts_with(&served) => {
            change(pgpool, pcp(pgpool).reload(CHANGE_DEADLINE), "read its rows", context).await?;
        }
        Some(_) | None => restart(pgpool, context).await?,
    }
    for _ in 0..MOST_POLLS {
        context.local().clock.sleep(POLL).await;
        // It may be between its end and its start.
        let Ok(Some(nodes)) = nodes(pgpool, context).await else { continue };
        if nodes.iter().map(endpoint).eq(listed.iter().cloned()) {
            return Ok(());
        }
    }
    Err(Fault::new(FaultCode::ToolFailed, "Pgpool-II does not serve the backends of its file")
        .remedy("read its log, and see whether it runs: pcp_node_info"))
}

async fn restart(pgpool: &Pgpool, context: &JobContext) -> Result<(), Fault> {
    let Some((program, arguments)) = pgpool.restart.split_first() else {
        return Err(Fault::new(FaultCode::Internal, "no command restarts it"));
    };
    let run = Invocation::new(program.as_str(), arguments.iter().cloned(), RESTART_DEADLINE);
    let command = run.command();
    let finished = context.run(run).await?;
    if !finished.success() {
        return Err(fault::tool_failed(&command, &finished, "restart Pgpool-II")
            .remedy("see `restart` of this front in agent.toml, and Pgpool-II's log"));
    }
    context.say("Pgpool-II was restarted");
    Ok(())
}

/// What is to be done next.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Done,
    /// It comes by itself.
    Wait,
    Attach(usize),
    Detach {
        node: usize,
        /// For its clients to go.
        waits: bool,
    },
}

/// A pure function of what it says. The new primary comes first: a detach of the old one makes
/// Pgpool-II look for it.
fn next(nodes: &[Node], wanted: &[Wanted], waits: bool) -> Next {
    let of = |node: &Node| wanted.iter().find(|one| one.endpoint() == endpoint(node));
    let leads = |node: &Node| of(node).is_some_and(|one| one.primary);
    let numbered = || nodes.iter().enumerate();
    if let Some((number, _)) = numbered().find(|(_, node)| leads(node) && !node.attached) {
        return Next::Attach(number);
    }
    if let Some((node, former)) = numbered().find(|(_, node)| node.primary && !leads(node)) {
        return if former.attached { Next::Detach { node, waits: false } } else { Next::Wait };
    }
    if !nodes.iter().any(|node| node.primary) {
        return Next::Wait;
    }
    let served = |node: &Node| of(node).is_some_and(|one| one.attached);
    if let Some((number, _)) = numbered().find(|(_, node)| served(node) && !node.attached) {
        return Next::Attach(number);
    }
    match numbered().find(|(_, node)| !served(node) && node.attached) {
        Some((node, _)) => Next::Detach { node, waits },
        None => Next::Done,
    }
}

/// Attaches and detaches until all is as wanted.
async fn lead(pgpool: &Pgpool, wanted: &[Wanted], context: &JobContext) -> Result<(), Fault> {
    let pcp = pcp(pgpool);
    let mut polls = 0;
    // Each once, a former primary twice, and some that Pgpool-II took back by itself.
    let mut changes = 2 * wanted.len() + 2;
    while polls < MOST_POLLS {
        // Its PCP process is started anew while it fails over.
        let Ok(Some(nodes)) = nodes(pgpool, context).await else {
            polls += 1;
            context.local().clock.sleep(POLL).await;
            continue;
        };
        let (run, what) = match next(&nodes, wanted, pgpool.waits_for_clients) {
            Next::Done => return Ok(()),
            Next::Wait => {
                polls += 1;
                context.local().clock.sleep(POLL).await;
                continue;
            }
            Next::Attach(node) => (pcp.attach(node, CHANGE_DEADLINE), "attach a backend"),
            Next::Detach { node, waits: true } => {
                (pcp.detach(node, true, WAITING_DEADLINE), "detach a backend")
            }
            Next::Detach { node, waits: false } => {
                (pcp.detach(node, false, CHANGE_DEADLINE), "detach a backend")
            }
        };
        if changes == 0 {
            break;
        }
        changes -= 1;
        change(pgpool, run, what, context).await?;
        context.local().clock.sleep(PAUSE).await;
    }
    Err(Fault::new(FaultCode::ToolFailed, "Pgpool-II does not come to lead clients as wanted")
        .remedy("see pcp_node_info and its log: does it reach the members, and may sr_check_user log in?"))
}

/// A command that changes something; what it changed is read back by the caller.
async fn change(
    pgpool: &Pgpool,
    run: Invocation,
    what: &str,
    context: &JobContext,
) -> Result<(), Fault> {
    let run = as_user(pgpool, run);
    let command = run.command();
    let finished = context.run(run).await?;
    if finished.success() { Ok(()) } else { Err(refused(pgpool, &command, &finished, what)) }
}

fn refused(pgpool: &Pgpool, command: &[String], finished: &Finished, what: &str) -> Fault {
    let remedy = format!(
        "try it by hand; the login of {} must be in {} and in pcp.conf, and PCP must listen at {} port {}",
        pgpool.pcp_user, pgpool.pcp_passfile, pgpool.pcp_address, pgpool.pcp_port
    );
    fault::tool_failed(command, finished, what).remedy(remedy)
}

fn pcp(pgpool: &Pgpool) -> Pcp<'_> {
    Pcp {
        bin_dir: &pgpool.bin_dir,
        address: pgpool.pcp_address,
        port: pgpool.pcp_port,
        user: &pgpool.pcp_user,
        passfile: &pgpool.pcp_passfile,
    }
}

fn as_user(pgpool: &Pgpool, run: Invocation) -> Invocation {
    match &pgpool.user {
        Some(user) => run.user(user),
        None => run,
    }
}

/// Its nodes; `None`: nobody listens.
async fn nodes(pgpool: &Pgpool, runner: &dyn Runner) -> Result<Option<Vec<Node>>, Fault> {
    let run = as_user(pgpool, pcp(pgpool).node_info(READ_DEADLINE));
    let command = run.command();
    let finished = runner.read(run).await?;
    if !finished.success() {
        if String::from_utf8_lossy(&finished.stderr).contains(NOBODY) {
            return Ok(None);
        }
        return Err(refused(pgpool, &command, &finished, "tell its backends"));
    }
    let nodes = pgpool::parse_node_info(&finished.stdout)
        .map_err(|error| fault::unreadable(&command, &error.to_string(), &finished.stdout))?;
    if nodes.is_empty() {
        // An error of the server leaves exit status 0 and nothing printed.
        return Err(refused(pgpool, &command, &finished, "tell its backends"));
    }
    Ok(Some(nodes))
}

fn file(pgpool: &Pgpool, runner: &dyn Runner) -> Result<(String, Metadata), Fault> {
    let path = &pgpool.config;
    let found = runner.local().host.read_guarded(path, CONF_LIMIT)?;
    let Some((bytes, facts)) = found else {
        return Err(Fault::new(FaultCode::Io, format!("{path} is not there"))
            .remedy("set `config` of this front in agent.toml"));
    };
    let text = String::from_utf8(bytes)
        .map_err(|_| Fault::new(FaultCode::Unreadable, format!("{path} is no text")))?;
    Ok((text, facts))
}

fn rows(pgpool: &Pgpool, text: &str) -> Result<Vec<Endpoint>, Fault> {
    pgpool::rows(text).map_err(|error| unreadable(pgpool, &error))
}

fn unreadable(pgpool: &Pgpool, error: &pgpool::RowsError) -> Fault {
    let text = format!("the backends in {} cannot be read: {error}", pgpool.config);
    Fault::new(FaultCode::Unreadable, text).remedy("number them from 0, each with its host")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(number: u8, attached: bool, primary: bool) -> Node {
        Node { host: format!("10.0.0.{number}"), port: 5432, attached, primary }
    }

    fn wanted(number: u8, attached: bool, primary: bool) -> Wanted {
        let node = format!("pg{number}");
        Wanted { node, address: [10, 0, 0, number].into(), port: 5432, attached, primary }
    }

    #[test]
    fn a_new_node_is_attached_and_a_leaving_one_detached() {
        let nodes = [node(1, true, true), node(2, true, false), node(3, false, false)];
        let all = [wanted(1, true, true), wanted(2, true, false), wanted(3, true, false)];
        assert_eq!(next(&nodes, &all, false), Next::Attach(2));
        let two = [wanted(1, true, true), wanted(2, false, false), wanted(3, false, false)];
        assert_eq!(next(&nodes, &two, true), Next::Detach { node: 1, waits: true });
        let nodes = [node(1, true, true), node(2, false, false), node(3, false, false)];
        assert_eq!(next(&nodes, &two, false), Next::Done);
    }

    #[test]
    fn a_role_that_moved_unnoticed_is_found_by_a_detach_of_the_former_primary() {
        let all = [wanted(1, true, false), wanted(2, true, true)];
        let stale = [node(1, true, true), node(2, true, false)];
        assert_eq!(next(&stale, &all, true), Next::Detach { node: 0, waits: false });
        let looking = [node(1, false, true), node(2, true, false)];
        assert_eq!(next(&looking, &all, false), Next::Wait);
        let none = [node(1, false, false), node(2, true, false)];
        assert_eq!(next(&none, &all, false), Next::Wait);
        let found = [node(1, false, false), node(2, true, true)];
        assert_eq!(next(&found, &all, false), Next::Attach(0));
        let end = [node(1, true, false), node(2, true, true)];
        assert_eq!(next(&end, &all, false), Next::Done);
        // Were the new one detached, nothing would be found.
        let down = [node(1, true, true), node(2, false, false)];
        assert_eq!(next(&down, &all, false), Next::Attach(1));
    }
}
