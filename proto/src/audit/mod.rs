//! The audit log: an append-only chain of records in segments, written and read alike by
//! coordinator and agents.
//!
//! A segment is a file. It begins with its index, the number of its first record and the hash
//! of the record before; then come records, each with its length (twice, once inverted), its
//! bytes and its hash: SHA-256 over the hash before, the length and the bytes. No byte can be
//! changed, moved or taken out unseen, but for a cut tail, or a chain that was written anew:
//! those are found by the heads that each side keeps of the other's chain.
//!
//! Nothing that was written is ever written again. What a crash left after the last whole
//! record stays where it is: the next segment begins with a record that tells of it.
//!
//! Must not know files, clocks or who writes what.

mod frame;
#[cfg(feature = "rpc")]
mod head;
mod job;
mod log;
mod reader;
mod refusals;

pub use frame::{HEADER_BYTES, Hash, RECORD_LIMIT};
#[cfg(feature = "rpc")]
pub use head::{METADATA, carried, carry};
pub use job::{job_ended, words};
pub use log::{Disk, KEEP_DEFAULT, KEEP_LEAST, Limits, Log, SEGMENT_BYTES, index_of, segment_name};
pub use reader::{Chain, Entry, Reader};
pub use refusals::Refusals;

#[cfg(test)]
mod tests;
