//! Hosts: who is enrolled, who answers, and the tokens that let new ones in.

use std::time::Duration;

use bellows_proto::{
    digest,
    names::HostName,
    release::protocol_problem,
    v1::{
        ClusterDetail, CreateHostTokenRequest, Fault, FaultCode, HelloReply, HostDetail, HostFacts,
        HostFactsQuery, HostInventory, HostInventoryQuery, HostQuery, HostSummary, HostToken,
        ListHostsReply, NodeRef, Query, RemoveHostReply, RemoveHostRequest, answer, host_answer,
        host_query, query,
    },
    validity::days_left,
};
use futures::future::join_all;
use tonic::Status;

use super::{Api, access::Principal, fault, revoke::REVOKED};
use crate::{
    agents::is_no_answer,
    engine::{
        World,
        ports::{Agents as _, Owed},
    },
    inventory::{RemoveError, TOKEN_VALID, TokenError},
    store::HostRecord,
};

/// The state of a host whose agent answers.
pub(super) const CONNECTED: &str = "connected";

/// All nodes with their hosts.
type Nodes = Vec<(String, NodeRef)>;

impl<W: World> Api<W> {
    pub(super) async fn all_hosts(&self) -> Result<ListHostsReply, Status> {
        let records = self.inventory.hosts().map_err(|e| fault::store(&e))?;
        let nodes = self.nodes()?;
        let hellos = join_all(records.iter().map(|record| self.agents.hello(&record.host))).await;
        let hosts = records
            .iter()
            .zip(hellos)
            .map(|(record, hello)| self.host_summary(record, hello.as_ref(), &nodes))
            .collect();
        Ok(ListHostsReply { hosts })
    }

    pub(super) async fn one_host(&self, host: &str, inventory: bool) -> Result<HostDetail, Status> {
        let name: HostName = host.parse().map_err(|e| fault::bad_name(&e))?;
        let record = self.inventory.host(name.as_str()).map_err(|e| fault::store(&e))?;
        let record = record.ok_or_else(|| unknown(&name))?;
        let nodes = self.nodes()?;
        let hello = self.agents.hello(&record.host).await;
        let summary = Some(self.host_summary(&record, hello.as_ref(), &nodes));
        let unknown_jobs = self.unknown_at(&record.host).await?;
        let program = match hello {
            Ok(_) => self.agents.program(&record.host).await.ok(),
            Err(_) => None,
        };
        let detail = HostDetail { summary, unknown_jobs, program, ..HostDetail::default() };
        if inventory {
            let inventory = match hello {
                Ok(_) => self.inventory_of(&record.host).await,
                Err(fault) => Err(fault),
            };
            return Ok(match inventory {
                Ok(inventory) => HostDetail { inventory: Some(inventory), ..detail },
                Err(fault) => HostDetail { fault: Some(fault), ..detail },
            });
        }
        let facts = match hello {
            Ok(_) => self.facts(&record.host).await,
            Err(fault) => Err(fault),
        };
        Ok(match facts {
            Ok(facts) => HostDetail { facts: Some(facts), ..detail },
            Err(fault) => HostDetail { fault: Some(fault), ..detail },
        })
    }

    async fn facts(&self, host: &str) -> Result<HostFacts, Fault> {
        let facts = host_query::Kind::Facts(HostFactsQuery {});
        let query = Query { kind: Some(query::Kind::Host(HostQuery { kind: Some(facts) })) };
        let answer = self.agents.ask(host, query, 0).await?.answer;
        if let Some(answer::Kind::Host(answer)) = answer.kind
            && let Some(host_answer::Kind::Facts(facts)) = answer.kind
        {
            return Ok(facts);
        }
        Err(another_answer(host))
    }

    async fn inventory_of(&self, host: &str) -> Result<HostInventory, Fault> {
        let kind = Some(host_query::Kind::Inventory(HostInventoryQuery {}));
        let query = Query { kind: Some(query::Kind::Host(HostQuery { kind })) };
        let answer = self.agents.ask(host, query, 0).await?.answer;
        if let Some(answer::Kind::Host(answer)) = answer.kind
            && let Some(host_answer::Kind::Inventory(inventory)) = answer.kind
        {
            return Ok(inventory);
        }
        Err(another_answer(host))
    }

    fn nodes(&self) -> Result<Nodes, Status> {
        let mut nodes = Nodes::new();
        for summary in self.inventory.clusters().map_err(|e| fault::store(&e))? {
            let cluster = summary.cluster;
            let detail = self.inventory.cluster(&cluster).map_err(|e| fault::store(&e))?;
            let Some(ClusterDetail { spec: Some(spec), .. }) = detail else { continue };
            nodes.extend(
                spec.nodes
                    .into_iter()
                    .map(|node| (node.host, NodeRef { cluster: cluster.clone(), node: node.node })),
            );
        }
        Ok(nodes)
    }

