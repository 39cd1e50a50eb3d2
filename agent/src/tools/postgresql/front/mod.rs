//! What stands in front of a cluster on this host: which members it leads clients to, and the
//! action that makes these others.
//!
//! `agent.toml` says which fronts there are and how they are reached; a message names one of them.
//! Must not know why members come and go.

mod hook;
mod pgpool;

use std::net::IpAddr;

use bellows_proto::{
    names::NodeName,
    v1::{
        Fault, FaultCode, FrontBackend, FrontKind, NodeRef, PostgresqlFront, PostgresqlFrontQuery,
        SetFront,
    },
};

use super::values;
use crate::{
    config::fronts::{Front, Kind},
    facilities::{Local, Runner},
    tools::{JobContext, Note},
};

/// More members are not set: Pgpool-II itself knows no more.
const MOST: usize = crate::tools::pgpool::MOST_NODES;

/// A member as it is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wanted {
    node: String,
    address: IpAddr,
    port: u16,
    attached: bool,
    primary: bool,
}

impl Wanted {
    fn endpoint(&self) -> (String, u16) {
        (self.address.to_string(), self.port)
    }
}

/// What a front of this host serves.
///
/// # Errors
/// If it is not declared here, or does not answer.
pub(super) async fn read(
    query: &PostgresqlFrontQuery,
    runner: &dyn Runner,
) -> Result<PostgresqlFront, Fault> {
    let local = runner.local();
    let front = declared(local, query.front.as_ref())?;
    let (kind, (serving, configured)) = match &front.kind {
        Kind::Pgpool(pgpool) => (FrontKind::Pgpool, pgpool::read(pgpool, runner).await?),
        Kind::Hook { command, user } => {
            let serving = hook::read(command, user.as_deref(), runner).await?;
            (FrontKind::Hook, (serving.clone(), serving))
        }
    };
    Ok(PostgresqlFront {
        kind: kind.into(),
        address: front.address.unwrap_or(local.config.agent.address).to_string(),
        port: front.port.into(),
        serving,
        configured,
    })
}

/// Makes a front serve exactly these members. May be repeated: only what differs is changed.
pub(super) async fn set(action: &SetFront, context: &JobContext) -> Result<Note, Fault> {
    let front = declared(context.local(), action.front.as_ref())?;
    let wanted = wanted(&action.backends)?;
    match &front.kind {
        Kind::Pgpool(pgpool) => {
            let before = endpoints(&action.before);
            pgpool::set(front, pgpool, &wanted, &before, context).await?;
        }
        Kind::Hook { command, user } => {
            hook::set(front, (command, user.as_deref()), &wanted, context).await?;
        }
    }
    let names: Vec<&str> =
        wanted.iter().filter(|one| one.attached).map(|one| one.node.as_str()).collect();
    Ok(format!("{} leads clients to {}", front.name, names.join(", ")))
}

fn declared<'a>(local: &'a Local, named: Option<&NodeRef>) -> Result<&'a Front, Fault> {
    let named =
        named.ok_or_else(|| Fault::new(FaultCode::Invalid, "the message names no front"))?;
    let section = super::place::section(local)?;
    let same = |front: &&Front| front.name == named.node && front.cluster == named.cluster;
    section.fronts.iter().find(same).ok_or_else(|| {
        let text =
            format!("this host declares no front {} of cluster {}", named.node, named.cluster);
        Fault::new(FaultCode::Denied, text)
            .remedy("add [[systems.postgresql.fronts]] to its agent.toml, and restart the agent")
    })
}

fn endpoints(backends: &[FrontBackend]) -> Vec<(String, u16)> {
    let port = |backend: &FrontBackend| u16::try_from(backend.port).unwrap_or_default();
    let mut all: Vec<_> =
        backends.iter().map(|backend| (backend.address.clone(), port(backend))).collect();
    all.sort();
    all
}

/// What is asked for, checked: nothing of it can become an option, a quote or a line of its own.
fn wanted(backends: &[FrontBackend]) -> Result<Vec<Wanted>, Fault> {
    let refused = |text: String| Fault::new(FaultCode::Invalid, text);
    if backends.is_empty() || backends.len() > MOST {
        return Err(refused(format!("{} members, 1 to {MOST} can be served", backends.len())));
    }
    let mut all: Vec<Wanted> = Vec::new();
    for backend in backends {
        let node: NodeName = backend.node.parse().map_err(|error| refused(format!("{error}")))?;
        let one = Wanted {
            node: node.to_string(),
            address: values::address("address", &backend.address)?,
            port: values::port("port", backend.port)?.get(),
            attached: backend.attached.ok_or_else(|| refused(format!("{node}: served or not?")))?,
            primary: backend.primary.ok_or_else(|| refused(format!("{node}: primary or not?")))?,
        };
        if all.iter().any(|known| known.endpoint() == one.endpoint() || known.node == one.node) {
            return Err(refused(format!("{node} at {} is there twice", one.address)));
        }
        all.push(one);
    }
    let primaries: Vec<&Wanted> = all.iter().filter(|one| one.primary).collect();
    match primaries.as_slice() {
        [one] if one.attached => Ok(all),
        _ => Err(refused("exactly one member is the primary, and it is served".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn backend(node: &str, address: &str, primary: bool) -> FrontBackend {
        let (node, address) = (node.to_owned(), address.to_owned());
        FrontBackend { node, address, port: 5432, attached: Some(true), primary: Some(primary) }
    }

    #[test]
    fn nonsense_is_refused_before_anything_is_done() {
        let good = [backend("pg1", "10.0.0.1", true), backend("pg2", "10.0.0.2", false)];
        assert_eq!(wanted(&good).unwrap().len(), 2);
        assert!(wanted(&[]).is_err());
        let bad = [
            backend("pg2", "10.0.0.1", false),
            backend("pg1", "10.0.0.2", false),
            backend("pg2", "10.0.0.2", true),
            backend("pg'2", "10.0.0.2", false),
            backend("pg2", "db2.example", false),
            FrontBackend { attached: None, ..backend("pg2", "10.0.0.2", false) },
            FrontBackend { port: 0, ..backend("pg2", "10.0.0.2", false) },
        ];
        for second in bad {
            let [first, _] = good.clone();
            assert!(wanted(&[first, second.clone()]).is_err(), "{second:?}");
        }
    }
}
