//! How the model's hosts answer.

use bellows_proto::v1::{
    Answer, CollationVersion, DirectoryState, Fault, FaultCode, HostAnswer, HostFacts, KeyValue,
    ManagedFileReading, ManagedFileState, NodeRecord, Placement, PostgresqlAnswer,
    PostgresqlBackups, PostgresqlClients, PostgresqlConnections, PostgresqlFound,
    PostgresqlFoundServer, PostgresqlLogin, PostgresqlPlacement, PostgresqlReading,
    PostgresqlServer, Query, ReplicationSlot, RepmgrAddress, ServiceReading, ServiceState,
    StandbyOf, SystemFacts, TimelineEnd, ToolVersion, Vacancy, WalSender, answer, host_answer,
    host_query, placement, postgresql_answer, postgresql_found_server, postgresql_query,
    postgresql_reading, query,
};

use crate::world::{CLUSTER, Data, Host, Node, SYSTEM_ID, Service, World, node_ref};

/// Everybody has everything: where the WAL ends.
const LSN: u64 = 0x300_0000;

impl World {
    /// What a host answers. Its clock is read at `now_ms`.
    pub fn answer(&self, name: &str, query: &Query, now_ms: i64) -> Result<Answer, Fault> {
        let silent = || Fault::new(FaultCode::Unreachable, "connection refused").at(name);
        let host = self.hosts.get(name).filter(|host| host.answers).ok_or_else(silent)?;
        let kind = match query.kind.as_ref().unwrap() {
            query::Kind::Host(query) => answer::Kind::Host(HostAnswer {
                kind: Some(match query.kind.as_ref().unwrap() {
                    host_query::Kind::Facts(_) => host_answer::Kind::Facts(facts(host, now_ms)),
                    host_query::Kind::Inventory(_) => panic!("no planner asks for it"),
                    host_query::Kind::Vacancy(query) => {
                        let node = &query.node.as_ref().unwrap().node;
                        host_answer::Kind::Vacancy(vacancy(name, host, node, query.port)?)
                    }
                }),
            }),
            query::Kind::Postgresql(query) => answer::Kind::Postgresql(PostgresqlAnswer {
                kind: Some(match query.kind.as_ref().unwrap() {
                    postgresql_query::Kind::Node(query) => postgresql_answer::Kind::Node(
                        self.reading(host, &query.node.as_ref().unwrap().node),
                    ),
                    postgresql_query::Kind::Backups(_) => {
                        postgresql_answer::Kind::Backups(PostgresqlBackups::default())
                    }
                    postgresql_query::Kind::Login(query) => {
                        postgresql_answer::Kind::Login(self.login(name, host, &query.address))
                    }
                    postgresql_query::Kind::Front(query) => {
                        let wanted = &query.front.as_ref().unwrap().node;
                        let front = self.fronts.get(name).filter(|(front, _)| front == wanted);
                        let denied = || Fault::new(FaultCode::Denied, "no such front").at(name);
                        postgresql_answer::Kind::Front(front.ok_or_else(denied)?.1.clone())
                    }
                    postgresql_query::Kind::Find(_) => {
                        postgresql_answer::Kind::Found(self.found(host))
                    }
                }),
            }),
            other => panic!("no planner of PostgreSQL asks for it: {other:?}"),
        };
        Ok(Answer { kind: Some(kind) })
    }

    /// The servers that are on a host and were not made by Bellows.
    fn found(&self, host: &Host) -> PostgresqlFound {
        let adopted = host.nodes.iter().filter(|(_, node)| node.place.adopted);
        let server = |(name, node): (&String, &Node)| PostgresqlFoundServer {
            placement: Some(node.place.clone()),
            node: name.clone(),
            claimed: (!node.claimed_by.is_empty()).then(|| node_ref(name)),
            declared: host.declared,
            declaration: "adopted = [...]".to_owned(),
            system_identifier: host.identifier.to_owned(),
            obstacles: said(host.obstacle),
            left_alone: said(host.left_alone),
            running: node.server.running,
            addresses: self
                .registered
                .iter()
                .map(|row| RepmgrAddress {
                    node_id: row.node_id,
                    host: address(&row.name.replace("pg", "h")),
                })
                .collect(),
            server: Some(match node.server.running {
                true => postgresql_found_server::Server::Up(self.server(name, node)),
                false => postgresql_found_server::Server::Down(Fault::default()),
            }),
        };
        PostgresqlFound { servers: adopted.map(server).collect() }
    }

