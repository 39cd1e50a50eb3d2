//! The Bellows coordinator: plans operations that touch many hosts, shows them, runs them
//! step by step with every step on disk, and survives a crash of anything.

#[cfg(feature = "program")]
pub mod agents;
#[cfg(feature = "program")]
pub mod api;
#[cfg(feature = "program")]
pub mod audit;
#[cfg(feature = "program")]
pub mod ca;
#[cfg(feature = "program")]
pub mod cli;
#[cfg(feature = "program")]
pub mod clock;
pub mod engine;
#[cfg(feature = "program")]
pub mod explain;
#[cfg(feature = "program")]
pub mod inventory;
#[cfg(feature = "program")]
pub mod journal;
#[cfg(feature = "program")]
pub mod paper;
pub mod plan;
#[cfg(feature = "program")]
pub mod recover;
#[cfg(feature = "program")]
pub mod renewal;
#[cfg(feature = "program")]
pub mod serve;
#[cfg(feature = "program")]
pub mod site;
pub mod spec;
#[cfg(feature = "program")]
pub mod store;
pub mod systems;
pub mod term;
