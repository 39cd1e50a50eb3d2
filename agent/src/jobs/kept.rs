//! What a coordinator that has lost its store will ask for: the first event of each operation
//! that is fenced here (its plan, who asked, what a failure leads to), and the last spec of
//! each cluster. Kept as it was sent; the agent decides nothing by it.

use bellows_proto::{
    names::ClusterName,
    v1::{
        CloseRequest, Fault, FaultCode, KeptOperation, KeptSpec, PlantFenceRequest, RecallRequest,
        Recalled, Term, recalled::Kind,
    },
};
use camino::Utf8PathBuf;
use prost::Message as _;

use super::{Jobs, store::operation};
use crate::{
    facilities::{Local, record},
    host::Access,
};

/// An operation and a spec are not longer together, bytes as encoded: one message carries them.
pub const MOST_BYTES: usize = 3 * 1024 * 1024;

/// Plans of open operations and specs of clusters, durable.
pub struct Kept {
    local: Local,
}

impl Kept {
    /// Of this host.
    pub fn new(local: Local) -> Self {
        Self { local }
    }

    fn folder(&self, name: &str) -> Utf8PathBuf {
        self.local.config.agent.data_dir.join(name)
    }

    fn plan_path(&self, id: &str) -> Result<Utf8PathBuf, Fault> {
        Ok(self.folder("plans").join(operation(id)?))
    }

    fn spec_path(&self, cluster: &str) -> Result<Utf8PathBuf, Fault> {
        let name: ClusterName =
            cluster.parse().map_err(|error| Fault::new(FaultCode::Invalid, format!("{error}")))?;
        Ok(self.folder("specs").join(name.as_str()))
    }

    /// Keeps an operation until [`Kept::forget`]. Again: the same, under the newer term.
    ///
    /// # Errors
    /// `FAULT_CODE_INVALID` if it is too long or no operation; if the disk fails.
    pub fn put_operation(&self, kept: &KeptOperation) -> Result<(), Fault> {
        let path = self.plan_path(&kept.operation)?;
        fits("the plan", kept.encoded_len())?;
        let host = self.local.host.as_ref();
        if record::read::<KeptOperation>(host, &path)?.as_ref() == Some(kept) {
            return Ok(());
        }
        host.create_directory(&self.folder("plans"), &Access::PRIVATE_DIRECTORY)?;
        record::write(host, &path, kept)
    }

    /// Keeps a spec, unless a later word on that cluster is kept already.
    ///
    /// # Errors
    /// `FAULT_CODE_INVALID` if it is too long or of no cluster; if the disk fails.
    pub fn put_spec(&self, kept: &KeptSpec) -> Result<(), Fault> {
        let path = self.spec_path(&kept.cluster)?;
        fits("the spec", kept.encoded_len())?;
        let host = self.local.host.as_ref();
        let known = record::read::<KeptSpec>(host, &path)?;
        if known.is_some_and(|known| age(&known) > age(kept) || known == *kept) {
            return Ok(());
        }
        host.create_directory(&self.folder("specs"), &Access::PRIVATE_DIRECTORY)?;
        record::write(host, &path, kept)
    }

    /// The cluster is gone. Again: fine.
    ///
    /// # Errors
    /// `FAULT_CODE_INVALID` if it is no cluster's name; if the disk fails.
    pub fn forget_spec(&self, cluster: &str) -> Result<(), Fault> {
        let path = self.spec_path(cluster)?;
        let host = self.local.host.as_ref();
        if host.metadata(&path)?.is_some() {
            host.remove_file(&path)?;
        }
        Ok(())
    }

    /// The operation is closed. Again: fine.
    ///
    /// # Errors
    /// `FAULT_CODE_INVALID` if it is no id; if the disk fails.
    pub fn forget(&self, id: &str) -> Result<(), Fault> {
        let path = self.plan_path(id)?;
        let host = self.local.host.as_ref();
        if host.metadata(&path)?.is_some() {
            host.remove_file(&path)?;
        }
        Ok(())
    }

