//! Queries: a node's reading, and a login.
//!
//! A reading takes one run of psql, one of pg_controldata and what the service manager says,
//! side by side. What could not be read is a fault in its place, never an empty value.
//! Must not change anything.

use std::net::IpAddr;

use bellows_proto::v1::{
    DirectoryState, Fault, FaultCode, HbaSettings, ManagedFileState, NodeRef, PostgresqlLogin,
    PostgresqlPlacement, PostgresqlReading, PostgresqlServer, PostgresqlService, ServiceReading,
    ServiceState, StandbyOf, placement, postgresql_reading,
};
use camino::Utf8Path;

use super::{
    adopted, data,
    render::{
        FILES, PG_HBA_CONF, POSTGRESQL_CONF, REPMGR_CONF, pg_hba, postgresql_conf, repmgr_conf,
    },
    server, service,
    session::{Client, READ_DEADLINE, as_owner},
    values::Node,
};
use crate::{
    facilities::{Local, Runner, claims, fault},
    tools::{pg_controldata, psql},
};

const LOGIN: &str = include_str!("login.sql");
/// The state of a data directory that `initdb` has not come to the end of.
const UNFINISHED: &str = "initdb has not ended";

/// Reads a node. One that is not claimed here has nothing to be read.
///
/// # Errors
/// If the claim, a directory, a file or a service cannot be read; the server's silence is
/// part of the reading.
pub async fn node(runner: &dyn Runner, reference: &NodeRef) -> Result<PostgresqlReading, Fault> {
    let local = runner.local();
    let remembered = local.claims().get(reference)?;
    let mut reading = PostgresqlReading {
        node: Some(reference.clone()),
        claimed: Some(false),
        tombstone: Some(remembered.as_ref().is_some_and(|found| found.tombstone && found.buried)),
        ..PostgresqlReading::default()
    };
    let claim = remembered.and_then(|found| found.claim);
    let Some((placement, claim)) = claim.and_then(|claim| Some((of_claim(&claim)?, claim))) else {
        let name = format!("{}/{}", reference.cluster, reference.node);
        let fault = Fault::new(FaultCode::NotClaimed, format!("no node {name} is claimed here"));
        reading.server = Some(postgresql_reading::Server::Down(fault));
        return Ok(reading);
    };
    let node = Node::new(reference, &placement)?;
    reading.claimed = Some(true);
    reading.data_is_ours = Some(data::is_ours(&node, &claim));
    reading.placement = Some(placement);

    let (up, control, services) =
        futures::join!(ask(runner, &node), control(runner, &node), own_services(runner, &node));
    let (server_service, repmgrd_service) = services?;
    reading.server_service = Some(server_service);
    reading.repmgrd_service = Some(repmgrd_service);
    if node.adopted {
        theirs(runner, &node, up.as_ref().ok(), &mut reading).await?;
    }
    if local.host.metadata(data::unfinished(&node).as_path())?.is_some() {
        // What initdb left when it was cut short may look whole.
        reading.control_state = UNFINISHED.to_owned();
    } else if let Some(control) = control? {
        reading.system_identifier = control.system_identifier;
        reading.control_state = control.state;
        reading.checkpoint_lsn = Some(control.checkpoint_lsn);
        reading.checkpoint_timeline = Some(control.checkpoint_timeline);
        reading.recovery_end_lsn = Some(control.recovery_end_lsn);
        reading.recovery_end_timeline = Some(control.recovery_end_timeline);
    }
    read_directories(local, &node, &mut reading)?;
    reading.server = Some(match up {
        Ok(mut server) => {
            server.hba_loaded = loaded(local, &node, &server, reading.hba.as_ref())?;
            postgresql_reading::Server::Up(server)
        }
        Err(fault) => postgresql_reading::Server::Down(fault),
    });
    Ok(reading)
}

fn of_claim(claim: &claims::NodeClaim) -> Option<PostgresqlPlacement> {
    let placement::System::Postgresql(placement) = claim.placement.as_ref()?.system.as_ref()?
    else {
        return None;
    };
    Some(placement.clone())
}

async fn own_services(
    runner: &dyn Runner,
    node: &Node,
) -> Result<(ServiceReading, ServiceReading), Fault> {
    let (server, repmgrd) = futures::join!(
        service::reading(runner, node, PostgresqlService::Server),
        service::reading(runner, node, PostgresqlService::Repmgrd),
    );
    Ok((server?, repmgrd?))
}

