//! Finds the bookie that is on this host, whoever made it: by the configuration that `agent.toml` names, else by a process.
//! Says where everything is, and what stands in the way of its adoption. Reads only.

use bellows_proto::v1::{
    BookkeeperCluster, BookkeeperFound, BookkeeperFoundBookie, BookkeeperServer, Fault, FaultCode,
    NodeRef, bookkeeper_found_bookie::Server,
};
use camino::{Utf8Path, Utf8PathBuf};

use super::{
    adopted::{self, Adopted, other_id},
    cluster,
    conf::{self, Conf},
    cookie, http, place,
    processes::{self, Running},
    service,
    session::placement_of,
    values::Node,
};
use crate::{
    config::BookkeeperConfig,
    exec::launch,
    facilities::{Local, Runner},
    tools::proc,
};

/// The bookie of this host.
///
/// # Errors
/// If processes, the configuration, the service manager or claims cannot be read; the bookie's silence is part of the answer.
pub(super) async fn find(runner: &dyn Runner) -> Result<BookkeeperFound, Fault> {
    let local = runner.local();
    let section = place::section(local)?;
    let all = processes::all(local.host.as_ref())?;
    let (conf_file, conf, process) = match &section.adopted {
        Some(named) => {
            let conf = conf::load(local, &named.conf_file)?.ok_or_else(|| {
                let message = format!("{}, which agent.toml names, is not there", named.conf_file);
                Fault::new(FaultCode::NotFound, message).remedy(
                    "mend adopt_conf_file under [systems.bookkeeper], and restart the agent",
                )
            })?;
            let process = all.into_iter().find(|process| process.conf_file == named.conf_file);
            (named.conf_file.clone(), conf, process)
        }
        None => match by_process(local, all)? {
            Some((conf_file, conf, process)) => (conf_file, conf, Some(process)),
            None => return Ok(BookkeeperFound::default()),
        },
    };
    let bookie = Box::pin(bookie(runner, section, &conf_file, &conf, process)).await?;
    Ok(BookkeeperFound { bookie: Some(bookie) })
}

/// Where one machine is several hosts there are several: the address tells. One whose configuration is there and cannot be read
/// may be this host's.
fn by_process(
    local: &Local,
    all: Vec<Running>,
) -> Result<Option<(Utf8PathBuf, Conf, Running)>, Fault> {
    let address = local.config.agent.address.to_string();
    for process in all {
        let path = Utf8PathBuf::from(&process.conf_file);
        if !path.is_absolute() {
            continue;
        }
        let Some(conf) = conf::load(local, &path)? else { continue };
        if conf.get("advertisedAddress").is_none_or(|told| told == address) {
            return Ok(Some((path, conf, process)));
        }
    }
    Ok(None)
}

async fn bookie(
    runner: &dyn Runner,
    section: &BookkeeperConfig,
    conf_file: &Utf8Path,
    conf: &Conf,
    process: Option<Running>,
) -> Result<BookkeeperFoundBookie, Fault> {
    let local = runner.local();
    let named = section.adopted.as_ref().filter(|named| named.conf_file == conf_file);
    let theirs = match &process {
        Some(process) => proc::unit_of(local.host.as_ref(), process.pid)?,
        None => String::new(),
    };
    let unit = named.and_then(|named| named.unit.clone()).unwrap_or_else(|| theirs.clone());
    let Adopted { placement, mut obstacles, http_obstacles } =
        adopted::placement(local, section, conf_file, &unit, conf);
    match &process {
        Some(process) => obstacles.extend(own_obstacles(local, section, process)?),
        None => obstacles.push("it does not run".to_owned()),
    }
    if local.host.metadata(&section.program)?.is_none() {
        let program = &section.program;
        obstacles
            .push(format!("there is no {program}, which is program under [systems.bookkeeper]"));
    }
    let reference = NodeRef { cluster: "adopted".to_owned(), node: "node".to_owned() };
    let mut found = BookkeeperFoundBookie {
        claimed: claimed(local, conf_file)?,
        declared: named.is_some(),
        declaration: place::declaration(conf_file.as_str(), &theirs),
        running: process.is_some(),
        settings: conf.settings(),
        http_obstacles,
        ..BookkeeperFoundBookie::default()
    };
    let mut down = Fault::new(FaultCode::ToolFailed, "the bookie does not run");
    match Node::new(&reference, &placement) {
        Ok(node) => {
            if let Some(first) = node.ledger_dirs.first() {
                found.cookie = cookie::of_directory(local, first.as_path())?;
            }
            if named.is_some() {
                obstacles.extend(service::obstacles(runner, &node).await?);
            }
            if process.is_some() {
                match asked(runner, &node).await {
                    Ok((server, cluster)) => {
                        found.server = Some(Server::Up(server));
                        found.cluster = cluster;
                    }
                    Err(fault) => down = fault,
                }
            }
            match &found.cookie {
                Some(cookie) if cookie.bookie != node.id() => {
                    obstacles.push(other_id(&cookie.bookie, &node.id()));
                }
                Some(_) => {}
                None => obstacles.push("it has no cookie in its first ledger directory".to_owned()),
            }
        }
        Err(error) => obstacles.push(error.to_string()),
    }
    let mut once: Vec<String> = Vec::new();
    for obstacle in obstacles {
        if !once.contains(&obstacle) {
            once.push(obstacle);
        }
    }
    found.obstacles = once;
    found.server.get_or_insert(Server::Down(down));
    found.placement = Some(placement);
    Ok(found)
}

/// What it says of itself and of its cluster; without the latter where it cannot say it now.
async fn asked(
    runner: &dyn Runner,
    node: &Node,
) -> Result<(BookkeeperServer, Option<BookkeeperCluster>), Fault> {
    let (server, cluster) = futures::join!(http::state(runner, node), cluster::read(runner, node));
    Ok((server?, cluster.ok()))
}

/// The bookie that is recorded here with this configuration, and has not left.
fn claimed(local: &Local, conf_file: &Utf8Path) -> Result<Option<NodeRef>, Fault> {
    let all = local.claims().all()?;
    Ok(all.into_iter().filter(|known| !known.tombstone).find_map(|known| {
        let own = placement_of(&known).is_some_and(|place| place.conf_file == conf_file);
        if own { known.node } else { None }
    }))
}

/// Its user is this host's, as `agent.toml` has it.
fn own_obstacles(
    local: &Local,
    section: &BookkeeperConfig,
    process: &Running,
) -> Result<Vec<String>, Fault> {
    let mut obstacles = Vec::new();
    if let Some(uid) = proc::uid(local.host.as_ref(), process.pid)?
        && let Ok(Some(user)) = launch::user(&section.os_user)
        && user.uid != uid
    {
        obstacles.push(format!(
            "its user's number is {uid}, and [systems.bookkeeper] os_user is {:?}",
            section.os_user
        ));
    }
    Ok(obstacles)
}
