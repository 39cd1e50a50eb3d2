//! Messages, services, names and TLS identities that agent and coordinator share.
//!
//! Knows nothing of stores, processes or command lines. What goes over the wire, what is
//! stored and what is shown is one set of types: the generated ones in [`v1`].

pub mod audit;
pub mod defect;
pub mod digest;
pub mod fault;
pub mod identity;
pub mod names;
pub mod release;
pub mod remarks;
#[cfg(feature = "rpc")]
pub mod tls;
pub mod validity;
mod verbs;
pub mod window;

/// The generated messages and services.
#[allow(missing_docs, clippy::all, clippy::pedantic, clippy::restriction, unused_qualifications)]
pub mod v1 {
    include!(concat!(env!("OUT_DIR"), "/bellows.v1.rs"));
    #[cfg(feature = "json")]
    include!(concat!(env!("OUT_DIR"), "/bellows.v1.serde.rs"));
}

/// The encoded `FileDescriptorSet` of all messages and services, for tests that enumerate RPCs.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/bellows.bin"));
