//! What is true of the model, whatever its tools say.

use std::{collections::BTreeMap, sync::Arc};

use super::{super::machine::Machine, Model, state::State};

impl State {
    /// Acknowledged rows that a running member has not.
    pub(super) fn missing(&mut self) -> Vec<String> {
        self.replicate();
        let mut missing = Vec::new();
        let anybody = self.instances.values().any(|i| i.whole && i.content.rows > 0);
        for ((host, data), instance) in &self.instances {
            if instance.ready().is_none() {
                continue;
            }
            // A standby of a primary that is gone is behind through no fault of anybody here.
            let orphan = instance
                .upstream
                .as_ref()
                .is_some_and(|upstream| self.serving(upstream.address, upstream.port).is_none());
            if orphan {
                continue;
            }
            let lost = self.acknowledged.saturating_sub(instance.content.rows);
            if lost > 0 && anybody {
                missing.push(format!("{lost} acknowledged rows are not at {host} in {data}"));
            }
        }
        missing
    }

    pub(super) fn describe(&mut self) -> BTreeMap<String, String> {
        self.replicate();
        let mut told = BTreeMap::new();
        for (place, instance) in &self.instances {
            let (host, data) = place;
            let key = |what: &str| format!("{host}:{data} {what}");
            let role = if instance.upstream.is_some() { "standby" } else { "primary" };
            let runs = if instance.ready().is_some() { "running" } else { "stopped" };
            told.insert(key("is"), format!("{role}, {runs}, whole {}", instance.whole));
            let streams = self.streams_from(place);
            let from = streams.map(|(host, _)| host).unwrap_or_default();
            told.insert(key("streams from"), from);
            if instance.paused {
                told.insert(key("repmgrd"), "paused".to_owned());
            }
            let content = &instance.content;
            told.insert(key("objects"), format!("{:?} {}", content.roles, content.has_database));
            for (id, row) in &content.nodes {
                let row = format!(
                    "{} {} up {:?} active {}",
                    row.name, row.kind, row.upstream, row.active
                );
                told.insert(key(&format!("node {id}")), row);
            }
            for slot in &instance.slots {
                let active = self.is_active(place, slot);
                told.insert(key(&format!("slot {slot}")), format!("active {active}"));
            }
        }
        for ((host, port), pool) in &self.pools {
            told.insert(format!("{host}: front {port}"), pool.told());
        }
        for ((host, config), process) in &self.repmgrds {
            if process.is_alive() {
                told.insert(format!("{host}:{config} repmgrd"), "running".to_owned());
            }
        }
        told
    }

    pub(super) fn violations(&mut self) -> Vec<String> {
        self.replicate();
        self.wrong.clone()
    }
}

impl Model {
    /// The primary's server dies.
    pub(super) fn crash_now(&self) -> Option<Arc<Machine>> {
        let (machine, id) = {
            let state = self.state();
            let instance = state.instances.get(&state.primary()?)?;
            (instance.machine.clone(), instance.running()?.process.id)
        };
        machine.kill(id);
        Some(machine)
    }

    /// The primary's server dies, a standby that streams takes its place, the others follow it.
    pub(super) fn fail_over_now(&self) -> bool {
        let (old, new) = {
            let mut state = self.state();
            state.replicate();
            let Some(old) = state.primary() else { return false };
            let follows = |place: &&(String, camino::Utf8PathBuf)| {
                state.streams_from(place).as_ref() == Some(&old)
                    && state.instances.get(*place).is_some_and(|i| {
                        i.content.nodes.values().any(|row| {
                            i.running().is_some_and(|s| (s.address, s.port) == row.conninfo)
                        })
                    })
            };
            let Some(new) = state.instances.keys().find(follows).cloned() else { return false };
            (old, new)
        };
        let server = self
            .state()
            .instances
            .get(&old)
            .and_then(|i| Some((i.machine.clone(), i.running()?.process.id)));
        if let Some((machine, id)) = server {
            machine.kill(id);
        }
        let mut state = self.state();
        let Some(at) =
            state.instances.get(&new).and_then(|i| i.running().map(|s| (s.address, s.port)))
        else {
            return false;
        };
        let machine = state.instances.get(&new).map(|instance| instance.machine.clone());
        if let Some(machine) = machine {
            machine.disk(|disk| disk.remove(&new.1.join("standby.signal")));
        }
        let places: Vec<_> = state.instances.keys().cloned().collect();
        let mut slots = Vec::new();
        for place in places {
            let Some(instance) = state.instances.get_mut(&place) else { continue };
            if place == new {
                instance.promoted();
            } else if place != old
                && instance.running().is_some()
                && let Some(upstream) = &mut instance.upstream
            {
                (upstream.address, upstream.port) = at;
                slots.push(upstream.slot.clone());
            }
        }
        if let Some(instance) = state.instances.get_mut(&old) {
            instance.retired = true;
        }
        if let Some(instance) = state.instances.get_mut(&new) {
            instance.slots.extend(slots);
            let nodes = &mut instance.content.nodes;
            let promoted = nodes.iter().find(|(_, row)| row.conninfo == at).map(|(id, _)| *id);
            for (id, row) in nodes.iter_mut() {
                if Some(*id) == promoted {
                    (row.kind, row.upstream) = ("primary", None);
                } else if row.kind == "primary" {
                    row.active = false;
                } else {
                    row.upstream = promoted;
                }
            }
        }
        state.replicate();
        true
    }
}
