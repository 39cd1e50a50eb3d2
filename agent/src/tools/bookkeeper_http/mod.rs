//! BookKeeper's HTTP admin API: requests out, its JSON in.
//!
//! Versions: 4.17 and 4.18 answer alike; `state/readonly` is there from 4.14.5 and 4.15 on.
//!
//! Traps: 404 is no such path (an HTML page), a wrong method, an empty list, a refusal, or a failure: only the body tells.
//! 500 `Internal Server Error` is a ledger that does not exist as well as a body that is not understood. `is_ready` is 200 on a
//! read-only bookie and `sanity` writes: neither is a reading. `PUT decommission` answers 200 before it has looked: it is not
//! used. An empty list of under-replicated ledgers means something only after an audit. The API answers only after the bookie
//! is registered. Ledgers' metadata have their passwords: they are left out where they are parsed ([`ledgers`]), and no text of
//! such an answer is in an error.
//!
//! Sources: `bookkeeper-server/.../server/http/service` of 4.17.3; answers of a real 4.17.3 in `tests/bookkeeper_samples`.
//! Must not know claims, plans or files.

use std::collections::BTreeMap;

use bellows_proto::{
    names::natural,
    v1::{Fault, FaultCode},
};
use serde::{Deserialize, de::IgnoredAny};

use crate::host::http::{HttpReply, Target};

pub mod ledgers;

/// So much of an answer is shown.
const SHOWN: usize = 300;
/// A cluster has at most so many bookies.
const MOST_BOOKIES: usize = 10_000;

/// What a reply said instead of what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    /// The version does not have the call.
    #[error("this version of BookKeeper does not know the call")]
    Unknown,
    /// It will not, and says why.
    #[error("it refused: {0}")]
    Refused(String),
    /// It could not.
    #[error("it failed with status {status}: {text}")]
    Failed {
        /// Of HTTP.
        status: u16,
        /// The begin of what it said.
        text: String,
    },
    /// It is not what was asked for.
    #[error("the answer cannot be read: {0}")]
    Unreadable(String),
}

impl From<ReplyError> for Fault {
    fn from(error: ReplyError) -> Self {
        let code = match error {
            ReplyError::Unreadable(_) => FaultCode::Unreadable,
            ReplyError::Unknown | ReplyError::Refused(_) | ReplyError::Failed { .. } => {
                FaultCode::ToolFailed
            }
        };
        Self::new(code, format!("the bookie's HTTP admin API: {error}"))
    }
}

/// The body of a reply that is what was asked for.
///
/// # Errors
/// What it is instead.
pub fn body(reply: &HttpReply) -> Result<&[u8], ReplyError> {
    if reply.status == 200 {
        return Ok(&reply.body);
    }
    let text: String = String::from_utf8_lossy(&reply.body).trim().chars().take(SHOWN).collect();
    if reply.status == 404 {
        let no_path = text.starts_with('<');
        let no_method =
            text.starts_with("Unsupported method") || text.starts_with("Not found method");
        if no_path || no_method {
            return Err(ReplyError::Unknown);
        }
        // Status and cause of what it was told to do, in one word.
        if let Some(why) = text.strip_prefix("Exception when do operation.") {
            return Err(ReplyError::Refused(why.to_owned()));
        }
    }
    Err(ReplyError::Failed { status: reply.status, text })
}

fn json<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, ReplyError> {
    serde_json::from_slice(bytes).map_err(|error| {
        // Its own words may quote what they stumbled over.
        let what = match error.classify() {
            serde_json::error::Category::Io | serde_json::error::Category::Syntax => "no JSON",
            serde_json::error::Category::Data => "of another form",
            serde_json::error::Category::Eof => "cut off",
        };
        let place = format!("line {}, column {}", error.line(), error.column());
        ReplyError::Unreadable(format!("it is {what} ({place})"))
    })
}

/// `/api/v1/bookie/state`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// It serves.
    pub running: bool,
    /// It takes no new entries.
    pub read_only: bool,
    /// It is about to end.
    pub shutting_down: bool,
}

impl State {
    /// Its target.
    pub fn target() -> Target {
        Target::new("/api/v1/bookie/state")
    }

    /// Reads it.
    ///
    /// # Errors
    /// If it is something else.
    pub fn parse(reply: &HttpReply) -> Result<Self, ReplyError> {
        json(body(reply)?)
    }
}

