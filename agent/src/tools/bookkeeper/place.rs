//! Where a bookie lives on this host: a new one by the conventions of `agent.toml`, one that was there before as its own
//! configuration says. Must not know what is there already.

use std::net::SocketAddr;

use bellows_proto::v1::{BookkeeperPlacement, Fault, FaultCode, NodeRef};
use camino::{Utf8Path, Utf8PathBuf};

use super::{
    adopted, conf,
    session::placement_of,
    values::{Node, folder_of, service_name},
};
use crate::{
    config::{BookkeeperConfig, bookkeeper::Adopted},
    facilities::{
        Local,
        claims::{Holdings, names},
    },
};

/// The configuration that Bellows writes for a new bookie.
pub(super) const CONF_FILE: &str = "bookie.conf";

/// The section of `agent.toml`.
pub(super) fn section(local: &Local) -> Result<&BookkeeperConfig, Fault> {
    local.config.systems.bookkeeper.as_ref().ok_or_else(|| {
        Fault::new(FaultCode::Denied, "bookkeeper is not allowed on this host by its agent.toml")
    })
}

/// Where a new bookie would live. `port` 0: the host's default.
///
/// # Errors
/// `INVALID` for a bad name.
pub fn propose(local: &Local, node: &NodeRef, port: u16) -> Result<BookkeeperPlacement, Fault> {
    let section = section(local)?;
    let (cluster, name) = names(node)?;
    let folder = |root: &Utf8Path| root.join(cluster.as_str()).join(name.as_str());
    let folders = |roots: &[Utf8PathBuf]| -> Vec<String> {
        roots.iter().map(|root| folder(root).into_string()).collect()
    };
    let placement = BookkeeperPlacement {
        journal_dirs: folders(&section.journal_roots),
        ledger_dirs: folders(&section.ledger_roots),
        conf_file: folder(&section.conf_root).join(CONF_FILE).into_string(),
        log_dir: folder(&section.log_root).into_string(),
        port: u32::from(if port == 0 { section.port } else { port }),
        http_address: section.http_host.to_string(),
        http_port: u32::from(section.http_port),
        service: service_name(&cluster, &name),
        ..of_host(local, section)
    };
    Node::new(node, &placement)?;
    Ok(placement)
}

/// What is the same for every bookie of this host, whoever made it.
pub(super) fn of_host(local: &Local, section: &BookkeeperConfig) -> BookkeeperPlacement {
    BookkeeperPlacement {
        os_user: section.os_user.clone(),
        program: section.program.to_string(),
        address: local.config.agent.address.to_string(),
        ..BookkeeperPlacement::default()
    }
}

/// What a placement takes. Only the port is the coordinator's to choose; all else must be what this host would propose, or what
/// the configuration says that `agent.toml` names.
///
/// # Errors
/// `INVALID` or `DENIED`, naming what differs.
pub fn holdings(
    local: &Local,
    node: &NodeRef,
    placement: &BookkeeperPlacement,
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
            "the placement of {}/{} is not what this host makes of it: {}",
            node.cluster,
            node.node,
            differences.join(", ")
        ),
    )
    .remedy("plan anew: the plan then has this host's placement"))
}

/// The lines under `[systems.bookkeeper]` that allow a bookie to be adopted. `unit` empty: nothing tells which runs it.
pub(super) fn declaration(conf_file: &str, unit: &str) -> String {
    let mut lines = format!("adopt_conf_file = {conf_file:?}");
    if !unit.is_empty() {
        lines.push_str(&format!("\nadopt_unit = {unit:?}"));
    }
    lines
}

/// The host has the last word, also after the adoption.
///
/// # Errors
/// `DENIED` if `agent.toml` does not name this configuration any more.
pub(super) fn still_allowed<'a>(local: &'a Local, conf_file: &str) -> Result<&'a Adopted, Fault> {
    let adopted = section(local)?.adopted.as_ref();
    adopted.filter(|adopted| adopted.conf_file == conf_file).ok_or_else(|| {
        let lines = declaration(conf_file, "");
        Fault::new(
            FaultCode::Denied,
            format!("agent.toml of this host does not allow to adopt the bookie of {conf_file}"),
        )
        .remedy(format!(
            "have this under [systems.bookkeeper], with adopt_unit if a unit runs it, and restart the agent: {lines}"
        ))
    })
}

/// The placement of the bookie that was there before, as its configuration and `agent.toml` have it now.
fn allowed(local: &Local, placement: &BookkeeperPlacement) -> Result<BookkeeperPlacement, Fault> {
    let section = section(local)?;
    let found = still_allowed(local, &placement.conf_file)?;
    let conf = conf::load(local, &found.conf_file)?.ok_or_else(|| {
        Fault::new(FaultCode::NotFound, format!("{} is not there", found.conf_file))
    })?;
    let unit = found.unit.as_deref().unwrap_or_default();
    let own = adopted::placement(local, section, &found.conf_file, unit, &conf);
    // What its service is called here follows from its name.
    Ok(BookkeeperPlacement { service: placement.service.clone(), ..own.placement })
}