    /// What is kept: the names of the records, to be read one by one.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn list(&self) -> Result<Vec<Utf8PathBuf>, Fault> {
        let mut found = Vec::new();
        for folder in ["plans", "specs"] {
            let names = self.local.host.list(&self.folder(folder))?;
            let whole = names.into_iter().filter(|name| !name.starts_with('.'));
            found.extend(whole.map(|name| self.folder(folder).join(name)));
        }
        Ok(found)
    }

    /// One record of [`Kept::list`]; `None`: it is gone meanwhile.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read(&self, path: &Utf8PathBuf) -> Result<Option<Recalled>, Fault> {
        let host = self.local.host.as_ref();
        let kind = if path.starts_with(self.folder("plans")) {
            record::read(host, path)?.map(Kind::Operation)
        } else {
            record::read(host, path)?.map(Kind::Spec)
        };
        Ok(kind.map(|kind| Recalled { kind: Some(kind) }))
    }
}

/// Later words are greater: first by who led, then by the version.
fn age(kept: &KeptSpec) -> (u64, u64) {
    let term = kept.term.as_ref().map_or(0, |term: &Term| term.number);
    (term, kept.spec.as_ref().map_or(0, |spec| spec.version))
}

fn fits(what: &str, bytes: usize) -> Result<(), Fault> {
    if bytes <= MOST_BYTES {
        return Ok(());
    }
    let message = format!("{what} has {bytes} bytes; a host keeps at most {MOST_BYTES}");
    Err(Fault::new(FaultCode::Invalid, message)
        .remedy("abandon this operation and plan fewer nodes at once"))
}

impl Jobs {
    /// Keeps what comes with a fence. A coordinator of an earlier version sends nothing.
    pub(super) fn keep_operation(&self, request: PlantFenceRequest) -> Result<(), Fault> {
        let PlantFenceRequest { cluster, operation, term, accepted, spec } = request;
        let Some(accepted) = accepted else { return Ok(()) };
        if let Some(spec) = spec {
            let (cluster, operation, term) = (cluster.clone(), operation.clone(), term.clone());
            self.0.kept.put_spec(&KeptSpec { cluster, spec: Some(spec), term, operation })?;
        }
        let accepted = Some(accepted);
        self.0.kept.put_operation(&KeptOperation { operation, cluster, term, accepted })
    }

    /// Keeps what comes with the end of an operation.
    pub(super) fn keep_last_spec(&self, request: &CloseRequest) -> Result<(), Fault> {
        let CloseRequest { operation, term, cluster, spec } = request.clone();
        match spec {
            // Of an earlier version, or of a coordinator that does not know the operation.
            _ if cluster.is_empty() => Ok(()),
            Some(spec) => {
                self.0.kept.put_spec(&KeptSpec { cluster, spec: Some(spec), term, operation })
            }
            None => self.0.kept.forget_spec(&cluster),
        }
    }

    /// What is told to a coordinator that has lost its store, one piece at a time; a piece that
    /// cannot be read is an error in its place.
    ///
    /// # Errors
    /// `FAULT_CODE_INVALID` if it is asked for something that is no operation; if the disk fails.
    pub fn recall(
        &self,
        request: &RecallRequest,
    ) -> Result<impl Iterator<Item = Result<Recalled, Fault>> + Send + use<>, Fault> {
        let mut closed = Vec::new();
        for id in &request.operations {
            if self.0.ledger.is_closed(id)? {
                closed.push(Ok(Recalled { kind: Some(Kind::Closed(id.clone())) }));
            }
        }
        let paths = if request.operations.is_empty() { self.0.kept.list()? } else { Vec::new() };
        let jobs = self.clone();
        let kept = paths.into_iter().filter_map(move |path| jobs.0.kept.read(&path).transpose());
        Ok(closed.into_iter().chain(kept))
    }
}