/// What else there is to say of the services of an adopted node: why they are left alone, and what its
/// server knows of its repmgrd.
async fn theirs(
    runner: &dyn Runner,
    node: &Node,
    server: Option<&PostgresqlServer>,
    reading: &mut PostgresqlReading,
) -> Result<(), Fault> {
    reading.left_alone = match adopted::still_listed(runner.local(), node) {
        Ok(()) => service::obstacles(runner, node).await?,
        Err(fault) => vec![fault.to_string()],
    };
    let Some(repmgrd) = &mut reading.repmgrd_service else { return Ok(()) };
    let known = server.and_then(|server| server.repmgrd_running) == Some(true);
    if known && repmgrd.state() != ServiceState::Running {
        repmgrd.set_state(ServiceState::Running);
        reading.left_alone.push(format!(
            "its repmgrd runs, and no process of it names {} on its command line: start it with --config-file",
            node.repmgr_conf
        ));
    }
    Ok(())
}

/// Asks the server everything.
pub(super) async fn ask(runner: &dyn Runner, node: &Node) -> Result<PostgresqlServer, Fault> {
    ask_at(runner, &Client::of_node(node), node.endpoint()).await
}

/// As [`ask`], of whatever server listens there.
pub(super) async fn ask_at(
    runner: &dyn Runner,
    client: &Client,
    endpoint: (IpAddr, u16),
) -> Result<PostgresqlServer, Fault> {
    let (command, finished) = client.read(runner, endpoint, &[], server::SCRIPT).await?;
    server::parse(&finished.stdout).map_err(|error| {
        let mut fault = fault::unreadable(&command, &error.to_string(), &finished.stdout);
        // The server's own words for the statement that failed.
        fault.stderr_tail = Fault::default().tool(&command, None, &finished.stderr).stderr_tail;
        fault.exit_status = finished.status;
        fault
    })
}

/// Asks the data directory; `None`: there is no control file, so it is no data directory yet.
async fn control(
    runner: &dyn Runner,
    node: &Node,
) -> Result<Option<pg_controldata::ControlData>, Fault> {
    let data_dir = node.data_dir.as_path();
    let file = data_dir.join("global/pg_control");
    if runner.local().host.metadata(&file)?.is_none() {
        return Ok(None);
    }
    let invocation =
        pg_controldata::pg_controldata(node.bin_dir.as_path(), data_dir, READ_DEADLINE);
    let invocation = as_owner(runner.local(), &node.os_user, invocation);
    let command = invocation.command();
    let finished = runner.read(invocation).await?;
    if !finished.success() {
        return Err(fault::tool_failed(&command, &finished, "read the control file"));
    }
    pg_controldata::parse_pg_controldata(&finished.stdout)
        .map(Some)
        .map_err(|error| fault::unreadable(&command, &error.to_string(), &finished.stdout))
}

fn read_directories(
    local: &Local,
    node: &Node,
    reading: &mut PostgresqlReading,
) -> Result<(), Fault> {
    let data_dir = node.data_dir.as_path();
    let state = claims::directory_state(local, data_dir)?;
    reading.set_data_directory(state);
    let signalled = state == DirectoryState::Occupied
        && local.host.metadata(&data_dir.join(data::STANDBY_SIGNAL))?.is_some();
    let settings = match signalled {
        true => text(local, &data_dir.join(data::AUTO_CONF))?.unwrap_or_default(),
        false => String::new(),
    };
    reading.standby_configured =
        Some(settings.lines().any(|line| line.starts_with("primary_conninfo")));
    reading.standby_of = standby_of(&settings);
    // Those of an adopted node are somebody else's.
    let files = if node.adopted { &[][..] } else { FILES };
    for name in files {
        let path = node.conf_dir.file(name);
        let file = local.managed().reading(name, path.as_path())?;
        if file.state() == ManagedFileState::Ours
            && let Some(text) = text(local, path.as_path())?
        {
            read_back(name, &text, reading);
        }
        reading.files.push(file);
    }
    Ok(())
}

