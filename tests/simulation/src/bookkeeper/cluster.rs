//! What ZooKeeper and all bookies hold, as data. Time is given in; no host, no process and no disk is known here.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    ledger::{BookieId, Ledger, LedgerId, Store},
    zookeeper::Stored,
};

/// The registration of a bookie that was killed stays so long, milliseconds (zkTimeout).
pub const SESSION_MS: i64 = 10_000;
/// What happens by itself is looked at so often, milliseconds.
pub const STEP_MS: i64 = 500;

/// A bookie that runs.
#[derive(Debug, Clone)]
pub struct Server {
    /// It takes no new entries.
    pub read_only: bool,
    /// It reaches ZooKeeper and the others.
    pub connected: bool,
    /// It has a daemon of autorecovery in it.
    pub recovers: bool,
    /// Until it listens for HTTP, simulated time.
    pub ready_ms: i64,
}

/// What ZooKeeper knows of a bookie that lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// Among those that take no new entries.
    pub read_only: bool,
    /// It has not been heard of: gone at this time.
    pub lapses_ms: Option<i64>,
}

/// An audit that runs.
#[derive(Debug, Clone, Copy)]
pub struct Audit {
    /// It ends then.
    pub ends_ms: i64,
}

/// A ledger's place in the list of those that lack copies.
#[derive(Debug, Clone, Default)]
pub struct Mark {
    /// Who has not what it should have.
    pub missing: BTreeSet<BookieId>,
    /// Its last fragment's bookie was missing then: the writer has some seconds.
    pub seen_open_ms: Option<i64>,
    /// It failed: tried again then.
    pub again_ms: i64,
}

/// All of it.
#[derive(Debug, Clone)]
pub struct Cluster {
    /// The instance, as cookies tell it.
    pub instance: String,
    /// Metadata of ledgers.
    pub ledgers: BTreeMap<LedgerId, Ledger>,
    /// The next one's number.
    pub next_ledger: LedgerId,
    /// The writer's ledger.
    pub written: Option<LedgerId>,
    /// Ledgers are deleted so long after they were made, milliseconds.
    pub kept_ms: Option<i64>,
    /// Cookies in the metadata, as text.
    pub cookies: BTreeMap<BookieId, String>,
    /// What lies on disks.
    pub stores: BTreeMap<BookieId, Store>,
    /// Bookies that run.
    pub servers: BTreeMap<BookieId, Server>,
    /// Bookies that are registered.
    pub registered: BTreeMap<BookieId, Registration>,
    /// Autorecovery is on.
    pub autorecovery: bool,
    /// Who looks for ledgers that lack copies.
    pub auditor: Option<BookieId>,
    /// An audit is owed.
    pub audit_owed: bool,
    /// An audit runs.
    pub audit: Option<Audit>,
    /// So many have ended since the auditor was elected.
    pub audits: u64,
    /// The list of ledgers that lack copies.
    pub marked: BTreeMap<LedgerId, Mark>,
    /// When the next ledger of that list is taken up.
    pub next_copy_ms: i64,
    /// Where clients are told that bookies stand.
    pub told: Option<Stored>,
    /// Who was registered when somebody looked last.
    seen: BTreeSet<BookieId>,
    /// All was done that was to be done until then.
    now_ms: i64,
}

impl Cluster {
    /// Without a ledger or a bookie.
    pub fn new(instance: &str, now_ms: i64) -> Self {
        Self {
            instance: instance.to_owned(),
            ledgers: BTreeMap::new(),
            next_ledger: 1,
            told: None,
            written: None,
            kept_ms: None,
            cookies: BTreeMap::new(),
            stores: BTreeMap::new(),
            servers: BTreeMap::new(),
            registered: BTreeMap::new(),
            autorecovery: true,
            auditor: None,
            audit_owed: false,
            audit: None,
            audits: 0,
            marked: BTreeMap::new(),
            next_copy_ms: now_ms,
            seen: BTreeSet::new(),
            now_ms,
        }
    }

    /// A bookie runs and registers.
    pub fn comes_up(&mut self, bookie: &str, server: Server) {
        self.register(bookie, &server);
        self.servers.insert(bookie.to_owned(), server);
    }

    /// Its program has ended. In order: it takes its registration with it.
    pub fn goes_down(&mut self, bookie: &str, in_order: bool) {
        let connected = self.servers.remove(bookie).is_some_and(|server| server.connected);
        if in_order && connected {
            self.registered.remove(bookie);
        } else {
            self.falls_silent(bookie);
        }
    }

    /// It reaches ZooKeeper and the others, or does not.
    pub fn connect(&mut self, bookie: &str, connected: bool) {
        let Some(server) = self.servers.get_mut(bookie) else { return };
        if server.connected == connected {
            return;
        }
        server.connected = connected;
        let server = server.clone();
        if connected {
            self.register(bookie, &server);
        } else {
            self.falls_silent(bookie);
        }
    }

