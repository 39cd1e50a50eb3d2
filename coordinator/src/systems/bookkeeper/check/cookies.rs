//! Conditions on cookies: by what a bookie is known in the metadata, and what was kept of it.

use bellows_proto::v1::{BookkeeperCookieSaved, BookkeeperHasCookie};

use super::{super::view::View, Judged, not_yet};
use crate::plan::Verdict;

/// Nothing of its id is in the metadata, and none of another bookie in its directories.
pub(super) fn clean(view: View<'_>, node: &str) -> Judged {
    let id = view.id(node)?;
    if let Some(cookie) = &view.reading(node)?.cookie {
        let text = format!("the directories of {node} have the cookie of {}", cookie.bookie);
        return Ok(Verdict::Refused(text));
    }
    if view.registered()?.contains(id.as_str()) {
        return Ok(Verdict::Refused(format!("{id} is registered already")));
    }
    Ok(match view.cookie(&id)? {
        None => Verdict::Holds,
        Some(_) => Verdict::Refused(format!("the metadata have a cookie of {id} already")),
    })
}

pub(super) fn has(view: View<'_>, wanted: &BookkeeperHasCookie) -> Judged {
    let id = view.id(&wanted.node)?;
    Ok(match (view.cookie(&id)?, wanted.present) {
        (Some(_), true) | (None, false) => Verdict::Holds,
        (Some(_), false) => not_yet(format!("the metadata still have the cookie of {id}")),
        (None, true) => not_yet(format!("the metadata have no cookie of {id}")),
    })
}

pub(super) fn saved(view: View<'_>, wanted: &BookkeeperCookieSaved) -> Judged {
    let id = view.id(&wanted.node)?;
    let saved = &view.reading(&wanted.at)?.saved_cookies;
    Ok(match saved.iter().any(|cookie| cookie.bookie == id) {
        true => Verdict::Holds,
        false => not_yet(format!("the host of {} has not kept the cookie of {id}", wanted.at)),
    })
}
