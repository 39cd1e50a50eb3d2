//! Probes of fronts: done, where all is as wanted; not done, where all is as it was before. What is
//! in between is partial: the file written and not read yet, some attached and others not.

use bellows_proto::v1::SetFront;

use super::{
    super::{check, view::View},
    Judged,
};
use crate::plan::Probe;

pub(super) fn set_front(view: View<'_>, action: &SetFront) -> Judged {
    let name = action.front.as_ref().map_or("", |front| front.node.as_str());
    let seen = view.front(&action.host, name)?;
    let Some(missing) = check::front_difference(seen, &action.backends) else {
        return Ok(Probe::Done);
    };
    // Where nothing else is wanted than before, there is nothing in between.
    let mends = action.before == action.backends;
    Ok(match check::front_difference(seen, &action.before) {
        Some(_) if !mends => Probe::Partial(format!("{name}: {missing}")),
        Some(_) | None => Probe::NotDone,
    })
}
