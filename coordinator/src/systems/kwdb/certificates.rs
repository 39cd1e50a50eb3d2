//! Certificates of nodes: whether what lies on a host fits, and who signs. Pure; of keys only the public
//! halves are known here.

use bellows_proto::v1::{
    KwdbCertificate, KwdbCertificates, KwdbMember, KwdbPlacement, KwdbSigned, KwdbSpecOptions,
};

use super::view::{self, View};

/// What lies at a node's host.
pub(super) fn of<'a>(view: View<'a>, node: &str) -> Result<&'a KwdbCertificates, String> {
    let read = view.reading(node)?.certificates.as_ref();
    read.ok_or_else(|| format!("the certificates of {node} were not read"))
}

/// What keeps certificates of a node from being those that it needs at this place; empty: they fit.
pub(super) fn wrong(
    view: View<'_>,
    name: &str,
    found: &KwdbCertificates,
    place: &KwdbPlacement,
    authority: &[u8],
) -> Vec<String> {
    // By the coordinator's clock, when its host was asked.
    let now_ms = view.member(name).map_or(0, |member| member.began_at_ms);
    let mut wrong = Vec::new();
    if found.authority.is_empty() {
        wrong.push("there is no ca.crt".to_owned());
    } else if found.authority != authority {
        wrong.push("ca.crt is of another authority than the cluster's".to_owned());
    }
    let node = found.node.as_ref();
    one(node, "node.crt", "node", now_ms, &mut wrong);
    one(found.client.as_ref(), "client.root.crt", "root", now_ms, &mut wrong);
    if let Some(node) = node.filter(|node| node.present && !node.hosts.contains(&place.address)) {
        let hosts = node.hosts.join(", ");
        wrong.push(format!("node.crt is for {hosts}, not for {}", place.address));
    }
    wrong
}

fn one(
    found: Option<&KwdbCertificate>,
    file: &str,
    name: &str,
    now_ms: i64,
    wrong: &mut Vec<String>,
) {
    let Some(found) = found.filter(|found| found.present) else {
        wrong.push(format!("there is no {file}"));
        return;
    };
    if !found.key_matches {
        wrong.push(format!("the key of {file} is missing or another's"));
    }
    if !found.signed_by_authority {
        wrong.push(format!("{file} is not signed by ca.crt"));
    }
    if found.name != name {
        wrong.push(format!("{file} is for {:?}, not for {name:?}", found.name));
    }
    if found.valid_until_ms <= now_ms {
        wrong.push(format!("{file} has ended"));
    }
}

/// Nothing of a node's own lies there: keys and requests can be made.
pub(super) fn are_absent(found: &KwdbCertificates) -> bool {
    let absent = |one: &Option<KwdbCertificate>| {
        one.as_ref().is_none_or(|one| !one.present && one.key.is_empty())
    };
    let no_requests = found.node_request.is_empty() && found.client_request.is_empty();
    absent(&found.node) && absent(&found.client) && no_requests
}

/// The authority that all members of the spec have who tell, by its digest.
pub(super) fn authority<'a>(view: View<'a>, without: &[String]) -> Result<&'a [u8], String> {
    let mut one: Option<(&str, &'a [u8])> = None;
    for member in view.in_spec().filter(|member| !without.contains(&member.node)) {
        // One whose host is silent may be named dead.
        let found = match view::reading(member) {
            Ok(_) => of(view, &member.node)?.authority.as_slice(),
            Err(_) => continue,
        };
        if found.is_empty() {
            return Err(format!("{} has no ca.crt", member.node));
        }
        match one {
            Some((other, known)) if known != found => {
                return Err(format!("{} and {other} have different authorities", member.node));
            }
            Some(_) => {}
            None => one = Some((&member.node, found)),
        }
    }
    one.map(|(_, found)| found).ok_or_else(|| "no member has certificates".to_owned())
}

/// The member whose host signs: the one that was named, else the first that has the key. Nobody: why.
pub(super) fn signer<'a>(
    view: View<'a>,
    options: &KwdbSpecOptions,
    without: &[String],
) -> Result<&'a KwdbMember, String> {
    let able = |member: &&KwdbMember| {
        view::reading(member)
            .ok()
            .and_then(|reading| reading.certificates.as_ref())
            .is_some_and(|found| found.has_authority_key)
    };
    let mut members = view.in_spec().filter(|member| !without.contains(&member.node));
    match options.ca_host.as_str() {
        "" => members.find(able).ok_or_else(|| "no member's host has ca.key".to_owned()),
        host => members
            .find(|member| member.host == host)
            .filter(able)
            .ok_or_else(|| format!("{host}, which is to sign, has no ca.key, or no member")),
    }
}

/// What was signed for a node last, wherever.
pub(super) fn signed<'a>(view: View<'a>, node: &str) -> Option<&'a KwdbSigned> {
    let readings = view.in_spec().filter_map(|member| view::reading(member).ok());
    readings.filter_map(|reading| signed_at(&reading.signed, node)).next()
}

/// The newest of one host.
pub(super) fn signed_at<'a>(signed: &'a [KwdbSigned], node: &str) -> Option<&'a KwdbSigned> {
    signed.iter().rfind(|one| one.node.as_ref().is_some_and(|named| named.node == node))
}
