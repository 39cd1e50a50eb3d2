//! What every system tells of a node, and where it is not as predicted.

use bellows_proto::v1::{DirectoryState, ServiceReading, ServiceState};

/// What every system tells of a node on its host.
#[derive(Debug, Clone, Copy)]
pub struct Common<'a> {
    /// Its name.
    pub node: &'a str,
    /// Where it was asked for.
    pub host: &'a str,
    /// It is a member of the spec.
    pub in_spec: bool,
    /// The host has a claim for it; `None`: not known, or not predicted.
    pub claimed: Option<bool>,
    /// The host has its tombstone; `None`: not known, or not predicted.
    pub tombstone: Option<bool>,
}

/// Where a node is not recorded as predicted: one sentence per difference.
pub fn records(wanted: Common<'_>, is: Common<'_>, found: &mut Vec<String>) {
    let Common { node, host, .. } = wanted;
    if wanted.in_spec != is.in_spec {
        let text = if is.in_spec { "still" } else { "not" };
        found.push(format!("{node} is {text} a member of the spec"));
    }
    if host != is.host {
        found.push(format!("{node} is on {}, not on {host}", is.host));
    }
    for (what, wanted, seen) in
        [("claim", wanted.claimed, is.claimed), ("tombstone", wanted.tombstone, is.tombstone)]
    {
        if wanted.is_some() && wanted != seen {
            let has = if seen == Some(true) { "a" } else { "no" };
            found.push(format!("{node} has {has} {what} on {}", is.host));
        }
    }
}

/// The same of a service, called so: "the service of n1".
pub fn service(name: &str, wanted: ServiceState, is: ServiceState, found: &mut Vec<String>) {
    if wanted != ServiceState::Unspecified && wanted != is {
        found.push(format!("{name} is {}, not {}", state_text(is), state_text(wanted)));
    }
}

/// The same of a node's data directory.
pub fn directory(node: &str, wanted: DirectoryState, is: DirectoryState, found: &mut Vec<String>) {
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

/// Whether a host has anything of a node: a claim, or a tombstone, whose directories and services are still looked
/// at.
///
/// # Errors
/// The host does not say.
pub fn is_kept(node: &str, claimed: Option<bool>, tombstone: Option<bool>) -> Result<bool, String> {
    let claimed =
        claimed.ok_or_else(|| format!("the host does not say whether {node} is claimed"))?;
    Ok(claimed || tombstone == Some(true))
}

/// The state of a service; unspecified where it was not read.
pub fn state_of(service: Option<&ServiceReading>) -> ServiceState {
    service.map_or(ServiceState::Unspecified, ServiceReading::state)
}

/// Whether a service runs; `None`: nobody can say.
pub fn runs(service: Option<&ServiceReading>) -> Option<bool> {
    match state_of(service) {
        ServiceState::Running => Some(true),
        ServiceState::Unspecified => None,
        ServiceState::Absent
        | ServiceState::Stopped
        | ServiceState::Failed
        | ServiceState::Masked => Some(false),
    }
}

/// A service's state in words.
pub fn state_text(state: ServiceState) -> &'static str {
    match state {
        ServiceState::Unspecified => "not known",
        ServiceState::Absent => "absent",
        ServiceState::Stopped => "stopped",
        ServiceState::Running => "running",
        ServiceState::Failed => "failed",
        ServiceState::Masked => "masked",
    }
}
