//! What an administrator should read before agreeing.

use bellows_proto::v1::NoteKind;

use super::{
    draft::{Draft, Placed},
    guards::Expanding,
};

/// For new bookies.
pub(super) fn joining(draft: &mut Draft, guarded: &Expanding) {
    for new in &guarded.new {
        let Placed { node, host, place } = new;
        draft.note(
            NoteKind::Data,
            format!(
                "{node} on {host}: bookie {}, ledgers in {}, journal in {}, http {}:{}, run by {} as {}",
                new.id(),
                place.ledger_dirs.join(", "),
                place.journal_dirs.join(", "),
                place.http_address,
                place.http_port,
                place.service,
                place.os_user
            ),
        );
    }
    let text = format!(
        "the configuration is that of {}, by the keys that Bellows knows; what else is in there (passwords, racks, plug-ins) is not taken over",
        guarded.model
    );
    draft.note(NoteKind::Data, text);
    draft.note(
        NoteKind::Risk,
        "racks and isolation groups are not set: where Pulsar uses them, tell it of the new bookie by hand: pulsar-admin bookies set-bookie-rack"
            .to_owned(),
    );
}
