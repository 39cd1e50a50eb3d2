//! The demo: a cluster grows and shrinks before the reader's eyes, while a client writes,
//! the coordinator is killed and an operation is cancelled. Each part is a function that a
//! test can call too; each returns an error where something did not hold.

pub mod bookkeeper;
mod dead;
mod found;
mod growth;
mod hosts;
pub mod kwdb;
mod parts;
mod play;
mod returns;
mod rows;
mod show;
mod stage;

pub use dead::{a_standby, comes_back, dies, replace_dead};
pub use found::Found;
pub use growth::{Growth, clone_log_is_whole, expand_planned_anew, goes_back, one_clone};
pub use hosts::{CLUSTER, application, configure, superuser};
pub use parts::{
    create, expand_cancelled, expand_with_agent_kill, expand_with_kill, fill, reconfigure, refused,
    replace, restart, shrink, switchover,
};
pub use play::report_path;
pub use returns::{End, fails_over, rejoin, rejoin_refused};
pub use rows::{look_for, look_for_after};
pub use show::postgresql;
pub use stage::Stage;
