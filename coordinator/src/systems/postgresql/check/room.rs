//! Conditions on hosts and head-room: whether something new fits in, and could log in.

use bellows_proto::v1::{DiskFree, LoginWorks, PostgresqlServer, Vacant, VersionsMatch};

use super::{
    super::{
        guards, sizes, versions,
        view::{self, View},
    },
    Judged,
};
use crate::plan::Verdict;

pub(super) fn login_works(view: View<'_>, wanted: &LoginWorks) -> Judged {
    Ok(match view.login(&wanted.host, &wanted.address, wanted.port)? {
        Ok(()) => Verdict::Holds,
        Err(reason) => Verdict::not_yet(format!(
            "no login from {} to {} port {}: {reason}",
            wanted.host, wanted.address, wanted.port
        )),
    })
}

pub(super) fn headroom(
    view: View<'_>,
    node: &str,
    setting: &str,
    needed: u32,
    used: impl Fn(&PostgresqlServer) -> usize,
) -> Judged {
    let server = view.server(node)?;
    let free = view::free(server, setting, used(server))?;
    if free >= needed {
        return Ok(Verdict::Holds);
    }
    Ok(Verdict::Refused(format!("{free} free of {setting} at {node}, {needed} needed")))
}

pub(super) fn disk_free(view: View<'_>, wanted: &DiskFree) -> Judged {
    let facts = view
        .system_facts(&wanted.host)?
        .ok_or_else(|| format!("{} does not list postgresql", wanted.host))?;
    let mut needed = wanted.bytes;
    if wanted.clones > 0 {
        let primary = view.primary().map_err(|why| why.text())?;
        let one = sizes::clone_bytes(primary.server.database_bytes);
        needed = needed.saturating_add(one.saturating_mul(wanted.clones.into()));
    }
    if facts.data_free_bytes >= needed {
        return Ok(Verdict::Holds);
    }
    let (free, needed) = (sizes::text(facts.data_free_bytes), sizes::text(needed));
    Ok(Verdict::Refused(format!("{free} free on {}, {needed} needed", wanted.host)))
}

pub(super) fn vacant(view: View<'_>, wanted: &Vacant) -> Judged {
    let obstacles = guards::obstacles(view.vacancy(&wanted.host, &wanted.node)?);
    if obstacles.is_empty() {
        return Ok(Verdict::Holds);
    }
    let texts: Vec<String> = obstacles.into_iter().map(|(_, value)| value).collect();
    Ok(Verdict::Refused(format!(
        "no place for {} on {}: {}",
        wanted.node,
        wanted.host,
        texts.join("; ")
    )))
}

pub(super) fn versions_match(view: View<'_>, wanted: &VersionsMatch) -> Judged {
    let hosts: Vec<&str> = wanted.hosts.iter().map(String::as_str).collect();
    let differences = versions::differences(view, &hosts);
    let unknown = |difference: &&versions::Difference| difference.kind == versions::Kind::Unknown;
    if let Some(difference) = differences.iter().find(|difference| !unknown(difference)) {
        return Ok(Verdict::Refused(difference.value.clone()));
    }
    match differences.into_iter().next() {
        Some(difference) => Err(difference.value),
        None => Ok(Verdict::Holds),
    }
}
