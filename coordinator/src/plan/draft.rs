//! A plan in the making: numbers its steps and acts. It knows no system: what is said of an action is asked
//! of the system whose plan it is.

use std::marker::PhantomData;
use std::ops::RangeInclusive;

use bellows_proto::{
    names::natural,
    v1::{
        Act, Action, Check, Condition, Group, Intent, Lock, NodeRef, Note, NoteKind, Plan, Spec,
        SpecChange, Step, Wait, WritePause, spec_change, step::Kind,
    },
};

use super::{
    Acts, Back, Limits, Pace, Placed, Task,
    by_hand::{self, Places},
};

/// Format of plans: what the steps of any system mean.
const FORMAT: u32 = 1;

/// A plan in the making, of the system `S`.
#[derive(Debug)]
pub struct Draft<S> {
    cluster: String,
    steps: Vec<Step>,
    /// Numbers given to steps so far.
    step: u32,
    /// Numbers given to acts so far.
    act: u32,
    notes: Vec<Note>,
    no_return: u32,
    write_pause: Option<WritePause>,
    /// Hosts that have no member and are worked on.
    also_at: Vec<String>,
    system: PhantomData<S>,
}

impl<S: Acts> Draft<S> {
    /// An empty one for this cluster.
    pub fn new(cluster: &str) -> Self {
        Self {
            cluster: cluster.to_owned(),
            steps: Vec::new(),
            step: 0,
            act: 0,
            notes: Vec::new(),
            no_return: 0,
            write_pause: None,
            also_at: Vec::new(),
            system: PhantomData,
        }
    }

    /// This node of the cluster.
    pub fn node(&self, node: &str) -> NodeRef {
        NodeRef { cluster: self.cluster.clone(), node: node.to_owned() }
    }

    /// Number of the step that was added last; 0: there is none.
    pub fn last_number(&self) -> u32 {
        self.step
    }

    /// From the last step on there is only forward, unless an earlier one is such already.
    pub fn no_return(&mut self) {
        if self.no_return == 0 {
            self.no_return = self.step;
        }
    }

    /// Number of the first step after which there is only forward, as far as it is known; 0: none yet.
    pub fn only_forward_from(&self) -> u32 {
        self.no_return
    }

    /// Nobody can write from the act of this step to that of the last one: at least and at most so many
    /// milliseconds.
    pub fn writers_pause(&mut self, from_step: u32, length_ms: RangeInclusive<u64>) {
        let (at_least_ms, at_most_ms) = length_ms.into_inner();
        let to_step = self.step;
        self.write_pause = Some(WritePause { from_step, to_step, at_least_ms, at_most_ms });
    }

    /// This host is worked on, member or not: it is locked and fenced like theirs.
    pub fn also_at(&mut self, host: &str) {
        self.also_at.push(host.to_owned());
    }

    /// A number for an act that is not a step of the plan.
    pub fn spare_act(&mut self) -> u32 {
        self.act += 1;
        self.act
    }

    /// The same thing is said once.
    pub fn note(&mut self, kind: NoteKind, text: String) {
        let note = Note { kind: kind.into(), text };
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// A step: all of these must hold.
    pub fn check(&mut self, title: &str, reason: &str, conditions: Vec<Condition>) {
        self.push(title.to_owned(), reason, Kind::Check(Check { conditions }));
    }

    /// A step: until all of these hold.
    pub fn wait(&mut self, title: String, reason: &str, conditions: Vec<Condition>, pace: Pace) {
        let Pace { interval_ms, stall_ms } = pace;
        self.push(title, reason, Kind::Wait(Wait { conditions, stall_ms, interval_ms }));
    }

    /// A step: this is done.
    pub fn act(&mut self, task: Task) {
        let (title, reason, act) = self.number(task);
        self.push(title, reason, Kind::Act(act));
    }

    /// A step: these are done side by side, at most `limit` at a time, after all checks held.
    pub fn group(
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
                step(self.step, title, reason, Kind::Act(act))
            })
            .collect();
        let group = Kind::Group(Group { members, limit, checks });
        self.steps.push(step(number, title, reason, group));
    }

    /// The spec changes in the transaction of the last step's success.
    pub fn changing(&mut self, kind: spec_change::Kind) {
        if let Some(step) = self.steps.last_mut() {
            step.spec_change = Some(SpecChange { kind: Some(kind) });
        }
    }

    /// The last step may be passed over when it fails: it protects no data, no later step needs it, and
    /// it changes no spec.
    pub fn skippable(&mut self) {
        if let Some(step) = self.steps.last_mut() {
            step.skippable = true;
        }
    }

    /// Everything that all plans have alike. `members`: all before and after.
    pub fn finish(self, spec: &Spec, intent: &Intent, members: &[Placed<S::Place>]) -> Plan {
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
            system_revision: S::REVISION,
            spec_version: spec.version,
            intent: Some(intent.clone()),
            steps: by_hand::filled::<S>(self.steps, &Places::of(members)),
            notes: self.notes,
            locks,
            point_of_no_return: self.no_return,
            write_pause: self.write_pause,
            fenced_hosts: hosts.into_iter().map(str::to_owned).collect(),
            ..Plan::default()
        }
    }

    fn push(&mut self, title: String, reason: &str, kind: Kind) {
        self.step += 1;
        self.steps.push(step(self.step, title, reason, kind));
    }

    fn number(&mut self, task: Task) -> (String, &'static str, Act) {
        let mut act = self.bare(task.host, task.action, task.requires);
        let undo = task.undo.into_iter();
        act.undo =
            undo.map(|Back { host, action, requires }| self.bare(host, action, requires)).collect();
        act.changes = S::changes(&act);
        (task.title, task.reason, act)
    }

    fn bare(&mut self, host: String, action: Action, requires: Vec<Condition>) -> Act {
        self.act += 1;
        let Limits { deadline_ms, stall_ms } = S::limits(&action);
        let summary = S::summary(&action);
        Act {
            number: self.act,
            host,
            requires,
            action: Some(action),
            undo: Vec::new(),
            deadline_ms,
            stall_ms,
            summary,
            changes: Vec::new(),
            by_hand: Vec::new(),
        }
    }
}

fn step(number: u32, title: String, reason: &str, kind: Kind) -> Step {
    Step { number, title, reason: reason.to_owned(), kind: Some(kind), ..Step::default() }
}
