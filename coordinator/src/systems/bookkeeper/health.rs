//! What is wrong with the members, by name. One judgment for status, guards and conditions.

use bellows_proto::v1::{BookkeeperMember, BookkeeperReading, ManagedFileState, ServiceState};

use super::view::{self, View};
use crate::plan::sizes;

/// Something that is not as it should be, at one member or (without a name) in the cluster.
pub(super) struct Problem {
    pub(super) node: String,
    pub(super) host: String,
    pub(super) text: String,
}

impl Problem {
    pub(super) fn sentence(&self) -> String {
        match self.node.as_str() {
            "" => self.text.clone(),
            node => format!("{node}: {}", self.text),
        }
    }
}

/// What is known to be wrong with the members of the spec but these. A host that is silent is an error; a
/// bookie that does not answer is a problem.
pub(super) fn problems(view: View<'_>, without: &[String]) -> Result<Vec<Problem>, String> {
    let mut problems = Vec::new();
    for member in view.in_spec().filter(|member| !without.contains(&member.node)) {
        problems.extend(of_one(view, member)?.into_iter().map(|text| Problem {
            node: member.node.clone(),
            host: member.host.clone(),
            text,
        }));
    }
    problems.extend(missing(view, without)?.into_iter().map(|text| Problem {
        node: String::new(),
        host: String::new(),
        text,
    }));
    Ok(problems)
}

/// The same of one, whoever else ails.
pub(super) fn of_one(view: View<'_>, member: &BookkeeperMember) -> Result<Vec<String>, String> {
    let reading = view::reading(member)?;
    let mut texts = Vec::new();
    if reading.claimed == Some(false) {
        return Ok(vec![format!("{} has no record of it", member.host)]);
    }
    match view::state_of(reading.service.as_ref()) {
        ServiceState::Running => {}
        ServiceState::Unspecified => {
            return Err(format!("the service of {} was not read", member.node));
        }
        state @ (ServiceState::Absent
        | ServiceState::Stopped
        | ServiceState::Failed
        | ServiceState::Masked) => {
            texts.push(format!("its service is {}", view::state_text(state)));
        }
    }
    match view::server(&member.node, reading) {
        Ok(server) if server.shutting_down => texts.push("it is shutting down".to_owned()),
        Ok(server) if !server.running => texts.push("it is not ready".to_owned()),
        Ok(server) if server.read_only => texts.push("it is read-only".to_owned()),
        Ok(_) => {}
        Err(why) => texts.push(why),
    }
    texts.extend(as_others_see_it(view, member)?);
    Ok(texts)
}

/// Writable, for everybody who was asked.
fn as_others_see_it(view: View<'_>, member: &BookkeeperMember) -> Result<Vec<String>, String> {
    let Some(place) = &member.placement else { return Ok(Vec::new()) };
    let id = view::id(place);
    let mut texts = Vec::new();
    for witness in view.witnesses()? {
        if witness.is_writable(&id) {
            continue;
        }
        texts.push(match witness.is_read_only(&id) {
            true => format!("for {} it is read-only", witness.node),
            false => format!("{} does not see it", witness.node),
        });
    }
    Ok(texts)
}

/// Bookies that have a cookie and are registered nowhere, besides these.
pub(super) fn missing(view: View<'_>, without: &[String]) -> Result<Option<String>, String> {
    let mut ids = Vec::new();
    for node in without {
        ids.push(view.id(node)?);
    }
    // Members that are missing are told by name.
    let members = view.in_spec().filter(|member| !without.contains(&member.node));
    ids.extend(members.filter_map(|member| view.id(&member.node).ok()));
    for witness in view.witnesses()? {
        let told = ids.iter().filter(|id| !witness.is_registered(id)).count();
        let unknown = witness.cluster.unavailable.saturating_sub(u64::try_from(told).unwrap_or(0));
        if unknown > 0 {
            return Ok(Some(format!(
                "{} counts {} that {} a cookie, {} no member here, and {} registered nowhere",
                witness.node,
                sizes::many(unknown, "bookie"),
                if unknown == 1 { "has" } else { "have" },
                if unknown == 1 { "is" } else { "are" },
                if unknown == 1 { "is" } else { "are" },
            )));
        }
    }
    Ok(None)
}

/// Managed files that somebody else changed.
pub(super) fn changed_files(reading: &BookkeeperReading) -> Vec<&str> {
    let changed = reading.files.iter().filter(|file| file.state() == ManagedFileState::Changed);
    changed.map(|file| file.name.as_str()).collect()
}
