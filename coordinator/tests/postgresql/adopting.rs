//! Clusters that somebody else built: taken into care without a change, grown by members of Bellows' own,
//! and every reason not to.

use bellows::{plan::Systems as _, systems::AllSystems};
use bellows_proto::v1::{
    Intent, Plan, Refusal, RepmgrNode, Spec, action, host_action, spec_options,
};

use crate::{
    play, render,
    world::{self, World},
};

fn refused(world: &World, spec: &Spec, intent: &Intent) -> Vec<Refusal> {
    AllSystems::default().plan(spec, &world.observe(spec, Some(intent)), intent).unwrap_err()
}

pub fn from_three() -> Intent {
    world::adopt(&[("h1", 0), ("h2", 0), ("h3", 0)], &[])
}

/// pg1 (primary), pg2, and pg3 below pg2; a witness, and slots of a backup and of a stranger.
pub fn with_everything() -> (World, Spec) {
    let (mut world, spec) = world::foreign(3, 2);
    world.below.insert("pg3".to_owned(), "pg2".to_owned());
    let row = world.registered.iter_mut().find(|row| row.name == "pg3").unwrap();
    row.upstream_id = 2;
    world.registered.push(witness());
    world.slots.insert("backup".to_owned());
    world.node("pg2").kept_slots.insert("archive".to_owned());
    (world, spec)
}

/// repmgr's record of one.
pub fn witness() -> RepmgrNode {
    RepmgrNode {
        node_id: 9,
        name: "watcher".to_owned(),
        upstream_id: 1,
        active: true,
        kind: "witness".to_owned(),
        slot: String::new(),
    }
}

pub fn adopted() -> (World, Spec) {
    let (mut world, mut spec) = with_everything();
    let plan = play::plan(&world, &spec, &from_three());
    play::steps(&mut world, &mut spec, &plan, plan.steps.len());
    (world, spec)
}

/// What acts do besides records of the agents.
fn effects(plan: &Plan) -> Vec<String> {
    let acts = plan.steps.iter().flat_map(play::acts);
    let named = |act: &bellows_proto::v1::Act| match act.action.as_ref()?.kind.as_ref()? {
        action::Kind::Host(action) => match action.kind.as_ref()? {
            host_action::Kind::ClaimNode(_) | host_action::Kind::ClaimResource(_) => None,
            other => Some(format!("{other:?}")),
        },
        _ => Some(format!("{} at {}", act.summary, act.host)),
    };
    acts.filter_map(named).collect()
}

#[test]
fn adopt_three() {
    let (world, spec) = with_everything();
    insta::assert_snapshot!(render::plan(&play::plan(&world, &spec, &from_three())));
}

#[test]
fn nothing_is_changed_and_everything_is_understood() {
    let (before, blank) = with_everything();
    let plan = play::plan(&before, &blank, &from_three());
    assert_eq!(effects(&plan), Vec::<String>::new());
    let (mut world, mut spec) = (before.clone(), blank.clone());
    play::steps(&mut world, &mut spec, &plan, plan.steps.len());
    assert_eq!(spec.nodes.len(), 3);
    assert_eq!(spec.highest_id, 3);
    let Some(spec_options::System::Postgresql(options)) = spec.options.clone().unwrap().system
    else {
        panic!("no options")
    };
    assert_eq!(options.min_members, 3);
    assert_eq!(options.foreign_slots, ["archive", "backup"]);
    let end = world.observe(&spec, plan.intent.as_ref());
    assert_eq!(
        AllSystems::default().drift(plan.prediction.as_ref().unwrap(), &end),
        Vec::<String>::new()
    );
    // Neither the witness nor a stranger's slot is a problem.
    let told = AllSystems::default().describe(&spec, &world.observe(&spec, None));
    assert_eq!(told.problems, Vec::<String>::new());
    assert!(told.members.iter().all(|row| row.healthy && row.detail.ends_with(", adopted")));
    // And back.
    play::undo(&mut world, &mut spec, &plan, plan.steps.len());
    assert_eq!(world, before);
}

