//! A bookie's directories, emptied.

use bellows_proto::v1::{BookkeeperDiscardData, DirectoryState, Fault, FaultCode};

use crate::{
    facilities::{Runner as _, claims},
    host::Access,
    tools::{
        JobContext, Note,
        bookkeeper::{
            reading::is_ours,
            service,
            session::{made, required},
            shell::cookie,
        },
        bookkeeper_shell::BookieId,
    },
};

/// Empties the directories of a bookie of ours that does not run and has no cookie in the metadata: with one, the cluster still
/// counts on what is in them.
pub(super) async fn discard(
    action: &BookkeeperDiscardData,
    context: &JobContext,
) -> Result<Note, Fault> {
    let local = context.local();
    let (node, claim) = made(local, required(action.node.as_ref())?)?;
    let directories = node.directories();
    if !is_ours(&node, &claim) {
        return Err(Fault::new(
            FaultCode::NotClaimed,
            format!(
                "the directories of {} were not free when it was claimed, so their content is not ours",
                node.name
            ),
        ));
    }
    service::refuse_running(context, &node).await?;
    let mut occupied = Vec::new();
    for path in &directories {
        if claims::directory_state(local, path)? == DirectoryState::Occupied {
            occupied.push(*path);
        }
    }
    if occupied.is_empty() {
        return Ok("its directories are empty".to_owned());
    }
    let id = BookieId::new(&node.id())?;
    if cookie(context, &node, &id).await?.is_some() {
        return Err(Fault::new(
            FaultCode::Drift,
            format!("{id} still has a cookie in the metadata: its data are the cluster's"),
        )
        .remedy("its ledgers are moved and its cookie is deleted before its data are"));
    }
    for path in &occupied {
        local.host.remove_directory(path)?;
    }
    for path in directories {
        local.host.create_directory(path, &Access::owned(0o700, &node.os_user))?;
    }
    Ok("its directories are empty".to_owned())
}
