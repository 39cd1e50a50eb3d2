//! Making and opening a store: what is found is judged before anything is written, and what
//! is wrong becomes a doubt before the evidence is overwritten.

use std::{fs::File, path::Path, sync::RwLock};

use super::{
    META_TREE, State, Store, StoreError, doubt,
    doubt::{DoubtKind, DoubtReason},
    files, get, keys, put, random_uuid,
    records::{CommitRecord, StoreRecord},
    watermark::{self, Seen, Watermark},
};

/// The index of unfinished operations is kept since this revision.
pub(super) const REVISION: u32 = 1;
/// A watermark that is behind by more is odd: so much is not committed within its interval.
const USUAL_LAG: u64 = 100_000;

/// What the trees say at an opening.
pub(super) struct Found {
    /// Of all that a site's store begins with.
    own: StoreRecord,
    pub reasons: Vec<DoubtReason>,
}

impl Store {
    /// Makes a new, empty store in the directory `path` (made if it is missing), with a new
    /// store id and term 0, for the site of this id.
    ///
    /// # Errors
    /// If there is one already, another process holds it, or the disk fails.
    pub fn create(path: &Path, site_id: &str) -> Result<Self, StoreError> {
        let own = StoreRecord {
            store_id: random_uuid(path)?,
            site_id: site_id.to_owned(),
            term: 0,
            revision: REVISION,
            incarnation: String::new(),
        };
        Self::create_with(path, own)
    }

    /// As [`Store::create`], with this record.
    pub(super) fn create_with(path: &Path, own: StoreRecord) -> Result<Self, StoreError> {
        files::make_dir(path)?;
        let lock = files::lock(path)?;
        if files::has_log(path)? {
            return Err(StoreError::Exists(path.to_owned()));
        }
        let db = files::open_sled(path)?;
        let store = Self::assemble(path, db, lock, own.clone())?;
        store.commit(|tables| put(tables.meta, keys::META, &own, &own_name))?;
        store.start_watermark()?;
        files::sync_made(path)?;
        Ok(store)
    }

