//! The Bellows agent: wraps the admin tools of one host behind typed calls.
//!
//! `main` is thin: everything is here. [`host`] is the seam to the machine, [`exec`] runs
//! programs, [`facilities`] are what tools may use of the host, [`tools`] are the tools.

pub mod audit;
pub mod break_glass;
pub mod config;
pub mod enrol;
pub mod exec;
pub mod facilities;
pub mod host;
pub mod jobs;
pub mod run;
pub mod server;
pub mod tools;
