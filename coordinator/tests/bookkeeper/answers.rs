//! How the model's hosts answer.

use bellows_proto::{
    names::natural,
    v1::{
        Answer, BookkeeperAnswer, BookkeeperCluster, BookkeeperCookie, BookkeeperFound,
        BookkeeperFoundBookie, BookkeeperHeld, BookkeeperLedgers, BookkeeperPlacement,
        BookkeeperPlaces, BookkeeperReading, BookkeeperSavedCookie, BookkeeperServer,
        BookkeeperSetting, BookkeeperShell, BookkeeperToldPlace, DirectoryState, Fault, FaultCode,
        HostAnswer, HostFacts, ManagedFileReading, ManagedFileState, NodeRecord, Placement, Query,
        ServiceReading, ServiceState, SystemFacts, ToolVersion, Vacancy, answer, bookkeeper_answer,
        bookkeeper_found_bookie, bookkeeper_query, bookkeeper_reading, host_answer, host_query,
        placement, query,
    },
};

use crate::world::{CLUSTER, Host, INSTANCE, Ledger, METADATA, World, address, id, node_ref};

impl World {
    /// What a host answers. Its clock is read at `now_ms`.
    pub fn answer(&self, name: &str, query: &Query, now_ms: i64) -> Result<Answer, Fault> {
        let silent = || Fault::new(FaultCode::Unreachable, "connection refused").at(name);
        let host = self.hosts.get(name).filter(|host| host.answers).ok_or_else(silent)?;
        let kind = match query.kind.as_ref().unwrap() {
            query::Kind::Host(query) => answer::Kind::Host(HostAnswer {
                kind: Some(match query.kind.as_ref().unwrap() {
                    host_query::Kind::Facts(_) => host_answer::Kind::Facts(facts(host, now_ms)),
                    host_query::Kind::Vacancy(query) => {
                        let node = &query.node.as_ref().unwrap().node;
                        host_answer::Kind::Vacancy(vacancy(name, host, node))
                    }
                    host_query::Kind::Inventory(_) => panic!("no planner asks for it"),
                }),
            }),
            query::Kind::Bookkeeper(query) => answer::Kind::Bookkeeper(BookkeeperAnswer {
                kind: Some(self.of_bookkeeper(name, host, query.kind.as_ref().unwrap())?),
            }),
            other => panic!("no planner of BookKeeper asks for it: {other:?}"),
        };
        Ok(Answer { kind: Some(kind) })
    }

    fn of_bookkeeper(
        &self,
        name: &str,
        host: &Host,
        query: &bookkeeper_query::Kind,
    ) -> Result<bookkeeper_answer::Kind, Fault> {
        use bookkeeper_answer::Kind;
        let down = || Fault::new(FaultCode::Unreachable, "nothing listens at its port").at(name);
        let up = host.running && !host.mute;
        Ok(match query {
            bookkeeper_query::Kind::Node(query) => {
                Kind::Node(self.reading(name, host, &query.node.as_ref().unwrap().node))
            }
            bookkeeper_query::Kind::Cluster(_) if up => Kind::Cluster(self.seen_by(name)),
            bookkeeper_query::Kind::Cluster(_) => return Err(down()),
            bookkeeper_query::Kind::Ledgers(_) if self.no_ledgers || !up => return Err(down()),
            bookkeeper_query::Kind::Ledgers(query) => {
                Kind::Ledgers(self.metadata(&query.bookies, &query.gone))
            }
            bookkeeper_query::Kind::Shell(query) => {
                let ledgers = self.on(&query.bookie);
                Kind::Shell(BookkeeperShell {
                    bookie: query.bookie.clone(),
                    ledgers: u64::try_from(ledgers.len()).unwrap(),
                    first: ledgers.into_iter().take(100).collect(),
                    cookie: self.cookies.get(&query.bookie).cloned(),
                })
            }
            bookkeeper_query::Kind::Places(_) if self.no_places => {
                return Err(Fault::new(FaultCode::ToolFailed, "KeeperErrorCode = ConnectionLoss"));
            }
            bookkeeper_query::Kind::Places(_) => {
                let told = |(bookie, (rack, group)): (&String, &(String, String))| {
                    let (bookie, rack, group) = (bookie.clone(), rack.clone(), group.clone());
                    BookkeeperToldPlace { bookie, rack, group }
                };
                Kind::Places(BookkeeperPlaces { places: self.told.iter().map(told).collect() })
            }
            bookkeeper_query::Kind::Find(_) => {
                Kind::Found(BookkeeperFound { bookie: self.found(name, host) })
            }
        })
    }

