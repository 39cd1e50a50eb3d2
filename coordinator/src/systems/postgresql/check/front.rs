//! Judges what a front serves.

use bellows_proto::v1::{FrontBackend, FrontServes, PostgresqlFront};

use super::{
    super::view::{self, View},
    Judged,
};
use crate::plan::Verdict;

pub(super) fn serves(view: View<'_>, wanted: &FrontServes) -> Judged {
    let seen = view.front(&wanted.host, &wanted.front)?;
    Ok(match difference(seen, &wanted.backends) {
        None => Verdict::Holds,
        Some(text) => Verdict::not_yet(format!("{} on {}: {text}", wanted.front, wanted.host)),
    })
}

/// Where a front differs from what is wanted, in words; `None`: nowhere.
pub(in super::super) fn difference(
    seen: &PostgresqlFront,
    wanted: &[FrontBackend],
) -> Option<String> {
    for (list, what) in [(&seen.serving, "serves"), (&seen.configured, "its configuration lists")] {
        if !view::same_endpoints(list, wanted) {
            return Some(format!("{what} {}, not {}", said(list), said(wanted)));
        }
    }
    wanted.iter().find_map(|backend| {
        let there = seen.serving.iter().find(|there| view::same_endpoint(there, backend))?;
        let told = |wanted: Option<bool>, is: Option<bool>| wanted.is_some() && wanted != is;
        let name = &backend.node;
        if told(backend.attached, there.attached) {
            let now = if there.attached == Some(true) { "is served" } else { "is not served" };
            return Some(format!("{name} {now}"));
        }
        told(backend.primary, there.primary).then(|| match there.primary {
            Some(true) => format!("it takes {name} for the primary"),
            Some(false) | None => format!("it does not take {name} for the primary"),
        })
    })
}

/// "10.0.0.1:5432, 10.0.0.2:5432"; "nobody".
fn said(list: &[FrontBackend]) -> String {
    if list.is_empty() {
        return "nobody".to_owned();
    }
    let mut all: Vec<String> =
        list.iter().map(|backend| format!("{}:{}", backend.address, backend.port)).collect();
    all.sort();
    all.join(", ")
}
