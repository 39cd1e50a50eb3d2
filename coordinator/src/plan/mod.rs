//! The words that the engine and the systems share: verdicts, probes, questions, the pure functions that a
//! system is, and what its plans are drafted with. Knows proto types only: no system, no engine, no I/O.

mod acts;
pub mod by_hand;
mod draft;
mod expected;
mod intent;
pub mod options;
mod placed;
mod questions;
mod rules;
pub mod sizes;
mod systems;
mod verdict;
mod window;
mod words;

pub use acts::{Acts, Back, Limits, Pace, Task, back};
pub use draft::Draft;
pub use expected::{expected_ms, moved_ms};
pub use intent::{added, adopted_from, leaving, left};
pub use placed::{Placed, in_order, listed, names};
pub use questions::Questions;
pub(crate) use rules::rules;
pub use rules::{Findings, Rules, explained, held, refused};
pub use systems::Systems;
pub use verdict::{Description, Probe, Question, Verdict};
pub use window::{closes_at_ms, explanation as window_explained, refusal as window_refusal};
pub use words::{by_value, list};
