//! BookKeeper as a model of tools and servers: metadata, ledgers and their copies as data ([`cluster`]), with the
//! simulation's processes, disks and network under it. It follows `tests/bookkeeper/README.md`.
//!
//! Three bookies were installed by somebody else and run; two hosts more have the package. ZooKeeper is a
//! thing of its own that never fails; a host that is cut off does not reach it. A store is what lies on its host's disk.
//! It leaves out: what racks do, TLS, the journal's replay, disks that fill up, garbage collection.

mod auditor;
pub mod cluster;
mod conf;
mod cookies;
pub mod copying;
mod http;
mod installed;
pub mod ledger;
mod server;
mod shell;
mod shell_copies;
mod state;
#[cfg(test)]
mod tests;
mod truth;
pub mod writer;
pub mod zookeeper;

use std::{
    collections::BTreeMap,
    net::Ipv4Addr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bellows_agent::host::{HttpError, HttpReply};
use futures::future::BoxFuture;

use super::{
    listed,
    machine::Machine,
    process::Process,
    tools::{Call, Ending, HttpCall, Installed, Standing, Tools},
};
pub use installed::CONF;
use state::State;
pub use truth::{EXPIRES, OFF, SOLE};

/// The model: all bookies of all hosts.
#[derive(Clone)]
pub struct Model {
    state: Arc<Mutex<State>>,
}

impl Default for Model {
    fn default() -> Self {
        Self { state: Arc::new(Mutex::new(State::new())) }
    }
}

impl Model {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn run_tool(self, call: Call) -> Ending {
        let first = call.arguments.first().map(String::as_str);
        match (call.program == installed::PROGRAM, first) {
            (true, Some("shell")) => self.shell(&call).await,
            (true, Some(zookeeper::MAIN)) => self.zookeeper(&call).await,
            _ => Ending::bad(127, "not modelled\n"),
        }
    }
}

impl Tools for Model {
    fn files(&self, host: &str) -> Vec<Installed> {
        installed::files(host)
    }

    fn users(&self) -> Vec<(&'static str, u32)> {
        vec![(installed::USER, installed::USER_ID)]
    }

    fn standing(&self, machine: &Machine) -> Vec<Standing> {
        installed::standing(machine)
    }

    fn changes(&self, call: &Call) -> bool {
        match call.arguments.first().map(String::as_str) {
            Some(zookeeper::MAIN) => zookeeper::changes(call),
            _ => shell::changes(call),
        }
    }

    /// An audit is asked for twice and ends later; `recover` passes over what it cannot move.
    fn is_whole(&self, call: &Call) -> bool {
        let asks = |word: &String| word.ends_with("/trigger_audit");
        !call.arguments.iter().any(|word| word == "recover" || asks(word))
    }

    fn run(&self, call: Call) -> BoxFuture<'static, Ending> {
        Box::pin(self.clone().run_tool(call))
    }

    fn serve(&self, call: Call) -> BoxFuture<'static, ()> {
        let model = self.clone();
        Box::pin(async move {
            if let Some(conf) = server::conf_file(&call) {
                model.start(&call, &conf).await;
            }
        })
    }

    fn http(&self, call: HttpCall) -> BoxFuture<'static, Result<HttpReply, HttpError>> {
        let model = self.clone();
        Box::pin(async move { model.exchange(call).await })
    }

    /// The script becomes Java.
    fn command_line(&self, process: &Process) -> Vec<String> {
        let born = &process.birth;
        let words: Vec<&str> = born.command.iter().map(String::as_str).collect();
        match (words.as_slice(), born.environment.get("BOOKIE_CONF")) {
            ([installed::PROGRAM, "bookie", ..], Some(conf)) => {
                let mut command = vec![installed::JAVA.to_owned()];
                command.extend(installed::words(conf));
                command
            }
            _ => born.command.clone(),
        }
    }

    fn ended(&self, machine: &Arc<Machine>, process: &Arc<Process>, in_order: bool) {
        let now = machine.world().now_ms();
        self.state().ended(&machine.name, process.id, in_order, now);
    }

    fn reloaded(&self, _: &Arc<Machine>, _: &Arc<Process>) {}

    fn crash(&self) -> Option<Arc<Machine>> {
        self.crash_now()
    }

    fn listening(&self, machine: &Machine) -> Vec<(Ipv4Addr, u16)> {
        let (state, now) = (self.state(), machine.world().now_ms());
        let here = state.running.iter().filter(|server| server.machine.name == machine.name);
        here.flat_map(|server| server.listens(now, &state.cluster)).collect()
    }
}

impl listed::Model for Model {
    fn insert(&self) -> Option<u64> {
        self.insert_now()
    }

    fn missing(&self) -> Vec<String> {
        self.missing_now()
    }

    fn fail_over(&self) -> bool {
        self.moves_by_itself();
        true
    }

    fn meddle(&self, deed: &str) -> bool {
        self.meddle_now(deed)
    }

    fn describe(&self) -> BTreeMap<String, String> {
        self.describe_now()
    }

    fn violations(&self) -> Vec<String> {
        self.violations_now()
    }
}
