//! A ledger as its metadata have it, and what lies of it on bookies.

use std::collections::{BTreeMap, BTreeSet};

/// "ADDRESS:PORT"
pub type BookieId = String;
/// A ledger's number.
pub type LedgerId = u64;
/// An entry's number in its ledger.
pub type Entry = u64;

/// Every entry is so long, bytes.
pub const ENTRY_BYTES: u64 = 10_000;

/// Whether it may still be written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closing {
    /// Its writer may go on.
    Open,
    /// It has so many entries.
    Closed(u64),
}

/// A ledger's metadata.
#[derive(Debug, Clone)]
pub struct Ledger {
    /// So many bookies take its entries in turn.
    pub ensemble: usize,
    /// Each entry is on so many of them.
    pub write_quorum: usize,
    /// Its writer goes on when so many have it.
    pub ack_quorum: usize,
    /// Whether it may still be written to.
    pub closing: Closing,
    /// The bookies from this entry on.
    pub ensembles: BTreeMap<Entry, Vec<BookieId>>,
    /// When it was made, simulated time.
    pub made_ms: i64,
    /// So many entries were acknowledged to the writer. In no metadata: the truth.
    pub acknowledged: u64,
}

impl Ledger {
    /// An empty one.
    pub fn new(bookies: Vec<BookieId>, quorums: (usize, usize), made_ms: i64) -> Self {
        Self {
            ensemble: bookies.len(),
            write_quorum: quorums.0,
            ack_quorum: quorums.1,
            closing: Closing::Open,
            ensembles: BTreeMap::from([(0, bookies)]),
            made_ms,
            acknowledged: 0,
        }
    }

    /// Those that are to have an entry.
    pub fn copies(&self, entry: Entry) -> Vec<&BookieId> {
        let Some((_, bookies)) = self.ensembles.range(..=entry).next_back() else {
            return Vec::new();
        };
        let first = usize::try_from(entry).unwrap_or(0);
        let place = |copy: usize| (first + copy) % self.ensemble.max(1);
        (0..self.write_quorum).filter_map(|copy| bookies.get(place(copy))).collect()
    }

    /// Some entries of it are to be there, or will be.
    pub fn names(&self, bookie: &str) -> bool {
        self.ensembles.values().flatten().any(|named| named == bookie)
    }

    /// It is open, and its next entry goes there.
    pub fn writes_to(&self, bookie: &str) -> bool {
        let last = self.ensembles.last_key_value();
        self.closing == Closing::Open
            && last.is_some_and(|(_, bookies)| bookies.iter().any(|named| named == bookie))
    }

    /// First entries of the fragments that name a bookie.
    pub fn fragments_of(&self, bookie: &str) -> Vec<Entry> {
        let names = |bookies: &[BookieId]| bookies.iter().any(|named| named == bookie);
        let own = self.ensembles.iter().filter(|(_, bookies)| names(bookies));
        own.map(|(first, _)| *first).collect()
    }

    /// The entry behind the last one of a fragment.
    pub fn end_of(&self, first: Entry) -> Entry {
        let next = self.ensembles.range(first + 1..).next().map(|(next, _)| *next);
        next.unwrap_or_else(|| self.entries())
    }

    /// How many entries it has; of an open one as many as were acknowledged.
    pub fn entries(&self) -> u64 {
        match self.closing {
            Closing::Open => self.acknowledged,
            Closing::Closed(entries) => entries,
        }
    }

    /// Bytes of a closed one; of an open one its metadata do not tell.
    pub fn length(&self) -> u64 {
        match self.closing {
            Closing::Open => 0,
            Closing::Closed(entries) => entries * ENTRY_BYTES,
        }
    }
}

/// What lies in a bookie's directories.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Store {
    /// By ledger.
    pub entries: BTreeMap<LedgerId, BTreeSet<Entry>>,
}

impl Store {
    /// Whether the entry is there.
    pub fn has(&self, ledger: LedgerId, entry: Entry) -> bool {
        self.entries.get(&ledger).is_some_and(|entries| entries.contains(&entry))
    }

    /// From now on the entry is there.
    pub fn put(&mut self, ledger: LedgerId, entry: Entry) {
        self.entries.entry(ledger).or_default().insert(entry);
    }

    /// What it needs on its disk.
    pub fn bytes(&self) -> u64 {
        let entries: usize = self.entries.values().map(BTreeSet::len).sum();
        u64::try_from(entries).unwrap_or(0) * ENTRY_BYTES
    }
}
