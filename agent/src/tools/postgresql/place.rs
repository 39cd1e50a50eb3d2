//! Where a node lives on this host, by the conventions of `agent.toml`, and its two services.
//! Must not know what is there already.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use bellows_proto::v1::{Fault, FaultCode, NodeRef, PostgresqlPlacement};
use camino::Utf8Path;

use super::{adopted, render::POSTGRESQL_CONF, values::Node};
use crate::{
    config::PostgresqlConfig,
    facilities::{
        Local,
        claims::{Holdings, names},
        services::ServiceSpec,
    },
    host::Signal,
};

/// A fast shutdown writes a checkpoint first.
const SERVER_STOP: Duration = Duration::from_secs(180);
const REPMGRD_STOP: Duration = Duration::from_secs(20);

/// The kind of the service that is the server.
pub(super) const SERVER: &str = "server";
/// The kind of the service that is repmgrd.
pub(super) const REPMGRD: &str = "repmgrd";

/// What a service of a node is called at this agent; under systemd, where Bellows made it, its unit too.
pub(super) fn service_name(
    cluster: impl std::fmt::Display,
    node: impl std::fmt::Display,
    kind: &str,
) -> String {
    format!("bellows-{cluster}-{node}-{kind}")
}

/// The section of `agent.toml`.
pub(super) fn section(local: &Local) -> Result<&PostgresqlConfig, Fault> {
    local.config.systems.postgresql.as_ref().ok_or_else(|| {
        Fault::new(FaultCode::Denied, "postgresql is not allowed on this host by its agent.toml")
    })
}

/// Where a new node would live. `port` 0: the host's default. The node id is left at 0.
///
/// # Errors
/// `INVALID` for a bad name, or where a path would be too long for a socket.
pub fn propose(local: &Local, node: &NodeRef, port: u16) -> Result<PostgresqlPlacement, Fault> {
    let section = section(local)?;
    let placement = conventional(section, local.config.agent.address, node, port)?;
    Node::new(node, &placement)?;
    Ok(placement)
}

fn conventional(
    section: &PostgresqlConfig,
    address: IpAddr,
    node: &NodeRef,
    port: u16,
) -> Result<PostgresqlPlacement, Fault> {
    let (cluster, name) = names(node)?;
    let folder = |root: &Utf8Path| root.join(cluster.as_str()).join(name.as_str()).into_string();
    let service = |kind: &str| service_name(&cluster, &name, kind);
    Ok(PostgresqlPlacement {
        os_user: section.os_user.clone(),
        bin_dir: section.bin_dir.to_string(),
        data_dir: folder(&section.data_root),
        conf_dir: folder(&section.conf_root),
        socket_dir: folder(&section.socket_root),
        log_dir: folder(&section.log_root),
        address: address.to_string(),
        port: u32::from(if port == 0 { section.port } else { port }),
        node_id: 0,
        server_service: service(SERVER),
        repmgrd_service: service(REPMGRD),
        passfile: section.passfile.to_string(),
        ..PostgresqlPlacement::default()
    })
}

/// What a placement takes. Only the port and the node id are the coordinator's to choose;
/// all else must be what this host would propose, or what its `agent.toml` lists for adoption.
///
/// # Errors
/// `INVALID` or `DENIED`, naming what differs.
pub fn holdings(
    local: &Local,
    node: &NodeRef,
    placement: &PostgresqlPlacement,
) -> Result<Holdings, Fault> {
    let checked = Node::new(node, placement)?;
    if checked.node_id == 0 {
        return Err(Fault::new(FaultCode::Invalid, "the placement has no node id"));
    }
    let own = if placement.adopted {
        adopted::allowed(local, placement)?
    } else {
        PostgresqlPlacement {
            node_id: placement.node_id,
            ..propose(local, node, checked.port.get())?
        }
    };
    if own != *placement {
        return Err(Fault::new(
            FaultCode::Denied,
            format!(
                "the placement of {}/{} is not what this host's agent.toml makes of it: {}",
                node.cluster,
                node.node,
                differences(&own, placement).join(", ")
            ),
        )
        .remedy("plan anew: the plan then has this host's placement"));
    }
    Ok(takes(node, placement))
}

/// What a placement takes, as it says; nothing is refused.
pub fn takes(node: &NodeRef, placement: &PostgresqlPlacement) -> Holdings {
    let name = |kind| service_name(&node.cluster, &node.node, kind);
    // Of an adopted node nothing but its places is its own, and its services have names of ours.
    let (others, services) = match placement.adopted {
        true => (Vec::new(), vec![name(SERVER), name(REPMGRD)]),
        false => (
            vec![placement.log_dir.clone().into(), placement.socket_dir.clone().into()],
            vec![placement.server_service.clone(), placement.repmgrd_service.clone()],
        ),
    };
    Holdings {
        data: placement.data_dir.clone().into(),
        config: placement.conf_dir.clone().into(),
        others,
        services,
        address: placement.address.clone(),
        port: u16::try_from(placement.port).unwrap_or_default(),
        other_ports: Vec::new(),
        adopted: placement.adopted,
        ..Holdings::default()
    }
}

