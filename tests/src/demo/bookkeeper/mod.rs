//! The demo of BookKeeper: a cluster of real bookies is taken into care, then grows and shrinks before the reader's
//! eyes, as in the demo of PostgreSQL.

mod dead;
mod parts;
mod show;
mod stage;

pub use dead::{comes_back, dies, replace_dead};
pub use parts::{
    adopt, expand_cancelled, expand_with_kill, expire, look_for, reconfigure, refused, shrink,
    shrink_cancelled,
};
pub use show::play;
pub use stage::{CLUSTER, LIMIT, Stage, Traffic};
