//! The agent's KWDB: against the double as a library, and against its programs, or against the `kwbase` that the variable `KWBASE` names.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod bed;
mod deploy;
mod library;
mod programs;
