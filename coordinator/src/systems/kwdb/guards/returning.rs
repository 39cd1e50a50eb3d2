//! Guards on a member that is there and takes no part, and is to come back: as a new node, with an empty
//! directory. What it had, the others have.

use bellows_proto::v1::{
    DirectoryState, KwdbReading, KwdbSecurity, KwdbStart, KwdbStartMode, Refusal, Rejoin, Spec,
};

use super::{
    super::{
        certificates, check,
        departure::Departure,
        draft::{Placed, in_order},
        health, ids, options,
        room::Disk,
        view::{self, View, active},
    },
    Findings, Rule, cluster, departing,
};

/// The port where none is said.
const PORT: u32 = 26257;

/// A cluster to which one member comes back.
pub(in super::super) struct Returning {
    /// In natural order.
    pub(in super::super) members: Vec<Placed>,
    pub(in super::super) node: Placed,
    /// The first of the others: it is asked for everything.
    pub(in super::super) at: Placed,
    /// The id that it had, as long as it counts as a member; 0: it does not.
    pub(in super::super) old_id: u32,
    /// The old id is flagged already.
    pub(in super::super) flagged: bool,
    /// Enough others stay for every zone: its old id leaves before it comes anew.
    pub(in super::super) leaves_first: bool,
    pub(in super::super) runs: bool,
    /// Its data are there, and may be discarded.
    pub(in super::super) occupied: bool,
    /// What starts it leads nowhere: it is to be this. `None`: it is right, or not ours.
    pub(in super::super) start: Option<KwdbStart>,
    /// What starts it now, as Bellows left it.
    pub(in super::super) start_before: Option<KwdbStart>,
}

/// Whether this member may come back. `given`: the id that it had, as far as somebody says; 0: nobody.
pub(in super::super) fn rejoin(
    spec: &Spec,
    view: View<'_>,
    wanted: &Rejoin,
    given: u32,
) -> Result<Returning, Vec<Refusal>> {
    let mut findings = Findings::new(spec, view);
    let names = departing::named(&mut findings, std::slice::from_ref(&wanted.node));
    let members = cluster::members(&mut findings);
    let node = members.iter().find(|member| names.contains(&member.node)).cloned();
    let Some(node) = node else { return findings.end(None) };
    // Whatever it is now, it is not asked to be well.
    findings.dead.clone_from(&names);
    cluster::sound(&mut findings);
    cluster::scales(&mut findings);
    cluster::host_is_well(&mut findings, &node.node, &node.host);
    let good = judge(&mut findings, &members, node, wanted.discard_data, given);
    findings.end(good)
}

fn judge(
    findings: &mut Findings<'_>,
    members: &[Placed],
    node: Placed,
    discard: bool,
    given: u32,
) -> Option<Returning> {
    let view = findings.view;
    let (name, host) = (node.node.as_str(), node.host.as_str());
    let members = in_order(members.iter());
    let others: Vec<Placed> =
        members.iter().filter(|member| member.node != node.node).cloned().collect();
    let at = others.first()?.clone();
    let reading = findings.known(name, host, view.reading(name))?;
    if reading.claimed == Some(false) {
        findings.say(Rule::EverythingRead, name, host, format!("{host} has no record of {name}"));
    }
    departing::can_be_stopped(findings, &node);
    let old = match ids::id_of(view, name, given) {
        Ok(old) => old,
        Err(why) => {
            findings.say(Rule::IdKnown, name, host, why);
            return None;
        }
    };
    let counts = counts(view, name, old);
    let (old_id, flagged) = findings.known(name, host, counts)?;
    let runs = view::runs(reading);
    if runs && !flagged {
        let value = format!(
            "{name} runs, and nobody has decommissioned it: it comes back by itself, or by a restart ({})",
            node.place.unit
        );
        findings.say(Rule::ValidIntent, name, host, value);
    }
    let occupied = emptied(findings, &node, reading, runs, (old_id, flagged), discard);
    let options = options::of_spec(findings.spec);
    let least = usize::try_from(options::LEAST_MEMBERS).unwrap_or(usize::MAX);
    let leaves_first = others.len() >= least;
    if old_id != 0 && !flagged {
        if options.start_mode() != KwdbStartMode::MultiReplica {
            let value = format!("node {old_id}, which {name} was, cannot leave");
            findings.say(Rule::LetsGo, name, host, value);
        } else {
            old_id_leaves(findings, &node, old_id, leaves_first);
        }
    }
    if options.security() == KwdbSecurity::Tls {
        certified(findings, &node);
    }
    let start = leads(findings, &node, reading, &others);
    let start_before = reading.start.clone();
    Some(Returning {
        members,
        at,
        old_id,
        flagged,
        leaves_first,
        runs,
        occupied,
        start,
        start_before,
        node,
    })
}

