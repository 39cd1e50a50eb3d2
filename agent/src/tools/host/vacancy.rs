//! Where a new node would live, and whether that is free.

use std::net::IpAddr;

use bellows_proto::v1::{Fault, FaultCode, Vacancy, VacancyQuery};

use super::{claim, part};
use crate::{
    facilities::{
        Runner as _,
        claims::{directory_state, worst_state},
        services,
    },
    host::net,
    tools::QueryContext,
};

pub(super) async fn vacancy(
    query: &VacancyQuery,
    context: &QueryContext,
) -> Result<Vacancy, Fault> {
    let node = part(&query.node, "node")?;
    let local = context.local();
    let port = u16::try_from(query.port)
        .map_err(|_| Fault::new(FaultCode::Invalid, format!("{} is no port", query.port)))?;
    let proposal = crate::tools::propose(&query.system, local, node, port)?;
    let holdings = crate::tools::proposed_holdings(local, node, &proposal)?;
    let known = local.claims().get(node)?;
    let mut service_holder = String::new();
    for service in &holdings.services {
        let holder = services(context).holder(service).await?;
        if !holder.is_empty() {
            service_holder = holder;
        }
    }
    // A claimed node that does not run yet listens nowhere and may have no service yet.
    let held = claim::held(local, node, &holdings)?;
    if service_holder.is_empty() {
        service_holder = held.service;
    }
    let mut holder = held.port;
    for (address, port) in holdings.endpoints() {
        if holder.is_empty() {
            holder = port_holder(context, &address, port)?;
        }
    }
    let claimed_by = match &known {
        Some(known) if known.tombstone => "a tombstone: the node has left for good".to_owned(),
        Some(known) => {
            known.claim.as_ref().map(|claim| claim.operation.clone()).unwrap_or_default()
        }
        None => String::new(),
    };
    Ok(Vacancy {
        node: Some(node.clone()),
        data_directory: worst_state(local, holdings.all_data())?.into(),
        config_directory: directory_state(local, &holdings.config)?.into(),
        port_holder: holder,
        service_holder,
        data_free_bytes: local.host.space(&holdings.data)?.free,
        claimed_by,
        placement: Some(proposal),
    })
}

/// What listens where the node would: on its address or on all of them.
fn port_holder(context: &QueryContext, address: &str, port: u16) -> Result<String, Fault> {
    let wanted: Option<IpAddr> = address.parse().ok();
    let holder = net::listeners(context.local().host.as_ref(), port)?
        .into_iter()
        .find(|found| found.is_unspecified() || Some(*found) == wanted || wanted.is_none());
    Ok(holder.map_or_else(String::new, |found| {
        format!("something listens on {}", std::net::SocketAddr::new(found, port))
    }))
}
