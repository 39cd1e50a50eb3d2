//! The agent's BookKeeper against the real one: ZooKeeper and bookies on loopback, each with an address of its own.
//! Needs `make setup-bookkeeper`, and minutes: `make test-bookkeeper`, no part of `cargo test`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![allow(clippy::wildcard_enum_match_arm)] // Another kind of answer than was asked for is a failed test, whichever it is.

mod actions;
mod bed;
mod places;
mod readings;
