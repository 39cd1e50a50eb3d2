//! Conditions on repmgr's records of members.

use std::collections::BTreeSet;

use bellows_proto::v1::{AbsentEverywhere, MembersBetween, RegisteredEverywhere};

use super::{
    super::{
        health,
        view::{self, Primary, View, row, server},
    },
    Judged,
};
use crate::plan::Verdict;

pub(super) fn members_are(view: View<'_>, nodes: &[String], without: &[String]) -> Judged {
    let wanted: BTreeSet<&str> = nodes.iter().map(String::as_str).collect();
    let mut missing = Vec::new();
    for member in view.in_spec().filter(|member| !without.contains(&member.node)) {
        let server = view.server(&member.node)?;
        let rows = server.registered.iter().filter(|row| !view::is_witness(row));
        let names: BTreeSet<&str> = rows.map(|row| row.name.as_str()).collect();
        if names != wanted {
            let list =
                |names: &BTreeSet<&str>| names.iter().copied().collect::<Vec<_>>().join(", ");
            missing.push(format!("{} names {}, not {}", member.node, list(&names), list(&wanted)));
        }
    }
    Ok(Verdict::unless(&missing))
}

pub(super) fn members_between(view: View<'_>, wanted: &MembersBetween) -> Judged {
    let primary = view.primary().map_err(|why| why.text())?;
    Ok(records_between(primary, &wanted.at_least, &wanted.at_most))
}

/// What repmgr at the primary has records of.
pub(super) fn records_between(
    primary: Primary<'_>,
    at_least: &[String],
    at_most: &[String],
) -> Verdict {
    let rows = primary.server.registered.iter().filter(|row| !view::is_witness(row));
    let names: BTreeSet<&String> = rows.map(|row| &row.name).collect();
    let gone: Vec<&str> =
        at_least.iter().filter(|name| !names.contains(name)).map(String::as_str).collect();
    let strange: Vec<&str> =
        names.iter().filter(|name| !at_most.contains(name)).map(|name| name.as_str()).collect();
    match (gone.as_slice(), strange.as_slice()) {
        ([], []) => Verdict::Holds,
        ([], strange) => Verdict::Refused(format!(
            "repmgr has records of {}, by another hand",
            strange.join(", ")
        )),
        (gone, _) => Verdict::Refused(format!(
            "repmgr has lost its records of {}, by another hand",
            gone.join(", ")
        )),
    }
}

pub(super) fn registered_everywhere(view: View<'_>, wanted: &RegisteredEverywhere) -> Judged {
    let mut missing = Vec::new();
    let concerned =
        view.members.iter().filter(|member| member.in_spec || member.node == wanted.node);
    for member in concerned {
        let server = view.server(&member.node)?;
        match row(server, &wanted.node) {
            Some(row) if row.node_id != wanted.node_id => {
                let text = format!(
                    "{} has id {} for {}, not {}",
                    member.node, row.node_id, wanted.node, wanted.node_id
                );
                return Ok(Verdict::Refused(text));
            }
            Some(row) if row.active => {}
            Some(_) => missing
                .push(format!("the record of {} is inactive at {}", wanted.node, member.node)),
            None => missing.push(format!("{} has no record of {} yet", member.node, wanted.node)),
        }
    }
    Ok(Verdict::unless(&missing))
}

pub(super) fn absent_everywhere(view: View<'_>, wanted: &AbsentEverywhere) -> Judged {
    let mut left = Vec::new();
    for member in view.in_spec().filter(|member| member.node != wanted.node) {
        let at = &member.node;
        let server = server(at, view::reading(member)?)?;
        if server
            .registered
            .iter()
            .any(|row| row.node_id == wanted.node_id || row.name == wanted.node)
        {
            left.push(format!("{at} has a record of {} still", wanted.node));
        }
        if health::slot(server, &wanted.slot).is_some() {
            left.push(format!("{at} has the slot {} still", wanted.slot));
        }
        if health::sender(server, &wanted.node).is_some() {
            left.push(format!("{at} sends WAL to {} still", wanted.node));
        }
    }
    Ok(Verdict::unless(&left))
}
