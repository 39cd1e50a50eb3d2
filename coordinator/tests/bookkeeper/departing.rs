//! Every guard on bookies that leave or are replaced, and on other options, says no.

use std::collections::BTreeSet;

use bellows::{plan::Systems as _, systems::AllSystems};
use bellows_proto::v1::{Intent, Refusal, Spec};

use crate::{
    render,
    world::{self, Ledger, World, id},
};

/// What is odd, and what is wanted all the same.
struct Case {
    title: &'static str,
    code: &'static str,
    odd: fn(&mut World),
    intent: fn() -> Intent,
}

fn refused(world: &World, spec: &Spec, intent: &Intent) -> Vec<Refusal> {
    let observation = world.observe(spec, Some(intent));
    AllSystems::default().plan(spec, &observation, intent).unwrap_err()
}

fn nothing(_: &mut World) {}

fn one_less() -> Intent {
    world::shrink(&["bk5"], &[])
}

fn by_stop() -> Intent {
    world::shrink(&["bk5"], &[("way", "stop")])
}

fn dead() -> Intent {
    world::replace("h2", ("bk6", "h6"), true, &[])
}

fn one_copy(world: &mut World, ledgers: std::ops::Range<u64>) {
    for ledger in ledgers {
        let one = Ledger { ensemble: vec![id("h2")], copies: 1, bytes: 1, open: false };
        world.ledgers.insert(ledger, one);
    }
}

