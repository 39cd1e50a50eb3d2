//! Conditions and probes where something is missing: what could not be read is unknown.

use bellows::{
    plan::{Probe, Systems as _, Verdict},
    systems::AllSystems,
};
use bellows_proto::v1::{
    Action, Condition, Intent, KwdbAction, KwdbBalanced, KwdbCondition, KwdbDecommission,
    KwdbDrained, KwdbFlagged, KwdbHealthy, KwdbJoined, KwdbMembersAre, KwdbQuiet, KwdbReplicated,
    KwdbRestartNode, Observation, Plan, Progress, Spec, action, condition, kwdb_action,
    kwdb_condition::Kind, observation, step,
};

use crate::{
    play::{self, acts},
    world::{self, World, node_ref},
};

fn all_conditions(plan: &Plan) -> Vec<Condition> {
    let mut all: Vec<Condition> = plan.premises.iter().chain(&plan.invariants).cloned().collect();
    for one in &plan.steps {
        match one.kind.as_ref().unwrap() {
            step::Kind::Check(check) => all.extend(check.conditions.iter().cloned()),
            step::Kind::Wait(wait) => all.extend(wait.conditions.iter().cloned()),
            step::Kind::Group(_) | step::Kind::Act(_) => {}
        }
        all.extend(acts(one).into_iter().flat_map(|act| act.requires.iter().cloned()));
    }
    all
}

fn all_actions(plan: &Plan) -> Vec<Action> {
    let acts: Vec<_> = plan.steps.iter().flat_map(acts).collect();
    let undo = acts.iter().flat_map(|act| &act.undo);
    acts.iter().copied().chain(undo).map(|act| act.action.clone().unwrap()).collect()
}

fn kwdb(kind: Kind) -> Condition {
    Condition { kind: Some(condition::Kind::Kwdb(KwdbCondition { kind: Some(kind) })) }
}

fn judged(world: &World, spec: &Spec, kind: Kind) -> Verdict {
    AllSystems::default().check(&kwdb(kind), &world.observe(spec, None))
}

fn one_more() -> Intent {
    world::expand(&[("kw4", "h4")], &[])
}

#[test]
fn of_silence_nothing_is_known() {
    let (world, spec) = world::secure(4, 1);
    let new = ("kw5", "h5");
    for intent in [
        world::expand(&[new], &[]),
        world::shrink(&["h4"], &[]),
        world::replace("h4", new, false, &[]),
        world::restart(&["h2"]),
    ] {
        nothing_is_known(&world, &spec, &intent);
    }
    let mut lost = world;
    (lost.host("h4").running, lost.host("h4").store) = (false, None);
    lost.host("h4").command = vec!["--join=10.0.0.1".to_owned()];
    nothing_is_known(&lost, &spec, &world::rejoin("h4", false, &[]));
}

fn nothing_is_known(world: &World, spec: &Spec, intent: &Intent) {
    let plan = play::plan(world, spec, intent);
    let mut silent = world.clone();
    silent.hosts.values_mut().for_each(|host| host.answers = false);
    let observation = silent.observe(spec, plan.intent.as_ref());
    for condition in all_conditions(&plan) {
        let verdict = AllSystems::default().check(&condition, &observation);
        assert!(matches!(verdict, Verdict::Unknown(_)), "{condition:?}: {verdict:?}");
    }
    for action in all_actions(&plan) {
        let probe = AllSystems::default().probe(&action, &observation);
        assert!(matches!(probe, Probe::Unknown(_)), "{action:?}: {probe:?}");
    }
    let nothing = Observation::default();
    for condition in all_conditions(&plan) {
        let verdict = AllSystems::default().check(&condition, &nothing);
        assert!(
            matches!(verdict, Verdict::Unknown(_) | Verdict::Refused(_)),
            "{condition:?}: {verdict:?}"
        );
    }
}

#[test]
fn empty_messages_are_errors() {
    let observation = Observation::default();
    let empty = Condition { kind: Some(condition::Kind::Kwdb(KwdbCondition { kind: None })) };
    assert!(matches!(AllSystems::default().check(&empty, &observation), Verdict::Refused(_)));
    let empty = Action { kind: Some(action::Kind::Kwdb(KwdbAction { kind: None })) };
    assert!(matches!(AllSystems::default().probe(&empty, &observation), Probe::Unknown(_)));
}

fn drained(node: &str) -> Kind {
    Kind::Drained(KwdbDrained { node: node.to_owned(), node_id: 0 })
}

