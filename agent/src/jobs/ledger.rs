//! What the agent remembers beyond jobs: the highest term, the fences, the closed
//! operations. All of it durable before it is answered.

use bellows_proto::{
    defect::{Defect, is_seeded},
    names::ClusterName,
    v1::{Fault, FaultCode, Fence, Term},
};
use camino::Utf8PathBuf;

use super::store::operation;
use crate::{
    facilities::{Local, record},
    host::Access,
};

/// Terms, fences and closed operations of this host.
pub struct Ledger {
    local: Local,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Closed {
    #[prost(int64, tag = "1")]
    closed_at_ms: i64,
}

impl Ledger {
    /// Of this host.
    pub fn new(local: Local) -> Self {
        Self { local }
    }

    fn folder(&self, name: &str) -> Utf8PathBuf {
        self.local.config.agent.data_dir.join(name)
    }

    /// The highest term seen; `None`: none yet.
    ///
    /// # Errors
    /// If the record cannot be read.
    pub fn term(&self) -> Result<Option<Term>, Fault> {
        record::read(self.local.host.as_ref(), &self.folder("term"))
    }

    /// Accepts a term, and remembers it durably if it is the highest so far.
    ///
    /// # Errors
    /// `FAULT_CODE_STALE_TERM` if it is lower than the highest seen, or equal with another
    /// store or incarnation; `FAULT_CODE_INVALID` if it is none.
    pub fn accept(&self, term: Option<&Term>) -> Result<(), Fault> {
        let Some(term) = term.filter(|term| term.number > 0 && !term.store_id.is_empty()) else {
            return Err(Fault::new(FaultCode::Invalid, "the term is missing"));
        };
        let seen = self.term()?.unwrap_or_default();
        // A record of a version without incarnations takes the first one that it hears.
        let nameless = seen.incarnation.is_empty() && !term.incarnation.is_empty();
        let same = (term.number, &term.store_id) == (seen.number, &seen.store_id);
        if term.number > seen.number || (same && nameless) {
            return record::write(self.local.host.as_ref(), &self.folder("term"), term);
        }
        if *term == seen || is_seeded(Defect::LowerTermAccepted) {
            return Ok(());
        }
        let message = format!("term {} is stale: this host has seen {}", told(term), told(&seen));
        Err(Fault::new(FaultCode::StaleTerm, message)
            .remedy("another coordinator manages this host; only one may: see --take-over"))
    }

    /// All fences, in order of clusters.
    ///
    /// # Errors
    /// If a record cannot be read.
    pub fn fences(&self) -> Result<Vec<Fence>, Fault> {
        let host = self.local.host.as_ref();
        let mut found = Vec::new();
        for name in host.list(&self.folder("fences"))? {
            if !name.starts_with('.') {
                found.extend(record::read::<Fence>(host, &self.folder("fences").join(name))?);
            }
        }
        Ok(found)
    }

    fn fence_path(&self, cluster: &str) -> Result<Utf8PathBuf, Fault> {
        let name: ClusterName =
            cluster.parse().map_err(|error| Fault::new(FaultCode::Invalid, format!("{error}")))?;
        Ok(self.folder("fences").join(name.as_str()))
    }

    /// Whether a fence may be planted. Changes nothing.
    ///
    /// # Errors
    /// `FAULT_CODE_FENCED` if another operation holds the cluster here, `FAULT_CODE_CONFLICT` if
    /// the operation is closed.
    pub fn may_plant(&self, fence: &Fence) -> Result<(), Fault> {
        operation(&fence.operation)?;
        self.refuse_closed(&fence.operation)?;
        let path = self.fence_path(&fence.cluster)?;
        match record::read::<Fence>(self.local.host.as_ref(), &path)? {
            Some(held) if held.operation != fence.operation => {
                Err(self.fenced(&fence.cluster, &held.operation))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Plants a fence. Again for the same operation: fine.
    ///
    /// # Errors
    /// As [`Ledger::may_plant`]; if the disk fails.
    pub fn plant(&self, fence: &Fence) -> Result<(), Fault> {
        self.may_plant(fence)?;
        let host = self.local.host.as_ref();
        host.create_directory(&self.folder("fences"), &Access::PRIVATE_DIRECTORY)?;
        record::write(host, &self.fence_path(&fence.cluster)?, fence)
    }

    /// Refuses unless the cluster's fence is of this operation.
    ///
    /// # Errors
    /// `FAULT_CODE_FENCED`, naming the holder.
    pub fn require(&self, cluster: &str, operation: &str) -> Result<(), Fault> {
        let path = self.fence_path(cluster)?;
        match record::read::<Fence>(self.local.host.as_ref(), &path)? {
            Some(held) if held.operation == operation => Ok(()),
            Some(held) => Err(self.fenced(cluster, &held.operation)),
            None => Err(Fault::new(
                FaultCode::Fenced,
                format!("no fence of operation {operation} is planted for cluster {cluster}"),
            )),
        }
    }

    fn fenced(&self, cluster: &str, holder: &str) -> Fault {
        let host = &self.local.config.agent.host;
        Fault::new(
            FaultCode::Fenced,
            format!("operation {holder} holds cluster {cluster} on this host"),
        )
        .remedy(format!(
            "finish or abandon operation {holder}; if the coordinator does not know it (`bellows \
             job list --unknown`): bellows job settle {host} {holder}"
        ))
    }

    /// Closes an operation: remembers it, then lifts its fences. Again: fine.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn close(&self, id: &str) -> Result<(), Fault> {
        let host = self.local.host.as_ref();
        let folder = self.folder("closed");
        host.create_directory(&folder, &Access::PRIVATE_DIRECTORY)?;
        let closed = Closed { closed_at_ms: self.local.clock.now_ms() };
        record::write(host, &folder.join(operation(id)?), &closed)?;
        for fence in self.fences()? {
            if fence.operation == id {
                host.remove_file(&self.fence_path(&fence.cluster)?)?;
            }
        }
        Ok(())
    }

    /// Refuses a closed operation: its ids never come back.
    ///
    /// # Errors
    /// `FAULT_CODE_CONFLICT` if it is closed.
    pub fn refuse_closed(&self, id: &str) -> Result<(), Fault> {
        if !self.is_closed(id)? {
            return Ok(());
        }
        // Not "fenced", which may pass: this never does.
        Err(Fault::new(FaultCode::Conflict, format!("operation {id} is closed on this host"))
            .remedy(format!("nothing of it is accepted here again: bellows op abandon {id}")))
    }

    /// Whether an operation was closed here.
    ///
    /// # Errors
    /// `FAULT_CODE_INVALID` if it is no id; if the disk fails.
    pub fn is_closed(&self, id: &str) -> Result<bool, Fault> {
        let path = self.folder("closed").join(operation(id)?);
        Ok(self.local.host.metadata(&path)?.is_some())
    }
}

fn told(term: &Term) -> String {
    let Term { number, store_id, incarnation } = term;
    match incarnation.as_str() {
        "" => format!("{number} of store {store_id}"),
        one => format!("{number} of store {store_id}, incarnation {one}"),
    }
}