/// Of a cluster that was forgotten the hosts have records still.
#[test]
fn a_forgotten_cluster_is_taken_up_again() {
    let (world, _) = adopted();
    let blank = bellows::spec::blank(world::CLUSTER, bellows_proto::v1::System::Postgresql);
    let plan = play::plan(&world, &blank, &from_three());
    assert_eq!(plan.after.len(), 3);
}

#[test]
fn a_new_member_joins_and_leaves_again() {
    let (mut world, mut spec) = adopted();
    world.setting("max_worker_processes", "16");
    world.tablespaces = vec!["fast".to_owned()];
    let before = world.clone();
    let plan = play::plan(&world, &spec, &world::expand(&[("pg4", "h4")], &[]));
    assert!(effects(&plan).iter().all(|effect| effect.ends_with(" at h4")), "{:?}", effects(&plan));
    insta::assert_snapshot!(render::plan(&plan));
    let (mut undone, mut undone_spec) = (world.clone(), spec.clone());
    play::steps(&mut undone, &mut undone_spec, &plan, plan.steps.len());
    play::undo(&mut undone, &mut undone_spec, &plan, plan.steps.len());
    assert_eq!(undone.registered, before.registered);
    play::steps(&mut world, &mut spec, &plan, plan.steps.len());
    let end = world.observe(&spec, plan.intent.as_ref());
    assert_eq!(
        AllSystems::default().drift(plan.prediction.as_ref().unwrap(), &end),
        Vec::<String>::new()
    );
    // What Bellows made it takes away; the slots of others stay.
    let plan = play::plan(&world, &spec, &world::shrink(&["pg4"], &[]));
    assert!(plan.notes.iter().any(|note| note.text.contains("by hand")), "{:?}", plan.notes);
    play::steps(&mut world, &mut spec, &plan, plan.steps.len());
    assert_eq!(world.slots, before.slots);
    assert_eq!(world.registered, before.registered);
}

/// Three adopted members, all of them below the primary; a spare host, and a stranger's slot.
pub fn flat() -> (World, Spec) {
    let (mut world, mut spec) = world::foreign(3, 1);
    world.slots.insert("backup".to_owned());
    let wanted = world::adopt(&[("h1", 0), ("h2", 0), ("h3", 0)], &[("min_members", "2")]);
    let plan = play::plan(&world, &spec, &wanted);
    play::steps(&mut world, &mut spec, &plan, plan.steps.len());
    (world, spec)
}

/// Every verb that stops what somebody else made: to its end, which is as predicted, and back from
/// wherever there is a way back.
#[test]
fn adopted_members_are_moved_stopped_and_replaced() {
    let verbs: [(&str, Intent); 7] = [
        ("replace of a dead one", world::replace("pg3", ("pg4", "h4"), true, &[])),
        ("switchover", world::switchover("pg2")),
        ("restart", world::restart(&[], false)),
        ("restart in place", world::restart(&[], true)),
        ("shrink", world::shrink(&["pg3"], &[])),
        ("shrink of the primary", world::shrink(&["pg1"], &[])),
        ("replace", world::replace("pg3", ("pg4", "h4"), false, &[])),
    ];
    for (title, intent) in verbs {
        let (mut start, first_spec) = flat();
        if title == "replace of a dead one" {
            start.dies("h3");
        }
        let plan = play::plan(&start, &first_spec, &intent);
        let written = effects(&plan).into_iter().find(|effect| {
            let theirs = ["h1", "h2", "h3"].iter().any(|host| effect.ends_with(host));
            theirs && (effect.contains("configuration") || effect.contains("pg_hba"))
        });
        assert_eq!(written, None, "{title}");
        let (mut world, mut spec) = (start.clone(), first_spec.clone());
        play::steps(&mut world, &mut spec, &plan, plan.steps.len());
        let end = world.observe(&spec, plan.intent.as_ref());
        let drift = AllSystems::default().drift(plan.prediction.as_ref().unwrap(), &end);
        assert_eq!(drift, Vec::<String>::new(), "{title}");
        assert!(world.slots.contains("backup") || world.node("pg1").kept_slots.contains("backup"));
        // All steps before the point of no return.
        let no_return = usize::try_from(plan.point_of_no_return).unwrap();
        let upto = if no_return == 0 { plan.steps.len() } else { no_return - 1 };
        let (mut back, mut back_spec) = (start.clone(), first_spec.clone());
        play::steps(&mut back, &mut back_spec, &plan, upto);
        play::undo(&mut back, &mut back_spec, &plan, upto);
        assert_eq!(back.registered, start.registered, "{title}");
        assert_eq!(back_spec.nodes, first_spec.nodes, "{title}");
        for name in ["pg1", "pg2", "pg3"] {
            let (now, before) = (back.node(name).clone(), start.clone().node(name).clone());
            assert_eq!((now.server, now.repmgrd), (before.server, before.repmgrd), "{title}");
        }
    }
}

