//! Nodes that were there before Bellows: what root allows of them, and which processes are theirs.
//! Nothing here changes anything, and nothing of them is Bellows' own.

use bellows_proto::v1::{Fault, FaultCode, PostgresqlPlacement};
use camino::Utf8Path;

use super::{
    find::{parse, processes},
    place,
    values::{Node, PlainPath},
};
use crate::{
    config::{LaunchForm, postgresql::Adopted},
    facilities::Local,
    host::{Host, ProcessId},
};

/// First line: the postmaster's process id.
pub(super) const PID_FILE: &str = "postmaster.pid";
/// A process's part of `/proc` that is looked at.
const PROC_LIMIT: u64 = 64 * 1024;
/// In a line for root, where nothing tells the name.
const NAME_IT: &str = "NAME-OF-ITS-UNIT.service";

/// The units of a server that somebody else built; empty: not named, or not known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Units {
    /// Of the server.
    pub(super) server: String,
    /// Of its repmgrd.
    pub(super) repmgrd: String,
}

impl Units {
    fn of(entry: &Adopted) -> Self {
        Self {
            server: entry.server_unit.clone().unwrap_or_default(),
            repmgrd: entry.repmgrd_unit.clone().unwrap_or_default(),
        }
    }
}

/// The line of `[systems.postgresql]` that allows this server to be adopted, and to be stopped and started
/// by these units, besides those that are listed already.
pub(super) fn declaration(
    local: &Local,
    data_dir: &str,
    repmgr_conf: &str,
    units: &Units,
) -> String {
    let known = place::section(local).map_or(&[][..], |section| section.adopted.as_slice());
    let others = known.iter().filter(|entry| entry.data_dir != data_dir);
    let mut entries: Vec<String> = others
        .map(|entry| one(entry.data_dir.as_str(), entry.repmgr_conf.as_str(), &Units::of(entry)))
        .collect();
    entries.push(one(data_dir, repmgr_conf, units));
    format!("adopted = [{}]", entries.join(", "))
}

fn one(data_dir: &str, repmgr_conf: &str, units: &Units) -> String {
    let keys = [
        ("data_dir", data_dir),
        ("repmgr_conf", repmgr_conf),
        ("server_unit", &units.server),
        ("repmgrd_unit", &units.repmgrd),
    ];
    let set = keys.iter().filter(|(_, value)| !value.is_empty());
    let set: Vec<String> = set.map(|(key, value)| format!("{key} = {value:?}")).collect();
    format!("{{ {} }}", set.join(", "))
}

/// The line of `[systems.postgresql]` in which an adopted node has its unit under `key`: this one, if it
/// is known.
pub(super) fn declaration_of(local: &Local, node: &Node, key: &str, unit: &str) -> String {
    let mut units = their_units(local, node.data_dir.as_path());
    let place = match key {
        "server_unit" => &mut units.server,
        _ => &mut units.repmgrd,
    };
    *place = if unit.is_empty() { NAME_IT.to_owned() } else { unit.to_owned() };
    declaration(
        local,
        node.data_dir.as_path().as_str(),
        node.repmgr_conf.as_path().as_str(),
        &units,
    )
}

/// Whether `agent.toml` lists the server.
pub(super) fn is_declared(local: &Local, data_dir: &str, repmgr_conf: &str) -> bool {
    entry(local, Utf8Path::new(data_dir)).is_some_and(|entry| entry.repmgr_conf == repmgr_conf)
}

fn entry<'a>(local: &'a Local, data_dir: &Utf8Path) -> Option<&'a Adopted> {
    let listed = &place::section(local).ok()?.adopted;
    listed.iter().find(|entry| entry.data_dir == data_dir)
}

/// The units that `agent.toml` names for a server.
pub(super) fn their_units(local: &Local, data_dir: &Utf8Path) -> Units {
    entry(local, data_dir).map(Units::of).unwrap_or_default()
}

