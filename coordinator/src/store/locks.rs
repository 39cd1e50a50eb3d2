//! Locks: who holds which resource. Taken when an operation begins, released by the effects
//! of one of its events, both in the transaction of the event.

use bellows_proto::v1::Lock;

use super::{
    Stop, Store, StoreError, Tables, get, get_in, keys, pieces, put,
    records::{LockHolder, LockRecord},
};

impl Store {
    /// Who holds a resource ("cluster/NAME", "host/NAME"); empty: nobody.
    ///
    /// # Errors
    /// If the store failed or the entry is damaged.
    pub fn lock_holders(&self, resource: &str) -> Result<Vec<LockHolder>, StoreError> {
        let _guard = self.reading()?;
        let key = keys::text(keys::LOCK, resource);
        let record: Option<LockRecord> = get(&self.locks, &key, &|| lock_name(resource))?;
        Ok(record.map(|record| record.holders).unwrap_or_default())
    }
}

fn lock_name(resource: &str) -> String {
    format!("the lock of {resource}")
}

/// Takes a lock, or refuses and names its holder. An operation may take it twice.
pub(super) fn take(
    tables: &Tables<'_>,
    lock: &Lock,
    operation: &str,
    now_ms: i64,
) -> Result<(), Stop> {
    let name = || lock_name(&lock.resource);
    let key = keys::text(keys::LOCK, &lock.resource);
    let mut record: LockRecord = get_in(tables.locks, &key, &name)?.unwrap_or_default();
    let stranger = record.holders.iter().find(|holder| holder.operation != operation);
    if let Some(holder) = stranger
        && (lock.exclusive || record.exclusive)
    {
        return Err(Stop::Refused(StoreError::Locked {
            resource: lock.resource.clone(),
            operation: holder.operation.clone(),
            since_ms: holder.since_ms,
        }));
    }
    record.exclusive |= lock.exclusive;
    if record.holders.iter().all(|holder| holder.operation != operation) {
        record.holders.push(LockHolder { operation: operation.to_owned(), since_ms: now_ms });
    }
    put(tables.locks, &key, &record, &name)
}

/// Refuses if anybody holds the resource, and names one who does.
pub(super) fn refuse_held(tables: &Tables<'_>, resource: &str) -> Result<(), Stop> {
    let key = keys::text(keys::LOCK, resource);
    let record: LockRecord =
        get_in(tables.locks, &key, &|| lock_name(resource))?.unwrap_or_default();
    match record.holders.first() {
        Some(holder) => Err(Stop::Refused(StoreError::Locked {
            resource: resource.to_owned(),
            operation: holder.operation.clone(),
            since_ms: holder.since_ms,
        })),
        None => Ok(()),
    }
}

/// Gives a lock back; does nothing if the operation does not hold it.
pub(super) fn release(tables: &Tables<'_>, resource: &str, operation: &str) -> Result<(), Stop> {
    let name = || lock_name(resource);
    let key = keys::text(keys::LOCK, resource);
    let Some(mut record) = get_in::<LockRecord>(tables.locks, &key, &name)? else {
        return Ok(());
    };
    record.holders.retain(|holder| holder.operation != operation);
    if record.holders.is_empty() {
        return pieces::remove(tables.locks, &key);
    }
    put(tables.locks, &key, &record, &name)
}
