//! A node and a way to run `kwbase` for it: what readings and actions share.
//! Must not know what any of the runs is for.

use std::time::Duration;

use bellows_proto::v1::{
    Fault, FaultCode, KwdbPlacement, KwdbSecurity, KwdbServer, KwdbStatus, NodeRef, placement,
};

use super::{place, values::Node};
use crate::{
    exec::{Finished, Invocation},
    facilities::{
        Local, Runner,
        claims::{NodeClaim, Remembered},
        fault,
    },
    tools::kwbase::{
        Dial, Program, Rows, Security, VARIABLE_PREFIX,
        csv::ParseError,
        errors,
        sql::{self, Statement},
        status,
    },
};

/// A reading must be back before the query's own deadline, also when the node hangs.
pub(super) const READ_DEADLINE: Duration = Duration::from_millis(3500);
/// What flags a node or sets a setting.
pub(super) const CHANGE_DEADLINE: Duration = Duration::from_secs(60);
/// The environment profile of `agent.toml` that `kwbase` gets.
pub(super) const PROFILE: &str = "kwdb";

/// The reference that a message must carry.
pub(super) fn required(reference: Option<&NodeRef>) -> Result<&NodeRef, Fault> {
    reference.ok_or_else(|| Fault::new(FaultCode::Invalid, "the message names no node"))
}

/// The placement in what is remembered of a node.
pub(super) fn placement_of(known: &Remembered) -> Option<KwdbPlacement> {
    let placement::System::Kwdb(placement) =
        known.claim.as_ref()?.placement.as_ref()?.system.as_ref()?
    else {
        return None;
    };
    Some(placement.clone())
}

/// The node that is claimed here under this name.
///
/// # Errors
/// `NOT_CLAIMED` if there is none; `INVALID` if its placement is none of KWDB.
pub(super) fn claimed(local: &Local, reference: &NodeRef) -> Result<(Node, NodeClaim), Fault> {
    let claim = local.claims().node(reference)?;
    let known = Remembered { claim: Some(claim.clone()), ..Remembered::default() };
    let placement = placement_of(&known).ok_or_else(|| {
        let name = format!("{}/{}", reference.cluster, reference.node);
        Fault::new(FaultCode::Invalid, format!("{name} has no placement of kwdb"))
    })?;
    Ok((Node::new(reference, &placement)?, claim))
}

/// The node that is claimed here under this name and was made by Bellows: what writes a node's files or removes its
/// data asks for it.
///
/// # Errors
/// As [`claimed`]; `NOT_CLAIMED` if the node was adopted.
pub(super) fn made(local: &Local, reference: &NodeRef) -> Result<(Node, NodeClaim), Fault> {
    let (node, claim) = claimed(local, reference)?;
    if node.adopted {
        let name = format!("{}/{}", reference.cluster, reference.node);
        return Err(Fault::new(
            FaultCode::NotClaimed,
            format!("node {name} was adopted: its files and data are not Bellows' own"),
        )
        .remedy("do it by hand, as it was done before Bellows"));
    }
    Ok((node, claim))
}

/// The node that is claimed here under this name, one that was adopted too, if `agent.toml` still allows it: for what
/// stops and starts it, and for what it is asked to do to the cluster.
///
/// # Errors
/// As [`claimed`]; `DENIED` if `agent.toml` does not allow it any more.
pub(super) fn led(local: &Local, reference: Option<&NodeRef>) -> Result<Node, Fault> {
    let (node, _) = claimed(local, required(reference)?)?;
    if node.adopted {
        place::still_allowed(local)?;
    }
    Ok(node)
}

/// As the owner of the data, with the host's profile. No variable that the tool itself listens to gets there. What enters a
/// container is run as who runs the agent: it is not the owner's to speak with the engine.
pub(super) fn as_owner(local: &Local, node: &Node, invocation: Invocation) -> Invocation {
    let mut invocation = match node.container.is_empty() {
        true => invocation.user(&node.os_user),
        false => invocation,
    };
    for (key, value) in environment(local) {
        invocation.environment.entry(key).or_insert(value);
    }
    invocation
}

/// The profile, without what the tool itself listens to.
pub(super) fn environment(local: &Local) -> std::collections::BTreeMap<String, String> {
    let mut profile = local.config.profile(PROFILE);
    profile.retain(|key, _| !key.starts_with(VARIABLE_PREFIX));
    profile
}

/// How `kwbase` is called on this host.
pub(super) fn program<'a>(local: &'a Local, node: &'a Node) -> Result<Program<'a>, Fault> {
    let container = match (node.container.is_empty(), &place::section(local)?.container) {
        (true, _) => None,
        (false, Some(container)) => Some((container.engine.as_path(), node.container.as_str())),
        (false, None) => {
            return Err(Fault::new(
                FaultCode::Denied,
                format!("agent.toml names no container, and the node is in {}", node.container),
            )
            .remedy("name it under [systems.kwdb], and restart the agent"));
        }
    };
    Ok(Program { path: node.program.as_path(), container })
}