/// The units that root's line is to name: those that it names already, else those that were found, where
/// there is systemd.
pub(super) fn wanted_units(local: &Local, place: &PostgresqlPlacement) -> Units {
    let known = their_units(local, Utf8Path::new(&place.data_dir));
    let or_found = |known: String, found: &str| match local.form {
        LaunchForm::Systemd | LaunchForm::User if known.is_empty() => found.to_owned(),
        LaunchForm::Systemd | LaunchForm::User | LaunchForm::Process => known,
    };
    Units {
        server: or_found(known.server, &place.server_service),
        repmgrd: or_found(known.repmgrd, &place.repmgrd_service),
    }
}

/// The host has the last word, also after the adoption.
///
/// # Errors
/// `DENIED` if `agent.toml` does not list an adopted node any more.
pub(super) fn still_listed(local: &Local, node: &Node) -> Result<(), Fault> {
    let (data_dir, conf) = (node.data_dir.as_path(), node.repmgr_conf.as_path());
    if is_declared(local, data_dir.as_str(), conf.as_str()) {
        return Ok(());
    }
    Err(denied(local, data_dir.as_str(), conf.as_str()))
}

fn denied(local: &Local, data_dir: &str, repmgr_conf: &str) -> Fault {
    let units = their_units(local, Utf8Path::new(data_dir));
    Fault::new(
        FaultCode::Denied,
        format!("agent.toml of this host does not allow to adopt the server in {data_dir}"),
    )
    .remedy(format!(
        "have this line under [systems.postgresql] and restart the agent: {}",
        declaration(local, data_dir, repmgr_conf, &units)
    ))
}

/// The placement as this host allows it: user, programs, login file and address are the host's own, the
/// rest says where somebody else put it.
///
/// # Errors
/// `DENIED` if `agent.toml` does not list the server.
pub(super) fn allowed(
    local: &Local,
    placement: &PostgresqlPlacement,
) -> Result<PostgresqlPlacement, Fault> {
    let section = place::section(local)?;
    let PostgresqlPlacement { data_dir, repmgr_conf, .. } = placement;
    if !is_declared(local, data_dir, repmgr_conf) {
        return Err(denied(local, data_dir, repmgr_conf));
    }
    Ok(PostgresqlPlacement {
        os_user: section.os_user.clone(),
        bin_dir: section.bin_dir.to_string(),
        passfile: section.passfile.to_string(),
        address: local.config.agent.address.to_string(),
        ..placement.clone()
    })
}

/// The living process that a data directory's pid file names: whoever starts it, a unit or a person.
///
/// # Errors
/// If the file or the process cannot be read.
pub(super) fn postmaster(local: &Local, data_dir: &Utf8Path) -> Result<Option<u32>, Fault> {
    let Some((bytes, _)) = local.host.read_guarded(&data_dir.join(PID_FILE), 4096)? else {
        return Ok(None);
    };
    let Some(found) = parse::pid_file(&String::from_utf8_lossy(&bytes)) else {
        // It is being written.
        return Ok(None);
    };
    // After a crash the number may be another program's by now.
    let own = processes::is_postmaster(local.host.as_ref(), found.pid, data_dir)?;
    Ok(own.then_some(found.pid))
}

/// The repmgrd of a node: by the `repmgr.conf` on its command line, or by its unit.
///
/// # Errors
/// If a process that lives cannot be read.
pub(super) fn repmgrd(local: &Local, conf: &PlainPath, unit: &str) -> Result<Option<u32>, Fault> {
    let host = local.host.as_ref();
    for process in processes::named(host, &["repmgrd"])? {
        let named = parse::config_file(&process.command);
        let own = named == Some(conf.as_path().as_str())
            || (!unit.is_empty() && unit_of(host, process.pid)? == unit);
        if own {
            return Ok(Some(process.pid));
        }
    }
    Ok(None)
}

/// Program and arguments of a process; `None`: it has ended.
///
/// # Errors
/// If it lives and cannot be read.
pub(super) fn command_of(local: &Local, process: ProcessId) -> Result<Option<Vec<String>>, Fault> {
    processes::command(local.host.as_ref(), process.pid)
}

