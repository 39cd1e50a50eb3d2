//! Where the end is not as predicted. Only what was predicted is compared.

use std::collections::BTreeSet;

use bellows_proto::v1::{
    DirectoryState, KwdbMember, KwdbObservation, KwdbReading, KwdbServer, Observation,
    ServiceState, kwdb_reading,
};

use super::view::{self, View, reading, state_of, state_text};

/// One sentence per difference.
pub fn drift(predicted: &KwdbObservation, observation: &Observation) -> Vec<String> {
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
    member: &KwdbMember,
    expected: &KwdbReading,
    seen: &KwdbMember,
    read: &KwdbReading,
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
    directory(node, expected.data_directory(), read.data_directory(), found);
    if let Some(kwdb_reading::Server::Up(wanted)) = &expected.server {
        match view::server(node, read) {
            Ok(is) => servers(node, wanted, is, found),
            Err(why) => found.push(why),
        }
    }
}

fn directory(node: &str, wanted: DirectoryState, is: DirectoryState, found: &mut Vec<String>) {
    match (wanted, is) {
        (DirectoryState::Unspecified, _) => {}
        (DirectoryState::Occupied, DirectoryState::Occupied) => {}
        (
            DirectoryState::Absent | DirectoryState::Empty,
            DirectoryState::Absent | DirectoryState::Empty,
        ) => {}
        (_, DirectoryState::Occupied) => {
            found.push(format!("the data directory of {node} is still there"));
        }
        (_, DirectoryState::Absent | DirectoryState::Empty) => {
            found.push(format!("the data directory of {node} is gone"));
        }
        (_, DirectoryState::Unspecified) => {
            found.push(format!("the data directory of {node} could not be looked at"));
        }
    }
}

fn servers(node: &str, wanted: &KwdbServer, is: &KwdbServer, found: &mut Vec<String>) {
    let live = |server: &KwdbServer| -> BTreeSet<String> {
        let rows = server.active.iter().filter(|row| row.is_live && row.is_available);
        rows.map(|row| row.address.clone()).collect()
    };
    let listed: BTreeSet<&str> = is.active.iter().map(|row| row.address.as_str()).collect();
    let (wanted, seen) = (live(wanted), live(is));
    for address in wanted.difference(&seen) {
        found.push(format!("for {node} nobody at {address} is available and live"));
    }
    for address in listed {
        if !wanted.contains(address) {
            found.push(format!("{node} lists a node at {address:?}"));
        }
    }
}
