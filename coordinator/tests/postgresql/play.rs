//! Plays plans on the model as the engine would, and holds what must hold at every step.

use bellows::{
    plan::{Probe, Systems as _, Verdict},
    spec::{self, Next},
    systems::AllSystems,
};
use bellows_proto::v1::{
    Act, Condition, Intent, Observation, Plan, Spec, Step, action, postgresql_action, step::Kind,
};

use crate::world::{OPERATION, World};

fn all_hold(conditions: &[Condition], observation: &Observation, what: &str) {
    for condition in conditions {
        let verdict = AllSystems::default().check(condition, observation);
        assert_eq!(verdict, Verdict::Holds, "{what}: {condition:?}");
    }
}

fn observe(world: &World, spec: &Spec, plan: &Plan) -> Observation {
    let intent: Option<&Intent> = plan.intent.as_ref();
    world.observe(spec, intent)
}

fn run_act(world: &mut World, spec: &Spec, plan: &Plan, act: &Act, title: &str) {
    let before = observe(world, spec, plan);
    all_hold(&act.requires, &before, title);
    let resolved = AllSystems::default().resolve(act, &before).unwrap();
    let action = resolved.action.as_ref().unwrap();
    let probe = AllSystems::default().probe(action, &before);
    assert_eq!(probe, Probe::NotDone, "before {title}");
    world.apply(&act.host, action);
    let after = observe(world, spec, plan);
    assert_eq!(AllSystems::default().probe(action, &after), Probe::Done, "after {title}");
    for undo in &resolved.undo {
        let what = AllSystems::default().probe(undo.action.as_ref().unwrap(), &after);
        assert!(!matches!(what, Probe::Unknown(_)), "undo of {title}: {what:?}");
    }
}

/// Plays the first steps.
pub fn steps(world: &mut World, spec: &mut Spec, plan: &Plan, count: usize) {
    for step in plan.steps.iter().take(count) {
        let before = observe(world, spec, plan);
        all_hold(&plan.invariants, &before, &format!("invariants before {}", step.title));
        match step.kind.as_ref().unwrap() {
            Kind::Check(check) => all_hold(&check.conditions, &before, &step.title),
            Kind::Wait(wait) => all_hold(&wait.conditions, &before, &step.title),
            Kind::Act(act) => run_act(world, spec, plan, act, &step.title),
            Kind::Group(group) => {
                assert!(group.limit >= 1);
                all_hold(&group.checks, &before, &step.title);
                for member in &group.members {
                    let Some(Kind::Act(act)) = &member.kind else {
                        panic!("a member that is no act")
                    };
                    run_act(world, spec, plan, act, &member.title);
                }
            }
        }
        if let Some(change) = &step.spec_change {
            *spec = match spec::apply(spec, change, OPERATION).unwrap() {
                Next::Spec(next) => next,
                Next::NoCluster => panic!("a step forward ends in no cluster"),
            };
        }
    }
}

/// Takes back the first steps, last first. Each undo act runs only if its probe says that it is
/// needed; afterwards it must be done.
pub fn undo(world: &mut World, spec: &mut Spec, plan: &Plan, count: usize) {
    for step in plan.steps.iter().take(count).rev() {
        for act in acts(step).into_iter().rev() {
            for undo in &act.undo {
                let action = undo.action.as_ref().unwrap();
                let seen = observe(world, spec, plan);
                let what = format!("undo of {}", step.title);
                if AllSystems::default().probe(action, &seen) != Probe::Done {
                    all_hold(&undo.requires, &seen, &what);
                    let undo = AllSystems::default().resolve(undo, &seen).unwrap();
                    world.apply(&undo.host, undo.action.as_ref().unwrap());
                }
                let seen = observe(world, spec, plan);
                assert_eq!(AllSystems::default().probe(action, &seen), Probe::Done, "{what}");
            }
        }
        let Some(change) = &step.spec_change else { continue };
        // The step may not have got so far.
        if let Ok(Next::Spec(next)) = spec::revert(spec, change) {
            *spec = next;
        }
    }
}

/// All acts of a step.
pub fn acts(step: &Step) -> Vec<&Act> {
    match step.kind.as_ref().unwrap() {
        Kind::Act(act) => vec![act],
        Kind::Group(group) => group.members.iter().flat_map(acts).collect(),
        Kind::Check(_) | Kind::Wait(_) => Vec::new(),
    }
}

/// Plans.
pub fn plan(world: &World, spec: &Spec, intent: &Intent) -> Plan {
    let observation = world.observe(spec, Some(intent));
    AllSystems::default()
        .plan(spec, &observation, intent)
        .unwrap_or_else(|refusals| panic!("{refusals:#?}"))
}

/// What is done to PostgreSQL, in order.
pub fn actions(plan: &Plan) -> Vec<&postgresql_action::Kind> {
    let acts = plan.steps.iter().flat_map(acts);
    let postgresql = acts.filter_map(|act| match act.action.as_ref()?.kind.as_ref()? {
        action::Kind::Postgresql(action) => action.kind.as_ref(),
        _ => None,
    });
    postgresql.collect()
}
