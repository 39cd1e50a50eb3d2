//! A store out of what the agents keep: what all of them said, put together. Pure: who is asked,
//! and where it is written, is `serve`'s business.
//!
//! Nothing is invented. A cluster gets the last spec that any host was told. An open operation
//! gets its plan, as it was accepted, and a hold with what its hosts have of it; that a step was
//! done is not concluded from a job. So it can only be abandoned.

mod operations;
mod specs;

use std::collections::BTreeSet;

use bellows_proto::v1::{HelloReply, Job, KeptOperation, KeptSpec};

use crate::store::{HostRecord, Recovered};

/// What one host said.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Said {
    /// Its name.
    pub host: String,
    /// Where it was dialled, HOST:PORT.
    pub address: String,
    /// SHA-256 of the key that it showed.
    pub key_fingerprint: Vec<u8>,
    /// Who it is, whom it obeys, which fences stand there.
    pub hello: HelloReply,
    /// Operations that it keeps.
    pub operations: Vec<KeptOperation>,
    /// Specs that it keeps.
    pub specs: Vec<KeptSpec>,
    /// Operations, kept by any host, that are closed here.
    pub closed: Vec<String>,
    /// All its jobs.
    pub jobs: Vec<Job>,
}

/// A host as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundHost {
    /// Its name.
    pub host: String,
    /// HOST:PORT.
    pub address: String,
    /// Of its agent.
    pub version: String,
    /// The highest term that it has seen; 0: none.
    pub term: u64,
}

/// A cluster as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundCluster {
    /// Its name.
    pub cluster: String,
    /// Of the spec that is taken.
    pub version: u64,
    /// How many nodes that one has.
    pub nodes: usize,
    /// Who has that version.
    pub hosts: Vec<String>,
}

/// An open operation as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundOperation {
    /// Its id.
    pub operation: String,
    /// The cluster that it changes.
    pub cluster: String,
    /// "create", "expand", "shrink".
    pub kind: String,
    /// The highest step of which a job is known; 0: none.
    pub step: u32,
    /// How many steps its plan has.
    pub steps: u32,
    /// Who keeps it.
    pub hosts: Vec<String>,
    /// What its hosts have of it, a job each.
    pub jobs: Vec<String>,
    /// Hosts that were told that it is over.
    pub over_at: Vec<String>,
}

/// What was found, for the administrator's eyes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Who was asked.
    pub hosts: Vec<FoundHost>,
    /// Clusters.
    pub clusters: Vec<FoundCluster>,
    /// Open operations, newest first.
    pub operations: Vec<FoundOperation>,
    /// What should be read before agreeing: disagreements, hosts that nobody asked, what nobody
    /// can tell.
    pub notes: Vec<String>,
}

/// Puts together what all hosts said. `now_ms`: the coordinator's clock.
///
/// # Errors
/// What contradicts itself, so that nobody can say which is true.
pub fn merge(said: &[Said], now_ms: i64) -> Result<(Found, Recovered), Vec<String>> {
    let mut found = Found { hosts: said.iter().map(shown).collect(), ..Found::default() };
    let mut wrong = twins(said);
    let mut specs = specs::merge(said, &mut found, &mut wrong);
    let operations = operations::merge(said, now_ms, &mut found, &mut wrong);
    for spec in &mut specs {
        // What an open operation may have used is used, though its journal is lost.
        let used = operations::ids_used(&operations, &spec.cluster);
        spec.highest_id = spec.highest_id.max(used);
    }
    if !wrong.is_empty() {
        return Err(wrong);
    }
    let asked: BTreeSet<&str> = said.iter().map(|one| one.host.as_str()).collect();
    let members = specs.iter().flat_map(|spec| &spec.nodes).map(|node| node.host.as_str());
    let strangers: BTreeSet<&str> = members.filter(|host| !asked.contains(host)).collect();
    for host in strangers {
        found.notes.push(format!(
            "host {host} has nodes and was not asked: it will not be in the inventory, and may \
             know more; name it too: --host {host}=HOST:PORT"
        ));
    }
    let names: Vec<&str> = asked.into_iter().collect();
    let recovered = Recovered {
        hosts: said.iter().map(|one| record(one, now_ms)).collect(),
        specs,
        operations,
        doubt: format!(
            "the store was made anew from what the agents of {} keep: what no agent keeps is not \
             in it",
            names.join(", ")
        ),
    };
    Ok((found, recovered))
}

fn shown(said: &Said) -> FoundHost {
    FoundHost {
        host: said.host.clone(),
        address: said.address.clone(),
        version: said.hello.version.clone(),
        term: said.hello.term.as_ref().map_or(0, |term| term.number),
    }
}

/// Enrolled now: when it was let in is lost.
fn record(said: &Said, now_ms: i64) -> HostRecord {
    let shown = said.hello.certificate.clone().unwrap_or_default();
    HostRecord {
        host: said.host.clone(),
        address: said.address.clone(),
        key_fingerprint: said.key_fingerprint.clone(),
        machine_id: said.hello.machine_id.chars().take(64).collect(),
        enrolled_at_ms: now_ms,
        last_seen_at_ms: now_ms,
        agent_version: said.hello.version.clone(),
        valid_from_ms: shown.valid_from_ms,
        valid_until_ms: shown.valid_until_ms,
        ..HostRecord::default()
    }
}

/// A host is its key: two cannot have one.
fn twins(said: &[Said]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (index, one) in said.iter().enumerate() {
        let before = said.iter().take(index);
        for twin in before.filter(|other| other.key_fingerprint == one.key_fingerprint) {
            wrong.push(format!("hosts {} and {} show one and the same key", twin.host, one.host));
        }
    }
    wrong
}

#[cfg(test)]
mod tests;
