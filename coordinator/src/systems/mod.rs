//! The systems: pure functions that observe, plan and judge. This file sends each call to the
//! system that it is for, one arm per system; the systems know nothing of each other, of the
//! engine, of clocks or of the network.

mod bookkeeper;
mod host;
mod kwdb;
pub mod postgresql;

use bellows_proto::v1::{
    Act, Action, Asked, Condition, Explanation, Intent, IntentOptions, KeyValue, Observation, Plan,
    Refusal, Spec, System, action, condition, observation,
};

use crate::plan::{Description, Probe, Question, Systems, Verdict};

/// Every system that this program knows, and what this site demands before a change of one.
#[derive(Debug, Clone, Default)]
pub struct AllSystems {
    /// Demanded before a change of a PostgreSQL cluster.
    pub postgresql: postgresql::Policy,
}

impl Systems for AllSystems {
    fn next_queries(
        &self,
        spec: &Spec,
        intent: Option<&Intent>,
        answers: &[Asked],
    ) -> Vec<Question> {
        match spec.system() {
            System::Postgresql => postgresql::next_queries(spec, intent, answers, &self.postgresql),
            System::Kwdb => kwdb::next_queries(spec, intent, answers),
            System::Bookkeeper => bookkeeper::next_queries(spec, intent, answers),
            System::Unspecified => Vec::new(),
        }
    }

    fn planning_queries(&self, spec: &Spec, intent: &Intent, answers: &[Asked]) -> Vec<Question> {
        match spec.system() {
            System::Postgresql => {
                postgresql::planning_queries(spec, intent, answers, &self.postgresql)
            }
            System::Kwdb => kwdb::next_queries(spec, Some(intent), answers),
            System::Bookkeeper => bookkeeper::planning_queries(spec, intent, answers),
            System::Unspecified => Vec::new(),
        }
    }

    fn needs_surveys(&self, condition: &Condition) -> bool {
        match &condition.kind {
            Some(condition::Kind::Bookkeeper(condition)) => bookkeeper::needs_surveys(condition),
            Some(
                condition::Kind::Host(_)
                | condition::Kind::Postgresql(_)
                | condition::Kind::Kwdb(_),
            )
            | None => false,
        }
    }

    fn probe_needs_surveys(&self, action: &Action) -> bool {
        match &action.kind {
            Some(action::Kind::Bookkeeper(action)) => bookkeeper::probe_needs_surveys(action),
            Some(action::Kind::Host(_) | action::Kind::Postgresql(_) | action::Kind::Kwdb(_))
            | None => false,
        }
    }

    fn observation(&self, spec: &Spec, answers: &[Asked]) -> Observation {
        let seen = match spec.system() {
            System::Postgresql => {
                Some(observation::System::Postgresql(postgresql::observation(spec, answers)))
            }
            System::Kwdb => Some(observation::System::Kwdb(kwdb::observation(spec, answers))),
            System::Bookkeeper => {
                Some(observation::System::Bookkeeper(bookkeeper::observation(spec, answers)))
            }
            System::Unspecified => None,
        };
        Observation { hosts: host::readings(answers), system: seen }
    }

    fn plan(
        &self,
        spec: &Spec,
        observation: &Observation,
        intent: &Intent,
    ) -> Result<Plan, Vec<Refusal>> {
        match spec.system() {
            System::Postgresql => postgresql::plan(spec, observation, intent, &self.postgresql),
            System::Kwdb => kwdb::plan(spec, observation, intent),
            System::Bookkeeper => bookkeeper::plan(spec, observation, intent),
            System::Unspecified => Err(vec![unknown_system(spec)]),
        }
    }

    fn check(&self, condition: &Condition, observation: &Observation) -> Verdict {
        match &condition.kind {
            Some(condition::Kind::Host(condition)) => host::check(condition, observation),
            Some(condition::Kind::Postgresql(condition)) => {
                postgresql::check(condition, observation)
            }
            Some(condition::Kind::Kwdb(condition)) => kwdb::check(condition, observation),
            Some(condition::Kind::Bookkeeper(condition)) => {
                bookkeeper::check(condition, observation)
            }
            None => {
                Verdict::Refused("the condition is empty: written by a newer version".to_owned())
            }
        }
    }

