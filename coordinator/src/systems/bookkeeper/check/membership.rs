//! Who is a member, how it is registered, and whether all are of one kind.

use std::collections::BTreeSet;

use bellows_proto::v1::{
    BookkeeperMembersAre, BookkeeperReading, BookkeeperRegistered, BookkeeperRegistration,
    Progress, ServiceState, bookkeeper_reading,
};

use super::{
    super::{
        health, metadata, versions,
        view::{self, View},
    },
    Judged, unless,
};
use crate::plan::Verdict;

pub(super) fn healthy(view: View<'_>, without: &[String]) -> Judged {
    let problems = health::problems(view, without)?;
    if problems.is_empty() {
        return Ok(Verdict::Holds);
    }
    let ailing: BTreeSet<&str> = problems.iter().map(|problem| problem.node.as_str()).collect();
    let all = view.in_spec().filter(|member| !without.contains(&member.node)).count();
    let texts: Vec<String> = problems.iter().map(health::Problem::sentence).collect();
    Ok(Verdict::NotYet {
        reason: texts.join("; "),
        progress: Some(Progress {
            done: u64::try_from(all.saturating_sub(ailing.len())).unwrap_or(0),
            total: u64::try_from(all).ok(),
            unit: "members".to_owned(),
            ..Progress::default()
        }),
    })
}

/// As every one of them sees it that was asked and answered.
pub(super) fn members_are(view: View<'_>, wanted: &BookkeeperMembersAre) -> Judged {
    let mut must = Vec::new();
    for node in &wanted.nodes {
        must.push((node, view.id(node)?));
    }
    let mut may = Vec::new();
    for node in &wanted.besides {
        may.push(view.id(node)?);
    }
    let mut wrong = Vec::new();
    for witness in view.witnesses()? {
        let missing: Vec<&str> = must
            .iter()
            .filter(|(_, id)| !witness.is_registered(id))
            .map(|(node, _)| node.as_str())
            .collect();
        if !missing.is_empty() {
            wrong.push(format!("{} does not see {}", witness.node, missing.join(", ")));
        }
        for id in witness.cluster.writable.iter().chain(&witness.cluster.read_only) {
            if !must.iter().any(|(_, known)| known == id) && !may.contains(id) {
                wrong.push(format!("{} sees {id}, which is no member", witness.node));
            }
        }
    }
    Ok(unless(wrong))
}

/// As all see it, and as it sees itself where it answers.
pub(super) fn registered(view: View<'_>, wanted: &BookkeeperRegistered) -> Judged {
    let node = &wanted.node;
    let (id, r#as) = (view.id(node)?, wanted.r#as());
    let word = match r#as {
        BookkeeperRegistration::Writable => "writable",
        BookkeeperRegistration::ReadOnly => "read-only",
        BookkeeperRegistration::Gone => "gone",
        BookkeeperRegistration::Unspecified => {
            return Ok(Verdict::Refused("no registration is named".to_owned()));
        }
    };
    let mut others = Vec::new();
    for witness in view.witnesses()? {
        let is = match (witness.is_writable(&id), witness.is_read_only(&id)) {
            // In between it is both.
            (true, true) => "writable and read-only",
            (true, false) => "writable",
            (false, true) => "read-only",
            (false, false) => "gone",
        };
        if is != word {
            others.push(format!("for {} {node} is {is}, not {word}", witness.node));
        }
    }
    if r#as == BookkeeperRegistration::Gone {
        return Ok(unless(others));
    }
    // Where its registration is wanted, a host that is silent tells nothing of it.
    let own = view.reading(node)?;
    if view::state_of(own.service.as_ref()) == ServiceState::Failed {
        return Ok(Verdict::Refused(format!("the service of {node} has failed: see its log")));
    }
    if let Ok(server) = view::server(node, own)
        && server.read_only != (r#as == BookkeeperRegistration::ReadOnly)
    {
        let is = if server.read_only { "read-only" } else { "writable" };
        others.push(format!("{node} itself is {is}, not {word}"));
    }
    Ok(unless(others))
}

pub(super) fn versions_match(view: View<'_>, nodes: &[String]) -> Judged {
    Ok(match versions::one_version(view, nodes)? {
        Ok(_) => Verdict::Holds,
        Err(difference) => Verdict::Refused(difference),
    })
}

pub(super) fn same_cluster(view: View<'_>) -> Judged {
    let mut members = Vec::new();
    for member in view.in_spec() {
        // One that is being emptied has nothing any more that could be of another cluster.
        if !has_left(view.reading(&member.node)?) {
            members.push(member.node.as_str());
        }
    }
    Ok(match metadata::one_cluster(view, &members)? {
        Ok(_) => Verdict::Holds,
        Err(difference) => Verdict::Refused(difference),
    })
}

fn has_left(reading: &BookkeeperReading) -> bool {
    let is_up = matches!(reading.server, Some(bookkeeper_reading::Server::Up(_)));
    reading.cookie.is_none() && !is_up
}
