//! Claims of nodes and resources, and giving them back.

use bellows_proto::v1::{
    ClaimNode, ClaimResource, DirectoryState, Fault, FaultCode, NodeRef, ReleaseNode,
    ReleaseResource,
};

use camino::Utf8Path;

use super::part;
use crate::{
    facilities::{
        Local, Runner as _,
        claims::{
            ClaimedDirectory, ClaimedResource, Holdings, NodeClaim, Remembered, directory_state,
        },
        services,
    },
    host::FileKind,
    tools::{JobContext, Note},
};

/// Claims what the placement takes, unless it is taken. Makes nothing yet.
pub(super) async fn claim_node(wanted: &ClaimNode, context: &JobContext) -> Result<Note, Fault> {
    let node = part(&wanted.node, "node")?;
    let placement = part(&wanted.placement, "placement")?;
    let local = context.local();
    let holdings = crate::tools::holdings(local, node, placement)?;
    let known = remembered(context, node)?;
    if known.tombstone {
        return Err(taken(node, "it has left for good; its name stays taken"));
    }
    if let Some(claim) = &known.claim {
        // Of an adopted node nothing was made: who recorded it before does not matter.
        let ours = claim.operation == context.operation() || crate::tools::is_adopted(placement);
        return if ours && claim.placement.as_ref() == Some(placement) {
            Ok("claimed already".to_owned())
        } else {
            Err(taken(node, &format!("operation {}", claim.operation)))
        };
    }
    refuse_overlap(context, node, &holdings)?;
    for service in &holdings.services {
        let holder = services(context).holder(service).await?;
        if !holder.is_empty() {
            return Err(taken(node, &holder));
        }
    }
    let directories = directories(context, &holdings)?;
    let note = directories
        .iter()
        .map(|d| format!("{}: {}", d.path, d.prior().as_str_name()))
        .collect::<Vec<_>>()
        .join(", ");
    let claim = NodeClaim {
        operation: context.operation().to_owned(),
        placement: Some(placement.clone()),
        directories,
        services: holdings.services,
    };
    let remembered = Remembered { claim: Some(claim), ..known };
    local.claims().put(node, &remembered)?;
    Ok(note)
}

/// Prior states. What holds something already is not ours to claim, but for shared folders.
fn directories(context: &JobContext, holdings: &Holdings) -> Result<Vec<ClaimedDirectory>, Fault> {
    if holdings.adopted {
        return adopted(context, holdings);
    }
    let all = holdings.all_data().map(|path| (path, true));
    let all = all.chain([(&holdings.config, false)]);
    let all = all.chain(holdings.others.iter().map(|path| (path, false)));
    let mut found = Vec::new();
    for (path, data) in all {
        let prior = directory_state(context.local(), path)?;
        if data && prior == DirectoryState::Occupied {
            return Err(Fault::new(
                FaultCode::NotClaimed,
                format!("{path} holds something already, so it cannot be claimed"),
            )
            .remedy("move it away, or choose another node name"));
        }
        let above =
            path.parent().map(|parent| context.local().host.metadata(parent)).transpose()?;
        let parent_made = above.is_some_and(|found| found.is_none());
        let path = path.to_string();
        found.push(ClaimedDirectory { path, prior: prior.into(), data, parent_made });
    }
    Ok(found)
}

/// Of a node that was there before: whatever is in its directories was there too, and stays.
fn adopted(context: &JobContext, holdings: &Holdings) -> Result<Vec<ClaimedDirectory>, Fault> {
    for path in holdings.all_data() {
        if directory_state(context.local(), path)? != DirectoryState::Occupied {
            let message = format!("there is nothing in {path} to adopt any more");
            return Err(Fault::new(FaultCode::Drift, message).remedy("plan anew"));
        }
    }
    let occupied = |path: &camino::Utf8PathBuf, data| ClaimedDirectory {
        path: path.to_string(),
        prior: DirectoryState::Occupied.into(),
        data,
        parent_made: false,
    };
    let mut found: Vec<_> = holdings.all_data().map(|path| occupied(path, true)).collect();
    found.push(occupied(&holdings.config, false));
    Ok(found)
}

