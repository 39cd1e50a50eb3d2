//! Actions on a node's data directory: made, filled with what repmgr needs, emptied.
//!
//! A clone is in `membership`. Must not know other members.

use bellows_proto::v1::{
    CreateRepmgrDatabase, DirectoryState, DiscardData, Fault, FaultCode, InitDatabase,
};
use camino::Utf8PathBuf;

use super::{
    pgpass,
    running::refuse_running,
    session::{Client, as_owner, made, required},
    values::{Node, PlainPath},
};
use crate::{
    facilities::{Local, Runner, claims, fault, secrets},
    host::Access,
    tools::{
        JobContext, Note,
        initdb::{Initdb, initdb},
        repmgr::{DATABASE, ROLE},
    },
};

/// In the data directory: settings that the server writes itself (`ALTER SYSTEM`), and repmgr at a
/// clone.
pub(super) const AUTO_CONF: &str = "postgresql.auto.conf";
/// In the data directory: while it is there, a server starts as a standby.
pub(super) const STANDBY_SIGNAL: &str = "standby.signal";
/// A configuration file is not longer.
pub(super) const CONF_LIMIT: u64 = 1024 * 1024;
const CREATE_DATABASE: &str = include_str!("create_database.sql");

/// Is there while `initdb` has not come to its end: its work looks whole between two of its
/// phases. Beside the configuration, because the data directory itself must be empty.
pub(super) fn unfinished(node: &Node) -> PlainPath {
    node.conf_dir.file("initdb.unfinished")
}

/// The data directory, empty and the node's own. Occupied: refused.
pub(super) fn prepare_data_directory(local: &Local, node: &Node) -> Result<(), Fault> {
    let path = node.data_dir.as_path();
    if claims::directory_state(local, path)? == DirectoryState::Occupied {
        return Err(Fault::new(
            FaultCode::Drift,
            format!("the data directory {path} is not empty"),
        )
        .remedy("undo the step: it empties the directory, if Bellows made it; then retry"));
    }
    let private = Access::owned(0o700, &node.os_user);
    Ok(local.host.create_directory(path, &private)?)
}

/// `initdb`, with the password of the repmgr role from the host's passfile.
pub(super) async fn init_database(
    action: &InitDatabase,
    context: &JobContext,
) -> Result<Note, Fault> {
    let local = context.local();
    let (node, _) = made(local, required(action.node.as_ref())?)?;
    let password_file = password_file(context, &node)?;
    prepare_data_directory(local, &node)?;
    let unfinished = unfinished(&node);
    local.host.write(unfinished.as_path(), b"", &Access::PRIVATE)?;
    let invocation = initdb(&Initdb {
        bin_dir: node.bin_dir.as_path(),
        data_dir: node.data_dir.as_path(),
        superuser: ROLE,
        password_file: &password_file,
    });
    let invocation = as_owner(local, &node.os_user, invocation);
    let command = invocation.command();
    let finished = context.run(invocation).await?;
    if !finished.success() {
        return Err(fault::tool_failed(&command, &finished, "make the data directory"));
    }
    local.host.remove_file(unfinished.as_path())?;
    Ok(format!("initdb made {}", node.data_dir))
}

fn password_file(context: &JobContext, node: &Node) -> Result<Utf8PathBuf, Fault> {
    let path = node.passfile.as_path();
    let passfile = secrets::read(context.local(), path)?;
    let wanted = pgpass::Wanted {
        host: &node.address.to_string(),
        port: node.port.get(),
        database: DATABASE,
        user: ROLE,
    };
    let password = pgpass::find(&passfile, &wanted).ok_or_else(|| {
        Fault::new(
            FaultCode::Secret,
            format!("{path} has no password of role {ROLE} for {}", node.address),
        )
        .remedy(format!("add a line like *:*:*:{ROLE}:PASSWORD to it, the same on all hosts"))
    })?;
    context.secret_file("password", &node.os_user, &password)
}

/// The database of repmgr, and the role that the owner of the node has locally.
pub(super) async fn create_repmgr_database(
    action: &CreateRepmgrDatabase,
    context: &JobContext,
) -> Result<Note, Fault> {
    let (node, _) = made(context.local(), required(action.node.as_ref())?)?;
    let (command, finished) =
        Client::of_node(&node).change(context, node.endpoint(), &[], CREATE_DATABASE).await?;
    if !finished.success() {
        return Err(fault::tool_failed(&command, &finished, "create the repmgr database"));
    }
    Ok("database repmgr and role postgres are there".to_owned())
}

/// Whether Bellows made what is in the data directory: it was free when it was claimed.
pub(super) fn is_ours(node: &Node, claim: &claims::NodeClaim) -> bool {
    let path = node.data_dir.as_path();
    claim.directories.iter().any(|directory| {
        let was_free = matches!(directory.prior(), DirectoryState::Absent | DirectoryState::Empty);
        directory.data && was_free && directory.path == path.as_str()
    })
}

/// Empties the data directory of a node that does not run, if Bellows made what is in it.
pub(super) async fn discard_data(
    action: &DiscardData,
    context: &JobContext,
) -> Result<Note, Fault> {
    let local = context.local();
    let (node, claim) = made(local, required(action.node.as_ref())?)?;
    let path = node.data_dir.as_path();
    if !is_ours(&node, &claim) {
        return Err(Fault::new(
            FaultCode::NotClaimed,
            format!("{path} was not free when it was claimed, so its content is not ours"),
        ));
    }
    refuse_running(context, &node).await?;
    if claims::directory_state(local, path)? == DirectoryState::Occupied {
        local.host.remove_directory(path)?;
        let private = Access::owned(0o700, &node.os_user);
        local.host.create_directory(path, &private)?;
    }
    local.host.remove_file(unfinished(&node).as_path())?;
    Ok(format!("{path} is empty"))
}
