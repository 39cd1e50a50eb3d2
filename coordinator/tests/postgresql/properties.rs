//! What must hold of any plan, for generated clusters.

use std::collections::BTreeSet;

use bellows::{engine::index, plan::Systems as _, spec, systems::AllSystems};
use bellows_proto::v1::{Intent, Plan, Spec, System, postgresql_action, spec_change, step};
use proptest::prelude::*;

use crate::{
    play::{self, acts},
    world::{self, CLUSTER, World},
};

/// What is done to which cluster.
#[derive(Debug, Clone)]
enum Wanted {
    Create(usize),
    Expand { members: usize, new: usize },
    Shrink { members: usize, leaving: BTreeSet<usize>, wipe: bool },
    Replace { members: usize, leaving: usize, dead: bool },
}

fn wanted() -> impl Strategy<Value = Wanted> {
    let leaving =
        |members: usize| (Just(members), prop::collection::btree_set(1..=members, 1..=members));
    prop_oneof![
        (2usize..6).prop_map(Wanted::Create),
        (2usize..5, 1usize..4).prop_map(|(members, new)| Wanted::Expand { members, new }),
        ((2usize..6).prop_flat_map(leaving), any::<bool>())
            .prop_map(|((members, leaving), wipe)| Wanted::Shrink { members, leaving, wipe }),
        ((2usize..5).prop_flat_map(|members| (Just(members), 2..=members)), any::<bool>())
            .prop_map(|((members, leaving), dead)| Wanted::Replace { members, leaving, dead }),
    ]
}

fn pairs(numbers: impl Iterator<Item = usize>) -> Vec<(String, String)> {
    numbers.map(|n| (format!("pg{n}"), format!("h{n}"))).collect()
}

/// Makes an intent of nodes with their hosts, and options.
type Make = fn(&[(&str, &str)], &[(&str, &str)]) -> Intent;

fn set_up(wanted: &Wanted) -> (World, Spec, Intent) {
    let borrowed = |pairs: &[(String, String)], make: Make| {
        let pairs: Vec<(&str, &str)> =
            pairs.iter().map(|(node, host)| (node.as_str(), host.as_str())).collect();
        make(&pairs, &[])
    };
    match wanted {
        Wanted::Create(members) => {
            let intent = borrowed(&pairs(1..=*members), world::create);
            (World::empty(*members), spec::blank(CLUSTER, System::Postgresql), intent)
        }
        Wanted::Expand { members, new } => {
            let (world, spec) = world::cluster(*members, *new, &[]);
            (world, spec, borrowed(&pairs(members + 1..=members + new), world::expand))
        }
        Wanted::Replace { members, leaving, dead } => {
            let (mut world, spec) = world::cluster(*members, 1, &[]);
            if *dead {
                world.dies(&format!("h{leaving}"));
            }
            let new = members + 1;
            let with = (format!("pg{new}"), format!("h{new}"));
            let old = format!("pg{leaving}");
            (world, spec, world::replace(&old, (&with.0, &with.1), *dead, &[]))
        }
        Wanted::Shrink { members, leaving, wipe } => {
            let (world, spec) = world::cluster(*members, 0, &[]);
            let names: Vec<String> = leaving.iter().map(|n| format!("pg{n}")).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let options: &[(&str, &str)] = if *wipe { &[("data", "wipe")] } else { &[] };
            (world, spec, world::shrink(&names, options))
        }
    }
}

fn planned(world: &World, spec: &Spec, intent: &Intent) -> Option<Plan> {
    AllSystems::default().plan(spec, &world.observe(spec, Some(intent)), intent).ok()
}

/// Numbers of steps and acts are each given once, from 1.
fn numbered_well(plan: &Plan) {
    let mut steps = Vec::new();
    let mut numbers = Vec::new();
    for step in &plan.steps {
        steps.push(step.number);
        if let Some(step::Kind::Group(group)) = &step.kind {
            steps.extend(group.members.iter().map(|member| member.number));
        }
        for act in acts(step) {
            numbers.push(act.number);
            numbers.extend(act.undo.iter().map(|undo| undo.number));
        }
        match step.spec_change.as_ref().and_then(|change| change.kind.as_ref()) {
            Some(spec_change::Kind::RemoveNode(gone)) if gone.owed_act != 0 => {
                numbers.push(gone.owed_act);
            }
            Some(_) | None => {}
        }
    }
    assert_eq!(steps, (1..=u32::try_from(steps.len()).unwrap()).collect::<Vec<_>>());
    assert_eq!(numbers, (1..=u32::try_from(numbers.len()).unwrap()).collect::<Vec<_>>());
}

