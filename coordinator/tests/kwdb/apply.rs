//! What an action does to the model's hosts. Idempotent, as the agents' actions are.

use bellows_proto::v1::{
    Action, HostAction, KwdbAction, KwdbSigned, KwdbStartMode, NodeRef, action, host_action,
    kwdb_action::Kind, placement,
};

use crate::{
    answers::is_of_cluster,
    world::{AUTHORITY, Certificate, Known, OPERATION, Record, World, address},
};

fn name(node: &Option<NodeRef>) -> &str {
    &node.as_ref().unwrap().node
}

impl World {
    /// The whole effect of an action at a host.
    pub fn apply(&mut self, host: &str, action: &Action) {
        match action.kind.as_ref().unwrap() {
            action::Kind::Host(action) => self.apply_host(host, action),
            action::Kind::Kwdb(action) => self.apply_kwdb(host, action),
            other => panic!("no plan for KWDB has it: {other:?}"),
        }
    }

    fn apply_host(&mut self, host: &str, action: &HostAction) {
        let host = self.host(host);
        match action.kind.as_ref().unwrap() {
            host_action::Kind::ClaimNode(claim) => {
                let Some(placement::System::Kwdb(place)) = claim.placement.clone().unwrap().system
                else {
                    panic!("no placement")
                };
                assert_eq!(place.adopted, host.foreign);
                let claimed_by = OPERATION.to_owned();
                let record = Record { claimed_by, tombstone: false, place };
                let before = host.records.insert(name(&claim.node).to_owned(), record);
                assert!(before.is_none(), "claimed twice");
            }
            host_action::Kind::ReleaseNode(release) => {
                let gone = host.records.remove(name(&release.node));
                let adopted = gone.is_some_and(|gone| gone.place.adopted);
                assert!(adopted || (!host.running && host.store.is_none()));
            }
            host_action::Kind::Tombstone(stone) => {
                let record = host.records.get_mut(name(&stone.node)).unwrap();
                record.tombstone = true;
                host.running = false;
                if stone.wipe_data {
                    assert!(!record.place.adopted, "its data are somebody else's");
                    host.store = None;
                }
            }
            host_action::Kind::LiftTombstone(lift) => {
                host.records.get_mut(name(&lift.node)).unwrap().tombstone = false;
            }
            host_action::Kind::ClaimResource(_) | host_action::Kind::ReleaseResource(_) => {
                panic!("KWDB has no resources")
            }
        }
    }

    fn apply_kwdb(&mut self, at: &str, action: &KwdbAction) {
        match action.kind.as_ref().unwrap() {
            Kind::WriteStart(write) => {
                let start = write.start.clone().unwrap();
                assert!(!start.join.is_empty() && start.mode() == self.mode);
                self.host(at).start = Some(start);
            }
            Kind::RemoveStart(_) => self.host(at).start = None,
            Kind::RequestCertificates(_) => {
                let found = &mut self.host(at).certificates;
                let key = found.node.key + 2;
                found.node = Certificate { key, ..Certificate::default() };
                found.client = Certificate { key, ..Certificate::default() };
                found.requests = true;
            }
            Kind::SignCertificates(sign) => {
                let host = self.host(at);
                assert!(host.certificates.has_key);
                let key: u8 = sign.node_request.rsplit(' ').next().unwrap().parse().unwrap();
                host.signed.push(KwdbSigned {
                    node: sign.node.clone(),
                    node_certificate: format!("certificate {key} for {}", sign.address),
                    client_certificate: format!("certificate {key}"),
                    node_key: vec![key],
                    client_key: vec![key],
                });
            }
            Kind::ForgetSigned(forget) => {
                self.host(at).signed.retain(|signed| signed.node != forget.node);
            }
            Kind::PlaceCertificates(place) => {
                assert!(is_of_cluster(place.authority.as_bytes()));
                let words: Vec<&str> = place.node_certificate.split(' ').collect();
                let (key, hosts) = (words[1].parse().unwrap(), vec![words[3].to_owned()]);
                let found = &mut self.host(at).certificates;
                found.authority = AUTHORITY.to_vec();
                for (one, hosts) in [(&mut found.node, hosts), (&mut found.client, Vec::new())] {
                    (one.signed, one.hosts, one.authority) = (key, hosts, AUTHORITY.to_vec());
                    one.ends_ms = crate::world::ENDS_MS;
                }
                found.requests = false;
            }
            // What was there before it was made stays: ca.crt of the administrator.
            Kind::RemoveCertificates(_) => {
                let found = &mut self.host(at).certificates;
                *found = crate::world::Certificates {
                    leftovers: std::mem::take(&mut found.leftovers),
                    ..Default::default()
                };
            }
            Kind::StartNode(_) => self.starts(at),
            Kind::StopNode(_) => {
                self.host(at).running = false;
                self.spread();
            }
            Kind::RestartNode(_) => {
                let id = self.hosts[at].store.unwrap();
                self.known.get_mut(&id).unwrap().starts += 1;
            }
            Kind::Decommission(act) => self.flag(act.node_id, true),
            Kind::DeployDecommission(act) => self.flag(act.node_id, true),
            Kind::Recommission(act) => {
                let waits = self.hosts.values().any(|host| !host.waiters.is_empty());
                self.flag(act.node_id, waits);
            }
            Kind::SetRebalance(set) => self.rebalance = Some(set.enabled),
            Kind::DiscardData(_) => {
                let host = self.host(at);
                assert!(!host.running);
                host.store = None;
            }
        }
    }

    /// On an empty store it gets the next id, on an old one it comes back as what it was.
    fn starts(&mut self, at: &str) {
        let next = self.known.keys().max().map_or(1, |id| id + 1);
        let host = self.host(at);
        if host.running {
            return;
        }
        host.running = true;
        let build = host.kwbase;
        let id = *host.store.get_or_insert(next);
        let known = self.known.entry(id).or_insert_with(|| Known {
            address: format!("{}:26257", address(at)),
            starts: 0,
            decommissioning: false,
            draining: false,
            nameless: false,
            replicas: 0,
            locality: String::new(),
            used: 0,
            build,
        });
        known.starts += 1;
        self.spread();
    }

    fn flag(&mut self, id: u32, decommissioning: bool) {
        assert_eq!(
            self.mode,
            KwdbStartMode::MultiReplica,
            "it cannot be decommissioned in mpp mode"
        );
        self.known.get_mut(&id).unwrap().decommissioning = decommissioning;
        self.spread();
    }
}
