//! The Bellows coordinator: plans operations that touch many hosts, shows them, runs them
//! step by step with every step on disk, and survives a crash of anything.

pub mod agents;
pub mod api;
pub mod audit;
pub mod ca;
pub mod cli;
pub mod clock;
pub mod engine;
pub mod explain;
pub mod inventory;
pub mod journal;
pub mod paper;
pub mod plan;
pub mod recover;
pub mod serve;
pub mod site;
pub mod spec;
pub mod store;
pub mod systems;
pub mod term;
