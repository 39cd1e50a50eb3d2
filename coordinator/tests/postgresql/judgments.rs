//! Conditions and probes where something is missing: what could not be read is unknown.

use bellows::{
    plan::{Probe, Systems as _, Verdict},
    systems::AllSystems,
};
use bellows_proto::v1::{
    Action, Condition, Observation, PostgresqlMember, PostgresqlReading, ServiceState, Spec,
    observation, postgresql_member, postgresql_reading, spec_change,
};

use crate::{
    play::{self, acts},
    world::{self, Data, Service, World},
};

fn member<'a>(observation: &'a mut Observation, node: &str) -> &'a mut PostgresqlMember {
    let Some(observation::System::Postgresql(seen)) = &mut observation.system else {
        panic!("no members")
    };
    seen.members.iter_mut().find(|member| member.node == node).unwrap()
}

fn reading<'a>(observation: &'a mut Observation, node: &str) -> &'a mut PostgresqlReading {
    match &mut member(observation, node).outcome {
        Some(postgresql_member::Outcome::Reading(reading)) => reading,
        other => panic!("{other:?}"),
    }
}

fn all_conditions(plan: &bellows_proto::v1::Plan) -> Vec<Condition> {
    use bellows_proto::v1::step::Kind;
    let mut all: Vec<Condition> = plan.premises.iter().chain(&plan.invariants).cloned().collect();
    for step in &plan.steps {
        match step.kind.as_ref().unwrap() {
            Kind::Check(check) => all.extend(check.conditions.iter().cloned()),
            Kind::Wait(wait) => all.extend(wait.conditions.iter().cloned()),
            Kind::Group(group) => all.extend(group.checks.iter().cloned()),
            Kind::Act(_) => {}
        }
        all.extend(acts(step).into_iter().flat_map(|act| act.requires.iter().cloned()));
    }
    all
}

fn all_actions(plan: &bellows_proto::v1::Plan) -> Vec<Action> {
    let acts: Vec<_> = plan.steps.iter().flat_map(acts).collect();
    let undo = acts.iter().flat_map(|act| &act.undo);
    acts.iter().copied().chain(undo).map(|act| act.action.clone().unwrap()).collect()
}

#[test]
fn of_silence_nothing_is_known() {
    let (world, spec) = world::cluster(3, 1, &[]);
    let expand = play::plan(&world, &spec, &world::expand(&[("pg4", "h4")], &[]));
    let shrink = play::plan(&world, &spec, &world::shrink(&["pg3"], &[]));
    let mut silent = world.clone();
    silent.hosts.values_mut().for_each(|host| host.answers = false);
    for plan in [expand, shrink] {
        let observation = silent.observe(&spec, plan.intent.as_ref());
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
            assert!(!matches!(verdict, Verdict::NotYet { .. }), "{condition:?}: {verdict:?}");
        }
    }
}

#[test]
fn empty_messages_are_errors() {
    let observation = Observation::default();
    assert!(matches!(
        AllSystems::default().check(&Condition::default(), &observation),
        Verdict::Refused(_)
    ));
    assert!(matches!(
        AllSystems::default().probe(&Action::default(), &observation),
        Probe::Unknown(_)
    ));
}

/// The clone's probe in a cluster of two whose pg3 on h3 is being made.
fn clone_probe(change: impl FnOnce(&mut PostgresqlReading), slot: bool) -> Probe {
    let (mut world, mut spec) = world::cluster(2, 1, &[]);
    let intent = world::expand(&[("pg3", "h3")], &[]);
    let plan = play::plan(&world, &spec, &intent);
    let group = plan.steps.iter().position(|step| step.title.starts_with("clone")).unwrap();
    play::steps(&mut world, &mut spec, &plan, group);
    if slot {
        world.slots.insert("repmgr_slot_3".to_owned());
    }
    let mut observation = world.observe(&spec, Some(&intent));
    change(reading(&mut observation, "pg3"));
    AllSystems::default().probe(acts(&plan.steps[group])[0].action.as_ref().unwrap(), &observation)
}