#[test]
fn switchover_of_adopted() {
    let (world, spec) = flat();
    insta::assert_snapshot!(render::plan(&play::plan(&world, &spec, &world::switchover("pg2"))));
}

#[test]
fn shrink_of_adopted() {
    let (world, spec) = flat();
    insta::assert_snapshot!(render::plan(&play::plan(
        &world,
        &spec,
        &world::shrink(&["pg3"], &[])
    )));
}

#[test]
fn two_are_a_cluster_and_one_may_grow() {
    for members in [1, 2] {
        let (mut world, mut spec) = world::foreign(2, 1);
        if members == 1 {
            world.host("h2").nodes.clear();
            world.registered.retain(|row| row.name == "pg1");
            world.slots.clear();
        }
        let from: Vec<(String, u32)> = (1..=members).map(|n| (format!("h{n}"), 5433)).collect();
        let from: Vec<(&str, u32)> =
            from.iter().map(|(host, port)| (host.as_str(), *port)).collect();
        let plan = play::plan(&world, &spec, &world::adopt(&from, &[]));
        play::steps(&mut world, &mut spec, &plan, plan.steps.len());
        let wanted = world::expand(&[("new", "h3")], &[]);
        let plan = play::plan(&world, &spec, &wanted);
        play::steps(&mut world, &mut spec, &plan, plan.steps.len());
        assert_eq!(spec.nodes.len(), members + 1);
    }
}

/// What is odd, what is wanted, and the rule that says no.
pub struct Case {
    title: &'static str,
    pub code: &'static str,
    odd: fn(&mut World),
    intent: fn() -> Intent,
}

fn nothing(_: &mut World) {}

const NO_UNIT: &str =
    "agent.toml does not name the unit that starts its repmgrd: write adopted = [...]";

/// Of a cluster that is not adopted yet.
pub const CASES: &[Case] = &[
    Case {
        title: "a host is named twice",
        code: "PG-01",
        odd: nothing,
        intent: || world::adopt(&[("h1", 0), ("h1", 0)], &[]),
    },
    Case {
        title: "a host is silent",
        code: "PG-02",
        odd: |world| world.host("h2").answers = false,
        intent: from_three,
    },
    Case {
        title: "two say that they are primary",
        code: "PG-04",
        odd: |world| world.node("pg2").data = world::Data::Primary,
        intent: from_three,
    },
    Case {
        title: "a standby does not stream",
        code: "PG-05",
        odd: |world| {
            world.disconnected.insert("pg2".to_owned());
        },
        intent: from_three,
    },
    Case {
        title: "a login file elsewhere",
        code: "PG-27",
        odd: |world| world.node("pg2").place.passfile = "/elsewhere".to_owned(),
        intent: from_three,
    },
    Case {
        title: "more members are wanted than there are",
        code: "PG-19",
        odd: nothing,
        intent: || world::adopt(&[("h1", 0), ("h2", 0), ("h3", 0)], &[("min_members", "4")]),
    },
    Case {
        title: "a host has no server that runs",
        code: "PG-60",
        odd: |world| world.node("pg2").server = world::Service::default(),
        intent: from_three,
    },
    Case {
        title: "a host has no server on that port",
        code: "PG-60",
        odd: nothing,
        intent: || world::adopt(&[("h1", 0), ("h2", 5432), ("h3", 0)], &[]),
    },
    Case {
        title: "a host has several servers",
        code: "PG-60",
        odd: |world| {
            let mut other = world.node("pg2").clone();
            other.place.port = 5434;
            other.place.data_dir.push_str("-other");
            world.host("h2").nodes.insert("other".to_owned(), other);
        },
        intent: from_three,
    },
    Case {
        title: "a server cannot be adopted",
        code: "PG-61",
        odd: |world| world.host("h2").obstacle = "its data belong to dba",
        intent: from_three,
    },
    Case {
        title: "repmgr was never set up",
        code: "PG-61",
        odd: |world| world.repmgr_database = false,
        intent: from_three,
    },
    Case {
        title: "root has not allowed it",
        code: "PG-62",
        odd: |world| world.host("h3").declared = false,
        intent: from_three,
    },
    Case {
        title: "another cluster's server",
        code: "PG-63",
        odd: |world| world.host("h3").identifier = "7300000000000000009",
        intent: from_three,
    },
    Case {
        title: "repmgr.conf says another id than repmgr's records",
        code: "PG-63",
        odd: |world| world.node("pg3").place.node_id = 8,
        intent: from_three,
    },
    Case {
        title: "a member's host is not named",
        code: "PG-64",
        odd: nothing,
        intent: || world::adopt(&[("h1", 0), ("h3", 0)], &[]),
    },
];

