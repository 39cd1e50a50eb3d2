//! The client that writes: an entry now and then, ledger after ledger.

use super::{
    cluster::Cluster,
    ledger::{BookieId, Closing, Ledger, LedgerId},
};

/// Of the writer's ledgers: bookies, copies of an entry, acknowledgements.
pub const QUORUMS: (usize, usize, usize) = (2, 2, 2);
/// The writer begins a new ledger after so many entries.
const ROLLS: u64 = 6;

impl Cluster {
    /// A new ledger on those that have least; `None`: there are too few.
    pub fn create(&mut self, ensemble: usize, quorums: (usize, usize)) -> Option<LedgerId> {
        let bookies: Vec<BookieId> = self.free_for(&[]).into_iter().take(ensemble).collect();
        (bookies.len() == ensemble).then(|| self.create_on(bookies, quorums))
    }

    /// A new ledger on these.
    pub fn create_on(&mut self, bookies: Vec<BookieId>, quorums: (usize, usize)) -> LedgerId {
        let id = self.next_ledger;
        self.next_ledger += 1;
        self.ledgers.insert(id, Ledger::new(bookies, quorums, self.now_ms()));
        id
    }

    /// Writes one entry to the writer's ledger. `None`: nobody has acknowledged it.
    pub fn write(&mut self) -> Option<(LedgerId, u64)> {
        let open = |ledger: &Ledger| ledger.closing == Closing::Open && ledger.acknowledged < ROLLS;
        let current = self.written.filter(|id| self.ledgers.get(id).is_some_and(open));
        let id = match current {
            Some(id) => id,
            None => {
                if let Some(full) = self.written.take() {
                    self.close(full);
                }
                let id = self.create(QUORUMS.0, (QUORUMS.1, QUORUMS.2))?;
                self.written = Some(id);
                id
            }
        };
        self.append(id).map(|entry| (id, entry))
    }

    /// The writer ends a ledger.
    pub fn close(&mut self, id: LedgerId) {
        if let Some(ledger) = self.ledgers.get_mut(&id)
            && ledger.closing == Closing::Open
        {
            ledger.closing = Closing::Closed(ledger.acknowledged);
        }
    }

    /// Adds an entry to an open ledger.
    pub fn append(&mut self, id: LedgerId) -> Option<u64> {
        let ledger = self.ledgers.get(&id).filter(|found| found.closing == Closing::Open)?;
        let entry = ledger.acknowledged;
        let refuses = |id: &&&BookieId| !self.takes_entries(id);
        let bad: Vec<BookieId> =
            ledger.copies(entry).iter().filter(refuses).map(|id| (*id).clone()).collect();
        if !bad.is_empty() {
            self.change_ensemble(id, entry, &bad);
        }
        let ledger = self.ledgers.get(&id)?;
        let wanted = ledger.copies(entry).into_iter().filter(|id| self.takes_entries(id));
        let taken: Vec<BookieId> = wanted.cloned().collect();
        let enough = taken.len() >= ledger.ack_quorum;
        for bookie in taken {
            self.stores.entry(bookie).or_default().put(id, entry);
        }
        if !enough {
            return None;
        }
        self.ledgers.get_mut(&id)?.acknowledged += 1;
        Some(entry)
    }

    /// From this entry on others are named instead of those that refuse it, as far as there are any.
    fn change_ensemble(&mut self, id: LedgerId, entry: u64, bad: &[BookieId]) {
        let last = self.ledgers.get(&id).and_then(|found| found.ensembles.last_key_value());
        let Some(mut bookies) = last.map(|(_, bookies)| bookies.clone()) else { return };
        for refuses in bad {
            let Some(other) = self.free_for(&bookies).into_iter().next() else { return };
            if let Some(place) = bookies.iter_mut().find(|named| *named == refuses) {
                *place = other;
            }
        }
        if let Some(ledger) = self.ledgers.get_mut(&id) {
            ledger.ensembles.insert(entry, bookies);
        }
    }
}
