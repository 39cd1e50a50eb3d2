//! The PostgreSQL system from outside: golden plans, every guard, and properties over generated
//! clusters, against a small model of hosts that plays the actions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod answers;
mod apply;
mod golden;
mod judgments;
mod play;
mod properties;
mod refusals;
mod render;
mod world;