fn differences(own: &PostgresqlPlacement, theirs: &PostgresqlPlacement) -> Vec<String> {
    let fields = |placement: &PostgresqlPlacement| {
        [
            ("os_user", placement.os_user.clone()),
            ("bin_dir", placement.bin_dir.clone()),
            ("data_dir", placement.data_dir.clone()),
            ("conf_dir", placement.conf_dir.clone()),
            ("socket_dir", placement.socket_dir.clone()),
            ("log_dir", placement.log_dir.clone()),
            ("address", placement.address.clone()),
            ("port", placement.port.to_string()),
            ("server_service", placement.server_service.clone()),
            ("repmgrd_service", placement.repmgrd_service.clone()),
            ("passfile", placement.passfile.clone()),
        ]
    };
    std::iter::zip(fields(own), fields(theirs))
        .filter(|(own, theirs)| own.1 != theirs.1)
        .map(|((name, own), (_, theirs))| {
            format!("{name} is {own:?} here, {theirs:?} in the placement")
        })
        .collect()
}

/// The server, as a service.
pub fn server(node: &Node, environment: BTreeMap<String, String>) -> ServiceSpec {
    let config = node.conf_dir.file(POSTGRESQL_CONF);
    ServiceSpec {
        name: node.server_service.clone(),
        description: format!("PostgreSQL node {} of cluster {}", node.name, node.cluster),
        user: node.os_user.clone(),
        program: node.bin_dir.file("postgres").as_path().to_owned(),
        arguments: vec![
            "-D".to_owned(),
            node.data_dir.to_string(),
            format!("--config-file={config}"),
        ],
        environment,
        // TERM would wait for all clients to leave; INT is the fast shutdown.
        stop_signal: Signal::Int,
        stop_timeout: SERVER_STOP,
        log_file: node.log_dir.file("postgres.out").as_path().to_owned(),
        directories: vec![node.socket_dir.as_path().to_owned()],
        restart: true,
    }
}

/// repmgrd, as a service. Without a pid file: its default place is one for all.
pub fn repmgrd(node: &Node, environment: BTreeMap<String, String>) -> ServiceSpec {
    let config = &node.repmgr_conf;
    ServiceSpec {
        name: node.repmgrd_service.clone(),
        description: format!("repmgrd of node {} of cluster {}", node.name, node.cluster),
        user: node.os_user.clone(),
        program: node.bin_dir.file("repmgrd").as_path().to_owned(),
        arguments: vec![
            format!("--config-file={config}"),
            "--daemonize=false".to_owned(),
            "--no-pid-file".to_owned(),
        ],
        environment,
        stop_signal: Signal::Term,
        stop_timeout: REPMGRD_STOP,
        log_file: node.log_dir.file("repmgrd.out").as_path().to_owned(),
        directories: Vec::new(),
        restart: true,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::tools::postgresql::values::tests::node;

    #[test]
    fn every_node_has_its_own_places() {
        let section = PostgresqlConfig {
            bin_dir: "/b".into(),
            os_user: "postgres".into(),
            data_root: "/d".into(),
            conf_root: "/c".into(),
            log_root: "/l".into(),
            socket_root: "/s".into(),
            passfile: "/p".into(),
            port: 5433,
            adopted: Vec::new(),
            backups: None,
            fronts: Vec::new(),
        };
        let reference = node().reference();
        let address = [10, 0, 0, 9].into();
        let placement = conventional(&section, address, &reference, 0).unwrap();
        assert_eq!(placement.data_dir, "/d/orders/pg1");
        assert_eq!(placement.port, 5433);
        assert_eq!(placement.server_service, "bellows-orders-pg1-server");
        let other = conventional(&section, address, &reference, 6000).unwrap();
        assert_eq!(
            differences(&placement, &other),
            ["port is \"5433\" here, \"6000\" in the placement"]
        );
    }

    #[test]
    fn services_run_as_the_owner() {
        let (server, repmgrd) =
            (server(&node(), BTreeMap::new()), repmgrd(&node(), BTreeMap::new()));
        assert_eq!(server.user, "postgres");
        assert_eq!(server.stop_signal, Signal::Int);
        assert!(server.arguments.contains(
            &"--config-file=/etc/bellows/postgresql/orders/pg1/postgresql.conf".to_owned()
        ));
        assert!(repmgrd.arguments.contains(&"--no-pid-file".to_owned()));
    }
}
