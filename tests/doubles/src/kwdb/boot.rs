//! How a node starts and joins (facts section 5): `kwbase start`, `start-single-replica`, `start-single-node`.
//!
//! Unconfirmed: which of two refusals comes first when both apply.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Knobs;
use super::cli::flags::{self, Flag};
use super::cluster::{Cluster, Node, NodeId, StartMode};
use super::serve::Failure;

const FLAGS: &[Flag] = &[
    ("insecure", None, false),
    ("certs-dir", None, true),
    ("store", Some('s'), true),
    ("listen-addr", None, true),
    ("advertise-addr", None, true),
    ("http-addr", None, true),
    ("brpc-addr", None, true),
    ("join", Some('j'), true),
    ("background", None, false),
    ("locality", None, true),
    ("pid-file", None, true),
    ("listening-url-file", None, true),
    ("log-dir", None, true),
    ("tlcp", None, false),
    ("cluster-name", None, true),
    ("cache", None, true),
    ("max-sql-memory", None, true),
];

/// What a data directory remembers of a node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Store {
    /// The cluster that it belongs to.
    pub cluster: Option<String>,
    /// The node that it is.
    pub node: Option<NodeId>,
    /// `kwbase.start_mode`.
    pub start_mode: Option<StartMode>,
}

/// The words after `kwbase start`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartArgs {
    /// The subcommand.
    pub mode: StartMode,
    /// Without certificates.
    pub insecure: bool,
    /// Where the certificates are.
    pub certs_dir: String,
    /// The data directory.
    pub store: String,
    /// `host:port` of the listener; the host may be empty.
    pub listen: String,
    /// `host:port` that others reach it at.
    pub advertise: String,
    /// `host:port` of HTTP; the host may be empty.
    pub http: String,
    /// `host:port` of brpc; the host may be empty.
    pub brpc: String,
    /// The nodes that it asks to let it in.
    pub join: Vec<String>,
    /// Goes to the background when it listens.
    pub background: bool,
    /// `--locality`, if set.
    pub locality: Option<String>,
    /// Where the process's id is written.
    pub pid_file: Option<String>,
    /// Where the URL is written.
    pub url_file: Option<String>,
    /// Where the log goes; below the store if not set.
    pub log_dir: Option<String>,
    /// The version of the program.
    pub version: String,
    /// What the store's disk can hold, in bytes.
    pub capacity_bytes: u64,
}

impl StartArgs {
    /// Reads the words, the subcommand first. `env` is what `KWBASE_*` is read from.
    ///
    /// # Errors
    /// What the real program refuses: unknown flags, no port for brpc, no `--join` where there must be one.
    pub fn parse(
        argv: &[String],
        env: &BTreeMap<String, String>,
        knobs: &Knobs,
    ) -> Result<Self, Failure> {
        let mode = argv.first().and_then(|word| StartMode::of(word));
        let mode = mode.ok_or_else(|| Failure::plain("unknown command".to_owned()))?;
        let words = flags::split(argv.get(1..).unwrap_or_default(), &[FLAGS], knobs)?;
        if let Some(word) = words.positional.first() {
            return Err(Failure::plain(format!(
                "unknown command \"{word}\" for \"kwbase {}\"",
                mode.word()
            )));
        }
        let connection = flags::connection(&words, env)?;
        let brpc = words.last("brpc-addr").unwrap_or_default().to_owned();
        if brpc.rsplit_once(':').is_none_or(|(_, port)| port.is_empty()) {
            return Err(Failure::plain(
                "failed to start server: --brpc-addr's port not specified".to_owned(),
            ));
        }
        let listen = with_port(words.last("listen-addr").unwrap_or_default(), "26257");
        let advertise = words.last("advertise-addr").map_or_else(
            || listen.clone(),
            |text| {
                let port = listen.rsplit_once(':').map_or("26257", |(_, port)| port);
                with_port(text, port)
            },
        );
        let join: Vec<String> = words
            .all("join")
            .flat_map(|list| list.split(','))
            .map(str::trim)
            .filter(|address| !address.is_empty())
            .map(|address| with_port(address, "26257"))
            .collect();
        if join.is_empty() && mode != StartMode::StartSingleNode {
            return Err(Failure {
                hint: Some("Use 'kwbase start-single-node' for single-node clusters.".to_owned()),
                ..Failure::plain("no --join flags provided to 'kwbase start'".to_owned())
            });
        }
        let store = words.last("store").unwrap_or("kwbase-data");
        Ok(Self {
            mode,
            insecure: connection.insecure,
            certs_dir: connection.certs_dir,
            store: store.strip_prefix("path=").unwrap_or(store).to_owned(),
            listen,
            advertise,
            http: with_port(words.last("http-addr").unwrap_or_default(), "8080"),
            brpc,
            join,
            background: words.is_set("background"),
            locality: words.last("locality").map(str::to_owned),
            pid_file: words.last("pid-file").map(str::to_owned),
            url_file: words.last("listening-url-file").map(str::to_owned),
            log_dir: words.last("log-dir").map(str::to_owned),
            version: knobs.version.clone(),
            capacity_bytes: knobs.capacity_bytes,
        })
    }
}

