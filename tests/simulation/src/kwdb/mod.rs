//! KWDB as a model of tools and servers: the double (`bellows_doubles::kwdb`) is the cluster and the command line;
//! here are the processes, the disks and the network.
//!
//! One cluster of three members was installed by somebody else and runs; two hosts more have the package. A
//! store is what lies on its host's disk: one that is removed while a range has a replica there, or while its
//! server runs, is a wrong. A host that is cut off is so for the members too. It leaves out: `deploy.sh`,
//! containers, single-replica clusters, HTTP, TLS on the wire (certificates are looked at, not used).

mod certificates;
mod client;
mod installed;
mod server;
mod state;
#[cfg(test)]
mod tests;
mod truth;
pub mod waiter;

use std::{
    collections::BTreeMap,
    net::Ipv4Addr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::future::BoxFuture;

use super::{
    listed,
    machine::Machine,
    process::Process,
    tools::{Call, Ending, Installed, Standing, Tools},
};
use state::State;

/// The model: all nodes of all hosts.
#[derive(Clone)]
pub struct Model {
    state: Arc<Mutex<State>>,
    secure: bool,
}

impl Model {
    /// The installed cluster; `secure`: with certificates.
    pub fn new(secure: bool) -> Self {
        Self { state: Arc::new(Mutex::new(State::new(secure))), secure }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn run_tool(self, call: Call) -> Ending {
        if call.program != installed::PROGRAM {
            return Ending::bad(127, "not modelled\n");
        }
        match call.arguments.first().map(String::as_str) {
            Some("version") => Ending::good(installed::version()),
            Some("start" | "start-single-replica" | "start-single-node" | "cert") => {
                Ending::bad(127, "not modelled\n")
            }
            Some(_) | None => self.command(&call).await,
        }
    }
}

impl Tools for Model {
    fn files(&self, host: &str) -> Vec<Installed> {
        installed::files(host, self.secure)
    }

    fn users(&self) -> Vec<(&'static str, u32)> {
        vec![(installed::USER, installed::USER_ID)]
    }

    fn standing(&self, machine: &Machine) -> Vec<Standing> {
        installed::standing(machine, self.secure)
    }

    fn changes(&self, call: &Call) -> bool {
        client::changes(call)
    }

    fn run(&self, call: Call) -> BoxFuture<'static, Ending> {
        Box::pin(self.clone().run_tool(call))
    }

    fn serve(&self, call: Call) -> BoxFuture<'static, ()> {
        let model = self.clone();
        Box::pin(async move {
            if call.program == installed::PROGRAM {
                model.start(&call).await;
            }
        })
    }

    fn ended(&self, machine: &Arc<Machine>, process: &Arc<Process>, _: bool) {
        // A stop asks the node itself first, and its process then.
        let host = format!("--host={}:", machine.address);
        machine.world().made_good(|(_, words)| {
            words.first().is_some_and(|word| word == "quit")
                && words.iter().any(|word| word.starts_with(&host))
        });
        self.state().ended(&machine.name, process.id, machine.world().now_ms());
    }

    fn reloaded(&self, _: &Arc<Machine>, _: &Arc<Process>) {}

    fn crash(&self) -> Option<Arc<Machine>> {
        self.crash_now()
    }

    fn listening(&self, machine: &Machine) -> Vec<(Ipv4Addr, u16)> {
        let state = self.state();
        let here = state.servers.iter().filter(|server| server.machine.name == machine.name);
        here.flat_map(state::Server::listens).collect()
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
        self.waits_from_now();
        true
    }

    fn meddle(&self, deed: &str) -> bool {
        match deed.split_once(' ') {
            Some((waiter::DECOMMISSIONS, address)) => self.decommission_by_hand(address),
            _ if deed == waiter::WAITS => {
                self.waits_from_now();
                true
            }
            _ => false,
        }
    }

    fn describe(&self) -> BTreeMap<String, String> {
        self.describe_now()
    }

    fn violations(&self) -> Vec<String> {
        self.violations_now()
    }
}
