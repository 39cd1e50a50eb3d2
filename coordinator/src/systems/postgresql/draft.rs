//! A plan in the making: numbers its steps and acts, and knows the cluster's members, the new
//! ones and the leaving ones by their placements.

use bellows_proto::{
    names::natural,
    v1::{
        Act, Action, Check, Condition, Group, HbaSettings, IdsUsed, Intent, Lock, NodeRef, Note,
        NoteKind, Placement, Plan, PostgresqlPlacement, Spec, SpecChange, SpecNode, Step, Wait,
        WritePause, placement, spec_change, step::Kind,
    },
};

use super::{REVISION, actions, by_hand, changes, conditions, view::slot_name};

/// Format of plans: what the steps of any system mean.
const FORMAT: u32 = 1;
/// Pause between two readings of a wait.
const INTERVAL_MS: u64 = 1000;

/// At least and at most, milliseconds: a stop after a checkpoint, a promotion or a start, two
/// readings between.
const WRITE_PAUSE_MS: (u64, u64) = (1_000, 5_000);

/// A node with the place where it lives or will live. Its id is in the placement.
#[derive(Debug, Clone)]
pub(super) struct Placed {
    pub(super) node: String,
    pub(super) host: String,
    pub(super) place: PostgresqlPlacement,
}

impl Placed {
    pub(super) fn id(&self) -> u32 {
        self.place.node_id
    }

    pub(super) fn slot(&self) -> String {
        slot_name(self.id())
    }

    pub(super) fn spec_node(&self) -> SpecNode {
        let placement =
            Some(Placement { system: Some(placement::System::Postgresql(self.place.clone())) });
        SpecNode { node: self.node.clone(), host: self.host.clone(), placement }
    }
}

/// The placement of a node of the spec; `None` where it has none of this system.
pub(super) fn placed(node: &SpecNode) -> Option<Placed> {
    match node.placement.as_ref()?.system.as_ref()? {
        placement::System::Postgresql(place) => {
            Some(Placed { node: node.node.clone(), host: node.host.clone(), place: place.clone() })
        }
        _ => None,
    }
}

/// One act before it has its numbers.
pub(super) struct Task {
    pub(super) title: String,
    pub(super) reason: &'static str,
    pub(super) host: String,
    pub(super) action: Action,
    pub(super) requires: Vec<Condition>,
    /// With the hosts that they run at, in this order.
    pub(super) undo: Vec<(String, Action)>,
}

/// A plan in the making.
pub(super) struct Draft {
    cluster: String,
    steps: Vec<Step>,
    /// Numbers given to steps so far.
    step: u32,
    /// Numbers given to acts so far.
    act: u32,
    notes: Vec<Note>,
    write_pause: Option<WritePause>,
    /// Hosts that have no member and are worked on.
    also_at: Vec<String>,
}

impl Draft {
    pub(super) fn new(cluster: &str) -> Self {
        Self {
            cluster: cluster.to_owned(),
            steps: Vec::new(),
            step: 0,
            act: 0,
            notes: Vec::new(),
            write_pause: None,
            also_at: Vec::new(),
        }
    }

    pub(super) fn node(&self, node: &str) -> NodeRef {
        NodeRef { cluster: self.cluster.clone(), node: node.to_owned() }
    }

    /// Number of the step that was added last.
    pub(super) fn last_number(&self) -> u32 {
        self.step
    }

    /// Nobody can write from the act of this step to that of the last one.
    pub(super) fn writers_pause(&mut self, from_step: u32) {
        let (at_least_ms, at_most_ms) = WRITE_PAUSE_MS;
        let to_step = self.step;
        self.write_pause = Some(WritePause { from_step, to_step, at_least_ms, at_most_ms });
    }

    /// This host is worked on, member or not: it is locked and fenced like theirs.
    pub(super) fn also_at(&mut self, host: &str) {
        self.also_at.push(host.to_owned());
    }

    /// A number for an act that is not a step of the plan.
    pub(super) fn spare_act(&mut self) -> u32 {
        self.act += 1;
        self.act
    }

    pub(super) fn note(&mut self, kind: NoteKind, text: String) {
        self.notes.push(Note { kind: kind.into(), text });
    }

    pub(super) fn check(&mut self, title: &str, reason: &str, conditions: Vec<Condition>) {
        self.push(title.to_owned(), reason, Kind::Check(Check { conditions }));
    }

    /// `stall_ms`: held as stalled when the number read does not move for this long.
    pub(super) fn wait(
        &mut self,
        title: String,
        reason: &str,
        conditions: Vec<Condition>,
        stall_ms: u64,
    ) {
        self.push(
            title,
            reason,
            Kind::Wait(Wait { conditions, stall_ms, interval_ms: INTERVAL_MS }),
        );
    }