/// What other nodes of this host hold of what a node wants: empty where nothing.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// A directory.
    pub(super) directory: String,
    /// Address and port.
    pub(super) port: String,
    /// A service's name.
    pub(super) service: String,
}

/// No two nodes share a directory, a service's name, or a port, started or not. What a
/// node that left for good holds besides its directories is free again.
pub(super) fn held(local: &Local, node: &NodeRef, wanted: &Holdings) -> Result<Held, Fault> {
    let mut held = Held::default();
    for other in local.claims().all()? {
        let Some(claim) = other.claim.filter(|_| other.node.as_ref() != Some(node)) else {
            continue;
        };
        let name = other.node.as_ref().map(|node| format!("{}/{}", node.cluster, node.node));
        let holder = |what: &str| {
            format!("node {} claims {what}", name.as_deref().unwrap_or("without a name"))
        };
        let mut paths = claim.directories.iter().map(|directory| &directory.path);
        let wants = |path: &str| wanted.config == path || wanted.all_data().any(|own| own == path);
        if let Some(path) = paths.find(|path| wants(path)) {
            held.directory = holder(path);
        }
        if other.tombstone && other.buried {
            continue;
        }
        if let Some(service) = claim.services.iter().find(|name| wanted.services.contains(name)) {
            held.service = holder(&format!("service {service}"));
        }
        let theirs = other.node.as_ref().zip(claim.placement.as_ref());
        let theirs = theirs.and_then(|(node, place)| crate::tools::takes(node, place));
        if let Some((address, port)) = theirs.and_then(|theirs| {
            let theirs: Vec<_> = theirs.endpoints().collect();
            wanted.endpoints().find(|own| theirs.contains(own))
        }) {
            held.port = holder(&format!("port {port} of {address}"));
        }
    }
    Ok(held)
}

fn refuse_overlap(context: &JobContext, node: &NodeRef, wanted: &Holdings) -> Result<(), Fault> {
    let Held { directory, port, service } = held(context.local(), node, wanted)?;
    match [directory, port, service].into_iter().find(|holder| !holder.is_empty()) {
        Some(holder) => Err(taken(node, &holder)),
        None => Ok(()),
    }
}

/// Removes what the claim's operation made here, then forgets the claim. In the undo of the
/// operation that claimed it: another operation's claim is refused.
pub(super) async fn release_node(
    wanted: &ReleaseNode,
    context: &JobContext,
) -> Result<Note, Fault> {
    let node = part(&wanted.node, "node")?;
    let local = context.local();
    let mut known = remembered(context, node)?;
    let Some(claim) = known.claim.take() else {
        return Ok("not claimed".to_owned());
    };
    if crate::tools::is_adopted(part(&claim.placement, "the claim's placement")?) {
        for service in &claim.services {
            services(context).give_back(service)?;
        }
        local.claims().put(node, &known)?;
        return Ok("given back; everything stays as it is".to_owned());
    }
    if claim.operation != context.operation() {
        return Err(taken(node, &format!("operation {}", claim.operation)));
    }
    for service in &claim.services {
        services(context).remove(service).await?;
    }
    // The service manager knows nothing of a server that somebody started by hand.
    let placement = part(&claim.placement, "the claim's placement")?;
    crate::tools::refuse_running(node, placement, context).await?;
    let mut removed = Vec::new();
    for directory in &claim.directories {
        if clear(context, directory)? {
            removed.push(directory.path.clone());
        }
    }
    local.claims().put(node, &known)?;
    Ok(format!("removed: {}", removed.join(", ")))
}

