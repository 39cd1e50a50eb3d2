//! Finds the node that is on this host, whoever made it: by the process of its unit, or where there are no units by the process at this
//! host's address. Says where everything is, and what stands in the way of its adoption. Reads only.

use bellows_proto::v1::{
    Fault, KwdbFound, KwdbFoundNode, KwdbInstallation, KwdbPlacement, KwdbSecurity, KwdbStartMode,
    NodeRef, kwdb_found_node::Server, placement,
};
use camino::Utf8Path;

use super::{
    installation, place,
    processes::{self, Running, Started},
    service,
    session::{ask, tlcp},
    values::{self, Node, QuietPath},
};
use crate::{
    config::KwdbConfig,
    exec::launch,
    facilities::{Local, Runner, services, services::UnitState},
    tools::proc,
};

/// The node of this host.
///
/// # Errors
/// If processes, the service manager or claims cannot be read; the node's silence is part of the answer.
pub(super) async fn find(runner: &dyn Runner) -> Result<KwdbFound, Fault> {
    let local = runner.local();
    let section = place::section(local)?;
    let installation = installation::read(local, section)?;
    let process = process(runner, section).await?;
    if process.is_none() && !unit_is_there(runner, section).await? {
        return Ok(KwdbFound::default());
    }
    let node = match &process {
        Some(process) => running(runner, section, process, installation.as_ref()).await?,
        None if section.container.is_some() => {
            contained(runner, section, installation.as_ref()).await?
        }
        None => stopped(local, section, installation.as_ref())?,
    };
    Ok(KwdbFound { node: Some(node) })
}

async fn unit_is_there(runner: &dyn Runner, section: &KwdbConfig) -> Result<bool, Fault> {
    if !runner.local().form.has_units() {
        return Ok(false);
    }
    Ok(services(runner).unit(&section.unit, "").await?.state != UnitState::Absent)
}

/// Its process. Where one machine is several hosts there are several: the address tells.
async fn process(runner: &dyn Runner, section: &KwdbConfig) -> Result<Option<Running>, Fault> {
    let local = runner.local();
    if section.container.is_some() {
        return Ok(None);
    }
    let mut all = processes::all(local.host.as_ref())?;
    all.retain(|process| process.started().is_some());
    if local.form.has_units() {
        let unit = services(runner).unit(&section.unit, "").await?;
        let own = all.iter().position(|process| unit.pid != 0 && process.pid == unit.pid);
        if let Some(own) = own {
            return Ok(Some(all.swap_remove(own)));
        }
    }
    let address = local.config.agent.address.to_string();
    let here = |process: &&Running| {
        process.started().and_then(|started| address_of(&started)).is_none_or(|it| it == address)
    };
    Ok(all.iter().find(here).cloned())
}

/// The address that a node tells the others; `None`: all of the host's, so that nothing tells it from another.
fn address_of(started: &Started<'_>) -> Option<String> {
    let text = ["--advertise-addr", "--advertise-host", "--listen-addr"]
        .into_iter()
        .find_map(|flag| started.flag(flag))?;
    let host = split(text).0;
    let everywhere = host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_unspecified());
    (!host.is_empty() && !everywhere).then(|| host.to_owned())
}

/// HOST:PORT, of which either may be missing.
fn split(text: &str) -> (&str, Option<u16>) {
    match text.rsplit_once(':') {
        Some((host, port)) => {
            (host.trim_start_matches('[').trim_end_matches(']'), port.parse().ok())
        }
        None => (text, None),
    }
}

fn port_of(started: &Started<'_>, flags: &[&str], default: u16) -> u32 {
    let texts = flags.iter().filter_map(|flag| started.flag(flag));
    u32::from(texts.filter_map(|text| split(text).1).find(|port| *port != 0).unwrap_or(default))
}

