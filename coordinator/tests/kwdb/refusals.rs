//! Every guard says no at least once, with rule, value and remedy.

use std::collections::BTreeSet;

use bellows::{plan::Systems as _, spec, systems::AllSystems};
use bellows_proto::v1::{
    AcceptedGuard, Create, Intent, KwdbSecurity, KwdbStartMode, Refusal, Spec, Switchover, System,
    intent::Verb,
};

use crate::{
    render,
    world::{self, CLUSTER, World},
};

pub fn refused(world: &World, spec: &Spec, intent: &Intent) -> Vec<Refusal> {
    let observation = world.observe(spec, Some(intent));
    match AllSystems::default().plan(spec, &observation, intent) {
        Ok(plan) => {
            panic!("planned: {:?}", plan.steps.iter().map(|step| &step.title).collect::<Vec<_>>())
        }
        Err(refusals) => refusals,
    }
}

/// A case: what is odd, what is wanted, and the rule that says no.
pub struct Case {
    pub title: &'static str,
    pub code: &'static str,
    pub odd: fn(&mut World),
    pub intent: fn() -> Intent,
}

fn one_more() -> Intent {
    world::expand(&[("kw4", "h4")], &[])
}

fn all() -> Intent {
    world::adopt(&[("h1", 0), ("h2", 0), ("h3", 0)], &[])
}

fn nothing(_: &mut World) {}

/// On a healthy cluster of h1, h2, h3 with the spare hosts h4 and h5.
const EXPANDING: &[Case] = &[
    Case { title: "no node", code: "KW-01", odd: nothing, intent: || world::expand(&[], &[]) },
    Case {
        title: "bad and double names",
        code: "KW-01",
        odd: nothing,
        intent: || world::expand(&[("KW 4", "h4"), ("kw5", "h5"), ("kw5", "h5")], &[]),
    },
    Case {
        title: "the new host is silent",
        code: "KW-02",
        odd: |world| world.host("h4").answers = false,
        intent: one_more,
    },
    Case {
        title: "a member's host is silent",
        code: "KW-02",
        odd: |world| world.host("h2").answers = false,
        intent: one_more,
    },
    Case {
        title: "the vacancy is not answered",
        code: "KW-03",
        odd: |world| world.host("h4").vacancy_answers = false,
        intent: one_more,
    },
    Case {
        title: "nobody can ask the key-value store",
        code: "KW-03",
        odd: |world| world.no_quorum = true,
        intent: one_more,
    },
    Case {
        title: "the health sums are NULL",
        code: "KW-03",
        odd: |world| world.underreplicated = None,
        intent: one_more,
    },
    Case {
        title: "the setting is not read",
        code: "KW-03",
        odd: |world| world.rebalance = None,
        intent: one_more,
    },
    Case {
        title: "an answer is too slow for the clock",
        code: "KW-03",
        odd: |world| world.host("h4").answer_ms = 4900,
        intent: one_more,
    },
    Case {
        title: "a cluster is not made",
        code: "KW-05",
        odd: nothing,
        intent: || world::intent("create", Verb::Create(Create::default()), &[]),
    },
    Case {
        title: "no role moves",
        code: "KW-05",
        odd: nothing,
        intent: || world::intent("switchover", Verb::Switchover(Switchover::default()), &[]),
    },
    Case {
        title: "the new host may only be observed",
        code: "KW-06",
        odd: |world| world.host("h4").mode = "observe",
        intent: one_more,
    },
    Case {
        title: "the new host does not list kwdb",
        code: "KW-06",
        odd: |world| world.host("h4").allowed = false,
        intent: one_more,
    },
    Case {
        title: "kwbase is not installed",
        code: "KW-07",
        odd: |world| world.host("h4").kwbase = "",
        intent: one_more,
    },
    Case {
        title: "a clock is off",
        code: "KW-08",
        odd: |world| world.host("h4").clock_ahead_ms = -700,
        intent: one_more,
    },
    Case {
        title: "another version on the new host",
        code: "KW-09",
        odd: |world| world.host("h4").kwbase = "V3.2.0",
        intent: one_more,
    },
    Case {
        title: "a build that lets nobody in",
        code: "KW-10",
        odd: |world| world.hosts.values_mut().for_each(|host| host.kwbase = "V2.2.0"),
        intent: one_more,
    },
    Case {
        title: "a member is down",
        code: "KW-11",
        odd: |world| world.host("h2").running = false,
        intent: one_more,
    },
    Case {
        title: "a member takes no SQL",
        code: "KW-11",
        odd: |world| world.host("h2").sql = false,
        intent: one_more,
    },
    Case {
        title: "one member does not see another",
        code: "KW-11",
        odd: |world| world.odd_witness = Some(("h3".to_owned(), 2)),
        intent: one_more,
    },
    Case {
        title: "a member is drained",
        code: "KW-11",
        odd: |world| world.known_at("h2").draining = true,
        intent: one_more,
    },
    Case {
        title: "ranges are unavailable",
        code: "KW-12",
        odd: |world| world.unavailable = Some(1),
        intent: one_more,
    },
    Case {
        title: "ranges are under-replicated",
        code: "KW-12",
        odd: |world| world.underreplicated = Some(7),
        intent: one_more,
    },
    Case {
        title: "somebody is being decommissioned",
        code: "KW-13",
        odd: |world| world.known_at("h2").decommissioning = true,
        intent: one_more,
    },
    Case {
        title: "somebody upgrades",
        code: "KW-13",
        odd: |world| world.upgrading.extend([3]),
        intent: one_more,
    },
    Case {
        title: "a stranger is listed",
        code: "KW-14",
        odd: |world| world.known_at("h3").address = "10.0.0.9:26257".to_owned(),
        intent: one_more,
    },
    Case {
        title: "somebody is listed without an address",
        code: "KW-14",
        odd: |world| world.known_at("h3").nameless = true,
        intent: one_more,
    },
    Case {
        title: "another start mode",
        code: "KW-15",
        odd: |world| world.mode = KwdbStartMode::SingleReplica,
        intent: one_more,
    },
    Case {
        title: "another security on the new host",
        code: "KW-15",
        odd: |world| world.host("h4").security = KwdbSecurity::Tls,
        intent: one_more,
    },
    Case {
        title: "tlcp on the new host",
        code: "KW-16",
        odd: |world| world.host("h4").security = KwdbSecurity::Tlcp,
        intent: one_more,
    },
    Case {
        title: "tlcp by the installer's notes",
        code: "KW-16",
        odd: |world| world.host("h2").installed_security = "tlcp",
        intent: one_more,
    },
    Case {
        title: "a container",
        code: "KW-17",
        odd: |world| world.host("h4").container = "kaiwudb-container",
        intent: one_more,
    },
    Case {
        title: "a directory that is occupied",
        code: "KW-18",
        odd: |world| world.host("h4").occupied = true,
        intent: one_more,
    },
    Case {
        title: "a unit of somebody",
        code: "KW-18",
        odd: |world| world.host("h4").service_holder = "kaiwudb.service runs",
        intent: one_more,
    },
    Case {
        title: "a port that is taken",
        code: "KW-19",
        odd: |world| world.host("h4").port_holder = "nginx",
        intent: one_more,
    },
    Case {
        title: "the name of a member",
        code: "KW-20",
        odd: nothing,
        intent: || world::expand(&[("h2", "h4")], &[]),
    },
    Case {
        title: "a claimed place",
        code: "KW-21",
        odd: |world| world.host("h4").vacancy_claimed_by = "another operation",
        intent: one_more,
    },
    Case {
        title: "two on one host",
        code: "KW-22",
        odd: nothing,
        intent: || world::expand(&[("kw4", "h4"), ("kw5", "h4")], &[]),
    },
    Case {
        title: "the address of one that is gone and was not decommissioned",
        code: "KW-24",
        odd: |world| {
            let old = world.known[&1].clone();
            let address = "10.0.0.4:26257".to_owned();
            world.known.insert(9, world::Known { address, ..old });
        },
        intent: one_more,
    },
    Case {
        title: "too little disk",
        code: "KW-25",
        odd: |world| world.host("h4").free_bytes = 1 << 30,
        intent: one_more,
    },
    Case {
        title: "somebody changed what starts a node",
        code: "KW-28",
        odd: |world| world.host("h2").changed_file = true,
        intent: one_more,
    },
    Case {
        title: "the host's root would not have it",
        code: "KW-37",
        odd: |world| world.host("h4").left_alone = "kaiwudb.service is masked",
        intent: one_more,
    },
];

