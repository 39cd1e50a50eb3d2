//! What is to be known before nodes leave.

use bellows_proto::v1::NoteKind;

use super::super::{
    draft::{self, Draft, Placed},
    guards, sizes, switchover,
};

/// Everything that is to be known before standbys leave.
pub(super) fn notes(
    draft: &mut Draft,
    guarded: &guards::Shrinking,
    wipe: bool,
    point_of_no_return: u32,
) {
    for node in &guarded.leaving {
        leaving_notes(draft, node, wipe);
    }
    draft.note(
        NoteKind::Risk,
        format!(
            "{} stay: {}; fewer copies of the data from the first stop on",
            sizes::count(guarded.staying.len(), "member"),
            draft::names(guarded.staying.iter()).join(", ")
        ),
    );
    if let Some(moving) = &guarded.moving {
        return switchover::notes(draft, moving, point_of_no_return);
    }
    draft.note(
        NoteKind::Risk,
        format!(
            "there is no way back from step {point_of_no_return} on: once its slot is dropped, WAL that a leaving standby needs may be gone"
        ),
    );
}

/// What is said of a node that leaves alive.
pub(in super::super) fn leaving_notes(draft: &mut Draft, node: &Placed, wipe: bool) {
    draft.note(
        NoteKind::Impact,
        format!(
            "clients that are connected to {} ({} port {}) are cut off",
            node.node, node.place.address, node.place.port
        ),
    );
    if node.place.adopted {
        draft.note(
            NoteKind::Data,
            format!(
                "{} was adopted: its settings stay in {} too; its server and repmgrd are stopped for good, their units masked",
                node.node, node.place.conf_dir
            ),
        );
    }
    draft.note(
        NoteKind::Data,
        if wipe {
            format!(
                "the data directory of {} is removed: {} on {}",
                node.node, node.place.data_dir, node.host
            )
        } else {
            format!(
                "the data directory of {} is kept: {} on {}",
                node.node, node.place.data_dir, node.host
            )
        },
    );
}
