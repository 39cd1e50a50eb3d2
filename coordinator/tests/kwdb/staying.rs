//! Every guard on nodes that leave, are replaced or come back says no.

use std::collections::BTreeSet;

use bellows_proto::v1::{Intent, KwdbSecurity, KwdbStartMode, KwdbZone};

use crate::{
    refusals::{Case, refused},
    render,
    world::{self, World},
};

fn nothing(_: &mut World) {}

fn one_less() -> Intent {
    world::shrink(&["kw5"], &[])
}

fn dead() -> Intent {
    world::replace("h2", ("kw6", "h6"), true, &[])
}

fn rule_of(target: &str, constraints: &str, lease_preferences: &str) -> KwdbZone {
    KwdbZone {
        target: target.to_owned(),
        num_replicas: None,
        constraints: constraints.to_owned(),
        lease_preferences: lease_preferences.to_owned(),
        raw: format!("ALTER {target} CONFIGURE ZONE USING\n\tconstraints = '{constraints}'"),
    }
}

/// On a healthy cluster of h1, h2, h3 (adopted) and kw4, kw5 (made here), with the spare host h6.
const CASES: &[Case] = &[
    Case { title: "nobody", code: "KW-01", odd: nothing, intent: || world::shrink(&[], &[]) },
    Case {
        title: "a stranger, and one twice",
        code: "KW-01",
        odd: nothing,
        intent: || world::shrink(&["kw9", "kw5", "kw5"], &[]),
    },
    Case {
        title: "more than there are",
        code: "KW-01",
        odd: nothing,
        intent: || world::shrink_by(6),
    },
    Case {
        title: "a wipe on a host that is off",
        code: "KW-01",
        odd: |world| world.dies("h2"),
        intent: || world::replace("h2", ("kw6", "h6"), true, &[("data", "wipe")]),
    },
    Case {
        title: "the id of one that is found by its address",
        code: "KW-01",
        odd: nothing,
        intent: || world::replace("h2", ("kw6", "h6"), false, &[("node_id", "2")]),
    },
    Case {
        title: "the host of the leaving node is silent",
        code: "KW-02",
        odd: |world| world.host("h5").answers = false,
        intent: one_less,
    },
    Case {
        title: "nobody can ask the key-value store",
        code: "KW-03",
        odd: |world| world.no_quorum = true,
        intent: one_less,
    },
    Case {
        title: "the health is NULL",
        code: "KW-03",
        odd: |world| world.underreplicated = None,
        intent: one_less,
    },
    Case {
        title: "a constraint that nobody understands",
        code: "KW-03",
        odd: |world| world.zones.push(rule_of("PARTITION p OF TABLE t", "[region=a]", "[]")),
        intent: one_less,
    },
    Case {
        title: "an old build",
        code: "KW-10",
        odd: |world| world.hosts.values_mut().for_each(|host| host.kwbase = "V2.2.0"),
        intent: one_less,
    },
    Case {
        title: "another member is down",
        code: "KW-11",
        odd: |world| world.host("h2").running = false,
        intent: one_less,
    },
    Case {
        title: "ranges under-replicated",
        code: "KW-12",
        odd: |world| world.underreplicated = Some(2),
        intent: one_less,
    },
    Case {
        title: "another one is being decommissioned",
        code: "KW-13",
        odd: |world| world.known.get_mut(&4).unwrap().decommissioning = true,
        intent: one_less,
    },
    Case {
        title: "an upgrade runs",
        code: "KW-13",
        odd: |world| world.upgrading.extend([2]),
        intent: one_less,
    },
    Case {
        title: "fewer than three",
        code: "KW-36",
        odd: nothing,
        intent: || world::shrink(&["kw5", "kw4", "h1"], &[]),
    },
    Case {
        title: "it may not be stopped",
        code: "KW-37",
        odd: |world| world.host("h5").left_alone = "kaiwudb.service is masked",
        intent: one_less,
    },
    Case {
        title: "rules that name it",
        code: "KW-41",
        odd: |world| {
            world.zones.push(rule_of("PARTITION p OF TABLE t", "[+region=NODE5]", "[]"));
            world.zones.push(rule_of(
                "PARTITION q OF TABLE t",
                "[+region=NODE50]",
                "[[+region=NODE5]]",
            ));
        },
        intent: one_less,
    },
    Case {
        title: "a disk that is too small",
        code: "KW-42",
        odd: |world| world.known.get_mut(&5).unwrap().used = 400 << 30,
        intent: one_less,
    },
    Case {
        title: "somebody waits",
        code: "KW-43",
        odd: |world| {
            let command = "kwbase node decommission 2 --insecure".to_owned();
            world.host("h1").waiters.push(command);
        },
        intent: one_less,
    },
    Case {
        title: "data of somebody else",
        code: "KW-44",
        odd: nothing,
        intent: || world::shrink(&["h1"], &[("data", "wipe")]),
    },
    Case { title: "it is not dead", code: "KW-45", odd: nothing, intent: dead },
    Case {
        title: "only its agent is silent",
        code: "KW-46",
        odd: |world| world.host("h2").answers = false,
        intent: dead,
    },
    Case {
        title: "two that may be it",
        code: "KW-47",
        odd: |world| {
            world.dies("h2");
            world.known.get_mut(&2).unwrap().nameless = true;
            let ghost = world.known[&2].clone();
            world.known.insert(9, ghost);
        },
        intent: dead,
    },
    Case {
        title: "an id that is another's",
        code: "KW-47",
        odd: |world| world.dies("h2"),
        intent: || world::replace("h2", ("kw6", "h6"), true, &[("node_id", "3")]),
    },
    Case {
        title: "an id of nobody",
        code: "KW-47",
        odd: |world| world.dies("h2"),
        intent: || world::replace("h2", ("kw6", "h6"), true, &[("node_id", "77")]),
    },
    Case {
        title: "the new host is taken",
        code: "KW-18",
        odd: |world| world.host("h6").occupied = true,
        intent: || world::replace("h2", ("kw6", "h6"), false, &[]),
    },
    Case {
        title: "it comes back with its data",
        code: "KW-50",
        odd: |world| world.host("h5").running = false,
        intent: || world::rejoin("kw5", false, &[]),
    },
    Case {
        title: "its data are somebody else's",
        code: "KW-51",
        odd: |world| world.host("h2").running = false,
        intent: || world::rejoin("h2", true, &[]),
    },
    Case {
        title: "its unit joins itself alone",
        code: "KW-52",
        odd: |world| {
            let host = world.host("h2");
            (host.running, host.store) = (false, None);
            host.command = vec!["--join=10.0.0.2:26257".to_owned()];
        },
        intent: || world::rejoin("h2", false, &[]),
    },
    Case {
        title: "nothing leads",
        code: "KW-01",
        odd: nothing,
        intent: || {
            let mut intent = world::restart(&["h1"]);
            if let Some(bellows_proto::v1::intent::Verb::Restart(restart)) = &mut intent.verb {
                restart.in_place = true;
            }
            intent
        },
    },
];

