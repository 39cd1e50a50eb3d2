//! Plans on paper: golden documents, no foreign markup, every sentence of the planners in Chinese.

use std::collections::BTreeSet;

use bellows::paper::{self, Block, Lang, Style};
use bellows_proto::v1::{NoteKind, Plan, Remarks, System, step::Kind};
use jiff::tz::TimeZone;

use crate::{
    adopting, play,
    world::{self, CLUSTER, World},
};

pub fn style(lang: Lang) -> Style {
    Style { lang, zone: TimeZone::UTC }
}

pub fn expanding() -> Plan {
    let (world, spec) = world::cluster(3, 1, &[("client_networks", "10.9.0.0/16")]);
    let intent = world::expand(&[("pg4", "h4")], &[("clone_rate_kib", "20480")]);
    let remarks = Remarks { ticket: "CHG-4711".into(), note: "one more standby".into() };
    Plan {
        id: "0190aaaa-0000-7000-8000-000000000001".into(),
        site: "prod".into(),
        planned_at_ms: 1_700_000_000_000,
        remarks: Some(remarks),
        ..play::plan(&world, &spec, &intent)
    }
}

fn shrinking() -> Plan {
    let (world, spec) = world::cluster(4, 0, &[("min_members", "3")]);
    play::plan(&world, &spec, &world::shrink(&["pg3"], &[("data", "wipe")]))
}

fn creating() -> Plan {
    let nodes = [("pg1", "h1"), ("pg2", "h2"), ("pg3", "h3")];
    let spec = bellows::spec::blank(CLUSTER, System::Postgresql);
    play::plan(&World::empty(3), &spec, &world::create(&nodes, &[]))
}

#[test]
fn an_expansion_in_english_as_html() {
    let document = paper::plan(&expanding(), &style(Lang::En));
    insta::assert_snapshot!(paper::html(&document));
}

#[test]
fn a_removal_in_chinese_as_html() {
    let document = paper::plan(&shrinking(), &style(Lang::Zh));
    insta::assert_snapshot!(paper::html(&document));
}

#[test]
fn an_expansion_in_chinese_as_markdown() {
    let document = paper::plan(&expanding(), &style(Lang::Zh));
    insta::assert_snapshot!(paper::markdown(&document));
}

#[test]
fn a_removal_in_english_as_markdown() {
    let document = paper::plan(&shrinking(), &style(Lang::En));
    insta::assert_snapshot!(paper::markdown(&document));
}

#[test]
fn json_has_the_plan_as_it_was_and_the_document() {
    let plan = expanding();
    let text = paper::json(&paper::plan(&plan, &style(Lang::En)), &plan).unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((value["format"].as_u64(), value["lang"].as_str()), (Some(1), Some("en")));
    assert_eq!(serde_json::from_value::<Plan>(value["source"].clone()).unwrap(), plan);
    let blocks = value["blocks"].as_array().unwrap();
    assert!(blocks.iter().any(|block| block["heading"] == "Going back"), "{text}");
}

/// What a hostile host, administrator or file could have put into every text of a plan.
const HOSTILE: &str = "</script><img src=x onerror=alert(1)> \" ' & `|\u{1b}[2J\u{202e}";

#[test]
fn nothing_in_a_plan_becomes_markup() {
    let mut plan = expanding();
    let hostile = || HOSTILE.to_owned();
    plan.cluster = hostile();
    plan.site = hostile();
    plan.remarks = Some(Remarks { ticket: hostile(), note: hostile() });
    for view in plan.before.iter_mut().chain(&mut plan.after) {
        view.role = hostile();
        (view.node, view.host, view.state, view.detail) =
            (hostile(), hostile(), hostile(), hostile());
    }
    for note in &mut plan.notes {
        note.text = hostile();
    }
    for guard in &mut plan.guards {
        (guard.code, guard.rule, guard.value) = (hostile(), hostile(), hostile());
    }
    for step in &mut plan.steps {
        (step.title, step.reason) = (hostile(), hostile());
        if let Some(Kind::Act(act)) = &mut step.kind {
            (act.host, act.summary) = (hostile(), hostile());
            (act.changes, act.by_hand) = (vec![hostile()], vec![hostile()]);
        }
    }
    let html = paper::html(&paper::plan(&plan, &style(Lang::En)));
    for bad in
        ["<script", "</script", "<img", "\u{1b}", "\u{202e}", "\" '", "http:", "url(", "@import"]
    {
        let html = html.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
        assert!(!html.contains(bad), "{bad}");
    }
    let markdown = paper::markdown(&paper::plan(&plan, &style(Lang::Zh)));
    let outside: String = fenceless(&markdown);
    for bad in ["\u{1b}", "\u{202e}", " <img", "</script>"] {
        assert!(!outside.replace("\\<", "").replace("\\>", "").contains(bad), "{bad}: {outside}");
    }
}

