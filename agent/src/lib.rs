//! The Bellows agent: wraps the admin tools of one host behind typed calls.
//!
//! `main` is thin: everything is here. [`host`] is the seam to the machine, [`exec`] runs
//! programs, [`facilities`] are what tools may use of the host, [`tools`] are the tools.

pub mod audit;
#[cfg(feature = "program")]
pub mod break_glass;
pub mod config;
#[cfg(feature = "program")]
pub mod enrol;
pub mod exec;
pub mod facilities;
pub mod host;
pub mod jobs;
#[cfg(feature = "program")]
pub mod pages;
#[cfg(feature = "program")]
pub mod plain;
#[cfg(feature = "program")]
pub mod programs;
#[cfg(feature = "program")]
pub mod run;
#[cfg(feature = "program")]
pub mod server;
pub mod surveys;
pub mod tools;
