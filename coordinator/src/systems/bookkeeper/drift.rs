//! Where the end is not as predicted. Only what was predicted is compared.

use bellows_proto::v1::{
    BookkeeperMember, BookkeeperObservation, BookkeeperReading, DirectoryState, Observation,
    ServiceState, bookkeeper_reading,
};

use super::view::{self, View, reading, state_of, state_text};

/// One sentence per difference.
pub fn drift(predicted: &BookkeeperObservation, observation: &Observation) -> Vec<String> {
    let view = View::of(observation);
    let mut found = Vec::new();
    for member in &predicted.members {
        let Ok(expected) = reading(member) else { continue };
        match view.member(&member.node).map(|seen| (seen, reading(seen))) {
            None => found.push(format!("{} was not looked at", member.node)),
            Some((_, Err(why))) => found.push(why),
            Some((seen, Ok(read))) => compare(member, expected, seen, read, &mut found),
        }
    }
    for member in view.in_spec() {
        if !predicted.members.iter().any(|known| known.node == member.node) {
            found.push(format!("{} is a member and was not expected to be one", member.node));
        }
    }
    found
}

fn compare(
    member: &BookkeeperMember,
    expected: &BookkeeperReading,
    seen: &BookkeeperMember,
    read: &BookkeeperReading,
    found: &mut Vec<String>,
) {
    let node = &member.node;
    if member.in_spec != seen.in_spec {
        let is = if seen.in_spec { "still" } else { "not" };
        found.push(format!("{node} is {is} a member of the spec"));
    }
    if member.host != seen.host {
        found.push(format!("{node} is on {}, not on {}", seen.host, member.host));
    }
    for (what, wanted, is) in [
        ("claim", expected.claimed, read.claimed),
        ("tombstone", expected.tombstone, read.tombstone),
    ] {
        if wanted.is_some() && wanted != is {
            let has = if is == Some(true) { "a" } else { "no" };
            found.push(format!("{node} has {has} {what} on {}", seen.host));
        }
    }
    let (wanted, is) = (state_of(expected.service.as_ref()), state_of(read.service.as_ref()));
    if wanted != ServiceState::Unspecified && wanted != is {
        let (is, wanted) = (state_text(is), state_text(wanted));
        found.push(format!("the service of {node} is {is}, not {wanted}"));
    }
    directories(node, expected.directories(), read.directories(), found);
    if let Some(bookkeeper_reading::Server::Up(wanted)) = &expected.server {
        match view::server(node, read) {
            Ok(is) if is.read_only != wanted.read_only => {
                let is = if is.read_only { "read-only" } else { "writable" };
                found.push(format!("{node} is {is}"));
            }
            Ok(is) if is.running != wanted.running => {
                found.push(format!("{node} is not ready"));
            }
            Ok(_) => {}
            Err(why) => found.push(why),
        }
    }
}

fn directories(node: &str, wanted: DirectoryState, is: DirectoryState, found: &mut Vec<String>) {
    match (wanted, is) {
        (DirectoryState::Unspecified, _)
        | (DirectoryState::Occupied, DirectoryState::Occupied)
        | (
            DirectoryState::Absent | DirectoryState::Empty,
            DirectoryState::Absent | DirectoryState::Empty,
        ) => {}
        (_, DirectoryState::Occupied) => {
            found.push(format!("the directories of {node} are not empty"));
        }
        (_, DirectoryState::Absent | DirectoryState::Empty) => {
            found.push(format!("the directories of {node} are empty"));
        }
        (_, DirectoryState::Unspecified) => {
            found.push(format!("the directories of {node} could not be looked at"));
        }
    }
}
