//! Which spec of a cluster is the last one.

use std::collections::{BTreeMap, BTreeSet};

use bellows_proto::v1::{KeptSpec, Spec};

use super::{Found, FoundCluster, Said};

type Word<'a> = (&'a str, &'a KeptSpec, &'a Spec);

/// The highest version of each cluster's spec. Of equal versions that differ, the one that came
/// under the highest term; if that does not tell either, it is wrong.
pub(super) fn merge(said: &[Said], found: &mut Found, wrong: &mut Vec<String>) -> Vec<Spec> {
    let mut words: BTreeMap<&str, Vec<Word<'_>>> = BTreeMap::new();
    for one in said {
        for kept in &one.specs {
            match &kept.spec {
                Some(spec) if spec.cluster == kept.cluster && spec.version > 0 => {
                    words.entry(&kept.cluster).or_default().push((&one.host, kept, spec));
                }
                Some(_) | None => wrong.push(format!(
                    "what host {} keeps as the spec of {} is none",
                    one.host, kept.cluster
                )),
            }
        }
    }
    let clusters = words.iter();
    clusters.filter_map(|(cluster, words)| last(cluster, words, found, wrong)).collect()
}

fn last(
    cluster: &str,
    words: &[Word<'_>],
    found: &mut Found,
    wrong: &mut Vec<String>,
) -> Option<Spec> {
    let version = words.iter().map(|(_, _, spec)| spec.version).max()?;
    let newest: Vec<&Word<'_>> = words.iter().filter(|(_, _, s)| s.version == version).collect();
    let term = newest.iter().map(|(_, kept, _)| number(kept)).max()?;
    let (first, _, chosen) = newest.iter().find(|(_, kept, _)| number(kept) == term)?;
    for (host, kept, spec) in &newest {
        if spec == chosen {
            continue;
        }
        if number(kept) == term {
            wrong.push(format!(
                "hosts {first} and {host} keep version {version} of the spec of {cluster} under \
                 term {term}, and the two differ: look at the cluster, and name only one of these \
                 hosts"
            ));
        } else {
            found.notes.push(format!(
                "host {host} keeps another version {version} of the spec of {cluster}, under term \
                 {}: that of host {first}, under term {term}, is taken",
                number(kept)
            ));
        }
    }
    for (host, _, spec) in words.iter().filter(|(_, _, spec)| spec.version < version) {
        found.notes.push(format!(
            "host {host} keeps version {} of the spec of {cluster}: older, left aside",
            spec.version
        ));
    }
    let mut spec = Spec::clone(chosen);
    // Ids are never reused, whoever was right.
    spec.highest_id = words.iter().map(|(_, _, spec)| spec.highest_id).max()?;
    let agree = newest.iter().filter(|(_, _, spec)| spec == chosen);
    let hosts: BTreeSet<String> = agree.map(|(host, ..)| (*host).to_owned()).collect();
    found.clusters.push(FoundCluster {
        cluster: cluster.to_owned(),
        version,
        nodes: spec.nodes.len(),
        hosts: hosts.into_iter().collect(),
    });
    Some(spec)
}

fn number(kept: &KeptSpec) -> u64 {
    kept.term.as_ref().map_or(0, |term| term.number)
}
