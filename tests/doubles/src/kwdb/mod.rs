//! The double of KWDB's tools as data and pure functions: no clock, no files, no network, no threads. Time is given in
//! milliseconds since 1970; chance comes from a seed in the state; everything can be stored with serde.
//!
//! Written from the page of facts about KWDB (V2.2.1 to 3.1, a fork of CockroachDB 20.1) before there was an adapter for it.
//! Each file's head names the sections that it follows, and what the facts do not confirm is marked `unconfirmed`.
//!
//! - [`Cluster`] is a whole cluster; [`Cluster::advance`] moves it in time, [`Cluster::serve`] answers a request at a node.
//! - [`cli`] is the command line: [`cli::begin`] makes a [`cli::Client`] of words and environment, which is stepped until it ended.
//! - [`Cluster::join`] and [`Cluster::set_up`] are what `kwbase start` and the end of a process do.

mod advance;
mod allocate;
mod boot;
pub mod cli;
mod cluster;
mod health;
pub mod knobs;
mod serve;
pub mod sql;
mod status;
pub mod time;

pub use boot::{Joined, StartArgs, Store};
pub use cluster::{
    Cluster, Column, Event, Job, Kind, Node, NodeId, Range, Snapshot, StartMode, Status, UserTable,
    Zone,
};
pub use knobs::Knobs;
pub use serve::{Failure, Groups, Request, Response, Table};
