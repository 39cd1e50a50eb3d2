//! Doubles of tools that cannot be had: they follow the published facts about the real ones, and the tests say
//! (`"double":true`) when a double was used.

pub mod kwdb;
#[cfg(feature = "programs")]
pub mod package;
#[cfg(feature = "programs")]
pub mod programs;
