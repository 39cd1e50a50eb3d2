//! The demo of KWDB: a cluster that its installer made is taken into care, then grows and shrinks before the
//! reader's eyes, as in the demo of PostgreSQL.

mod dead;
mod parts;
mod rows;
mod show;
mod stage;

pub use dead::{comes_back, dies, replace_dead};
pub use parts::{adopt, expand_cancelled, expand_with_kill, refused, shrink};
pub use rows::look_for;
pub use show::play;
pub use stage::{CLUSTER, Stage};