/// The upstream that `postgresql.auto.conf` names; `None`: none, or in a form that neither the server
/// nor repmgr nor Bellows writes.
fn standby_of(text: &str) -> Option<StandbyOf> {
    // Of several lines the last one counts.
    let value = |key: &str| {
        let mut values = text.lines().filter_map(|line| {
            let (name, value) = line.split_once('=')?;
            (name.trim() == key).then(|| value.trim())
        });
        Some(values.next_back()?.strip_prefix('\'')?.strip_suffix('\'')?.replace("''", "'"))
    };
    let conninfo = value("primary_conninfo")?;
    let part = |key: &str| {
        let mut parts = conninfo.split_ascii_whitespace().filter_map(|part| part.split_once('='));
        let (_, value) = parts.find(|(name, _)| *name == key)?;
        Some(value.trim_matches('\'').to_owned())
    };
    let (address, port) = (part("host")?, part("port")?.parse().ok()?);
    Some(StandbyOf { address, port, slot: value("primary_slot_name")? })
}

/// What a file of ours was rendered from.
fn read_back(name: &str, text: &str, reading: &mut PostgresqlReading) {
    match name {
        POSTGRESQL_CONF => reading.configured = postgresql_conf::read_back(text),
        PG_HBA_CONF => reading.hba = pg_hba::read_back(text),
        REPMGR_CONF => reading.clone_rate_kib = repmgr_conf::read_back(text),
        _ => {}
    }
}

fn text(local: &Local, path: &Utf8Path) -> Result<Option<String>, Fault> {
    // Of folders of the node's owner.
    let found = local.host.read_guarded(path, data::CONF_LIMIT)?;
    Ok(found.map(|(bytes, _)| String::from_utf8_lossy(&bytes).into_owned()))
}

/// The rules that the server has loaded: those of the file, if it was loaded after the file
/// came there and has no errors (a reload keeps the old rules then).
fn loaded(
    local: &Local,
    node: &Node,
    server: &PostgresqlServer,
    hba: Option<&HbaSettings>,
) -> Result<Option<HbaSettings>, Fault> {
    let file = node.conf_dir.file(PG_HBA_CONF);
    let Some(found) = local.host.metadata(file.as_path())? else {
        return Ok(None);
    };
    let since = server.config_loaded_at_ms > found.changed_at_ms && server.hba_errors.is_empty();
    Ok(hba.filter(|_| since).cloned())
}

/// Logs in from this host with its own passfile.
///
/// # Errors
/// If psql cannot be run; a refused login is an answer.
pub async fn login(
    runner: &dyn Runner,
    address: IpAddr,
    port: u16,
) -> Result<PostgresqlLogin, Fault> {
    let client = Client::of_host(runner.local())?;
    let refused = |reason: &[u8]| {
        let text = String::from_utf8_lossy(reason);
        PostgresqlLogin { ok: false, reason: text.trim().chars().take(500).collect() }
    };
    let finished = match client.read(runner, (address, port), &[], LOGIN).await {
        Ok((_, finished)) => finished,
        Err(fault) if matches!(fault.code(), FaultCode::Secret | FaultCode::ToolFailed) => {
            return Ok(refused(fault.stderr_tail.as_bytes()));
        }
        Err(fault) if fault.code() == FaultCode::Deadline => {
            return Ok(refused(fault.message.as_bytes()));
        }
        Err(fault) => return Err(fault),
    };
    let ended = psql::parse_sections(&finished.stdout)
        .is_ok_and(|sections| sections.reached("end") && sections.get("replication").is_ok());
    if ended {
        return Ok(PostgresqlLogin { ok: true, reason: String::new() });
    }
    Ok(refused(&finished.stderr))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upstream_is_read_as_all_three_write_it() {
        let of = |address: &str, slot: &str| {
            Some(StandbyOf { address: address.into(), port: 5432, slot: slot.into() })
        };
        let ours = "primary_conninfo = 'host=10.0.0.2 port=5432 user=repmgr passfile=/x/y'\n\
                    primary_slot_name = 'repmgr_slot_1'\n";
        assert_eq!(standby_of(ours), of("10.0.0.2", "repmgr_slot_1"));
        let repmgr = "primary_conninfo = 'user=repmgr passfile=''/x/y'' host=10.0.0.3 port=5432'\n";
        assert_eq!(standby_of(&format!("{ours}{repmgr}")), of("10.0.0.3", "repmgr_slot_1"));
        assert_eq!(standby_of(repmgr), None, "no slot");
        assert_eq!(standby_of(""), None);
        assert_eq!(standby_of("primary_conninfo = ''\nprimary_slot_name = ''\n"), None);
    }
}