/// Every act before the point of no return can be taken back, but for what goes with the data.
fn can_be_taken_back(plan: &Plan) {
    use postgresql_action::Kind;
    for step in &plan.steps {
        if plan.point_of_no_return != 0 && step.number >= plan.point_of_no_return {
            continue;
        }
        for act in acts(step) {
            let with_the_data = match act.action.as_ref().unwrap().kind.as_ref().unwrap() {
                bellows_proto::v1::action::Kind::Postgresql(action) => {
                    matches!(
                        action.kind,
                        Some(Kind::CreateRepmgrDatabase(_) | Kind::RegisterPrimary(_))
                    )
                }
                _ => false,
            };
            assert_eq!(act.undo.is_empty(), with_the_data, "{}", step.title);
            assert!(!act.summary.is_empty() && !step.reason.is_empty() && !step.title.is_empty());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_plan_reaches_what_it_predicts(wanted in wanted()) {
        let (mut world, mut spec, intent) = set_up(&wanted);
        let Some(plan) = planned(&world, &spec, &intent) else {
            // Refused: only a shrink may be, for the minimum.
            let Wanted::Shrink { members, leaving, .. } = &wanted else { panic!("refused: {wanted:?}") };
            prop_assert!(members - leaving.len() < 2);
            return Ok(());
        };
        if let Wanted::Shrink { members, leaving, .. } = &wanted {
            prop_assert!(members - leaving.len() >= 2, "the minimum");
        }
        prop_assert_eq!(&plan, &planned(&world, &spec, &intent).unwrap(), "the same again");
        numbered_well(&plan);
        can_be_taken_back(&plan);
        play::steps(&mut world, &mut spec, &plan, plan.steps.len());
        let end = world.observe(&spec, Some(&intent));
        prop_assert_eq!(AllSystems::default().drift(plan.prediction.as_ref().unwrap(), &end), Vec::<String>::new());
        let after = AllSystems::default().describe(&spec, &end);
        prop_assert_eq!(after.problems, Vec::<String>::new());
        let shown: Vec<(&str, &str, &str)> = plan.after.iter().map(|m| (m.node.as_str(), m.host.as_str(), m.role.as_str())).collect();
        let is: Vec<(&str, &str, &str)> = after.members.iter().map(|m| (m.node.as_str(), m.host.as_str(), m.role.as_str())).collect();
        prop_assert_eq!(shown, is);
    }

    /// Nothing rests on what may be passed over: the end is the predicted one without it.
    #[test]
    fn what_may_be_skipped_is_not_missed(wanted in wanted()) {
        let (mut world, mut spec, intent) = set_up(&wanted);
        let Some(plan) = planned(&world, &spec, &intent) else { return Ok(()) };
        let mistakes = index::mistakes(&plan);
        prop_assert!(!mistakes.iter().any(|mistake| mistake.contains("skippable")), "{mistakes:?}");
        let mut rest = plan.clone();
        rest.steps.retain(|step| !step.skippable);
        prop_assert!(rest.steps.len() < plan.steps.len());
        play::steps(&mut world, &mut spec, &rest, rest.steps.len());
        let end = world.observe(&spec, Some(&intent));
        prop_assert_eq!(AllSystems::default().drift(plan.prediction.as_ref().unwrap(), &end), Vec::<String>::new());
    }

    #[test]
    fn a_plan_can_be_taken_back_from_anywhere(wanted in wanted(), at in any::<prop::sample::Index>(), begun in any::<bool>()) {
        let (start, start_spec, intent) = set_up(&wanted);
        let Some(plan) = planned(&start, &start_spec, &intent) else { return Ok(()) };
        let back = plan.steps.iter().filter(|step| plan.point_of_no_return == 0 || step.number < plan.point_of_no_return).count();
        let done = at.index(back + 1);
        let (mut world, mut spec) = (start.clone(), start_spec.clone());
        play::steps(&mut world, &mut spec, &plan, done);
        // A step that had begun and done nothing is taken back too.
        play::undo(&mut world, &mut spec, &plan, if begun { (done + 1).min(back) } else { done });
        prop_assert_eq!(&world, &start);
        prop_assert_eq!(&spec.nodes, &start_spec.nodes);
        prop_assert_eq!(&spec.tombstones, &start_spec.tombstones);
        prop_assert!(spec.highest_id >= start_spec.highest_id);
    }

    #[test]
    fn the_end_of_another_is_seen_as_drift(members in 2usize..5) {
        let (world, spec, intent) = set_up(&Wanted::Expand { members, new: 1 });
        let plan = planned(&world, &spec, &intent).unwrap();
        let unchanged = world.observe(&spec, Some(&intent));
        prop_assert!(!AllSystems::default().drift(plan.prediction.as_ref().unwrap(), &unchanged).is_empty());
    }
}

/// A store from before an expand, restored after the node has come and gone with its data.
#[test]
fn an_older_spec_does_not_give_an_id_again() {
    let (mut world, old) = world::cluster(3, 2, &[]);
    let mut spec = old.clone();
    for intent in
        [world::expand(&[("pg4", "h4")], &[]), world::shrink(&["pg4"], &[("data", "wipe")])]
    {
        let plan = play::plan(&world, &spec, &intent);
        play::steps(&mut world, &mut spec, &plan, plan.steps.len());
    }
    assert_eq!((spec.highest_id, old.highest_id), (4, 3));
    let intent = world::expand(&[("pg5", "h5")], &[]);
    let ids = |spec: &Spec| {
        let mut world = world.clone();
        let mut spec = spec.clone();
        let plan = play::plan(&world, &spec, &intent);
        play::steps(&mut world, &mut spec, &plan, plan.steps.len());
        spec.highest_id
    };
    assert_eq!(ids(&spec), 5);
    assert_eq!(ids(&old), 5, "the id of a node that was there is given again");
}
