//! Metadata of ledgers: parsed without their passwords, and what follows from them. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::{ReplyError, body, json, plain};
use crate::host::http::{HttpReply, Target};

/// How a ledger is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It has a writer, or had one that did not close it.
    Open,
    /// Somebody closes it in its writer's place.
    InRecovery,
    /// Its end is known.
    Closed,
}

/// A part of a ledger, with the bookies that have its entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Its first entry.
    pub first: u64,
    /// As many as the ensemble has; entries go round.
    pub bookies: Vec<String>,
}

/// A ledger, without its password and what its writer noted with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ledger {
    /// Its id.
    pub id: u64,
    /// Bookies that entries go round.
    pub ensemble: u32,
    /// Copies of an entry.
    pub write_quorum: u32,
    /// Copies that are waited for.
    pub ack_quorum: u32,
    /// How it is.
    pub state: State,
    /// Bytes, once it is closed.
    pub length: u64,
    /// How many entries it has; `None`: nobody knows before it is closed.
    pub entries: Option<u64>,
    /// In order of their first entries.
    pub segments: Vec<Segment>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    ensemble_size: u32,
    write_quorum_size: u32,
    ack_quorum_size: u32,
    state: RawState,
    length: i64,
    last_entry_id: i64,
    all_ensembles: BTreeMap<String, Vec<RawBookie>>,
}

#[derive(Deserialize)]
enum RawState {
    #[serde(rename = "OPEN")]
    Open,
    #[serde(rename = "IN_RECOVERY")]
    InRecovery,
    #[serde(rename = "CLOSED")]
    Closed,
}

#[derive(Deserialize)]
struct RawBookie {
    id: String,
}

/// A page of ledgers with their metadata, `page` from 1 on. The one after the last is empty.
pub fn page_target(page: u64) -> Target {
    let target = Target::new("/api/v1/ledger/list").query("print_metadata", "true");
    target.query("decode_meta", "true").query("page", &page.to_string())
}

/// The ids of all ledgers.
pub fn ids_target() -> Target {
    Target::new("/api/v1/ledger/list")
}

/// One ledger's metadata.
pub fn one_target(id: u64) -> Target {
    Target::new("/api/v1/ledger/metadata").query("ledger_id", &id.to_string())
}

/// Reads a page.
///
/// # Errors
/// If it is something else, or a ledger makes no sense.
pub fn parse_page(reply: &HttpReply) -> Result<Vec<Ledger>, ReplyError> {
    let raw: BTreeMap<String, Raw> = json(answer(reply)?)?;
    let mut found: Vec<Ledger> =
        raw.into_iter().map(|(id, raw)| ledger(number(&id)?, raw)).collect::<Result<_, _>>()?;
    found.sort_by_key(|ledger| ledger.id);
    Ok(found)
}

/// Reads the ids of all ledgers.
///
/// # Errors
/// If it is something else.
pub fn parse_ids(reply: &HttpReply) -> Result<BTreeSet<u64>, ReplyError> {
    let raw: BTreeMap<String, serde::de::IgnoredAny> = json(answer(reply)?)?;
    raw.keys().map(|id| number(id)).collect()
}

/// Reads one ledger; `None`: it is not there, or it cannot be read: the status is the same.
///
/// # Errors
/// If it is something else.
pub fn parse_one(reply: &HttpReply) -> Result<Option<Ledger>, ReplyError> {
    if reply.status == 500 {
        return Ok(None);
    }
    let mut found = parse_page(reply)?;
    match (found.pop(), found.len()) {
        (Some(ledger), 0) => Ok(Some(ledger)),
        _ => Err(ReplyError::Unreadable("it is not one ledger".to_owned())),
    }
}

/// The words of such an answer are never shown.
fn answer(reply: &HttpReply) -> Result<&[u8], ReplyError> {
    body(reply).map_err(|error| match error {
        ReplyError::Failed { status, .. } => ReplyError::Failed {
            status,
            text: "its words are left out: metadata have passwords".to_owned(),
        },
        other @ (ReplyError::Unknown | ReplyError::Refused(_) | ReplyError::Unreadable(_)) => other,
    })
}

fn number(text: &str) -> Result<u64, ReplyError> {
    let shown: String = text.chars().take(30).collect();
    text.parse().map_err(|_| ReplyError::Unreadable(format!("{shown:?} is no id of a ledger")))
}

