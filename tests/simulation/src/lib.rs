//! The simulation: the real engine, the real planners and the real job logic of the agents, in one
//! process and one thread, over a simulated journal, clock, network, disks and tools. Time is
//! compressed; a run is told by its system, its operation and its faults, and is the same each
//! time it is run.
//!
//! What it leaves out: gRPC and TLS (the end-to-end tests have them), sled (its own tests), and
//! the tools themselves, which are models here that follow the facts of their systems.

pub mod bookkeeper;
pub mod coordinator;
pub mod disk;
pub mod division;
pub mod faults;
pub mod host;
pub mod http;
pub mod journal;
pub mod kwdb;
pub mod listed;
pub mod listed_bookkeeper;
pub mod listed_kwdb;
pub mod listed_postgresql;
pub mod machine;
pub mod matrix;
pub mod network;
pub mod postgresql;
pub mod proc;
pub mod process;
pub mod programs;
pub mod scenario;
pub mod site;
pub mod tools;
pub mod world;

/// A third of a run's time goes into allocation; this allocator takes much less of it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
