//! What the end-to-end tests and the demo share.
//!
//! It stands outside of what it tests: it starts the real programs, reads their JSON and asks
//! the systems themselves. It uses no code of agent or coordinator, only the messages.

pub mod authority;
pub mod bookkeeper;
pub mod bundled;
pub mod debian;
pub mod demo;
pub mod duplicates;
pub mod foreign;
pub mod front;
pub mod guard;
pub mod kills;
pub mod kwdb;
pub mod narrate;
pub mod process;
pub mod real_hosts;
pub mod reap;
pub mod report;
pub mod rpc;
pub mod site;
pub mod snapshot;
pub mod sql;
pub mod ssh;
pub mod standing;
pub mod testbed;
pub mod wrapper;
pub mod writer;
pub mod writing;
