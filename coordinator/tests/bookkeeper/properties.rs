//! What must hold of any plan, for generated clusters.

use std::collections::BTreeSet;

use bellows::{engine::index, plan::Systems as _, systems::AllSystems};
use bellows_proto::v1::{Intent, Plan, Spec};
use proptest::prelude::*;

use crate::{
    play::{self, acts},
    world::{self, World},
};

/// What is done to which cluster, and how.
#[derive(Debug, Clone)]
enum Wanted {
    Expand { members: usize, new: usize },
    Shrink { members: usize, leaving: usize, way: &'static str },
    Replace { members: usize, way: &'static str },
}

fn wanted() -> impl Strategy<Value = Wanted> {
    let way = || prop::sample::select(vec!["drain", "stop", "expire"]);
    prop_oneof![
        (3usize..6, 1usize..4).prop_map(|(members, new)| Wanted::Expand { members, new }),
        (3usize..6, 1usize..3, way()).prop_map(|(members, leaving, way)| Wanted::Shrink {
            members,
            leaving,
            way
        }),
        (3usize..6, way()).prop_map(|(members, way)| Wanted::Replace { members, way }),
    ]
}

fn named(from: usize, count: usize) -> Vec<(String, String)> {
    (from..from + count).map(|n| (format!("bk{n}"), format!("h{n}"))).collect()
}

fn set_up(wanted: &Wanted) -> (World, Spec, Intent) {
    match *wanted {
        Wanted::Expand { members, new } => {
            let (world, spec) = world::cluster(members, new, &[]);
            let nodes = named(members + 1, new);
            let nodes: Vec<(&str, &str)> =
                nodes.iter().map(|(node, host)| (node.as_str(), host.as_str())).collect();
            (world, spec, world::expand(&nodes))
        }
        Wanted::Shrink { members, leaving, way } => {
            let (world, spec) = world::grown(members, leaving, 0, &[]);
            let nodes = named(members + 1, leaving);
            let nodes: Vec<&str> = nodes.iter().map(|(node, _)| node.as_str()).collect();
            (world, spec, world::shrink(&nodes, &[("way", way)]))
        }
        Wanted::Replace { members, way } => {
            let (world, spec) = world::cluster(members, 1, &[]);
            let new = named(members + 1, 1).pop().unwrap();
            let intent = world::replace("h2", (&new.0, &new.1), false, &[("way", way)]);
            (world, spec, intent)
        }
    }
}

fn numbered_well(plan: &Plan) {
    let steps: Vec<u32> = plan.steps.iter().map(|step| step.number).collect();
    assert_eq!(steps, (1..=u32::try_from(steps.len()).unwrap()).collect::<Vec<_>>());
    let mut numbers = BTreeSet::new();
    for act in plan.steps.iter().flat_map(acts) {
        for number in std::iter::once(act.number).chain(act.undo.iter().map(|undo| undo.number)) {
            assert!(numbers.insert(number), "{number} twice");
        }
        assert!(!act.summary.is_empty() && !act.by_hand.contains(&String::new()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_plan_is_well_made_and_the_same_again(wanted in wanted()) {
        let (world, spec, intent) = set_up(&wanted);
        let plan = play::plan(&world, &spec, &intent);
        prop_assert_eq!(&plan, &play::plan(&world, &spec, &intent), "the same again");
        numbered_well(&plan);
        prop_assert_eq!(index::mistakes(&plan), Vec::<String>::new());
        let unmoved = world.observe(&spec, Some(&intent));
        let drift = AllSystems::default().drift(plan.prediction.as_ref().unwrap(), &unmoved);
        prop_assert!(!drift.is_empty(), "the end of another is seen as drift");
    }

    /// However far it came: no entry is lost, nothing of a new bookie is left, and the others are as they were.
    #[test]
    fn a_plan_can_be_taken_back_from_anywhere(
        members in 3usize..6,
        new in 1usize..4,
        at in any::<prop::sample::Index>(),
        begun in any::<bool>(),
    ) {
        let (start, start_spec, intent) = set_up(&Wanted::Expand { members, new });
        let plan = play::plan(&start, &start_spec, &intent);
        let done = at.index(plan.steps.len() + 1);
        let (mut world, mut spec) = (start.clone(), start_spec.clone());
        play::steps(&mut world, &mut spec, &plan, done);
        let last = if begun { (done + 1).min(plan.steps.len()) } else { done };
        play::undo(&mut world, &mut spec, &plan, last);
        world.host("h1").saved.clear();
        prop_assert_eq!(&world, &start);
        prop_assert_eq!(&spec.nodes, &start_spec.nodes);
    }
}