    /// Where a bookie has left, its ephemeral node is gone.
    fn seen_by(&self, witness: &str) -> BookkeeperCluster {
        let odd = self.odd_witness.as_ref().filter(|(at, _)| at == witness);
        let seen = |id: &String| odd.is_none_or(|(_, gone)| gone != id);
        let sorted = |mut ids: Vec<String>| {
            ids.retain(seen);
            ids.sort_by(|a, b| natural(a, b));
            ids
        };
        let registered = [self.registered(false), self.registered(true)].concat();
        let missing: Vec<&String> =
            self.cookies.keys().filter(|id| !registered.contains(id)).collect();
        let mut lacking = self.lacking.clone();
        lacking.extend(missing.iter().flat_map(|id| self.on(id)));
        lacking.sort_unstable();
        lacking.dedup();
        BookkeeperCluster {
            writable: sorted(self.registered(false)),
            read_only: sorted(self.registered(true)),
            autorecovery: self.autorecovery,
            auditor: if self.auditor.is_empty() { String::new() } else { id(&self.auditor) },
            underreplicated_count: u64::try_from(lacking.len()).unwrap(),
            underreplicated: lacking.into_iter().take(1000).collect(),
            unavailable: u64::try_from(missing.len()).unwrap(),
            metadata_ms: self.metadata_ms,
            lost_bookie_delay_s: 0,
        }
    }

    fn metadata(&self, bookies: &[String], gone: &[String]) -> BookkeeperLedgers {
        let largest = self.ledgers.values().map(|one| one.ensemble.len()).max().unwrap_or(0);
        let whole = |(_, one): &(&u64, &Ledger)| one.ensemble.len() == largest;
        let lost = self.lost_with(gone);
        BookkeeperLedgers {
            count: u64::try_from(self.ledgers.len()).unwrap(),
            largest_ensemble: u32::try_from(largest).unwrap(),
            largest: self.ledgers.iter().filter(whole).map(|(id, _)| *id).take(8).collect(),
            held: bookies.iter().map(|bookie| self.held(bookie)).collect(),
            lost_count: u64::try_from(lost.len()).unwrap(),
            lost: lost.into_iter().take(1000).collect(),
        }
    }

    fn held(&self, bookie: &str) -> BookkeeperHeld {
        let all = self.on(bookie);
        let of = |ledger: &u64| &self.ledgers[ledger];
        let sole: Vec<u64> = all.iter().copied().filter(|one| of(one).copies == 1).collect();
        let bytes = all.iter().map(|one| {
            let ledger = of(one);
            ledger.bytes * u64::from(ledger.copies) / u64::try_from(ledger.ensemble.len()).unwrap()
        });
        BookkeeperHeld {
            bookie: bookie.to_owned(),
            ledgers: u64::try_from(all.len()).unwrap(),
            bytes: bytes.sum(),
            open: u64::try_from(all.iter().filter(|one| of(one).open).count()).unwrap(),
            sole_copies_count: u64::try_from(sole.len()).unwrap(),
            sole_copies: sole.into_iter().take(100).collect(),
            first: all.into_iter().take(100).collect(),
        }
    }