    pub(super) fn act(&mut self, task: Task) {
        let (title, reason, act) = self.number(task);
        self.push(title, reason, Kind::Act(act));
    }

    pub(super) fn group(
        &mut self,
        title: String,
        reason: &str,
        tasks: Vec<Task>,
        limit: u32,
        checks: Vec<Condition>,
    ) {
        self.step += 1;
        let number = self.step;
        let members = tasks
            .into_iter()
            .map(|task| {
                let (title, reason, act) = self.number(task);
                self.step += 1;
                Step {
                    number: self.step,
                    title,
                    reason: reason.to_owned(),
                    kind: Some(Kind::Act(act)),
                    ..Step::default()
                }
            })
            .collect();
        let kind = Some(Kind::Group(Group { members, limit, checks }));
        self.steps.push(Step { number, title, reason: reason.to_owned(), kind, ..Step::default() });
    }

    /// The spec changes in the transaction of the last step's success.
    pub(super) fn changing(&mut self, kind: spec_change::Kind) {
        if let Some(step) = self.steps.last_mut() {
            step.spec_change = Some(SpecChange { kind: Some(kind) });
        }
    }

    /// The last step may be passed over when it fails: it protects no data, no later step needs it, and
    /// it changes no spec.
    pub(super) fn skippable(&mut self) {
        if let Some(step) = self.steps.last_mut() {
            step.skippable = true;
        }
    }

    fn push(&mut self, title: String, reason: &str, kind: Kind) {
        self.step += 1;
        let reason = reason.to_owned();
        self.steps.push(Step {
            number: self.step,
            title,
            reason,
            kind: Some(kind),
            ..Step::default()
        });
    }

    fn number(&mut self, task: Task) -> (String, &'static str, Act) {
        let mut act = self.bare(task.host, task.action);
        act.requires = task.requires;
        act.undo = task.undo.into_iter().map(|(host, action)| self.bare(host, action)).collect();
        act.changes = changes::of(&act);
        (task.title, task.reason, act)
    }

    fn bare(&mut self, host: String, action: Action) -> Act {
        self.act += 1;
        let actions::Limits { deadline_ms, stall_ms } = actions::limits(&action);
        let summary = actions::summary(&action);
        Act {
            number: self.act,
            host,
            requires: conditions::of_undo(&action),
            action: Some(action),
            undo: Vec::new(),
            deadline_ms,
            stall_ms,
            summary,
            changes: Vec::new(),
            by_hand: Vec::new(),
        }
    }

    /// Everything that all plans of this system have alike. `members`: all before and after.
    pub(super) fn finish(self, spec: &Spec, intent: &Intent, members: &[Placed]) -> Plan {
        let mut hosts: Vec<&str> = members.iter().map(|member| member.host.as_str()).collect();
        hosts.extend(self.also_at.iter().map(String::as_str));
        hosts.sort_by(|a, b| natural(a, b));
        hosts.dedup();
        let mut locks =
            vec![Lock { resource: format!("cluster/{}", self.cluster), exclusive: true }];
        locks.extend(
            hosts.iter().map(|host| Lock { resource: format!("host/{host}"), exclusive: false }),
        );
        Plan {
            cluster: self.cluster,
            system: spec.system,
            format: FORMAT,
            system_revision: REVISION,
            spec_version: spec.version,
            intent: Some(intent.clone()),
            steps: by_hand::filled(self.steps, members),
            notes: self.notes,
            locks,
            write_pause: self.write_pause,
            fenced_hosts: hosts.into_iter().map(str::to_owned).collect(),
            ..Plan::default()
        }
    }
}

/// Who is let in: members by their addresses, clients by their networks.
pub(super) fn hba<'a>(
    members: impl Iterator<Item = &'a Placed>,
    client_networks: &[String],
) -> HbaSettings {
    HbaSettings {
        members: members.map(|member| member.place.address.clone()).collect(),
        client_networks: client_networks.to_vec(),
    }
}

/// From here on these ids are used, whatever becomes of the plan.
pub(super) fn ids_used(new: &[Placed]) -> spec_change::Kind {
    let highest = new.iter().map(Placed::id).max().unwrap_or(0);
    spec_change::Kind::IdsUsed(IdsUsed { highest: highest.into() })
}

/// Names in natural order.
pub(super) fn names<'a>(members: impl Iterator<Item = &'a Placed>) -> Vec<String> {
    let mut names: Vec<String> = members.map(|member| member.node.clone()).collect();
    names.sort_by(|a, b| natural(a, b));
    names
}

/// Members in natural order of their names.
pub(super) fn in_order<'a>(members: impl Iterator<Item = &'a Placed>) -> Vec<Placed> {
    let mut members: Vec<Placed> = members.cloned().collect();
    members.sort_by(|a, b| natural(&a.node, &b.node));
    members
}