/// The id that it had, if it counts as a member still, and whether it is flagged. Zero: it left.
fn counts(view: View<'_>, node: &str, old: Option<u32>) -> Result<(u32, bool), String> {
    let Some(old) = old else { return Ok((0, false)) };
    let witnesses = view.witnesses(&[node.to_owned()])?;
    let mut flags = witnesses.iter().map(|witness| check::is_flagged(witness.server, old));
    let told = |flag: Option<bool>| {
        flag.ok_or_else(|| format!("not every member tells whether node {old} was decommissioned"))
    };
    let flagged = told(flags.next().flatten())?;
    for flag in flags {
        if told(flag)? != flagged {
            return Err(format!("the members do not agree whether node {old} is decommissioned"));
        }
    }
    let listed = witnesses.iter().any(|witness| active(witness.server, old).is_some());
    Ok(if flagged && !listed { (0, false) } else { (old, flagged) })
}

/// Whether its data are there and are discarded.
fn emptied(
    findings: &mut Findings<'_>,
    node: &Placed,
    reading: &KwdbReading,
    runs: bool,
    (old_id, flagged): (u32, bool),
    discard: bool,
) -> bool {
    let (name, host, dir) = (node.node.as_str(), node.host.as_str(), &node.place.data_dir);
    match reading.data_directory() {
        DirectoryState::Absent | DirectoryState::Empty => return false,
        DirectoryState::Unspecified => {
            let value = format!("{dir} on {host} could not be looked at");
            findings.say(Rule::EverythingRead, name, host, value);
            return false;
        }
        DirectoryState::Occupied => {}
    }
    if !discard {
        let what = match (old_id, flagged) {
            (0, _) | (_, true) => "with them it comes up as the node that was decommissioned",
            (_, false) => {
                "as they are they belong to a member: started by its unit it goes on with them"
            }
        };
        let value = format!("{dir} on {host} is not empty: {what}");
        findings.say(Rule::Emptied, name, host, value);
    } else if node.place.adopted || reading.data_is_ours != Some(true) {
        let stop = if runs { "stop it, and empty" } else { "empty" };
        let value =
            format!("what lies in {dir} on {host} was not put there by Bellows: {stop} it by hand");
        findings.say(Rule::DataAreOurs, name, host, value);
    }
    true
}

/// Its replicas are made anew from the others: they need places and room.
fn old_id_leaves(findings: &mut Findings<'_>, node: &Placed, old_id: u32, leaves_first: bool) {
    let view = findings.view;
    let free = view.system_facts(&node.host).ok().flatten().map(|facts| facts.data_free_bytes);
    let disk =
        |free: u64| Disk { node: node.node.clone(), capacity: free, available: free, used: 0 };
    // With too few others it comes anew first, and takes them itself.
    let coming: Vec<Disk> =
        if leaves_first { Vec::new() } else { free.map(disk).into_iter().collect() };
    let without = std::slice::from_ref(&node.node);
    let departure = Departure { view, without, node_id: old_id, coming: &coming };
    for obstacle in findings.known("", "", departure.obstacles()).unwrap_or_default() {
        findings.say(Rule::ZonesSatisfiable, "", "", obstacle.text());
    }
    if let Some(room) = findings.known("", "", departure.room())
        && room.missing > 0
    {
        findings.say(Rule::Room, "", "", room.text());
    }
}

