//! What must hold of any plan, for generated clusters.

use std::collections::BTreeSet;

use bellows::{engine::index, plan::Systems as _, spec, systems::AllSystems};
use bellows_proto::v1::{
    Intent, KwdbSecurity, KwdbStartMode, Plan, Spec, System, action, kwdb_action::Kind,
};
use proptest::prelude::*;

use crate::{
    play::{self, acts},
    world::{self, CLUSTER, World},
};

/// What is done to which cluster.
#[derive(Debug, Clone)]
enum Wanted {
    Adopt { members: usize, secure: bool },
    Expand { members: usize, new: usize, secure: bool, single: bool, off: bool },
}

fn wanted() -> impl Strategy<Value = Wanted> {
    prop_oneof![
        (3usize..6, any::<bool>()).prop_map(|(members, secure)| Wanted::Adopt { members, secure }),
        (3usize..6, 1usize..4, any::<[bool; 3]>()).prop_map(
            |(members, new, [secure, single, off])| Wanted::Expand {
                members,
                new,
                secure,
                single,
                off
            }
        ),
    ]
}

fn security(secure: bool) -> KwdbSecurity {
    if secure { KwdbSecurity::Tls } else { KwdbSecurity::Insecure }
}

fn set_up(wanted: &Wanted) -> (World, Spec, Intent) {
    match *wanted {
        Wanted::Adopt { members, secure } => {
            let mode = KwdbStartMode::MultiReplica;
            let world = world::installed(members, 0, mode, security(secure));
            let hosts: Vec<String> = (1..=members).map(|n| format!("h{n}")).collect();
            let from: Vec<(&str, u32)> = hosts.iter().map(|host| (host.as_str(), 0)).collect();
            (world, spec::blank(CLUSTER, System::Kwdb), world::adopt(&from, &[]))
        }
        Wanted::Expand { members, new, secure, single, off } => {
            let mode = match single {
                true => KwdbStartMode::SingleReplica,
                false => KwdbStartMode::MultiReplica,
            };
            let (world, spec) = world::adopted(members, new, mode, security(secure), &[]);
            let nodes: Vec<(String, String)> = (members + 1..=members + new)
                .map(|n| (format!("kw{n}"), format!("h{n}")))
                .collect();
            let nodes: Vec<(&str, &str)> =
                nodes.iter().map(|(node, host)| (node.as_str(), host.as_str())).collect();
            let options: &[(&str, &str)] = if off { &[("rebalance", "off")] } else { &[] };
            (world, spec, world::expand(&nodes, options))
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
    }
}

/// Every act before the point of no return can be taken back, but for certificates, which go with keys.
fn can_be_taken_back(plan: &Plan) {
    for step in &plan.steps {
        if plan.point_of_no_return != 0 && step.number >= plan.point_of_no_return {
            continue;
        }
        for act in acts(step) {
            let with_the_keys = match act.action.as_ref().unwrap().kind.as_ref().unwrap() {
                action::Kind::Kwdb(action) => {
                    matches!(action.kind, Some(Kind::PlaceCertificates(_)))
                }
                _ => false,
            };
            assert_eq!(act.undo.is_empty(), with_the_keys, "{}", step.title);
            assert!(!act.summary.is_empty() && !step.reason.is_empty() && !step.title.is_empty());
        }
    }
}

fn drift(plan: &Plan, world: &World, spec: &Spec, intent: &Intent) -> Vec<String> {
    let end = world.observe(spec, Some(intent));
    AllSystems::default().drift(plan.prediction.as_ref().unwrap(), &end)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_plan_reaches_what_it_predicts(wanted in wanted()) {
        let (mut world, mut spec, intent) = set_up(&wanted);
        let rebalance = world.rebalance;
        let plan = play::plan(&world, &spec, &intent);
        prop_assert_eq!(&plan, &play::plan(&world, &spec, &intent), "the same again");
        numbered_well(&plan);
        can_be_taken_back(&plan);
        prop_assert_eq!(index::mistakes(&plan), Vec::<String>::new());
        play::steps(&mut world, &mut spec, &plan, plan.steps.len());
        prop_assert_eq!(drift(&plan, &world, &spec, &intent), Vec::<String>::new());
        prop_assert_eq!(world.rebalance, rebalance, "it is restored");
        let end = world.observe(&spec, Some(&intent));
        let after = AllSystems::default().describe(&spec, &end);
        prop_assert_eq!(after.problems, Vec::<String>::new());
        let shown: Vec<(&str, &str)> = plan.after.iter().map(|m| (m.node.as_str(), m.state.as_str())).collect();
        let is: Vec<(&str, &str)> = after.members.iter().map(|m| (m.node.as_str(), m.state.as_str())).collect();
        prop_assert_eq!(shown, is);
    }

    /// Nothing rests on what may be passed over: the end is the predicted one without it.
    #[test]
    fn what_may_be_skipped_is_not_missed(wanted in wanted()) {
        let (mut world, mut spec, intent) = set_up(&wanted);
        let mut plan = play::plan(&world, &spec, &intent);
        plan.steps.retain(|step| !step.skippable);
        play::steps(&mut world, &mut spec, &plan, plan.steps.len());
        prop_assert_eq!(drift(&plan, &world, &spec, &intent), Vec::<String>::new());
    }

    #[test]
    fn a_plan_can_be_taken_back_from_anywhere(wanted in wanted(), at in any::<prop::sample::Index>(), begun in any::<bool>()) {
        let (start, start_spec, intent) = set_up(&wanted);
        let plan = play::plan(&start, &start_spec, &intent);
        let back = plan.steps.iter().filter(|step| plan.point_of_no_return == 0 || step.number < plan.point_of_no_return).count();
        let done = at.index(back + 1);
        let (mut world, mut spec) = (start.clone(), start_spec.clone());
        play::steps(&mut world, &mut spec, &plan, done);
        // A step that had begun and done nothing is taken back too.
        play::undo(&mut world, &mut spec, &plan, if begun { (done + 1).min(back) } else { done });
        prop_assert_eq!(&world.hosts, &start.hosts);
        prop_assert_eq!(world.rebalance, start.rebalance);
        let intent = Some(&intent);
        let live = |world: &World, spec: &Spec| {
            let seen = AllSystems::default().describe(spec, &world.observe(spec, intent));
            (seen.members.into_iter().map(|m| (m.node, m.state)).collect::<Vec<_>>(), seen.problems)
        };
        prop_assert_eq!(live(&world, &spec), live(&start, &start_spec));
        prop_assert_eq!(&spec.nodes, &start_spec.nodes);
    }

    #[test]
    fn the_end_of_another_is_seen_as_drift(members in 3usize..6) {
        let (world, spec, intent) = set_up(&Wanted::Expand { members, new: 1, secure: false, single: false, off: false });
        let plan = play::plan(&world, &spec, &intent);
        prop_assert!(!drift(&plan, &world, &spec, &intent).is_empty());
    }
}
