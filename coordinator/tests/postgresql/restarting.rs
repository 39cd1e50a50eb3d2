//! Servers are restarted: played to the end and taken back, and every reason not to.

use bellows::{plan::Systems as _, systems::AllSystems};
use bellows_proto::v1::{
    Plan, PostgresqlService, Refusal, Spec, action, postgresql_action::Kind as Action,
};

use crate::{
    play,
    world::{self, World},
};

fn refused(world: &World, spec: &Spec, nodes: &[&str], in_place: bool) -> Vec<Refusal> {
    let intent = world::restart(nodes, in_place);
    AllSystems::default().plan(spec, &world.observe(spec, Some(&intent)), &intent).unwrap_err()
}

/// Whose servers are stopped and started, in this order.
fn servers(plan: &Plan) -> Vec<String> {
    let acts = plan.steps.iter().flat_map(play::acts);
    let postgresql = acts.filter_map(|act| match act.action.as_ref()?.kind.as_ref()? {
        action::Kind::Postgresql(action) => action.kind.as_ref(),
        _ => None,
    });
    let name = |node: &Option<bellows_proto::v1::NodeRef>| node.as_ref().unwrap().node.clone();
    postgresql
        .filter_map(|action| match action {
            Action::StopService(stop) if stop.service() == PostgresqlService::Server => {
                Some(format!("-{}", name(&stop.node)))
            }
            Action::StartService(start) if start.service() == PostgresqlService::Server => {
                Some(format!("+{}", name(&start.node)))
            }
            _ => None,
        })
        .collect()
}

fn play_all(nodes: &[&str], in_place: bool) -> (World, World, Plan) {
    let (mut world, mut spec) = world::cluster(3, 0, &[]);
    let start = world.clone();
    let plan = play::plan(&world, &spec, &world::restart(nodes, in_place));
    let before = spec.clone();
    play::steps(&mut world, &mut spec, &plan, plan.steps.len());
    assert_eq!(spec, before, "members are as they were");
    let end = world.observe(&spec, plan.intent.as_ref());
    assert_eq!(
        AllSystems::default().drift(plan.prediction.as_ref().unwrap(), &end),
        Vec::<String>::new()
    );
    (start, world, plan)
}

#[test]
fn the_standbys_go_first_and_the_primary_last_as_a_standby() {
    let (_, world, plan) = play_all(&[], false);
    assert_eq!(servers(&plan), ["-pg2", "+pg2", "-pg3", "+pg3", "-pg1", "+pg1"]);
    assert_eq!(world.primary().unwrap().0, "pg2");
}

#[test]
fn the_role_goes_to_one_that_was_just_restarted() {
    let (_, world, plan) = play_all(&["pg3", "pg1"], false);
    assert_eq!(servers(&plan), ["-pg3", "+pg3", "-pg1", "+pg1"]);
    assert_eq!(world.primary().unwrap().0, "pg3");
}

#[test]
fn in_place_all_is_as_it_was() {
    let (start, world, plan) = play_all(&[], true);
    assert_eq!(servers(&plan), ["-pg2", "+pg2", "-pg3", "+pg3", "-pg1", "+pg1"]);
    assert_eq!(world, start);
    assert_eq!(plan.point_of_no_return, 0);
    let title = |number| &plan.steps.iter().find(|step| step.number == number).unwrap().title;
    let pause = plan.write_pause.unwrap();
    assert_eq!(title(pause.from_step), "stop and disable the server of pg1 on h1");
    assert_eq!(title(pause.to_step), "start the server of pg1 on h1");
}

#[test]
fn a_standby_alone_moves_no_role() {
    let (start, world, plan) = play_all(&["pg3"], false);
    assert_eq!(servers(&plan), ["-pg3", "+pg3"]);
    assert_eq!(world, start);
}

#[test]
fn wherever_it_stops_it_can_be_taken_back() {
    for in_place in [true, false] {
        let (start, spec) = world::cluster(3, 0, &[]);
        let plan = play::plan(&start, &spec, &world::restart(&[], in_place));
        let last = match usize::try_from(plan.point_of_no_return).unwrap() {
            0 => plan.steps.len(),
            promotes => promotes - 1,
        };
        for count in 0..=last {
            let (mut world, mut now) = (start.clone(), spec.clone());
            play::steps(&mut world, &mut now, &plan, count);
            play::undo(&mut world, &mut now, &plan, count);
            assert_eq!((&world, &now), (&start, &spec), "after {count} steps");
        }
    }
}

#[test]
fn commits_must_go_on_while_each_of_them_is_away() {
    let (mut world, spec) = world::cluster(3, 0, &[]);
    world.setting("synchronous_standby_names", "FIRST 2 (pg2, pg3)");
    let refusals = refused(&world, &spec, &["pg2", "pg3"], false);
    let seen: Vec<_> = refusals.iter().map(|one| (one.code.as_str(), one.value.as_str())).collect();
    let [("PG-20", first), ("PG-20", second)] = seen.as_slice() else { panic!("{seen:#?}") };
    assert!(first.ends_with("commits would wait while pg2 is away"), "{first}");
    assert!(second.ends_with("commits would wait while pg3 is away"), "{second}");
    // One of two is enough.
    world.setting("synchronous_standby_names", "ANY 1 (pg2, pg3)");
    play::plan(&world, &spec, &world::restart(&["pg2", "pg3"], false));
}

#[test]
fn the_only_member_is_restarted_in_place_or_not_at_all() {
    let (mut world, mut spec) = world::cluster(2, 0, &[]);
    world.host("h2").nodes.clear();
    world.registered.retain(|row| row.name == "pg1");
    world.slots.clear();
    spec.nodes.retain(|node| node.node == "pg1");
    let refusals = refused(&world, &spec, &[], false);
    let [one] = refusals.as_slice() else { panic!("{refusals:#?}") };
    assert_eq!(one.code, "PG-32");
    assert!(one.value.contains("--in-place"), "{}", one.value);
    let plan = play::plan(&world, &spec, &world::restart(&[], true));
    play::steps(&mut world, &mut spec, &plan, plan.steps.len());
    assert_eq!(servers(&plan), ["-pg1", "+pg1"]);
}

#[test]
fn what_nobody_can_mean_is_refused() {
    let (mut world, spec) = world::cluster(3, 0, &[]);
    let codes = |refusals: Vec<Refusal>| -> Vec<String> {
        refusals.into_iter().map(|one| one.code).collect()
    };
    assert_eq!(codes(refused(&world, &spec, &["pg2"], true)), ["PG-01"]);
    assert_eq!(codes(refused(&world, &spec, &["pg9"], false)), ["PG-01"]);
    assert_eq!(codes(refused(&world, &spec, &["pg2", "pg2"], false)), ["PG-01"]);
    world.disconnected.insert("pg3".to_owned());
    assert!(codes(refused(&world, &spec, &["pg2"], false)).contains(&"PG-05".to_owned()));
}