#[test]
fn a_clone_is_done_only_when_the_copy_is_whole() {
    use bellows_proto::v1::DirectoryState::{Absent, Occupied, Unspecified};
    assert_eq!(clone_probe(|_| {}, false), Probe::NotDone);
    assert!(matches!(
        clone_probe(|reading| reading.set_data_directory(Absent), true),
        Probe::Partial(_)
    ));
    assert!(matches!(
        clone_probe(|reading| reading.set_data_directory(Unspecified), true),
        Probe::Unknown(_)
    ));
    // pg_basebackup was killed: no control file yet.
    assert!(matches!(
        clone_probe(|reading| reading.set_data_directory(Occupied), true),
        Probe::Partial(_)
    ));
    let copied = |reading: &mut PostgresqlReading, identity: &str, configured: bool| {
        reading.set_data_directory(Occupied);
        reading.system_identifier = identity.to_owned();
        reading.control_state = "in production".to_owned();
        reading.standby_configured = Some(configured);
    };
    // The backup ended, repmgr did not get to its end.
    assert!(matches!(
        clone_probe(|reading| copied(reading, world::SYSTEM_ID, false), true),
        Probe::Partial(_)
    ));
    assert!(matches!(clone_probe(|reading| copied(reading, "42", true), true), Probe::Partial(_)));
    assert_eq!(clone_probe(|reading| copied(reading, world::SYSTEM_ID, true), true), Probe::Done);
}

#[test]
fn a_server_that_hangs_may_be_a_primary() {
    let (world, spec) = world::cluster(3, 0, &[]);
    let plan = play::plan(&world, &spec, &world::shrink(&["pg3"], &[]));
    let primary_is = plan.invariants[0].clone();
    let hung = |state: ServiceState, control: &str| {
        let mut observation = world.observe(&spec, None);
        let reading = reading(&mut observation, "pg2");
        reading.server =
            Some(postgresql_reading::Server::Down(bellows_proto::v1::Fault::default()));
        reading.server_service.as_mut().unwrap().set_state(state);
        reading.control_state = control.to_owned();
        AllSystems::default().check(&primary_is, &observation)
    };
    assert!(matches!(hung(ServiceState::Running, "in production"), Verdict::Unknown(_)));
    assert!(matches!(hung(ServiceState::Unspecified, ""), Verdict::Unknown(_)));
    assert_eq!(hung(ServiceState::Stopped, "in production"), Verdict::Holds);
    assert_eq!(hung(ServiceState::Running, "in archive recovery"), Verdict::Holds);
}

#[test]
fn a_failover_ends_the_invariants() {
    let (mut world, spec) = world::cluster(3, 1, &[]);
    let plan = play::plan(&world, &spec, &world::expand(&[("pg4", "h4")], &[]));
    world.node("pg1").server = Service::default();
    world.node("pg2").data = Data::Primary;
    let observation = world.observe(&spec, plan.intent.as_ref());
    let Verdict::Refused(reason) = AllSystems::default().check(&plan.invariants[0], &observation)
    else {
        panic!("holds")
    };
    assert_eq!(reason, "pg2 is primary, not pg1");
}

