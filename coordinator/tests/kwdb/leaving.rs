//! Nodes leave and are replaced: golden plans, played to their ends and taken back.

use bellows::{plan::Systems as _, systems::AllSystems};
use bellows_proto::v1::{Intent, Plan, Spec, kwdb_action::Kind, spec_change};

use crate::{
    play::{self, acts},
    render,
    world::{self, World},
};

/// To its end, which is the predicted one.
fn played(mut world: World, spec: &Spec, intent: &Intent) -> (World, Spec, Plan) {
    let plan = play::plan(&world, spec, intent);
    let mut spec = spec.clone();
    play::steps(&mut world, &mut spec, &plan, plan.steps.len());
    let end = world.observe(&spec, plan.intent.as_ref());
    let drift = AllSystems::default().drift(plan.prediction.as_ref().unwrap(), &end);
    assert_eq!(drift, Vec::<String>::new());
    (world, spec, plan)
}

/// From every step before the point of no return, and from one that had only begun.
fn taken_back(start: &World, start_spec: &Spec, intent: &Intent) {
    let plan = play::plan(start, start_spec, intent);
    let point = plan.point_of_no_return;
    let back = plan.steps.iter().filter(|step| point == 0 || step.number < point).count();
    for done in 0..=back {
        let (mut world, mut spec) = (start.clone(), start_spec.clone());
        play::steps(&mut world, &mut spec, &plan, done);
        play::undo(&mut world, &mut spec, &plan, (done + 1).min(back));
        forget(&mut world, start);
        assert_eq!(&world, start, "after {done} steps");
        assert_eq!(spec.nodes, start_spec.nodes);
        assert_eq!(spec.tombstones, start_spec.tombstones);
    }
}

/// What no undo brings back: ids, and the times of starts.
fn forget(world: &mut World, start: &World) {
    world.known.retain(|id, _| start.known.contains_key(id));
    for (id, known) in &mut world.known {
        known.starts = start.known[id].starts;
    }
    world.spread();
    let all: u64 = world.known.values().map(|known| known.replicas).sum();
    let were: u64 = start.known.values().map(|known| known.replicas).sum();
    let dead = world.hosts.values().any(|host| !host.answers);
    if all != were || dead {
        // What a new one had is on it no more, and what a dead one had is elsewhere.
        for (id, known) in &mut world.known {
            known.replicas = start.known[id].replicas;
        }
    }
}

fn golden(world: &World, spec: &Spec, intent: &Intent) -> String {
    render::plan(&play::plan(world, spec, intent))
}

#[test]
fn shrink_one() {
    let (world, spec) = world::cluster(4, 0, &[]);
    insta::assert_snapshot!(golden(&world, &spec, &world::shrink(&["h4"], &[])));
}

#[test]
fn shrink_two_with_wipe_by_deploy_sh() {
    let (mut world, spec) = world::grown(3, 2, 0, &[("poll_s", "5")]);
    let (mut world, spec, _) = {
        world.hosts.values_mut().for_each(|host| host.deploy_sh = true);
        played(world, &spec, &world::reconfigure(&[("front_end", "deploy.sh")]))
    };
    world.host("h2").left_alone = "kaiwudb.service is masked";
    let intent = world::shrink(&["kw5", "kw4"], &[("data", "wipe")]);
    insta::assert_snapshot!(golden(&world, &spec, &intent));
}

#[test]
fn replace_a_living_node() {
    let (world, spec) = world::secure(3, 1);
    let intent = world::replace("h2", ("kw4", "h4"), false, &[("rebalance", "off")]);
    insta::assert_snapshot!(golden(&world, &spec, &intent));
}

#[test]
fn replace_a_dead_node() {
    let (mut world, spec) = world::cluster(3, 1, &[]);
    world.dies("h2");
    world.underreplicated = Some(60);
    let intent = world::replace("h2", ("kw4", "h4"), true, &[]);
    insta::assert_snapshot!(golden(&world, &spec, &intent));
}

/// One after another, each to its end: the second is not flagged before the first one has left.
#[test]
fn a_shrink_ends_as_predicted() {
    let (world, spec) = world::grown(3, 2, 0, &[]);
    let (world, spec, plan) = played(world, &spec, &world::shrink(&["kw5", "h2"], &[]));
    let names: Vec<&str> = spec.nodes.iter().map(|node| node.node.as_str()).collect();
    assert_eq!(names, ["h1", "h3", "kw4"]);
    assert_eq!(spec.tombstones.len(), 2);
    assert_eq!(plan.point_of_no_return, 0, "nothing is lost: there is a way back until the end");
    let gone = |id: u32| (world.known[&id].decommissioning, world.known[&id].replicas);
    assert_eq!((gone(5), gone(2)), ((true, 0), (true, 0)));
    assert!(!world.hosts["h2"].running && world.hosts["h2"].store == Some(2));
    let order = plan.steps.iter().filter_map(|step| {
        let flags = acts(step).into_iter().any(|act| decommissions(act.action.as_ref().unwrap()));
        let leaves = matches!(
            step.spec_change.as_ref().and_then(|change| change.kind.as_ref()),
            Some(spec_change::Kind::RemoveNode(_))
        );
        (flags || leaves).then_some(if flags { "flag" } else { "gone" })
    });
    assert_eq!(order.collect::<Vec<_>>(), ["flag", "gone", "flag", "gone"]);
}

fn decommissions(action: &bellows_proto::v1::Action) -> bool {
    match &action.kind {
        Some(bellows_proto::v1::action::Kind::Kwdb(action)) => {
            matches!(action.kind, Some(Kind::Decommission(_) | Kind::DeployDecommission(_)))
        }
        _ => false,
    }
}

