//! The engine: carries operations out over four ports. It makes no choices of a system's
//! own and knows no system, no store, no network.

pub mod ports;
