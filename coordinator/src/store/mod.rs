//! The store: events, the index of operations, locks, specs, hosts, tokens and the last
//! observations, on disk before anything is done about them.
//!
//! It knows bytes and events. It must not know why an event is appended, nor any system, the
//! engine, the network or the command line. All of sled is in this module: replacing it
//! touches nothing else.
//!
//! # What "durable" means here
//! Every change is one sled transaction, then sled's `flush` (which hands the bytes to the
//! kernel and no further), then `fdatasync` of sled's log through a handle of our own. Only
//! then does the call return, and only then can anybody read what it wrote. Where the disk
//! fails, the store does nothing more: what a failed sync has lost cannot be known.
//!
//! Calls block for the time of an `fdatasync`, a fraction of a millisecond on a quiet disk.

mod access;
mod backup;
mod chain;
mod check;
mod doubt;
mod error;
mod faults;
mod files;
mod inventory;
mod keys;
mod locks;
mod open;
mod operations;
mod pieces;
mod prune;
mod records;
mod recover;
mod restore;
mod specs;
mod summary;
#[cfg(test)]
pub(crate) mod tests;
mod watermark;

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use bellows_proto::v1::Term;
use prost::Message;
use sled::{
    Tree,
    transaction::{
        ConflictableTransactionError, TransactionError, Transactional as _, TransactionalTree,
        UnabortableTransactionError,
    },
};

pub use backup::Backup;
pub use check::{Report, check};
pub use doubt::{Doubt, DoubtKind, DoubtReason};
pub use error::StoreError;
pub use operations::{Begin, Changes, Events, OperationFilter};
pub use pieces::MAX_VALUE_BYTES;
pub use prune::{Pruned, Pruning};
pub use records::{
    AccessRecord, HostRecord, LockHolder, Revocation, RevokedRecord, TokenRecord, Twins,
};
pub use recover::{Recovered, RecoveredOperation};
pub use restore::{Restored, restore, verify_backup};

use records::{CommitRecord, StoreRecord};
use watermark::Watermark;

/// The tree of the store's own record.
const META_TREE: &str = "meta";

/// The store of one site. Only one process has it open.
///
/// All calls may be made from any thread; writers go one after another, and readers see only
/// what is durable.
pub struct Store {
    path: PathBuf,
    events: Tree,
    operations: Tree,
    locks: Tree,
    specs: Tree,
    inventory: Tree,
    meta: Tree,
    /// Taken for writing until a change is durable, so that nobody reads it earlier.
    state: RwLock<State>,
    log: File,
    db: sled::Db,
    /// Against a second process. Dropped last.
    _lock: File,
}

struct State {
    own: StoreRecord,
    /// As stored.
    doubt: Option<Doubt>,
    /// The number of the last durable commit.
    commit: u64,
    /// `None` while opening.
    mark: Option<Watermark>,
    /// Why nothing is done any more.
    failed: Option<String>,
}

/// The trees within a transaction.
struct Tables<'t> {
    events: &'t TransactionalTree,
    operations: &'t TransactionalTree,
    locks: &'t TransactionalTree,
    specs: &'t TransactionalTree,
    inventory: &'t TransactionalTree,
    meta: &'t TransactionalTree,
}

/// Why a transaction does not go through: sled's business, or a refusal.
enum Stop {
    Sled(UnabortableTransactionError),
    Refused(StoreError),
}

impl From<UnabortableTransactionError> for Stop {
    fn from(error: UnabortableTransactionError) -> Self {
        Self::Sled(error)
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Refused(error)
    }
}

impl Store {
    /// The UUID of the site that it belongs to.
    pub fn site_id(&self) -> String {
        self.own().site_id
    }

    /// The coordinator's own term: the number last set, this store's UUID, and the incarnation
    /// that was made with the number.
    pub fn term(&self) -> Term {
        let own = self.own();
        Term { number: own.term, store_id: own.store_id, incarnation: own.incarnation }
    }