    fn reading(&self, host: &Host, name: &str) -> PostgresqlReading {
        let recorded =
            |node: &&Node| !node.place.adopted || !node.claimed_by.is_empty() || node.tombstone;
        let Some(node) = host.nodes.get(name).filter(recorded) else {
            return PostgresqlReading {
                node: Some(node_ref(name)),
                claimed: Some(false),
                tombstone: Some(false),
                ..PostgresqlReading::default()
            };
        };
        let (configured, hba) = match &node.configuration {
            Some(written) => (written.server, written.hba.clone()),
            None => (None, None),
        };
        let control_state = match (node.data, node.server.running) {
            (Data::Absent, _) => "",
            (Data::Primary, true) => "in production",
            (Data::Primary, false) if node.crashed => "in production",
            (Data::Primary, false) => "shut down",
            (Data::Copy, true) => "in archive recovery",
            (Data::Copy, false) => "shut down in recovery",
        };
        PostgresqlReading {
            node: Some(node_ref(name)),
            claimed: Some(true),
            data_directory: match node.data {
                Data::Absent => DirectoryState::Absent.into(),
                Data::Primary | Data::Copy => DirectoryState::Occupied.into(),
            },
            system_identifier: if node.data == Data::Absent {
                String::new()
            } else {
                SYSTEM_ID.to_owned()
            },
            control_state: control_state.to_owned(),
            server_service: Some(service(node.server, node)),
            repmgrd_service: Some(service(node.repmgrd, node)),
            files: files(node),
            tombstone: Some(node.tombstone),
            left_alone: if node.place.adopted { said(host.left_alone) } else { Vec::new() },
            placement: Some(node.place.clone()),
            standby_configured: Some(node.data == Data::Copy),
            hba: hba.clone(),
            configured,
            checkpoint_lsn: (node.data != Data::Absent).then_some(LSN + node.beyond),
            checkpoint_timeline: (node.data != Data::Absent).then_some(node.timeline),
            recovery_end_lsn: Some(if node.data == Data::Copy { LSN } else { 0 }),
            recovery_end_timeline: Some(if node.data == Data::Copy { node.timeline } else { 0 }),
            data_is_ours: Some(!node.foreign),
            standby_of: self.standby_of(name, node),
            clone_rate_kib: node.configuration.as_ref().map(|written| written.clone_rate_kib),
            server: Some(if node.server.running {
                postgresql_reading::Server::Up(PostgresqlServer {
                    hba_loaded: hba,
                    ..self.server(name, node)
                })
            } else {
                postgresql_reading::Server::Down(Fault::new(
                    FaultCode::ToolFailed,
                    "connection refused",
                ))
            }),
        }
    }

    fn server(&self, name: &str, node: &Node) -> PostgresqlServer {
        let primary = node.data == Data::Primary;
        PostgresqlServer {
            version: "15.18 (Debian 15.18-0+deb12u1)".to_owned(),
            version_number: 150_018,
            in_recovery: Some(!primary),
            system_identifier: SYSTEM_ID.to_owned(),
            collations: vec![CollationVersion {
                database: "postgres".to_owned(),
                created_with: self.created_with.to_owned(),
                has_now: "2.36".to_owned(),
            }],
            settings: self
                .settings
                .iter()
                .map(|(key, value)| KeyValue { key: (*key).to_owned(), value: value.clone() })
                .collect(),
            database_bytes: self.database_bytes,
            tablespaces: self.tablespaces.clone(),
            senders: self.senders(name, primary),
            connections: Some(self.connections(name)),
            slots: if self.leads(name) { self.slots() } else { kept_slots(node) },
            receiver_status: if !primary && self.streams(name) {
                "streaming".to_owned()
            } else {
                String::new()
            },
            repmgr_installed: self.repmgr_database,
            registered: self.registered.clone(),
            repmgrd_running: Some(node.repmgrd.running),
            repmgrd_paused: Some(node.paused),
            received_lsn: (!primary).then_some(LSN + 1),
            replay_paused: (!primary).then_some(node.replay_paused),
            objects: if self.repmgr_database {
                vec!["database:repmgr".to_owned()]
            } else {
                Vec::new()
            },
            timeline: primary.then_some(node.timeline),
            written_lsn: primary.then_some(LSN + 1000),
            oldest_wal_lsn: primary.then_some(self.oldest_wal),
            history: (1..node.timeline)
                .filter(|_| primary)
                .map(|timeline| TimelineEnd { timeline, ends_lsn: LSN + 1 })
                .collect(),
            ..PostgresqlServer::default()
        }
    }