    fn host_summary(
        &self,
        record: &HostRecord,
        hello: Result<&HelloReply, &Fault>,
        nodes: &Nodes,
    ) -> HostSummary {
        let here = nodes.iter().filter(|(host, _)| *host == record.host);
        let mut summary = HostSummary {
            host: record.host.clone(),
            address: record.address.clone(),
            enrolled_at_ms: record.enrolled_at_ms,
            last_seen_at_ms: record.last_seen_at_ms,
            agent_version: record.agent_version.clone(),
            nodes: here.map(|(_, node)| node.clone()).collect(),
            certificate_until_ms: record.valid_until_ms,
            identity_problem: self.renewals.problem(record),
            ..HostSummary::default()
        };
        match hello {
            Ok(hello) => {
                if let Some(shown) = &hello.certificate {
                    summary.certificate_until_ms = shown.valid_until_ms;
                }
                CONNECTED.clone_into(&mut summary.state);
                summary.last_seen_at_ms = (self.now_ms)();
                summary.agent_version.clone_from(&hello.version);
                summary.mode.clone_from(&hello.mode);
                summary.version_problem = protocol_problem(hello.protocol, &hello.version);
                self.note_seen(&summary);
            }
            Err(fault) => {
                let never = record.last_seen_at_ms == 0 && is_no_answer(fault);
                let state = match (&record.revocation, never) {
                    (Some(_), _) => REVOKED,
                    (None, true) => "never seen",
                    (None, false) => "unreachable",
                };
                state.clone_into(&mut summary.state);
                summary.reason.clone_from(&fault.message);
            }
        }
        summary.certificate_days_left = days_left(summary.certificate_until_ms, (self.now_ms)());
        summary
    }

    /// Forgets a host and revokes its key; its last known state is in the reply.
    pub(super) async fn drop_host(
        &self,
        request: &RemoveHostRequest,
        who: &Principal,
    ) -> Result<RemoveHostReply, Status> {
        self.may_change()?;
        let host = request.host.as_str();
        let name: HostName = host.parse().map_err(|e| fault::bad_name(&e))?;
        let (now_ms, never_back) = ((self.now_ms)(), request.never_back);
        let concerned = |owed: &Owed| !never_back && owed.stone.host == host;
        let delivered = self.engine.delivered(concerned).await.map_err(|e| fault::journal(&e))?;
        let removed = self.inventory.remove_host(host, &who.name, now_ms, never_back, &delivered);
        let record = removed.map_err(|error| match error {
            RemoveError::Unknown(_) => unknown(&name),
            RemoveError::HasNode { .. } => fault::conflict(
                error.to_string(),
                "shrink or replace the node away first",
            ),
            RemoveError::Owed { .. } => fault::conflict(
                error.to_string(),
                "let it come back once, so that it gets it; or, if the machine never comes back with its disks: --never-back",
            ),
            RemoveError::Store(error) => fault::store(&error),
        })?;
        self.agents.forget(name.as_str());
        tracing::warn!(host, principal = who.name, "host removed: its certificate is not accepted");
        Ok(RemoveHostReply {
            revoked_key: digest::hex(&record.key_fingerprint),
            removed: Some(HostSummary {
                host: record.host,
                address: record.address,
                state: "removed".to_owned(),
                enrolled_at_ms: record.enrolled_at_ms,
                last_seen_at_ms: record.last_seen_at_ms,
                agent_version: record.agent_version,
                ..HostSummary::default()
            }),
        })
    }

    fn note_seen(&self, seen: &HostSummary) {
        let noted = self.inventory.note_seen(&seen.host, seen.last_seen_at_ms, &seen.agent_version);
        if let Err(error) = noted {
            tracing::error!(%error, host = seen.host, "the store cannot note that a host was seen");
        }
    }

    pub(super) fn make_token(
        &self,
        request: &CreateHostTokenRequest,
        who: &Principal,
    ) -> Result<HostToken, Status> {
        self.may_change()?;
        let valid = match request.valid_minutes {
            0 => TOKEN_VALID,
            minutes => Duration::from_secs(u64::from(minutes) * 60),
        };
        let made = self.inventory.create_token(&request.host, valid, &who.name, (self.now_ms)());
        let token = made.map_err(|error| match error {
            TokenError::Validity => fault::invalid(error.to_string(), "choose another time"),
            TokenError::Name(error) => fault::bad_name(&error),
            TokenError::Make(error) => fault::internal(error.to_string()),
            TokenError::Store(error) => fault::store(&error),
        })?;
        tracing::info!(host = request.host, principal = who.name, "host token made");
        Ok(HostToken {
            host: request.host.clone(),
            token: token.text.to_string(),
            expires_at_ms: token.expires_at_ms,
            enrolment_address: self.site.enrolment_address.clone(),
        })
    }
}

fn another_answer(host: &str) -> Fault {
    Fault::new(FaultCode::Unreadable, "the agent answered another question")
        .at(host)
        .remedy(format!("bring the agent on {host} to the coordinator's version"))
}

/// No such host is enrolled.
pub(super) fn unknown(host: &HostName) -> Status {
    let what = format!("no host {host} is enrolled at this site");
    fault::not_found(what, "`bellows host list` shows the hosts; `bellows host token` lets one in")
}