    /// Sets the number of the own term with a fresh incarnation, durably: a copy of this store
    /// that sets the same number has another one.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn set_term(&self, number: u64) -> Result<(), StoreError> {
        let incarnation = random_uuid(&self.path)?;
        let own = StoreRecord { term: number, incarnation, ..self.own() };
        self.change_with(
            |tables| put(tables.meta, keys::META, &own, &open::own_name),
            |state, ()| state.own = own.clone(),
        )
    }

    fn own(&self) -> StoreRecord {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        state.own.clone()
    }

    fn lock_state(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// To be held while reading: what is read is durable, and stays as it is meanwhile.
    fn reading(&self) -> Result<RwLockReadGuard<'_, State>, StoreError> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        match &state.failed {
            None => Ok(state),
            Some(reason) => Err(StoreError::Failed(reason.clone())),
        }
    }

    /// Changes something: one transaction, then flush, then `fdatasync`. `work` may be run
    /// several times and has no effect but on the tables.
    fn commit<T>(&self, work: impl Fn(&Tables<'_>) -> Result<T, Stop>) -> Result<T, StoreError> {
        self.change(work, |_, _| (), true)
    }

    /// As [`Store::commit`]; `then` changes what is known in memory, before anybody else reads.
    fn change_with<T>(
        &self,
        work: impl Fn(&Tables<'_>) -> Result<T, Stop>,
        then: impl FnOnce(&mut State, &T),
    ) -> Result<T, StoreError> {
        self.change(work, then, true)
    }

    /// As [`Store::commit`], without the wait for the disk: for what may be lost.
    fn commit_cached(
        &self,
        work: impl Fn(&Tables<'_>) -> Result<(), Stop>,
    ) -> Result<(), StoreError> {
        self.change(work, |_, ()| (), false)
    }

    fn change<T>(
        &self,
        work: impl Fn(&Tables<'_>) -> Result<T, Stop>,
        then: impl FnOnce(&mut State, &T),
        durable: bool,
    ) -> Result<T, StoreError> {
        let mut state = self.lock_state();
        if let Some(reason) = &state.failed {
            return Err(StoreError::Failed(reason.clone()));
        }
        let number = durable.then(|| state.commit.saturating_add(1));
        let result = self.transact(work, number).and_then(|done| {
            if let Some(number) = number {
                self.make_durable()?;
                state.commit = number;
                if let Some(mark) = &mut state.mark {
                    mark.pass(number)?;
                }
            }
            Ok(done)
        });
        match &result {
            Ok(done) => then(&mut state, done),
            Err(error) if error.is_fatal() => state.failed = Some(error.with_causes()),
            Err(_) => {}
        }
        result
    }

    /// `number`: that of the commit, which goes with what it changes.
    fn transact<T>(
        &self,
        work: impl Fn(&Tables<'_>) -> Result<T, Stop>,
        number: Option<u64>,
    ) -> Result<T, StoreError> {
        let trees =
            (&self.events, &self.operations, &self.locks, &self.specs, &self.inventory, &self.meta);
        let outcome = trees.transaction(|(events, operations, locks, specs, inventory, meta)| {
            let tables = Tables { events, operations, locks, specs, inventory, meta };
            let numbered = work(&tables).and_then(|done| {
                if let Some(number) = number {
                    put(meta, keys::COMMIT, &CommitRecord { number }, &open::own_name)?;
                }
                Ok(done)
            });
            numbered.map_err(|stop| match stop {
                Stop::Sled(error) => ConflictableTransactionError::from(error),
                Stop::Refused(error) => ConflictableTransactionError::Abort(error),
            })
        });
        outcome.map_err(|error| match error {
            TransactionError::Abort(refused) => refused,
            TransactionError::Storage(error) => StoreError::Sled(error),
        })
    }

    fn make_durable(&self) -> Result<(), StoreError> {
        self.db.flush()?;
        self.log.sync_data().map_err(StoreError::io("sync", &files::log_path(&self.path)))
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if let Err(error) = self.keep_watermark() {
            tracing::warn!(%error, "the watermark of the store is not up to date");
        }
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("path", &self.path).finish()
    }
}

/// A random UUID (version 4).
fn random_uuid(store: &Path) -> Result<String, StoreError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| StoreError::io("make an id for", store)(error.into()))?;
    Ok(uuid::Builder::from_random_bytes(bytes).into_uuid().to_string())
}

/// Writes a message within a transaction. `what` names it in an error.
fn put<M: Message>(
    tree: &TransactionalTree,
    key: &[u8],
    message: &M,
    what: &dyn Fn() -> String,
) -> Result<(), Stop> {
    pieces::put(tree, key, &message.encode_to_vec(), what)
}

/// Reads a message within a transaction.
fn get_in<M: Message + Default>(
    tree: &TransactionalTree,
    key: &[u8],
    what: &dyn Fn() -> String,
) -> Result<Option<M>, Stop> {
    let bytes = pieces::read::<Stop>(|key| Ok(tree.get(key)?), key, what)?;
    Ok(bytes.map(|bytes| decode(&bytes, what)).transpose()?)
}

/// Reads a message outside of a transaction.
fn get<M: Message + Default>(
    tree: &Tree,
    key: &[u8],
    what: &dyn Fn() -> String,
) -> Result<Option<M>, StoreError> {
    let bytes = pieces::read::<StoreError>(|key| Ok(tree.get(key)?), key, what)?;
    bytes.map(|bytes| decode(&bytes, what)).transpose()
}

fn decode<M: Message + Default>(bytes: &[u8], what: &dyn Fn() -> String) -> Result<M, StoreError> {
    M::decode(bytes)
        .map_err(|_| StoreError::Damaged { what: what(), reason: "it cannot be decoded" })
}
