//! The functions that a system is made of. The engine calls them through this trait; the
//! program puts all systems behind it, tests put their own.

use bellows_proto::v1::{
    Act, Action, Asked, Condition, Intent, IntentOptions, KeyValue, Observation, Plan, Refusal,
    Spec, System,
};

use super::{Description, Probe, Question, Verdict};

/// The systems: pure functions. No clock, no I/O, no order of hash maps in what they decide.
pub trait Systems: Send + Sync + 'static {
    /// What is to be asked next, given what was answered so far; empty: nothing more.
    /// `intent` is `None` for `status`. Never more than a few rounds.
    fn next_queries(
        &self,
        spec: &Spec,
        intent: Option<&Intent>,
        answers: &[Asked],
    ) -> Vec<Question>;
    /// The same before a plan is made or applied: what is judged only then, and may be slow to tell, is
    /// asked only here.
    fn planning_queries(&self, spec: &Spec, intent: &Intent, answers: &[Asked]) -> Vec<Question> {
        self.next_queries(spec, Some(intent), answers)
    }
    /// Whether a condition is judged by surveys. Where none of a step's conditions is, none is asked, and the
    /// answers are without any: a survey of many ledgers takes long, and the next one ten times as long.
    fn needs_surveys(&self, condition: &Condition) -> bool {
        let _ = condition;
        false
    }
    /// The same of the probe of an action.
    fn probe_needs_surveys(&self, action: &Action) -> bool {
        let _ = action;
        false
    }
    /// Makes the snapshot. What did not answer stays a hole with its fault.
    fn observation(&self, spec: &Spec, answers: &[Asked]) -> Observation;
    /// The steps to what is wanted, or every guard that says no.
    ///
    /// Everything but `id`, `site` and `planned_at_ms` is set.
    fn plan(
        &self,
        spec: &Spec,
        observation: &Observation,
        intent: &Intent,
    ) -> Result<Plan, Vec<Refusal>>;
    /// Judges a condition. An empty condition is `Refused`.
    fn check(&self, condition: &Condition, observation: &Observation) -> Verdict;
    /// Judges whether an action has had its effect.
    fn probe(&self, action: &Action, observation: &Observation) -> Probe;
    /// Fills in what only can be known just before the act starts, its undo acts included.
    ///
    /// # Errors
    /// Says what is missing.
    fn resolve(&self, act: &Act, observation: &Observation) -> Result<Act, String>;
    /// Where the end is not as predicted, one sentence each; unpredicted fields never are.
    fn drift(&self, prediction: &Observation, observation: &Observation) -> Vec<String>;
    /// For the eyes.
    fn describe(&self, spec: &Spec, observation: &Observation) -> Description;
    /// Types the options of a verb ("create", "expand", "shrink").
    ///
    /// # Errors
    /// All mistakes at once, one sentence each, naming the known keys.
    fn options(
        &self,
        system: System,
        verb: &str,
        options: &[KeyValue],
    ) -> Result<IntentOptions, Vec<String>>;
    /// Revision of the system's planner: plans of another revision are not carried out.
    fn revision(&self, system: System) -> u32;
}