/// The unit that a process belongs to; empty: none, or it has ended.
///
/// # Errors
/// If it lives and cannot be read.
pub(super) fn unit_of(host: &dyn Host, pid: u32) -> Result<String, Fault> {
    let path = camino::Utf8PathBuf::from(format!("/proc/{pid}/cgroup"));
    let text = match host.read(&path, PROC_LIMIT) {
        Ok(bytes) => bytes.unwrap_or_default(),
        Err(_) if host.process(pid).is_none() => return Ok(String::new()),
        Err(error) => return Err(error.into()),
    };
    Ok(parse::unit(&String::from_utf8_lossy(&text)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn local(adopted: &str) -> Local {
        let text = format!(
            "[agent]\nhost = \"h1\"\naddress = \"10.0.0.1\"\n\
             [systems.postgresql]\nos_user = \"dba\"\n{adopted}"
        );
        let config = crate::config::parse(Utf8Path::new("agent.toml"), &text);
        crate::run::local(config.unwrap()).unwrap()
    }

    fn wanted() -> PostgresqlPlacement {
        PostgresqlPlacement {
            data_dir: "/srv/pg".into(),
            repmgr_conf: "/etc/repmgr.conf".into(),
            os_user: "root".into(),
            port: 5544,
            adopted: true,
            ..PostgresqlPlacement::default()
        }
    }

    #[test]
    fn only_what_root_lists_is_adopted() {
        let denied = allowed(&local(""), &wanted()).unwrap_err();
        assert_eq!(denied.code(), FaultCode::Denied);
        let line = declaration(&local(""), "/srv/pg", "/etc/repmgr.conf", &Units::default());
        assert!(denied.remedy.contains(&line), "{denied:?}");
        // The line that it prints is one that it reads, with what was there before.
        let declared = local(&line);
        let placement = allowed(&declared, &wanted()).unwrap();
        assert_eq!((placement.os_user.as_str(), placement.port), ("dba", 5544));
        let units = Units { server: "b@1.service".into(), repmgrd: "d.service".into() };
        let both = local(&declaration(&declared, "/srv/b", "/etc/b.conf", &units));
        assert!(allowed(&both, &wanted()).is_ok() && is_declared(&both, "/srv/b", "/etc/b.conf"));
        assert_eq!(their_units(&both, Utf8Path::new("/srv/b")), units);
        assert_eq!(their_units(&both, Utf8Path::new("/srv/pg")), Units::default());
        let other = PostgresqlPlacement { repmgr_conf: "/tmp/repmgr.conf".into(), ..wanted() };
        assert_eq!(allowed(&local(&line), &other).unwrap_err().code(), FaultCode::Denied);
    }

    #[test]
    fn a_unit_that_is_missing_has_its_line() {
        let units = Units { server: "pg.service".into(), repmgrd: String::new() };
        let local = local(&declaration(&local(""), "/srv/pg", "/etc/repmgr.conf", &units));
        let reference = bellows_proto::v1::NodeRef { cluster: "c".into(), node: "pg1".into() };
        let place = PostgresqlPlacement {
            os_user: "dba".into(),
            bin_dir: "/b".into(),
            conf_dir: "/c".into(),
            socket_dir: "/s".into(),
            log_dir: "/l".into(),
            passfile: "/p".into(),
            address: "10.0.0.1".into(),
            ..wanted()
        };
        let node = Node::new(&reference, &place).unwrap();
        assert!(still_listed(&local, &node).is_ok());
        let line = declaration_of(&local, &node, "repmgrd_unit", "repmgrd.service");
        assert_eq!(
            line,
            "adopted = [{ data_dir = \"/srv/pg\", repmgr_conf = \"/etc/repmgr.conf\", \
             server_unit = \"pg.service\", repmgrd_unit = \"repmgrd.service\" }]"
        );
        assert!(declaration_of(&local, &node, "repmgrd_unit", "").contains(NAME_IT));
    }
}
