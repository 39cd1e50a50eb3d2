//! One file per command: its arguments, its call, what it shows.

pub mod access;
pub mod apply;
pub mod audit;
pub mod ca;
pub mod cluster;
pub mod completion;
pub mod expand;
pub mod explain;
pub mod host;
pub mod init;
pub mod job;
pub mod op;
pub mod plan;
pub mod reconfigure;
pub mod recover;
pub mod rejoin;
pub mod replace;
pub mod restart;
pub mod serve;
pub mod shrink;
pub mod status;
pub mod store;
pub mod switchover;
