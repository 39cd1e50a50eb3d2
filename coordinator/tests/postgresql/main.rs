//! The PostgreSQL system from outside: golden plans, every guard, and properties over generated
//! clusters, against a small model of hosts that plays the actions.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::wildcard_enum_match_arm
)]

mod adopting;
mod answers;
mod apply;
mod backups;
mod clients;
mod fronts;
mod golden;
mod judgments;
mod moving;
mod paper;
mod play;
mod properties;
mod reconfiguring;
mod recorded;
mod refusals;
mod rejoining;
mod render;
mod restarting;
mod told;
mod world;