async fn running(
    runner: &dyn Runner,
    section: &KwdbConfig,
    process: &Running,
    installation: Option<&KwdbInstallation>,
) -> Result<KwdbFoundNode, Fault> {
    let local = runner.local();
    let arguments = process.command.get(1..).unwrap_or_default();
    let started = Started::of(arguments)
        .ok_or_else(|| Fault::new(bellows_proto::v1::FaultCode::Internal, "it is no node"))?;
    let data_dir = started.store().unwrap_or_default().to_owned();
    let mut placement = placement_at(local, section, &data_dir);
    placement.port = port_of(&started, &["--advertise-addr", "--listen-addr"], section.port);
    placement.http_port = port_of(&started, &["--http-addr"], section.http_port);
    placement.brpc_port = port_of(&started, &["--brpc-addr"], section.brpc_port);
    let mut obstacles = own_obstacles(local, section, process, &started)?;
    obstacles.extend(installed_obstacles(section, installation));
    let reference = reference();
    let (mut up, mut left_alone) = (Err(tlcp()), Vec::new());
    match Node::new(&reference, &placement) {
        Ok(node) => (up, left_alone) = asked(runner, &node).await?,
        Err(error) => obstacles.push(error.to_string()),
    }
    obstacles.append(&mut left_alone);
    found(local, section, placement, obstacles, true, started.mode, up)
}

/// A name for what has none yet: only its form matters.
fn reference() -> NodeRef {
    NodeRef { cluster: "adopted".to_owned(), node: "node".to_owned() }
}

type Asked = (Result<bellows_proto::v1::KwdbServer, Fault>, Vec<String>);

async fn asked(runner: &dyn Runner, node: &Node) -> Result<Asked, Fault> {
    let (up, left_alone) = futures::join!(ask(runner, node), service::obstacles(runner, node));
    Ok((up, left_alone?))
}

fn placement_at(local: &Local, section: &KwdbConfig, data_dir: &str) -> KwdbPlacement {
    KwdbPlacement {
        data_dir: data_dir.to_owned(),
        conf_dir: section.conf_root.to_string(),
        log_dir: Utf8Path::new(data_dir).join("logs").into_string(),
        port: u32::from(section.port),
        adopted: true,
        ..place::of_host(local, section)
    }
}

fn found(
    local: &Local,
    section: &KwdbConfig,
    placement: KwdbPlacement,
    obstacles: Vec<String>,
    running: bool,
    mode: KwdbStartMode,
    up: Result<bellows_proto::v1::KwdbServer, Fault>,
) -> Result<KwdbFoundNode, Fault> {
    Ok(KwdbFoundNode {
        claimed: claimed(local, &placement.data_dir)?,
        declared: section.adopt,
        declaration: place::DECLARATION.to_owned(),
        obstacles,
        running,
        start_mode: mode.into(),
        placement: Some(placement),
        server: Some(match up {
            Ok(server) => Server::Up(server),
            Err(fault) => Server::Down(fault),
        }),
    })
}

/// The node that is recorded here with this data directory, and has not left.
fn claimed(local: &Local, data_dir: &str) -> Result<Option<NodeRef>, Fault> {
    let all = local.claims().all()?;
    Ok(all.into_iter().filter(|known| !known.tombstone).find_map(|known| {
        let placement::System::Kwdb(place) = known.claim?.placement?.system? else { return None };
        if place.data_dir == data_dir { known.node } else { None }
    }))
}

