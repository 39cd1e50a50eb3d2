//! Numbers that move: ledgers that lack copies, and ledgers that a bookie holds.

use bellows_proto::v1::{BookkeeperEmptied, Progress};

use super::{super::view::View, Judged, not_yet};
use crate::plan::{Verdict, sizes};

/// So many ledgers are named.
const SHOWN: usize = 8;

/// How many are left of so many, those not counted that were agreed to be lost. A list may be cut off: where all
/// that it shows were agreed to, the others count as the rest of those.
fn left(count: u64, listed: &[u64], lost: &[u64]) -> u64 {
    let shown = listed.iter().filter(|ledger| lost.contains(ledger)).count();
    let cut_off = u64::try_from(listed.len()).unwrap_or(u64::MAX) < count;
    let agreed = if cut_off && shown == listed.len() { lost.len() } else { shown };
    count.saturating_sub(u64::try_from(agreed).unwrap_or(0))
}

/// ", among them 1, 2": those that were not agreed to be lost.
fn among(listed: &[u64], lost: &[u64]) -> String {
    let rest = listed.iter().filter(|ledger| !lost.contains(ledger)).take(SHOWN);
    let names: Vec<String> = rest.map(u64::to_string).collect();
    match names.is_empty() {
        true => String::new(),
        false => format!(", among them {}", names.join(", ")),
    }
}

fn progress(left: u64, all: u64) -> Option<Progress> {
    let (done, total) = (all.saturating_sub(left), Some(all.max(left)));
    Some(Progress { done, total, unit: "ledgers".to_owned(), ..Progress::default() })
}

/// As everybody sees it who was asked; the one that sees most counts.
pub(super) fn replicated(view: View<'_>, lost: &[u64]) -> Judged {
    let all = view.ledgers().map_or(0, |ledgers| ledgers.count);
    let mut worst = Verdict::Holds;
    let mut most = 0;
    for witness in view.witnesses()? {
        let cluster = witness.cluster;
        let left = left(cluster.underreplicated_count, &cluster.underreplicated, lost);
        if left > most {
            most = left;
            let named = among(&cluster.underreplicated, lost);
            let lack = if left == 1 { "lacks" } else { "lack" };
            worst = Verdict::NotYet {
                reason: format!("{} {lack} a copy{named}", sizes::many(left, "ledger")),
                progress: progress(left, all),
            };
        }
    }
    Ok(worst)
}

pub(super) fn no_sole_copies(view: View<'_>, node: &str) -> Judged {
    let held = view.held(&view.id(node)?)?;
    if held.sole_copies_count == 0 {
        return Ok(Verdict::Holds);
    }
    let named = among(&held.sole_copies, &[]);
    let ledgers = sizes::many(held.sole_copies_count, "ledger");
    Ok(Verdict::Refused(format!("{node} has the only copy of {ledgers}{named}")))
}

/// By the metadata and by the shell: two readings, of two members where there are two.
pub(super) fn emptied(view: View<'_>, wanted: &BookkeeperEmptied) -> Judged {
    let (node, lost) = (&wanted.node, wanted.lost.as_slice());
    let id = view.id(node)?;
    if view.witnesses()?.iter().any(|witness| witness.is_writable(&id)) {
        // It may have got some just when nobody looked.
        return Ok(Verdict::Refused(format!("{node} is writable: it gets new ledgers")));
    }
    let all = view.ledgers()?.count;
    let held = view.held(&id)?;
    let by_metadata = left(held.ledgers, &held.first, lost);
    if by_metadata > 0 {
        let named = among(&held.first, lost);
        let (ledgers, about) = (sizes::many(by_metadata, "ledger"), sizes::text(held.bytes));
        return Ok(Verdict::NotYet {
            reason: format!("{node} still holds {ledgers}, about {about}{named}"),
            progress: progress(by_metadata, all),
        });
    }
    for shell in view.shells(&id)? {
        let by_shell = left(shell.ledgers, &shell.first, lost);
        if by_shell > 0 {
            let named = among(&shell.first, lost);
            let ledgers = sizes::many(by_shell, "ledger");
            return Ok(not_yet(format!("by the shell {node} still holds {ledgers}{named}")));
        }
    }
    Ok(Verdict::Holds)
}

#[cfg(test)]
mod tests {
    use super::left;

    #[test]
    fn what_was_agreed_to_be_lost_is_not_left() {
        assert_eq!(left(3, &[1, 2, 3], &[]), 3);
        assert_eq!(left(3, &[1, 2, 3], &[1, 2, 3]), 0);
        assert_eq!(left(3, &[1, 2, 9], &[1, 2, 3]), 1);
        // Cut off after two.
        assert_eq!(left(4, &[1, 2], &[1, 2, 3, 4]), 0);
        assert_eq!(left(4, &[1, 9], &[1, 2, 3, 4]), 3);
        assert_eq!(left(5, &[1, 2], &[1, 2, 3, 4]), 1);
    }
}
