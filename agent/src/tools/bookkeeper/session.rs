//! A bookie that is claimed here, and how `bookkeeper shell` is called for it: what readings and actions share.
//! Must not know what a call is for.

use std::{collections::BTreeMap, time::Duration};

use bellows_proto::v1::{BookkeeperPlacement, Fault, FaultCode, NodeRef, placement};
use camino::Utf8PathBuf;

use super::{place, values::Node};
use crate::{
    exec::Invocation,
    facilities::{
        Local,
        claims::{NodeClaim, Remembered},
    },
    host::Access,
};

/// The environment profile of `agent.toml` that bookie and shell get: `JAVA_HOME` and its like.
pub(super) const PROFILE: &str = "bookkeeper";
/// Which configuration the script takes.
pub(super) const CONF: &str = "BOOKIE_CONF";
/// Where the script lets its logs go.
pub(super) const LOG_DIR: &str = "BOOKIE_LOG_DIR";
const LOG_CONF: &str = "BOOKIE_LOG_CONF";
/// What makes the shell readable: the words of its commands on standard output, level and logger before them, with the values
/// that 4.18 keeps beside its messages; errors of what is below on standard error. One logger there tells that this file was
/// read, and that ZooKeeper was reached: a list without a line and a shell without a voice look the same.
const LOG4J2: &str = include_str!("log4j2.xml");
const LOG4J2_NAME: &str = "log4j2.xml";

/// The reference that a message must carry.
pub(super) fn required(reference: Option<&NodeRef>) -> Result<&NodeRef, Fault> {
    reference.ok_or_else(|| Fault::new(FaultCode::Invalid, "the message names no node"))
}

/// The placement in what is remembered of a node.
pub(super) fn placement_of(known: &Remembered) -> Option<BookkeeperPlacement> {
    let system = known.claim.as_ref()?.placement.as_ref()?.system.as_ref()?;
    let placement::System::Bookkeeper(placement) = system else { return None };
    Some(placement.clone())
}

/// The bookie that is claimed here under this name.
///
/// # Errors
/// `NOT_CLAIMED` if there is none; `INVALID` if its placement is none of BookKeeper.
pub(super) fn claimed(local: &Local, reference: &NodeRef) -> Result<(Node, NodeClaim), Fault> {
    let claim = local.claims().node(reference)?;
    let known = Remembered { claim: Some(claim.clone()), ..Remembered::default() };
    let placement = placement_of(&known).ok_or_else(|| {
        let name = format!("{}/{}", reference.cluster, reference.node);
        Fault::new(FaultCode::Invalid, format!("{name} has no placement of bookkeeper"))
    })?;
    Ok((Node::new(reference, &placement)?, claim))
}

/// The bookie that is claimed here under this name and was made by Bellows: what writes its files or removes its data asks for it.
///
/// # Errors
/// As [`claimed`]; `NOT_CLAIMED` if it was adopted.
pub(super) fn made(local: &Local, reference: &NodeRef) -> Result<(Node, NodeClaim), Fault> {
    let (node, claim) = claimed(local, reference)?;
    if node.adopted {
        let name = format!("{}/{}", reference.cluster, reference.node);
        return Err(Fault::new(
            FaultCode::NotClaimed,
            format!("bookie {name} was adopted: its files and data are not Bellows' own"),
        )
        .remedy("do it by hand, as it was done before Bellows"));
    }
    Ok((node, claim))
}

/// The bookie that is claimed here under this name, one that was adopted too, if `agent.toml` still allows it: for what stops
/// and starts it, and for what it is asked to do to the cluster.
///
/// # Errors
/// As [`claimed`]; `DENIED` if `agent.toml` does not allow it any more.
pub(super) fn led(local: &Local, reference: Option<&NodeRef>) -> Result<Node, Fault> {
    let (node, _) = claimed(local, required(reference)?)?;
    if node.adopted {
        place::still_allowed(local, node.conf_file.as_path().as_str())?;
    }
    Ok(node)
}

/// The profile, without what Bellows itself says.
pub(super) fn environment(local: &Local) -> BTreeMap<String, String> {
    let mut profile = local.config.profile(PROFILE);
    profile.retain(|key, _| ![CONF, LOG_CONF].contains(&key.as_str()));
    profile
}

/// `bookkeeper shell WORDS` as the owner of the data, with this bookie's configuration. Starts a JVM.
///
/// # Errors
/// If the file that makes its output readable cannot be written.
pub(super) fn shell(
    local: &Local,
    node: &Node,
    words: &[impl AsRef<str>],
    limit: Duration,
) -> Result<Invocation, Fault> {
    let words: Vec<&str> =
        std::iter::once("shell").chain(words.iter().map(AsRef::as_ref)).collect();
    script(local, node, &words, limit)
}

/// `bookkeeper WORDS`, for the shell or for the class of a program that is named first. Otherwise as [`shell`].
///
/// # Errors
/// If the file that makes its output readable cannot be written.
pub(super) fn script(
    local: &Local,
    node: &Node,
    words: &[impl AsRef<str>],
    limit: Duration,
) -> Result<Invocation, Fault> {
    let words = words.iter().map(AsRef::as_ref);
    let mut invocation = Invocation::new(node.program.as_path(), words, limit).user(&node.os_user);
    invocation.environment = environment(local);
    if !node.adopted {
        let logs = node.log_dir.to_string();
        invocation.environment.entry(LOG_DIR.to_owned()).or_insert(logs);
    }
    let log_conf = log_conf(local)?.into_string();
    Ok(invocation.env(CONF, node.conf_file.to_string()).env(LOG_CONF, log_conf))
}

/// The file is there and is ours.
fn log_conf(local: &Local) -> Result<Utf8PathBuf, Fault> {
    let host = local.host.as_ref();
    let runtime = &local.config.agent.runtime_dir;
    let folder = runtime.join("bookkeeper");
    let path = folder.join(LOG4J2_NAME);
    let limit = u64::try_from(LOG4J2.len()).unwrap_or(u64::MAX) + 1;
    if matches!(host.read_guarded(&path, limit), Ok(Some((bytes, _))) if bytes == LOG4J2.as_bytes())
    {
        return Ok(path);
    }
    // The tool's user must pass through.
    for folder in [runtime, &folder] {
        host.create_directory(folder, &Access { mode: 0o711, owner: None })?;
    }
    host.write(&path, LOG4J2.as_bytes(), &Access { mode: 0o644, owner: None })?;
    Ok(path)
}
