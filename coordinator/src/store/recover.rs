//! A store out of what the agents keep: all of it in one transaction, into a store in which
//! nothing is. It stands in doubt from then on: what no agent keeps is not in it.

use bellows_proto::v1::{Event, Lock, Spec};

use super::{
    HostRecord, OperationFilter, Stop, Store, StoreError,
    doubt::{self, Doubt, DoubtKind, DoubtReason},
    keys, locks, operations, put, specs,
};

/// What a store is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Recovered {
    /// All hosts.
    pub hosts: Vec<HostRecord>,
    /// The last known version of each cluster's spec.
    pub specs: Vec<Spec>,
    /// Open operations.
    pub operations: Vec<RecoveredOperation>,
    /// For the administrator: from whom it comes.
    pub doubt: String,
}

/// An open operation, as far as it is known.
#[derive(Debug, Clone, PartialEq)]
pub struct RecoveredOperation {
    /// Its id: a UUIDv7.
    pub operation: String,
    /// Its first events, from number 1.
    pub events: Vec<Event>,
    /// It takes these; no two operations may exclude each other.
    pub locks: Vec<Lock>,
}

impl Store {
    /// What is in it already, in words; `None`: no host, no cluster and no operation.
    ///
    /// # Errors
    /// If the store failed.
    pub fn content(&self) -> Result<Option<String>, StoreError> {
        let hosts = self.hosts()?.len();
        let clusters = self.clusters()?.len();
        let operations = self.operations(OperationFilter::default(), usize::MAX)?.len();
        let empty = hosts == 0 && clusters == 0 && operations == 0;
        Ok((!empty)
            .then(|| format!("{hosts} hosts, {clusters} clusters and {operations} operations")))
    }

    /// Puts all of it in, durably, or nothing. Only for a store in which nothing is.
    ///
    /// # Errors
    /// [`StoreError::Occupied`] if something is in it, [`StoreError::Locked`] if two operations
    /// exclude each other, [`StoreError::OperationId`]: nothing was changed. Else the store failed.
    pub fn recover(&self, recovered: &Recovered) -> Result<(), StoreError> {
        if let Some(content) = self.content()? {
            return Err(StoreError::Occupied { path: self.path.clone(), content });
        }
        let reason = DoubtReason {
            kind: DoubtKind::FromAgents.into(),
            text: recovered.doubt.clone(),
            at_ms: doubt::now_ms(),
        };
        let keyed: Vec<_> = recovered
            .operations
            .iter()
            .map(|one| Ok((keys::operation(&one.operation)?, one)))
            .collect::<Result<_, StoreError>>()?;
        let before = self.doubt().unwrap_or_default();
        self.change_with(
            |tables| {
                for host in &recovered.hosts {
                    let key = keys::text(keys::HOST, &host.host);
                    put(tables.inventory, &key, host, &|| format!("the entry of {}", host.host))?;
                }
                for spec in &recovered.specs {
                    specs::put_from(tables, spec, spec.version)?;
                }
                for (key, one) in &keyed {
                    let mut entry = operations::first_entry(key, &one.operation, &one.locks);
                    for event in &one.events {
                        operations::add(tables, key, entry, event, None)?;
                        entry = operations::index_entry(tables, key, &one.operation)?;
                    }
                    for lock in &one.locks {
                        locks::take(tables, lock, &one.operation, reason.at_ms)?;
                    }
                }
                let mut doubt: Doubt = before.clone();
                doubt.reasons.push(reason.clone());
                put(tables.meta, keys::DOUBT, &doubt, &|| "the note of a doubt".to_owned())?;
                Ok::<_, Stop>(doubt)
            },
            |state, doubt| state.doubt = Some(doubt.clone()),
        )?;
        Ok(())
    }
}
