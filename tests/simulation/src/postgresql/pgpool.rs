//! Pgpool-II in front of the servers: its PCP commands and its restart.
//!
//! In particular: the exit status says nothing; what is new is read by a reload and is down then, what
//! is gone only by a restart; states are kept by number over a restart; a role that moves is not
//! noticed before a node is detached. It leaves out its clients, and its own end: it runs on every
//! host, whatever becomes of that.

use std::{collections::BTreeSet, fmt::Write as _, net::Ipv4Addr, time::Duration};

use camino::Utf8Path;

use super::{
    super::{
        machine::Machine,
        tools::{Call, Ending, Installed},
    },
    Model,
    state::State,
};

const ROUND_TRIP: Duration = Duration::from_millis(30);
const RESTART: Duration = Duration::from_millis(600);
/// Each is one Pgpool-II: the port of its PCP, its name, and how many members it begins with.
const POOLS: [(u16, &str, u8); 2] = [(9898, "two", 2), (9899, "three", 3)];
const RESTARTS: &str = "pgpool-restart";

type Endpoint = (String, u16);

/// One Pgpool-II.
#[derive(Debug, Clone, Default)]
pub(super) struct Pool {
    rows: Vec<Endpoint>,
    down: BTreeSet<usize>,
    primary: Option<usize>,
}

impl Pool {
    /// As readers of the truth see it, in no order.
    pub(super) fn told(&self) -> String {
        let mut all: Vec<String> = self
            .rows
            .iter()
            .enumerate()
            .map(|(number, (host, _))| {
                let role = if self.primary == Some(number) { " primary" } else { "" };
                let down = if self.down.contains(&number) { " down" } else { "" };
                format!("{host}{role}{down}")
            })
            .collect();
        all.sort();
        all.join(", ")
    }
}

/// Its part of `agent.toml`.
pub fn declarations() -> String {
    let one = |(port, name, _): &(u16, &str, u8)| {
        format!(
            "[[systems.postgresql.fronts]]\nname = \"{name}\"\ncluster = \"orders\"\nkind = \"pgpool\"\n\
             config = \"/etc/pgpool2/{name}.conf\"\npcp_port = {port}\n\
             restart = [\"/usr/sbin/{RESTARTS}\", \"{name}\"]\n"
        )
    };
    POOLS.iter().map(one).collect()
}

/// Its programs and files.
pub(super) fn files() -> Vec<Installed> {
    let installed = |path: String, bytes: Vec<u8>, mode| Installed {
        path: path.into(),
        bytes,
        mode,
        owner: "root",
    };
    let conf = |(_, name, members): &(u16, &str, u8)| {
        let rows = (0..*members).map(|number| {
            let host = number + 1;
            format!(
                "backend_hostname{number} = '10.0.0.{host}'\nbackend_port{number} = 5432\n\
                 backend_weight{number} = 1\n"
            )
        });
        let text = format!("port = 9999\n{}", rows.collect::<String>());
        installed(format!("/etc/pgpool2/{name}.conf"), text.into_bytes(), 0o640)
    };
    let commands =
        ["pcp_node_info", "pcp_attach_node", "pcp_detach_node", "pcp_reload_config", RESTARTS];
    let program = |name: &&str| installed(format!("/usr/sbin/{name}"), b"program".to_vec(), 0o755);
    commands.iter().map(program).chain(POOLS.iter().map(conf)).collect()
}

/// Whether this is a program of it; and whether it changes something.
pub(super) fn is_one(name: &str) -> Option<bool> {
    match name {
        "pcp_node_info" => Some(false),
        "pcp_attach_node" | "pcp_detach_node" | "pcp_reload_config" | RESTARTS => Some(true),
        _ => None,
    }
}

/// The word after an option.
fn after<'a>(call: &'a Call, option: &str) -> Option<&'a str> {
    let at = call.arguments.iter().position(|word| word == option)?;
    call.arguments.get(at + 1).map(String::as_str)
}

