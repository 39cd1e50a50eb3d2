//! The reading of a bookie: what lies on its host, and what it says of itself.
//!
//! What could not be read is a fault in its place, never an empty value. Must not change anything.

use bellows_proto::v1::{
    BookkeeperReading, DirectoryState, Fault, FaultCode, NodeRef, bookkeeper_reading::Server,
};
use camino::Utf8PathBuf;

use super::{
    conf, cookie, http, place, saved, service,
    session::{placement_of, required},
    values::Node,
    version,
};
use crate::{
    facilities::{Local, Runner, claims, claims::NodeClaim},
    tools::{QueryContext, bookkeeper_shell::BookieId},
};

/// Reads a bookie. One that is not claimed here is read where it would live.
///
/// # Errors
/// If the claim, a directory, a file or a service cannot be read; the bookie's silence is part of the reading.
pub(super) async fn node(
    context: &QueryContext,
    reference: Option<&NodeRef>,
) -> Result<BookkeeperReading, Fault> {
    let local = context.local();
    let reference = required(reference)?;
    let remembered = local.claims().get(reference)?;
    let claimed = remembered.as_ref().and_then(placement_of);
    let is_claimed = claimed.is_some();
    let placement = match claimed {
        Some(placement) => placement,
        None => place::propose(local, reference, 0)?,
    };
    let node = Node::new(reference, &placement)?;
    let claim = remembered.as_ref().and_then(|known| known.claim.as_ref());
    let directories = directories(&node);
    let conf = if is_claimed { conf::load(local, node.conf_file.as_path())? } else { None };
    let conf = conf.unwrap_or_default();
    let mut reading = BookkeeperReading {
        node: Some(reference.clone()),
        claimed: Some(is_claimed),
        tombstone: Some(remembered.as_ref().is_some_and(|known| known.tombstone && known.buried)),
        data_is_ours: claim.map(|claim| is_ours(&node, claim)),
        settings: conf.settings(),
        other_keys: conf.other_keys(),
        cookie: disk_cookie(local, &node)?,
        saved_cookies: saved::cookies(local)?,
        audited_at_ms: saved::audited_at_ms(local, &BookieId::new(&node.id())?)?,
        version: version::installed(local.host.as_ref(), node.program.as_path()),
        placement: Some(placement),
        ..BookkeeperReading::default()
    };
    reading.set_directories(claims::worst_state(local, &directories)?);
    if !node.adopted {
        let file = local.managed().reading(place::CONF_FILE, node.conf_file.as_path())?;
        reading.files.push(file);
    }
    let (service, left_alone, up) = futures::join!(
        service::reading(context, &node),
        left_alone(context, &node, is_claimed),
        async {
            match is_claimed {
                true => http::state(context, &node).await,
                false => Err(not_claimed(reference)),
            }
        },
    );
    reading.service = Some(service?);
    reading.left_alone = left_alone?;
    reading.server = Some(match up {
        Ok(server) => Server::Up(server),
        Err(fault) => Server::Down(fault),
    });
    Ok(reading)
}

fn directories(node: &Node) -> Vec<Utf8PathBuf> {
    node.directories().into_iter().map(ToOwned::to_owned).collect()
}

/// The cookie in the first ledger directory.
fn disk_cookie(
    local: &Local,
    node: &Node,
) -> Result<Option<bellows_proto::v1::BookkeeperCookie>, Fault> {
    let Some(first) = node.ledger_dirs.first() else { return Ok(None) };
    cookie::of_directory(local, first.as_path())
}

/// Whether Bellows made what is in all the directories: they were free when they were claimed.
pub(super) fn is_ours(node: &Node, claim: &NodeClaim) -> bool {
    node.directories().into_iter().all(|path| {
        claim.directories.iter().any(|directory| {
            let free = matches!(directory.prior(), DirectoryState::Absent | DirectoryState::Empty);
            directory.data && free && directory.path == path.as_str()
        })
    })
}

fn not_claimed(reference: &NodeRef) -> Fault {
    let name = format!("{}/{}", reference.cluster, reference.node);
    Fault::new(FaultCode::NotClaimed, format!("no bookie {name} is claimed here"))
}

/// Of a bookie of ours nothing stands in the way.
async fn left_alone(
    runner: &dyn Runner,
    node: &Node,
    is_claimed: bool,
) -> Result<Vec<String>, Fault> {
    if !is_claimed {
        return service::no_room(runner, node);
    }
    if !node.adopted {
        return Ok(Vec::new());
    }
    match place::still_allowed(runner.local(), node.conf_file.as_path().as_str()) {
        Ok(_) => service::obstacles(runner, node).await,
        Err(fault) => Ok(vec![fault.to_string()]),
    }
}
