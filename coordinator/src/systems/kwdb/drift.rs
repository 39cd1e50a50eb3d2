//! Where the end is not as predicted. Only what was predicted is compared.

use std::collections::BTreeSet;

use bellows_proto::v1::{
    KwdbMember, KwdbObservation, KwdbReading, KwdbServer, Observation, kwdb_reading,
};

use super::view::{self, View, reading, state_of};
use crate::systems::host::nodes::{self, Common};

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
    nodes::records(common(member, expected), common(seen, read), found);
    let (wanted, is) = (state_of(expected.service.as_ref()), state_of(read.service.as_ref()));
    nodes::service(&format!("the service of {node}"), wanted, is, found);
    nodes::directory(node, expected.data_directory(), read.data_directory(), found);
    if let Some(kwdb_reading::Server::Up(wanted)) = &expected.server {
        match view::server(node, read) {
            Ok(is) => servers(node, wanted, is, found),
            Err(why) => found.push(why),
        }
    }
}

fn common<'a>(member: &'a KwdbMember, reading: &KwdbReading) -> Common<'a> {
    let (claimed, tombstone) = (reading.claimed, reading.tombstone);
    Common { node: &member.node, host: &member.host, in_spec: member.in_spec, claimed, tombstone }
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
