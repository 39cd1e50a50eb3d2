//! `kwbase` as a command that asks a node and ends: the double's own command line, over the simulated network.

use std::{sync::Arc, time::Duration};

use bellows_doubles::kwdb::{
    NodeId, Request, Response,
    cli::{self, Answer, Connection, Invocation, Turn, Wire},
};
use camino::Utf8Path;

use super::{
    super::{
        machine::Machine,
        tools::{Call, Ending},
    },
    Model, certificates,
    state::{State, endpoint},
};

/// Until a command has begun, and until an answer is there.
const ROUND_TRIP: Duration = Duration::from_millis(20);
/// Fewer members than this have no room for three replicas.
const LEAST: usize = 3;

/// One command's way to the nodes.
struct Dial<'a> {
    state: &'a mut State,
    from: &'a Arc<Machine>,
    now: i64,
    /// Who was asked to end.
    ends: Option<NodeId>,
}

impl Wire for Dial<'_> {
    fn ask(&mut self, connection: &Connection, request: &Request) -> Answer {
        self.state.go_on(self.now);
        let dialled = &connection.address;
        let refused =
            || Answer::Refused(format!("dial tcp {dialled}: connect: connection refused"));
        let Some(to) = endpoint(dialled) else { return refused() };
        if self.state.is_unreachable(self.from, to.0) {
            return Answer::Unreachable(format!("dial tcp {dialled}: i/o timeout"));
        }
        let Some(server) = self.state.dialled(self.from, to) else { return refused() };
        let node = server.node;
        let cut = server.machine.world().is_cut(&server.machine.name);
        if !connection.insecure
            && !certificates::loads(self.from, Utf8Path::new(&connection.certs_dir))
        {
            return Answer::Certificates("problem using security settings".to_owned());
        }
        match (self.state.cluster.secure, connection.insecure) {
            (true, true) => return Answer::SecureServer("EOF".to_owned()),
            (false, false) => return Answer::InsecureServer("no TLS handshake".to_owned()),
            (true, false) | (false, true) => {}
        }
        // One that is not in yet, or alone behind a cut, says nothing.
        let Some(node) = node.filter(|_| !cut) else { return Answer::Silent };
        let answer = self.state.cluster.serve(node, request, self.now);
        match (request, &answer) {
            (Request::Shutdown, Some(_)) => self.ends = Some(node),
            (Request::Decommission { nodes, on: true }, Some(Response::Decommission(_))) => {
                self.state.flagged(nodes);
            }
            _ => {}
        }
        answer.map_or(Answer::Silent, Answer::Response)
    }
}

impl State {
    /// Some nodes were flagged.
    fn flagged(&mut self, nodes: &[NodeId]) {
        let stays = |node: &NodeId| {
            !nodes.contains(node)
                && self.cluster.nodes.get(node).is_some_and(|known| !known.decommissioning)
                && self.homes.get(node).is_none_or(|home| !home.gone)
        };
        let stay = self.cluster.nodes.keys().filter(|node| stays(node)).count();
        if stay < LEAST {
            self.wrong.push(format!("nodes {nodes:?} were flagged, and {stay} stay"));
        }
    }
}

impl Model {
    /// A command that ends by itself, or never.
    pub(super) async fn command(&self, call: &Call) -> Ending {
        call.machine.sleep(ROUND_TRIP).await;
        let now = || call.machine.world().now_ms();
        let invocation =
            Invocation { argv: call.arguments.clone(), env: call.environment.clone(), tty: false };
        let mut client = {
            let state = self.state();
            cli::begin(&invocation, &state.cluster.knobs, now())
        };
        let status = loop {
            let (turn, ends) = {
                let mut state = self.state();
                let mut dial =
                    Dial { state: &mut state, from: &call.machine, now: now(), ends: None };
                let turn = client.step(&mut dial, now());
                (turn, dial.ends)
            };
            if let Some(node) = ends {
                self.end_server(node);
            }
            if is_decommission(call) {
                self.somebody_waits();
            }
            match turn {
                Turn::Ended { status } => break status,
                Turn::Again { at_ms } => {
                    let pause = u64::try_from(at_ms - now()).unwrap_or(0);
                    call.machine.sleep(Duration::from_millis(pause)).await;
                }
            }
        };
        Ending { status, stdout: client.stdout.into_bytes(), stderr: client.stderr.into_bytes() }
    }

    /// The process of a node ends in order, because it was asked to.
    fn end_server(&self, node: NodeId) {
        let server = self.state().servers.iter().find(|server| server.node == Some(node)).cloned();
        let Some(server) = server else { return };
        let now = server.machine.world().now_ms();
        self.state().ended(&server.machine.name, server.process.id, now);
        server.machine.exited(server.process.id);
    }
}

/// Whether a run sets the flag.
pub(super) fn is_decommission(call: &Call) -> bool {
    words(call) == ["node", "decommission"]
}

/// The first two words.
fn words(call: &Call) -> Vec<&str> {
    call.arguments.iter().take(2).map(String::as_str).collect()
}

/// Whether a run may change the cluster.
pub(super) fn changes(call: &Call) -> bool {
    match words(call).as_slice() {
        ["node", verb, ..] => matches!(*verb, "decommission" | "recommission" | "drain"),
        ["quit" | "init", ..] => true,
        ["sql", ..] => {
            let reads = |word: &str| {
                let word = word.trim_start().to_ascii_uppercase();
                word.starts_with("SELECT") || word.starts_with("SHOW")
            };
            !statements(call).iter().all(|statement| reads(statement))
        }
        _ => false,
    }
}

/// What `sql` is to execute.
fn statements(call: &Call) -> Vec<&str> {
    let words: Vec<&str> = call.arguments.iter().map(String::as_str).collect();
    let after = words.windows(2).filter_map(|pair| match pair {
        ["-e" | "--execute", statement] => Some(*statement),
        _ => None,
    });
    let joined = words.iter().filter_map(|word| word.strip_prefix("--execute="));
    after.chain(joined).collect()
}
