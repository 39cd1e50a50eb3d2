//! What an administrator should read before agreeing.

use bellows_proto::v1::NoteKind;

use super::{
    draft::{Draft, Placed},
    guards::Expanding,
    placing,
    view::View,
};

/// For new bookies.
pub(super) fn joining(draft: &mut Draft, guarded: &Expanding, view: View<'_>) {
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
    let model = &guarded.model;
    let text = format!("the configuration is that of {model}, by the keys that Bellows knows");
    draft.note(NoteKind::Data, text);
    if !guarded.left_out.is_empty() {
        let keys = guarded.left_out.join(", ");
        draft.note(NoteKind::Risk, format!("not taken over from {model}: {keys}"));
    }
    placing::joining(draft, &placing::source(view), &guarded.options, &guarded.new);
}
