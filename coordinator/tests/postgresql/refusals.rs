//! Every guard says no at least once, with rule, value and remedy.

use std::collections::BTreeSet;

use bellows::{plan::Systems as _, spec, systems::AllSystems};
use bellows_proto::v1::{Intent, Refusal, Spec, System};

use crate::{
    render,
    world::{self, CLUSTER, Data, Service, World},
};

fn refused(world: &World, spec: &Spec, intent: &Intent) -> Vec<Refusal> {
    let observation = world.observe(spec, Some(intent));
    match AllSystems::default().plan(spec, &observation, intent) {
        Ok(plan) => {
            panic!("planned: {:?}", plan.steps.iter().map(|step| &step.title).collect::<Vec<_>>())
        }
        Err(refusals) => refusals,
    }
}

/// A case: what is odd, what is wanted, and the rule that says no.
struct Case {
    title: &'static str,
    code: &'static str,
    odd: fn(&mut World),
    intent: fn() -> Intent,
}

fn one_more() -> Intent {
    world::expand(&[("pg4", "h4")], &[])
}

fn one_less() -> Intent {
    world::shrink(&["pg3"], &[])
}

fn nothing(_: &mut World) {}

/// On a healthy cluster pg1 (primary), pg2, pg3 with the spare hosts h4 and h5.
const CASES: &[Case] = &[
    Case {
        title: "no node named",
        code: "PG-01",
        odd: nothing,
        intent: || world::expand(&[], &[]),
    },
    Case {
        title: "bad and double names",
        code: "PG-01",
        odd: nothing,
        intent: || world::expand(&[("PG 4", "h4"), ("pg5", "h5"), ("pg5", "h5")], &[]),
    },
    Case {
        title: "a stranger leaves",
        code: "PG-01",
        odd: nothing,
        intent: || world::shrink(&["pg9"], &[]),
    },
    Case {
        title: "the new host is silent",
        code: "PG-02",
        odd: |world| world.host("h4").answers = false,
        intent: one_more,
    },
    Case {
        title: "the new host may only be observed",
        code: "PG-24",
        odd: |world| world.host("h4").mode = "observe",
        intent: one_more,
    },
    Case {
        title: "a member's host may only be observed",
        code: "PG-24",
        odd: |world| world.host("h2").mode = "observe",
        intent: one_less,
    },
    Case {
        title: "the host of the next primary may only be observed",
        code: "PG-24",
        odd: |world| world.host("h2").mode = "observe",
        intent: || world::switchover(""),
    },
    Case {
        title: "the host of a server that is restarted may only be observed",
        code: "PG-24",
        odd: |world| world.host("h2").mode = "observe",
        intent: || world::restart(&["pg2"], false),
    },
    Case {
        title: "the host that stays may only be observed",
        code: "PG-24",
        odd: |world| world.host("h2").mode = "observe",
        intent: || world::replace("pg3", ("pg4", "h4"), false, &[]),
    },
    Case {
        title: "the new host is not enrolled",
        code: "PG-02",
        odd: nothing,
        intent: || world::expand(&[("pg4", "h9")], &[]),
    },
    Case {
        title: "a member's host is silent",
        code: "PG-02",
        odd: |world| world.host("h3").answers = false,
        intent: one_less,
    },
    Case {
        title: "a vacancy is not answered",
        code: "PG-03",
        odd: |world| world.host("h4").vacancy_answers = false,
        intent: one_more,
    },
    Case {
        title: "an answer is too slow for the clock",
        code: "PG-03",
        odd: |world| world.host("h4").answer_ms = 4900,
        intent: one_more,
    },
    Case {
        title: "a setting was not read",
        code: "PG-03",
        odd: |world| drop(world.settings.remove("max_wal_senders")),
        intent: one_more,
    },
    Case {
        title: "a synchronous setting that is not understood",
        code: "PG-03",
        odd: |world| world.setting("synchronous_standby_names", "MOST (pg2"),
        intent: one_less,
    },
    Case {
        title: "two primaries",
        code: "PG-04",
        odd: |world| world.node("pg2").data = Data::Primary,
        intent: one_more,
    },
    Case {
        title: "no primary",
        code: "PG-04",
        odd: |world| world.node("pg1").server = Service::default(),
        intent: one_more,
    },
    Case {
        title: "a standby is down",
        code: "PG-05",
        odd: |world| world.node("pg2").server = Service::default(),
        intent: one_more,
    },
    Case {
        title: "a standby does not stream",
        code: "PG-05",
        odd: |world| world.disconnected = ["pg2".to_owned()].into(),
        intent: one_less,
    },
    Case {
        title: "repmgrd does not run",
        code: "PG-05",
        odd: |world| world.node("pg2").repmgrd = Service::default(),
        intent: one_less,
    },
    Case {
        title: "a ghost in repmgr.nodes",
        code: "PG-05",
        odd: |world| world.registered[2].name = "ghost".into(),
        intent: one_less,
    },
    Case {
        title: "another major version",
        code: "PG-06",
        odd: |world| world.host("h4").postgres = "postgres (PostgreSQL) 16.2",
        intent: one_more,
    },
    Case {
        title: "another repmgr",
        code: "PG-06",
        odd: |world| world.host("h4").repmgr = "repmgr 5.4.1",
        intent: one_more,
    },
    Case {
        title: "another architecture",
        code: "PG-07",
        odd: |world| world.host("h4").architecture = "aarch64",
        intent: one_more,
    },
    Case {
        title: "an older C library",
        code: "PG-08",
        odd: |world| world.host("h4").c_library = "glibc 2.31",
        intent: one_more,
    },
    Case {
        title: "a collation that moved",
        code: "PG-09",
        odd: |world| world.created_with = "2.31",
        intent: one_more,
    },
    Case {
        title: "wal_level minimal",
        code: "PG-10",
        odd: |world| world.setting("wal_level", "minimal"),
        intent: one_more,
    },
    Case {
        title: "several wrong settings",
        code: "PG-10",
        odd: |world| {
            world.setting("hot_standby", "off");
            world.setting("wal_log_hints", "off");
            world.setting("data_checksums", "off");
            world.setting("shared_preload_libraries", "pg_stat_statements");
        },
        intent: one_less,
    },
    Case {
        title: "too few WAL senders",
        code: "PG-11",
        odd: |world| world.setting("max_wal_senders", "3"),
        intent: one_more,
    },
    Case {
        title: "too few slots",
        code: "PG-12",
        odd: |world| world.setting("max_replication_slots", "2"),
        intent: one_more,
    },
    Case {
        title: "too little disk",
        code: "PG-13",
        odd: |world| world.host("h4").free_bytes = 4 << 30,
        intent: one_more,
    },
    Case {
        title: "the data directory is somebody's",
        code: "PG-14",
        odd: |world| world.host("h4").occupied = true,
        intent: one_more,
    },
    Case {
        title: "the port is taken",
        code: "PG-15",
        odd: |world| world.host("h4").port_holder = "something listens on 10.0.0.4:5432",
        intent: one_more,
    },
    Case {
        title: "the name is a member's",
        code: "PG-16",
        odd: nothing,
        intent: || world::expand(&[("pg2", "h4")], &[]),
    },
    Case {
        title: "a service of that name",
        code: "PG-16",
        odd: |world| world.host("h4").service_holder = "unit bellows-orders-pg4-server.service",
        intent: one_more,
    },
    Case {
        title: "claimed by another",
        code: "PG-17",
        odd: |world| world.host("h4").vacancy_claimed_by = "operation 0192",
        intent: one_more,
    },
    Case {
        title: "a clock is ahead",
        code: "PG-18",
        odd: |world| world.host("h4").clock_ahead_ms = 2500,
        intent: one_more,
    },
    Case {
        title: "a clock is behind",
        code: "PG-18",
        odd: |world| world.host("h2").clock_ahead_ms = -60_000,
        intent: one_less,
    },
    Case {
        title: "below two members",
        code: "PG-19",
        odd: nothing,
        intent: || world::shrink(&["pg2", "pg3"], &[]),
    },
    Case {
        title: "commits would wait for ever",
        code: "PG-20",
        odd: |world| world.setting("synchronous_standby_names", "FIRST 2 (pg2, pg3)"),
        intent: one_less,
    },
    Case {
        title: "a leftover slot",
        code: "PG-21",
        odd: |world| world.slots.extend(["backup_tool".to_owned()]),
        intent: one_more,
    },
    Case {
        title: "a standby below the leaving one",
        code: "PG-22",
        odd: |world| {
            world.registered[1].upstream_id = 3;
            world.below.insert("pg2".into(), "pg3".into());
        },
        intent: one_less,
    },
    Case {
        title: "the leaving one follows another standby",
        code: "PG-31",
        odd: |world| world.registered[2].upstream_id = 2,
        intent: one_less,
    },
    Case {
        title: "the primary is replaced, and nobody can take over",
        code: "PG-32",
        odd: |world| {
            world.node("pg2").replay_paused = true;
            world.node("pg3").replay_paused = true;
        },
        intent: || world::replace("pg1", ("pg4", "h4"), false, &[]),
    },
    Case {
        title: "the primary is replaced, and the next one has no slot left for the newcomer",
        code: "PG-12",
        odd: |world| {
            world.setting("max_replication_slots", "3");
            // One for pg3 would do.
            world.node("pg2").kept_slots = ["a".to_owned(), "b".to_owned()].into_iter().collect();
        },
        intent: || world::replace("pg1", ("pg4", "h4"), false, &[]),
    },
    Case {
        title: "the primary's role, to a standby that does not replay",
        code: "PG-32",
        odd: |world| world.node("pg2").replay_paused = true,
        intent: || world::switchover("pg2"),
    },
    Case {
        title: "the primary's role, with a standby below another one",
        code: "PG-33",
        odd: |world| {
            world.registered[2].upstream_id = 2;
            world.below.insert("pg3".into(), "pg2".into());
        },
        intent: || world::switchover("pg2"),
    },
    Case {
        title: "a host that does not list postgresql",
        code: "PG-24",
        odd: |world| world.host("h4").allowed = false,
        intent: one_more,
    },
    Case {
        title: "a host that only observes",
        code: "PG-24",
        odd: |world| world.host("h4").mode = "observe",
        intent: one_more,
    },
    Case {
        title: "two members on one host",
        code: "PG-25",
        odd: nothing,
        intent: || world::expand(&[("pg4", "h4"), ("pg5", "h4"), ("pg6", "h1")], &[]),
    },
    Case {
        title: "another login file",
        code: "PG-27",
        odd: |world| world.host("h4").passfile = "/root/pgpass",
        intent: one_more,
    },
    Case {
        title: "repmgr is not installed",
        code: "PG-28",
        odd: |world| world.host("h4").repmgr = "",
        intent: one_more,
    },
    Case {
        title: "a host that is named dead answers",
        code: "PG-40",
        odd: nothing,
        intent: || world::replace("pg3", ("pg4", "h4"), true, &[]),
    },
    Case {
        title: "only the agent of a host that is named dead is silent",
        code: "PG-41",
        odd: |world| world.host("h3").answers = false,
        intent: || world::replace("pg3", ("pg4", "h4"), true, &[]),
    },
    Case {
        title: "a dead host that is not named dead",
        code: "PG-02",
        odd: |world| world.dies("h3"),
        intent: || world::replace("pg3", ("pg4", "h4"), false, &[]),
    },
    Case {
        title: "a dead host wipes nothing",
        code: "PG-01",
        odd: |world| world.dies("h3"),
        intent: || world::replace("pg3", ("pg4", "h4"), true, &[("data", "wipe")]),
    },
    Case {
        title: "a stranger is replaced",
        code: "PG-01",
        odd: nothing,
        intent: || world::replace("pg9", ("pg4", "h4"), false, &[]),
    },
    Case {
        title: "a second member is silent",
        code: "PG-02",
        odd: |world| {
            world.dies("h3");
            world.dies("h2");
        },
        intent: || world::replace("pg3", ("pg4", "h4"), true, &[]),
    },
    Case {
        title: "by more than there are standbys",
        code: "PG-01",
        odd: nothing,
        intent: || world::shrink_by(3),
    },
    Case {
        title: "by a number below the minimum",
        code: "PG-19",
        odd: nothing,
        intent: || world::shrink_by(2),
    },
    Case {
        title: "more clients than those who stay can take",
        code: "PG-50",
        odd: |world| {
            world.connect("pg1", "web", 90);
            world.connect("pg2", "web", 90);
            world.connect("pg3", "report", 40);
        },
        intent: one_less,
    },
    Case {
        title: "the primary's role moves to one that is full",
        code: "PG-50",
        odd: |world| {
            world.connect("pg1", "web", 60);
            world.connect("pg2", "report", 60);
        },
        intent: || world::switchover("pg2"),
    },
    Case {
        title: "who is connected may not be seen",
        code: "PG-50",
        odd: |world| world.hidden_sessions = 5,
        intent: one_less,
    },
    Case {
        title: "a hard guard is not accepted",
        code: "PG-01",
        odd: nothing,
        intent: || world::accepting(one_less(), "PG-05"),
    },
    Case {
        title: "the primary comes back",
        code: "PG-01",
        odd: nothing,
        intent: || world::rejoin("pg1", false),
    },
    Case {
        title: "a stranger comes back",
        code: "PG-01",
        odd: nothing,
        intent: || world::rejoin("pg9", true),
    },
    Case {
        title: "who follows comes back",
        code: "PG-01",
        odd: nothing,
        intent: || world::rejoin("pg3", false),
    },
    Case {
        title: "the host of the returning node is silent",
        code: "PG-02",
        odd: |world| {
            world.fails_over("pg1", "pg2", false);
            world.host("h1").answers = false;
        },
        intent: || world::rejoin("pg1", true),
    },
    Case {
        title: "the host of the returning node may only be observed",
        code: "PG-24",
        odd: |world| {
            world.fails_over("pg1", "pg2", false);
            world.host("h1").mode = "observe";
        },
        intent: || world::rejoin("pg1", false),
    },
    Case {
        title: "a crashed primary comes back",
        code: "PG-70",
        odd: |world| world.fails_over("pg1", "pg2", true),
        intent: || world::rejoin("pg1", false),
    },
    Case {
        title: "a second primary comes back",
        code: "PG-70",
        odd: |world| {
            world.fails_over("pg1", "pg2", false);
            world.starts_again("pg1");
        },
        intent: || world::rejoin("pg1", false),
    },
    Case {
        title: "a former primary that wrote more comes back",
        code: "PG-70",
        odd: |world| {
            world.fails_over("pg1", "pg2", false);
            world.node("pg1").beyond = 96;
        },
        intent: || world::rejoin("pg1", false),
    },
    Case {
        title: "a standby whose WAL is gone comes back",
        code: "PG-70",
        odd: |world| {
            world.disconnected.insert("pg3".into());
            world.slots.remove("repmgr_slot_3");
            world.oldest_wal = 0x400_0000;
        },
        intent: || world::rejoin("pg3", false),
    },
    Case {
        title: "the true primary comes back below the older one",
        code: "PG-71",
        odd: |world| {
            world.fails_over("pg1", "pg2", false);
            world.node("pg2").server = Service::default();
            world.starts_again("pg1");
        },
        intent: || world::rejoin("pg2", true),
    },
    Case {
        title: "the later of two primaries comes back",
        code: "PG-71",
        odd: |world| {
            world.fails_over("pg1", "pg2", false);
            world.starts_again("pg1");
        },
        intent: || world::rejoin("pg2", true),
    },
    Case {
        title: "who has a standby below it comes back",
        code: "PG-72",
        odd: |world| {
            world.disconnected.insert("pg2".into());
            world.registered[2].upstream_id = 2;
            world.below.insert("pg3".into(), "pg2".into());
        },
        intent: || world::rejoin("pg2", true),
    },
    Case {
        title: "data that were there before Bellows are not discarded",
        code: "PG-73",
        odd: |world| {
            world.fails_over("pg1", "pg2", true);
            world.node("pg1").foreign = true;
        },
        intent: || world::rejoin("pg1", true),
    },
    Case {
        title: "a file was changed by hand",
        code: "PG-29",
        odd: |world| world.node("pg2").changed_file = true,
        intent: one_more,
    },
];

