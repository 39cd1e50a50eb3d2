//! What an action does to the model's hosts. Idempotent, as the agents' actions are.

use bellows_proto::v1::{
    Action, BookkeeperAction, BookkeeperDrain, HostAction, NodeRef, action,
    bookkeeper_action::Kind, host_action, placement,
};

use crate::world::{OPERATION, Record, World, cookie, id};

fn name(node: &Option<NodeRef>) -> &str {
    &node.as_ref().unwrap().node
}

impl World {
    /// The whole effect of an action at a host.
    pub fn apply(&mut self, host: &str, action: &Action) {
        assert!(self.hosts[host].answers, "{host} is off");
        match action.kind.as_ref().unwrap() {
            action::Kind::Host(action) => self.apply_host(host, action),
            action::Kind::Bookkeeper(action) => self.apply_bookkeeper(host, action),
            other => panic!("no plan for BookKeeper has it: {other:?}"),
        }
    }

    fn apply_host(&mut self, host: &str, action: &HostAction) {
        let host = self.host(host);
        match action.kind.as_ref().unwrap() {
            host_action::Kind::ClaimNode(claim) => {
                let placement = claim.placement.clone().unwrap().system;
                let Some(placement::System::Bookkeeper(place)) = placement else {
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
                assert!(adopted || (!host.running && host.stamped.is_none()));
            }
            host_action::Kind::Tombstone(stone) => {
                assert!(!host.running && !stone.wipe_data);
                host.records.get_mut(name(&stone.node)).unwrap().tombstone = true;
            }
            host_action::Kind::LiftTombstone(lift) => {
                host.records.get_mut(name(&lift.node)).unwrap().tombstone = false;
            }
            host_action::Kind::ClaimResource(_) | host_action::Kind::ReleaseResource(_) => {
                panic!("BookKeeper has no resources")
            }
        }
    }

    fn apply_bookkeeper(&mut self, at: &str, action: &BookkeeperAction) {
        match action.kind.as_ref().unwrap() {
            Kind::WriteConfig(write) => {
                let host = self.host(at);
                assert!(!host.foreign && !write.settings.is_empty());
                host.written = true;
                let settings = write.settings.iter();
                host.settings = settings
                    .filter(|one| one.key != "metadataServiceUri")
                    .map(|one| (one.key.clone(), one.value.clone()))
                    .collect();
                let always = "persistBookieStatusEnabled".to_owned();
                host.settings.insert(always, "true".to_owned());
            }
            Kind::RemoveConfig(_) => {
                let host = self.host(at);
                host.written = false;
                host.settings.clear();
            }
            Kind::StartBookie(_) => self.starts(at),
            Kind::StopBookie(_) => self.stops(at),
            Kind::SetReadOnly(set) => {
                let host = self.host(at);
                assert!(host.running || set.read_only);
                host.read_only = set.read_only && host.running;
            }
            Kind::Audit(audit) => {
                assert!(self.autorecovery && !self.auditor.is_empty());
                self.audits += 1;
                let audits = self.audits;
                let auditor = self.auditor.clone();
                assert!(self.hosts[&auditor].records.contains_key(name(&audit.at)));
                self.host(&auditor).audited_at_ms = audits;
            }
            Kind::Drain(drain) => self.drains(at, drain),
            Kind::Decommission(of) => {
                assert!(!self.is_registered(&of.bookie), "it is not shut down yet");
                assert!(self.hosts[at].saved.contains_key(&of.bookie), "its cookie was not kept");
                let sole = |ledger: &u64| self.ledgers[ledger].copies == 1;
                assert!(!self.on(&of.bookie).iter().any(sole), "it never ends");
                self.moves(&of.bookie, &[]);
                self.cookies.remove(&of.bookie);
                // As if it had been cut short in hours of 0.
                self.autorecovery = of.budgets.iter().all(|budget| budget.bytes_per_s > 0);
            }
            Kind::SaveCookie(of) => {
                let text = self.cookies[&of.bookie].clone();
                self.host(at).saved.insert(of.bookie.clone(), text);
            }
            Kind::DeleteCookie(of) => {
                assert!(self.hosts[at].saved.contains_key(&of.bookie), "its cookie was not kept");
                assert!(!self.is_registered(&of.bookie), "it runs without a cookie");
                self.cookies.remove(&of.bookie);
            }
            Kind::RestoreCookie(of) => {
                let text = self.hosts[at].saved[&of.bookie].clone();
                self.cookies.insert(of.bookie.clone(), text);
            }
            Kind::TellPlace(of) => {
                assert!(self.hosts[at].records.contains_key(name(&of.at)));
                let said = (of.rack.clone(), of.group.clone());
                match of.rack.as_str() {
                    "" => self.told.remove(&of.bookie),
                    _ => self.told.insert(of.bookie.clone(), said),
                };
            }
            Kind::SetAutorecovery(set) => self.autorecovery = set.enabled,
            Kind::DiscardData(_) => {
                assert!(!self.hosts[at].running && !self.hosts[at].foreign);
                assert!(!self.cookies.contains_key(&id(at)), "it has a cookie still");
                // What it was told to be is in there too.
                let host = self.host(at);
                (host.stamped, host.read_only) = (None, false);
            }
        }
    }

    fn is_registered(&self, bookie: &str) -> bool {
        [self.registered(false), self.registered(true)].concat().iter().any(|one| one == bookie)
    }

    /// By the rules of cookies; it comes back as it was, where that is kept.
    fn starts(&mut self, at: &str) {
        let known = self.cookies.contains_key(&id(at));
        let host = &self.hosts[at];
        if host.running {
            return;
        }
        assert_eq!(known, host.stamped.is_some(), "the bookie refuses to start: its cookie");
        self.cookies.insert(id(at), cookie(at));
        let host = self.host(at);
        host.stamped = Some(id(at));
        host.running = true;
        let kept = host.settings.get("persistBookieStatusEnabled");
        host.read_only &= kept.is_some_and(|value| value == "true");
        if self.auditor.is_empty() {
            self.auditor = at.to_owned();
        }
    }

    fn stops(&mut self, at: &str) {
        self.host(at).running = false;
        if self.auditor == at {
            let next = self.hosts.iter().find(|(_, host)| host.running);
            self.auditor = next.map(|(name, _)| name.clone()).unwrap_or_default();
        }
    }

    /// What is lost is passed over where that was agreed to.
    fn drains(&mut self, at: &str, drain: &BookkeeperDrain) {
        let bookie = &drain.bookie;
        if drain.alive {
            assert_eq!(*bookie, id(at), "a living one is drained at its own host");
            if !self.hosts[at].running {
                assert!(self.on(bookie).is_empty(), "it does not run and holds ledgers");
                return;
            }
            self.host(at).read_only = true;
            self.moves(bookie, &[]);
            return;
        }
        let lost = self.lost_with(std::slice::from_ref(bookie));
        assert!(drain.skip_lost || lost.is_empty(), "some are lost, and nobody has agreed");
        self.moves(bookie, &lost);
    }

    /// To the first writable bookies that do not have them.
    fn moves(&mut self, bookie: &str, but: &[u64]) {
        let writable = self.registered(false);
        for (ledger, one) in &mut self.ledgers {
            let Some(place) = one.ensemble.iter().position(|id| id == bookie) else { continue };
            if but.contains(ledger) {
                continue;
            }
            let to = writable.iter().find(|id| !one.ensemble.contains(id) && *id != bookie);
            if let Some(to) = to {
                one.ensemble[place].clone_from(to);
                one.open = false;
            }
        }
    }
}
