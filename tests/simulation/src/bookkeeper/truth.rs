//! What is true of the cluster, whatever its tools say.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    super::machine::Machine,
    Model, installed,
    ledger::{BookieId, LedgerId},
    state::State,
};

/// Between two entries, milliseconds.
const WRITE_PAUSE_MS: i64 = 5_000;
/// Until nothing moves any more, milliseconds.
const SETTLED_MS: i64 = 180_000;

/// The deed, with seconds: ledgers are deleted so long after they were made.
pub const EXPIRES: &str = "expires";
/// The deed, with a bookie: it has the only copy of a ledger.
pub const SOLE: &str = "sole-copy";
/// The deed: somebody has switched autorecovery off.
pub const OFF: &str = "autorecovery-off";

impl State {
    /// Whoever writes has something to write now and then.
    fn insert(&mut self) -> Option<u64> {
        let now = self.now()?;
        self.go_on(now);
        if now < self.written_ms + WRITE_PAUSE_MS {
            return None;
        }
        self.written_ms = now;
        self.cluster.write()?;
        self.acknowledged += 1;
        Some(self.acknowledged)
    }

    fn now(&self) -> Option<i64> {
        self.running.first().map(|server| server.machine.world().now_ms())
    }

    /// A copy that can be read again: its bookie serves, or may be started.
    fn is_copy(&self, bookie: &BookieId, ledger: LedgerId, entry: u64) -> bool {
        let there = self.cluster.stores.get(bookie).is_some_and(|store| store.has(ledger, entry));
        there && (self.cluster.serves(bookie) || self.cluster.cookies.contains_key(bookie))
    }

    /// Acknowledged entries without a copy.
    fn missing(&mut self) -> Vec<String> {
        let Some(now) = self.now() else { return vec!["no bookie runs any more".to_owned()] };
        self.go_on(now);
        let mut missing = Vec::new();
        for (id, ledger) in &self.cluster.ledgers {
            let entries = ledger.entries();
            if entries < ledger.acknowledged {
                missing.push(format!(
                    "ledger {id} was closed with {entries} entries, and {} were acknowledged",
                    ledger.acknowledged
                ));
            }
            for entry in 0..ledger.acknowledged {
                let copies = ledger.copies(entry);
                if !copies.iter().any(|bookie| self.is_copy(bookie, *id, entry)) {
                    missing
                        .push(format!("entry {entry} of ledger {id} has no copy, of {copies:?}"));
                }
            }
        }
        missing
    }

    /// As it will be when nothing moves any more.
    fn describe(&mut self) -> BTreeMap<String, String> {
        let mut told = BTreeMap::new();
        let Some(now) = self.now() else { return told };
        self.go_on(now);
        let mut settled = self.cluster.clone();
        for server in self.running.iter().filter(|server| server.process.is_alive()) {
            // Nothing stays cut off.
            settled.connect(&server.bookie, true);
        }
        settled.go_on(now + SETTLED_MS);
        for (bookie, registration) in &settled.registered {
            let word = if registration.read_only { "read-only" } else { "writable" };
            told.insert(format!("bookie {bookie}"), word.to_owned());
        }
        for bookie in settled.cookies.keys() {
            told.insert(format!("cookie of {bookie}"), "there".to_owned());
        }
        for server in &self.running {
            let words = server.machine.world().tools.command_line(&server.process);
            told.insert(format!("{} runs", server.machine.name), format!("{words:?}"));
        }
        told.insert("autorecovery".to_owned(), settled.autorecovery.to_string());
        let places = settled.told.as_ref().map_or("{}", |stored| stored.text.as_str());
        told.insert("clients are told".to_owned(), places.to_owned());
        let short = settled.short();
        told.insert("ledgers that lack copies".to_owned(), format!("{short:?}"));
        told
    }
}

impl Model {
    pub(super) fn insert_now(&self) -> Option<u64> {
        self.state().insert()
    }

    pub(super) fn missing_now(&self) -> Vec<String> {
        self.state().missing()
    }

    pub(super) fn describe_now(&self) -> BTreeMap<String, String> {
        self.state().describe()
    }

    pub(super) fn violations_now(&self) -> Vec<String> {
        self.state().wrong.clone()
    }

    /// The auditor's bookie dies.
    pub(super) fn crash_now(&self) -> Option<Arc<Machine>> {
        let (machine, process) = {
            let state = self.state();
            let auditor = state.cluster.auditor.clone()?;
            let server = state.running.iter().find(|server| server.bookie == auditor)?;
            (server.machine.clone(), server.process.id)
        };
        machine.kill(process);
        Some(machine)
    }

    /// A bookie that was set read-only is writable again, as one before 4.17.3 did by itself, or by another's hand;
    /// where none is, another auditor is elected.
    pub(super) fn moves_by_itself(&self) -> bool {
        let mut state = self.state();
        let read_only = state.running.iter().find(|server| {
            state.cluster.servers.get(&server.bookie).is_some_and(|found| found.read_only)
        });
        match read_only.cloned() {
            Some(server) => {
                super::cookies::remember(&server.machine, &server.conf, false);
                state.cluster.set_read_only(&server.bookie, false);
            }
            None => state.cluster.re_elect(),
        }
        true
    }

    /// Somebody does this to the cluster.
    pub(super) fn meddle_now(&self, deed: &str) -> bool {
        let mut state = self.state();
        match deed.split_once(' ') {
            Some((EXPIRES, seconds)) => {
                state.cluster.kept_ms = seconds.parse::<i64>().ok().map(|kept| kept * 1_000);
                state.cluster.kept_ms.is_some()
            }
            Some((SOLE, bookie)) => {
                let other = state.cluster.bookies(false).into_iter().find(|id| *id != bookie);
                let Some(other) = other.cloned() else { return false };
                let ledger = state.cluster.create_on(vec![bookie.to_owned(), other], (1, 1));
                installed::fill(&mut state.cluster, ledger, 1);
                state.cluster.close(ledger);
                true
            }
            None if deed == OFF => {
                state.cluster.switch(false);
                true
            }
            Some(_) | None => false,
        }
    }
}