    fn probe(&self, action: &Action, observation: &Observation) -> Probe {
        match &action.kind {
            Some(action::Kind::Host(action)) => {
                host::probe(action, observation, &node_seen(observation))
            }
            Some(action::Kind::Postgresql(action)) => postgresql::probe(action, observation),
            Some(action::Kind::Kwdb(action)) => kwdb::probe(action, observation),
            Some(action::Kind::Bookkeeper(action)) => bookkeeper::probe(action, observation),
            None => Probe::Unknown("the action is empty: written by a newer version".to_owned()),
        }
    }

    fn resolve(&self, act: &Act, observation: &Observation) -> Result<Act, String> {
        match act.action.as_ref().and_then(|action| action.kind.as_ref()) {
            Some(action::Kind::Postgresql(_)) => postgresql::resolve(act, observation),
            Some(action::Kind::Kwdb(_)) => kwdb::resolve(act, observation),
            Some(action::Kind::Bookkeeper(_)) => bookkeeper::resolve(act, observation),
            Some(action::Kind::Host(_)) => Ok(act.clone()),
            None => Err("the action is empty: written by a newer version".to_owned()),
        }
    }

    fn drift(&self, prediction: &Observation, observation: &Observation) -> Vec<String> {
        match &prediction.system {
            Some(observation::System::Postgresql(predicted)) => {
                postgresql::drift(predicted, observation)
            }
            Some(observation::System::Kwdb(predicted)) => kwdb::drift(predicted, observation),
            Some(observation::System::Bookkeeper(predicted)) => {
                bookkeeper::drift(predicted, observation)
            }
            None => Vec::new(),
        }
    }

    fn describe(&self, spec: &Spec, observation: &Observation) -> Description {
        match spec.system() {
            System::Postgresql => postgresql::describe(spec, observation),
            System::Kwdb => kwdb::describe(spec, observation),
            System::Bookkeeper => bookkeeper::describe(spec, observation),
            System::Unspecified => {
                Description { problems: vec![unknown_system(spec).value], ..Description::default() }
            }
        }
    }

    fn options(
        &self,
        system: System,
        verb: &str,
        options: &[KeyValue],
    ) -> Result<IntentOptions, Vec<String>> {
        match system {
            System::Postgresql => postgresql::options(verb, options),
            System::Kwdb => kwdb::options(verb, options),
            System::Bookkeeper => bookkeeper::options(verb, options),
            System::Unspecified => {
                Err(vec!["no system is named; known: postgresql, kwdb, bookkeeper".to_owned()])
            }
        }
    }

    fn revision(&self, system: System) -> u32 {
        match system {
            System::Postgresql => postgresql::REVISION,
            System::Kwdb => kwdb::REVISION,
            System::Bookkeeper => bookkeeper::REVISION,
            System::Unspecified => 0,
        }
    }
}

/// What the observation's system says of where a node lives and what is left of it.
fn node_seen(observation: &Observation) -> impl Fn(&str) -> host::NodeSeen {
    |node| match &observation.system {
        Some(observation::System::Postgresql(seen)) => postgresql::node_seen(seen, node),
        Some(observation::System::Kwdb(seen)) => kwdb::node_seen(seen, node),
        Some(observation::System::Bookkeeper(seen)) => bookkeeper::node_seen(seen, node),
        None => host::NodeSeen::default(),
    }
}

fn unknown_system(spec: &Spec) -> Refusal {
    let Explanation { code, name, remedy, .. } = known_system();
    let value = format!("the system {} of cluster {} is not known here", spec.system, spec.cluster);
    Refusal { code, rule: name, value, remedy, ..Refusal::default() }
}

fn known_system() -> Explanation {
    Explanation {
        code: "SYS-01".to_owned(),
        name: "known system".to_owned(),
        text: "A cluster of a system that a program does not know is not touched by it.".to_owned(),
        remedy: "use a version of Bellows that knows it".to_owned(),
    }
}

/// Every numbered guard of every system.
pub fn explanations() -> Vec<Explanation> {
    let mut all = vec![known_system()];
    all.extend(postgresql::explanations());
    all.extend(kwdb::explanations());
    all.extend(bookkeeper::explanations());
    all
}