    /// One that is recorded as a standby goes where its record says.
    fn standby_of(&self, name: &str, node: &Node) -> Option<StandbyOf> {
        let row = self.registered.iter().find(|row| row.name == name && row.kind == "standby");
        let above = self.registered.iter().find(|above| match row {
            Some(row) => above.node_id == row.upstream_id,
            None => above.kind == "primary" && above.active,
        })?;
        let place = &self.find(&above.name)?.1.place;
        let (address, port) = (place.address.clone(), place.port);
        let slot = format!("repmgr_slot_{}", node.place.node_id);
        (node.data == Data::Copy).then_some(StandbyOf { address, port, slot })
    }

    fn leads(&self, name: &str) -> bool {
        self.primary().is_some_and(|(primary, _)| primary == name)
    }

    fn senders(&self, at: &str, primary: bool) -> Vec<WalSender> {
        let nodes = self.hosts.values().flat_map(|host| host.nodes.keys());
        nodes
            .filter(|node| self.streams(node))
            .filter(|node| match self.below.get(*node) {
                Some(above) => above == at,
                None => primary && self.leads(at),
            })
            .map(|node| WalSender {
                application_name: node.clone(),
                state: "streaming".to_owned(),
                sync_state: "async".to_owned(),
                lag_bytes: Some(0),
            })
            .collect()
    }

    fn connections(&self, at: &str) -> PostgresqlConnections {
        let groups: Vec<PostgresqlClients> = self
            .clients
            .get(at)
            .into_iter()
            .flatten()
            .map(|(user, application, count)| PostgresqlClients {
                user: (*user).to_owned(),
                database: "shop".to_owned(),
                application: (*application).to_owned(),
                address: "10.9.0.7".to_owned(),
                count: *count,
            })
            .collect();
        let clients = groups.iter().map(|group| group.count).sum();
        // The agent and repmgrd are connected too.
        let used = clients + 2;
        PostgresqlConnections { used, clients, hidden: self.hidden_sessions, groups }
    }

    fn slots(&self) -> Vec<ReplicationSlot> {
        let reader = |slot: &str| {
            self.registered.iter().find(|row| row.slot == slot).map(|row| row.name.clone())
        };
        let slots = self.slots.iter();
        slots
            .map(|slot| ReplicationSlot {
                name: slot.clone(),
                active: reader(slot).is_some_and(|node| self.streams(&node)),
                kind: "physical".to_owned(),
                wal_status: "reserved".to_owned(),
            })
            .collect()
    }

    fn login(&self, from: &str, host: &Host, to: &str) -> PostgresqlLogin {
        let server = self
            .hosts
            .values()
            .flat_map(|host| host.nodes.values())
            .find(|node| node.place.address == to);
        let hba = server
            .and_then(|node| node.configuration.as_ref())
            .and_then(|written| written.hba.as_ref());
        let by_hand = server.is_some_and(|node| node.place.adopted)
            && self.let_in_by_hand.contains(&address(from));
        let let_in = by_hand || hba.is_some_and(|hba| hba.members.contains(&address(from)));
        let ok = let_in && host.login_file;
        let reason = if ok { "" } else { "no pg_hba.conf entry, or no password" };
        PostgresqlLogin { ok, reason: reason.to_owned() }
    }
}

fn said(why: &str) -> Vec<String> {
    Some(why).filter(|it| !it.is_empty()).map(str::to_owned).into_iter().collect()
}

fn service(service: Service, node: &Node) -> ServiceReading {
    let there = node.configuration.is_some() || node.place.adopted;
    let state = match (service, there) {
        (Service { masked: true, .. }, _) => ServiceState::Masked,
        (_, false) => ServiceState::Absent,
        (Service { running: true, .. }, true) => ServiceState::Running,
        (_, true) => ServiceState::Stopped,
    };
    ServiceReading {
        state: state.into(),
        enabled: service.enabled,
        pid: u32::from(service.running) * 4711,
    }
}

