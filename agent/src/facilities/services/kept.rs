//! What the agent keeps of a service, on disk.

use std::{collections::BTreeMap, time::Duration};

use super::{ServiceSpec, systemd};
use crate::host::Signal;

/// What the agent keeps of a service.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ServiceRecord {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) description: String,
    #[prost(string, tag = "3")]
    pub(super) user: String,
    #[prost(string, tag = "4")]
    pub(super) program: String,
    #[prost(string, repeated, tag = "5")]
    pub(super) arguments: Vec<String>,
    #[prost(btree_map = "string, string", tag = "6")]
    pub(super) environment: BTreeMap<String, String>,
    #[prost(uint32, tag = "7")]
    pub(super) stop_signal: u32,
    #[prost(uint64, tag = "8")]
    pub(super) stop_timeout_ms: u64,
    #[prost(string, tag = "9")]
    pub(super) log_file: String,
    #[prost(string, repeated, tag = "10")]
    pub(super) directories: Vec<String>,
    #[prost(bool, tag = "11")]
    pub(super) restart: bool,
    /// Never starts again.
    #[prost(bool, tag = "12")]
    pub(super) masked: bool,
    /// The process form: wanted to run, and as which process.
    #[prost(bool, tag = "13")]
    pub(super) started: bool,
    #[prost(uint32, tag = "14")]
    pub(super) pid: u32,
    #[prost(uint64, tag = "15")]
    pub(super) pid_started: u64,
    /// Somebody else made it: it is stopped and started, never installed or removed.
    #[prost(bool, tag = "16")]
    pub(super) foreign: bool,
    /// Its unit, where somebody else made that.
    #[prost(string, tag = "17")]
    pub(super) unit: String,
    /// Stopped by us: nothing starts its unit until we do.
    #[prost(bool, tag = "18")]
    pub(super) held: bool,
    /// It was enabled, and we disabled it: to be enabled again with its start.
    #[prost(bool, tag = "19")]
    pub(super) disabled: bool,
}

impl ServiceRecord {
    /// A service that was never installed.
    pub(super) fn named(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// Its unit under systemd.
    pub(super) fn unit(&self) -> String {
        if self.unit.is_empty() { systemd::unit(&self.name) } else { self.unit.clone() }
    }

    pub(super) fn of(spec: &ServiceSpec) -> Self {
        Self {
            name: spec.name.clone(),
            description: spec.description.clone(),
            user: spec.user.clone(),
            program: spec.program.to_string(),
            arguments: spec.arguments.clone(),
            environment: spec.environment.clone(),
            stop_signal: match spec.stop_signal {
                Signal::Int => 2,
                Signal::Term | Signal::Hup | Signal::Kill => 15,
            },
            stop_timeout_ms: u64::try_from(spec.stop_timeout.as_millis()).unwrap_or(u64::MAX),
            log_file: spec.log_file.to_string(),
            directories: spec.directories.iter().map(ToString::to_string).collect(),
            restart: spec.restart,
            ..Self::default()
        }
    }

    pub(super) fn spec(&self) -> ServiceSpec {
        ServiceSpec {
            name: self.name.clone(),
            description: self.description.clone(),
            user: self.user.clone(),
            program: self.program.clone().into(),
            arguments: self.arguments.clone(),
            environment: self.environment.clone(),
            stop_signal: if self.stop_signal == 2 { Signal::Int } else { Signal::Term },
            stop_timeout: Duration::from_millis(self.stop_timeout_ms),
            log_file: self.log_file.clone().into(),
            directories: self.directories.iter().map(Into::into).collect(),
            restart: self.restart,
        }
    }
}