fn certified(findings: &mut Findings<'_>, node: &Placed) {
    let view = findings.view;
    let (name, host) = (node.node.as_str(), node.host.as_str());
    let authority = certificates::authority(view, std::slice::from_ref(&node.node));
    let Some(authority) = findings.known("", "", authority) else { return };
    let found = certificates::of(view, name);
    let Some(found) = findings.known(name, host, found) else { return };
    let wrong = certificates::wrong(view, name, found, &node.place, authority);
    if !wrong.is_empty() {
        let value = format!("in {} on {host}: {}", node.place.certs_dir, wrong.join("; "));
        findings.say(Rule::CertificatesFit, name, host, value);
    }
}

/// With an empty directory, whoever it joins decides which cluster it is of.
fn leads(
    findings: &mut Findings<'_>,
    node: &Placed,
    reading: &KwdbReading,
    others: &[Placed],
) -> Option<KwdbStart> {
    let (name, host) = (node.node.as_str(), node.host.as_str());
    let endpoints: Vec<String> = others.iter().map(Placed::endpoint).collect();
    if node.place.adopted {
        let joins = joins(&reading.command);
        if !joins.iter().any(|join| endpoints.contains(join)) {
            let is = if joins.is_empty() { "nobody".to_owned() } else { joins.join(", ") };
            let value = format!("{} on {host} joins {is}, none of the others", node.place.unit);
            findings.say(Rule::LeadsToCluster, name, host, value);
        }
        return None;
    }
    for file in health::changed_files(reading) {
        let value = format!("{file} of {name} was changed by somebody else");
        findings.say(Rule::FilesAsLeft, name, host, value);
    }
    let options = options::of_spec(findings.spec);
    let wanted =
        KwdbStart { mode: options.start_mode, security: options.security, join: endpoints.clone() };
    let right = reading.start.as_ref().is_some_and(|start| {
        let alike = (start.mode, start.security) == (wanted.mode, wanted.security);
        alike && start.join.iter().any(|join| endpoints.contains(join))
    });
    (!right).then_some(wanted)
}

/// ADDRESS:PORT of those that a command line joins.
fn joins(command: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    let words: Vec<&str> = command.iter().flat_map(|part| part.split_whitespace()).collect();
    let mut words = words.into_iter().peekable();
    while let Some(word) = words.next() {
        let list = match word.strip_prefix("--join=").or_else(|| word.strip_prefix("-j=")) {
            Some(list) => list,
            None if word == "--join" || word == "-j" => words.next().unwrap_or_default(),
            None => continue,
        };
        let each = list.split(',').map(str::trim).filter(|join| !join.is_empty());
        found.extend(each.map(|join| match join.rsplit_once(':') {
            Some((_, port)) if port.parse::<u16>().is_ok() => join.to_owned(),
            Some(_) | None => format!("{join}:{PORT}"),
        }));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::joins;

    #[test]
    fn who_is_joined_is_read_from_the_command() {
        let table: [(&[&str], &[&str]); 5] = [
            (&["kwbase", "start"], &[]),
            (
                &["kwbase", "start", "--join=10.0.0.1:26257,10.0.0.2"],
                &["10.0.0.1:26257", "10.0.0.2:26257"],
            ),
            (&["--join", "10.0.0.1:26000", "--store=/d"], &["10.0.0.1:26000"]),
            (&["kwbase start --insecure --join 10.0.0.1:26257"], &["10.0.0.1:26257"]),
            (&["--join=a:1", "--join", "b:2"], &["a:1", "b:2"]),
        ];
        for (command, wanted) in table {
            let command: Vec<String> = command.iter().map(|word| (*word).to_owned()).collect();
            assert_eq!(joins(&command), wanted, "{command:?}");
        }
    }
}
