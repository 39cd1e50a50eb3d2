//! The BookKeeper system from outside: golden plans, every guard, and properties over generated
//! clusters, against a small model of hosts that plays the actions.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::wildcard_enum_match_arm
)]

mod answers;
mod apply;
mod departing;
mod golden;
mod judgments;
mod leaving;
mod paper;
#[allow(dead_code)]
#[path = "../postgresql/play.rs"]
mod play;
mod properties;
mod racks;
mod refusals;
#[path = "../postgresql/render.rs"]
mod render;
mod telling;
mod world;
