//! Where a node lives on this host, by the conventions of `agent.toml`. Must not know what is there already.

use bellows_proto::v1::{Fault, FaultCode, KwdbPlacement, NodeRef};
use camino::{Utf8Path, Utf8PathBuf};

use super::{
    session::placement_of,
    values::{Node, service_name},
};
use crate::{
    config::KwdbConfig,
    facilities::{
        Local,
        claims::{Holdings, names},
    },
};

/// The section of `agent.toml`.
pub(super) fn section(local: &Local) -> Result<&KwdbConfig, Fault> {
    local.config.systems.kwdb.as_ref().ok_or_else(|| {
        Fault::new(FaultCode::Denied, "kwdb is not allowed on this host by its agent.toml")
    })
}

/// Where a new node would live. `port` 0: the host's default.
///
/// # Errors
/// `INVALID` for a bad name.
pub fn propose(local: &Local, node: &NodeRef, port: u16) -> Result<KwdbPlacement, Fault> {
    let section = section(local)?;
    let (cluster, name) = names(node)?;
    let folder = |root: &Utf8Path| root.join(cluster.as_str()).join(name.as_str()).into_string();
    let placement = KwdbPlacement {
        data_dir: folder(&section.data_root),
        conf_dir: folder(&section.conf_root),
        log_dir: folder(&section.log_root),
        port: u32::from(if port == 0 { section.port } else { port }),
        service: service_name(&cluster, &name),
        ..of_host(local, section)
    };
    Node::new(node, &placement)?;
    Ok(placement)
}

/// What is the same for every node of this host, whoever made it.
pub(super) fn of_host(local: &Local, section: &KwdbConfig) -> KwdbPlacement {
    KwdbPlacement {
        os_user: section.os_user.clone(),
        program: section.program.to_string(),
        certs_dir: section.certs_dir.to_string(),
        address: local.config.agent.address.to_string(),
        http_port: u32::from(section.http_port),
        brpc_port: u32::from(section.brpc_port),
        unit: section.unit.clone(),
        security: section.security.into(),
        container: section.container.as_ref().map(|it| it.name.clone()).unwrap_or_default(),
        ..KwdbPlacement::default()
    }
}

/// What a placement takes. Only the port is the coordinator's to choose; all else must be what this host would
/// propose, or what `agent.toml` allows of a node that was there before.
///
/// # Errors
/// `INVALID` or `DENIED`, naming what differs.
pub fn holdings(
    local: &Local,
    node: &NodeRef,
    placement: &KwdbPlacement,
) -> Result<Holdings, Fault> {
    let checked = Node::new(node, placement)?;
    let own = match placement.adopted {
        true => allowed(local, placement)?,
        false => propose(local, node, checked.port.get())?,
    };
    let differences = differences(&own, placement);
    if differences.is_empty() {
        return Ok(takes(node, placement));
    }
    Err(Fault::new(
        FaultCode::Denied,
        format!(
            "the placement of {}/{} is not what this host's agent.toml makes of it: {}",
            node.cluster,
            node.node,
            differences.join(", ")
        ),
    )
    .remedy("plan anew: the plan then has this host's placement"))
}

/// The line under `[systems.kwdb]` that allows the node of this host to be adopted.
pub(super) const DECLARATION: &str = "adopt = true";

/// The host has the last word, also after the adoption.
///
/// # Errors
/// `DENIED` if `agent.toml` does not allow it.
pub(super) fn still_allowed(local: &Local) -> Result<&KwdbConfig, Fault> {
    let section = section(local)?;
    if section.adopt {
        return Ok(section);
    }
    Err(Fault::new(
        FaultCode::Denied,
        "agent.toml of this host does not allow to adopt its node of KWDB",
    )
    .remedy(format!("have this line under [systems.kwdb] and restart the agent: {DECLARATION}")))
}

/// The placement of a node that was there before as this host allows it: user, program, certificates, unit and
/// address are the host's own, data and ports are where somebody else put them.
fn allowed(local: &Local, placement: &KwdbPlacement) -> Result<KwdbPlacement, Fault> {
    let section = still_allowed(local)?;
    let theirs = placement.clone();
    Ok(KwdbPlacement {
        data_dir: theirs.data_dir,
        log_dir: theirs.log_dir,
        conf_dir: section.conf_root.to_string(),
        port: theirs.port,
        http_port: theirs.http_port,
        brpc_port: theirs.brpc_port,
        service: theirs.service,
        adopted: true,
        ..of_host(local, section)
    })
}

/// Whether a node that lives here now has the unit that this one, which has left, had: a host has one unit, and its next node
/// another name.
///
/// # Errors
/// If the claims cannot be listed.
pub fn unit_is_anothers(
    local: &Local,
    node: &NodeRef,
    placement: &KwdbPlacement,
) -> Result<bool, Fault> {
    if !local.form.has_units() {
        return Ok(false);
    }
    let all = local.claims().each()?;
    Ok(all.into_iter().flatten().any(|other| {
        other.node.as_ref() != Some(node)
            && !other.tombstone
            && placement_of(&other).is_some_and(|theirs| theirs.unit == placement.unit)
    }))
}

