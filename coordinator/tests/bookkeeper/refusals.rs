//! Every guard on adopt and expand says no at least once, with rule, value and remedy.

use std::collections::BTreeSet;

use bellows::{plan::Systems as _, spec, systems::AllSystems};
use bellows_proto::v1::{
    Adopt, Create, Intent, Observation, Refusal, Rejoin, Restart, Spec, SpecTombstone, Switchover,
    System, bookkeeper_found_reading, bookkeeper_member, intent::Verb, observation,
};

use crate::{
    render,
    world::{self, CLUSTER, World},
};

fn refused(world: &World, spec: &Spec, intent: &Intent) -> Vec<Refusal> {
    said(spec, intent, &world.observe(spec, Some(intent)))
}

fn said(spec: &Spec, intent: &Intent, seen: &Observation) -> Vec<Refusal> {
    match AllSystems::default().plan(spec, seen, intent) {
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
    world::expand(&[("bk4", "h4")])
}

fn all() -> Intent {
    world::adopt(&["h1", "h2", "h3"], &[])
}

fn nothing(_: &mut World) {}

/// On a healthy cluster of h1, h2, h3 with the spare hosts h4 and h5.
const EXPANDING: &[Case] = &[
    Case { title: "no node", code: "BK-01", odd: nothing, intent: || world::expand(&[]) },
    Case {
        title: "bad and double names",
        code: "BK-01",
        odd: nothing,
        intent: || world::expand(&[("BK 4", "h4"), ("bk5", "h5"), ("bk5", "h5")]),
    },
    Case {
        title: "the new host is silent",
        code: "BK-02",
        odd: |world| world.host("h4").answers = false,
        intent: one_more,
    },
    Case {
        title: "a member's host is silent",
        code: "BK-02",
        odd: |world| world.host("h2").answers = false,
        intent: one_more,
    },
    Case {
        title: "no bookie answers",
        code: "BK-03",
        odd: |world| world.hosts.values_mut().for_each(|host| host.mute = true),
        intent: one_more,
    },
    Case {
        title: "a cluster is not made",
        code: "BK-05",
        odd: nothing,
        intent: || world::intent("create", Verb::Create(Create::default()), &[]),
    },
    Case {
        title: "no role moves",
        code: "BK-05",
        odd: nothing,
        intent: || world::intent("switchover", Verb::Switchover(Switchover::default()), &[]),
    },
    Case {
        title: "nobody is restarted",
        code: "BK-05",
        odd: nothing,
        intent: || world::intent("restart", Verb::Restart(Restart::default()), &[]),
    },
    Case {
        title: "nobody comes back with its data",
        code: "BK-05",
        odd: nothing,
        intent: || world::intent("rejoin", Verb::Rejoin(Rejoin::default()), &[]),
    },
    Case {
        title: "the new host may only be observed",
        code: "BK-06",
        odd: |world| world.host("h4").mode = "observe",
        intent: one_more,
    },
    Case {
        title: "the new host does not list bookkeeper",
        code: "BK-06",
        odd: |world| world.host("h4").allowed = false,
        intent: one_more,
    },
    Case {
        title: "BookKeeper is not installed",
        code: "BK-07",
        odd: |world| world.host("h4").version = "",
        intent: one_more,
    },
    Case {
        title: "the new host's clock is wrong",
        code: "BK-08",
        odd: |world| world.host("h4").clock_ahead_ms = 60_000,
        intent: one_more,
    },
    Case {
        title: "the new host has another version",
        code: "BK-09",
        odd: |world| world.host("h4").version = "4.16.7",
        intent: one_more,
    },
    Case {
        title: "a member is read-only",
        code: "BK-10",
        odd: |world| world.host("h2").read_only = true,
        intent: one_more,
    },
    Case {
        title: "a member does not run",
        code: "BK-10",
        odd: |world| world.host("h2").running = false,
        intent: one_more,
    },
    Case {
        title: "a member does not see another",
        code: "BK-10",
        odd: |world| world.odd_witness = Some(("h1".to_owned(), world::id("h3"))),
        intent: one_more,
    },
    Case {
        title: "a bookie that nobody knows is registered nowhere",
        code: "BK-10",
        odd: |world| {
            world.cookies.insert("10.0.0.99:3181".to_owned(), world::cookie("h99"));
        },
        intent: one_more,
    },
    Case {
        title: "a bookie that nobody knows is registered",
        code: "BK-11",
        odd: |world| {
            world.host("h5").running = true;
            world.cookies.insert(world::id("h5"), world::cookie("h5"));
        },
        intent: one_more,
    },
    Case {
        title: "ZooKeeper is slow",
        code: "BK-13",
        odd: |world| world.metadata_ms = 3001,
        intent: one_more,
    },
    Case {
        title: "the directories are not empty",
        code: "BK-16",
        odd: |world| world.host("h4").occupied = true,
        intent: one_more,
    },
    Case {
        title: "a service of that name exists",
        code: "BK-16",
        odd: |world| world.host("h4").service_holder = "bellows-events-bk4-bookie.service",
        intent: one_more,
    },
    Case {
        title: "a port is taken",
        code: "BK-17",
        odd: |world| world.host("h4").port_holder = "java (pid 7)",
        intent: one_more,
    },
    Case {
        title: "the name is taken",
        code: "BK-18",
        odd: nothing,
        intent: || world::expand(&[("h1", "h4")]),
    },
    Case {
        title: "the place is claimed",
        code: "BK-19",
        odd: |world| world.host("h4").vacancy_claimed_by = "op-0",
        intent: one_more,
    },
    Case {
        title: "two on one host",
        code: "BK-20",
        odd: nothing,
        intent: || world::expand(&[("bk4", "h4"), ("bk5", "h4")]),
    },
    Case {
        title: "on a member's host",
        code: "BK-20",
        odd: nothing,
        intent: || world::expand(&[("bk4", "h1")]),
    },
    Case {
        title: "a cookie of that id is there",
        code: "BK-22",
        odd: |world| {
            world.cookies.insert(world::id("h4"), world::cookie("h4"));
        },
        intent: one_more,
    },
    Case {
        title: "little disk",
        code: "BK-23",
        odd: |world| world.host("h4").free_bytes = 1 << 30,
        intent: one_more,
    },
    Case {
        title: "the host's root would not have it",
        code: "BK-24",
        odd: |world| world.host("h4").left_alone = "the user bookkeeper is not there",
        intent: one_more,
    },
    Case {
        title: "no configuration to take over",
        code: "BK-25",
        odd: |world| world.hosts.values_mut().for_each(|host| host.mute = true),
        intent: one_more,
    },
];

/// On bookies h1, h2, h3 that somebody set up, with the spare host h4.
const ADOPTING: &[Case] = &[
    Case {
        title: "a host twice",
        code: "BK-01",
        odd: nothing,
        intent: || world::adopt(&["h1", "h2", "h3", "h3"], &[]),
    },
    Case {
        title: "a silent host",
        code: "BK-02",
        odd: |world| world.host("h2").answers = false,
        intent: all,
    },
    Case {
        title: "its HTTP API is off",
        code: "BK-14",
        odd: |world| {
            let host = world.host("h2");
            (host.mute, host.http_obstacle) = (true, "its HTTP admin API is off");
        },
        intent: all,
    },
    Case {
        title: "its HTTP API does not answer",
        code: "BK-14",
        odd: |world| world.host("h2").mute = true,
        intent: all,
    },
    Case {
        title: "somebody's already",
        code: "BK-19",
        odd: |world| {
            let place = crate::answers::foreign_place("h2");
            let claimed_by = "op-0".to_owned();
            let record = world::Record { claimed_by, tombstone: false, place };
            world.host("h2").records.insert("other".to_owned(), record);
        },
        intent: all,
    },
    Case {
        title: "no bookie there",
        code: "BK-30",
        odd: nothing,
        intent: || world::adopt(&["h1", "h2", "h3", "h4"], &[]),
    },
    Case {
        title: "it does not run",
        code: "BK-30",
        odd: |world| world.host("h2").running = false,
        intent: all,
    },
    Case {
        title: "something stands in the way",
        code: "BK-31",
        odd: |world| world.host("h2").obstacle = "its HTTP-journal is on a path with a comma",
        intent: all,
    },
    Case {
        title: "root has not allowed it",
        code: "BK-32",
        odd: |world| world.host("h2").declared = false,
        intent: all,
    },
    Case {
        title: "a bookie's host is not named",
        code: "BK-33",
        odd: nothing,
        intent: || world::adopt(&["h1", "h2"], &[]),
    },
    Case {
        title: "its id is no address",
        code: "BK-34",
        odd: |world| world.host("h2").stamped = Some("bookie-2".to_owned()),
        intent: all,
    },
    Case {
        title: "fewer than the minimum",
        code: "BK-35",
        odd: nothing,
        intent: || world::adopt(&["h1", "h2", "h3"], &[("min_bookies", "4")]),
    },
    Case {
        title: "one of them is read-only",
        code: "BK-10",
        odd: |world| world.host("h2").read_only = true,
        intent: all,
    },
];

/// Tried below, or with those who leave.
const ELSEWHERE: [&str; 4] = ["BK-04", "BK-12", "BK-15", "BK-21"];

#[test]
fn every_guard_says_no() {
    let mut told = String::new();
    let (cluster, spec) = world::cluster(3, 2, &[]);
    let blank = spec::blank(CLUSTER, System::Bookkeeper);
    let installed = world::installed(3, 1);
    let expanding = EXPANDING.iter().map(|case| (case, &cluster, &spec));
    let adopting = ADOPTING.iter().map(|case| (case, &installed, &blank));
    for (case, world, spec) in expanding.chain(adopting) {
        let mut world = world.clone();
        (case.odd)(&mut world);
        let refusals = refused(&world, spec, &(case.intent)());
        let codes: Vec<&str> = refusals.iter().map(|one| one.code.as_str()).collect();
        assert!(codes.contains(&case.code), "{}: {codes:?}", case.title);
        assert!(refusals.iter().all(|one| !one.value.is_empty() && !one.remedy.is_empty()));
        told.push_str(&format!("## {}\n{}\n", case.title, render::refusals(&refusals)));
    }
    insta::assert_snapshot!(told);
}

fn codes(refusals: &[Refusal]) -> Vec<&str> {
    refusals.iter().map(|one| one.code.as_str()).collect()
}

#[test]
fn a_cluster_is_known_once() {
    let (world, spec) = world::cluster(3, 1, &[]);
    assert!(codes(&refused(&world, &spec, &all())).contains(&"BK-04"));
    let blank = spec::blank(CLUSTER, System::Bookkeeper);
    assert!(codes(&refused(&world, &blank, &one_more())).contains(&"BK-04"));
    let none = world::intent("adopt", Verb::Adopt(Adopt::default()), &[]);
    assert!(!refused(&world, &blank, &none).is_empty());
}

#[test]
fn two_metadata_services_or_instances_are_no_one_cluster() {
    let installed = world::installed(3, 0);
    let blank = spec::blank(CLUSTER, System::Bookkeeper);
    let (cluster, spec) = world::cluster(3, 1, &[]);
    for other_service in [true, false] {
        let mut seen = installed.observe(&blank, Some(&all()));
        let Some(observation::System::Bookkeeper(bookies)) = &mut seen.system else { panic!() };
        let Some(bookkeeper_found_reading::Outcome::Found(found)) = &mut bookies.found[1].outcome
        else {
            panic!()
        };
        let bookie = found.bookie.as_mut().unwrap();
        match other_service {
            true => bookie.settings[0].value = "zk://10.0.9.9:2181/ledgers".to_owned(),
            false => bookie.cookie.as_mut().unwrap().instance = "another".to_owned(),
        }
        assert_eq!(codes(&said(&blank, &all(), &seen)), ["BK-12"]);
        let mut seen = cluster.observe(&spec, Some(&one_more()));
        let Some(observation::System::Bookkeeper(bookies)) = &mut seen.system else { panic!() };
        let member = bookies.members.iter_mut().find(|member| member.node == "h2").unwrap();
        let Some(bookkeeper_member::Outcome::Reading(reading)) = &mut member.outcome else {
            panic!()
        };
        match other_service {
            true => reading.settings[0].value = "zk://10.0.9.9:2181/ledgers".to_owned(),
            false => reading.cookie.as_mut().unwrap().instance = "another".to_owned(),
        }
        assert_eq!(codes(&said(&spec, &one_more(), &seen)), ["BK-12"]);
    }
}

#[test]
fn what_somebody_changed_is_not_overwritten() {
    let (mut world, spec) = world::grown(3, 1, 1, &[]);
    world.host("h4").changed_file = true;
    let intent = world::expand(&[("bk5", "h5")]);
    assert_eq!(codes(&refused(&world, &spec, &intent)), ["BK-15"]);
}

#[test]
fn a_tombstone_keeps_its_name_on_its_host() {
    let (world, mut spec) = world::cluster(3, 1, &[]);
    let (node, host) = ("bk4".to_owned(), "h4".to_owned());
    spec.tombstones.push(SpecTombstone { node, host, ..SpecTombstone::default() });
    assert_eq!(codes(&refused(&world, &spec, &one_more())), ["BK-21"]);
}

#[test]
fn guards_on_growing_cannot_be_accepted() {
    let (mut world, spec) = world::cluster(3, 1, &[]);
    world.metadata_ms = 9000;
    let intent = world::accepting(one_more(), "BK-13");
    assert_eq!(codes(&refused(&world, &spec, &intent)), ["BK-01", "BK-13"]);
}

#[test]
fn all_rules_are_tried() {
    let mut tried: BTreeSet<&str> = EXPANDING.iter().map(|case| case.code).collect();
    tried.extend(ADOPTING.iter().map(|case| case.code));
    tried.extend(ELSEWHERE);
    let all = bellows::systems::explanations().into_iter().map(|rule| rule.code);
    // Those of the verbs that take bookies away begin at 40, and have their own.
    let all: Vec<String> =
        all.filter(|code| code.starts_with("BK-") && code < &"BK-40".to_owned()).collect();
    assert_eq!(tried.into_iter().collect::<Vec<_>>(), all);
}