/// What its file lists now.
fn rows(machine: &Machine, name: &str) -> Vec<Endpoint> {
    let path = format!("/etc/pgpool2/{name}.conf");
    let bytes = machine.disk(|disk| disk.bytes(Utf8Path::new(&path)).map(<[u8]>::to_vec));
    let text = String::from_utf8(bytes.unwrap_or_default()).unwrap_or_default();
    bellows_agent::tools::pgpool::rows(&text).unwrap_or_default()
}

impl Model {
    pub(super) async fn pgpool(&self, call: &Call) -> Ending {
        let port = after(call, "-p").and_then(|port| port.parse::<u16>().ok());
        let restarts = call.name() == RESTARTS;
        let named = call.arguments.first().map(String::as_str);
        let known = POOLS.iter().find(|(pcp, name, _)| match restarts {
            true => named == Some(*name),
            false => port == Some(*pcp),
        });
        let Some((pcp, name, _)) = known else {
            return Ending::bad(
                1,
                "ERROR: connection to host failed with error \"Connection refused\"\n",
            );
        };
        call.machine.sleep(if restarts { RESTART } else { ROUND_TRIP }).await;
        let key = (call.machine.name.clone(), *pcp);
        let listed = rows(&call.machine, name);
        let number = after(call, "-n").and_then(|number| number.parse::<usize>().ok());
        let mut state = self.state();
        state.replicate();
        let mut pool = match state.pools.get(&key) {
            Some(pool) => pool.clone(),
            None => Pool { rows: listed.clone(), ..Pool::default() },
        };
        match (call.name(), number) {
            (RESTARTS, _) => {
                pool.rows = listed;
                let rows = pool.rows.len();
                // Its own first look: who does not answer is down.
                pool.down.retain(|number| *number < rows);
                pool.primary = None;
            }
            ("pcp_reload_config", _) if listed.starts_with(&pool.rows) => {
                pool.down.extend(pool.rows.len()..listed.len());
                pool.rows = listed;
            }
            ("pcp_attach_node", Some(number)) if state.runs(&pool, number) => {
                pool.down.remove(&number);
            }
            ("pcp_detach_node", Some(number)) if number < pool.rows.len() => {
                pool.down.insert(number);
                if pool.primary == Some(number) {
                    pool.primary = None;
                }
            }
            _ => {}
        }
        if pool.primary.is_none() {
            pool.primary = state.search(&pool);
        }
        let told = match call.name() {
            "pcp_node_info" => node_info(&pool),
            name => format!("{name} -- Command Successful\n"),
        };
        state.pools.insert(key, pool);
        Ending::good(told)
    }
}

fn node_info(pool: &Pool) -> String {
    let mut text = String::new();
    for (number, (host, port)) in pool.rows.iter().enumerate() {
        let status = if pool.down.contains(&number) { 3 } else { 2 };
        let role = if pool.primary == Some(number) { "primary" } else { "standby" };
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "Hostname               : {host}\nPort                   : {port}\n\
             Status                 : {status}\nRole                   : {role}\n"
        );
    }
    text
}

impl State {
    /// Whether the server of a row lets somebody in.
    fn runs(&self, pool: &Pool, number: usize) -> bool {
        self.behind(pool, number).is_some()
    }

    /// Whether the server of a row runs, and takes writes.
    fn behind(&self, pool: &Pool, number: usize) -> Option<bool> {
        let (host, port) = pool.rows.get(number)?;
        let address: Ipv4Addr = host.parse().ok()?;
        let (_, instance) = self.serving(address, *port)?;
        Some(instance.upstream.is_none())
    }

    /// The first that is up and takes writes.
    fn search(&self, pool: &Pool) -> Option<usize> {
        (0..pool.rows.len())
            .filter(|number| !pool.down.contains(number))
            .find(|number| self.behind(pool, *number) == Some(true))
    }
}
