//! Nodes that were there before Bellows: what root allows of them, and how their services are read.
//! Nothing here changes anything, and nothing of them is Bellows' own.

use bellows_proto::v1::{
    Fault, FaultCode, PostgresqlPlacement, PostgresqlServer, ServiceReading, ServiceState,
};
use camino::Utf8Path;

use super::{find::parse, place, values::Node};
use crate::{config::postgresql::Adopted, facilities::Local};

/// First line: the postmaster's process id.
pub(super) const PID_FILE: &str = "postmaster.pid";

/// The line of `[systems.postgresql]` that allows this server to be adopted, besides those that are
/// listed already.
pub(super) fn declaration(local: &Local, data_dir: &str, repmgr_conf: &str) -> String {
    let known = place::section(local).map_or(&[][..], |section| section.adopted.as_slice());
    let mut entries: Vec<(&str, &str)> = known
        .iter()
        .map(|entry| (entry.data_dir.as_str(), entry.repmgr_conf.as_str()))
        .filter(|(known, _)| *known != data_dir)
        .collect();
    entries.push((data_dir, repmgr_conf));
    let entries = entries.into_iter().map(|(data_dir, repmgr_conf)| {
        format!("{{ data_dir = \"{data_dir}\", repmgr_conf = \"{repmgr_conf}\" }}")
    });
    format!("adopted = [{}]", entries.collect::<Vec<_>>().join(", "))
}

/// Whether `agent.toml` lists the server.
pub(super) fn is_declared(local: &Local, data_dir: &str, repmgr_conf: &str) -> bool {
    let same = |entry: &Adopted| entry.data_dir == data_dir && entry.repmgr_conf == repmgr_conf;
    place::section(local).is_ok_and(|section| section.adopted.iter().any(same))
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
        return Err(Fault::new(
            FaultCode::Denied,
            format!("agent.toml of this host does not allow to adopt the server in {data_dir}"),
        )
        .remedy(format!(
            "have this line under [systems.postgresql] and restart the agent: {}",
            declaration(local, data_dir, repmgr_conf)
        )));
    }
    Ok(PostgresqlPlacement {
        os_user: section.os_user.clone(),
        bin_dir: section.bin_dir.to_string(),
        passfile: section.passfile.to_string(),
        address: local.config.agent.address.to_string(),
        ..placement.clone()
    })
}

/// The server's process, by the data directory's own pid file: whoever starts it, a unit or a person.
///
/// # Errors
/// If the file or the process cannot be read.
pub(super) fn server_service(local: &Local, node: &Node) -> Result<ServiceReading, Fault> {
    let pid = postmaster(local, node.data_dir.as_path())?;
    let state = if pid.is_some() { ServiceState::Running } else { ServiceState::Stopped };
    Ok(ServiceReading { state: state.into(), pid: pid.unwrap_or(0), enabled: false })
}

/// The living process that a data directory's pid file names.
fn postmaster(local: &Local, data_dir: &Utf8Path) -> Result<Option<u32>, Fault> {
    let Some((bytes, _)) = local.host.read_guarded(&data_dir.join(PID_FILE), 4096)? else {
        return Ok(None);
    };
    let Some(found) = parse::pid_file(&String::from_utf8_lossy(&bytes)) else {
        // It is being written.
        return Ok(None);
    };
    // After a crash the number may be another program's by now.
    let own = super::find::processes::is_postmaster(local.host.as_ref(), found.pid, data_dir)?;
    Ok(own.then_some(found.pid))
}

/// repmgrd, as its server knows it; a server that does not answer knows nothing.
pub(super) fn repmgrd_service(server: Option<&PostgresqlServer>) -> ServiceReading {
    let state = match server.and_then(|server| server.repmgrd_running) {
        Some(true) => ServiceState::Running,
        Some(false) => ServiceState::Stopped,
        None => ServiceState::Unspecified,
    };
    ServiceReading { state: state.into(), ..ServiceReading::default() }
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
        let line = declaration(&local(""), "/srv/pg", "/etc/repmgr.conf");
        assert!(denied.remedy.contains(&line), "{denied:?}");
        // The line that it prints is one that it reads, with what was there before.
        let declared = local(&line);
        let placement = allowed(&declared, &wanted()).unwrap();
        assert_eq!((placement.os_user.as_str(), placement.port), ("dba", 5544));
        let both = local(&declaration(&declared, "/srv/b", "/etc/b.conf"));
        assert!(allowed(&both, &wanted()).is_ok() && is_declared(&both, "/srv/b", "/etc/b.conf"));
        let other = PostgresqlPlacement { repmgr_conf: "/tmp/repmgr.conf".into(), ..wanted() };
        assert_eq!(allowed(&local(&line), &other).unwrap_err().code(), FaultCode::Denied);
    }

    #[test]
    fn a_silent_server_knows_nothing_of_repmgrd() {
        assert_eq!(repmgrd_service(None).state(), ServiceState::Unspecified);
        let server = PostgresqlServer { repmgrd_running: Some(false), ..Default::default() };
        assert_eq!(repmgrd_service(Some(&server)).state(), ServiceState::Stopped);
    }
}
