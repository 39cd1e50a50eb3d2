//! The agent's KWDB.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod library;
