//! What a log tells that another one can confirm or deny. Pure.

use std::collections::{BTreeMap, BTreeSet};

use bellows_proto::{
    audit::{Chain, Entry, Hash},
    v1::{
        AuditAcceptance, AuditEvent, AuditHead, AuditJobAccepted, AuditJobEnded, AuditRecord, Term,
        audit_record::Kind, event,
    },
};

use super::record::word;

/// The call that the coordinator writes down when it raises its term.
pub const RAISE_TERM: &str = "RaiseTerm";
/// The call that it writes down when it brings a tombstone to a host that was named dead.
pub const BURY: &str = "Bury";

/// Of damaged records so many are told one by one.
const DAMAGE_TOLD: usize = 20;

/// A chain by itself.
#[derive(Debug, Default)]
pub(super) struct ChainFacts {
    pub(super) first: u64,
    pub(super) head: AuditHead,
    /// The hash of every record.
    pub(super) hashes: BTreeMap<u64, Hash>,
    /// Record and what is wrong.
    pub(super) damage: Vec<(u64, String)>,
    /// Damaged records that are not among these.
    pub(super) more_damage: u64,
    /// Torn tails that the chain tells of: record and bytes.
    pub(super) torn: Vec<(u64, u64)>,
}

/// An act as the coordinator began it.
#[derive(Debug, Default)]
pub(super) struct Act {
    pub(super) host: String,
    pub(super) action_digest: Vec<u8>,
    /// The agent said that the attempt never was.
    pub(super) never: bool,
}

/// What the coordinator's log tells.
#[derive(Debug, Default)]
pub struct OwnFacts {
    pub(super) chain: ChainFacts,
    /// Acts by their jobs' keys.
    pub(super) acts: BTreeMap<String, Act>,
    /// Jobs that agents told of, by key: record, host, end.
    pub(super) reported: BTreeMap<String, (u64, String, AuditJobEnded)>,
    /// Heads of agents' logs: record, host, head.
    pub(super) heads: Vec<(u64, String, AuditHead)>,
    /// The last time that a host's log was taken as it was: record and what it says.
    pub(super) accepted: BTreeMap<String, (u64, AuditAcceptance)>,
    /// Operations whose beginning the log has.
    pub(super) operations: BTreeSet<String>,
    /// Incarnations of the terms under which this log was written, by number.
    terms: BTreeMap<u64, BTreeSet<String>>,
}

/// What an agent's log tells.
#[derive(Debug, Default)]
pub struct HostFacts {
    pub(super) chain: ChainFacts,
    /// By key: records and what they say. More than one is one too many.
    pub(super) accepted: BTreeMap<String, Vec<(u64, AuditJobAccepted)>>,
    pub(super) ended: BTreeMap<String, Vec<(u64, AuditJobEnded)>>,
    /// Heads of the log of the coordinator that asked: record, head, its term.
    pub(super) heads: Vec<(u64, AuditHead, Term)>,
}

impl ChainFacts {
    fn learn(&mut self, entry: &Entry) {
        if !entry.damage.is_empty() {
            if self.damage.len() < DAMAGE_TOLD {
                self.damage.push((entry.number, entry.damage.clone()));
            } else {
                self.more_damage += 1;
            }
        }
        let Some(record) = &entry.record else { return };
        self.hashes.insert(entry.number, entry.hash);
        if let Some(Kind::Torn(torn)) = &record.kind {
            self.torn.push((entry.number, torn.bytes));
        }
    }

    fn end(&mut self, chain: Chain) {
        (self.first, self.head) = (chain.first, chain.head);
    }
}

impl OwnFacts {
    /// Takes in a record.
    pub fn learn(&mut self, entry: Entry) {
        self.chain.learn(&entry);
        let number = entry.number;
        let Some(AuditRecord { kind: Some(kind), .. }) = entry.record else { return };
        match kind {
            Kind::Event(told) => self.event(&told),
            Kind::JobReported(told) => {
                if let Some(head) = told.agent {
                    self.heads.push((number, told.host.clone(), head));
                }
                if let Some(job) = told.job {
                    let key = job.key.as_ref().map(word).unwrap_or_default();
                    self.reported.insert(key, (number, told.host, job));
                }
            }
            Kind::Witness(told) => {
                self.heads.extend(told.agent.map(|head| (number, told.host, head)));
            }
            Kind::Acceptance(told) => {
                let host = told.host.clone();
                // From here on the new log is held to this, and to nothing of before.
                self.heads.extend(told.agent.clone().map(|head| (number, host.clone(), head)));
                self.accepted.insert(host, (number, told));
            }
            Kind::Call(told) if told.call == RAISE_TERM => {
                let term = told.term.unwrap_or_default();
                self.terms.entry(term.number).or_default().insert(term.incarnation);
            }
            Kind::Call(told) if told.call == BURY => {
                let key = told.key.as_ref().map(word).unwrap_or_default();
                let (host, action_digest) = (told.host, told.action_digest);
                self.acts.insert(key, Act { host, action_digest, never: false });
            }
            Kind::Opened(_)
            | Kind::Torn(_)
            | Kind::Pruned(_)
            | Kind::Call(_)
            | Kind::Answer(_)
            | Kind::JobAccepted(_)
            | Kind::JobEnded(_) => {}
        }
    }