/// `/api/v1/bookie/info`: of the ledger disks, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Info {
    /// Free.
    pub free_space: u64,
    /// All of it.
    pub total_space: u64,
}

impl Info {
    /// Its target.
    pub fn target() -> Target {
        Target::new("/api/v1/bookie/info")
    }

    /// Reads it.
    ///
    /// # Errors
    /// If it is something else.
    pub fn parse(reply: &HttpReply) -> Result<Self, ReplyError> {
        json(body(reply)?)
    }
}

/// `/api/v1/bookie/cluster_info`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterInfo {
    /// An auditor is elected.
    pub auditor_elected: bool,
    /// Its id, where there is one.
    #[serde(default)]
    pub auditor_id: Option<String>,
    /// Autorecovery is on.
    pub ledger_replication_enabled: bool,
    /// Bookies with a cookie that are registered nowhere.
    pub unavailable_bookies_count: u64,
}

impl ClusterInfo {
    /// Its target.
    pub fn target() -> Target {
        Target::new("/api/v1/bookie/cluster_info")
    }

    /// Reads it.
    ///
    /// # Errors
    /// If it is something else.
    pub fn parse(reply: &HttpReply) -> Result<Self, ReplyError> {
        json(body(reply)?)
    }

    /// Who is the auditor; empty: nobody.
    pub fn auditor(&self) -> String {
        match (&self.auditor_id, self.auditor_elected) {
            (Some(id), true) => plain(id),
            (Some(_) | None, _) => String::new(),
        }
    }
}

/// How a bookie is registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registered {
    /// It takes new entries.
    Writable,
    /// It serves what it has.
    ReadOnly,
}

/// Where the ids of registered bookies are.
pub fn bookies_target(registered: Registered) -> Target {
    let kind = match registered {
        Registered::Writable => "rw",
        Registered::ReadOnly => "ro",
    };
    Target::new("/api/v1/bookie/list_bookies").query("type", kind)
}

/// Ids of registered bookies, in natural order.
///
/// # Errors
/// If it is something else.
pub fn parse_bookies(reply: &HttpReply) -> Result<Vec<String>, ReplyError> {
    let found: BTreeMap<String, IgnoredAny> = json(body(reply)?)?;
    if found.len() > MOST_BOOKIES {
        return Err(ReplyError::Unreadable(format!("it has {} bookies", found.len())));
    }
    let mut ids: Vec<String> = found.keys().map(|id| plain(id)).collect();
    ids.sort_by(|a, b| natural(a, b));
    Ok(ids)
}

/// Where the ledgers that lack a copy are.
pub fn underreplicated_target() -> Target {
    Target::new("/api/v1/autorecovery/list_under_replicated_ledger")
}

/// Ledgers that lack a copy, in order.
///
/// # Errors
/// If it is something else. An empty list is the tool's own status 404 with words of its own.
pub fn parse_underreplicated(reply: &HttpReply) -> Result<Vec<u64>, ReplyError> {
    if reply.status == 404 && reply.body.trim_ascii() == b"No under replicated ledgers found" {
        return Ok(Vec::new());
    }
    let mut ids: Vec<u64> = json(body(reply)?)?;
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

/// Where the time is that autorecovery waits for a lost bookie.
pub fn delay_target() -> Target {
    Target::new("/api/v1/autorecovery/lost_bookie_recovery_delay")
}

/// Seconds that autorecovery waits for a lost bookie.
///
/// # Errors
/// If it is something else.
pub fn parse_delay(reply: &HttpReply) -> Result<u64, ReplyError> {
    let text = String::from_utf8_lossy(body(reply)?).trim().to_owned();
    let number = text.strip_prefix("lostBookieRecoveryDelay value: ");
    number.and_then(|number| number.trim().parse().ok()).ok_or_else(|| {
        let shown: String = text.chars().take(SHOWN).collect();
        ReplyError::Unreadable(format!("it said {shown:?}"))
    })
}

/// An id as it is shown and compared: what no id has is left out.
fn plain(id: &str) -> String {
    id.chars().filter(char::is_ascii_graphic).take(SHOWN).collect()
}

#[cfg(test)]
pub(crate) mod tests;
