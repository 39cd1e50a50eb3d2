//! A toy system for the engine's tests: hosts are shelves, acts put named things on them.
//! Pure, like every system.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use bellows::engine::ports::{Description, Probe, Question, Systems, Verdict};
use bellows_proto::v1::{
    Act, Action, Asked, Check, ClaimResource, ClockWithin, Condition, Group, HostAction,
    HostAnswers, HostCondition, HostFactsQuery, HostInventoryQuery, HostQuery, HostReading, Intent,
    IntentOptions, KeyValue, Lock, NewCluster, NodeRef, Observation, Plan, Query, Refusal,
    ReleaseResource, Spec, SpecChange, SpecNode, Step, System, Wait, answer, asked, host_action,
    host_answer, host_condition, host_query, host_reading, query, spec_change, step,
};

pub const HOSTS: [&str; 3] = ["h1", "h2", "h3"];
/// What a finished plan leaves, host by host.
pub const GOAL: [(&str, &str); 5] =
    [("h1", "a"), ("h1", "b1"), ("h2", "b2"), ("h3", "b3"), ("h2", "c")];

#[derive(Debug)]
pub struct Shelf {
    /// Revision of the planner.
    pub revision: u32,
    /// First step after which there is only forward; 0: none.
    pub no_return: u32,
    /// So many things must be on h2 before the first act is taken back; 0: it does not matter.
    pub undo_at: i64,
    /// What is on h1 is also told by a survey: the wait and the probe of the last act need it.
    pub surveyed: bool,
    /// So often what an act needs to be resolved is not among what was read.
    pub unresolved: AtomicU32,
}

/// What the survey told of h1.
const SURVEY: &str = "survey of h1";

impl Default for Shelf {
    fn default() -> Self {
        Self {
            revision: 1,
            no_return: 0,
            undo_at: 0,
            surveyed: false,
            unresolved: AtomicU32::new(0),
        }
    }
}

fn node() -> Option<NodeRef> {
    Some(NodeRef { cluster: "shelf".into(), node: "n".into() })
}

pub fn put(thing: &str) -> Action {
    let kind = host_action::Kind::ClaimResource(ClaimResource {
        node: node(),
        resource: thing.into(),
        prior: String::new(),
    });
    action(kind)
}

fn take(thing: &str) -> Action {
    let resource = thing.into();
    action(host_action::Kind::ReleaseResource(ReleaseResource { node: node(), resource }))
}

fn action(kind: host_action::Kind) -> Action {
    let host = HostAction { kind: Some(kind) };
    Action { kind: Some(bellows_proto::v1::action::Kind::Host(host)) }
}

fn condition(kind: host_condition::Kind) -> Condition {
    let host = HostCondition { kind: Some(kind) };
    Condition { kind: Some(bellows_proto::v1::condition::Kind::Host(host)) }
}

pub fn answers(host: &str) -> Condition {
    condition(host_condition::Kind::Answers(HostAnswers { host: host.into() }))
}

/// At least so many things on a host: a number that waits read.
pub fn at_least(host: &str, things: i64) -> Condition {
    let limit_ms = things;
    condition(host_condition::Kind::ClockWithin(ClockWithin { host: host.into(), limit_ms }))
}

fn act(number: u32, host: &str, thing: &str) -> Act {
    let undo = Act {
        number: number + 100,
        host: host.into(),
        action: Some(take(thing)),
        summary: format!("take {thing}"),
        ..Act::default()
    };
    Act {
        number,
        host: host.into(),
        action: Some(put(thing)),
        requires: vec![answers(host)],
        // The second finds done what the first has done.
        undo: vec![undo.clone(), Act { number: number + 200, ..undo }],
        stall_ms: 60_000,
        summary: format!("put {thing}"),
        ..Act::default()
    }
}

fn step(number: u32, kind: step::Kind, change: Option<spec_change::Kind>) -> Step {
    Step {
        number,
        title: format!("step {number}"),
        reason: "the test wants it".into(),
        kind: Some(kind),
        spec_change: change.map(|kind| SpecChange { kind: Some(kind) }),
        expected_ms: 0,
        skippable: false,
    }
}

