//! Conditions and probes where something is missing: what could not be read is unknown.

use bellows::{
    plan::{Probe, Systems as _, Verdict},
    systems::AllSystems,
};
use bellows_proto::v1::{
    Action, BookkeeperAction, BookkeeperAudit, BookkeeperAutorecovers, BookkeeperAutorecoveryIs,
    BookkeeperCondition, BookkeeperCookieClean, BookkeeperCookieSaved, BookkeeperDeleteCookie,
    BookkeeperDrain, BookkeeperEmptied, BookkeeperEnough, BookkeeperHasCookie, BookkeeperHealthy,
    BookkeeperMembersAre, BookkeeperMetadataFast, BookkeeperNoSoleCopies, BookkeeperRegistered,
    BookkeeperRegistration, BookkeeperReplicated, BookkeeperRoom, BookkeeperSetReadOnly,
    BookkeeperStateKept, Condition, Intent, Observation, Plan, Progress, Spec, action,
    bookkeeper_action, bookkeeper_condition::Kind, condition, observation, step,
};

use crate::{
    play::{self, acts},
    world::{self, Ledger, World, id, node_ref},
};

fn all_conditions(plan: &Plan) -> Vec<Condition> {
    let mut all: Vec<Condition> = plan.premises.iter().chain(&plan.invariants).cloned().collect();
    for one in &plan.steps {
        match one.kind.as_ref().unwrap() {
            step::Kind::Check(check) => all.extend(check.conditions.iter().cloned()),
            step::Kind::Wait(wait) => all.extend(wait.conditions.iter().cloned()),
            step::Kind::Group(_) | step::Kind::Act(_) => {}
        }
        for act in acts(one) {
            all.extend(act.requires.iter().cloned());
            all.extend(act.undo.iter().flat_map(|undo| undo.requires.iter().cloned()));
        }
    }
    all
}

fn all_actions(plan: &Plan) -> Vec<Action> {
    let acts: Vec<_> = plan.steps.iter().flat_map(acts).collect();
    let undo = acts.iter().flat_map(|act| &act.undo);
    acts.iter().copied().chain(undo).map(|act| act.action.clone().unwrap()).collect()
}

fn bookkeeper(kind: Kind) -> Condition {
    Condition { kind: Some(condition::Kind::Bookkeeper(BookkeeperCondition { kind: Some(kind) })) }
}

/// By an observation in which all surveys were made.
fn judged(world: &World, spec: &Spec, kind: Kind) -> Verdict {
    let intent = world::shrink(&["h3"], &[]);
    AllSystems::default().check(&bookkeeper(kind), &world.observe(spec, Some(&intent)))
}

fn probed(seen: &Observation, kind: bookkeeper_action::Kind) -> Probe {
    let action = BookkeeperAction { kind: Some(kind) };
    let action = Action { kind: Some(action::Kind::Bookkeeper(action)) };
    AllSystems::default().probe(&action, seen)
}

fn refused(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Refused(_))
}

fn unknown(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Unknown(_))
}

fn not_yet(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::NotYet { .. })
}

#[test]
fn of_silence_nothing_is_known() {
    let (world, spec) = world::cluster(3, 1, &[]);
    let intent = world::expand(&[("bk4", "h4")]);
    let plan = play::plan(&world, &spec, &intent);
    let mut silent = world;
    silent.hosts.values_mut().for_each(|host| host.answers = false);
    let observation = silent.observe(&spec, Some(&intent));
    for condition in all_conditions(&plan) {
        let verdict = AllSystems::default().check(&condition, &observation);
        assert!(unknown(&verdict), "{condition:?}: {verdict:?}");
    }
    for action in all_actions(&plan) {
        let probe = AllSystems::default().probe(&action, &observation);
        assert!(matches!(probe, Probe::Unknown(_)), "{action:?}: {probe:?}");
    }
    let nothing = Observation::default();
    for condition in all_conditions(&plan) {
        let verdict = AllSystems::default().check(&condition, &nothing);
        assert!(unknown(&verdict), "{condition:?}: {verdict:?}");
    }
}

