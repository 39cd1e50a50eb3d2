//! `repmgr standby promote` and `standby follow`. Neither is one step: killed between two of them,
//! they leave what was done.

use std::time::Duration;

use super::{
    super::tools::{Call, Ending},
    Model,
    repmgr::{Conf, error, no_connection, slot},
    state::{Instance, Place, State},
};

/// Between the server's part and the records.
const BETWEEN: Duration = Duration::from_millis(200);

impl Model {
    pub(super) async fn standby_promote(&self, call: &Call, conf: &Conf) -> Ending {
        {
            let mut state = self.state();
            state.replicate();
            let place = match state.log_in(call.machine.address, conf.own.0, conf.own.1) {
                Ok(place) => place,
                Err(text) => return no_connection(text),
            };
            let standby = state.instances.get(&place).is_some_and(|i| i.upstream.is_some());
            if !standby {
                let text = "ERROR: STANDBY PROMOTE can only be executed on a standby node\n";
                return Ending::bad(8, text);
            }
            if state.primary().is_some() {
                let text = "ERROR: this replication cluster already has an active primary server\n";
                return Ending::bad(8, text);
            }
            state.take_over(&place);
            call.machine.disk(|disk| disk.remove(&place.1.join("standby.signal")));
            if let Some(instance) = state.instances.get_mut(&place) {
                instance.promoted();
            }
        }
        call.machine.sleep(BETWEEN).await;
        self.recorded(call, conf, |state, place| state.record_primary(place, conf.node_id))
    }

    pub(super) async fn standby_follow(&self, call: &Call, conf: &Conf) -> Ending {
        let id = super::option(call, "--upstream-node-id").and_then(|id| id.parse().ok());
        {
            let mut state = self.state();
            state.replicate();
            let place = match state.log_in(call.machine.address, conf.own.0, conf.own.1) {
                Ok(place) => place,
                Err(text) => return no_connection(text),
            };
            let row =
                |instance: &Instance| instance.content.nodes.get(&id?).map(|row| row.conninfo);
            let Some(at) = state.instances.get(&place).and_then(row) else {
                return error("unable to find record for intended upstream node");
            };
            let above = match state.log_in(call.machine.address, at.0, at.1) {
                Ok(above) => above,
                Err(text) => return no_connection(text),
            };
            let slot = slot(conf.node_id);
            if state.is_active(&above, &slot) {
                let text = format!("slot \"{slot}\" already exists as an active slot");
                return Ending::bad(23, format!("ERROR: {text}\n"));
            }
            if let Some(upstream) = state.instances.get_mut(&above) {
                upstream.slots.insert(slot);
            }
            if let Some(upstream) =
                state.instances.get_mut(&place).and_then(|i| i.upstream.as_mut())
            {
                (upstream.address, upstream.port) = at;
            }
            super::server::write_upstream(call, &state, &place);
            state.replicate();
        }
        call.machine.sleep(BETWEEN).await;
        self.recorded(call, conf, |state, _| {
            let primary = state.primary()?;
            let row = state.instances.get_mut(&primary)?.content.nodes.get_mut(&conf.node_id)?;
            row.upstream = id;
            Some(())
        })
    }

    /// Writes records, if the node's server still answers.
    fn recorded(
        &self,
        call: &Call,
        conf: &Conf,
        write: impl FnOnce(&mut State, &Place) -> Option<()>,
    ) -> Ending {
        let mut state = self.state();
        match state.log_in(call.machine.address, conf.own.0, conf.own.1) {
            Ok(place) => {
                let written = write(&mut state, &place);
                state.replicate();
                if written.is_some() { Ending::good("") } else { error("no record to update") }
            }
            Err(text) => no_connection(text),
        }
    }
}

impl State {
    /// Notes who was primary before and did not end in order: what it wrote last may be nowhere else.
    fn take_over(&mut self, place: &Place) {
        let Some(own) = self.instances.get(place).map(|i| i.system_identifier.clone()) else {
            return;
        };
        let ended = |instance: &Instance| instance.control == "shut down" || instance.retired;
        let open: Vec<String> = self
            .instances
            .iter()
            .filter(|(_, i)| i.system_identifier == own && i.upstream.is_none() && !ended(i))
            .map(|((host, _), _)| format!("{} was promoted before {host} ended in order", place.0))
            .collect();
        self.wrong.extend(open);
    }

    /// The node is the primary from now on, by its records.
    fn record_primary(&mut self, place: &Place, id: u32) -> Option<()> {
        let nodes = &mut self.instances.get_mut(place)?.content.nodes;
        for row in nodes.values_mut().filter(|row| row.kind == "primary") {
            row.active = false;
        }
        let own = nodes.get_mut(&id)?;
        (own.kind, own.upstream, own.active) = ("primary", None, true);
        Some(())
    }
}