fn add(host: &str) -> Option<spec_change::Kind> {
    let node = SpecNode { node: format!("n-{host}"), host: host.into(), placement: None };
    Some(spec_change::Kind::AddNode(node))
}

pub fn things(observation: &Observation, host: &str) -> Option<Vec<String>> {
    let reading = observation.hosts.iter().find(|reading| reading.host == host)?;
    match reading.outcome.as_ref()? {
        host_reading::Outcome::Facts(facts) => {
            Some(facts.nodes.iter().flat_map(|node| node.resources.clone()).collect())
        }
        host_reading::Outcome::Fault(_) => None,
    }
}

impl Systems for Shelf {
    fn next_queries(&self, _: &Spec, _: Option<&Intent>, answers: &[Asked]) -> Vec<Question> {
        if !answers.is_empty() {
            return Vec::new();
        }
        let facts = HostQuery { kind: Some(host_query::Kind::Facts(HostFactsQuery {})) };
        let query = Query { kind: Some(query::Kind::Host(facts)) };
        let survey = HostQuery { kind: Some(host_query::Kind::Inventory(HostInventoryQuery {})) };
        let survey = Query { kind: Some(query::Kind::Host(survey)) };
        let survey = self.surveyed.then(|| Question::survey("h1", survey));
        HOSTS.iter().map(|host| Question::new(*host, query.clone())).chain(survey).collect()
    }

    fn needs_surveys(&self, condition: &Condition) -> bool {
        *condition == at_least(SURVEY, 2)
    }

    fn probe_needs_surveys(&self, action: &Action) -> bool {
        self.surveyed && *action == put("c")
    }

    fn observation(&self, _: &Spec, answers: &[Asked]) -> Observation {
        let hosts = answers.iter().map(|asked| {
            let outcome = match asked.outcome.clone() {
                Some(asked::Outcome::Answer(answer)) => match answer.kind {
                    Some(answer::Kind::Host(host)) => match host.kind {
                        Some(host_answer::Kind::Facts(facts)) => {
                            Some(host_reading::Outcome::Facts(facts))
                        }
                        _ => None,
                    },
                    _ => None,
                },
                Some(asked::Outcome::Fault(fault)) => Some(host_reading::Outcome::Fault(fault)),
                None => None,
            };
            let host = match asked.query.as_ref().and_then(|query| query.kind.as_ref()) {
                Some(query::Kind::Host(HostQuery {
                    kind: Some(host_query::Kind::Inventory(_)),
                })) => SURVEY.to_owned(),
                _ => asked.host.clone(),
            };
            HostReading { host, outcome, ..HostReading::default() }
        });
        Observation { hosts: hosts.collect(), system: None }
    }

    fn plan(&self, spec: &Spec, _: &Observation, intent: &Intent) -> Result<Plan, Vec<Refusal>> {
        let new = Some(spec_change::Kind::NewCluster(NewCluster { options: None }));
        let check =
            Check { conditions: HOSTS.iter().map(|host| answers(host)).collect::<Vec<_>>() };
        let member = |number, host, thing| {
            step(number, step::Kind::Act(act(number, host, thing)), add(host))
        };
        let group = Group {
            members: vec![member(4, "h1", "b1"), member(5, "h2", "b2"), member(6, "h3", "b3")],
            limit: 2,
            checks: vec![answers("h1")],
        };
        let mut first = act(2, "h1", "a");
        if self.undo_at > 0 {
            first
                .undo
                .iter_mut()
                .for_each(|undo| undo.requires = vec![at_least("h2", self.undo_at)]);
        }
        let told_by = if self.surveyed { SURVEY } else { "h1" };
        let wait =
            Wait { conditions: vec![at_least(told_by, 2)], stall_ms: 120_000, interval_ms: 1000 };
        Ok(Plan {
            cluster: intent.cluster.clone(),
            system: System::Postgresql.into(),
            format: 1,
            system_revision: self.revision,
            spec_version: spec.version,
            intent: Some(intent.clone()),
            invariants: vec![at_least("h3", 0)],
            steps: vec![
                step(1, step::Kind::Check(check), None),
                step(2, step::Kind::Act(first), new),
                step(3, step::Kind::Group(group), None),
                Step { skippable: true, ..step(7, step::Kind::Wait(wait), None) },
                Step { skippable: true, ..step(8, step::Kind::Act(act(8, "h2", "c")), None) },
            ],
            prediction: Some(Observation::default()),
            point_of_no_return: self.no_return,
            locks: vec![Lock { resource: format!("cluster/{}", intent.cluster), exclusive: true }],
            fenced_hosts: HOSTS.iter().map(|host| (*host).to_owned()).collect(),
            ..Plan::default()
        })
    }

