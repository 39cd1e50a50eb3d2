//! A bookie's directories, emptied.

use bellows_proto::v1::{BookkeeperDiscardData, DirectoryState, Fault, FaultCode};
use camino::Utf8Path;

use crate::{
    facilities::{Local, Runner as _, claims},
    host::FileKind,
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
    for path in node.directories() {
        if claims::directory_state(local, path)? == DirectoryState::Occupied {
            occupied.push(path);
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
        empty(local, path)?;
    }
    Ok("its directories are empty".to_owned())
}

/// Removes what is in a directory. The directory itself stays as it is, with its owner and what is mounted there: were it
/// removed and made again, one that is interrupted in between would leave another host behind.
fn empty(local: &Local, directory: &Utf8Path) -> Result<(), Fault> {
    for name in local.host.list(directory)? {
        let path = directory.join(name);
        match local.host.metadata(&path)?.map(|found| found.kind) {
            Some(FileKind::Directory) => local.host.remove_directory(&path)?,
            Some(_) => local.host.remove_file(&path)?,
            None => {}
        }
    }
    Ok(())
}
