//! One node out of a cluster, from its flag to its tombstone: what shrink and replace have in common.
//!
//! The tool's own wait is never used: its client flags the node again on every turn, and one that is left
//! over somewhere would take a recommission back behind everybody's back. Here the flag is set once, and the
//! exact count of replicas is read until it is zero.

use bellows_proto::v1::{Action, Condition, KwdbFrontEnd, NoteKind, RemoveNode, spec_change};

use super::{
    actions, conditions,
    draft::{self, Back, Draft, Placed, Task, back},
};

/// How nodes leave a cluster.
pub(super) struct Way<'a> {
    /// A member that stays and is asked for everything.
    pub(super) at: &'a Placed,
    pub(super) front_end: KwdbFrontEnd,
    /// Seconds between two counts.
    pub(super) poll_s: u32,
    pub(super) wipe: bool,
    /// Of the one that leaves, where the tool tells no address of it; 0: by its address.
    pub(super) node_id: u32,
    /// Whose hosts are silent and stay so.
    pub(super) dead: &'a [String],
}

impl Way<'_> {
    /// The one that leaves, in words.
    fn what(&self, node: &Placed) -> String {
        match self.node_id {
            0 => node.node.clone(),
            id => format!("{} (node {id})", node.node),
        }
    }

    fn recommission(&self, draft: &Draft, node: &Placed) -> Back {
        let (at, named) = (draft.node(&self.at.node), draft.node(&node.node));
        Back {
            host: self.at.host.clone(),
            action: actions::recommission(at, named, self.node_id),
            // It would be flagged again at once.
            requires: vec![conditions::no_waiters(self.dead)],
        }
    }
}

/// Flags it, and waits until no range has a replica there.
pub(super) fn drain(draft: &mut Draft, way: &Way<'_>, node: &Placed) {
    let requires = vec![
        conditions::zones_satisfiable(vec![node.node.clone()], way.node_id),
        conditions::room(vec![node.node.clone()], way.node_id),
    ];
    flag(draft, way, node, requires);
    empties(draft, way, node);
}

/// The same for an id whose node is there with another one already: it takes part as that.
pub(super) fn drain_id(draft: &mut Draft, way: &Way<'_>, node: &Placed) {
    flag(draft, way, node, Vec::new());
    empties(draft, way, node);
}

fn empties(draft: &mut Draft, way: &Way<'_>, node: &Placed) {
    let (name, what) = (&node.node, way.what(node));
    draft.wait(
        format!("wait until no range has a replica at {what}"),
        "by the descriptors of the ranges, which are exact; what a node says of itself may be a minute old",
        vec![conditions::drained(name, way.node_id)],
        draft::ranges(way.poll_s),
    );
    draft.check(
        &format!("count the replicas at {what} once more, at two members"),
        "what is stopped with a replica on it takes a copy of data with it",
        vec![conditions::drained(name, way.node_id), conditions::flagged(name, true, way.node_id)],
    );
}

fn flag(draft: &mut Draft, way: &Way<'_>, node: &Placed, mut requires: Vec<Condition>) {
    let (at, named) = (draft.node(&way.at.node), draft.node(&node.node));
    requires.push(conditions::quiet(vec![node.node.clone()], way.node_id));
    requires.push(conditions::no_waiters(way.dead));
    let dead = way.dead.contains(&node.node);
    if dead {
        requires.push(conditions::stays_away(&node.node, &node.host));
    }
    let undo = vec![way.recommission(draft, node)];
    // The script works for the node of its own host alone.
    let by_script = way.front_end == KwdbFrontEnd::DeploySh && !dead;
    let (host, action, by): (&Placed, Action, &str) = match by_script {
        true => (node, actions::deploy_decommission(named, way.node_id), "by deploy.sh"),
        false => (way.at, actions::decommission(at, named, way.node_id), "at a member that stays"),
    };
    draft.act(Task {
        title: format!("decommission {}, {by}: {} on {}", way.what(node), host.node, host.host),
        reason: "from now on its replicas move to the others; it goes on serving clients meanwhile",
        host: host.host.clone(),
        action,
        requires,
        undo,
    });
}

/// Stops what has no replica any more, and forgets it.
pub(super) fn bury(draft: &mut Draft, way: &Way<'_>, node: &Placed) {
    let (name, host) = (&node.node, &node.host);
    let named = draft.node(name);
    draft.act(Task {
        title: format!("stop and disable the node {name} on {host}"),
        reason: "it ends in its own time: clients are let finish, leases go to the others",
        host: host.clone(),
        action: actions::stop_node(named.clone(), true),
        requires: vec![
            conditions::drained(name, way.node_id),
            conditions::flagged(name, true, way.node_id),
        ],
        undo: vec![back(host, actions::start_node(named.clone()))],
    });
    draft.wait(
        format!("wait until no survivor lists {name}"),
        "a node that is listed counts: it would be found as a ghost later",
        vec![conditions::absent_everywhere(name, way.node_id)],
        draft::SHORT,
    );
    draft.act(Task {
        title: format!("put a tombstone for {name} on {host}"),
        reason: "it never starts again, not even after a reboot",
        host: host.clone(),
        action: actions::tombstone(named.clone(), way.wipe),
        requires: vec![conditions::absent_everywhere(name, way.node_id)],
        undo: match way.wipe {
            true => vec![],
            false => vec![back(host, actions::lift_tombstone(named))],
        },
    });
    if way.wipe {
        draft.no_return();
    }
    draft.changing(spec_change::Kind::RemoveNode(RemoveNode { node: name.clone(), owed_act: 0 }));
}

/// What is to be known before these leave alive.
pub(super) fn notes(draft: &mut Draft, way: &Way<'_>, leaving: &[Placed]) {
    for node in leaving {
        let (name, host, place) = (&node.node, &node.host, &node.place);
        draft.note(
            NoteKind::Impact,
            format!(
                "clients that are connected to {name} ({}) are cut off when it stops",
                node.endpoint()
            ),
        );
        if place.adopted {
            draft.note(
                NoteKind::Data,
                format!(
                    "{name} was adopted: its files stay as they are; {} on {host} is stopped for good",
                    place.unit
                ),
            );
        }
        let what = if way.wipe { "removed" } else { "kept" };
        draft.note(
            NoteKind::Data,
            format!("the data directory of {name} is {what}: {} on {host}", place.data_dir),
        );
    }
    let names = draft::names(leaving.iter()).join(", ");
    let text = match draft.only_forward_from() {
        0 => format!(
            "a cancel, at any time before the end, recommissions {names} and starts again what was stopped: data move back by themselves"
        ),
        step => format!(
            "there is no way back from step {step} on, which removes data: until then a cancel recommissions {names}, and data move back by themselves"
        ),
    };
    draft.note(NoteKind::Risk, text);
    if way.front_end == KwdbFrontEnd::DeploySh {
        draft.note(
            NoteKind::Impact,
            "deploy.sh leaves a writer of its own behind that goes on until it has written 0 into decommission_progress; nothing here is decided by that file".to_owned(),
        );
    }
}
