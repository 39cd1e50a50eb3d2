//! The auditor: who looks for ledgers that lack copies, and when.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    cluster::{Audit, Cluster},
    ledger::{BookieId, LedgerId},
};

/// What an audit needs, milliseconds: the list of what lacks copies grows meanwhile.
const AUDIT_MS: i64 = 1_500;

impl Cluster {
    /// Somebody asks for an audit.
    ///
    /// # Errors
    /// Why there is none, in BookKeeper's words.
    pub fn ask_for_audit(&mut self) -> Result<(), &'static str> {
        if !self.autorecovery {
            return Err("Autorecovery is disabled. So giving up!");
        }
        if self.auditor.is_none() {
            return Err("No auditor elected, though Autorecovery is enabled. So giving up.");
        }
        self.audit_owed = true;
        Ok(())
    }

    /// Autorecovery is switched on or off. What went wrong meanwhile is looked for at once.
    pub fn switch(&mut self, on: bool) {
        self.audit_owed |= on && !self.autorecovery;
        self.autorecovery = on;
    }

    /// The auditor gives up its place.
    pub fn re_elect(&mut self) {
        if let Some(old) = self.auditor.take() {
            let other = |id: &&BookieId| **id != old && self.serves(id);
            self.auditor = self.registered.keys().find(other).cloned().or(Some(old));
            self.audit_owed = true;
            (self.audit, self.audits) = (None, 0);
        }
    }

    pub(super) fn elect(&mut self) {
        let serves = |id: &BookieId| {
            self.registered.contains_key(id) && self.servers.get(id).is_none_or(|s| s.recovers)
        };
        if self.auditor.as_ref().is_some_and(serves) {
            return;
        }
        let daemon = |id: &&BookieId| {
            self.servers.get(*id).is_some_and(|server| server.recovers && server.connected)
        };
        self.auditor = self.registered.keys().find(daemon).cloned();
        self.audits = 0;
        // A new one begins with a look at everything.
        self.audit_owed |= self.auditor.is_some();
        self.audit = None;
    }

    pub(super) fn look(&mut self, now: i64) {
        if !self.autorecovery {
            self.audit = None;
            return;
        }
        match self.audit {
            None if self.audit_owed => {
                self.audit_owed = false;
                self.audit = Some(Audit { ends_ms: now + AUDIT_MS });
            }
            None => {}
            Some(Audit { ends_ms }) => {
                let lacking = self.lacking();
                let ended = now >= ends_ms;
                // Half of them first.
                let many = if ended { lacking.len() } else { lacking.len() / 2 };
                for (ledger, missing) in lacking.into_iter().take(many) {
                    self.marked.entry(ledger).or_default().missing.extend(missing);
                }
                if ended {
                    self.audits += 1;
                    self.audit = None;
                }
            }
        }
    }

    /// Ledgers that name a bookie which is registered nowhere.
    fn lacking(&self) -> BTreeMap<LedgerId, BTreeSet<BookieId>> {
        let mut lacking = BTreeMap::new();
        for (id, ledger) in &self.ledgers {
            let named: BTreeSet<&BookieId> = ledger.ensembles.values().flatten().collect();
            let gone = named.into_iter().filter(|named| !self.registered.contains_key(*named));
            let missing: BTreeSet<BookieId> = gone.cloned().collect();
            if !missing.is_empty() {
                lacking.insert(*id, missing);
            }
        }
        lacking
    }
}