/// Without fenced lines: those are shown as they are.
fn fenceless(markdown: &str) -> String {
    let mut within = false;
    let mut out = String::new();
    for line in markdown.lines() {
        if line.starts_with("```") {
            within = !within;
        } else if !within {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

/// Plans of all kinds, as `golden` has them.
fn all_kinds() -> Vec<Plan> {
    let (three, spec_three) = world::cluster(3, 1, &[("min_members", "2")]);
    let (four, spec_four) = world::cluster(4, 2, &[("min_members", "2")]);
    let mut dead = three.clone();
    dead.dies("h3");
    let (mut fronted, mut fronted_dead) = (three.clone(), three.clone());
    fronted.stand_in_front("lb1");
    fronted_dead.stand_in_front("lb1");
    fronted_dead.dies("h3");
    let mut busy = three.clone();
    for (user, count) in [("a", 9), ("b", 8), ("c", 7), ("d", 6), ("e", 5), ("f", 4), ("g", 1)] {
        busy.connect("pg1", user, count);
    }
    busy.connect("pg2", "report", 70);
    busy.connect("pg3", "report", 1);
    let mut crowded = busy.clone();
    crowded.connect("pg3", "report", 94);
    let mut blind = three.clone();
    blind.hidden_sessions = 2;
    let accepted = |intent| world::accepting(intent, "PG-50");
    let mut failed = three.clone();
    failed.fails_over("pg1", "pg2", false);
    let (mut apart, mut unknown, mut lost) = (failed.clone(), three.clone(), failed.clone());
    apart.starts_again("pg1");
    unknown.fails_over("pg1", "pg2", true);
    // Two at once; one of them has no slot any more.
    lost.disconnected.insert("pg3".to_owned());
    lost.slots.remove("repmgr_slot_3");
    let (nodes, limit) = ([("pg5", "h5"), ("pg6", "h6")], [("clone_rate_kib", "20480")]);
    let (mut foreign, blank) = adopting::with_everything();
    // Nobody's unit starts this one.
    foreign.node("pg2").place.server_service.clear();
    foreign.host("h2").left_alone = "NO UNIT";
    foreign.node("pg2").repmgrd.running = false;
    foreign.tablespaces = vec!["fast".to_owned()];
    let (adopted, spec_adopted) = adopting::adopted();
    let (built, spec_built) = adopting::flat();
    let mut built_dead = built.clone();
    built_dead.dies("h3");
    let (mut grown, mut spec_grown) = (adopted.clone(), spec_adopted.clone());
    let growing = play::plan(&adopted, &spec_adopted, &world::expand(&[("pg4", "h4")], &[]));
    play::steps(&mut grown, &mut spec_grown, &growing, growing.steps.len());
    let networks = [("client_networks", "10.7.0.0/16")];
    let (networked, spec_networked) = world::cluster(3, 0, &networks);
    let without = [("client_networks", ""), ("clone_rate_kib", "0"), ("min_members", "3")];
    vec![
        creating(),
        expanding(),
        shrinking(),
        play::plan(&four, &spec_four, &world::expand(&nodes, &limit)),
        play::plan(&four, &spec_four, &world::shrink(&["pg3", "pg4"], &[])),
        play::plan(&four, &spec_four, &world::shrink(&["pg1"], &[])),
        play::plan(&four, &spec_four, &world::shrink(&["pg1", "pg4"], &[("data", "wipe")])),
        play::plan(&four, &spec_four, &world::shrink_by(1)),
        play::plan(&three, &spec_three, &world::replace("pg3", ("pg4", "h4"), false, &[])),
        play::plan(&three, &spec_three, &world::replace("pg1", ("pg4", "h4"), false, &[])),
        play::plan(&busy, &spec_three, &accepted(world::switchover("pg2"))),
        play::plan(&busy, &spec_three, &world::shrink(&["pg3"], &[])),
        play::plan(&crowded, &spec_three, &accepted(world::shrink(&["pg1"], &[]))),
        play::plan(&blind, &spec_three, &accepted(world::shrink(&["pg3"], &[]))),
        play::plan(&dead, &spec_three, &world::replace("pg3", ("pg4", "h4"), true, &[])),
        play::plan(&three, &spec_three, &world::switchover("")),
        play::plan(&three, &spec_three, &world::switchover("pg3")),
        play::plan(&failed, &spec_three, &world::rejoin("pg1", false)),
        play::plan(&failed, &spec_three, &world::rejoin("pg1", true)),
        play::plan(&apart, &spec_three, &world::rejoin("pg1", true)),
        play::plan(&unknown, &spec_three, &world::rejoin("pg1", true)),
        play::plan(&lost, &spec_three, &world::rejoin("pg3", false)),
        play::plan(&three, &spec_three, &world::restart(&[], false)),
        play::plan(&networked, &spec_networked, &world::reconfigure(&without)),
        play::plan(&networked, &spec_networked, &world::reconfigure(&limit[..])),
        play::plan(&adopted, &spec_adopted, &world::reconfigure(&networks)),
        play::plan(&three, &spec_three, &world::restart(&[], true)),
        play::plan(&fronted, &spec_three, &world::expand(&[("pg4", "h4")], &[])),
        play::plan(&fronted, &spec_three, &world::shrink(&["pg3"], &[])),
        play::plan(&fronted, &spec_three, &world::switchover("pg2")),
        play::plan(&fronted, &spec_three, &world::replace("pg3", ("pg4", "h4"), false, &[])),
        play::plan(&fronted_dead, &spec_three, &world::replace("pg3", ("pg4", "h4"), true, &[])),
        play::plan(&foreign, &blank, &adopting::from_three()),
        play::plan(&grown, &spec_grown, &world::shrink(&["pg4"], &[])),
        play::plan(&built, &spec_built, &world::shrink(&["pg3"], &[])),
        play::plan(&built_dead, &spec_built, &world::replace("pg3", ("pg4", "h4"), true, &[])),
        play::plan(&watched(&built), &spec_built, &world::switchover("pg2")),
        growing,
    ]
}

/// With a witness.
fn watched(world: &World) -> World {
    let mut world = world.clone();
    world.registered.push(adopting::witness());
    world
}

/// Two plain words side by side: a part of it is English still.
fn halved(told: &str) -> bool {
    let words: Vec<&str> = told.split(' ').collect();
    let plain = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase());
    words.windows(2).any(|pair| pair.iter().all(|word| plain(word)))
}

#[test]
fn what_planners_say_has_a_chinese_form() {
    let mut english = BTreeSet::new();
    for plan in all_kinds() {
        let mut said: Vec<String> = plan.notes.iter().map(|note| note.text.clone()).collect();
        said.extend(plan.guards.iter().map(|guard| guard.rule.clone()));
        let steps = plan.steps.iter().flat_map(|step| match &step.kind {
            Some(Kind::Group(group)) => [std::slice::from_ref(step), &group.members].concat(),
            _ => vec![step.clone()],
        });
        for step in steps {
            said.extend([step.title, step.reason]);
            if let Some(Kind::Act(act)) = step.kind {
                said.push(act.summary);
                said.extend(act.undo.into_iter().map(|undo| undo.summary));
            }
        }
        english.extend(said.into_iter().filter(|text| {
            // Commands have one name in all languages.
            let command = text.starts_with("repmgr ") || text == "initdb";
            !text.is_empty() && !command && paper::in_chinese(text).is_none_or(|told| halved(&told))
        }));
    }
    assert!(english.is_empty(), "coordinator/src/paper/sentences.rs lacks {english:#?}");
}

#[test]
fn what_planners_say_is_told_in_chinese() {
    let chinese = |text: &str| text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
    for plan in [creating(), expanding(), shrinking()] {
        let document = paper::plan(&plan, &style(Lang::Zh));
        let texts = document.blocks.iter().flat_map(|block| match block {
            Block::Heading(text) | Block::Text(text) | Block::Warning(text) => vec![text.clone()],
            Block::Subheading(text) if text.contains(". ") => vec![text.clone()],
            Block::List(items) => items.clone(),
            _ => vec![],
        });
        let english: Vec<String> = texts.filter(|text| !chinese(text)).collect();
        assert!(english.is_empty(), "{english:#?}");
    }
    assert!(creating().notes.iter().any(|note| note.kind() == NoteKind::Data));
}