    fn found(&self, name: &str, host: &Host) -> Option<BookkeeperFoundBookie> {
        use bookkeeper_found_bookie::Server;
        host.foreign.then(|| BookkeeperFoundBookie {
            placement: Some(foreign_place(name)),
            claimed: host.records.keys().next().map(|node| node_ref(node)),
            declared: host.declared,
            declaration: "adopt_conf_file = \"/etc/bookkeeper/bookie.conf\"".to_owned(),
            obstacles: said(host.obstacle),
            http_obstacles: said(host.http_obstacle),
            running: host.running,
            settings: settings(host),
            server: Some(match server(name, host) {
                Ok(server) => Server::Up(server),
                Err(fault) => Server::Down(fault),
            }),
            cookie: on_disk(host),
            cluster: (host.running && !host.mute).then(|| self.seen_by(name)),
        })
    }

    fn reading(&self, name: &str, host: &Host, node: &str) -> BookkeeperReading {
        let record = host.records.get(node);
        let place = match (record, host.foreign) {
            (Some(record), _) => record.place.clone(),
            (None, true) => foreign_place(name),
            (None, false) => proposed(name, node),
        };
        let state = match (host.running, host.foreign, host.written) {
            (true, ..) => ServiceState::Running,
            (false, true, _) | (false, false, true) => ServiceState::Stopped,
            (false, false, false) => ServiceState::Absent,
        };
        let file = match (host.written, host.changed_file) {
            (_, true) => ManagedFileState::Changed,
            (true, false) => ManagedFileState::Ours,
            (false, false) => ManagedFileState::Absent,
        };
        let files = if place.adopted {
            Vec::new()
        } else {
            vec![ManagedFileReading {
                name: "bookie.conf".to_owned(),
                state: file.into(),
                digest: String::new(),
            }]
        };
        BookkeeperReading {
            node: Some(node_ref(node)),
            claimed: Some(record.is_some_and(|record| !record.tombstone)),
            tombstone: Some(record.is_some_and(|record| record.tombstone)),
            directories: directory(host).into(),
            data_is_ours: Some(!place.adopted),
            placement: Some(place),
            service: Some(ServiceReading { state: state.into(), ..ServiceReading::default() }),
            files,
            settings: settings(host),
            cookie: on_disk(host),
            saved_cookies: host
                .saved
                .iter()
                .map(|(bookie, text)| BookkeeperSavedCookie {
                    bookie: bookie.clone(),
                    text: text.clone(),
                })
                .collect(),
            version: host.version.to_owned(),
            server: Some(match server(name, host) {
                Ok(server) => bookkeeper_reading::Server::Up(server),
                Err(fault) => bookkeeper_reading::Server::Down(fault),
            }),
            left_alone: said(host.left_alone),
            audited_at_ms: host.audited_at_ms,
            other_keys: host.other_keys.clone(),
        }
    }
}

fn server(name: &str, host: &Host) -> Result<BookkeeperServer, Fault> {
    if !host.running || host.mute {
        return Err(Fault::new(FaultCode::Unreachable, "nothing listens at its port").at(name));
    }
    Ok(BookkeeperServer {
        running: true,
        read_only: host.read_only,
        shutting_down: false,
        free_bytes: host.disk_free,
        total_bytes: host.disk_total,
    })
}

fn settings(host: &Host) -> Vec<BookkeeperSetting> {
    if !host.foreign && !host.written {
        return Vec::new();
    }
    let one = |key: &str, value: &str| BookkeeperSetting { key: key.into(), value: value.into() };
    let mut all = vec![one("metadataServiceUri", METADATA)];
    all.extend(host.settings.iter().map(|(key, value)| one(key, value)));
    all
}

fn on_disk(host: &Host) -> Option<BookkeeperCookie> {
    let bookie = host.stamped.clone()?;
    Some(BookkeeperCookie { bookie, instance: INSTANCE.to_owned() })
}

