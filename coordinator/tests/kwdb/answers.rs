//! How the model's hosts answer.

use bellows_proto::v1::{
    Answer, DirectoryState, Fault, FaultCode, HostAnswer, HostFacts, KwdbAnswer, KwdbCertificate,
    KwdbCertificates, KwdbCluster, KwdbFound, KwdbFoundNode, KwdbInstallation, KwdbLeft,
    KwdbLiveness, KwdbPlacement, KwdbReading, KwdbReplicas, KwdbServer, KwdbStartMode, KwdbStatus,
    KwdbStore, ManagedFileReading, ManagedFileState, NodeRecord, Placement, Query, ServiceReading,
    ServiceState, SystemFacts, ToolVersion, Vacancy, answer, host_answer, host_query, kwdb_answer,
    kwdb_found_node, kwdb_query, kwdb_reading, placement, query,
};

use crate::world::{AUTHORITY, CLUSTER, Certificate, Host, Known, World, address, node_ref};

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
                        host_answer::Kind::Vacancy(vacancy(name, host, node)?)
                    }
                    host_query::Kind::Inventory(_) => panic!("no planner asks for it"),
                }),
            }),
            query::Kind::Kwdb(query) => answer::Kind::Kwdb(KwdbAnswer {
                kind: Some(match query.kind.as_ref().unwrap() {
                    kwdb_query::Kind::Node(query) => {
                        let node = &query.node.as_ref().unwrap().node;
                        kwdb_answer::Kind::Node(self.reading(name, host, node))
                    }
                    kwdb_query::Kind::Cluster(_) if self.no_quorum || !host.running => {
                        return Err(Fault::new(FaultCode::Deadline, "no answer in 5 s").at(name));
                    }
                    kwdb_query::Kind::Cluster(_) => kwdb_answer::Kind::Cluster(self.cluster()),
                    kwdb_query::Kind::Find(_) => {
                        kwdb_answer::Kind::Found(KwdbFound { node: self.found(name, host) })
                    }
                }),
            }),
            other => panic!("no planner of KWDB asks for it: {other:?}"),
        };
        Ok(Answer { kind: Some(kind) })
    }

    fn found(&self, name: &str, host: &Host) -> Option<KwdbFoundNode> {
        host.foreign.then(|| KwdbFoundNode {
            placement: Some(foreign_place(name, host)),
            claimed: host.records.keys().next().map(|node| node_ref(node)),
            declared: host.declared,
            declaration: "adopt = true".to_owned(),
            obstacles: said(host.obstacle),
            running: host.running,
            start_mode: self.mode.into(),
            server: Some(match self.server(name, host) {
                Ok(server) => kwdb_found_node::Server::Up(server),
                Err(fault) => kwdb_found_node::Server::Down(fault),
            }),
        })
    }

    fn reading(&self, name: &str, host: &Host, node: &str) -> KwdbReading {
        let record = host.records.get(node);
        let place = match (record, host.foreign) {
            (Some(record), _) => record.place.clone(),
            (None, true) => foreign_place(name, host),
            (None, false) => proposed(name, host, node),
        };
        let state = match (host.running, host.foreign, &host.start) {
            (true, ..) => ServiceState::Running,
            (false, true, _) | (false, false, Some(_)) => ServiceState::Stopped,
            (false, false, None) => ServiceState::Absent,
        };
        let file = |state: ManagedFileState| ManagedFileReading {
            name: "50-bellows.conf".to_owned(),
            state: state.into(),
            digest: String::new(),
        };
        let written = match (host.start.is_some(), host.changed_file) {
            (_, true) => ManagedFileState::Changed,
            (true, false) => ManagedFileState::Ours,
            (false, false) => ManagedFileState::Absent,
        };
        KwdbReading {
            node: Some(node_ref(node)),
            claimed: Some(record.is_some_and(|record| !record.tombstone)),
            tombstone: Some(record.is_some_and(|record| record.tombstone)),
            data_directory: directory(host, record.is_none()).into(),
            data_is_ours: Some(!place.adopted),
            placement: Some(place),
            service: Some(ServiceReading { state: state.into(), ..ServiceReading::default() }),
            files: vec![file(written)],
            start: host.start.clone().filter(|_| !host.changed_file),
            store_mode: host.store.map_or(KwdbStartMode::Unspecified, |_| self.mode).into(),
            certificates: Some(certificates(host)),
            signed: host.signed.clone(),
            waiters: host.waiters.clone(),
            installation: (!host.installed_security.is_empty()).then(|| KwdbInstallation {
                security: host.installed_security.to_owned(),
                ..KwdbInstallation::default()
            }),
            server: Some(match self.server(name, host) {
                Ok(server) => kwdb_reading::Server::Up(server),
                Err(fault) => kwdb_reading::Server::Down(fault),
            }),
            left_alone: said(host.left_alone),
            command: host.command.clone(),
        }
    }

    fn server(&self, name: &str, host: &Host) -> Result<KwdbServer, Fault> {
        if !host.running {
            return Err(Fault::new(FaultCode::Unreachable, "cannot dial server").at(name));
        }
        let row = |(id, known): (&u32, &Known)| self.row(name, *id, known);
        let known: Vec<KwdbStatus> = self.known.iter().map(row).collect();
        let active = |row: &&KwdbStatus| row.is_decommissioning != Some(true) || self.lives(row.id);
        Ok(KwdbServer {
            version: host.kwbase.to_owned(),
            active: known.iter().filter(active).cloned().collect(),
            known,
            serves_sql: Some(host.sql),
        })
    }

    fn row(&self, witness: &str, id: u32, known: &Known) -> KwdbStatus {
        let lives = self.lives(id);
        let odd = self.odd_witness.as_ref().is_some_and(|(at, of)| at == witness && *of == id);
        let told = |text: String| if known.nameless { String::new() } else { text };
        KwdbStatus {
            id,
            address: told(known.address.clone()),
            sql_address: told(known.address.clone()),
            build: told(known.build.to_owned()),
            started_at: told(format!("2026-01-05 08:00:{:02}", known.starts)),
            locality: told(match known.locality.as_str() {
                "" => format!("region=NODE{id}"),
                own => own.to_owned(),
            }),
            start_mode: told(
                match self.mode {
                    KwdbStartMode::SingleReplica => "start-single-replica",
                    KwdbStartMode::SingleNode => "start-single-node",
                    _ => "start",
                }
                .to_owned(),
            ),
            is_available: lives && !odd,
            is_live: lives && !odd,
            gossiped_replicas: Some(known.replicas),
            is_decommissioning: Some(known.decommissioning),
            is_draining: Some(known.draining),
        }
    }

    fn cluster(&self) -> KwdbCluster {
        // The row of one that died stays.
        let stores =
            self.known.iter().filter(|(id, known)| self.lives(**id) || !known.decommissioning);
        let left = self.known.iter().filter(|(_, known)| known.decommissioning);
        KwdbCluster {
            ranges_unavailable: self.unavailable,
            ranges_underreplicated: self.underreplicated,
            stores: stores
                .map(|(id, known)| KwdbStore {
                    node_id: *id,
                    store_id: *id,
                    capacity: 100 << 30,
                    available: 90 << 30,
                    used: known.used,
                    ranges: known.replicas,
                })
                .collect(),
            replicas: self
                .known
                .iter()
                .filter(|(_, known)| known.decommissioning)
                .map(|(id, known)| KwdbReplicas { node_id: *id, count: known.replicas })
                .collect(),
            zones: self.zones.clone(),
            rebalance: self.rebalance,
            jobs: self.jobs.clone(),
            liveness: self
                .known
                .iter()
                .map(|(id, known)| KwdbLiveness {
                    node_id: *id,
                    draining: known.draining,
                    decommissioning: known.decommissioning,
                    upgrading: self.upgrading.contains(id),
                })
                .collect(),
            rebalance_rate: 8 << 20,
            recovery_rate: 8 << 20,
            id: String::new(),
            left: left
                .flat_map(|(id, known)| {
                    (0..known.replicas.min(8)).map(|range| KwdbLeft {
                        range: 100 + range,
                        node_id: *id,
                        what: "metrics/cpu".to_owned(),
                    })
                })
                .collect(),
        }
    }
}