fn ledger(id: u64, raw: Raw) -> Result<Ledger, ReplyError> {
    let odd = |what: &str| ReplyError::Unreadable(format!("ledger {id} {what}"));
    let (ensemble, write) = (raw.ensemble_size, raw.write_quorum_size);
    if write == 0 || write > ensemble || raw.ack_quorum_size > write {
        return Err(odd("has quorums that cannot be"));
    }
    let mut segments = Vec::new();
    for (first, bookies) in raw.all_ensembles {
        let bookies: Vec<String> = bookies.iter().map(|bookie| plain(&bookie.id)).collect();
        if u32::try_from(bookies.len()).ok() != Some(ensemble) {
            return Err(odd("has an ensemble that is not as large as it says"));
        }
        segments.push(Segment { first: number(&first)?, bookies });
    }
    if segments.is_empty() {
        return Err(odd("has no ensemble"));
    }
    segments.sort_by_key(|segment| segment.first);
    let state = match raw.state {
        RawState::Open => State::Open,
        RawState::InRecovery => State::InRecovery,
        RawState::Closed => State::Closed,
    };
    let entries = match state {
        // -1: none.
        State::Closed => Some(
            u64::try_from(raw.last_entry_id.saturating_add(1))
                .map_err(|_| odd("has a last entry that cannot be"))?,
        ),
        State::Open | State::InRecovery => None,
    };
    let length = u64::try_from(raw.length).unwrap_or_default();
    let ack_quorum = raw.ack_quorum_size;
    Ok(Ledger { id, ensemble, write_quorum: write, ack_quorum, state, length, entries, segments })
}

impl Ledger {
    /// Whether a bookie is in any of its ensembles: then `listledgers -bookieid` names it.
    pub fn is_on(&self, bookie: &str) -> bool {
        self.segments.iter().any(|segment| segment.has(bookie))
    }

    /// It is not closed, and a bookie is in its last ensemble: its writer is fenced when that one is drained or stopped.
    pub fn is_open_on(&self, bookie: &str) -> bool {
        self.state != State::Closed && self.segments.last().is_some_and(|last| last.has(bookie))
    }

    /// About so many of its bytes are on a bookie, all copies of them; 0 before it is closed.
    pub fn bytes_on(&self, bookie: &str) -> u64 {
        let Some(entries) = self.entries.filter(|entries| *entries > 0) else { return 0 };
        let here: u128 = self
            .parts()
            .filter(|(segment, _)| segment.has(bookie))
            .map(|(_, entries)| u128::from(entries.unwrap_or_default()))
            .sum();
        let copies = u128::from(self.length) * here * u128::from(self.write_quorum);
        let share = copies / u128::from(entries) / u128::from(self.ensemble.max(1));
        u64::try_from(share).unwrap_or(u64::MAX)
    }

    /// Some entry of it has its only copy there, or may have.
    pub fn is_sole_on(&self, bookie: &str) -> bool {
        self.write_quorum == 1 && self.is_lost_with(&|other| other == bookie)
    }

    /// Some entry of it has no copy but on bookies that are gone. What is open is taken to have entries.
    pub fn is_lost_with(&self, gone: &dyn Fn(&str) -> bool) -> bool {
        self.parts().any(|(segment, entries)| {
            let Some(size) = u64::try_from(segment.bookies.len()).ok().filter(|size| *size > 0)
            else {
                return false;
            };
            // Entry N begins at the Nth bookie, round and round: after one round they repeat.
            (0..size.min(entries.unwrap_or(size))).any(|step| {
                let begin = segment.first.wrapping_add(step) % size;
                (0..u64::from(self.write_quorum)).all(|copy| {
                    let at = usize::try_from((begin + copy) % size).ok();
                    at.and_then(|at| segment.bookies.get(at)).is_some_and(|bookie| gone(bookie))
                })
            })
        })
    }

    /// Its segments with the number of their entries; `None`: nobody knows.
    fn parts(&self) -> impl Iterator<Item = (&Segment, Option<u64>)> {
        let ends = self.segments.iter().skip(1).map(|next| Some(next.first)).chain([self.entries]);
        self.segments.iter().zip(ends).map(|(segment, end)| {
            let entries = end.map(|end| end.saturating_sub(segment.first));
            (segment, entries)
        })
    }
}

impl Segment {
    fn has(&self, bookie: &str) -> bool {
        self.bookies.iter().any(|other| other == bookie)
    }
}

#[cfg(test)]
mod tests;
