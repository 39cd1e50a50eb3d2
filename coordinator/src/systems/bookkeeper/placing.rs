//! What an administrator is to tell clients of racks and isolation groups by hand: where it is not Bellows' to do (`telling`).
//! They learn them from Pulsar's metadata or from a script on each of their hosts.

use bellows_proto::v1::{BookkeeperSpecOptions, NoteKind};

use super::{
    draft::{Draft, Placed},
    places,
    view::{View, reading, setting},
};

const RESOLVER: &str = "reppDnsResolverClass";
const SCRIPT: &str = "networkTopologyScriptFileName";

/// How members' own clients (autorecovery, the shell) learn of racks, by their configuration. Brokers and writers may
/// do it otherwise: nobody can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// From what `pulsar-admin bookies set-bookie-rack` has stored; by this class.
    Pulsar(String),
    /// From a script.
    Script,
    /// By a class that is not known here.
    Other(String),
    Unsaid,
}

/// As the first member has it that says anything.
pub(super) fn source(view: View<'_>) -> Source {
    for reading in view.in_spec().filter_map(|member| reading(member).ok()) {
        match setting(reading, RESOLVER).map(str::trim) {
            Some(class) if class.ends_with("RackAffinityMapping") => {
                return Source::Pulsar(class.to_owned());
            }
            Some(class) if !class.is_empty() && !class.ends_with(".ScriptBasedMapping") => {
                return Source::Other(class.to_owned());
            }
            Some(_) | None if reading.other_keys.iter().any(|key| key == SCRIPT) => {
                return Source::Script;
            }
            Some(_) | None => {}
        }
    }
    Source::Unsaid
}

/// Of bookies that are to join. `options`: with where these stand.
pub(super) fn joining(
    draft: &mut Draft,
    source: &Source,
    options: &BookkeeperSpecOptions,
    new: &[Placed],
) {
    // There is a step for it.
    if options.places_in_zookeeper {
        return;
    }
    let known = !options.places.is_empty();
    if *source == Source::Unsaid && !known {
        draft.note(
            NoteKind::Risk,
            "racks and isolation groups are not set: where Pulsar uses them, tell it of the new bookie by hand: pulsar-admin bookies set-bookie-rack"
                .to_owned(),
        );
        return;
    }
    for node in new {
        for text in of_one(source, options, node) {
            draft.note(NoteKind::Risk, text);
        }
    }
    if *source == Source::Script {
        let names = super::draft::names(new.iter()).join(", ");
        let text = format!(
            "{SCRIPT} is not taken over: the autorecovery daemon of {names} knows no racks, and may put copies into one"
        );
        draft.note(NoteKind::Risk, text);
    }
}

/// Where it is to stand, and how clients learn it.
fn of_one(source: &Source, options: &BookkeeperSpecOptions, node: &Placed) -> [String; 2] {
    let name = &node.node;
    let place = places::of(&options.places, name);
    let rack = place.map(|place| place.rack.as_str()).filter(|rack| !rack.is_empty());
    let group = place.map(|place| place.group.as_str()).filter(|group| !group.is_empty());
    let stands = match (rack, group) {
        (Some(rack), Some(group)) => format!("{name} is in rack {rack}, isolation group {group}"),
        (Some(rack), None) => format!("{name} is in rack {rack}, and in no isolation group"),
        (None, Some(group)) => {
            format!("{name} is in isolation group {group}, its rack is not named")
        }
        (None, None) => format!("the rack of {name} is not named: --option rack.{name}=/RACK"),
    };
    let rack = rack.unwrap_or("/RACK");
    let how = match source {
        Source::Script => format!(
            "have {} answered with {rack} by the script of {SCRIPT} on every host that has it",
            node.place.address
        ),
        Source::Other(class) => format!("have {} in {rack} where {class} looks", node.id()),
        Source::Pulsar(_) | Source::Unsaid => {
            let group = group.map(|group| format!(" -g {group}")).unwrap_or_default();
            format!("pulsar-admin bookies set-bookie-rack -b {} -r {rack}{group}", node.id())
        }
    };
    [
        stands,
        format!(
            "clients are not told by Bellows where {name} stands; before this is applied: {how}"
        ),
    ]
}

/// Of bookies that are to leave.
pub(super) fn leaving(
    draft: &mut Draft,
    source: &Source,
    options: &BookkeeperSpecOptions,
    going: &[Placed],
) {
    if options.places_in_zookeeper {
        return;
    }
    for node in going {
        let placed = places::of(&options.places, &node.node).is_some();
        let (name, id) = (&node.node, node.id());
        let how = match source {
            Source::Unsaid if !placed => continue,
            Source::Pulsar(_) | Source::Unsaid => {
                format!("pulsar-admin bookies delete-bookie-rack -b {id}")
            }
            Source::Script => {
                format!("take {} out of the script of {SCRIPT} on every host", node.place.address)
            }
            Source::Other(class) => format!("take {id} out where {class} looks"),
        };
        let text = format!(
            "clients are not told by Bellows that {name} has left; when this is done: {how}"
        );
        draft.note(NoteKind::Risk, text);
    }
}
