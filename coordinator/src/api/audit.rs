//! The audit log for its readers: shown record by record, and held against the agents' logs.

use std::collections::BTreeMap;

use bellows_proto::{
    audit::{Chain, Entry, Reader},
    fault::{from_status, to_status},
    names::HostName,
    v1::{
        AcceptAuditReply, AcceptAuditRequest, AuditAcceptance, AuditEntry, AuditFinding,
        AuditRecord, AuditVerdict, Fault, FaultCode, ShowAuditRequest, VerifyAuditReply,
        VerifyAuditRequest, audit_record::Kind,
    },
};
use tonic::Status;

use super::{Api, Streamed, access::Principal, fault};
use crate::{
    audit::{HostFacts, OwnFacts, verify},
    engine::World,
};

/// A host whose log takes longer to read is not waited for.
const READ_DEADLINE: std::time::Duration = std::time::Duration::from_secs(120);
/// A reason is not longer, characters.
const LONGEST_REASON: usize = 500;
/// A segment is not longer, bytes.
const LONGEST_SEGMENT: usize = 64 * 1024 * 1024;

impl<W: World> Api<W> {
    pub(super) fn audit_entries(
        &self,
        request: ShowAuditRequest,
    ) -> Result<Streamed<AuditEntry>, Status> {
        if request.host.is_empty() {
            return self.show_own(request);
        }
        let host = self.enrolled(&request.host)?;
        let api = self.clone();
        Ok(Box::pin(async_stream::try_stream! {
            let mut found = Vec::new();
            let mut each = |entry: Entry| found.extend(chosen(entry, &request));
            api.read_host(&host, &mut each).await.map_err(|fault| to_status(&fault))?;
            for entry in found {
                yield entry;
            }
        }))
    }

    /// Segment by segment: a viewer that reads slowly costs one of them.
    fn show_own(&self, request: ShowAuditRequest) -> Result<Streamed<AuditEntry>, Status> {
        let pieces = self.audit.pieces().map_err(|e| fault::audit(&e))?;
        Ok(Box::pin(async_stream::try_stream! {
            let mut reader = Reader::default();
            for index in pieces.indices() {
                let bytes = pieces.read(index).map_err(|e| fault::unreadable_audit(&e))?;
                let mut found = Vec::new();
                reader.segment(index, &bytes, &mut |entry| found.extend(chosen(entry, &request)));
                for entry in found {
                    yield entry;
                }
            }
            let mut found = Vec::new();
            reader.finish(&mut |entry| found.extend(chosen(entry, &request)));
            for entry in found {
                yield entry;
            }
        }))
    }

    /// The host of this name.
    pub(super) fn enrolled(&self, host: &str) -> Result<String, Status> {
        let name: HostName = host.parse().map_err(|e| fault::bad_name(&e))?;
        match self.inventory.host(name.as_str()).map_err(|e| fault::store(&e))? {
            Some(record) => Ok(record.host),
            None => Err(super::hosts::unknown(&name)),
        }
    }

    fn read_own(&self, each: &mut dyn FnMut(Entry)) -> Result<Chain, Status> {
        let pieces = self.audit.pieces().map_err(|e| fault::audit(&e))?;
        let mut reader = Reader::default();
        for index in pieces.indices() {
            let bytes = pieces.read(index).map_err(|e| fault::unreadable_audit(&e))?;
            reader.segment(index, &bytes, each);
        }
        Ok(reader.finish(each))
    }

    fn own_facts(&self) -> Result<OwnFacts, Status> {
        let mut facts = OwnFacts::default();
        let chain = self.read_own(&mut |entry| facts.learn(entry))?;
        Ok(facts.end(chain))
    }

    async fn read_host(
        &self,
        host: &str,
        each: &mut (dyn FnMut(Entry) + Send),
    ) -> Result<Chain, Fault> {
        let reading = async {
            let mut chunks = self.agents.read_audit(host).await?;
            let mut reader = Reader::default();
            let mut segment: Option<(u64, Vec<u8>)> = None;
            while let Some(chunk) = chunks.message().await.map_err(|e| from_status(&e, host))? {
                if let Some((index, bytes)) = &segment
                    && *index != chunk.segment
                {
                    reader.segment(*index, bytes, each);
                    segment = None;
                }
                let (_, bytes) = segment.get_or_insert_with(|| (chunk.segment, Vec::new()));
                bytes.extend(chunk.bytes);
                if bytes.len() > LONGEST_SEGMENT {
                    let what = "a segment of the audit log is longer than one can be";
                    return Err(Fault::new(FaultCode::Unreadable, what).at(host));
                }
            }
            if let Some((index, bytes)) = &segment {
                reader.segment(*index, bytes, each);
            }
            Ok(reader.finish(each))
        };
        match tokio::time::timeout(READ_DEADLINE, reading).await {
            Ok(read) => read,
            Err(_) => Err(Fault::new(FaultCode::Deadline, "its audit log was not read in time")
                .at(host)
                .remedy("try again when the network is better")),
        }
    }