/// On a healthy cluster of h1, h2, h3 (adopted) and bk4, bk5 (made here), with the spare host h6.
const CASES: &[Case] = &[
    Case { title: "nobody", code: "BK-01", odd: nothing, intent: || world::shrink(&[], &[]) },
    Case {
        title: "a stranger, and one twice",
        code: "BK-01",
        odd: nothing,
        intent: || world::shrink(&["bk9", "bk5", "bk5"], &[]),
    },
    Case {
        title: "more than there are",
        code: "BK-01",
        odd: nothing,
        intent: || world::shrink_by(6),
    },
    Case {
        title: "a wipe and a way on a host that is off",
        code: "BK-01",
        odd: |world| world.dies("h2"),
        intent: || world::replace("h2", ("bk6", "h6"), true, &[("data", "wipe"), ("way", "stop")]),
    },
    Case {
        title: "a guard that nobody can accept",
        code: "BK-01",
        odd: nothing,
        intent: || world::accepting(one_less(), "BK-40"),
    },
    Case {
        title: "the options that it has",
        code: "BK-01",
        odd: nothing,
        intent: || world::reconfigure(&[("min_bookies", "3")]),
    },
    Case {
        title: "the host of the leaving bookie is silent",
        code: "BK-02",
        odd: |world| world.host("h5").answers = false,
        intent: one_less,
    },
    Case {
        title: "the ledgers cannot be read",
        code: "BK-03",
        odd: |world| world.no_ledgers = true,
        intent: one_less,
    },
    Case {
        title: "another one is read-only",
        code: "BK-10",
        odd: |world| world.host("h2").read_only = true,
        intent: one_less,
    },
    Case {
        title: "the metadata service is slow",
        code: "BK-13",
        odd: |world| world.metadata_ms = 60_000,
        intent: one_less,
    },
    Case {
        title: "it may not be stopped",
        code: "BK-24",
        odd: |world| world.host("h5").left_alone = "bookkeeper.service is masked",
        intent: one_less,
    },
    Case {
        title: "fewer than three",
        code: "BK-35",
        odd: nothing,
        intent: || world::shrink(&["bk5", "bk4", "h1"], &[]),
    },
    Case {
        title: "a minimum that is not there",
        code: "BK-35",
        odd: nothing,
        intent: || world::reconfigure(&[("min_bookies", "6")]),
    },
    Case {
        title: "somebody's test with an ensemble of four",
        code: "BK-40",
        odd: |world| {
            let ensemble = ["h1", "h2", "h3", "h4"].map(id).to_vec();
            let one = Ledger { ensemble, copies: 2, bytes: 1, open: false };
            world.ledgers.insert(77, one);
        },
        intent: one_less,
    },
    Case {
        title: "a disk that is nearly full",
        code: "BK-41",
        odd: |world| world.host("h2").disk_free = 10 << 30,
        intent: || world::shrink(&["h3"], &[]),
    },
    Case {
        title: "the only copy",
        code: "BK-42",
        odd: |world| world.ledgers.get_mut(&101).unwrap().copies = 1,
        intent: by_stop,
    },
    Case {
        title: "autorecovery is off",
        code: "BK-43",
        odd: |world| world.autorecovery = false,
        intent: one_less,
    },
    Case {
        title: "no auditor",
        code: "BK-43",
        odd: |world| world.auditor = String::new(),
        intent: one_less,
    },
    Case {
        title: "only it makes copies",
        code: "BK-43",
        odd: |world| {
            for name in ["h1", "h2", "h3", "h4"] {
                let key = "autoRecoveryDaemonEnabled".to_owned();
                world.host(name).settings.insert(key, "false".to_owned());
            }
        },
        intent: by_stop,
    },
    Case {
        title: "ledgers that lack a copy",
        code: "BK-44",
        odd: |world| world.lacking = vec![10, 11],
        intent: one_less,
    },
    Case {
        title: "a bookie that forgets",
        code: "BK-45",
        odd: |world| {
            world.host("h3").settings.remove("persistBookieStatusEnabled");
        },
        intent: || world::shrink(&["h3"], &[("way", "expire")]),
    },
    Case {
        title: "data of somebody else",
        code: "BK-46",
        odd: nothing,
        intent: || world::shrink(&["h1"], &[("data", "wipe")]),
    },
    Case { title: "it is not dead", code: "BK-50", odd: nothing, intent: dead },
    Case {
        title: "only its agent is silent",
        code: "BK-51",
        odd: |world| world.host("h2").answers = false,
        intent: dead,
    },
    Case {
        title: "what is lost with it",
        code: "BK-52",
        odd: |world| {
            one_copy(world, 60..64);
            one_copy(world, 70..71);
            world.dies("h2");
        },
        intent: dead,
    },
    Case {
        title: "more is lost than can be listed",
        code: "BK-53",
        odd: |world| {
            one_copy(world, 200..1300);
            world.dies("h2");
        },
        intent: || world::accepting(dead(), "BK-52"),
    },
    Case {
        title: "the new host is taken",
        code: "BK-16",
        odd: |world| world.host("h6").occupied = true,
        intent: || world::replace("h2", ("bk6", "h6"), false, &[]),
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

fn codes(world: &World, spec: &Spec, intent: &Intent) -> Vec<String> {
    refused(world, spec, intent).into_iter().map(|refusal| refusal.code).collect()
}

/// What a rate for autorecovery cannot be is said before; with it accepted the plan says so.
#[test]
fn a_budget_that_a_stop_does_not_keep_is_agreed_to() {
    let (world, spec) = world::grown(3, 2, 0, &[("budget", "22:00-06:00=50MB/s,06:00-22:00=0")]);
    assert_eq!(codes(&world, &spec, &by_stop()), ["BK-48"]);
    let plan = crate::play::plan(&world, &spec, &world::accepting(by_stop(), "BK-48"));
    let note = &plan.notes.iter().find(|note| note.text.starts_with("BK-48")).unwrap().text;
    assert!(note.contains("says no and was accepted"), "{note}");
    crate::play::plan(&world, &spec, &one_less());
}

#[test]
fn hours_in_which_something_moves_are_wanted() {
    let (world, mut spec) = world::grown(3, 2, 0, &[]);
    // It cannot be typed.
    let options = spec.options.as_mut().and_then(|options| options.system.as_mut());
    let Some(bellows_proto::v1::spec_options::System::Bookkeeper(options)) = options else {
        panic!("no options")
    };
    options.budgets = vec![bellows_proto::v1::BookkeeperBudget::default()];
    assert_eq!(codes(&world, &spec, &one_less()), ["BK-47"]);
    assert_eq!(codes(&world, &spec, &by_stop()), ["BK-47"]);
    // Nothing moves: it is only waited for.
    crate::play::plan(&world, &spec, &world::shrink(&["bk5"], &[("way", "expire")]));
}

/// As many as the largest ensemble are not enough: what clients ask for counts too.
#[test]
fn more_stay_than_clients_ask_for() {
    for (broker, good) in [("3/2/2", true), ("4/2/2", false), ("5/2/2", false)] {
        let (world, spec) = world::grown(3, 2, 0, &[("broker", broker)]);
        let observation = world.observe(&spec, Some(&one_less()));
        let plan = AllSystems::default().plan(&spec, &observation, &one_less());
        assert_eq!(plan.is_ok(), good, "{broker}");
    }
}

#[test]
fn all_rules_of_these_verbs_are_tried() {
    let mut tried: BTreeSet<&str> = CASES.iter().map(|case| case.code).collect();
    // In racks.
    tried.extend(["BK-47", "BK-48", "BK-54"]);
    let all = bellows::systems::explanations().into_iter().map(|rule| rule.code);
    let mine: Vec<String> =
        all.filter(|code| code.as_str() >= "BK-40" && code.starts_with("BK-")).collect();
    tried.retain(|code| *code >= "BK-40");
    assert_eq!(tried.into_iter().collect::<Vec<_>>(), mine);
}
