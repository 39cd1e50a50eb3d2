//! The tools of this host behind typed calls: a query is answered in the agent, an action is
//! performed in the job shim. One exhaustive `match` per function; a new system adds one arm
//! to each, its config section, and its own folder.
//!
//! Must not know jobs' internals, the server or the network.

use std::time::Duration;

use bellows_proto::v1::{
    Action, Answer, Fault, FaultCode, NodeRef, Placement, PostgresqlPlacement, Query, SystemFacts,
    action, answer, placement, query,
};

use crate::facilities::{Local, Runner, claims::Holdings};

pub mod bookkeeper;
pub mod bookkeeper_http;
pub mod bookkeeper_places;
pub mod bookkeeper_shell;
mod context;
mod csv;
pub mod deploy_sh;
pub mod host;
pub mod initdb;
pub mod kwbase;
pub mod kwdb;
mod nodes;
pub mod pg_controldata;
pub mod pgbackrest;
pub mod pgpool;
pub mod postgresql;
mod proc;
pub mod psql;
pub mod repmgr;
pub mod values;

pub use context::{JOB_MARK, JobContext, QueryContext, Recorder};
pub use nodes::nodes;

/// The host's own word on an action's outcome; shown, not interpreted.
pub type Note = String;

/// Answers a query. Runs in the agent; must be done within the context's deadline.
///
/// # Errors
/// Why there is no answer. A reading that could not be made is a fault, never an empty answer.
pub async fn answer(query: &Query, context: &QueryContext) -> Result<Answer, Fault> {
    let kind = match &query.kind {
        Some(query::Kind::Host(query)) => answer::Kind::Host(host::answer(query, context).await?),
        Some(query::Kind::Postgresql(query)) => {
            allowed(&context.local().config.systems.postgresql, "postgresql")?;
            answer::Kind::Postgresql(postgresql::answer(query, context).await?)
        }
        Some(query::Kind::Kwdb(query)) => {
            allowed(&context.local().config.systems.kwdb, "kwdb")?;
            answer::Kind::Kwdb(kwdb::answer(query, context).await?)
        }
        Some(query::Kind::Bookkeeper(query)) => {
            allowed(&context.local().config.systems.bookkeeper, "bookkeeper")?;
            answer::Kind::Bookkeeper(bookkeeper::answer(query, context).await?)
        }
        None => return Err(empty("query")),
    };
    Ok(Answer { kind: Some(kind) })
}

/// Whether a query is a survey: it may take longer than [`QUERY_DEADLINE`], runs at intervals, and its answer
/// has an age. See [`crate::surveys`].
pub fn is_survey(query: &Query) -> bool {
    match &query.kind {
        Some(query::Kind::Host(_) | query::Kind::Postgresql(_) | query::Kind::Kwdb(_)) | None => {
            false
        }
        Some(query::Kind::Bookkeeper(query)) => bookkeeper::is_survey(query),
    }
}

/// Performs an action. Runs in the job shim.
///
/// # Errors
/// Why it failed: command, exit status and end of stderr where a tool ran.
pub async fn perform(action: &Action, context: &JobContext) -> Result<Note, Fault> {
    match &action.kind {
        Some(action::Kind::Host(action)) => host::perform(action, context).await,
        Some(action::Kind::Postgresql(action)) => {
            allowed(&context.local().config.systems.postgresql, "postgresql")?;
            postgresql::perform(action, context).await
        }
        Some(action::Kind::Kwdb(action)) => {
            allowed(&context.local().config.systems.kwdb, "kwdb")?;
            kwdb::perform(action, context).await
        }
        Some(action::Kind::Bookkeeper(action)) => {
            allowed(&context.local().config.systems.bookkeeper, "bookkeeper")?;
            bookkeeper::perform(action, context).await
        }
        None => Err(empty("action")),
    }
}