#[test]
fn drained_is_counted_twice_and_says_what_is_left() {
    let (mut world, spec) = world::cluster(4, 0, &[]);
    world.slow = true;
    world.known_at("h4").decommissioning = true;
    world.known_at("h4").replicas = 17;
    let Verdict::NotYet { reason, progress } = judged(&world, &spec, drained("h4")) else {
        panic!("not drained")
    };
    assert!(reason.contains("17 ranges") && reason.contains("range 100 (metrics/cpu)"), "{reason}");
    // 180 replicas are elsewhere already: what is left falls as they move.
    let wanted =
        Progress { done: 180, total: Some(197), unit: "ranges".to_owned(), ..Progress::default() };
    assert_eq!(progress, Some(wanted));
    world.known_at("h4").replicas = 0;
    assert_eq!(judged(&world, &spec, drained("h4")), Verdict::Holds);
    // One of the two who are asked cannot count.
    let mut seen = world.observe(&spec, None);
    let Some(observation::System::Kwdb(kwdb_seen)) = &mut seen.system else { panic!("no KWDB") };
    assert_eq!(kwdb_seen.clusters.len(), 2);
    kwdb_seen.clusters[1].outcome = None;
    let verdict = AllSystems::default().check(&kwdb(drained("h4")), &seen);
    assert!(matches!(verdict, Verdict::Unknown(_)), "{verdict:?}");
    // Neither is one that does not tell of the node at all.
    let mut seen = world.observe(&spec, None);
    let Some(observation::System::Kwdb(kwdb_seen)) = &mut seen.system else { panic!("no KWDB") };
    for asked in &mut kwdb_seen.clusters {
        if let Some(bellows_proto::v1::kwdb_cluster_reading::Outcome::Cluster(cluster)) =
            &mut asked.outcome
        {
            cluster.replicas.retain(|one| one.node_id != 4);
        }
    }
    let verdict = AllSystems::default().check(&kwdb(drained("h4")), &seen);
    assert!(matches!(verdict, Verdict::Unknown(_)), "{verdict:?}");
}

#[test]
fn balance_is_measured_in_ranges_of_the_new_nodes() {
    let (mut world, spec) = world::cluster(4, 0, &[]);
    world.known_at("h4").replicas = 10;
    let balanced = || Kind::Balanced(KwdbBalanced { nodes: vec!["h4".to_owned()] });
    // 190 over four: 95 % of 47, less two.
    let Verdict::NotYet { progress, .. } = judged(&world, &spec, balanced()) else {
        panic!("not balanced")
    };
    let wanted =
        Progress { done: 10, total: Some(43), unit: "ranges".to_owned(), ..Progress::default() };
    assert_eq!(progress, Some(wanted));
    world.known_at("h4").replicas = 60;
    assert_eq!(judged(&world, &spec, balanced()), Verdict::Holds);
}

#[test]
fn sums_that_are_null_are_unknown() {
    let (mut world, spec) = world::cluster(3, 0, &[]);
    let healthy = || Kind::Healthy(KwdbHealthy::default());
    assert_eq!(judged(&world, &spec, healthy()), Verdict::Holds);
    world.underreplicated = None;
    for kind in [healthy(), Kind::Replicated(KwdbReplicated {})] {
        assert!(matches!(judged(&world, &spec, kind), Verdict::Unknown(_)));
    }
    world.underreplicated = Some(3);
    assert!(matches!(judged(&world, &spec, healthy()), Verdict::NotYet { .. }));
    // A dead one makes them, and is why it is replaced.
    let without = vec!["h3".to_owned()];
    world.dies("h3");
    let but_one = Kind::Healthy(KwdbHealthy { without });
    assert_eq!(judged(&world, &spec, but_one), Verdict::Holds);
}

#[test]
fn a_node_that_came_back_on_its_old_store_has_not_joined() {
    let (mut world, spec) = world::cluster(4, 0, &[]);
    let joined = || Kind::Joined(KwdbJoined { node: "h4".to_owned() });
    assert_eq!(judged(&world, &spec, joined()), Verdict::Holds);
    world.known_at("h4").build = "V3.0.0";
    assert!(matches!(judged(&world, &spec, joined()), Verdict::Refused(_)));
    world.known_at("h4").build = "V3.1.0";
    world.known_at("h4").decommissioning = true;
    let Verdict::Refused(why) = judged(&world, &spec, joined()) else { panic!("joined") };
    assert!(why.contains("data directory is an old one"), "{why}");
}

#[test]
fn one_witness_that_sees_it_otherwise_is_enough() {
    let (mut world, spec) = world::cluster(4, 0, &[]);
    world.odd_witness = Some(("h2".to_owned(), 4));
    let joined = Kind::Joined(KwdbJoined { node: "h4".to_owned() });
    assert!(matches!(judged(&world, &spec, joined), Verdict::NotYet { .. }));
    let healthy = Kind::Healthy(KwdbHealthy::default());
    assert!(matches!(judged(&world, &spec, healthy), Verdict::NotYet { .. }));
}

