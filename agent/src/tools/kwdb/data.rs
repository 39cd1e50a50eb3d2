//! A node's data directory: whose it is, and emptied.

use bellows_proto::v1::{DirectoryState, Fault, FaultCode, KwdbDiscardData};

use super::{
    running::refuse_running,
    session::{made, required},
    values::Node,
};
use crate::{
    facilities::{Runner as _, claims},
    host::Access,
    tools::{JobContext, Note},
};

/// Whether Bellows made what is in the data directory: it was free when it was claimed.
pub(super) fn is_ours(node: &Node, claim: &claims::NodeClaim) -> bool {
    claim.directories.iter().any(|directory| {
        let was_free = matches!(directory.prior(), DirectoryState::Absent | DirectoryState::Empty);
        directory.data && was_free && directory.path == node.data_dir.as_path().as_str()
    })
}

/// Empties the data directory of a node that does not run, if Bellows made what is in it.
pub(super) async fn discard_data(
    action: &KwdbDiscardData,
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
    }
    local.host.create_directory(path, &Access::owned(0o700, &node.os_user))?;
    Ok(format!("{path} is empty"))
}
