//! From messages to text. Pure: no terminal, no clock, no network; what is shown is tested
//! as text.

pub mod access;
pub mod added;
pub mod audit;
pub mod ca;
pub mod cluster;
pub mod fault;
pub mod history;
pub mod host;
pub mod job;
pub mod live;
pub mod operation;
pub mod overview;
pub mod plan;
pub mod progress;
pub mod recover;
#[cfg(test)]
mod samples;
pub mod upgrade;
pub mod watch;