#[test]
fn empty_messages_are_errors() {
    let observation = Observation::default();
    let kind = Some(condition::Kind::Bookkeeper(BookkeeperCondition { kind: None }));
    assert!(refused(&AllSystems::default().check(&Condition { kind }, &observation)));
    let kind = Some(action::Kind::Bookkeeper(BookkeeperAction { kind: None }));
    let probe = AllSystems::default().probe(&Action { kind }, &observation);
    assert!(matches!(probe, Probe::Unknown(_)));
}

fn healthy(without: &[&str]) -> Kind {
    let without = without.iter().map(|node| (*node).to_owned()).collect();
    Kind::Healthy(BookkeeperHealthy { without })
}

#[test]
fn health_is_what_all_see() {
    let (world, spec) = world::cluster(3, 0, &[]);
    assert_eq!(judged(&world, &spec, healthy(&[])), Verdict::Holds);
    let mut ailing = world.clone();
    ailing.host("h2").read_only = true;
    let Verdict::NotYet { reason, progress } = judged(&ailing, &spec, healthy(&[])) else {
        panic!("it is well")
    };
    assert!(reason.contains("h2: it is read-only; h2: for h1 it is read-only"), "{reason}");
    assert_eq!(progress.map(|one| (one.done, one.total)), Some((2, Some(3))));
    assert_eq!(judged(&ailing, &spec, healthy(&["h2"])), Verdict::Holds);
    // One that has a cookie and is gone counts, whoever it is.
    let mut missing = world.clone();
    missing.cookies.insert("10.0.0.99:3181".to_owned(), world::cookie("h99"));
    assert!(not_yet(&judged(&missing, &spec, healthy(&["h2"]))));
    let mut stopped = world.clone();
    stopped.host("h3").running = false;
    assert_eq!(judged(&stopped, &spec, healthy(&["h3"])), Verdict::Holds);
    assert!(not_yet(&judged(&stopped, &spec, healthy(&[]))));
    let mut silent = world;
    silent.host("h2").answers = false;
    assert!(unknown(&judged(&silent, &spec, healthy(&[]))));
}

#[test]
fn one_witness_of_two_is_not_enough() {
    let (world, spec) = world::cluster(3, 0, &[]);
    let mut seen = world.observe(&spec, None);
    let Some(observation::System::Bookkeeper(bookies)) = &mut seen.system else { panic!() };
    assert_eq!(bookies.clusters.len(), 3);
    bookies.clusters[0].outcome = None;
    let fast = || bookkeeper(Kind::MetadataFast(BookkeeperMetadataFast {}));
    assert_eq!(AllSystems::default().check(&fast(), &seen), Verdict::Holds);
    let Some(observation::System::Bookkeeper(bookies)) = &mut seen.system else { panic!() };
    bookies.clusters[1].outcome = None;
    assert!(unknown(&AllSystems::default().check(&fast(), &seen)));
}