    async fn host_facts(&self, host: &str) -> Result<HostFacts, Fault> {
        let mut facts = HostFacts::default();
        let chain = self.read_host(host, &mut |entry| facts.learn(entry)).await?;
        Ok(facts.end(chain))
    }

    pub(super) async fn verify_logs(
        &self,
        request: VerifyAuditRequest,
    ) -> Result<VerifyAuditReply, Status> {
        let hosts: Vec<String> = if request.hosts.is_empty() {
            let known = self.inventory.hosts().map_err(|e| fault::store(&e))?;
            known.into_iter().map(|record| record.host).collect()
        } else {
            request.hosts.iter().map(|host| self.enrolled(host)).collect::<Result<_, _>>()?
        };
        let before = self.own_facts()?;
        let mut found = BTreeMap::new();
        for host in hosts {
            let facts = self.host_facts(&host).await;
            found.insert(host, facts);
        }
        let after = self.own_facts()?;
        Ok(verify(before, found, &after, request.hosts.is_empty()))
    }
}

impl<W: World> Api<W> {
    /// Takes a host's log as it is now, where it contradicts what is known of it.
    pub(super) async fn accept_log(
        &self,
        request: &AcceptAuditRequest,
        who: &Principal,
    ) -> Result<AcceptAuditReply, Status> {
        let host = self.enrolled(&request.host)?;
        let reason = request.reason.trim();
        if reason.is_empty() || reason.chars().count() > LONGEST_REASON {
            let text = format!("a reason has 1 to {LONGEST_REASON} characters");
            return Err(fault::invalid(text, "say why the host's log is another one"));
        }
        self.may_change()?;
        let facts = self.host_facts(&host).await.map_err(|fault| to_status(&fault))?;
        let agent = facts.head();
        let own = self.own_facts()?;
        let found = BTreeMap::from([(host.clone(), Ok(facts))]);
        let reply = verify(own, found, &self.own_facts()?, false);
        let contradicted =
            |found: &AuditFinding| found.host == host && found.verdict() == AuditVerdict::Damage;
        if !reply.findings.iter().any(contradicted) {
            let text = format!("the log of host {host} fits all that is known of it");
            return Err(fault::conflict(text, "nothing to do: nothing was changed"));
        }
        let acceptance = AuditAcceptance {
            host,
            agent: Some(agent.clone()),
            principal: who.name.clone(),
            reason: reason.to_owned(),
        };
        let number = self.audit.accept(acceptance).map_err(|e| fault::audit(&e))?;
        tracing::warn!(
            host = request.host,
            principal = who.name,
            reason,
            "the audit log of a host was taken as it is"
        );
        Ok(AcceptAuditReply { agent: Some(agent), number })
    }
}

/// The entry, where it is one that was asked for. Damage always is.
fn chosen(entry: Entry, request: &ShowAuditRequest) -> Option<AuditEntry> {
    let damaged = !entry.damage.is_empty();
    let wanted = entry.record.as_ref().is_some_and(|record| {
        let since = record.at_ms >= request.since_ms;
        let until = request.until_ms == 0 || record.at_ms <= request.until_ms;
        let of = request.operation.is_empty() || operation(record) == request.operation;
        since && until && of
    });
    (wanted || damaged).then(|| AuditEntry {
        host: request.host.clone(),
        record: entry
            .record
            .or(Some(AuditRecord { number: entry.number, ..AuditRecord::default() })),
        hash: entry.hash.to_vec(),
        damage: entry.damage,
    })
}

/// The operation that a record is about; empty: none.
fn operation(record: &AuditRecord) -> &str {
    match &record.kind {
        Some(Kind::Call(told)) => &told.operation,
        Some(Kind::Answer(told)) => &told.operation,
        Some(Kind::Event(told)) => &told.operation,
        Some(Kind::JobAccepted(told)) => told.key.as_ref().map_or("", |key| &key.operation),
        Some(Kind::JobEnded(told)) => told.key.as_ref().map_or("", |key| &key.operation),
        Some(Kind::JobReported(told)) => {
            let key = told.job.as_ref().and_then(|job| job.key.as_ref());
            key.map_or("", |key| &key.operation)
        }
        Some(
            Kind::Opened(_)
            | Kind::Torn(_)
            | Kind::Pruned(_)
            | Kind::Witness(_)
            | Kind::Acceptance(_),
        )
        | None => "",
    }
}