#[test]
fn a_lagging_standby_is_measured() {
    let (world, spec) = world::cluster(2, 1, &[]);
    let intent = world::expand(&[("pg3", "h3")], &[]);
    let plan = play::plan(&world, &spec, &intent);
    let wait = plan.steps.iter().find(|step| step.title.contains("streams from")).unwrap();
    let Some(bellows_proto::v1::step::Kind::Wait(wait)) = &wait.kind else { panic!("no wait") };
    let mut world = world;
    let mut spec = spec;
    play::steps(&mut world, &mut spec, &plan, plan.steps.len());
    let mut observation = world.observe(&spec, Some(&intent));
    let Some(postgresql_reading::Server::Up(server)) = &mut reading(&mut observation, "pg1").server
    else {
        panic!("down")
    };
    let sender = server.senders.iter_mut().find(|sender| sender.application_name == "pg3").unwrap();
    (sender.state, sender.lag_bytes) = ("catchup".to_owned(), Some(1 << 30));
    match AllSystems::default().check(&wait.conditions[0], &observation) {
        Verdict::NotYet { reason, progress: Some(progress) } => {
            assert_eq!(reason, "pg3 is 1073741824 bytes behind pg1 (catchup)");
            assert_eq!((progress.done, progress.unit.as_str()), (1 << 30, "bytes behind"));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn status_shows_members_and_problems() {
    let (mut world, spec) = world::cluster(3, 0, &[]);
    world.host("h3").answers = false;
    world.node("pg2").repmgrd = Service::default();
    let description = AllSystems::default().describe(&spec, &world.observe(&spec, None));
    let rows: Vec<String> = description
        .members
        .iter()
        .map(|row| {
            format!("{} {} {} {} {}", row.node, row.role, row.state, row.detail, row.healthy)
        })
        .collect();
    insta::assert_snapshot!(format!("{}\n--\n{}", rows.join("\n"), description.problems.join("\n")), @r"
    pg1 primary running id 1, PostgreSQL 15.18 (Debian 15.18-0+deb12u1) true
    pg2 standby streaming id 2, lag 0 bytes false
    pg3  unknown h3 did not answer for pg3: connection refused false
    --
    h3 did not answer for pg3: connection refused
    pg2: no failover: repmgrd is stopped
    ");
}

/// A host that is named dead and answers all the same: before it is forgotten that is another
/// picture, afterwards its tombstone is awaited.
#[test]
fn a_dead_host_that_comes_back_is_waited_for_until_it_has_its_tombstone() {
    let (mut world, mut spec) = world::cluster(3, 1, &[]);
    world.dies("h3");
    let intent = world::replace("pg3", ("pg4", "h4"), true, &[]);
    let plan = play::plan(&world, &spec, &intent);
    let away = plan.invariants.get(1).unwrap();
    let judged = |world: &World, spec: &Spec| {
        AllSystems::default().check(away, &world.observe(spec, plan.intent.as_ref()))
    };
    assert_eq!(judged(&world, &spec), Verdict::Holds);
    let mut back = world.clone();
    back.host("h3").answers = true;
    assert!(matches!(judged(&back, &spec), Verdict::Refused(_)));
    let forgotten = plan.steps.iter().position(|step| {
        step.spec_change
            .as_ref()
            .is_some_and(|change| matches!(change.kind, Some(spec_change::Kind::RemoveNode(_))))
    });
    play::steps(&mut world, &mut spec, &plan, forgotten.unwrap() + 1);
    assert_eq!(judged(&world, &spec), Verdict::Holds);
    world.host("h3").answers = true;
    assert!(matches!(judged(&world, &spec), Verdict::Unknown(_)));
    world.node("pg3").tombstone = true;
    assert_eq!(judged(&world, &spec), Verdict::Holds);
}

/// A removal that was cut short leaves a file that is neither there nor forgotten: writing anew
/// would be refused for ever, so it is to be taken back first.
#[test]
fn a_file_that_is_half_taken_back_is_something() {
    let (mut world, spec) = world::cluster(2, 1, &[]);
    let plan = play::plan(&world, &spec, &world::expand(&[("pg3", "h3")], &[]));
    let write = |act: &&bellows_proto::v1::Act| act.summary == "write configuration and services";
    let act = plan.steps.iter().flat_map(acts).find(write).unwrap();
    let claim = plan.steps.iter().flat_map(acts).next().unwrap();
    world.apply(&claim.host, claim.action.as_ref().unwrap());
    let probe = |world: &World| {
        let seen = world.observe(&spec, plan.intent.as_ref());
        AllSystems::default().probe(act.action.as_ref().unwrap(), &seen)
    };
    assert_eq!(probe(&world), Probe::NotDone);
    world.node("pg3").changed_file = true;
    assert!(matches!(probe(&world), Probe::Partial(what) if what.contains("pg_hba.conf")));
}
