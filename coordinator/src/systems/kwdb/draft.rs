//! A plan in the making: numbers its steps and acts, and knows the cluster's members, the new
//! ones and the leaving ones by their placements.

use bellows_proto::{
    names::natural,
    v1::{
        Act, Action, Check, Condition, Intent, KwdbPlacement, Lock, NodeRef, Note, NoteKind,
        Placement, Plan, Spec, SpecChange, SpecNode, Step, Wait, placement, spec_change,
        step::Kind,
    },
};

use super::{REVISION, actions, by_hand, changes, view};

/// Format of plans: what the steps of any system mean.
const FORMAT: u32 = 1;
/// Pause between two readings of a wait for something that takes seconds.
const INTERVAL_MS: u64 = 1000;
/// Half a minute without something that takes seconds is odd.
const SHORT_STALL_MS: u64 = 60_000;
/// Ranges move at 8 MiB/s, one after the other: a large one takes its time.
const RANGES_STALL_MS: u64 = 10 * 60_000;

/// A node with the place where it lives or will live.
#[derive(Debug, Clone)]
pub(super) struct Placed {
    pub(super) node: String,
    pub(super) host: String,
    pub(super) place: KwdbPlacement,
}

impl Placed {
    /// ADDRESS:PORT.
    pub(super) fn endpoint(&self) -> String {
        view::endpoint(&self.place)
    }

    pub(super) fn spec_node(&self) -> SpecNode {
        let placement =
            Some(Placement { system: Some(placement::System::Kwdb(self.place.clone())) });
        SpecNode { node: self.node.clone(), host: self.host.clone(), placement }
    }
}

/// The placement of a node of the spec; `None` where it has none of this system.
pub(super) fn placed(node: &SpecNode) -> Option<Placed> {
    match node.placement.as_ref()?.system.as_ref()? {
        placement::System::Kwdb(place) => {
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
    /// In this order.
    pub(super) undo: Vec<Back>,
}

/// One act that takes another back.
pub(super) struct Back {
    pub(super) host: String,
    pub(super) action: Action,
    /// What it waits for.
    pub(super) requires: Vec<Condition>,
}

/// One that waits for nothing.
pub(super) fn back(host: &str, action: Action) -> Back {
    Back { host: host.to_owned(), action, requires: Vec::new() }
}

/// How often a wait reads, and when it is stalled.
#[derive(Clone, Copy)]
pub(super) struct Pace {
    interval_ms: u64,
    stall_ms: u64,
}

impl Pace {
    /// For what takes seconds.
    pub(super) const SHORT: Self = Self { interval_ms: INTERVAL_MS, stall_ms: SHORT_STALL_MS };

    /// For ranges that move: one exact count per so many seconds, since each costs the cluster a scan.
    pub(super) fn ranges(poll_s: u32) -> Self {
        let interval_ms = u64::from(poll_s.max(1)) * 1000;
        Self { interval_ms, stall_ms: RANGES_STALL_MS.max(interval_ms.saturating_mul(5)) }
    }
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
    no_return: u32,
}

impl Draft {
    pub(super) fn new(cluster: &str) -> Self {
        Self {
            cluster: cluster.to_owned(),
            steps: Vec::new(),
            step: 0,
            act: 0,
            notes: Vec::new(),
            no_return: 0,
        }
    }

    pub(super) fn node(&self, node: &str) -> NodeRef {
        NodeRef { cluster: self.cluster.clone(), node: node.to_owned() }
    }

    /// From the last step on there is only forward, unless an earlier one is such already.
    pub(super) fn no_return(&mut self) {
        if self.no_return == 0 {
            self.no_return = self.step;
        }
    }

    /// Number of the first step after which there is only forward, as far as it is known; 0: none yet.
    pub(super) fn only_forward_from(&self) -> u32 {
        self.no_return
    }

    /// A number for an act that is not a step of the plan.
    pub(super) fn spare_act(&mut self) -> u32 {
        self.act += 1;
        self.act
    }

    /// The same thing is said once.
    pub(super) fn note(&mut self, kind: NoteKind, text: String) {
        let note = Note { kind: kind.into(), text };
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    pub(super) fn check(&mut self, title: &str, reason: &str, conditions: Vec<Condition>) {
        self.push(title.to_owned(), reason, Kind::Check(Check { conditions }));
    }

    pub(super) fn wait(
        &mut self,
        title: String,
        reason: &str,
        conditions: Vec<Condition>,
        pace: Pace,
    ) {
        let Pace { interval_ms, stall_ms } = pace;
        self.push(title, reason, Kind::Wait(Wait { conditions, stall_ms, interval_ms }));
    }

    pub(super) fn act(&mut self, task: Task) {
        let mut act = self.bare(task.host, task.action);
        act.requires = task.requires;
        act.undo = task
            .undo
            .into_iter()
            .map(|back| Act { requires: back.requires, ..self.bare(back.host, back.action) })
            .collect();
        act.changes = changes::of(&act);
        self.push(task.title, task.reason, Kind::Act(act));
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
        let kind = Some(kind);
        self.steps.push(Step { number: self.step, title, reason, kind, ..Step::default() });
    }

    fn bare(&mut self, host: String, action: Action) -> Act {
        self.act += 1;
        let actions::Limits { deadline_ms, stall_ms } = actions::limits(&action);
        let summary = actions::summary(&action);
        Act {
            number: self.act,
            host,
            action: Some(action),
            deadline_ms,
            stall_ms,
            summary,
            ..Act::default()
        }
    }

    /// Everything that all plans of this system have alike. `members`: all before and after.
    pub(super) fn finish(self, spec: &Spec, intent: &Intent, members: &[Placed]) -> Plan {
        let mut hosts: Vec<&str> = members.iter().map(|member| member.host.as_str()).collect();
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
            point_of_no_return: self.no_return,
            fenced_hosts: hosts.into_iter().map(str::to_owned).collect(),
            ..Plan::default()
        }
    }
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

/// Nodes with their hosts, in words.
pub(super) fn listed(nodes: &[Placed]) -> String {
    let names: Vec<String> =
        nodes.iter().map(|node| format!("{} on {}", node.node, node.host)).collect();
    names.join(", ")
}