#[test]
fn a_member_whose_address_the_cluster_has_forgotten_still_counts() {
    let (mut world, spec) = world::cluster(4, 0, &[]);
    let nodes = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let three = || {
        let (nodes, besides) = (nodes(&["h1", "h2", "h3"]), nodes(&["h4"]));
        Kind::MembersAre(KwdbMembersAre { nodes, besides })
    };
    world.dies("h4");
    world.known_at("h4").nameless = true;
    assert_eq!(judged(&world, &spec, three()), Verdict::Holds);
    let exactly =
        Kind::MembersAre(KwdbMembersAre { nodes: nodes(&["h1", "h2", "h3"]), besides: Vec::new() });
    assert!(matches!(judged(&world, &spec, exactly), Verdict::NotYet { .. }));
    // By elimination it is the one that nobody tells the address of.
    let stays = || {
        let (node, decommissioning) = ("h4".to_owned(), false);
        Kind::Flagged(KwdbFlagged { node, decommissioning, node_id: 0 })
    };
    assert_eq!(judged(&world, &spec, stays()), Verdict::Holds);
    // Two of them: nobody guesses.
    world.dies("h3");
    world.known_at("h3").nameless = true;
    let Verdict::Unknown(why) = judged(&world, &spec, stays()) else { panic!("guessed") };
    assert!(why.contains("node_id=N"), "{why}");
}

#[test]
fn those_who_left_long_ago_keep_their_flag_and_disturb_nobody() {
    let (mut world, spec) = world::cluster(3, 0, &[]);
    let old = world.known[&1].clone();
    let address = "10.0.0.9:26257".to_owned();
    let old = world::Known { address, decommissioning: true, replicas: 0, ..old };
    world.known.insert(9, old);
    assert_eq!(judged(&world, &spec, Kind::Quiet(KwdbQuiet::default())), Verdict::Holds);
    world.known_at("h2").decommissioning = true;
    let quiet = judged(&world, &spec, Kind::Quiet(KwdbQuiet::default()));
    assert!(matches!(quiet, Verdict::NotYet { .. }));
}

fn probed(world: &World, spec: &Spec, kind: kwdb_action::Kind) -> Probe {
    let action = Action { kind: Some(action::Kind::Kwdb(KwdbAction { kind: Some(kind) })) };
    AllSystems::default().probe(&action, &world.observe(spec, Some(&one_more())))
}

#[test]
fn a_flag_is_there_when_all_see_it() {
    let (mut world, spec) = world::cluster(4, 0, &[]);
    let flag = |node: &str| {
        kwdb_action::Kind::Decommission(KwdbDecommission {
            at: Some(node_ref("h1")),
            node: Some(node_ref(node)),
            node_id: 0,
        })
    };
    assert_eq!(probed(&world, &spec, flag("h4")), Probe::NotDone);
    world.known_at("h4").decommissioning = true;
    assert_eq!(probed(&world, &spec, flag("h4")), Probe::Done);
    // The cluster keeps one flag for all; whoever was asked must tell.
    world.host("h2").answers = false;
    assert_eq!(probed(&world, &spec, flag("h4")), Probe::Done);
    world.host("h1").answers = false;
    assert!(matches!(probed(&world, &spec, flag("h4")), Probe::Unknown(_)));
}

/// The undo of a start that led to nothing has nothing to decommission.
#[test]
fn who_never_came_needs_no_flag() {
    let (mut world, mut spec) = world::cluster(3, 1, &[]);
    let plan = play::plan(&world, &spec, &one_more());
    let start = plan.steps.iter().position(|step| step.title.starts_with("start ")).unwrap();
    play::steps(&mut world, &mut spec, &plan, start);
    let flag = acts(&plan.steps[start])[0].undo[0].action.clone().unwrap();
    let seen = world.observe(&spec, Some(&one_more()));
    assert_eq!(AllSystems::default().probe(&flag, &seen), Probe::Done);
    let drained = acts(&plan.steps[start])[0].undo[1].requires[0].clone();
    assert_eq!(AllSystems::default().check(&drained, &seen), Verdict::Holds);
    play::steps(&mut world, &mut spec, &Plan { steps: plan.steps[start..].to_vec(), ..plan }, 1);
    let seen = world.observe(&spec, Some(&one_more()));
    assert_eq!(AllSystems::default().probe(&flag, &seen), Probe::NotDone);
}

#[test]
fn a_restart_is_another_start() {
    let (mut world, spec) = world::cluster(3, 0, &[]);
    let restart = |started_at: &str| {
        let (node, started_at) = (Some(node_ref("h2")), started_at.to_owned());
        kwdb_action::Kind::RestartNode(KwdbRestartNode { node, started_at })
    };
    let first = "2026-01-05 08:00:01";
    assert_eq!(probed(&world, &spec, restart(first)), Probe::NotDone);
    world.host("h2").running = false;
    assert!(matches!(probed(&world, &spec, restart(first)), Probe::Partial(_)));
    world.host("h2").running = true;
    world.known_at("h2").starts = 2;
    assert_eq!(probed(&world, &spec, restart(first)), Probe::Done);
}