/// Whether `agent.toml` allows what an action is about; asked before a job is accepted.
///
/// # Errors
/// `FAULT_CODE_DENIED` if the system is not configured here; `FAULT_CODE_INVALID` if the
/// action is empty.
pub fn permitted(action: &Action, local: &Local) -> Result<(), Fault> {
    match &action.kind {
        Some(action::Kind::Host(_)) => Ok(()),
        Some(action::Kind::Postgresql(_)) => {
            allowed(&local.config.systems.postgresql, "postgresql").map(|_| ())
        }
        Some(action::Kind::Kwdb(_)) => allowed(&local.config.systems.kwdb, "kwdb").map(|_| ()),
        Some(action::Kind::Bookkeeper(_)) => {
            allowed(&local.config.systems.bookkeeper, "bookkeeper").map(|_| ())
        }
        None => Err(empty("action")),
    }
}

/// Whether the action's tools leave daemons behind that are to live on: then the end of the
/// job kills nothing that is left of it. PostgreSQL's do not: its servers are services. KWDB's `deploy.sh` does.
pub fn leaves_daemons(action: &Action) -> bool {
    match &action.kind {
        Some(action::Kind::Host(_) | action::Kind::Postgresql(_) | action::Kind::Bookkeeper(_))
        | None => false,
        Some(action::Kind::Kwdb(action)) => kwdb::leaves_daemons(action),
    }
}

/// Where a new node would live, by this host's conventions. `port` 0: the host's default.
///
/// # Errors
/// `FAULT_CODE_DENIED` if the system is not configured here; `FAULT_CODE_INVALID` for a bad
/// name or an unknown system.
pub fn propose(system: &str, local: &Local, node: &NodeRef, port: u16) -> Result<Placement, Fault> {
    let system = match system {
        "postgresql" => {
            allowed(&local.config.systems.postgresql, system)?;
            placement::System::Postgresql(postgresql::propose(local, node, port)?)
        }
        "kwdb" => {
            allowed(&local.config.systems.kwdb, system)?;
            placement::System::Kwdb(kwdb::propose(local, node, port)?)
        }
        "bookkeeper" => {
            allowed(&local.config.systems.bookkeeper, system)?;
            placement::System::Bookkeeper(bookkeeper::propose(local, node, port)?)
        }
        other => {
            return Err(Fault::new(
                FaultCode::Invalid,
                format!("{other:?} is no system that this agent knows"),
            ));
        }
    };
    Ok(Placement { system: Some(system) })
}

/// What a placement takes on this host. Refuses one that differs from the host's own
/// conventions or leaves its roots: no path of a peer is used as it comes.
///
/// # Errors
/// `FAULT_CODE_INVALID` or `FAULT_CODE_DENIED`, naming what differs.
pub fn holdings(local: &Local, node: &NodeRef, placement: &Placement) -> Result<Holdings, Fault> {
    match &placement.system {
        Some(placement::System::Postgresql(placement)) => {
            allowed(&local.config.systems.postgresql, "postgresql")?;
            postgresql::holdings(local, node, placement)
        }
        Some(placement::System::Kwdb(placement)) => {
            allowed(&local.config.systems.kwdb, "kwdb")?;
            kwdb::holdings(local, node, placement)
        }
        Some(placement::System::Bookkeeper(placement)) => {
            allowed(&local.config.systems.bookkeeper, "bookkeeper")?;
            bookkeeper::holdings(local, node, placement)
        }
        None => Err(empty("placement")),
    }
}

/// What a placement takes, as it says, nothing refused: for those of this host's own records.
/// `None`: of a system that this agent does not know.
pub fn takes(node: &NodeRef, placement: &Placement) -> Option<Holdings> {
    placement.system.as_ref().map(|system| match system {
        placement::System::Postgresql(placement) => postgresql::takes(node, placement),
        placement::System::Kwdb(placement) => kwdb::takes(node, placement),
        placement::System::Bookkeeper(placement) => bookkeeper::takes(node, placement),
    })
}

/// Remembers the services of an adopted node under names of ours, so that they can be stopped for good.
///
/// # Errors
/// `FAULT_CODE_DENIED` if `agent.toml` does not allow it, or does not say what starts them.
pub async fn take_over(
    node: &NodeRef,
    placement: &Placement,
    context: &JobContext,
) -> Result<(), Fault> {
    match &placement.system {
        Some(placement::System::Postgresql(placement)) => {
            postgresql::take_over(node, placement, context).await
        }
        Some(placement::System::Kwdb(placement)) => kwdb::take_over(node, placement, context).await,
        Some(placement::System::Bookkeeper(placement)) => {
            bookkeeper::take_over(node, placement, context).await
        }
        None => Err(empty("placement")),
    }
}

