//! Real kills and real troubles (`make test-kills`): the programs as they are, real PostgreSQL
//! and repmgr, or KWDB or its double, a writer all the time. What is struck, when, and how it must end is data
//! ([`points`], [`troubles`], [`failover`], [`hosts`], [`moves`], [`returns`], [`kwdb`]); the rest of this module plays it and looks at the system afterwards.

pub mod blow;
pub mod cluster;
pub mod drive;
pub mod failover;
pub mod ground;
pub mod group;
pub mod hosts;
pub mod kwdb;
pub mod machines;
pub mod moment;
pub mod moves;
pub mod play;
pub mod point;
pub mod points;
pub mod proof;
pub mod reigns;
pub mod returns;
pub mod scene;
pub mod small_disk;
pub mod special;
pub mod strike;
pub mod tally;
pub mod trap;
pub mod troubles;