/// Brings a claimed directory back to what it was. What was occupied before stays. Something
/// else than a directory in its place (a link of the node's owner) is refused.
pub(super) fn clear(context: &JobContext, directory: &ClaimedDirectory) -> Result<bool, Fault> {
    let local = context.local();
    let path = Utf8Path::new(&directory.path);
    let (absent, empty) = match directory.prior() {
        DirectoryState::Absent => (true, false),
        DirectoryState::Empty => (false, true),
        DirectoryState::Occupied | DirectoryState::Unspecified => (false, false),
    };
    if !absent && !empty {
        return Ok(false);
    }
    match local.host.metadata(path)?.map(|found| found.kind) {
        Some(FileKind::Directory) if absent => local.host.remove_directory(path)?,
        Some(FileKind::Directory) => empty_directory(local, path)?,
        Some(FileKind::File | FileKind::Link | FileKind::Other) => {
            return Err(Fault::new(
                FaultCode::Drift,
                format!("{path} is no directory any more; it is not touched"),
            )
            .remedy("look what put it there, move it away, then retry"));
        }
        None => {}
    }
    if let Some(above) = path.parent().filter(|_| absent && directory.parent_made) {
        local.host.remove_empty_directory(above)?;
    }
    Ok(true)
}

fn empty_directory(local: &Local, path: &Utf8Path) -> Result<(), Fault> {
    for name in local.host.list(path)? {
        let entry = path.join(name);
        match local.host.metadata(&entry)?.map(|found| found.kind) {
            Some(FileKind::Directory) => local.host.remove_directory(&entry)?,
            Some(FileKind::File | FileKind::Link | FileKind::Other) => {
                local.host.remove_file(&entry)?;
            }
            None => {}
        }
    }
    Ok(())
}

/// Claims a named resource at this host.
pub(super) fn claim_resource(wanted: &ClaimResource, context: &JobContext) -> Result<Note, Fault> {
    let node = part(&wanted.node, "node")?;
    check_resource(&wanted.resource)?;
    let mut known = remembered(context, node)?;
    for other in context.local().claims().all()? {
        let theirs = other.node.as_ref() != Some(node);
        let mine = other.resources.iter().find(|r| r.name == wanted.resource);
        // Resources are named within a cluster: another cluster has its own slots and ids.
        let same_cluster = other.node.as_ref().map(|n| &n.cluster) == Some(&node.cluster);
        match mine {
            Some(claim) if same_cluster && (theirs || claim.operation != context.operation()) => {
                return Err(taken(node, &format!("operation {}", claim.operation)));
            }
            Some(_) | None => {}
        }
    }
    if known.resources.iter().any(|r| r.name == wanted.resource) {
        return Ok("claimed already".to_owned());
    }
    known.resources.push(ClaimedResource {
        name: wanted.resource.clone(),
        prior: wanted.prior.clone(),
        operation: context.operation().to_owned(),
    });
    context.local().claims().put(node, &known)?;
    Ok(format!("{} claimed", wanted.resource))
}

/// Gives a resource back. What it names must be gone already: the agent cannot know.
pub(super) fn release_resource(
    wanted: &ReleaseResource,
    context: &JobContext,
) -> Result<Note, Fault> {
    let node = part(&wanted.node, "node")?;
    let mut known = remembered(context, node)?;
    known.resources.retain(|r| r.name != wanted.resource);
    context.local().claims().put(node, &known)?;
    Ok(format!("{} given back", wanted.resource))
}

/// `system:kind:name`, in plain characters.
fn check_resource(resource: &str) -> Result<(), Fault> {
    let plain = resource
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b':' | b'_' | b'-' | b'.'));
    if plain && resource.len() <= 200 && resource.split(':').filter(|p| !p.is_empty()).count() == 3
    {
        return Ok(());
    }
    Err(Fault::new(
        FaultCode::Invalid,
        format!("{resource:?} is no resource of the form system:kind:name"),
    ))
}

/// What is remembered of a node, or a fresh record for it.
pub(super) fn remembered(context: &JobContext, node: &NodeRef) -> Result<Remembered, Fault> {
    let known = context.local().claims().get(node)?;
    Ok(known.unwrap_or_else(|| Remembered { node: Some(node.clone()), ..Remembered::default() }))
}

