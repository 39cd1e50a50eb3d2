//! What somebody else does. Who has typed `kwbase node decommission` without `--wait=none` and left it running
//! flags its node again and again, and so undoes a recommission.

use std::{sync::Arc, time::Duration};

use bellows_doubles::kwdb::{NodeId, Request};

use super::{
    super::{
        machine::Machine,
        process::{Birth, Kind, Process},
    },
    Model, installed,
    state::State,
};

/// The deed: somebody waits for whatever is decommissioned next.
pub const WAITS: &str = "waits";
/// The deed, with an address: somebody has decommissioned the node there.
pub const DECOMMISSIONS: &str = "decommissions";

/// Between two of its turns, when nothing moves.
const TURN: Duration = Duration::from_secs(5);
/// Then whoever has typed it ends it.
const PATIENCE: Duration = Duration::from_secs(45);

impl State {
    /// A node that is flagged and has not left, and a member's host where somebody may sit.
    fn flagged_node(&self) -> Option<(NodeId, Arc<Machine>)> {
        let in_cluster = |node: &NodeId| self.homes.get(node).is_some_and(|home| !home.gone);
        let flagged = self
            .cluster
            .nodes
            .values()
            .find(|node| node.decommissioning && node.up && in_cluster(&node.id))?;
        let member = self.servers.iter().find(|server| {
            let other = |node: NodeId| node != flagged.id && in_cluster(&node);
            server.node.is_some_and(other) && server.process.is_alive()
        })?;
        Some((flagged.id, member.machine.clone()))
    }
}

impl Model {
    /// Flags the node at this address.
    pub(super) fn decommission_by_hand(&self, address: &str) -> bool {
        let mut state = self.state();
        let Some((now, at)) = state
            .servers
            .first()
            .and_then(|server| Some((server.machine.world().now_ms(), server.node?)))
        else {
            return false;
        };
        state.go_on(now);
        let mut nodes = state.cluster.nodes.values().rev();
        let Some(node) = nodes.find(|node| node.address == address).map(|node| node.id) else {
            return false;
        };
        let request = Request::Decommission { nodes: vec![node], on: true };
        state.cluster.serve(at, &request, now).is_some()
    }

    /// Somebody waits for what is decommissioned now, or for what comes next.
    pub(super) fn waits_from_now(&self) {
        self.state().waits = true;
        self.somebody_waits();
    }

    /// If somebody is to wait and there is something to wait for, they do from now on.
    pub(super) fn somebody_waits(&self) {
        let found = {
            let mut state = self.state();
            if !state.waits {
                return;
            }
            let found = state.flagged_node();
            state.waits = found.is_none();
            found
        };
        let Some((node, machine)) = found else { return };
        let words = ["node", "decommission", &node.to_string(), "--insecure", "--host=127.0.0.1"];
        let mut command = vec![installed::PROGRAM.to_owned()];
        command.extend(words.map(str::to_owned));
        let process = machine.spawn(Kind::Tool, Birth { command, ..Birth::default() });
        machine.world().tell(|| format!("{}: somebody waits for node {node}", machine.name));
        tokio::spawn(self.clone().wait(machine, process, node));
    }

    async fn wait(self, machine: Arc<Machine>, process: Arc<Process>, node: NodeId) {
        let turns = async {
            while self.turn(&machine, node) {
                machine.sleep(TURN).await;
            }
        };
        tokio::select! {
            biased;
            () = process.died() => {}
            () = machine.sleep(PATIENCE) => {}
            () = turns => {}
        }
        machine.world().tell(|| format!("{}: nobody waits any more", machine.name));
        machine.exited(process.id);
    }

    /// `false`: there is nothing left to wait for.
    fn turn(&self, machine: &Machine, node: NodeId) -> bool {
        let now = machine.world().now_ms();
        let mut state = self.state();
        state.go_on(now);
        let own = |server: &&super::state::Server| server.machine.name == machine.name;
        let Some(at) = state.servers.iter().find(own).and_then(|server| server.node) else {
            return false;
        };
        // Whatever is answered.
        state.cluster.serve(at, &Request::Decommission { nodes: vec![node], on: true }, now);
        state.cluster.replicas(node) > 0
    }
}