#[test]
fn every_guard_says_no() {
    let (healthy, spec) = world::cluster(3, 2, &[]);
    let mut text = String::new();
    for case in CASES {
        let mut world = healthy.clone();
        (case.odd)(&mut world);
        let refusals = refused(&world, &spec, &(case.intent)());
        assert!(
            refusals.iter().any(|refusal| refusal.code == case.code),
            "{}: {refusals:#?}",
            case.title
        );
        for refusal in &refusals {
            let Refusal { code, rule, value, remedy, .. } = refusal;
            assert!([code, rule, value, remedy].iter().all(|part| !part.is_empty()), "{refusal:?}");
        }
        text.push_str(&format!("# {}\n{}\n", case.title, render::refusals(&refusals)));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn minimum_members_of_the_spec_count() {
    let (world, spec) = world::cluster(3, 0, &[("min_members", "3")]);
    let refusals = refused(&world, &spec, &world::shrink(&["pg3"], &[]));
    insta::assert_snapshot!(render::refusals(&refusals), @r"
    PG-19 minimum members: 2 members would be there, the minimum is 3
          remedy: remove fewer nodes, or expand the cluster first
    ");
}

#[test]
fn a_tombstone_keeps_its_name_on_its_host() {
    let (mut world, mut spec) = world::cluster(3, 1, &[]);
    let plan = crate::play::plan(&world, &spec, &world::shrink(&["pg3"], &[]));
    crate::play::steps(&mut world, &mut spec, &plan, plan.steps.len());
    let refusals = refused(&world, &spec, &world::expand(&[("pg3", "h3")], &[]));
    assert!(refusals.iter().any(|refusal| refusal.code == "PG-26"), "{refusals:#?}");
    // Elsewhere the name is free, and its id is a new one.
    let plan = crate::play::plan(&world, &spec, &world::expand(&[("pg3", "h4")], &[]));
    assert!(
        plan.after.iter().any(|member| member.node == "pg3" && member.detail == "id 4"),
        "{:?}",
        plan.after
    );
}

#[test]
fn a_cluster_is_made_once_and_of_two_members_at_least() {
    let (world, spec) = world::cluster(2, 2, &[]);
    let again = world::create(&[("pg3", "h3"), ("pg4", "h4")], &[]);
    let refusals = refused(&world, &spec, &again);
    assert_eq!(refusals.iter().map(|refusal| refusal.code.as_str()).collect::<Vec<_>>(), ["PG-30"]);
    let blank = spec::blank(CLUSTER, System::Postgresql);
    let alone = refused(&World::empty(1), &blank, &world::create(&[("pg1", "h1")], &[]));
    assert_eq!(alone.iter().map(|refusal| refusal.code.as_str()).collect::<Vec<_>>(), ["PG-19"]);
    let unknown = refused(&World::empty(1), &blank, &world::expand(&[("pg1", "h1")], &[]));
    assert!(unknown.iter().any(|refusal| refusal.code == "PG-30"), "{unknown:#?}");
}

#[test]
fn all_rules_are_tried() {
    let mut tried: BTreeSet<&str> = CASES.iter().map(|case| case.code).collect();
    // PG-51 stands in `backups`.
    // PG-80 and PG-81 in `fronts`.
    tried.extend(["PG-26", "PG-30", "PG-51", "PG-80", "PG-81"]);
    tried.extend(crate::adopting::CASES.iter().map(|case| case.code));
    tried.extend(crate::adopting::later());
    let all = bellows::systems::explanations().into_iter().map(|rule| rule.code);
    let all: Vec<String> = all.filter(|code| code.starts_with("PG-")).collect();
    assert_eq!(tried.into_iter().collect::<Vec<_>>(), all);
}
