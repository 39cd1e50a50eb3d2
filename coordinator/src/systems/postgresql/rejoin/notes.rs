//! What somebody should read before a member comes back.

use bellows_proto::v1::NoteKind;

use super::super::{draft::Draft, guards::Returning, lineage::Past, sizes};

/// `no_return`: the number of the step after which there is only forward; 0: none.
pub(super) fn notes(draft: &mut Draft, guarded: &Returning<'_>, discard: bool, no_return: u32) {
    let Returning { primary, node, ailing, .. } = guarded;
    if guarded.second_primary {
        draft.note(
            NoteKind::Impact,
            format!(
                "clients that are connected to {} ({} port {}) are cut off: what they wrote there since {} took over is nowhere else",
                node.node, node.place.address, node.place.port, primary.node
            ),
        );
    }
    if discard {
        discarding(draft, guarded, no_return);
    } else if no_return != 0 {
        draft.note(
            NoteKind::Data,
            format!(
                "{} keeps its data: {} on {}; the primary has all of them",
                node.node, node.place.data_dir, node.host
            ),
        );
        draft.note(
            NoteKind::Risk,
            format!(
                "there is no way back from step {no_return} on: {} is a standby from then on, which is what it is to be",
                node.node
            ),
        );
    }
    for other in ailing {
        draft.note(
            NoteKind::Risk,
            format!("{other} ails too: it is left as it is, and is not waited for"),
        );
    }
}

/// What is lost, and what it costs.
fn discarding(draft: &mut Draft, guarded: &Returning<'_>, no_return: u32) {
    let Returning { primary, node, seen, .. } = guarded;
    let (dir, host) = (&node.place.data_dir, &node.host);
    let text = match &guarded.past {
        Past::Part => format!(
            "the data of {} could follow as they are: without --discard-data it takes seconds",
            node.node
        ),
        Past::Apart { lost: Some(bytes), .. } => format!(
            "{bytes} bytes of WAL of {} are nowhere else and are lost: what was committed in them too",
            node.node
        ),
        Past::Apart { lost: None, .. } | Past::Unknown(_) => format!(
            "what exists only in the data of {} is lost; how much that is cannot be known",
            node.node
        ),
    };
    draft.note(NoteKind::Risk, text);
    draft.note(NoteKind::Data, format!("the data of {} are discarded: {dir} on {host}", node.node));
    let limit = match guarded.reading.clone_rate_kib {
        Some(0) => "without a limit".to_owned(),
        Some(kib) => format!("at most {kib} KiB/s"),
        None => "with the limit of its repmgr.conf".to_owned(),
    };
    draft.note(
        NoteKind::Impact,
        format!(
            "a base backup of about {} to read from {} on {} and to send over the network, {limit}",
            sizes::text(seen.server.database_bytes),
            primary.node,
            primary.host
        ),
    );
    draft.note(
        NoteKind::Risk,
        format!(
            "there is no way back from step {no_return} on: the data of {} are gone, and it has not been copied yet",
            node.node
        ),
    );
}
