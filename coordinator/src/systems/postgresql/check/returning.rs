//! Conditions of the return of a member that does not follow.

use bellows_proto::v1::{CanFollow, Leads};

use super::{
    super::{
        lineage::{self, Past},
        view::{NoPrimary, View, reading, slot_name},
    },
    Judged, records,
};
use crate::plan::Verdict;

/// One primary, whatever the returning one is; nobody else may be one unseen.
pub(super) fn leads(view: View<'_>, wanted: &Leads) -> Judged {
    let primary = match view.primary_besides(&wanted.besides) {
        Ok(primary) => primary,
        Err(why @ NoPrimary::Unknown(_)) => return Err(why.text()),
        Err(why @ (NoPrimary::None | NoPrimary::Several(_))) => {
            return Ok(Verdict::Refused(why.text()));
        }
    };
    if primary.member.node != wanted.node {
        let text = format!("{} is primary, not {}", primary.member.node, wanted.node);
        return Ok(Verdict::Refused(text));
    }
    let unknown = view.unknown_members_but(std::slice::from_ref(&wanted.besides));
    if !unknown.is_empty() {
        return Err(unknown.join("; "));
    }
    Ok(records::records_between(primary, &wanted.at_least, &wanted.at_most))
}

pub(super) fn can_follow(view: View<'_>, wanted: &CanFollow) -> Judged {
    let node = &wanted.node;
    let primary = view.primary_besides(node).map_err(|why| why.text())?;
    if primary.member.node != wanted.primary {
        let text = format!("{} is primary, not {}", primary.member.node, wanted.primary);
        return Ok(Verdict::Refused(text));
    }
    let member = view.member(node).ok_or_else(|| format!("{node} was not asked"))?;
    let reading = reading(member)?;
    let id = reading.placement.as_ref().map_or(0, |place| place.node_id);
    match lineage::past(node, &slot_name(id), reading, primary) {
        Past::Part => Ok(Verdict::Holds),
        Past::Apart { why, .. } => Ok(Verdict::Refused(why)),
        Past::Unknown(why) => Err(why),
    }
}
