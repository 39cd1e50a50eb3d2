//! All systems, with what this site demands before a change. Pure: what the site demands is given.

use bellows_proto::v1::{
    Act, Action, Asked, Condition, Intent, IntentOptions, KeyValue, Observation, Plan, Refusal,
    Spec, System,
};

use super::{AllSystems, plan_with, postgresql};
use crate::plan::{Description, Probe, Question, Systems, Verdict};

/// [`AllSystems`] at a site that demands something before a change.
#[derive(Debug, Clone, Copy, Default)]
pub struct SiteSystems {
    /// What it demands of changes of PostgreSQL clusters.
    pub postgresql: postgresql::Policy,
}

impl Systems for SiteSystems {
    fn next_queries(
        &self,
        spec: &Spec,
        intent: Option<&Intent>,
        answers: &[Asked],
    ) -> Vec<Question> {
        AllSystems.next_queries(spec, intent, answers)
    }

    fn planning_queries(&self, spec: &Spec, intent: &Intent, answers: &[Asked]) -> Vec<Question> {
        match spec.system() {
            System::Postgresql => {
                postgresql::planning_queries(spec, intent, answers, self.postgresql)
            }
            System::Unspecified => AllSystems.next_queries(spec, Some(intent), answers),
        }
    }

    fn observation(&self, spec: &Spec, answers: &[Asked]) -> Observation {
        AllSystems.observation(spec, answers)
    }

    fn plan(
        &self,
        spec: &Spec,
        observation: &Observation,
        intent: &Intent,
    ) -> Result<Plan, Vec<Refusal>> {
        plan_with(spec, observation, intent, self.postgresql)
    }

    fn check(&self, condition: &Condition, observation: &Observation) -> Verdict {
        AllSystems.check(condition, observation)
    }

    fn probe(&self, action: &Action, observation: &Observation) -> Probe {
        AllSystems.probe(action, observation)
    }

    fn resolve(&self, act: &Act, observation: &Observation) -> Result<Act, String> {
        AllSystems.resolve(act, observation)
    }

    fn drift(&self, prediction: &Observation, observation: &Observation) -> Vec<String> {
        AllSystems.drift(prediction, observation)
    }

    fn describe(&self, spec: &Spec, observation: &Observation) -> Description {
        AllSystems.describe(spec, observation)
    }

    fn options(
        &self,
        system: System,
        verb: &str,
        options: &[KeyValue],
    ) -> Result<IntentOptions, Vec<String>> {
        AllSystems.options(system, verb, options)
    }

    fn revision(&self, system: System) -> u32 {
        AllSystems.revision(system)
    }
}