/// On hosts h1, h2, h3 with an insecure multi-replica cluster that the installer made.
const ADOPTING: &[Case] = &[
    Case {
        title: "a host twice",
        code: "KW-01",
        odd: nothing,
        intent: || world::adopt(&[("h1", 0), ("h1", 0)], &[]),
    },
    Case {
        title: "a node that belongs to somebody here",
        code: "KW-21",
        odd: |world| {
            let place = crate::answers::foreign_place("h2", &world.hosts["h2"]);
            let claimed_by = "op-0".to_owned();
            let record = world::Record { claimed_by, tombstone: false, place };
            world.host("h2").records.insert("other".to_owned(), record);
        },
        intent: all,
    },
    Case {
        title: "no node on a host",
        code: "KW-30",
        odd: |world| world.host("h2").foreign = false,
        intent: all,
    },
    Case {
        title: "another port",
        code: "KW-30",
        odd: nothing,
        intent: || world::adopt(&[("h1", 0), ("h2", 26258), ("h3", 0)], &[]),
    },
    Case {
        title: "a node that does not run",
        code: "KW-30",
        odd: |world| world.host("h2").running = false,
        intent: all,
    },
    Case {
        title: "something in the way",
        code: "KW-31",
        odd: |world| world.host("h2").obstacle = "client.root.crt is not there",
        intent: all,
    },
    Case {
        title: "root has not allowed it",
        code: "KW-32",
        odd: |world| world.host("h3").declared = false,
        intent: all,
    },
    Case {
        title: "one of another cluster",
        code: "KW-33",
        odd: |world| world.known_at("h2").address = "10.1.0.2:26257".to_owned(),
        intent: all,
    },
    Case {
        title: "a member is not named",
        code: "KW-34",
        odd: nothing,
        intent: || world::adopt(&[("h1", 0), ("h2", 0)], &[]),
    },
    Case {
        title: "a single node",
        code: "KW-35",
        odd: |world| world.mode = KwdbStartMode::SingleNode,
        intent: all,
    },
    Case {
        title: "tlcp",
        code: "KW-16",
        odd: |world| world.host("h1").security = KwdbSecurity::Tlcp,
        intent: all,
    },
    Case {
        title: "security differs",
        code: "KW-15",
        odd: |world| world.host("h2").security = KwdbSecurity::Tls,
        intent: all,
    },
    Case {
        title: "a member that is not live for another",
        code: "KW-11",
        odd: |world| world.odd_witness = Some(("h2".to_owned(), 2)),
        intent: all,
    },
    Case {
        title: "more members wanted than there are",
        code: "KW-36",
        odd: nothing,
        intent: || world::adopt(&[("h1", 0), ("h2", 0), ("h3", 0)], &[("min_members", "5")]),
    },
];

