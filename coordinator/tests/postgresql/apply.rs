//! What an action does to the model's hosts. Idempotent, as the agents' actions are.

use std::collections::BTreeSet;

use bellows_proto::v1::{
    Action, HostAction, NodeRef, PostgresqlAction, PostgresqlService, RepmgrNode, action,
    host_action, placement, postgresql_action::Kind,
};

use crate::world::{Data, Node, OPERATION, Service, World};

fn name(node: &Option<NodeRef>) -> &str {
    &node.as_ref().unwrap().node
}

impl World {
    /// The whole effect of an action at a host.
    pub fn apply(&mut self, host: &str, action: &Action) {
        match action.kind.as_ref().unwrap() {
            action::Kind::Host(action) => self.apply_host(host, action),
            action::Kind::Postgresql(action) => self.apply_postgresql(host, action),
            other => panic!("no plan for PostgreSQL has it: {other:?}"),
        }
    }

    fn apply_host(&mut self, host: &str, action: &HostAction) {
        let nodes = &mut self.host(host).nodes;
        match action.kind.as_ref().unwrap() {
            host_action::Kind::ClaimNode(claim) => {
                let Some(placement::System::Postgresql(place)) =
                    claim.placement.clone().unwrap().system
                else {
                    panic!("no placement")
                };
                assert_ne!(place.node_id, 0, "a claim has its node id");
                if place.adopted {
                    let node = nodes.get_mut(name(&claim.node)).unwrap();
                    assert_eq!(node.place, place, "it is recorded as it was found");
                    OPERATION.clone_into(&mut node.claimed_by);
                    return;
                }
                let node = Node {
                    claimed_by: OPERATION.to_owned(),
                    tombstone: false,
                    resources: BTreeSet::new(),
                    place,
                    data: Data::Absent,
                    configuration: None,
                    changed_file: false,
                    server: Service::default(),
                    repmgrd: Service::default(),
                    kept_slots: BTreeSet::new(),
                    paused: false,
                    replay_paused: false,
                    timeline: 1,
                    beyond: 0,
                    crashed: false,
                    foreign: false,
                };
                assert!(
                    nodes.insert(name(&claim.node).to_owned(), node).is_none(),
                    "claimed twice"
                );
            }
            host_action::Kind::ReleaseNode(release) => {
                if let Some(node) = nodes.get_mut(name(&release.node))
                    && node.place.adopted
                {
                    node.claimed_by.clear();
                    return;
                }
                let gone = nodes.remove(name(&release.node));
                assert!(gone.is_none_or(|node| !node.server.running && node.data == Data::Absent));
            }
            host_action::Kind::ClaimResource(claim) => {
                nodes.get_mut(name(&claim.node)).unwrap().resources.insert(claim.resource.clone());
            }
            host_action::Kind::ReleaseResource(release) => {
                nodes.get_mut(name(&release.node)).unwrap().resources.remove(&release.resource);
            }
            host_action::Kind::Tombstone(stone) => {
                let node = nodes.get_mut(name(&stone.node)).unwrap();
                node.tombstone = true;
                node.claimed_by.clear();
                let masked = Service { running: false, enabled: false, masked: true };
                (node.server, node.repmgrd) = (masked, masked);
                if stone.wipe_data {
                    node.data = Data::Absent;
                }
            }
            host_action::Kind::LiftTombstone(lift) => {
                nodes.get_mut(name(&lift.node)).unwrap().tombstone = false
            }
        }
    }