fn taken(node: &NodeRef, holder: &str) -> Fault {
    Fault::new(
        FaultCode::NotClaimed,
        format!("node {}/{} is taken on this host: {holder}", node.cluster, node.node),
    )
    .remedy("choose another node name, or finish the operation that holds it")
}

#[cfg(test)]
mod tests {
    use bellows_proto::v1::Placement;
    use camino::Utf8PathBuf;

    use super::*;
    use crate::facilities::claims::worst_state;

    /// A host whose bookie has data in several directories, and its HTTP at another address.
    fn host(folder: &Utf8Path) -> Local {
        let text = format!(
            "[agent]\nhost = \"h4\"\naddress = \"10.0.0.4\"\nlaunch = \"process\"\ndata_dir = \"{folder}/agent\"\n\
             [systems.bookkeeper]\njournal_roots = [\"{folder}/j\"]\nledger_roots = [\"{folder}/d1\", \"{folder}/d2\"]\n"
        );
        let config = crate::config::parse(Utf8Path::new("agent.toml"), &text);
        crate::run::local(config.unwrap()).unwrap()
    }

    fn put(local: &Local, node: &NodeRef, placement: &Placement, tombstone: bool) {
        let holdings = crate::tools::holdings(local, node, placement).unwrap();
        let directories = holdings.all_data().map(|path| ClaimedDirectory {
            path: path.to_string(),
            data: true,
            ..ClaimedDirectory::default()
        });
        let claim = NodeClaim {
            placement: Some(placement.clone()),
            directories: directories.collect(),
            ..NodeClaim::default()
        };
        let known = Remembered {
            node: Some(node.clone()),
            claim: Some(claim),
            tombstone,
            buried: tombstone,
            ..Remembered::default()
        };
        local.claims().put(node, &known).unwrap();
    }

    #[test]
    fn all_directories_and_addresses_of_a_node_are_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let local = host(Utf8Path::from_path(folder.path()).unwrap());
        let node = |name: &str| NodeRef { cluster: "events".into(), node: name.into() };
        let propose = |name: &str| crate::tools::propose("bookkeeper", &local, &node(name), 0);
        let first = propose("b1").unwrap();
        put(&local, &node("b1"), &first, false);
        let wanted = crate::tools::takes(&node("b2"), &propose("b2").unwrap()).unwrap();
        let found = held(&local, &node("b2"), &wanted).unwrap();
        assert!(
            found.port.contains("port 3181 of 10.0.0.4") && found.directory.is_empty(),
            "{found:?}"
        );
        // The other address counts by itself.
        let other = Holdings { port: 3182, ..wanted.clone() };
        let found = held(&local, &node("b2"), &other).unwrap();
        assert!(found.port.contains("port 8080 of 127.0.0.1"), "{found:?}");
        // A further directory is as much a node's own as the first.
        let journal = crate::tools::takes(&node("b1"), &first).unwrap().more_data.pop().unwrap();
        assert!(journal.as_str().contains("/j/"));
        let overlapping = Holdings { more_data: vec![journal], ..Holdings::default() };
        assert!(!held(&local, &node("b2"), &overlapping).unwrap().directory.is_empty());
        // What has left for good keeps its directories alone.
        put(&local, &node("b1"), &first, true);
        let found = held(&local, &node("b2"), &wanted).unwrap();
        assert!(found.port.is_empty(), "{found:?}");
    }

    #[test]
    fn the_worst_of_several_directories_counts() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        let local = host(root);
        let paths: Vec<Utf8PathBuf> = ["a", "b", "c"].iter().map(|name| root.join(name)).collect();
        let state = || worst_state(&local, &paths).unwrap();
        assert_eq!(state(), DirectoryState::Absent);
        std::fs::create_dir(root.join("b")).unwrap();
        assert_eq!(state(), DirectoryState::Empty);
        std::fs::create_dir_all(root.join("a/current")).unwrap();
        assert_eq!(state(), DirectoryState::Occupied);
    }
}
