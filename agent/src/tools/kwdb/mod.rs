//! KWDB on this host: what queries read and actions change.
//!
//! Messages name nodes; paths come from the node's claim. Must not know the coordinator, plans or other hosts.

use std::time::Duration;

use bellows_proto::v1::{
    Fault, FaultCode, KwdbAction, KwdbAnswer, KwdbPlacement, KwdbQuery, NodeRef, SystemFacts,
    ToolVersion, kwdb_action, kwdb_answer, kwdb_query,
};

use super::{JobContext, Note, QueryContext, kwbase};
use crate::facilities::Runner;

mod certificates;
mod cluster;
mod data;
mod deployed;
mod find;
mod installation;
mod membership;
mod place;
mod processes;
mod reading;
mod running;
mod service;
mod session;
mod start;
pub mod values;

pub use place::{holdings, propose, takes, unit_is_anothers};

/// A program that prints its version.
const VERSION_DEADLINE: Duration = Duration::from_secs(2);

/// Answers a query.
///
/// # Errors
/// Why there is no answer.
pub async fn answer(query: &KwdbQuery, context: &QueryContext) -> Result<KwdbAnswer, Fault> {
    use kwdb_answer::Kind as Answer;
    use kwdb_query::Kind as Query;
    let kind = match &query.kind {
        Some(Query::Node(query)) => {
            let node = session::required(query.node.as_ref())?;
            Answer::Node(Box::pin(reading::node(context, node)).await?)
        }
        Some(Query::Cluster(query)) => {
            let at = session::required(query.at.as_ref())?;
            Answer::Cluster(Box::pin(cluster::read(context, at)).await?)
        }
        Some(Query::Find(_)) => Answer::Found(Box::pin(find::find(context)).await?),
        None => return Err(empty("query")),
    };
    Ok(KwdbAnswer { kind: Some(kind) })
}

/// Performs an action.
///
/// # Errors
/// Why it failed: command, exit status and end of stderr where a tool ran.
pub async fn perform(action: &KwdbAction, context: &JobContext) -> Result<Note, Fault> {
    use kwdb_action::Kind;
    match &action.kind {
        Some(Kind::WriteStart(action)) => start::write_start(action, context).await,
        Some(Kind::RemoveStart(action)) => if_there(start::remove_start(action, context).await),
        Some(Kind::RequestCertificates(action)) => {
            certificates::request_certificates(action, context).await
        }
        Some(Kind::SignCertificates(action)) => {
            certificates::sign_certificates(action, context).await
        }
        Some(Kind::ForgetSigned(action)) => certificates::forget_signed(action, context).await,
        Some(Kind::PlaceCertificates(action)) => {
            certificates::place_certificates(action, context).await
        }
        Some(Kind::RemoveCertificates(action)) => {
            if_there(certificates::remove_certificates(action, context).await)
        }
        Some(Kind::StartNode(action)) => running::start_node(action, context).await,
        Some(Kind::StopNode(action)) => if_there(running::stop_node(action, context).await),
        Some(Kind::Decommission(action)) => membership::decommission(action, context).await,
        Some(Kind::Recommission(action)) => membership::recommission(action, context).await,
        Some(Kind::SetRebalance(action)) => membership::set_rebalance(action, context).await,
        Some(Kind::DiscardData(action)) => data::discard_data(action, context).await,
        Some(Kind::RestartNode(action)) => running::restart_node(action, context).await,
        Some(Kind::DeployDecommission(action)) => deployed::decommission(action, context).await,
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

/// Whether the action's tool leaves daemons behind: `deploy.sh` does.
pub fn leaves_daemons(action: &KwdbAction) -> bool {
    use kwdb_action::Kind;
    matches!(action.kind, Some(Kind::DeployDecommission(_)))
}

/// Remembers the service of an adopted node.
///
/// # Errors
/// `DENIED` if `agent.toml` does not allow it.
pub async fn take_over(
    node: &NodeRef,
    placement: &KwdbPlacement,
    context: &JobContext,
) -> Result<(), Fault> {
    service::take_over(context, &values::Node::new(node, placement)?).await
}

/// Refuses while the node runs.
///
/// # Errors
/// `DRIFT` if it does.
pub async fn refuse_running(
    node: &NodeRef,
    placement: &KwdbPlacement,
    context: &JobContext,
) -> Result<(), Fault> {
    running::refuse_running(context, &values::Node::new(node, placement)?).await
}

fn empty(what: &str) -> Fault {
    Fault::new(FaultCode::Invalid, format!("the {what} of kwdb is empty or of a newer version"))
        .remedy("upgrade this host's agent")
}

/// What this host has for KWDB. A tool that is missing has an empty version.
pub async fn facts(runner: &dyn Runner) -> SystemFacts {
    let local = runner.local();
    let mut facts = SystemFacts {
        system: "kwdb".to_owned(),
        address: local.config.agent.address.to_string(),
        ..SystemFacts::default()
    };
    let Ok(section) = place::section(local) else {
        return facts;
    };
    let kwbase = ToolVersion { tool: "kwbase".to_owned(), version: version(runner, section).await };
    facts.tools = vec![kwbase];
    if let Some(script) = &section.deploy_sh {
        // It tells no version of its own.
        let there = matches!(local.host.metadata(script), Ok(Some(_)));
        let version = if there { script.to_string() } else { String::new() };
        facts.tools.push(ToolVersion { tool: "deploy.sh".to_owned(), version });
    }
    if let Ok(space) = local.host.space(&section.data_root) {
        facts.data_free_bytes = space.free;
        facts.data_total_bytes = space.total;
    }
    facts
}

async fn version(runner: &dyn Runner, section: &crate::config::KwdbConfig) -> String {
    let local = runner.local();
    // In a container the file is not this host's: its engine is asked each time.
    let contained = section.container.is_some();
    if !contained && let Some(known) = local.versions.of(local, &section.program) {
        return known;
    }
    let container = section.container.as_ref().map(|it| (it.engine.as_path(), it.name.as_str()));
    let program = kwbase::Program { path: &section.program, container };
    let mut invocation = program.version(VERSION_DEADLINE);
    if !contained {
        invocation.user = Some(section.os_user.clone());
    }
    invocation.environment = session::environment(local);
    let version = match runner.read(invocation).await {
        Ok(finished) if finished.success() => kwbase::parse_version(&finished.stdout),
        Ok(_) | Err(_) => String::new(),
    };
    if !contained {
        local.versions.put(local, &section.program, &version);
    }
    version
}