/// The node's own end, dialled with its own certificates.
///
/// # Errors
/// `DENIED` for `tlcp`.
pub(super) fn dial<'a>(local: &'a Local, node: &'a Node) -> Result<Dial<'a>, Fault> {
    let security = match node.security {
        KwdbSecurity::Insecure => Security::Insecure,
        KwdbSecurity::Tls => Security::Certificates(node.certs_dir.as_path()),
        KwdbSecurity::Tlcp | KwdbSecurity::Unspecified => return Err(tlcp()),
    };
    Ok(Dial { program: program(local, node)?, host: node.endpoint(), security })
}

/// What cannot be done here, and why.
pub(super) fn tlcp() -> Fault {
    Fault::new(
        FaultCode::Denied,
        "the node is secured by tlcp: its certificates are of algorithms that nothing here can use or make",
    )
    .remedy("tend the cluster by hand, or use tls")
}

/// Reads, or says why the tool failed, in its words.
pub(super) async fn read(
    runner: &dyn Runner,
    node: &Node,
    invocation: Invocation,
    what: &str,
) -> Result<(Vec<String>, Finished), Fault> {
    let invocation = as_owner(runner.local(), node, invocation);
    let command = invocation.command();
    let finished = runner.read(invocation).await?;
    ended(command, finished, what)
}

/// Changes, or says why the tool failed, in its words.
pub(super) async fn change(
    runner: &dyn Runner,
    node: &Node,
    invocation: Invocation,
    what: &str,
) -> Result<(Vec<String>, Finished), Fault> {
    let invocation = as_owner(runner.local(), node, invocation);
    let command = invocation.command();
    let finished = runner.run(invocation).await?;
    ended(command, finished, what)
}

fn ended(
    command: Vec<String>,
    finished: Finished,
    what: &str,
) -> Result<(Vec<String>, Finished), Fault> {
    if !finished.success() {
        let cause = errors::cause(&finished.stderr);
        let mut fault = fault::tool_failed(&command, &finished, what).remedy(cause.remedy());
        fault.set_code(cause.code());
        return Err(fault);
    }
    if finished.stdout_cut {
        return Err(fault::unreadable(&command, "it is too long", &[]));
    }
    Ok((command, finished))
}

/// What came does not look like what was asked for.
pub(super) fn unreadable(command: &[String], finished: &Finished, error: &ParseError) -> Fault {
    fault::unreadable(command, &error.to_string(), &finished.stdout)
}

/// Asks a node who is a member: out of gossip, so that it answers without a quorum.
///
/// # Errors
/// Why it cannot be asked.
pub(super) async fn rows(
    runner: &dyn Runner,
    node: &Node,
    rows: Rows,
) -> Result<Vec<KwdbStatus>, Fault> {
    let invocation = dial(runner.local(), node)?.status(rows, READ_DEADLINE);
    let (command, finished) = read(runner, node, invocation, "show the nodes").await?;
    status::parse_status(&finished.stdout).map_err(|error| unreadable(&command, &finished, &error))
}

/// The statements' results, read into one message.
///
/// # Errors
/// Why there are none.
pub(super) async fn select(
    runner: &dyn Runner,
    node: &Node,
    statements: &[Statement],
    into: &mut bellows_proto::v1::KwdbCluster,
    deadline: Duration,
) -> Result<(), Fault> {
    let invocation = dial(runner.local(), node)?.sql(statements, deadline);
    let (command, finished) = read(runner, node, invocation, "ask the cluster").await?;
    sql::read(&finished.stdout, statements, into)
        .map_err(|error| unreadable(&command, &finished, &error))
}

/// Asks a node everything that it says of the cluster out of its memory.
///
/// # Errors
/// Why it cannot be asked.
pub(super) async fn ask(runner: &dyn Runner, node: &Node) -> Result<KwdbServer, Fault> {
    let mut unused = bellows_proto::v1::KwdbCluster::default();
    let (active, known, sql) = futures::join!(
        rows(runner, node, Rows::Active),
        rows(runner, node, Rows::Known),
        select(runner, node, &[Statement::Liveness], &mut unused, READ_DEADLINE),
    );
    let (active, known) = (active?, known?);
    let version = own_row(&active, node).map(|row| row.build.clone()).unwrap_or_default();
    Ok(KwdbServer { version, active, known, serves_sql: Some(sql.is_ok()) })
}

/// The node's row: of several with its address the newest.
pub(super) fn own_row<'a>(rows: &'a [KwdbStatus], node: &Node) -> Option<&'a KwdbStatus> {
    let address = node.endpoint().to_string();
    rows.iter().filter(|row| row.address == address).max_by_key(|row| row.id)
}