    /// Whether a term was raised by another coordinator, or by a copy of this one, which has a log
    /// of its own. A term from before the first raise that the log has may be ours.
    pub(super) fn is_foreign(&self, term: &Term) -> bool {
        let told = self.terms.keys().next().is_some_and(|first| term.number >= *first);
        let ours = |raised: &BTreeSet<String>| raised.contains(&term.incarnation);
        told && !term.incarnation.is_empty() && !self.terms.get(&term.number).is_some_and(ours)
    }

    /// Whether a record of this log about a host is from before its log was taken as it was.
    pub(super) fn is_before_acceptance(&self, host: &str, number: u64) -> bool {
        self.accepted.get(host).is_some_and(|(accepted, _)| number < *accepted)
    }

    fn event(&mut self, told: &AuditEvent) {
        let operation = &told.operation;
        let key = |act: u32, attempt: u32| format!("{operation}/{act}/{attempt}");
        let Some(kind) = told.event.as_ref().and_then(|event| event.kind.as_ref()) else { return };
        match kind {
            event::Kind::Accepted(_) => {
                self.operations.insert(operation.clone());
            }
            event::Kind::ActStarted(started) => {
                let act = started.act.as_ref().map_or(0, |act| act.number);
                let (host, action_digest) = (told.host.clone(), told.action_digest.clone());
                let begun = Act { host, action_digest, never: false };
                self.acts.insert(key(act, started.attempt), begun);
            }
            event::Kind::ActNever(never) => {
                if let Some(act) = self.acts.get_mut(&key(never.act, never.attempt)) {
                    act.never = true;
                }
            }
            event::Kind::Fenced(_)
            | event::Kind::StepStarted(_)
            | event::Kind::ActDone(_)
            | event::Kind::ActFailed(_)
            | event::Kind::StepSucceeded(_)
            | event::Kind::StepFailed(_)
            | event::Kind::Held(_)
            | event::Kind::Control(_)
            | event::Kind::UndoStarted(_)
            | event::Kind::StepUndone(_)
            | event::Kind::StepSkipped(_)
            | event::Kind::Rested(_)
            | event::Kind::Closed(_)
            | event::Kind::Resumed(_) => {}
        }
    }

    /// The chain's end was reached.
    #[must_use]
    pub fn end(mut self, chain: Chain) -> Self {
        self.chain.end(chain);
        self
    }
}

impl HostFacts {
    /// How far the log goes.
    pub fn head(&self) -> AuditHead {
        self.chain.head.clone()
    }

    /// Takes in a record.
    pub fn learn(&mut self, entry: Entry) {
        self.chain.learn(&entry);
        let number = entry.number;
        let Some(AuditRecord { kind: Some(kind), .. }) = entry.record else { return };
        match kind {
            Kind::JobAccepted(told) => {
                let term = told.term.clone().unwrap_or_default();
                self.heads.extend(told.coordinator.clone().map(|head| (number, head, term)));
                let key = told.key.as_ref().map(word).unwrap_or_default();
                self.accepted.entry(key).or_default().push((number, told));
            }
            Kind::JobEnded(told) => {
                let key = told.key.as_ref().map(word).unwrap_or_default();
                self.ended.entry(key).or_default().push((number, told));
            }
            Kind::Call(told) => {
                let term = told.term.unwrap_or_default();
                self.heads.extend(told.coordinator.map(|head| (number, head, term)));
            }
            Kind::Opened(_)
            | Kind::Torn(_)
            | Kind::Pruned(_)
            | Kind::Answer(_)
            | Kind::Event(_)
            | Kind::JobReported(_)
            | Kind::Witness(_)
            | Kind::Acceptance(_) => {}
        }
    }

    /// The chain's end was reached.
    #[must_use]
    pub fn end(mut self, chain: Chain) -> Self {
        self.chain.end(chain);
        self
    }
}