    /// It takes new entries, or does not. `false`: no such bookie runs.
    pub fn set_read_only(&mut self, bookie: &str, read_only: bool) -> bool {
        let Some(server) = self.servers.get_mut(bookie) else { return false };
        server.read_only = read_only;
        let server = server.clone();
        if server.connected {
            self.register(bookie, &server);
        }
        true
    }

    fn register(&mut self, bookie: &str, server: &Server) {
        let registration = Registration { read_only: server.read_only, lapses_ms: None };
        self.registered.insert(bookie.to_owned(), registration);
    }

    fn falls_silent(&mut self, bookie: &str) {
        let lapses = self.now_ms + SESSION_MS;
        if let Some(registration) = self.registered.get_mut(bookie) {
            registration.lapses_ms.get_or_insert(lapses);
        }
    }

    /// Registered, and of this kind; in natural order.
    pub fn bookies(&self, read_only: bool) -> Vec<&BookieId> {
        let of = self.registered.iter().filter(|(_, found)| found.read_only == read_only);
        of.map(|(bookie, _)| bookie).collect()
    }

    /// It runs, is reached, and takes new entries.
    pub fn takes_entries(&self, bookie: &str) -> bool {
        self.serves(bookie) && self.registered.get(bookie).is_some_and(|found| !found.read_only)
    }

    /// It runs and is reached.
    pub fn serves(&self, bookie: &str) -> bool {
        self.servers.get(bookie).is_some_and(|server| server.connected)
    }

    /// Someone serves who has the entry.
    pub fn can_be_read(&self, ledger: LedgerId, entry: u64) -> bool {
        let Some(of) = self.ledgers.get(&ledger) else { return false };
        of.copies(entry).into_iter().any(|bookie| self.has(bookie, ledger, entry))
    }

    /// The bookie serves and has the entry.
    pub fn has(&self, bookie: &str, ledger: LedgerId, entry: u64) -> bool {
        self.serves(bookie) && self.stores.get(bookie).is_some_and(|store| store.has(ledger, entry))
    }

    /// Those that take entries and are not among these: who has least first.
    pub fn free_for(&self, taken: &[BookieId]) -> Vec<BookieId> {
        let free =
            self.registered.keys().filter(|id| self.takes_entries(id) && !taken.contains(id));
        let mut free: Vec<BookieId> = free.cloned().collect();
        free.sort_by_key(|id| self.stores.get(id).map_or(0, Store::bytes));
        free
    }

    /// Ledgers whose metadata name a bookie, in order.
    pub fn ledgers_of(&self, bookie: &str) -> Vec<LedgerId> {
        let named = self.ledgers.iter().filter(|(_, ledger)| ledger.names(bookie));
        named.map(|(id, _)| *id).collect()
    }

    /// Everything that happens by itself until this time.
    pub fn go_on(&mut self, now_ms: i64) {
        while self.now_ms + STEP_MS <= now_ms {
            self.now_ms += STEP_MS;
            self.step(self.now_ms);
        }
    }

    /// When it was looked at last, simulated time.
    pub fn now_ms(&self) -> i64 {
        self.now_ms
    }

    fn step(&mut self, now: i64) {
        self.registered.retain(|_, found| found.lapses_ms.is_none_or(|at| at > now));
        if let Some(kept) = self.kept_ms {
            let written = self.written;
            self.ledgers.retain(|id, ledger| Some(*id) == written || ledger.made_ms + kept > now);
        }
        self.elect();
        if self.auditor.is_some() {
            // One that is lost is noticed; one that comes is not asked about.
            let gone = self.seen.iter().any(|id| !self.registered.contains_key(id));
            self.audit_owed |= gone;
            if self.seen.len() != self.registered.len() || gone {
                self.seen = self.registered.keys().cloned().collect();
            }
            self.look(now);
        }
        if self.autorecovery && !self.marked.is_empty() && now >= self.next_copy_ms {
            self.copy_next(now);
        }
    }

    /// Acknowledged entries with fewer copies than they should have, by ledger.
    pub fn short(&self) -> BTreeMap<LedgerId, u64> {
        let mut short = BTreeMap::new();
        for (id, ledger) in &self.ledgers {
            let few = (0..ledger.acknowledged).filter(|entry| {
                let copies = ledger.copies(*entry);
                copies.iter().any(|bookie| !self.has(bookie, *id, *entry))
            });
            let few = u64::try_from(few.count()).unwrap_or(0);
            if few > 0 {
                short.insert(*id, few);
            }
        }
        short
    }
}