    /// Opens the store in the directory `path`. Where sled's snapshot is damaged, moves it
    /// aside, says so in the log as an ERROR, and reads the whole log instead. What does not
    /// fit (a lost tail, an index that misses something) is told as an ERROR and becomes a
    /// [`super::Doubt`]; a damaged record of one operation stays that operation's matter.
    ///
    /// # Errors
    /// If there is none, another process holds it, sled cannot read it, its beginning is lost,
    /// or the disk fails.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let (store, found) = Self::open_unbroken(path)?;
        for reason in &found.reasons {
            tracing::error!(
                store = %path.display(),
                what = ?reason.kind(),
                "the store is in doubt, no operation goes on by itself: {}", reason.text
            );
        }
        if !found.reasons.is_empty() {
            // Before the evidence is overwritten by the watermark.
            store.raise_all(&found.reasons)?;
        }
        if found.own.revision < REVISION {
            store.index_open_operations(StoreRecord { revision: REVISION, ..found.own })?;
        }
        store.start_watermark()?;
        Ok(store)
    }

    /// As [`Store::open_as_it_is`]; where sled panics on what it reads, says so.
    pub(super) fn open_unbroken(path: &Path) -> Result<(Self, Found), StoreError> {
        std::panic::catch_unwind(|| Self::open_as_it_is(path)).unwrap_or_else(|_| {
            let reason = "its database gave up while reading it".to_owned();
            Err(StoreError::Corrupt { path: path.to_owned(), reason })
        })
    }

    /// Opens it without a change of ours, and says what is wrong beside what makes that
    /// impossible.
    fn open_as_it_is(path: &Path) -> Result<(Self, Found), StoreError> {
        if !files::has_log(path)? {
            return Err(StoreError::Absent(path.to_owned()));
        }
        let lock = files::lock(path)?;
        let seen = watermark::look(path)?;
        let db = files::open_sled(path)?;
        // Looked at before anything is written: what is left is left as it is.
        if !db.tree_names().iter().any(|name| name.as_ref() == META_TREE.as_bytes()) {
            return Err(StoreError::Emptied(path.to_owned()));
        }
        let mut store = Self::assemble(path, db, lock, StoreRecord::default())?;
        let own: StoreRecord = get(&store.meta, keys::META, &own_name)?
            .ok_or_else(|| StoreError::Emptied(path.to_owned()))?;
        let commit = get::<CommitRecord>(&store.meta, keys::COMMIT, &own_name)?;
        let commit = commit.map_or(0, |record| record.number);
        let (reason, ahead) = judge(&seen, &own.store_id, commit);
        let doubt = store.stored_doubt()?;
        // The next commit is beyond all that the watermark has seen.
        let state =
            State { own: own.clone(), doubt, commit: commit.max(ahead), mark: None, failed: None };
        store.state = RwLock::new(state);
        let mut reasons: Vec<DoubtReason> = reason.into_iter().collect();
        let settled = store.settled()?;
        for fault in store.faults(own.revision >= REVISION)? {
            if settled.contains(&fault) {
                tracing::warn!(store = %path.display(), "known and settled before: {fault}");
            } else {
                reasons.push(note(DoubtKind::Damaged, fault));
            }
        }
        Ok((store, Found { own, reasons }))
    }

    fn assemble(
        path: &Path,
        db: sled::Db,
        lock: File,
        own: StoreRecord,
    ) -> Result<Self, StoreError> {
        let state = State { own, doubt: None, commit: 0, mark: None, failed: None };
        Ok(Self {
            path: path.to_owned(),
            events: db.open_tree("events")?,
            operations: db.open_tree("operations")?,
            locks: db.open_tree("locks")?,
            specs: db.open_tree("specs")?,
            inventory: db.open_tree("inventory")?,
            meta: db.open_tree(META_TREE)?,
            state: RwLock::new(state),
            log: files::open_log(path)?,
            db,
            _lock: lock,
        })
    }

    fn start_watermark(&self) -> Result<(), StoreError> {
        // What an earlier process wrote and did not sync must not be passed by the watermark.
        self.make_durable()?;
        let mut state = self.lock_state();
        let mark = Watermark::begin(&self.path, &state.own.store_id, state.commit)?;
        state.mark = Some(mark);
        Ok(())
    }

    /// Writes the watermark where it lags behind: to be called now and then while nothing is
    /// committed. Also says whether the store has failed.
    ///
    /// # Errors
    /// If the store failed, now or earlier.
    pub fn keep_watermark(&self) -> Result<(), StoreError> {
        let mut state = self.lock_state();
        if let Some(reason) = &state.failed {
            return Err(StoreError::Failed(reason.clone()));
        }
        let commit = state.commit;
        let result = state.mark.as_mut().map_or(Ok(()), |mark| mark.catch_up(commit));
        if let Err(error) = &result {
            state.failed = Some(error.with_causes());
        }
        result
    }
}

pub(super) fn own_name() -> String {
    "the store's own record".to_owned()
}

fn note(kind: DoubtKind, text: String) -> DoubtReason {
    DoubtReason { kind: kind.into(), text, at_ms: doubt::now_ms() }
}

/// What the watermark tells of a store that is at `commit`; and the number that it has seen.
fn judge(seen: &Seen, store_id: &str, commit: u64) -> (Option<DoubtReason>, u64) {
    match seen {
        // Of a version that had none.
        Seen::Missing if commit == 0 => (None, 0),
        Seen::Missing => {
            let text = "the watermark file is missing: whether the end of the store is lost cannot be told";
            (Some(note(DoubtKind::WatermarkMissing, text.to_owned())), 0)
        }
        Seen::Damaged => {
            let text = "the watermark file is damaged: whether the end of the store is lost cannot be told";
            (Some(note(DoubtKind::WatermarkDamaged, text.to_owned())), 0)
        }
        Seen::Here { slot, .. } if slot.store_id != store_id => {
            let text = format!(
                "the watermark belongs to store {}, this is store {store_id}: files of two stores were mixed",
                slot.store_id
            );
            (Some(note(DoubtKind::WatermarkForeign, text)), 0)
        }
        Seen::Here { slot, .. } if slot.commit > commit => {
            let text = format!(
                "the end of the store is lost: it was at commit {} or beyond, and {commit} is the last that is left",
                slot.commit
            );
            (Some(note(DoubtKind::LostTail, text)), slot.commit)
        }
        Seen::Here { slot, both } => {
            let lag = commit - slot.commit;
            if !both {
                tracing::warn!("one slot of the watermark is damaged: the other one is good");
            }
            if lag > USUAL_LAG {
                tracing::warn!(lag, "the watermark is far behind the store: is it an older copy?");
            }
            (None, slot.commit)
        }
    }
}