fn files(node: &Node) -> Vec<ManagedFileReading> {
    if node.place.adopted {
        return Vec::new();
    }
    let state = if node.configuration.is_some() {
        ManagedFileState::Ours
    } else {
        ManagedFileState::Absent
    };
    let names = ["postgresql.conf", "pg_hba.conf", "pg_ident.conf", "repmgr.conf"];
    names
        .into_iter()
        .map(|name| {
            let changed = node.changed_file && name == "pg_hba.conf";
            let state = if changed { ManagedFileState::Changed } else { state };
            ManagedFileReading { name: name.to_owned(), state: state.into(), digest: String::new() }
        })
        .collect()
}

fn facts(host: &Host, now_ms: i64) -> HostFacts {
    let tool = |tool: &str, version: &str| ToolVersion {
        tool: tool.to_owned(),
        version: version.to_owned(),
    };
    let tools = vec![tool("postgres", host.postgres), tool("repmgr", host.repmgr)];
    HostFacts {
        os: "Debian GNU/Linux 12 (bookworm)".to_owned(),
        architecture: host.architecture.to_owned(),
        c_library: host.c_library.to_owned(),
        clock_ms: now_ms + host.clock_ahead_ms,
        launch_form: "systemd".to_owned(),
        mode: host.mode.to_owned(),
        systems: host
            .allowed
            .then(|| SystemFacts {
                system: "postgresql".to_owned(),
                tools,
                data_free_bytes: host.free_bytes,
                data_total_bytes: 200 << 30,
                ..SystemFacts::default()
            })
            .into_iter()
            .collect(),
        nodes: host
            .nodes
            .iter()
            .map(|(name, node)| NodeRecord {
                node: Some(node_ref(name)),
                claimed_by: node.claimed_by.clone(),
                tombstone: node.tombstone,
                burial_begun: node.tombstone,
                resources: node.resources.iter().cloned().collect(),
            })
            .collect(),
        ..HostFacts::default()
    }
}

pub fn address(host: &str) -> String {
    format!("10.0.0.{}", host.trim_start_matches('h'))
}

fn vacancy(name: &str, host: &Host, node: &str, port: u32) -> Result<Vacancy, Fault> {
    if !host.vacancy_answers {
        return Err(Fault::new(FaultCode::Deadline, "no answer within 5 s").at(name));
    }
    if !host.allowed {
        return Err(
            Fault::new(FaultCode::Denied, "system postgresql is not allowed on this host").at(name)
        );
    }
    let folder = |root: &str| format!("{root}/{CLUSTER}/{node}");
    let place = PostgresqlPlacement {
        os_user: "postgres".to_owned(),
        bin_dir: "/usr/lib/postgresql/15/bin".to_owned(),
        data_dir: folder("/var/lib/bellows"),
        conf_dir: folder("/etc/bellows"),
        socket_dir: folder("/run/bellows"),
        log_dir: folder("/var/log/bellows"),
        address: address(name),
        port: if port == 0 { 5432 } else { port },
        node_id: 0,
        server_service: format!("bellows-{CLUSTER}-{node}-server"),
        repmgrd_service: format!("bellows-{CLUSTER}-{node}-repmgrd"),
        passfile: host.passfile.to_owned(),
        ..PostgresqlPlacement::default()
    };
    let known = host.nodes.get(node);
    let state = if host.occupied { DirectoryState::Occupied } else { DirectoryState::Absent };
    Ok(Vacancy {
        node: Some(node_ref(node)),
        placement: Some(Placement { system: Some(placement::System::Postgresql(place)) }),
        data_directory: state.into(),
        config_directory: DirectoryState::Absent.into(),
        port_holder: host.port_holder.to_owned(),
        service_holder: host.service_holder.to_owned(),
        data_free_bytes: host.free_bytes,
        claimed_by: known
            .map_or(host.vacancy_claimed_by, |node| node.claimed_by.as_str())
            .to_owned(),
    })
}

/// Slots of a standby: nobody reads them.
fn kept_slots(node: &Node) -> Vec<ReplicationSlot> {
    let slots = node.kept_slots.iter();
    slots
        .map(|slot| ReplicationSlot {
            name: slot.clone(),
            active: false,
            kind: "physical".to_owned(),
            wal_status: String::new(),
        })
        .collect()
}
