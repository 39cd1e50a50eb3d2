//! The library against the samples and sentences of the facts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod library {
    mod commands;
    mod membership;
    mod model;
    mod statements;
}

use std::collections::BTreeMap;

use bellows_doubles::kwdb::cli::{Client, Invocation, LocalWire, Turn, begin};
use bellows_doubles::kwdb::{Cluster, Knobs, NodeId, StartArgs, StartMode, Store};

/// 2026-01-05 08:00:00 UTC.
pub(crate) const START: i64 = 1_767_600_000_000;

/// A cluster, a clock, and hands.
pub(crate) struct World {
    pub(crate) cluster: Cluster,
    pub(crate) now: i64,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) lost: Vec<NodeId>,
}

pub(crate) fn args(mode: StartMode, address: &str, join: &str) -> StartArgs {
    let argv = [
        mode.word(),
        "--insecure",
        "--store=/data",
        "--brpc-addr=:27257",
        "--listen-addr",
        address,
        "--join",
        join,
    ];
    let argv: Vec<String> = argv.iter().map(|word| (*word).to_owned()).collect();
    StartArgs::parse(&argv, &BTreeMap::new(), &Knobs::default()).unwrap()
}

impl World {
    /// A cluster of that many nodes at `10.0.0.N:26257`, up-replicated and calm.
    pub(crate) fn of(nodes: u32, mode: StartMode, knobs: Knobs) -> Self {
        let cluster =
            Cluster::new("6c1f6b4e-0000-4000-8000-000000000001", mode, false, knobs, START);
        let mut world = Self { cluster, now: START, env: BTreeMap::new(), lost: Vec::new() };
        for _ in 0..nodes {
            world.add();
        }
        world.pass(600_000);
        world
    }

    pub(crate) fn multi(nodes: u32) -> Self {
        Self::of(nodes, StartMode::Start, Knobs::default())
    }

    pub(crate) fn add(&mut self) -> (NodeId, Store) {
        let mut store = Store::default();
        let address = format!("10.0.0.{}:26257", self.cluster.next_node);
        let args = args(self.cluster.start_mode, &address, "10.0.0.1:26257");
        let joined = self.cluster.join(&mut store, &args, self.now).unwrap();
        (joined.node, store)
    }

    pub(crate) fn pass(&mut self, ms: i64) {
        self.now += ms;
        self.cluster.advance(self.now);
    }

    pub(crate) fn kill(&mut self, node: NodeId) {
        self.cluster.set_up(node, false, self.now);
    }

    pub(crate) fn step(&mut self, client: &mut Client) -> Turn {
        let lost = self.lost.clone();
        let mut wire = LocalWire {
            cluster: &mut self.cluster,
            now_ms: self.now,
            local: "10.0.0.1",
            reaches: &|node| !lost.contains(&node),
            certificates: &|_| false,
        };
        client.go(&mut wire, self.now)
    }

    pub(crate) fn begin(&self, line: &str) -> Client {
        let mut argv: Vec<String> = line.split('|').flat_map(words).collect();
        if !line.contains("--insecure") && !line.contains("--certs-dir") && self.env.is_empty() {
            argv.push("--insecure".to_owned());
        }
        begin(
            &Invocation { argv, env: self.env.clone(), tty: false },
            &self.cluster.knobs,
            self.now,
        )
    }

    /// Goes on until it ended, at most for an hour.
    pub(crate) fn run(&mut self, line: &str) -> (String, String, i32) {
        let mut client = self.begin(line);
        let end = self.now + 3_600_000;
        while self.now < end {
            match self.step(&mut client) {
                Turn::Ended { status } => return (client.stdout, client.stderr, status),
                Turn::Again { at_ms } => self.now = at_ms.max(self.now + 1),
            }
        }
        panic!("{line} never ends: {} {}", client.stdout, client.stderr);
    }

    pub(crate) fn out(&mut self, line: &str) -> String {
        let (out, err, status) = self.run(line);
        assert_eq!(status, 0, "{line}: {err}");
        out
    }

    pub(crate) fn sql(&mut self, statement: &str) -> String {
        self.out(&format!("sql --format=csv -e |'{statement}"))
    }

    pub(crate) fn count(&mut self, node: NodeId) -> u64 {
        let text = self.sql(&format!(
            "SELECT count(*) FROM kwdb_internal.ranges WHERE {node} = ANY(replicas)"
        ));
        text.lines().nth(1).unwrap().parse().unwrap()
    }

    /// Waits until a node's exact count is 0; `false` if it is not so within that time.
    pub(crate) fn empties(&mut self, node: NodeId, within_ms: i64) -> bool {
        let end = self.now + within_ms;
        while self.now < end {
            if self.cluster.replicas(node) == 0 {
                return true;
            }
            self.pass(1_000);
        }
        false
    }
}

/// A piece that begins with `'` is one word.
fn words(piece: &str) -> Vec<String> {
    match piece.strip_prefix('\'') {
        Some(whole) => vec![whole.to_owned()],
        None => piece.split_whitespace().map(str::to_owned).collect(),
    }
}