/// User, program, address and certificates are this host's, as `agent.toml` has them.
fn own_obstacles(
    local: &Local,
    section: &KwdbConfig,
    process: &Running,
    started: &Started<'_>,
) -> Result<Vec<String>, Fault> {
    let mut obstacles = Vec::new();
    let mut differs = |what: &str, theirs: &str, key: &str, ours: &str| {
        obstacles.push(format!("{what} is {theirs}, and [systems.kwdb] {key} is {ours:?}"));
    };
    let program = process.command.first().map_or("", String::as_str);
    if Utf8Path::new(program).is_absolute() && program != section.program.as_str() {
        differs("its program", program, "program", section.program.as_str());
    }
    if let Some(uid) = proc::uid(local.host.as_ref(), process.pid)?
        && let Ok(Some(user)) = launch::user(&section.os_user)
        && user.uid != uid
    {
        differs("its user's number", &uid.to_string(), "os_user", &section.os_user);
    }
    let security = match (started.is_set("--tlcp"), started.is_set("--insecure")) {
        (true, _) => KwdbSecurity::Tlcp,
        (false, true) => KwdbSecurity::Insecure,
        (false, false) => KwdbSecurity::Tls,
    };
    if security != section.security {
        differs("its security", word(security), "security", word(section.security));
    }
    if security == KwdbSecurity::Tls {
        match started.flag("--certs-dir") {
            Some(folder) if folder.trim_end_matches('/') == section.certs_dir.as_str() => {}
            folder => differs(
                "its --certs-dir",
                folder.unwrap_or("not given"),
                "certs_dir",
                section.certs_dir.as_str(),
            ),
        }
    }
    if security == KwdbSecurity::Tlcp {
        obstacles.push(tlcp().message);
    }
    let address = local.config.agent.address.to_string();
    if let Some(theirs) = address_of(started).filter(|theirs| *theirs != address) {
        obstacles.push(format!(
            "it tells others the address {theirs}, and [agent] address is {address}"
        ));
    }
    match started.store() {
        None => obstacles.push(
            "its --store is not one plain path: several stores are not known here".to_owned(),
        ),
        Some(store) => {
            if let Err(error) = QuietPath::new("its store", store) {
                obstacles.push(error.to_string());
            }
        }
    }
    Ok(obstacles)
}

fn word(security: KwdbSecurity) -> &'static str {
    match security {
        KwdbSecurity::Insecure => "insecure",
        KwdbSecurity::Tls => "tls",
        KwdbSecurity::Tlcp => "tlcp",
        KwdbSecurity::Unspecified => "not known",
    }
}

fn installed_obstacles(section: &KwdbConfig, found: Option<&KwdbInstallation>) -> Vec<String> {
    let Some(found) = found else { return Vec::new() };
    let mut obstacles = Vec::new();
    if found.security == "tlcp" && section.security != KwdbSecurity::Tlcp {
        obstacles.push(format!("{}/MODE says tlcp: {}", section.info_dir, tlcp().message));
    }
    let contained = section.container.is_some();
    if (found.kind == "container") != contained
        && ["container", "bare"].contains(&found.kind.as_str())
    {
        obstacles.push(format!(
            "{}/MODE says {}, and [systems.kwdb] {} container",
            section.info_dir,
            found.kind,
            if contained { "names a" } else { "names no" }
        ));
    }
    obstacles
}

/// In a container nobody here sees the process: unit, MODE and the node itself tell.
async fn contained(
    runner: &dyn Runner,
    section: &KwdbConfig,
    installation: Option<&KwdbInstallation>,
) -> Result<KwdbFoundNode, Fault> {
    let local = runner.local();
    let data_root = installation.map_or("", |found| found.data_root.as_str());
    let data_dir = if data_root.is_empty() { section.data_root.as_str() } else { data_root };
    let placement = placement_at(local, section, data_dir);
    let mut obstacles = installed_obstacles(section, installation);
    let (mut up, mut left_alone) = (Err(tlcp()), Vec::new());
    match Node::new(&reference(), &placement) {
        Ok(node) => (up, left_alone) = asked(runner, &node).await?,
        Err(error) => obstacles.push(error.to_string()),
    }
    obstacles.append(&mut left_alone);
    let mode = up
        .as_ref()
        .ok()
        .and_then(|server| {
            let address = format!("{}:{}", placement.address, placement.port);
            server.active.iter().find(|row| row.address == address)
        })
        .map_or(KwdbStartMode::Unspecified, |row| values::mode(&row.start_mode));
    let runs = up.is_ok();
    if !runs {
        obstacles.push("its node cannot be asked".to_owned());
    }
    found(local, section, placement, obstacles, runs, mode, up)
}

