//! What this agent remembers of bookies besides its claims, durably, by their ids: cookies that were saved here, and when an
//! audit ended that was asked for here. Must not know actions.

use std::net::SocketAddr;

use bellows_proto::{
    digest,
    v1::{BookkeeperSavedCookie, Fault},
};
use camino::{Utf8Path, Utf8PathBuf};

use crate::{
    facilities::{Local, record},
    host::Access,
    tools::bookkeeper_shell::BookieId,
};

/// One bookie's record.
#[derive(Clone, PartialEq, prost::Message)]
struct Remembered {
    /// "ADDRESS:PORT"
    #[prost(string, tag = "1")]
    bookie: String,
    /// As `cookie_get` told it; empty: none was saved.
    #[prost(string, tag = "2")]
    cookie: String,
    /// When it was saved, this host's clock.
    #[prost(int64, tag = "3")]
    saved_at_ms: i64,
    /// When an audit ended that was asked for at this bookie; 0: none.
    #[prost(uint64, tag = "4")]
    audited_at_ms: u64,
}

fn folder(local: &Local) -> Utf8PathBuf {
    local.config.agent.data_dir.join("bookkeeper")
}

/// Named by the digest of the id: an id of an IPv6 address is no good file name.
fn path(local: &Local, bookie: &BookieId) -> Utf8PathBuf {
    let name = digest::hex(&digest::of_bytes(bookie.to_string().as_bytes()));
    folder(local).join(name)
}

fn get(local: &Local, bookie: &BookieId) -> Result<Remembered, Fault> {
    let known = record::read(local.host.as_ref(), &path(local, bookie))?;
    let fresh = || Remembered { bookie: bookie.to_string(), ..Remembered::default() };
    Ok(known.unwrap_or_else(fresh))
}

fn put(local: &Local, bookie: &BookieId, known: &Remembered) -> Result<(), Fault> {
    local.host.create_directory(&folder(local), &Access::PRIVATE_DIRECTORY)?;
    record::write(local.host.as_ref(), &path(local, bookie), known)
}

/// The cookie of a bookie that was saved here; `None`: none was.
///
/// # Errors
/// If the record cannot be read.
pub(super) fn cookie(local: &Local, bookie: &BookieId) -> Result<Option<String>, Fault> {
    Ok(Some(get(local, bookie)?.cookie).filter(|cookie| !cookie.is_empty()))
}

/// Keeps a cookie, in the place of the one before.
///
/// # Errors
/// If the record cannot be written.
pub(super) fn keep_cookie(local: &Local, bookie: &BookieId, cookie: &str) -> Result<(), Fault> {
    let mut known = get(local, bookie)?;
    cookie.clone_into(&mut known.cookie);
    known.saved_at_ms = local.clock.now_ms();
    put(local, bookie, &known)
}

/// All cookies that were saved here, in natural order of their bookies.
///
/// # Errors
/// If a record cannot be read.
pub(super) fn cookies(local: &Local) -> Result<Vec<BookkeeperSavedCookie>, Fault> {
    let host = local.host.as_ref();
    let mut found = Vec::new();
    for name in host.list(&folder(local))? {
        // A temporary file of a write that a crash cut short; else not a record of ours.
        let ours = name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !ours {
            continue;
        }
        let known: Option<Remembered> = record::read(host, &folder(local).join(name))?;
        found.extend(known.filter(|known| !known.cookie.is_empty()));
    }
    found.sort_by_cached_key(|known| {
        (known.bookie.parse::<SocketAddr>().ok(), known.bookie.clone())
    });
    let told =
        |known: Remembered| BookkeeperSavedCookie { bookie: known.bookie, text: known.cookie };
    Ok(found.into_iter().map(told).collect())
}

/// When the last audit ended that was asked for at this bookie and seen to end, this host's clock; 0: none.
///
/// # Errors
/// If the record cannot be read.
pub(super) fn audited_at_ms(local: &Local, bookie: &BookieId) -> Result<u64, Fault> {
    Ok(get(local, bookie)?.audited_at_ms)
}

/// Remembers that an audit has ended: later than the one before, whatever the clock says.
///
/// # Errors
/// If the record cannot be written.
pub(super) fn audited(local: &Local, bookie: &BookieId, after_ms: u64) -> Result<(), Fault> {
    let mut known = get(local, bookie)?;
    let now = u64::try_from(local.clock.now_ms()).unwrap_or(0);
    known.audited_at_ms =
        now.max(known.audited_at_ms.saturating_add(1)).max(after_ms.saturating_add(1));
    put(local, bookie, &known)
}

/// The folder of a file that a tool run as another user is to read, made passable for it.
///
/// # Errors
/// If it cannot be made.
pub(super) fn passage(local: &Local) -> Result<Utf8PathBuf, Fault> {
    let passable = Access { mode: 0o711, owner: None };
    let runtime: &Utf8Path = &local.config.agent.runtime_dir;
    let folder = runtime.join("bookkeeper");
    for each in [runtime, &folder] {
        local.host.create_directory(each, &passable)?;
    }
    Ok(folder)
}
