//! What is true of the cluster, whatever its tools say.

use std::{collections::BTreeMap, sync::Arc};

use bellows_doubles::kwdb::{NodeId, Request, Response};

use super::{
    super::machine::Machine,
    Model,
    state::{Server, State},
};

const TABLE: &str = "defaultdb.acknowledged";
const REBALANCE: &str = "kv.allocator.ts_consider_rebalance.enabled";
/// Between two rows, milliseconds.
const WRITE_PAUSE_MS: i64 = 5000;
/// Until nothing moves any more, milliseconds.
const SETTLED_MS: i64 = 120_000;

impl State {
    /// A member that can be asked by anybody.
    fn member(&self) -> Option<NodeId> {
        let open = |server: &&Server| {
            server.process.is_alive() && !server.machine.world().is_cut(&server.machine.name)
        };
        self.servers.iter().filter(open).find_map(|server| server.node)
    }

    fn sql(&mut self, at: NodeId, statement: String, now: i64) -> Option<Response> {
        let request =
            Request::Sql { statement, user: "root".to_owned(), database: "defaultdb".to_owned() };
        self.cluster.serve(at, &request, now)
    }

    /// Whoever writes has something to write now and then: each row goes through the double's SQL.
    fn insert(&mut self) -> Option<u64> {
        let now = self.now()?;
        self.go_on(now);
        if now < self.written_ms + WRITE_PAUSE_MS {
            return None;
        }
        self.written_ms = now;
        let at = self.member()?;
        if !self.cluster.tables.contains_key(TABLE) {
            self.sql(at, format!("CREATE TABLE {TABLE} (row INT PRIMARY KEY)"), now);
        }
        let row = self.acknowledged + 1;
        match self.sql(at, format!("INSERT INTO {TABLE} VALUES ({row})"), now) {
            Some(Response::Tag(_)) => {
                self.acknowledged = row;
                Some(row)
            }
            Some(_) | None => None,
        }
    }

    fn now(&self) -> Option<i64> {
        self.servers.first().map(|server| server.machine.world().now_ms())
    }

    /// Ranges of which no majority is left, and rows that a member does not show.
    fn missing(&mut self) -> Vec<String> {
        let Some(now) = self.now() else { return vec!["no member runs any more".to_owned()] };
        self.go_on(now);
        let mut missing = Vec::new();
        for range in self.cluster.ranges.values() {
            let whole = |node: &&NodeId| self.homes.get(*node).is_none_or(|home| !home.gone);
            let left = range.replicas.iter().filter(whole).count();
            if left * 2 <= range.replicas.len() {
                let of = range.replicas.len();
                missing.push(format!("{left} of {of} replicas of {} are left", range.table));
            }
        }
        let Some(at) = self.member().filter(|_| self.acknowledged > 0) else { return missing };
        let wanted = self.acknowledged.to_string();
        let told = match self.sql(at, format!("SELECT count(*) FROM {TABLE}"), now) {
            Some(Response::Table(table)) => table.rows.into_iter().flatten().flatten().next(),
            Some(_) | None => None,
        };
        if told.as_deref() != Some(wanted.as_str()) {
            missing.push(format!("{wanted} rows were acknowledged, and {told:?} are there"));
        }
        missing
    }

    /// As it will be when nothing moves any more. Without ids: whoever is tried again gets another one.
    fn describe(&mut self) -> BTreeMap<String, String> {
        let mut told = BTreeMap::new();
        let Some(now) = self.now() else { return told };
        self.go_on(now);
        let mut settled = self.cluster.clone();
        for server in &self.servers {
            // Nothing stays cut off.
            if let Some(node) = server.node.filter(|_| server.process.is_alive()) {
                settled.set_up(node, true, now);
            }
        }
        settled.advance(now + SETTLED_MS);
        for node in settled.nodes.values() {
            if node.decommissioning && !settled.alive(node) {
                continue;
            }
            let flag = if node.decommissioning { "to leave" } else { "stays" };
            let lives = if settled.alive(node) { "lives" } else { "is dead" };
            let all: &mut String = told.entry(format!("member {}", node.address)).or_default();
            all.push_str(&format!("{lives}, {flag}; "));
        }
        for server in &self.servers {
            let words = format!("{:?}", server.process.birth.command);
            told.insert(format!("{} runs", server.machine.name), words);
        }
        let rebalance = settled.setting(REBALANCE).unwrap_or_default().to_owned();
        told.insert(REBALANCE.to_owned(), rebalance);
        let short = settled.ranges.values().filter(|range| settled.underreplicated(range)).count();
        told.insert("ranges with too few replicas".to_owned(), short.to_string());
        told
    }
}

impl Model {
    pub(super) fn insert_now(&self) -> Option<u64> {
        self.state().insert()
    }

    pub(super) fn missing_now(&self) -> Vec<String> {
        self.state().missing()
    }

    pub(super) fn describe_now(&self) -> BTreeMap<String, String> {
        self.state().describe()
    }

    pub(super) fn violations_now(&self) -> Vec<String> {
        self.state().wrong.clone()
    }

    /// The server with the lease of the first range dies.
    pub(super) fn crash_now(&self) -> Option<Arc<Machine>> {
        let (machine, process) = {
            let state = self.state();
            let lease = state.cluster.ranges.values().next()?.lease;
            let server = state.servers.iter().find(|server| server.node == Some(lease))?;
            (server.machine.clone(), server.process.id)
        };
        machine.kill(process);
        Some(machine)
    }
}
