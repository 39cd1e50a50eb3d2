//! What tools may use of the host besides running programs: claims, managed files, services,
//! secrets. Everything durable goes through [`Host`]. Must not know jobs, the network or any
//! system.

use std::sync::Arc;

use bellows_proto::v1::Fault;
use camino::Utf8PathBuf;
use futures::future::BoxFuture;

use crate::{
    config::{Config, LaunchForm},
    exec::{Finished, Invocation},
    host::{Clock, Host, HttpError, HttpReply, HttpRequest},
};

pub mod claims;
pub mod fault;
pub mod managed;
pub mod record;
pub mod secrets;
pub mod services;
pub mod versions;

/// The host as tools see it. Cheap to clone.
#[derive(Clone)]
pub struct Local {
    /// The machine.
    pub host: Arc<dyn Host>,
    /// Time and chance.
    pub clock: Arc<dyn Clock>,
    /// `agent.toml`.
    pub config: Arc<Config>,
    /// How services are launched here.
    pub form: LaunchForm,
    /// The path of `bellows-agent`.
    pub own_program: Utf8PathBuf,
    /// Versions that tools printed.
    pub versions: Arc<versions::Versions>,
    /// What `sudo` was asked.
    pub sudo: Arc<services::Allowed>,
}

impl Local {
    /// The claims that this agent holds.
    pub fn claims(&self) -> claims::Claims<'_> {
        claims::Claims::new(self)
    }

    /// The files that Bellows renders.
    pub fn managed(&self) -> managed::ManagedFiles<'_> {
        managed::ManagedFiles::new(self)
    }
}

/// Runs programs for tools and facilities; a query's runs differ from a job's.
pub trait Runner: Send + Sync {
    /// The host as tools see it.
    fn local(&self) -> &Local;

    /// Runs a program to its end and returns whatever it ended with.
    ///
    /// # Errors
    /// If it is missing, cannot be started, is over its deadline, or is cancelled; with the
    /// command line and the end of standard error.
    fn run(&self, invocation: Invocation) -> BoxFuture<'_, Result<Finished, Fault>>;

    /// Runs a program as [`Runner::run`], leaving no trace in a job: for readings that are
    /// repeated while a tool runs. In a query it is the same as `run`.
    ///
    /// # Errors
    /// As [`Runner::run`].
    fn read(&self, invocation: Invocation) -> BoxFuture<'_, Result<Finished, Fault>>;

    /// One HTTP request to a server of this host. Any status is a reply. In a job a request that
    /// changes (PUT, DELETE) is recorded as a tool run is: `["PUT", "http://127.0.0.1:8080/..."]`.
    ///
    /// # Errors
    /// If there is no whole reply in time; an [`HttpError`] is a [`Fault`] by `?`.
    fn http(&self, request: HttpRequest) -> BoxFuture<'_, Result<HttpReply, HttpError>>;
}

/// The services of this host, started and stopped through `runner`.
pub fn services(runner: &dyn Runner) -> services::Services<'_> {
    services::Services::new(runner)
}
