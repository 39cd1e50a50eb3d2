//! What is wrong with the members, by name. One judgment for status, guards and conditions.

use bellows_proto::v1::{KwdbMember, KwdbReading, ManagedFileState, ServiceState};

use super::view::{self, View, endpoint, known};

/// Something that is not as it should be at one member.
pub(super) struct Problem {
    pub(super) node: String,
    pub(super) host: String,
    pub(super) text: String,
}

/// What is known to be wrong with the members of the spec but these. A host that is silent is an error; a
/// node that does not answer is a problem.
pub(super) fn problems(view: View<'_>, without: &[String]) -> Result<Vec<Problem>, String> {
    let mut problems = Vec::new();
    for member in view.in_spec().filter(|member| !without.contains(&member.node)) {
        let reading = view::reading(member)?;
        problems.extend(of_one(view, member, reading, without)?.into_iter().map(|text| Problem {
            node: member.node.clone(),
            host: member.host.clone(),
            text,
        }));
    }
    Ok(problems)
}

/// The same of one, whoever else ails.
pub(super) fn problems_of(view: View<'_>, member: &KwdbMember) -> Result<Vec<String>, String> {
    of_one(view, member, view::reading(member)?, &[])
}

fn of_one(
    view: View<'_>,
    member: &KwdbMember,
    reading: &KwdbReading,
    without: &[String],
) -> Result<Vec<String>, String> {
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
            texts.push(format!("its service is {}", view::state_text(state)))
        }
    }
    match view::server(&member.node, reading) {
        Ok(server) => match server.serves_sql {
            Some(true) => {}
            Some(false) => texts.push("it takes no SQL".to_owned()),
            None => return Err(format!("whether {} takes SQL was not tried", member.node)),
        },
        Err(why) => texts.push(why),
    }
    texts.extend(as_others_see_it(view, member, without));
    Ok(texts)
}

/// Available, live, and staying, for everybody who answers.
fn as_others_see_it(view: View<'_>, member: &KwdbMember, without: &[String]) -> Vec<String> {
    let mut texts = Vec::new();
    let Some(place) = &member.placement else { return texts };
    let endpoint = endpoint(place);
    for witness in view.answering(without) {
        let rows = witness.server.active.iter().filter(|row| row.address == endpoint);
        let Some(row) = rows.max_by_key(|row| row.id) else {
            texts.push(format!("{} does not list it at {endpoint}", witness.node));
            continue;
        };
        if !row.is_live || !row.is_available {
            let (available, live) = (row.is_available, row.is_live);
            texts.push(format!("for {}: available {available}, live {live}", witness.node));
        }
        let flags = known(witness.server, row.id);
        if flags.and_then(|row| row.is_draining) == Some(true) {
            texts.push(format!("for {}: it is being drained", witness.node));
        }
        if flags.and_then(|row| row.is_decommissioning) == Some(true) {
            texts.push(format!("for {}: it is being decommissioned", witness.node));
        }
    }
    texts.dedup();
    texts
}

/// Managed files that somebody else changed.
pub(super) fn changed_files(reading: &KwdbReading) -> Vec<&str> {
    let changed = reading.files.iter().filter(|file| file.state() == ManagedFileState::Changed);
    changed.map(|file| file.name.as_str()).collect()
}