/// What other tests here show; KW-29 is one of those who leave.
const ELSEWHERE: &[&str] = &["KW-04", "KW-23", "KW-26", "KW-27", "KW-29"];

fn says_no(case: &Case, world: &World, spec: &Spec, texts: &mut String) {
    let refusals = refused(world, spec, &(case.intent)());
    let codes: Vec<&str> = refusals.iter().map(|refusal| refusal.code.as_str()).collect();
    assert!(codes.contains(&case.code), "{}: {codes:?}", case.title);
    assert!(codes.is_sorted(), "{}: {codes:?}", case.title);
    for refusal in &refusals {
        assert!(!refusal.value.is_empty() && !refusal.remedy.is_empty(), "{}", case.title);
    }
    *texts += &format!("# {}\n{}\n", case.title, render::refusals(&refusals));
}

#[test]
fn every_guard_says_no() {
    let mut texts = String::new();
    for case in EXPANDING {
        let (mut world, spec) = world::cluster(3, 2, &[]);
        (case.odd)(&mut world);
        says_no(case, &world, &spec, &mut texts);
    }
    for case in ADOPTING {
        let (mode, security) = (KwdbStartMode::MultiReplica, KwdbSecurity::Insecure);
        let mut world = world::installed(3, 1, mode, security);
        (case.odd)(&mut world);
        says_no(case, &world, &spec::blank(CLUSTER, System::Kwdb), &mut texts);
    }
    insta::assert_snapshot!(texts);
}

#[test]
fn a_cluster_is_adopted_once_and_grows_only_where_it_is_known() {
    let (world, spec) = world::cluster(3, 1, &[]);
    let again = refused(&world, &spec, &all());
    assert!(again.iter().any(|refusal| refusal.code == "KW-04"), "{again:#?}");
    let unknown = refused(&world, &spec::blank(CLUSTER, System::Kwdb), &one_more());
    assert!(unknown.iter().any(|refusal| refusal.code == "KW-04"), "{unknown:#?}");
}

#[test]
fn a_tombstone_keeps_its_name_on_its_host() {
    let (world, mut spec) = world::cluster(3, 1, &[]);
    spec.tombstones.push(bellows_proto::v1::SpecTombstone {
        node: "kw4".to_owned(),
        host: "h4".to_owned(),
        ..Default::default()
    });
    let refusals = refused(&world, &spec, &one_more());
    assert_eq!(refusals.iter().map(|one| one.code.as_str()).collect::<Vec<_>>(), ["KW-23"]);
}

#[test]
fn no_guard_can_be_accepted() {
    let (mut world, spec) = world::cluster(3, 1, &[]);
    world.underreplicated = Some(1);
    let (code, reason) = ("KW-12".to_owned(), "we know".to_owned());
    let intent = Intent { accepted: vec![AcceptedGuard { code, reason }], ..one_more() };
    let refusals = refused(&world, &spec, &intent);
    assert_eq!(
        refusals.iter().map(|one| one.code.as_str()).collect::<Vec<_>>(),
        ["KW-01", "KW-12"]
    );
}

#[test]
fn all_rules_are_tried() {
    let mut tried: BTreeSet<&str> = EXPANDING.iter().map(|case| case.code).collect();
    tried.extend(ADOPTING.iter().map(|case| case.code));
    tried.extend(ELSEWHERE);
    let all = bellows::systems::explanations().into_iter().map(|rule| rule.code);
    // Those of the verbs that take nodes away begin at 40, and have their own.
    let all: Vec<String> =
        all.filter(|code| code.starts_with("KW-") && code < &"KW-40".to_owned()).collect();
    assert_eq!(tried.into_iter().collect::<Vec<_>>(), all);
}