/// Whether a bookie that lives here now has the unit that this one, which has left, had.
///
/// # Errors
/// If the claims cannot be listed.
pub fn unit_is_anothers(
    local: &Local,
    node: &NodeRef,
    placement: &BookkeeperPlacement,
) -> Result<bool, Fault> {
    if !local.form.has_units() || placement.unit.is_empty() {
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
pub fn takes(node: &NodeRef, placement: &BookkeeperPlacement) -> Holdings {
    let port = |number: u32| u16::try_from(number).unwrap_or_default();
    let mut data: Vec<Utf8PathBuf> = Vec::new();
    let lists = [&placement.ledger_dirs, &placement.journal_dirs, &placement.index_dirs];
    for path in lists.into_iter().flatten().map(Utf8PathBuf::from) {
        if !data.contains(&path) {
            data.push(path);
        }
    }
    let others = match placement.adopted {
        true => Vec::new(),
        false => vec![Utf8PathBuf::from(&placement.log_dir)],
    };
    let http =
        placement.http_address.parse().map(|ip| SocketAddr::new(ip, port(placement.http_port)));
    let mut data = data.into_iter();
    Holdings {
        data: data.next().unwrap_or_default(),
        more_data: data.collect(),
        config: folder_of(Utf8Path::new(&placement.conf_file)),
        others,
        services: vec![service_name(&node.cluster, &node.node)],
        address: placement.address.clone(),
        port: port(placement.port),
        elsewhere: http.into_iter().collect(),
        adopted: placement.adopted,
        ..Holdings::default()
    }
}

fn differences(own: &BookkeeperPlacement, theirs: &BookkeeperPlacement) -> Vec<String> {
    let fields = |placement: &BookkeeperPlacement| {
        [
            ("os_user", placement.os_user.clone()),
            ("program", placement.program.clone()),
            ("journal_dirs", placement.journal_dirs.join(",")),
            ("ledger_dirs", placement.ledger_dirs.join(",")),
            ("index_dirs", placement.index_dirs.join(",")),
            ("conf_file", placement.conf_file.clone()),
            ("log_dir", placement.log_dir.clone()),
            ("address", placement.address.clone()),
            ("port", placement.port.to_string()),
            ("http_address", placement.http_address.clone()),
            ("http_port", placement.http_port.to_string()),
            ("service", placement.service.clone()),
            ("unit", placement.unit.clone()),
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

    /// A host with these lines in its section.
    pub(in crate::tools::bookkeeper) fn local(section: &str) -> Local {
        let text = format!(
            "[agent]\nhost = \"h4\"\naddress = \"10.0.0.4\"\nlaunch = \"process\"\n\
             [systems.bookkeeper]\n{section}"
        );
        let config = crate::config::parse(Utf8Path::new("agent.toml"), &text);
        crate::run::local(config.unwrap()).unwrap()
    }

    #[test]
    fn a_new_bookie_lives_where_the_host_says() {
        let local = local("");
        let reference = NodeRef { cluster: "events".into(), node: "b4".into() };
        let placement = propose(&local, &reference, 0).unwrap();
        assert_eq!(placement, super::super::values::tests::placement());
        let taken = holdings(&local, &reference, &placement).unwrap();
        assert_eq!(taken.more_data, ["/var/lib/bookkeeper/journal/events/b4"]);
        let listens: Vec<_> = taken.endpoints().collect();
        assert_eq!(listens, [("10.0.0.4".into(), 3181), ("127.0.0.1".into(), 8080)]);
        let other = BookkeeperPlacement { program: "/tmp/bookkeeper".into(), ..placement };
        let fault = holdings(&local, &reference, &other).unwrap_err();
        assert!(
            fault.message.contains("program is \"/opt/bookkeeper/bin/bookkeeper\""),
            "{fault:?}"
        );
    }

    #[test]
    fn journals_and_ledgers_have_a_directory_per_root() {
        let local = local(
            "journal_roots = [\"/j\"]\nledger_roots = [\"/d1\", \"/d2\"]\nhttp_host = \"10.0.0.4\"",
        );
        let reference = NodeRef { cluster: "events".into(), node: "b4".into() };
        let placement = propose(&local, &reference, 3182).unwrap();
        assert_eq!(placement.ledger_dirs, ["/d1/events/b4", "/d2/events/b4"]);
        let taken = takes(&reference, &placement);
        assert_eq!(taken.data, "/d1/events/b4");
        assert_eq!(taken.more_data, ["/d2/events/b4", "/j/events/b4"]);
        assert_eq!(taken.endpoints().map(|(_, port)| port).collect::<Vec<_>>(), [3182, 8080]);
    }

    #[test]
    fn what_agent_toml_does_not_name_is_not_adopted() {
        let local = local("adopt_conf_file = \"/etc/bookkeeper/bk_server.conf\"");
        assert!(still_allowed(&local, "/etc/bookkeeper/bk_server.conf").is_ok());
        let fault = still_allowed(&local, "/etc/other.conf").unwrap_err();
        assert!(fault.remedy.contains("adopt_conf_file = \"/etc/other.conf\""), "{fault:?}");
    }
}