/// Of an adopted cluster.
const LATER: &[Case] = &[
    Case {
        title: "an adopted member does not let the new one in",
        code: "PG-65",
        odd: |world| {
            world.let_in_by_hand.remove("10.0.0.4");
        },
        intent: || world::expand(&[("pg4", "h4")], &[]),
    },
    Case {
        title: "root names no unit of an adopted member that leaves",
        code: "PG-66",
        odd: |world| world.host("h3").left_alone = NO_UNIT,
        intent: || world::shrink(&["pg3"], &[]),
    },
    Case {
        title: "... of one that is replaced",
        code: "PG-66",
        odd: |world| world.host("h3").left_alone = NO_UNIT,
        intent: || world::replace("pg3", ("pg4", "h4"), false, &[]),
    },
    Case {
        title: "... of one whose repmgrd is started anew",
        code: "PG-66",
        odd: |world| world.host("h3").left_alone = NO_UNIT,
        intent: || world::switchover("pg2"),
    },
    Case {
        title: "... of one that is restarted",
        code: "PG-66",
        odd: |world| world.host("h2").left_alone = NO_UNIT,
        intent: || world::restart(&["pg2"], false),
    },
    Case {
        title: "an adopted member's data are to go",
        code: "PG-67",
        odd: nothing,
        intent: || world::shrink(&["pg3"], &[("data", "wipe")]),
    },
    Case {
        title: "an adopted member is replaced and its data are to go",
        code: "PG-67",
        odd: nothing,
        intent: || world::replace("pg3", ("pg4", "h4"), false, &[("data", "wipe")]),
    },
    Case {
        title: "an adopted member streams without a slot",
        code: "PG-67",
        odd: |world| {
            let row = world.registered.iter_mut().find(|row| row.name == "pg3").unwrap();
            row.slot.clear();
        },
        intent: || world::switchover("pg2"),
    },
];

/// The rules that only an adopted cluster breaks.
pub fn later() -> impl Iterator<Item = &'static str> {
    LATER.iter().map(|case| case.code)
}

fn said(cases: &[Case], (start, spec): (World, Spec)) -> String {
    let mut text = String::new();
    for case in cases {
        let mut world = start.clone();
        (case.odd)(&mut world);
        let refusals = refused(&world, &spec, &(case.intent)());
        let found = refusals.iter().any(|refusal| refusal.code == case.code);
        assert!(found, "{}: {refusals:#?}", case.title);
        text.push_str(&format!("# {}\n{}\n", case.title, render::refusals(&refusals)));
    }
    text
}

#[test]
fn every_reason_not_to_adopt() {
    insta::assert_snapshot!(said(CASES, with_everything()));
}

#[test]
fn what_is_not_done_to_adopted_members() {
    insta::assert_snapshot!(said(LATER, adopted()));
}