fn registered(node: &str, r#as: BookkeeperRegistration) -> Kind {
    Kind::Registered(BookkeeperRegistered { node: node.to_owned(), r#as: r#as.into() })
}

#[test]
fn all_must_see_how_it_is_registered() {
    use BookkeeperRegistration::{Gone, ReadOnly, Writable};
    let (mut world, spec) = world::cluster(4, 0, &[]);
    assert_eq!(judged(&world, &spec, registered("h2", Writable)), Verdict::Holds);
    assert!(not_yet(&judged(&world, &spec, registered("h2", ReadOnly))));
    world.host("h2").read_only = true;
    assert_eq!(judged(&world, &spec, registered("h2", ReadOnly)), Verdict::Holds);
    world.odd_witness = Some(("h4".to_owned(), id("h2")));
    let verdict = judged(&world, &spec, registered("h2", ReadOnly));
    let Verdict::NotYet { reason, .. } = verdict else { panic!("{verdict:?}") };
    assert_eq!(reason, "for h4 h2 is gone, not read-only");
    assert!(not_yet(&judged(&world, &spec, registered("h2", Gone))));
    world.odd_witness = None;
    // Gone is what others see: its host may be off.
    world.dies("h2");
    assert_eq!(judged(&world, &spec, registered("h2", Gone)), Verdict::Holds);
    assert!(unknown(&judged(&world, &spec, registered("h2", Writable))));
    let nothing = registered("h1", BookkeeperRegistration::Unspecified);
    assert!(refused(&judged(&world, &spec, nothing)));
}

#[test]
fn members_are_those_and_no_other() {
    let (mut world, spec) = world::cluster(3, 1, &[]);
    let are = |nodes: &[&str]| {
        let nodes = nodes.iter().map(|node| (*node).to_owned()).collect();
        Kind::MembersAre(BookkeeperMembersAre { nodes, besides: Vec::new() })
    };
    assert_eq!(judged(&world, &spec, are(&["h1", "h2", "h3"])), Verdict::Holds);
    assert!(not_yet(&judged(&world, &spec, are(&["h1", "h2"]))));
    world.host("h4").running = true;
    let verdict = judged(&world, &spec, are(&["h1", "h2", "h3"]));
    let Verdict::NotYet { reason, .. } = verdict else { panic!("{verdict:?}") };
    assert!(reason.contains("10.0.0.4:3181, which is no member"), "{reason}");
}

fn emptied(node: &str, lost: &[u64]) -> Kind {
    Kind::Emptied(BookkeeperEmptied { node: node.to_owned(), lost: lost.to_vec() })
}

#[test]
fn empty_is_what_two_readings_say() {
    let (mut world, spec) = world::cluster(4, 0, &[]);
    // Whoever is writable gets new ledgers.
    assert!(refused(&judged(&world, &spec, emptied("h3", &[]))));
    world.host("h3").read_only = true;
    let on = world.on(&id("h3"));
    let Verdict::NotYet { reason, progress } = judged(&world, &spec, emptied("h3", &[])) else {
        panic!("it is empty")
    };
    assert!(
        reason.starts_with("h3 still holds 6 ledgers, about 384.0 MiB, among them"),
        "{reason}"
    );
    let wanted =
        Progress { done: 6, total: Some(12), unit: "ledgers".to_owned(), ..Progress::default() };
    assert_eq!(progress, Some(wanted));
    world.ledgers.retain(|ledger, _| !on.contains(ledger));
    assert_eq!(judged(&world, &spec, emptied("h3", &[])), Verdict::Holds);
    // By the metadata it is empty, and the shell was not asked, does not answer, or says otherwise.
    let intent = world::shrink(&["h3"], &[]);
    let mut seen = world.observe(&spec, Some(&intent));
    let check =
        |seen: &Observation| AllSystems::default().check(&bookkeeper(emptied("h3", &[])), seen);
    let Some(observation::System::Bookkeeper(bookies)) = &mut seen.system else { panic!() };
    assert_ne!(bookies.shells[0].node, bookies.ledgers[0].node, "two different members");
    let Some(bellows_proto::v1::bookkeeper_shell_reading::Outcome::Shell(shell)) =
        &mut bookies.shells[0].outcome
    else {
        panic!()
    };
    (shell.ledgers, shell.first) = (1, vec![77]);
    let verdict = check(&seen);
    assert!(matches!(&verdict, Verdict::NotYet { reason, .. } if reason.contains("among them 77")));
    let Some(observation::System::Bookkeeper(bookies)) = &mut seen.system else { panic!() };
    bookies.shells[0].outcome = None;
    assert!(unknown(&check(&seen)));
    let Some(observation::System::Bookkeeper(bookies)) = &mut seen.system else { panic!() };
    bookies.shells.clear();
    assert!(unknown(&check(&seen)));
    world.no_ledgers = true;
    assert!(unknown(&judged(&world, &spec, emptied("h3", &[]))));
}

/// Of a dead one the shell is asked too: what is lost stays in the metadata.
#[test]
fn what_was_agreed_to_be_lost_is_not_counted() {
    let (mut world, spec) = world::cluster(4, 1, &[]);
    world.dies("h3");
    let on = world.on(&id("h3"));
    let intent = world::replace("h3", ("bk5", "h5"), true, &[]);
    let seen = world.observe(&spec, Some(&intent));
    let check = |lost: &[u64]| AllSystems::default().check(&bookkeeper(emptied("h3", lost)), &seen);
    assert_eq!(check(&on), Verdict::Holds);
    assert!(not_yet(&check(&on[1..])));
}

#[test]
fn a_list_that_lacks_nothing_is_replicated() {
    let (mut world, spec) = world::cluster(3, 0, &[]);
    let replicated = |lost: &[u64]| Kind::Replicated(BookkeeperReplicated { lost: lost.to_vec() });
    assert_eq!(judged(&world, &spec, replicated(&[])), Verdict::Holds);
    world.lacking = vec![10, 11];
    let verdict = judged(&world, &spec, replicated(&[11]));
    let Verdict::NotYet { reason, progress } = verdict else { panic!("{verdict:?}") };
    assert_eq!(reason, "1 ledger lacks a copy, among them 10");
    assert_eq!(progress.map(|one| (one.done, one.total)), Some((8, Some(9))));
    assert_eq!(judged(&world, &spec, replicated(&[10, 11])), Verdict::Holds);
}

#[test]
fn what_stays_is_enough_and_has_room() {
    let (mut world, spec) = world::cluster(4, 0, &[("broker", "3/2/2")]);
    let without = |nodes: &[&str]| nodes.iter().map(|node| (*node).to_owned()).collect::<Vec<_>>();
    let enough = |nodes| Kind::Enough(BookkeeperEnough { without: without(nodes) });
    let room = |nodes| Kind::Room(BookkeeperRoom { without: without(nodes) });
    assert_eq!(judged(&world, &spec, enough(&[])), Verdict::Holds);
    assert!(refused(&judged(&world, &spec, enough(&["h3"]))), "three, and E is 3");
    assert_eq!(judged(&world, &spec, room(&["h3"])), Verdict::Holds);
    world.host("h1").disk_free = 10 << 30;
    assert!(refused(&judged(&world, &spec, room(&["h3"]))), "it warns already");
    let warns_at = ("diskUsageWarnThreshold".to_owned(), "0.99".to_owned());
    world.host("h1").settings.extend([warns_at]);
    assert_eq!(judged(&world, &spec, room(&["h3"])), Verdict::Holds, "it warns later");
    world.no_ledgers = true;
    assert!(unknown(&judged(&world, &spec, enough(&[]))));
    assert!(unknown(&judged(&world, &spec, room(&["h3"]))));
}

#[test]
fn sole_copies_are_named() {
    let (mut world, spec) = world::cluster(3, 0, &[]);
    let none = || Kind::NoSoleCopies(BookkeeperNoSoleCopies { node: "h3".to_owned() });
    assert_eq!(judged(&world, &spec, none()), Verdict::Holds);
    let one = Ledger { ensemble: vec![id("h3")], copies: 1, bytes: 1, open: false };
    world.ledgers.insert(70, one);
    let verdict = judged(&world, &spec, none());
    assert!(matches!(&verdict, Verdict::Refused(text) if text.contains("1 ledger, among them 70")));
}

#[test]
fn autorecovery_needs_an_auditor_and_a_daemon_elsewhere() {
    let (mut world, spec) = world::cluster(3, 0, &[]);
    let works = |without: &[&str]| {
        let without = without.iter().map(|node| (*node).to_owned()).collect();
        Kind::Autorecovers(BookkeeperAutorecovers { without })
    };
    assert_eq!(judged(&world, &spec, works(&["h1", "h2"])), Verdict::Holds);
    for host in ["h2", "h3"] {
        world.host(host).settings.remove("autoRecoveryDaemonEnabled");
    }
    assert_eq!(judged(&world, &spec, works(&["h3"])), Verdict::Holds);
    assert!(refused(&judged(&world, &spec, works(&["h1"]))), "only h1 has a daemon");
    world.auditor = String::new();
    assert!(refused(&judged(&world, &spec, works(&["h3"]))));
    world.autorecovery = false;
    assert!(refused(&judged(&world, &spec, works(&["h3"]))));
    let is = |enabled| Kind::AutorecoveryIs(BookkeeperAutorecoveryIs { enabled });
    assert_eq!(judged(&world, &spec, is(false)), Verdict::Holds);
    assert!(not_yet(&judged(&world, &spec, is(true))));
}

#[test]
fn a_state_is_kept_by_a_setting_and_a_version() {
    let (mut world, spec) = world::cluster(3, 0, &[]);
    let kept = || Kind::StateKept(BookkeeperStateKept { node: "h3".to_owned() });
    assert_eq!(judged(&world, &spec, kept()), Verdict::Holds);
    world.host("h3").version = "4.17.2";
    assert!(refused(&judged(&world, &spec, kept())));
    world.host("h3").version = "4.18.0";
    assert_eq!(judged(&world, &spec, kept()), Verdict::Holds);
    world.host("h3").settings.remove("persistBookieStatusEnabled");
    assert!(refused(&judged(&world, &spec, kept())));
}

#[test]
fn cookies_are_in_the_metadata_on_the_disk_and_kept() {
    let (mut world, spec) = world::cluster(3, 1, &[]);
    let intent: Intent = world::expand(&[("bk4", "h4")]);
    let check = |world: &World, kind: Kind| {
        let seen = world.observe(&spec, Some(&intent));
        AllSystems::default().check(&bookkeeper(kind), &seen)
    };
    let clean = || Kind::CookieClean(BookkeeperCookieClean { node: "bk4".to_owned() });
    let has = |present| Kind::HasCookie(BookkeeperHasCookie { node: "bk4".to_owned(), present });
    let saved =
        || Kind::CookieSaved(BookkeeperCookieSaved { node: "bk4".to_owned(), at: "h1".to_owned() });
    assert_eq!(check(&world, clean()), Verdict::Holds);
    assert_eq!(check(&world, has(false)), Verdict::Holds);
    assert!(not_yet(&check(&world, has(true))) && not_yet(&check(&world, saved())));
    world.cookies.insert(id("h4"), world::cookie("h4"));
    assert!(refused(&check(&world, clean())) && not_yet(&check(&world, has(false))));
    world.cookies.remove(&id("h4"));
    world.host("h4").stamped = Some(id("h4"));
    assert!(refused(&check(&world, clean())), "on its disk");
    world.host("h1").saved.insert(id("h4"), world::cookie("h4"));
    assert_eq!(check(&world, saved()), Verdict::Holds);
}

#[test]
fn an_act_is_done_when_the_system_shows_it() {
    use bookkeeper_action::Kind as Act;
    let (mut world, spec) = world::cluster(4, 0, &[]);
    let intent = world::shrink(&["h3"], &[]);
    let node = || Some(node_ref("h3"));
    let read_only = |read_only| Act::SetReadOnly(BookkeeperSetReadOnly { node: node(), read_only });
    let audit = |after_ms| Act::Audit(BookkeeperAudit { at: Some(node_ref("h1")), after_ms });
    let (at, bookie) = (Some(node_ref("h1")), id("h3"));
    let drain = || {
        Act::Drain(BookkeeperDrain {
            at: node(),
            node: node(),
            bookie: id("h3"),
            alive: true,
            ..Default::default()
        })
    };
    let delete = || {
        let (at, bookie) = (at.clone(), bookie.clone());
        Act::DeleteCookie(BookkeeperDeleteCookie { at, node: node(), bookie })
    };
    let seen = |world: &World| world.observe(&spec, Some(&intent));
    assert_eq!(probed(&seen(&world), read_only(true)), Probe::NotDone);
    assert_eq!(probed(&seen(&world), read_only(false)), Probe::Done);
    assert_eq!(probed(&seen(&world), audit(0)), Probe::NotDone);
    assert_eq!(probed(&seen(&world), drain()), Probe::NotDone);
    world.host("h1").audited_at_ms = 7;
    assert_eq!(probed(&seen(&world), audit(6)), Probe::Done);
    assert_eq!(probed(&seen(&world), audit(7)), Probe::NotDone, "that was an earlier one");
    let on = world.on(&id("h3"));
    world.ledgers.retain(|ledger, _| !on.contains(ledger));
    assert_eq!(probed(&seen(&world), drain()), Probe::Done);
    assert_eq!(probed(&seen(&world), delete()), Probe::NotDone);
    world.cookies.remove(&id("h3"));
    assert_eq!(probed(&seen(&world), delete()), Probe::Done);
    // One that does not run takes nothing.
    world.host("h3").running = false;
    assert_eq!(probed(&seen(&world), read_only(true)), Probe::Done);
    assert_eq!(probed(&seen(&world), read_only(false)), Probe::NotDone);
    // Without an intent no survey is made: nothing is known of ledgers and cookies.
    let unasked = world.observe(&spec, None);
    assert!(matches!(probed(&unasked, drain()), Probe::Unknown(_)));
    assert!(matches!(probed(&unasked, delete()), Probe::Unknown(_)));
}
