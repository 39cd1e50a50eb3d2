//! PostgreSQL with repmgr on this host: what queries read and actions change.
//!
//! Messages name nodes; paths come from the node's claim. Must not know the coordinator,
//! plans or other hosts.

use bellows_proto::v1::{
    Fault, FaultCode, NodeRef, PostgresqlAction, PostgresqlAnswer, PostgresqlPlacement,
    PostgresqlQuery, SystemFacts, ToolVersion, postgresql_action, postgresql_answer,
    postgresql_query,
};
use std::time::Duration;

use super::{JobContext, Note, QueryContext, psql, repmgr};
use crate::{exec::Invocation, facilities::Runner};

mod adopted;
mod backups;
mod configuration;
mod data;
pub mod find;
mod front;
mod membership;
pub mod pgpass;
mod place;
mod reading;
pub mod render;
mod role;
mod running;
pub mod server;
mod service;
mod session;
mod slots;
pub mod values;

pub use place::{holdings, propose, takes};

/// A program that prints its version.
const VERSION_DEADLINE: Duration = Duration::from_secs(2);

/// Answers a query.
///
/// # Errors
/// Why there is no answer.
pub async fn answer(
    query: &PostgresqlQuery,
    context: &QueryContext,
) -> Result<PostgresqlAnswer, Fault> {
    use postgresql_answer::Kind as Answer;
    use postgresql_query::Kind as Query;
    let kind = match &query.kind {
        Some(Query::Node(query)) => {
            let node = session::required(query.node.as_ref())?;
            Answer::Node(reading::node(context, node).await?)
        }
        Some(Query::Login(query)) => {
            let address = values::address("address", &query.address)?;
            let port = values::port("port", query.port)?.get();
            Answer::Login(reading::login(context, address, port).await?)
        }
        Some(Query::Find(_)) => Answer::Found(Box::pin(find::find(context)).await?),
        Some(Query::Backups(_)) => Answer::Backups(backups::read(context).await?),
        Some(Query::Front(query)) => Answer::Front(front::read(query, context).await?),
        None => return Err(empty("query")),
    };
    Ok(PostgresqlAnswer { kind: Some(kind) })
}

/// Performs an action.
///
/// # Errors
/// Why it failed: command, exit status and end of stderr where a tool ran.
pub async fn perform(action: &PostgresqlAction, context: &JobContext) -> Result<Note, Fault> {
    use postgresql_action::Kind;
    match &action.kind {
        Some(Kind::WriteConfiguration(action)) => {
            configuration::write_configuration(action, context).await
        }
        Some(Kind::RemoveConfiguration(action)) => {
            configuration::remove_configuration(action, context).await
        }
        Some(Kind::WriteHba(action)) => configuration::write_hba(action, context).await,
        Some(Kind::InitDatabase(action)) => data::init_database(action, context).await,
        Some(Kind::CreateRepmgrDatabase(action)) => {
            data::create_repmgr_database(action, context).await
        }
        Some(Kind::RegisterPrimary(action)) => membership::register_primary(action, context).await,
        Some(Kind::CloneStandby(action)) => membership::clone_standby(action, context).await,
        Some(Kind::RegisterStandby(action)) => membership::register_standby(action, context).await,
        Some(Kind::UnregisterStandby(action)) => {
            membership::unregister_standby(action, context).await
        }
        Some(Kind::CreateSlot(action)) => slots::create_slot(action, context).await,
        Some(Kind::DropSlot(action)) => slots::drop_slot(action, context).await,
        Some(Kind::StartService(action)) => running::start_service(action, context).await,
        Some(Kind::StopService(action)) => running::stop_service(action, context).await,
        Some(Kind::DiscardData(action)) => data::discard_data(action, context).await,
        Some(Kind::PauseRepmgrd(action)) => role::pause_repmgrd(action, context).await,
        Some(Kind::PromoteStandby(action)) => role::promote_standby(action, context).await,
        Some(Kind::FollowUpstream(action)) => role::follow_upstream(action, context).await,
        Some(Kind::DemotePrimary(action)) => role::demote_primary(action, context).await,
        Some(Kind::SetFront(action)) => front::set(action, context).await,
        None => Err(empty("action")),
    }
}

/// Remembers the services of an adopted node under names of ours, so that they can be stopped for good.
/// Those that Bellows made are remembered already.
///
/// # Errors
/// `DENIED` if `agent.toml` does not allow it, or does not say what starts them.
pub async fn take_over(
    node: &NodeRef,
    placement: &PostgresqlPlacement,
    context: &JobContext,
) -> Result<(), Fault> {
    service::take_over(context, &values::Node::new(node, placement)?).await
}

/// Refuses while the node's server runs.
///
/// # Errors
/// `DRIFT` if it does; else if that cannot be told.
pub async fn refuse_running(
    node: &NodeRef,
    placement: &PostgresqlPlacement,
    context: &JobContext,
) -> Result<(), Fault> {
    running::refuse_running(context, &values::Node::new(node, placement)?).await
}

fn empty(what: &str) -> Fault {
    Fault::new(
        FaultCode::Invalid,
        format!("the {what} of postgresql is empty or of a newer version"),
    )
    .remedy("upgrade this host's agent")
}

/// What this host has for PostgreSQL. A tool that is missing has an empty version.
pub async fn facts(runner: &dyn Runner) -> SystemFacts {
    let local = runner.local();
    let mut facts = SystemFacts {
        system: "postgresql".to_owned(),
        address: local.config.agent.address.to_string(),
        ..SystemFacts::default()
    };
    let Ok(section) = place::section(local) else {
        return facts;
    };
    let (postgres, psql, repmgr) = futures::join!(
        version(runner, section.bin_dir.join("postgres"), psql::parse_version),
        version(runner, section.bin_dir.join("psql"), psql::parse_version),
        version(runner, section.bin_dir.join("repmgr"), repmgr::parse_version),
    );
    let tool = |tool: &str, version| ToolVersion { tool: tool.to_owned(), version };
    facts.tools = vec![tool("postgres", postgres), tool("psql", psql), tool("repmgr", repmgr)];
    if let Ok(space) = local.host.space(&section.data_root) {
        facts.data_free_bytes = space.free;
        facts.data_total_bytes = space.total;
    }
    facts
}

async fn version(
    runner: &dyn Runner,
    program: camino::Utf8PathBuf,
    parse: fn(&[u8]) -> String,
) -> String {
    let local = runner.local();
    if let Some(known) = local.versions.of(local, &program) {
        return known;
    }
    let invocation = Invocation::new(program.clone(), ["--version"], VERSION_DEADLINE);
    let version = match runner.read(invocation).await {
        Ok(finished) if finished.success() => parse(&finished.stdout),
        Ok(_) | Err(_) => String::new(),
    };
    local.versions.put(local, &program, &version);
    version
}
