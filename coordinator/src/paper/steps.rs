//! The steps of a plan on paper: by host, and one by one.

use bellows_proto::v1::{Act, Plan, Step, step::Kind};

use super::{Block, Document, Lang, Style, sentences::told};

/// All steps, members of groups after their group.
pub(super) fn all(plan: &Plan) -> impl Iterator<Item = &Step> {
    plan.steps.iter().flat_map(|step| {
        let members = match &step.kind {
            Some(Kind::Group(group)) => group.members.as_slice(),
            Some(Kind::Check(_) | Kind::Act(_) | Kind::Wait(_)) | None => &[],
        };
        std::iter::once(step).chain(members)
    })
}

/// All steps that act, with what they do.
pub(super) fn acts(plan: &Plan) -> impl Iterator<Item = (&Step, &Act)> {
    all(plan).filter_map(|step| match &step.kind {
        Some(Kind::Act(act)) => Some((step, act)),
        Some(Kind::Check(_) | Kind::Wait(_) | Kind::Group(_)) | None => None,
    })
}

/// The host that a step acts at; empty: it does not act itself.
pub(super) fn host(step: &Step) -> &str {
    match &step.kind {
        Some(Kind::Act(act)) => &act.host,
        Some(Kind::Check(_) | Kind::Wait(_) | Kind::Group(_)) | None => "",
    }
}

/// Hosts in the order in which they are first worked at.
pub(super) fn hosts(plan: &Plan) -> Vec<&str> {
    let mut hosts: Vec<&str> = Vec::new();
    let worked = acts(plan).map(|(_, act)| act.host.as_str());
    for host in worked.chain(plan.fenced_hosts.iter().map(String::as_str)) {
        if !hosts.contains(&host) {
            hosts.push(host);
        }
    }
    hosts
}

/// "act", "wait", ...
pub(super) fn kind(step: &Step, lang: Lang) -> &'static str {
    match &step.kind {
        Some(Kind::Check(_)) => lang.say("check", "检查"),
        Some(Kind::Act(_)) => lang.say("act", "动作"),
        Some(Kind::Wait(_)) => lang.say("wait", "等待"),
        Some(Kind::Group(_)) => lang.say("group", "并行组"),
        None => "?",
    }
}

/// There is only forward from this step on.
pub(super) fn is_past(plan: &Plan, step: &Step) -> bool {
    plan.point_of_no_return != 0 && step.number >= plan.point_of_no_return
}

/// How a step is taken back, in a word.
pub(super) fn way_back(plan: &Plan, step: &Step, lang: Lang) -> &'static str {
    match &step.kind {
        Some(Kind::Act(_)) if is_past(plan, step) => {
            lang.say("none: past the point of no return", "无：已过不可回退点")
        }
        Some(Kind::Act(act)) if act.undo.is_empty() => lang.say("nothing to take back", "无需撤回"),
        Some(Kind::Act(_)) => lang.say("undo", "撤回"),
        Some(Kind::Group(_)) => lang.say("as its members", "同其成员"),
        Some(Kind::Check(_) | Kind::Wait(_)) | None => {
            lang.say("changes nothing", "不改变任何东西")
        }
    }
}

/// What is done at each host, and what changes in its files.
pub(super) fn by_host(paper: &mut Document, plan: &Plan, style: &Style) {
    paper.heading(style.say("Host by host", "逐台主机"));
    for host in hosts(plan) {
        paper.add(Block::Subheading(host.to_owned()));
        let here: Vec<(&Step, &Act)> = acts(plan).filter(|(_, act)| act.host == host).collect();
        if here.is_empty() {
            paper.text(style.say("Only asked, nothing is done there.", "只询问，不做任何事。"));
            continue;
        }
        let items = here.iter().map(|(step, act)| {
            let (title, does) = (told(style.lang, &step.title), told(style.lang, &act.summary));
            match style.lang {
                Lang::En => format!("step {}: {title} ({does})", step.number),
                Lang::Zh => format!("第 {} 步：{title}（{does}）", step.number),
            }
        });
        paper.add(Block::List(items.collect()));
        let changes: Vec<String> =
            here.iter().flat_map(|(_, act)| act.changes.iter().cloned()).collect();
        if !changes.is_empty() {
            paper.text(style.say("File differences:", "文件差异："));
            paper.add(Block::Changes(changes));
        }
    }
}

/// Every step with its reason, limits, undo, and what would be typed by hand.
pub(super) fn in_detail(paper: &mut Document, plan: &Plan, style: &Style) {
    paper.heading(style.say("Step by step", "逐步说明"));
    for step in all(plan) {
        let title = told(style.lang, &step.title);
        paper.add(Block::Subheading(format!("{}. {title}", step.number)));
        if !step.reason.is_empty() {
            let why = told(style.lang, &step.reason);
            paper.text(format!("{}{why}", style.say("Why: ", "理由：")));
        }
        paper.add(Block::Facts(limits(step, style)));
        if let Some(Kind::Act(act)) = &step.kind {
            one_act(paper, plan, step, act, style);
        }
    }
}

fn limits(step: &Step, style: &Style) -> Vec<(String, String)> {
    let fact = |en, zh, value: String| (style.say(en, zh).to_owned(), value);
    let span = |ms: u64| if ms == 0 { String::new() } else { style.duration(ms) };
    let mut facts = vec![
        fact("Kind", "种类", kind(step, style.lang).to_owned()),
        fact("Expected", "预计", style.about(step.expected_ms)),
    ];
    match &step.kind {
        Some(Kind::Act(act)) => {
            facts.push(fact("At", "主机", act.host.clone()));
            facts.push(fact("Does", "内容", told(style.lang, &act.summary)));
            facts.push(fact("Ended after", "最长", span(act.deadline_ms)));
            facts.push(fact("Held without progress for", "无进展多久后挂起", span(act.stall_ms)));
        }
        Some(Kind::Wait(wait)) => {
            facts.push(fact("Held without progress for", "无进展多久后挂起", span(wait.stall_ms)));
        }
        Some(Kind::Group(group)) => {
            facts.push(fact("At once", "同时进行", group.limit.to_string()));
        }
        Some(Kind::Check(_)) | None => {}
    }
    facts
}

fn one_act(paper: &mut Document, plan: &Plan, step: &Step, act: &Act, style: &Style) {
    if !act.changes.is_empty() {
        paper.add(Block::Changes(act.changes.clone()));
    }
    if is_past(plan, step) {
        paper.add(Block::Warning(
            style
                .say("No way back: past the point of no return.", "没有退路：已过不可回退点。")
                .to_owned(),
        ));
        return;
    }
    let undo = act.undo.iter().map(|undo| {
        let does = told(style.lang, &undo.summary);
        match style.lang {
            Lang::En => format!("Undo at {}: {does}", undo.host),
            Lang::Zh => format!("撤回（在 {}）：{does}", undo.host),
        }
    });
    let undo: Vec<String> = undo.collect();
    if undo.is_empty() {
        paper.text(style.say("Undo: nothing to take back.", "撤回：无需撤回。"));
    } else {
        paper.add(Block::List(undo));
    }
}