/// Whether the node was there before Bellows: then no file and no data of it are ours.
pub fn is_adopted(placement: &Placement) -> bool {
    match &placement.system {
        Some(placement::System::Postgresql(placement)) => placement.adopted,
        Some(placement::System::Kwdb(placement)) => placement.adopted,
        Some(placement::System::Bookkeeper(placement)) => placement.adopted,
        None => false,
    }
}

/// Whether the unit of a node that has left starts another node of this host now.
///
/// # Errors
/// If the claims cannot be read.
pub fn unit_is_anothers(
    node: &NodeRef,
    placement: &Placement,
    local: &Local,
) -> Result<bool, Fault> {
    match &placement.system {
        // Each server has units of its own.
        Some(placement::System::Postgresql(_)) | None => Ok(false),
        Some(placement::System::Bookkeeper(placement)) => {
            bookkeeper::unit_is_anothers(local, node, placement)
        }
        Some(placement::System::Kwdb(placement)) => kwdb::unit_is_anothers(local, node, placement),
    }
}

/// Refuses while a node still runs, by the service manager's word and by the data directory's
/// own: asked before a claimed directory is removed.
///
/// # Errors
/// `FAULT_CODE_DRIFT` if it runs; else if that cannot be told.
pub async fn refuse_running(
    node: &NodeRef,
    placement: &Placement,
    context: &JobContext,
) -> Result<(), Fault> {
    match &placement.system {
        Some(placement::System::Postgresql(placement)) => {
            postgresql::refuse_running(node, placement, context).await
        }
        Some(placement::System::Kwdb(placement)) => {
            kwdb::refuse_running(node, placement, context).await
        }
        Some(placement::System::Bookkeeper(placement)) => {
            bookkeeper::refuse_running(node, placement, context).await
        }
        None => Err(empty("placement")),
    }
}

/// What a proposal of [`propose`] takes.
///
/// # Errors
/// As [`holdings`].
pub fn proposed_holdings(
    local: &Local,
    node: &NodeRef,
    proposal: &Placement,
) -> Result<Holdings, Fault> {
    match &proposal.system {
        Some(placement::System::Postgresql(proposal)) => {
            // The plan chooses the id; it takes nothing on the host.
            let chosen = PostgresqlPlacement { node_id: 1, ..proposal.clone() };
            postgresql::holdings(local, node, &chosen)
        }
        Some(placement::System::Kwdb(proposal)) => kwdb::holdings(local, node, proposal),
        Some(placement::System::Bookkeeper(proposal)) => {
            bookkeeper::holdings(local, node, proposal)
        }
        None => Err(empty("placement")),
    }
}

/// What this host has of each system that is configured.
pub async fn facts(runner: &dyn Runner) -> Vec<SystemFacts> {
    let mut found = Vec::new();
    if runner.local().config.systems.postgresql.is_some() {
        found.push(postgresql::facts(runner).await);
    }
    if runner.local().config.systems.kwdb.is_some() {
        found.push(kwdb::facts(runner).await);
    }
    if runner.local().config.systems.bookkeeper.is_some() {
        found.push(bookkeeper::facts(runner).await);
    }
    found
}

/// A query has at most so long.
pub const QUERY_DEADLINE: Duration = Duration::from_secs(5);

fn allowed<'a, T>(section: &'a Option<T>, system: &str) -> Result<&'a T, Fault> {
    section.as_ref().ok_or_else(|| {
        Fault::new(FaultCode::Denied, format!("system {system} is not allowed on this host"))
            .remedy(format!("add [systems.{system}] to its agent.toml"))
    })
}

fn empty(what: &str) -> Fault {
    Fault::new(FaultCode::Invalid, format!("the {what} is empty or of a newer version"))
        .remedy("upgrade this host's agent")
}