    fn check(&self, condition: &Condition, observation: &Observation) -> Verdict {
        let Some(bellows_proto::v1::condition::Kind::Host(host)) = &condition.kind else {
            return Verdict::Refused("an empty condition".into());
        };
        let (name, wanted) = match &host.kind {
            Some(host_condition::Kind::Answers(it)) => (&it.host, 0),
            Some(host_condition::Kind::ClockWithin(it)) => (&it.host, it.limit_ms),
            _ => return Verdict::Refused("an empty condition".into()),
        };
        let Some(seen) = things(observation, name) else {
            return Verdict::Unknown(format!("{name} did not answer"));
        };
        if seen.contains(&"foreign".to_owned()) {
            return Verdict::Refused(format!("{name} holds something foreign"));
        }
        let (done, wanted) = (seen.len() as u64, wanted.unsigned_abs());
        if done >= wanted {
            return Verdict::Holds;
        }
        let progress = Some(bellows_proto::v1::Progress {
            done,
            total: Some(wanted),
            unit: "things".into(),
            ..Default::default()
        });
        Verdict::NotYet { reason: format!("{done} of {wanted} things on {name}"), progress }
    }

    fn probe(&self, action: &Action, observation: &Observation) -> Probe {
        let Some(bellows_proto::v1::action::Kind::Host(host)) = &action.kind else {
            return Probe::Unknown("an empty action".into());
        };
        let (thing, wanted) = match &host.kind {
            Some(host_action::Kind::ClaimResource(it)) => (&it.resource, true),
            Some(host_action::Kind::ReleaseResource(it)) => (&it.resource, false),
            _ => return Probe::Unknown("not of this shelf".into()),
        };
        let (host, _) = *GOAL.iter().find(|(_, name)| name == thing).unwrap();
        if self.probe_needs_surveys(action) && things(observation, SURVEY).is_none() {
            return Probe::Unknown("the survey is not there".into());
        }
        let Some(seen) = things(observation, host) else {
            return Probe::Unknown(format!("{host} did not answer"));
        };
        if seen.contains(&format!("half {thing}")) {
            return Probe::Partial(format!("half of {thing}"));
        }
        if seen.contains(thing) == wanted { Probe::Done } else { Probe::NotDone }
    }

    fn resolve(&self, act: &Act, _: &Observation) -> Result<Act, String> {
        let left = self.unresolved.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1));
        if left.is_ok() {
            return Err("what it is to be resolved by was not read".into());
        }
        Ok(act.clone())
    }

    fn drift(&self, _: &Observation, observation: &Observation) -> Vec<String> {
        let missing = GOAL.iter().filter(|(host, thing)| {
            !things(observation, host).is_some_and(|seen| seen.contains(&(*thing).to_owned()))
        });
        missing.map(|(host, thing)| format!("{thing} is not on {host}")).collect()
    }

    fn describe(&self, _: &Spec, _: &Observation) -> Description {
        Description::default()
    }

    fn options(&self, _: System, _: &str, _: &[KeyValue]) -> Result<IntentOptions, Vec<String>> {
        Ok(IntentOptions::default())
    }

    fn revision(&self, _: System) -> u32 {
        self.revision
    }
}