fn with_port(text: &str, port: &str) -> String {
    match text.rsplit_once(':') {
        Some((host, "")) => format!("{host}:{port}"),
        Some(_) => text.to_owned(),
        None => format!("{text}:{port}"),
    }
}

/// A node that is in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joined {
    /// Its id.
    pub node: NodeId,
    /// What its start-up block says at `status:`.
    pub status: String,
}

impl Cluster {
    /// Lets a node in, or back in: what happens when a starting node reaches the cluster. `store` is changed as its data directory is.
    ///
    /// # Errors
    /// The text of a refusal; the process ends with 1. `None`: the cluster cannot answer now, the process goes on asking.
    pub fn join(
        &mut self,
        store: &mut Store,
        args: &StartArgs,
        now_ms: i64,
    ) -> Result<Joined, Option<String>> {
        self.advance(now_ms);
        self.fits(store, args).map_err(Some)?;
        // A quorum may come only with this very node, so a known one needs none.
        let known = store.node.filter(|id| self.nodes.contains_key(id));
        if known.is_none() && !self.nodes.is_empty() && !self.quorum() {
            return Err(None);
        }
        let first = self.nodes.is_empty();
        let id = known.unwrap_or(self.next_node);
        self.next_node = self.next_node.max(id + 1);
        let old = self.nodes.get(&id);
        let node = Node {
            id,
            address: args.advertise.clone(),
            build: args.version.clone(),
            locality: args.locality.clone().unwrap_or_else(|| format!("region=NODE{id}")),
            up: true,
            decommissioning: old.is_some_and(|old| old.decommissioning),
            draining: false,
            epoch: old.map_or(1, |old| old.epoch + 1),
            started_ms: now_ms,
            heartbeat_ms: old.map_or(now_ms, |old| old.heartbeat_ms),
            gossip_ms: now_ms,
            gossiped_replicas: old.map_or(0, |old| old.gossiped_replicas),
            gossiped_next_ms: now_ms,
            status: old.and_then(|old| old.status.clone()),
            status_next_ms: now_ms,
            capacity_bytes: args.capacity_bytes,
            other_bytes: old.map_or(0, |old| old.other_bytes),
        };
        self.nodes.insert(id, node);
        // A node of before whose file was lost keeps what it is.
        *store = Store {
            cluster: Some(self.id.clone()),
            node: Some(id),
            start_mode: Some(self.start_mode),
        };
        if first {
            self.place_new();
        }
        self.note(if known.is_some() { "node_restart" } else { "node_join" }, id);
        let status = match (first, known.is_some()) {
            (true, _) => "initialized new cluster",
            (_, true) => "restarted pre-existing node",
            (_, false) => "initialized new node, joined pre-existing cluster",
        };
        Ok(Joined { node: id, status: status.to_owned() })
    }

    /// Whether store and words fit this cluster.
    pub(crate) fn fits(&self, store: &Store, args: &StartArgs) -> Result<(), String> {
        if args.mode != self.start_mode {
            return Err(mode_refusal(args.mode, self.start_mode));
        }
        if let Some(cluster) = store.cluster.as_ref().filter(|cluster| **cluster != self.id) {
            return Err(format!(
                "node {} belongs to cluster \"{cluster}\" but is attempting to connect to a gossip network for cluster \"{}\"",
                store.node.unwrap_or_default(),
                self.id
            ));
        }
        Ok(())
    }

    /// A process ended, was killed, or cannot be reached (`up` false), or can be again.
    pub fn set_up(&mut self, node: NodeId, up: bool, now_ms: i64) {
        self.advance(now_ms);
        if let Some(node) = self.nodes.get_mut(&node) {
            node.up = up;
        }
    }
}

impl Store {
    /// Whether a data directory was made in another mode than is asked for now.
    ///
    /// # Errors
    /// The text of the refusal; the process ends with 1.
    pub fn allows(&self, mode: StartMode) -> Result<(), String> {
        match self.start_mode {
            Some(made) if made != mode => Err(mode_refusal(mode, made)),
            Some(_) | None => Ok(()),
        }
    }
}

fn mode_refusal(is: StartMode, should: StartMode) -> String {
    format!(
        "check start mode failed! Node start mode is {}, should be {}",
        is.word(),
        should.word()
    )
}
