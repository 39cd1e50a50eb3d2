//! Doubt: a durable note that the store may not know all that was done under its name. It
//! stands over restarts until somebody settles it. What follows from it (nothing resumes by
//! itself) is not decided here.

use std::time::{SystemTime, UNIX_EPOCH};

use super::{Stop, Store, StoreError, Tables, get, keys, put};

/// More reasons are not kept: they are only told in the log.
const MOST_REASONS: usize = 32;
/// A reason's text is cut here, in characters.
const LONGEST_TEXT: usize = 2000;

/// What kind of thing happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum DoubtKind {
    /// Of a later version.
    Unknown = 0,
    /// The watermark has seen commits that the store does not have: its tail is lost.
    LostTail = 1,
    /// The store was made from a backup: what happened after the backup is not in it.
    Restored = 2,
    /// Something in the store is not what was written.
    Damaged = 3,
    /// The watermark is not there: whether a tail is lost cannot be told.
    WatermarkMissing = 4,
    /// The watermark cannot be read: whether a tail is lost cannot be told.
    WatermarkDamaged = 5,
    /// The watermark belongs to another store: the files were mixed up or copied.
    WatermarkForeign = 6,
    /// Something outside of the store speaks of work that it does not know (jobs at agents).
    UnknownJobs = 7,
    /// The store was made anew from what the agents know.
    FromAgents = 8,
    /// Another coordinator, or a copy of this store, has led meanwhile: what it did is not in it.
    TakenOver = 9,
}

/// One reason for doubt.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct DoubtReason {
    /// What kind of thing happened.
    #[prost(enumeration = "DoubtKind", tag = "1")]
    pub kind: i32,
    /// For the administrator: what was expected and what was seen.
    #[prost(string, tag = "2")]
    pub text: String,
    /// When it was found: milliseconds since 1970.
    #[prost(int64, tag = "3")]
    pub at_ms: i64,
}

/// Why the store may not know all that was done under its name. It has a reason or more, in
/// the order in which they were found.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Doubt {
    /// Never empty in a doubt that stands.
    #[prost(message, repeated, tag = "1")]
    pub reasons: Vec<DoubtReason>,
}

impl Doubt {
    /// Since when it stands: milliseconds since 1970.
    pub fn since_ms(&self) -> i64 {
        self.reasons.iter().map(|reason| reason.at_ms).min().unwrap_or_default()
    }

    /// All reasons in one line.
    pub fn text(&self) -> String {
        let texts: Vec<&str> = self.reasons.iter().map(|reason| reason.text.as_str()).collect();
        texts.join("; ")
    }
}

impl Store {
    /// The doubt that stands, as found at the opening and raised since; `None`: none.
    pub fn doubt(&self) -> Option<Doubt> {
        self.state.read().unwrap_or_else(std::sync::PoisonError::into_inner).doubt.clone()
    }

    /// Adds a reason for doubt, durably. The same kind with the same text is kept once. Tells
    /// nobody: the caller says it in the log.
    ///
    /// # Errors
    /// If the store failed.
    pub fn raise_doubt(&self, kind: DoubtKind, text: &str, at_ms: i64) -> Result<(), StoreError> {
        let text: String = text.chars().take(LONGEST_TEXT).collect();
        let reason = DoubtReason { kind: kind.into(), text, at_ms };
        self.raise_all(&[reason])
    }

    /// As [`Store::raise_doubt`], several in one transaction.
    pub(super) fn raise_all(&self, found: &[DoubtReason]) -> Result<(), StoreError> {
        self.change_with(
            |tables| {
                let mut doubt = read_in(tables)?.unwrap_or_default();
                for reason in found {
                    let same =
                        |one: &DoubtReason| one.kind == reason.kind && one.text == reason.text;
                    if doubt.reasons.len() < MOST_REASONS && !doubt.reasons.iter().any(same) {
                        doubt.reasons.push(reason.clone());
                    }
                }
                put(tables.meta, keys::DOUBT, &doubt, &name)?;
                Ok(doubt)
            },
            |state, doubt| state.doubt = Some(doubt.clone()),
        )?;
        Ok(())
    }

    /// Ends the doubt, durably: the administrator, or a reconciliation with all agents, has
    /// settled it. Returns what stood.
    ///
    /// # Errors
    /// If the store failed.
    pub fn settle_doubt(&self) -> Result<Option<Doubt>, StoreError> {
        let stood = self.doubt();
        if stood.is_some() {
            self.change_with(
                |tables| {
                    // Damage that nobody can mend is settled once, not at each start.
                    if let Some(doubt) = read_in(tables)? {
                        put(tables.meta, keys::SETTLED, &doubt, &name)?;
                    }
                    super::pieces::remove::<Stop>(tables.meta, keys::DOUBT)
                },
                |state, ()| state.doubt = None,
            )?;
        }
        Ok(stood)
    }

    /// Believes what was just put into the tree.
    pub(super) fn take_stored_doubt(&self) -> Result<(), StoreError> {
        let doubt = self.stored_doubt()?;
        self.lock_state().doubt = doubt;
        Ok(())
    }

    /// What is stored, for the opening.
    pub(super) fn stored_doubt(&self) -> Result<Option<Doubt>, StoreError> {
        get(&self.meta, keys::DOUBT, &name)
    }

    /// The damage that was settled last, in words.
    pub(super) fn settled(&self) -> Result<Vec<String>, StoreError> {
        let settled: Option<Doubt> = get(&self.meta, keys::SETTLED, &name)?;
        let reasons = settled.into_iter().flat_map(|doubt| doubt.reasons);
        Ok(reasons
            .filter(|reason| reason.kind() == DoubtKind::Damaged)
            .map(|reason| reason.text)
            .collect())
    }
}

fn read_in(tables: &Tables<'_>) -> Result<Option<Doubt>, Stop> {
    super::get_in(tables.meta, keys::DOUBT, &name)
}

fn name() -> String {
    "the note of a doubt".to_owned()
}

/// For a reason that is found while opening, when there is no other clock.
pub(super) fn now_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_millis()).ok())
        .unwrap_or_default()
}
