//! Copies that are made anew: by autorecovery's workers, and by `recover`.

use super::{
    cluster::{Cluster, Mark},
    ledger::{BookieId, Closing, ENTRY_BYTES, Entry, LedgerId},
};

/// A worker needs so long for a ledger, milliseconds.
const COPY_MS: i64 = 1_000;
/// A ledger that could not be copied is tried again after so long, milliseconds.
const BACK_OFF_MS: i64 = 5_000;
/// An open ledger's writer has so long, milliseconds (openLedgerRereplicationGracePeriod).
const GRACE_MS: i64 = 3_000;

/// Why a ledger cannot be moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stays {
    /// No bookie is left that has not a part of it already.
    NotEnoughBookies,
    /// An entry has no other copy that can be read.
    NoCopy,
}

impl Cluster {
    /// Ends a ledger's writing: what any of its last bookies has is in it.
    pub fn fence(&mut self, id: LedgerId) -> Result<(), Stays> {
        let Some(ledger) = self.ledgers.get(&id).filter(|found| found.closing == Closing::Open)
        else {
            return Ok(());
        };
        let last = ledger.ensembles.last_key_value().map(|(_, bookies)| bookies);
        if !last.is_some_and(|bookies| bookies.iter().any(|bookie| self.serves(bookie))) {
            return Err(Stays::NoCopy);
        }
        let mut entries = 0;
        while self.can_be_read(id, entries) {
            entries += 1;
        }
        if let Some(ledger) = self.ledgers.get_mut(&id) {
            ledger.closing = Closing::Closed(entries);
        }
        Ok(())
    }

    /// Copies a fragment's entries from a bookie to another, and names that one instead. Bytes that were copied.
    pub fn replace(&mut self, id: LedgerId, first: Entry, bookie: &str) -> Result<u64, Stays> {
        let Some(ledger) = self.ledgers.get(&id) else { return Ok(0) };
        let Some(bookies) = ledger.ensembles.get(&first) else { return Ok(0) };
        let to = self.free_for(bookies).into_iter().next().ok_or(Stays::NotEnoughBookies)?;
        let own = (first..ledger.end_of(first))
            .filter(|entry| ledger.copies(*entry).iter().any(|copy| *copy == bookie));
        let own: Vec<Entry> = own.collect();
        if own.iter().any(|entry| !self.can_be_read(id, *entry)) {
            return Err(Stays::NoCopy);
        }
        let bytes = u64::try_from(own.len()).unwrap_or(0) * ENTRY_BYTES;
        let store = self.stores.entry(to.clone()).or_default();
        for entry in own {
            store.put(id, entry);
        }
        if let Some(named) = self
            .ledgers
            .get_mut(&id)
            .and_then(|ledger| ledger.ensembles.get_mut(&first))
            .and_then(|bookies| bookies.iter_mut().find(|named| *named == bookie))
        {
            *named = to;
        }
        Ok(bytes)
    }

    /// A worker takes the next ledger of the list.
    pub(super) fn copy_next(&mut self, now: i64) {
        let works = |id: &BookieId| self.servers.get(id).is_some_and(|s| s.recovers && s.connected);
        if !self.registered.keys().any(works) {
            return;
        }
        let due = self.marked.iter().find(|(_, mark)| mark.again_ms <= now);
        let Some((id, mark)) = due.map(|(id, mark)| (*id, mark.clone())) else { return };
        self.next_copy_ms = now + COPY_MS;
        match self.copy(id, mark, now) {
            Some(mark) => self.marked.insert(id, mark),
            None => self.marked.remove(&id),
        };
    }

    /// The ledger's mark as it is then; `None`: it lacks nothing any more.
    fn copy(&mut self, id: LedgerId, mark: Mark, now: i64) -> Option<Mark> {
        let ledger = self.ledgers.get(&id)?;
        let gone =
            |bookie: &&BookieId| ledger.names(bookie) && !self.registered.contains_key(*bookie);
        let missing: Vec<BookieId> = mark.missing.iter().filter(gone).cloned().collect();
        if missing.is_empty() {
            return None;
        }
        if missing.iter().any(|bookie| ledger.writes_to(bookie)) {
            let seen = *mark.seen_open_ms.as_ref().unwrap_or(&now);
            if now < seen + GRACE_MS {
                let again_ms = seen + GRACE_MS;
                return Some(Mark { seen_open_ms: Some(seen), again_ms, ..mark });
            }
        }
        for bookie in missing {
            if self.move_from(id, &bookie).is_err() {
                return Some(Mark { again_ms: now + BACK_OFF_MS, seen_open_ms: None, ..mark });
            }
        }
        None
    }

    /// Everything that a ledger has at a bookie goes to others; its writer is fenced where that is needed. Bytes.
    pub fn move_from(&mut self, id: LedgerId, bookie: &str) -> Result<u64, Stays> {
        let Some(ledger) = self.ledgers.get(&id) else { return Ok(0) };
        let fragments = ledger.fragments_of(bookie);
        if ledger.writes_to(bookie) {
            self.fence(id)?;
        }
        let mut bytes = 0;
        for first in fragments {
            bytes += self.replace(id, first, bookie)?;
        }
        Ok(bytes)
    }
}