#[test]
fn with_wipe_the_data_go_and_there_is_no_way_back_from_there() {
    let (world, spec) = world::grown(3, 1, 0, &[]);
    let intent = world::shrink(&["kw4"], &[("data", "wipe")]);
    let (world, _, plan) = played(world, &spec, &intent);
    assert_eq!(world.hosts["h4"].store, None);
    let step = plan.steps.iter().find(|step| step.number == plan.point_of_no_return).unwrap();
    assert!(step.title.contains("tombstone for kw4"), "{}", step.title);
}

#[test]
fn a_shrink_can_be_taken_back_from_anywhere() {
    let (world, spec) = world::grown(3, 2, 0, &[]);
    taken_back(&world, &spec, &world::shrink(&["h2", "kw5"], &[]));
    taken_back(&world, &spec, &world::shrink(&["kw5", "kw4"], &[("data", "wipe")]));
}

/// A client that somebody left waiting would flag it again: the way back waits until it is gone.
#[test]
fn a_recommission_waits_until_nobody_waits_for_a_decommission() {
    let (world, spec) = world::cluster(4, 0, &[]);
    let plan = play::plan(&world, &spec, &world::shrink(&["h4"], &[]));
    let undo = plan.steps.iter().flat_map(acts).flat_map(|act| &act.undo);
    let back = undo.filter(|undo| undo.summary.contains("recommission"));
    let needs: Vec<_> = back.map(|undo| undo.requires.clone()).collect();
    assert_eq!(needs.len(), 1);
    let mut waited = world.clone();
    waited.host("h3").waiters = vec!["kwbase node decommission 4".to_owned()];
    let verdict = |world: &World| {
        AllSystems::default().check(&needs[0][0], &world.observe(&spec, plan.intent.as_ref()))
    };
    assert_eq!(verdict(&world), bellows::plan::Verdict::Holds);
    assert!(matches!(verdict(&waited), bellows::plan::Verdict::NotYet { .. }));
}

#[test]
fn a_shrink_by_a_number_names_the_newest() {
    let (world, spec) = world::grown(3, 2, 0, &[]);
    let plan = play::plan(&world, &spec, &world::shrink_by(2));
    let named = world::shrink(&["kw5", "kw4"], &[]);
    assert_eq!(plan.intent.as_ref().unwrap().verb, named.verb);
    assert_eq!(
        plan.notes.first().unwrap().text,
        "kw5 (node 5), kw4 (node 4) leave, in this order: the newest first, by the ids that the cluster gave them"
    );
}

#[test]
fn a_replacement_ends_as_predicted() {
    for secure in [false, true] {
        let (world, spec) = if secure { world::secure(3, 1) } else { world::cluster(3, 1, &[]) };
        let intent = world::replace("h3", ("kw4", "h4"), false, &[]);
        taken_back(&world, &spec, &intent);
        let (world, spec, _) = played(world, &spec, &intent);
        let names: Vec<&str> = spec.nodes.iter().map(|node| node.node.as_str()).collect();
        assert_eq!(names, ["h1", "h2", "kw4"]);
        assert!(world.known[&3].decommissioning && !world.hosts["h3"].running);
        assert_eq!(world.rebalance, Some(true));
    }
}

/// Its address may be forgotten in the middle: the plan names its id. What the new one has taken can only be
/// taken from it again where three others stay.
#[test]
fn a_dead_one_is_replaced_without_its_host() {
    for (members, forgotten) in [(3, false), (3, true), (4, false), (4, true)] {
        let new = (format!("kw{}", members + 1), format!("h{}", members + 1));
        let make = if forgotten { world::secure } else { |n, spare| world::cluster(n, spare, &[]) };
        let (mut world, spec) = make(members, 1);
        world.dies("h2");
        world.known.get_mut(&2).unwrap().nameless = forgotten;
        let intent = world::replace("h2", (&new.0, &new.1), true, &[]);
        let plan = play::plan(&world, &spec, &intent);
        let point = |title: &str| {
            let step = plan.steps.iter().find(|step| step.number == plan.point_of_no_return);
            assert!(step.unwrap().title.starts_with(title), "{:?}", plan.point_of_no_return);
        };
        point(if members == 3 { "start kw4" } else { "wait until no survivor lists h2" });
        taken_back(&world, &spec, &intent);
        let (world, spec, plan) = played(world, &spec, &intent);
        assert!(world.known[&2].decommissioning && world.known[&2].replicas == 0);
        assert_eq!(plan.dead_hosts, ["h2"]);
        assert!(!plan.fenced_hosts.contains(&"h2".to_owned()));
        assert!(plan.locks.iter().any(|lock| lock.resource == "host/h2"));
        assert_ne!(spec.tombstones[0].owed_act, 0);
        assert!(plan.steps.iter().flat_map(acts).all(|act| act.host != "h2"));
    }
}

#[test]
fn the_id_of_a_dead_one_may_be_said() {
    let (mut world, spec) = world::cluster(3, 1, &[]);
    world.dies("h2");
    // Somebody's old node that nobody took out: which one is it?
    let ghost = world::Known { replicas: 0, nameless: true, ..world.known[&2].clone() };
    world.known.insert(9, ghost);
    world.known.get_mut(&2).unwrap().nameless = true;
    let refused = |options: &[(&str, &str)]| {
        let intent = world::replace("h2", ("kw4", "h4"), true, options);
        let observation = world.observe(&spec, Some(&intent));
        AllSystems::default().plan(&spec, &observation, &intent).unwrap_err()
    };
    let codes = |options| -> Vec<String> {
        refused(options).into_iter().map(|refusal| refusal.code).collect()
    };
    assert!(codes(&[]).contains(&"KW-47".to_owned()));
    // The ghost is not a member here: that is to be mended first.
    assert_eq!(codes(&[("node_id", "2")]), ["KW-14"]);
}