    fn apply_postgresql(&mut self, host: &str, action: &PostgresqlAction) {
        match action.kind.as_ref().unwrap() {
            Kind::WriteConfiguration(write) => {
                self.at(host, &write.node).configuration = Some(write.clone())
            }
            Kind::RemoveConfiguration(remove) => {
                if let Some(node) = self.maybe(host, &remove.node) {
                    node.configuration = None;
                }
            }
            Kind::WriteHba(write) => {
                self.at(host, &write.node)
                    .configuration
                    .as_mut()
                    .unwrap()
                    .hba
                    .clone_from(&write.hba);
            }
            Kind::InitDatabase(init) => self.at(host, &init.node).data = Data::Primary,
            Kind::CreateRepmgrDatabase(_) => {
                assert!(self.primary().is_some(), "no server to make a database on");
                self.repmgr_database = true;
            }
            Kind::RegisterPrimary(register) => {
                let place = self.at(host, &register.node).place.clone();
                self.register(name(&register.node), place.node_id, 0, "primary");
            }
            Kind::CloneStandby(clone) => {
                assert!(
                    clone.expected_bytes > 0 && !clone.system_identifier.is_empty(),
                    "not resolved"
                );
                assert!(self.primary().is_some(), "no primary to clone from");
                let timeline = self.primary().map_or(1, |(_, node)| node.timeline);
                let node = self.at(host, &clone.node);
                (node.data, node.timeline) = (Data::Copy, timeline);
                (node.beyond, node.crashed) = (0, false);
                node.kept_slots.clear();
                let slot = format!("repmgr_slot_{}", node.place.node_id);
                self.slots.insert(slot);
            }
            Kind::RegisterStandby(register) => {
                let id = self.at(host, &register.node).place.node_id;
                self.register(name(&register.node), id, register.upstream_id, "standby");
            }
            Kind::UnregisterStandby(unregister) => {
                assert_eq!(
                    self.find(name(&unregister.at)).unwrap().0,
                    host,
                    "it runs at its survivor"
                );
                self.registered.retain(|row| row.node_id != unregister.node_id);
            }
            Kind::CreateSlot(create) => {
                self.slots_at(name(&create.at)).insert(create.slot.clone());
            }
            Kind::DropSlot(slot) => {
                let keeper = self.at(host, &slot.at);
                let claimed = keeper.resources.contains(&format!("postgresql:slot:{}", slot.slot));
                let slots = self.slots_at(name(&slot.at));
                assert!(claimed || !slots.contains(&slot.slot), "{} is not claimed", slot.slot);
                slots.remove(&slot.slot);
            }
            Kind::StartService(start) => {
                let node = self.at(host, &start.node);
                let configured = node.configuration.is_some() || node.place.adopted;
                assert!(!node.tombstone && configured && node.data != Data::Absent);
                *service(node, start.service()) =
                    Service { running: true, enabled: true, masked: false };
                // A connection is made anew.
                if start.service() == PostgresqlService::Server {
                    self.disconnected.remove(name(&start.node));
                }
            }
            Kind::StopService(stop) => {
                if let Some(node) = self.maybe(host, &stop.node) {
                    let masked = node.place.adopted;
                    *service(node, stop.service()) = Service { masked, ..Service::default() };
                }
            }
            Kind::PauseRepmgrd(pause) => {
                let node = self.at(host, &pause.node);
                node.paused = pause.paused;
                if !pause.paused {
                    node.repmgrd = Service { running: true, enabled: true, masked: false };
                }
            }
            Kind::PromoteStandby(promote) => self.promote(name(&promote.node)),
            Kind::FollowUpstream(follow) => {
                let node = name(&follow.node);
                let row = self.registered.iter_mut().find(|row| row.name == node).unwrap();
                row.upstream_id = follow.upstream_id;
            }
            Kind::DemotePrimary(demote) => {
                let node = self.at(host, &demote.node);
                assert!(!node.server.running, "a primary that runs is made a standby");
                node.data = Data::Copy;
            }
            Kind::SetFront(set) => {
                assert_eq!(set.host, host, "it runs where the front is");
                let primaries = set.backends.iter().filter(|one| one.primary == Some(true));
                assert_eq!(primaries.count(), 1, "one primary");
                let (_, front) = self.fronts.get_mut(host).unwrap();
                front.serving.clone_from(&set.backends);
                front.serving.iter_mut().for_each(|one| one.node.clear());
                front.configured.clone_from(&front.serving);
            }
            Kind::DiscardData(discard) => {
                let Some(node) = self.maybe(host, &discard.node) else { return };
                assert!(!node.server.running, "the data of a server that runs");
                let data = std::mem::replace(&mut node.data, Data::Absent);
                if data == Data::Primary && self.primary().is_none() {
                    self.registered.clear();
                    self.repmgr_database = false;
                }
            }
        }
    }

    /// Slots at a node that runs.
    fn slots_at(&mut self, node: &str) -> &mut BTreeSet<String> {
        if self.primary().is_some_and(|(primary, _)| primary == node) {
            &mut self.slots
        } else {
            &mut self.node(node).kept_slots
        }
    }

    /// The old primary is stopped: its slots stay with it.
    pub fn promote(&mut self, new: &str) {
        assert!(self.primary().is_none(), "there is a primary");
        let mut nodes = self.hosts.values_mut().flat_map(|host| host.nodes.iter_mut());
        if let Some((old, node)) = nodes.find(|(_, node)| node.data == Data::Primary) {
            node.kept_slots = std::mem::take(&mut self.slots);
            self.registered
                .iter_mut()
                .filter(|row| row.name == *old)
                .for_each(|row| row.active = false);
        }
        let node = self.node(new);
        node.data = Data::Primary;
        node.timeline += 1;
        self.slots = std::mem::take(&mut self.node(new).kept_slots);
        let id = self.node(new).place.node_id;
        self.registered.retain(|row| row.node_id != id);
        self.register(new, id, 0, "primary");
    }

    fn at(&mut self, host: &str, node: &Option<NodeRef>) -> &mut Node {
        self.maybe(host, node).unwrap_or_else(|| panic!("{} is not claimed on {host}", name(node)))
    }

    fn maybe(&mut self, host: &str, node: &Option<NodeRef>) -> Option<&mut Node> {
        self.host(host).nodes.get_mut(name(node))
    }

    fn register(&mut self, node: &str, node_id: u32, upstream_id: u32, kind: &str) {
        assert!(self.repmgr_database, "repmgr has no database");
        self.registered.retain(|row| row.node_id != node_id);
        self.registered.push(RepmgrNode {
            node_id,
            name: node.to_owned(),
            upstream_id,
            active: true,
            kind: kind.to_owned(),
            slot: format!("repmgr_slot_{node_id}"),
        });
        self.registered.sort_by_key(|row| row.node_id);
    }
}

fn service(node: &mut Node, service: PostgresqlService) -> &mut Service {
    match service {
        PostgresqlService::Server => &mut node.server,
        PostgresqlService::Repmgrd => &mut node.repmgrd,
        PostgresqlService::Unspecified => panic!("no service"),
    }
}
