//! What an administrator should read before agreeing: the manual's warnings where they apply, and what was
//! found lying about.

use bellows_proto::v1::{KwdbFrontEnd, KwdbIntentOptions, KwdbRebalance, NoteKind};

use super::{
    draft::{Draft, Placed},
    expand::without_effect,
    join::Joining,
    sizes, view,
    view::View,
};

/// So many names of one kind are shown.
const SHOWN: usize = 8;

/// For new nodes.
pub(super) fn expand(
    draft: &mut Draft,
    view: View<'_>,
    joining: &Joining<'_>,
    rebalance: bool,
    asked: &KwdbIntentOptions,
) {
    for node in joining.new {
        let Placed { node, host, place } = node;
        draft.note(
            NoteKind::Data,
            format!(
                "{node} on {host}: data in {}, reached at {} port {}, http {}, brpc {}, run by {} as {}",
                place.data_dir, place.address, place.port, place.http_port, place.brpc_port,
                place.unit, place.os_user
            ),
        );
    }
    if joining.moves_data() {
        moving(draft, view);
        rebalancing(draft, view, rebalance, asked);
    } else {
        let text = "this is a single-replica cluster: data that are there stay where they are; only new tables use the new nodes";
        draft.note(NoteKind::Data, text.to_owned());
        let text = "a single-replica cluster lets no node go: once the first new node is started there is no way back";
        draft.note(NoteKind::Risk, text.to_owned());
        if asked.rebalance() != KwdbRebalance::Unspecified {
            without_effect(draft, "rebalance");
        }
        if asked.skip_balance {
            without_effect(draft, "balance");
        }
    }
    front_end(draft, joining);
    leftovers(draft, view, joining);
}

fn front_end(draft: &mut Draft, joining: &Joining<'_>) {
    if joining.options.front_end() != KwdbFrontEnd::DeploySh {
        return;
    }
    // It appends to the unit with each call, starts it with the installer's own store, and may ask questions.
    let text = "deploy.sh join cannot be repeated and has no way back: nodes join by kwbase";
    draft.note(NoteKind::Impact, text.to_owned());
}

/// The manual's warnings, while data move.
pub(super) fn moving(draft: &mut Draft, view: View<'_>) {
    for text in [
        "while data move, queries may for a short time give incomplete results; afterwards they are whole again",
        "while data move, statements on indexes of time series (CREATE INDEX, DROP INDEX) may time out: repeat them afterwards; other ALTER statements make it take longer",
        "while data move, more disk is used on all members; afterwards it goes back",
        "do it when there is little load",
    ] {
        draft.note(NoteKind::Impact, text.to_owned());
    }
    let Ok(cluster) = view.cluster() else { return };
    for job in cluster.jobs.iter().take(SHOWN) {
        let text = format!(
            "a change of schema runs now: {} {} ({}): {}",
            job.kind, job.id, job.status, job.description
        );
        draft.note(NoteKind::Risk, text);
    }
    if cluster.jobs.len() > SHOWN {
        let more = sizes::count(cluster.jobs.len() - SHOWN, "more change");
        draft.note(NoteKind::Risk, format!("{more} of schema run now"));
    }
}

fn rebalancing(draft: &mut Draft, view: View<'_>, is: bool, asked: &KwdbIntentOptions) {
    let text = match (asked.rebalance(), is) {
        (KwdbRebalance::Off, true) => {
            "kv.allocator.ts_consider_rebalance.enabled is true now: it is false meanwhile, and true again in the end; from then on data of time series move"
        }
        (KwdbRebalance::On, false) => {
            "kv.allocator.ts_consider_rebalance.enabled is false now: it is true meanwhile, and false again in the end"
        }
        (KwdbRebalance::Keep | KwdbRebalance::Unspecified | KwdbRebalance::Off, false) => {
            "kv.allocator.ts_consider_rebalance.enabled is false: data of time series stay where they are"
        }
        (KwdbRebalance::Keep | KwdbRebalance::Unspecified | KwdbRebalance::On, true) => return,
    };
    draft.note(NoteKind::Data, text.to_owned());
    let rate = view.cluster().map_or(0, |cluster| cluster.rebalance_rate);
    if rate > 0 {
        let text =
            format!("each store sends at most {} a second for rebalancing", sizes::text(rate));
        draft.note(NoteKind::Impact, text);
    }
}

/// Copies of the authority's key, by host: whoever has one makes certificates for anybody.
pub(super) fn leftovers(draft: &mut Draft, view: View<'_>, joining: &Joining<'_>) {
    let signer = joining.certifying.and_then(|one| one.signer.as_ref()).map(|(node, _)| node);
    for member in view.members {
        let Some(found) =
            view::reading(member).ok().and_then(|reading| reading.certificates.as_ref())
        else {
            continue;
        };
        let host = &member.host;
        for path in &found.leftovers {
            let text = format!(
                "{path} on {host} holds a copy of the authority's key or may: whoever reads it makes certificates for anybody; remove it by hand"
            );
            draft.note(NoteKind::Risk, text);
        }
        let elsewhere = signer.is_some_and(|signer| *signer != member.node);
        if found.has_authority_key && elsewhere {
            let text =
                format!("ca.key is on {host} too: one copy at the host that signs is enough");
            draft.note(NoteKind::Risk, text);
        }
    }
}