fn said(text: &str) -> Vec<String> {
    if text.is_empty() { Vec::new() } else { vec![text.to_owned()] }
}

fn directory(host: &Host) -> DirectoryState {
    match (host.stamped.is_some() || host.occupied, host.written) {
        (true, _) => DirectoryState::Occupied,
        (false, true) => DirectoryState::Empty,
        (false, false) => DirectoryState::Absent,
    }
}

/// Where somebody else's bookie lives.
pub fn foreign_place(name: &str) -> BookkeeperPlacement {
    BookkeeperPlacement {
        journal_dirs: vec!["/var/lib/bookkeeper/journal".to_owned()],
        ledger_dirs: vec!["/var/lib/bookkeeper/ledgers".to_owned()],
        conf_file: "/etc/bookkeeper/bookie.conf".to_owned(),
        log_dir: "/var/log/bookkeeper".to_owned(),
        service: String::new(),
        unit: "bookkeeper.service".to_owned(),
        adopted: true,
        ..proposed(name, "")
    }
}

/// Where the host would put a bookie.
fn proposed(name: &str, node: &str) -> BookkeeperPlacement {
    BookkeeperPlacement {
        os_user: "bookkeeper".to_owned(),
        program: "/opt/bookkeeper/bin/bookkeeper".to_owned(),
        journal_dirs: vec![format!("/srv/journal/{CLUSTER}/{node}")],
        ledger_dirs: vec![format!("/srv/ledgers/{CLUSTER}/{node}")],
        index_dirs: Vec::new(),
        conf_file: format!("/etc/bellows/bookkeeper/{CLUSTER}/{node}/bookie.conf"),
        log_dir: format!("/var/log/bellows/bookkeeper/{CLUSTER}/{node}"),
        address: address(name),
        port: 3181,
        http_address: "127.0.0.1".to_owned(),
        http_port: 8080,
        service: format!("bellows-{CLUSTER}-{node}-bookie"),
        unit: String::new(),
        adopted: false,
    }
}

fn facts(host: &Host, now_ms: i64) -> HostFacts {
    let version = ToolVersion { tool: "bookkeeper".into(), version: host.version.into() };
    let tools = if host.version.is_empty() { Vec::new() } else { vec![version] };
    let system = SystemFacts {
        system: "bookkeeper".to_owned(),
        tools,
        data_free_bytes: host.free_bytes,
        data_total_bytes: 200 << 30,
        address: String::new(),
    };
    let record = |(node, record): (&String, &crate::world::Record)| NodeRecord {
        node: Some(node_ref(node)),
        claimed_by: if record.tombstone { String::new() } else { record.claimed_by.clone() },
        tombstone: record.tombstone,
        resources: Vec::new(),
        burial_begun: record.tombstone,
    };
    HostFacts {
        architecture: "x86_64".to_owned(),
        c_library: "glibc 2.36".to_owned(),
        clock_ms: now_ms + host.clock_ahead_ms,
        systems: if host.allowed { vec![system] } else { Vec::new() },
        nodes: host.records.iter().map(record).collect(),
        mode: host.mode.to_owned(),
        ..HostFacts::default()
    }
}

fn vacancy(name: &str, host: &Host, node: &str) -> Vacancy {
    let record = host.records.get(node);
    let place = record.map_or_else(|| proposed(name, node), |one| one.place.clone());
    let claimed_by = match record {
        Some(record) => record.claimed_by.clone(),
        None => host.vacancy_claimed_by.to_owned(),
    };
    Vacancy {
        node: Some(node_ref(node)),
        placement: Some(Placement { system: Some(placement::System::Bookkeeper(place)) }),
        data_directory: directory(host).into(),
        config_directory: DirectoryState::Absent.into(),
        port_holder: host.port_holder.to_owned(),
        service_holder: host.service_holder.to_owned(),
        data_free_bytes: host.free_bytes,
        claimed_by,
    }
}