#[test]
fn every_guard_on_leaving_says_no() {
    let mut texts = String::new();
    for case in CASES {
        let (mut world, spec) = world::grown(3, 2, 1, &[]);
        (case.odd)(&mut world);
        let refusals = refused(&world, &spec, &(case.intent)());
        let codes: Vec<&str> = refusals.iter().map(|refusal| refusal.code.as_str()).collect();
        assert!(codes.contains(&case.code), "{}: {codes:?}", case.title);
        assert!(codes.is_sorted(), "{}: {codes:?}", case.title);
        texts += &format!("# {}\n{}\n", case.title, render::refusals(&refusals));
    }
    insta::assert_snapshot!(texts);
}

/// Before anything is asked of the tool, which would refuse it in the middle.
#[test]
fn a_single_replica_cluster_lets_nobody_go() {
    let (mode, security) = (KwdbStartMode::SingleReplica, KwdbSecurity::Insecure);
    let (world, spec) = world::adopted(4, 1, mode, security, &[]);
    let replace = world::replace("h4", ("kw5", "h5"), false, &[]);
    for intent in [world::shrink(&["h4"], &[]), replace] {
        let refusals = refused(&world, &spec, &intent);
        let codes: Vec<&str> = refusals.iter().map(|refusal| refusal.code.as_str()).collect();
        assert_eq!(codes, ["KW-40"]);
    }
}

#[test]
fn the_front_end_is_there_where_nodes_leave_by_it() {
    let (mut world, spec) = world::cluster(4, 0, &[("front_end", "deploy.sh")]);
    world.host("h1").deploy_sh = true;
    let refusals = refused(&world, &spec, &world::shrink(&["h4"], &[]));
    let codes: Vec<&str> = refusals.iter().map(|refusal| refusal.code.as_str()).collect();
    assert_eq!(codes, ["KW-29"]);
}

#[test]
fn all_rules_of_these_verbs_are_tried() {
    let mut tried: BTreeSet<&str> = CASES.iter().map(|case| case.code).collect();
    tried.insert("KW-40");
    let all = bellows::systems::explanations().into_iter().map(|rule| rule.code);
    let mine: Vec<String> =
        all.filter(|code| code.as_str() >= "KW-40" && code.starts_with("KW-")).collect();
    tried.retain(|code| *code >= "KW-40");
    assert_eq!(tried.into_iter().collect::<Vec<_>>(), mine);
}