/// What a placement takes, as it says; nothing is refused.
pub fn takes(node: &NodeRef, placement: &KwdbPlacement) -> Holdings {
    let port = |number: u32| u16::try_from(number).unwrap_or_default();
    let others = match placement.adopted {
        true => Vec::new(),
        false => vec![Utf8PathBuf::from(&placement.log_dir)],
    };
    Holdings {
        data: placement.data_dir.clone().into(),
        config: placement.conf_dir.clone().into(),
        others,
        services: vec![service_name(&node.cluster, &node.node)],
        address: placement.address.clone(),
        port: port(placement.port),
        other_ports: vec![port(placement.http_port), port(placement.brpc_port)],
        adopted: placement.adopted,
        ..Holdings::default()
    }
}

fn differences(own: &KwdbPlacement, theirs: &KwdbPlacement) -> Vec<String> {
    let fields = |placement: &KwdbPlacement| {
        [
            ("os_user", placement.os_user.clone()),
            ("program", placement.program.clone()),
            ("data_dir", placement.data_dir.clone()),
            ("conf_dir", placement.conf_dir.clone()),
            ("log_dir", placement.log_dir.clone()),
            ("certs_dir", placement.certs_dir.clone()),
            ("address", placement.address.clone()),
            ("port", placement.port.to_string()),
            ("http_port", placement.http_port.to_string()),
            ("brpc_port", placement.brpc_port.to_string()),
            ("unit", placement.unit.clone()),
            ("service", placement.service.clone()),
            ("security", placement.security().as_str_name().to_owned()),
            ("container", placement.container.clone()),
            ("adopted", placement.adopted.to_string()),
        ]
    };
    std::iter::zip(fields(own), fields(theirs))
        .filter(|(own, theirs)| own.1 != theirs.1)
        .map(|((name, own), (_, theirs))| {
            format!("{name} is {own:?} here, {theirs:?} in the placement")
        })
        .collect()
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A host with this section.
    pub(in crate::tools::kwdb) fn local(section: &str) -> Local {
        let text = format!(
            "[agent]\nhost = \"h4\"\naddress = \"10.0.0.4\"\nlaunch = \"process\"\n\
             [systems.kwdb]\nsecurity = \"tls\"\n{section}"
        );
        let config = crate::config::parse(Utf8Path::new("agent.toml"), &text);
        crate::run::local(config.unwrap()).unwrap()
    }

    #[test]
    fn a_new_node_lives_where_the_host_says() {
        let local = local("");
        let reference = NodeRef { cluster: "meters".into(), node: "n4".into() };
        let placement = propose(&local, &reference, 0).unwrap();
        assert_eq!(placement, super::super::values::tests::placement());
        let taken = holdings(&local, &reference, &placement).unwrap();
        assert_eq!(taken.ports().collect::<Vec<_>>(), [26257, 8080, 27257]);
        let other = KwdbPlacement { program: "/tmp/kwbase".into(), ..placement };
        let fault = holdings(&local, &reference, &other).unwrap_err();
        assert_eq!(fault.code(), FaultCode::Denied);
        assert!(fault.message.contains("program is"), "{fault}");
    }

    #[test]
    fn a_host_has_one_unit_for_the_node_that_left_and_the_one_that_came() {
        use bellows_proto::v1::{Placement, placement};

        use crate::{
            config::LaunchForm,
            facilities::claims::{NodeClaim, Remembered},
        };
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "[agent]\nhost = \"h4\"\naddress = \"10.0.0.4\"\nlaunch = \"systemd\"\ndata_dir = \"{}\"\n\
             [systems.kwdb]\nsecurity = \"tls\"\n",
            folder.path().display()
        );
        let config = crate::config::parse(Utf8Path::new("agent.toml"), &text).unwrap();
        let mut local = crate::run::local(config).unwrap();
        let reference = |node: &str| NodeRef { cluster: "meters".into(), node: node.into() };
        let claim = |local: &Local, node: &str, tombstone: bool| {
            let place = propose(local, &reference(node), 0).unwrap();
            let placement = Some(Placement { system: Some(placement::System::Kwdb(place)) });
            let known = Remembered {
                node: Some(reference(node)),
                claim: Some(NodeClaim { placement, ..NodeClaim::default() }),
                tombstone,
                buried: tombstone,
                ..Remembered::default()
            };
            local.claims().put(&reference(node), &known).unwrap();
        };
        let place = propose(&local, &reference("n4"), 0).unwrap();
        let anothers = |local: &Local| unit_is_anothers(local, &reference("n4"), &place).unwrap();
        claim(&local, "n4", true);
        claim(&local, "n5", true);
        assert!(!anothers(&local));
        claim(&local, "n6", false);
        assert!(anothers(&local));
        local.form = LaunchForm::Process;
        assert!(!anothers(&local));
    }

    #[test]
    fn only_what_root_allows_is_adopted() {
        let reference = NodeRef { cluster: "meters".into(), node: "n4".into() };
        let theirs = KwdbPlacement {
            data_dir: "/data/kaiwudb".into(),
            conf_dir: "/etc/bellows/kwdb".into(),
            log_dir: "/data/kaiwudb/logs".into(),
            port: 26300,
            service: String::new(),
            adopted: true,
            ..super::super::values::tests::placement()
        };
        let fault = holdings(&local(""), &reference, &theirs).unwrap_err();
        assert!(fault.remedy.contains("adopt = true"), "{fault:?}");
        let taken = holdings(&local("adopt = true\n"), &reference, &theirs).unwrap();
        assert!(taken.adopted && taken.others.is_empty());
        let other = KwdbPlacement { os_user: "root".into(), ..theirs };
        assert!(holdings(&local("adopt = true\n"), &reference, &other).is_err());
    }
}