fn said(text: &str) -> Vec<String> {
    if text.is_empty() { Vec::new() } else { vec![text.to_owned()] }
}

fn directory(host: &Host, free: bool) -> DirectoryState {
    match (host.store.is_some(), host.occupied, free) {
        (true, ..) | (_, true, _) => DirectoryState::Occupied,
        (false, false, true) => DirectoryState::Absent,
        (false, false, false) => DirectoryState::Empty,
    }
}

fn certificates(host: &Host) -> KwdbCertificates {
    let found = &host.certificates;
    let one = |one: &Certificate, name: &str| KwdbCertificate {
        present: one.signed != 0,
        key_matches: one.signed != 0 && one.signed == one.key,
        signed_by_authority: one.authority == found.authority && !one.authority.is_empty(),
        name: if one.signed == 0 { String::new() } else { name.to_owned() },
        hosts: one.hosts.clone(),
        valid_until_ms: one.ends_ms,
        key: if one.key == 0 { Vec::new() } else { vec![one.key] },
    };
    let request = |what: &str, key: u8| match found.requests {
        true => format!("request of {what} {key}"),
        false => String::new(),
    };
    KwdbCertificates {
        authority: found.authority.clone(),
        authority_pem: String::from_utf8(found.authority.clone()).unwrap(),
        has_authority_key: found.has_key,
        node: Some(one(&found.node, "node")),
        client: Some(one(&found.client, "root")),
        node_request: request("node", found.node.key),
        client_request: request("client", found.client.key),
        leftovers: found.leftovers.clone(),
    }
}

