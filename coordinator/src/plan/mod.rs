//! The words that the engine and the systems share: verdicts, probes, questions, and the
//! pure functions that a system is. Knows proto types only: no system, no engine, no I/O.

mod expected;
mod intent;
mod systems;
mod verdict;
mod window;

pub use expected::expected_ms;
pub use intent::added;
pub use systems::Systems;
pub use verdict::{Description, Probe, Question, Verdict};
pub use window::{closes_at_ms, explanation as window_explained, refusal as window_refusal};
