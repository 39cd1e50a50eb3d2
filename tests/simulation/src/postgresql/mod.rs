//! PostgreSQL 15 with repmgr 5.3 as a model of tools and servers.
//!
//! It follows the facts page of repmgr (part A), the heads of the agent's own tool modules, and the
//! outputs recorded there. In particular: `initdb` and `standby clone` are not atomic and leave what
//! they had made when they are killed; a clone leaves its slot; exit status 1 stands for nearly every
//! refusal of repmgr, and its words tell which; `standby register` refuses a record that is there;
//! `standby unregister` runs at any live node and leaves the slot; a slot in use cannot be dropped; a
//! server reads `pg_hba.conf` at its start and on HUP; `standby promote` and `standby follow` change
//! the server first and the records later, and refuse what they find done; a paused repmgrd that finds
//! no primary ends (always here; really when its old one comes back as a standby meanwhile). It leaves
//! out: lag (a standby that streams has everything), WAL (only places in it), and repmgrd's own failover, which
//! is an order of the driver.

mod data;
pub mod pgpool;
mod psql;
mod repmgr;
mod role;
mod server;
mod state;
mod truth;

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

/// Folder of the programs.
const BIN: &str = "/usr/lib/postgresql/15/bin";
const PROGRAMS: &[&str] =
    &["initdb", "postgres", "psql", "pg_controldata", "pg_basebackup", "repmgr", "repmgrd"];
const OS_USER: &str = "postgres";
const VERSION: &str = "15.20 (Debian 15.20-0+deb12u1)";

/// The model: all servers of all hosts.
#[derive(Clone, Default)]
pub struct Model {
    state: Arc<Mutex<State>>,
}

impl Model {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn run_tool(self, call: Call) -> Ending {
        if call.arguments.iter().any(|word| word == "--version") {
            let text = match call.name() {
                "repmgr" => "repmgr 5.3.3\n".to_owned(),
                name => format!("{name} (PostgreSQL) {VERSION}\n"),
            };
            return Ending::good(text);
        }
        if matches!(call.name(), "initdb" | "repmgr") && call.user != OS_USER {
            return Ending::bad(1, "cannot be run as root\n");
        }
        if pgpool::is_one(call.name()).is_some() {
            return self.pgpool(&call).await;
        }
        match call.name() {
            "initdb" => self.initdb(&call).await,
            "pg_controldata" => self.pg_controldata(&call),
            "psql" => self.psql(&call).await,
            "repmgr" => self.repmgr(&call).await,
            _ => Ending::bad(127, "not modelled\n"),
        }
    }
}

impl Tools for Model {
    fn files(&self, _: &str) -> Vec<Installed> {
        let program = |path: String| Installed {
            path: path.into(),
            bytes: b"program".to_vec(),
            mode: 0o755,
            owner: "root",
        };
        let mut files: Vec<_> =
            PROGRAMS.iter().map(|name| program(format!("{BIN}/{name}"))).collect();
        files.push(program("/usr/bin/getconf".to_owned()));
        files.extend(pgpool::files());
        files.push(Installed {
            path: "/etc/bellows/repmgr.pgpass".into(),
            bytes: b"*:*:*:repmgr:simulated-password\n".to_vec(),
            mode: 0o600,
            owner: OS_USER,
        });
        files
    }

    fn users(&self) -> Vec<(&'static str, u32)> {
        vec![(OS_USER, 26)]
    }

    fn standing(&self, _: &Machine) -> Vec<Standing> {
        Vec::new()
    }

    fn changes(&self, call: &Call) -> bool {
        if call.arguments.iter().any(|word| word == "--version") {
            return false;
        }
        if let Some(changes) = pgpool::is_one(call.name()) {
            return changes;
        }
        match call.name() {
            "initdb" | "repmgr" => true,
            // It writes what would be written anyhow.
            "psql" if call.stdin == psql::CHECKPOINT.as_bytes() => false,
            "psql" => !call
                .environment
                .get("PGOPTIONS")
                .is_some_and(|options| options.contains("default_transaction_read_only=on")),
            _ => false,
        }
    }

    fn run(&self, call: Call) -> BoxFuture<'static, Ending> {
        Box::pin(self.clone().run_tool(call))
    }

    fn serve(&self, call: Call) -> BoxFuture<'static, ()> {
        let model = self.clone();
        Box::pin(async move {
            match call.name() {
                "postgres" => model.postgres(&call).await,
                "repmgrd" => model.repmgrd(&call).await,
                _ => {}
            }
        })
    }

    fn ended(&self, machine: &Arc<Machine>, process: &Arc<Process>, in_order: bool) {
        let lost = self.state().server_ended(machine, process.id, in_order);
        for (machine, repmgrd) in lost {
            machine.exited(repmgrd);
        }
    }

    fn reloaded(&self, machine: &Arc<Machine>, process: &Arc<Process>) {
        self.state().load_hba(machine, process.id);
    }

    fn crash(&self) -> Option<Arc<Machine>> {
        self.crash_now()
    }

    fn listening(&self, machine: &Machine) -> Vec<(Ipv4Addr, u16)> {
        self.state().listening(&machine.name)
    }
}

impl listed::Model for Model {
    fn insert(&self) -> Option<u64> {
        self.state().insert()
    }

    fn missing(&self) -> Vec<String> {
        self.state().missing()
    }

    fn fail_over(&self) -> bool {
        self.fail_over_now()
    }

    fn meddle(&self, _: &str) -> bool {
        false
    }

    fn describe(&self) -> BTreeMap<String, String> {
        self.state().describe()
    }

    fn violations(&self) -> Vec<String> {
        self.state().violations()
    }
}

/// `--name=value` among arguments.
fn option<'a>(call: &'a Call, name: &str) -> Option<&'a str> {
    call.arguments.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
}

/// `key = value` in a configuration file; quotes taken off.
fn setting(text: &str, key: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let (name, value) = line.split_once('=')?;
        (name.trim() == key).then(|| value.trim().trim_matches('\'').to_owned())
    })
}

/// `key=value` in a connection string.
fn conninfo(text: &str, key: &str) -> Option<String> {
    text.split(' ').find_map(|word| Some(word.strip_prefix(key)?.strip_prefix('=')?.to_owned()))
}