/// Where the installer puts a node.
pub fn foreign_place(name: &str, host: &Host) -> KwdbPlacement {
    KwdbPlacement {
        data_dir: "/var/lib/kaiwudb".to_owned(),
        conf_dir: "/etc/kaiwudb".to_owned(),
        log_dir: "/var/lib/kaiwudb/logs".to_owned(),
        adopted: true,
        ..proposed(name, host, "")
    }
}

/// Where the host would put a node.
fn proposed(name: &str, host: &Host, node: &str) -> KwdbPlacement {
    let container = host.container.to_owned();
    KwdbPlacement {
        os_user: "kaiwudb".to_owned(),
        program: "/usr/local/kaiwudb/bin/kwbase".to_owned(),
        data_dir: format!("/var/lib/kaiwudb/{CLUSTER}/{node}"),
        conf_dir: format!("/etc/bellows/kwdb/{CLUSTER}/{node}"),
        log_dir: format!("/var/log/bellows/kwdb/{CLUSTER}/{node}"),
        certs_dir: "/etc/kaiwudb/certs".to_owned(),
        address: address(name),
        port: 26257,
        http_port: 8080,
        brpc_port: 27257,
        unit: "kaiwudb.service".to_owned(),
        service: String::new(),
        security: host.security.into(),
        container,
        adopted: false,
    }
}

fn facts(host: &Host, now_ms: i64) -> HostFacts {
    let tool =
        |tool: &str, version: &str| ToolVersion { tool: tool.into(), version: version.into() };
    let mut tools = vec![tool("kwbase", host.kwbase)];
    if host.deploy_sh {
        tools.push(tool("deploy.sh", "3.1.0"));
    }
    let system = SystemFacts {
        system: "kwdb".to_owned(),
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

fn vacancy(name: &str, host: &Host, node: &str) -> Result<Vacancy, Fault> {
    if !host.vacancy_answers {
        return Err(Fault::new(FaultCode::Internal, "cannot look").at(name));
    }
    let record = host.records.get(node);
    let place = record.map_or_else(|| proposed(name, host, node), |one| one.place.clone());
    let claimed_by = match record {
        Some(record) => record.claimed_by.clone(),
        None => host.vacancy_claimed_by.to_owned(),
    };
    Ok(Vacancy {
        node: Some(node_ref(node)),
        placement: Some(Placement { system: Some(placement::System::Kwdb(place)) }),
        data_directory: directory(host, record.is_none()).into(),
        config_directory: DirectoryState::Absent.into(),
        port_holder: host.port_holder.to_owned(),
        service_holder: host.service_holder.to_owned(),
        data_free_bytes: host.free_bytes,
        claimed_by,
    })
}

/// For those who ask whether a certificate is the cluster's.
pub fn is_of_cluster(authority: &[u8]) -> bool {
    authority == AUTHORITY
}