/// A unit that runs nothing.
fn stopped(
    local: &Local,
    section: &KwdbConfig,
    installation: Option<&KwdbInstallation>,
) -> Result<KwdbFoundNode, Fault> {
    let data_root = installation.map_or("", |found| found.data_root.as_str());
    let data_dir = if data_root.is_empty() { section.data_root.as_str() } else { data_root };
    let mut obstacles = vec!["its node does not run".to_owned()];
    obstacles.extend(installed_obstacles(section, installation));
    let down = Fault::new(bellows_proto::v1::FaultCode::ToolFailed, "the node does not run")
        .remedy(format!("start {}", section.unit));
    let placement = placement_at(local, section, data_dir);
    found(local, section, placement, obstacles, false, KwdbStartMode::Unspecified, Err(down))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::tools::kwdb::place::tests::local;

    fn words(text: &str) -> Vec<String> {
        text.split_ascii_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn addresses_and_ports_come_from_the_arguments() {
        let text = words(
            "start --listen-addr=0.0.0.0:26300 --advertise-addr=10.0.0.4:26301 --brpc-addr=:27000",
        );
        let started = Started::of(&text).unwrap();
        assert_eq!(address_of(&started).as_deref(), Some("10.0.0.4"));
        assert_eq!(port_of(&started, &["--advertise-addr", "--listen-addr"], 1), 26301);
        assert_eq!(port_of(&started, &["--brpc-addr"], 1), 27000);
        assert_eq!(port_of(&started, &["--http-addr"], 8080), 8080);
        let text = words("start --listen-addr=[::]:26300");
        let started = Started::of(&text).unwrap();
        assert_eq!(address_of(&started), None);
        assert_eq!(port_of(&started, &["--listen-addr"], 1), 26300);
    }

    #[test]
    fn what_is_not_as_agent_toml_has_it_is_named() {
        let local = local("");
        let section = place::section(&local).unwrap();
        let pid = std::process::id();
        let obstacles = |text: &str| {
            let process = Running { pid, command: words(text) };
            own_obstacles(&local, section, &process, &process.started().unwrap()).unwrap()
        };
        let kwbase = "/usr/local/kaiwudb/bin/kwbase start";
        let good = format!(
            "{kwbase} --certs-dir=/etc/kaiwudb/certs/ --store=/var/lib/kaiwudb --advertise-addr=10.0.0.4:26257"
        );
        assert_eq!(obstacles(&good), Vec::<String>::new());
        for (text, expected) in [
            (format!("{kwbase} --insecure --store=/d"), "its security is insecure"),
            (format!("{kwbase} --certs-dir=/x --store=/d"), "its --certs-dir is /x"),
            (format!("{kwbase} --tlcp --store=/d"), "tlcp"),
            (good.replace("/usr/local/kaiwudb", "/opt"), "its program is /opt/bin/kwbase"),
            (good.replace("10.0.0.4", "10.0.0.9"), "it tells others the address 10.0.0.9"),
            (good.replace("--store=/var", "--store=/v'r"), "its store"),
            (format!("{good} --store=path=/a,size=1"), "not one plain path"),
        ] {
            let found = obstacles(&text);
            assert!(found.iter().any(|one| one.contains(expected)), "{text}: {found:?}");
        }
    }

    #[test]
    fn what_the_installer_says_is_held_against_the_section() {
        let local = local("");
        let section = place::section(&local).unwrap();
        let said = |kind: &str, security: &str| {
            let found = KwdbInstallation {
                kind: kind.into(),
                security: security.into(),
                ..KwdbInstallation::default()
            };
            installed_obstacles(section, Some(&found)).len()
        };
        assert_eq!(
            (said("bare", "tls"), said("bare", "tlcp"), said("container", "tls")),
            (0, 1, 1)
        );
    }
}
