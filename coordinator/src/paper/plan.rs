//! A plan on paper: what those who agree to a change ask for.

use bellows_proto::v1::{MemberView, NoteKind, Plan, Step, step::Kind};

use super::{
    Block, Document, Lang, Mark, Row, Style, Table, Topology,
    manual::manual,
    sentences::told,
    steps::{self, all},
};
use crate::{cli::words, plan::expected_ms};

/// The plan as a document.
pub fn plan(plan: &Plan, style: &Style) -> Document {
    let title =
        format!("{}{}", style.say("Change plan: ", "变更计划："), subject(plan, style.lang));
    let mut paper = Document::new(style, title);
    head(&mut paper, plan, style);
    topology(&mut paper, plan, style);
    notes(&mut paper, plan, style);
    guards(&mut paper, plan, style);
    overview(&mut paper, plan, style);
    steps::by_host(&mut paper, plan, style);
    steps::in_detail(&mut paper, plan, style);
    back(&mut paper, plan, style);
    manual(&mut paper, plan, style, "ID");
    agreed(&mut paper, style);
    paper
}

/// "expand cluster orders".
pub(super) fn subject(plan: &Plan, lang: Lang) -> String {
    let verb = words::verb(plan);
    let verb = lang.say(verb, chinese(verb));
    format!("{verb}{}{}", lang.say(" cluster ", "集群 "), plan.cluster)
}

/// A verb in Chinese; as it is where it has no translation.
fn chinese(verb: &str) -> &str {
    match verb {
        "create" => "创建",
        "expand" => "扩容",
        "shrink" => "缩容",
        "switchover" => "主备切换",
        "replace" => "替换节点",
        "rejoin" => "重新加入",
        "restart" => "滚动重启",
        "adopt" => "接管",
        "reconfigure" => "变更选项",
        "change" => "变更",
        other => other,
    }
}

fn head(paper: &mut Document, plan: &Plan, style: &Style) {
    let version = match plan.spec_version {
        0 => style.say("none: a new cluster", "无：新集群").to_owned(),
        version => version.to_string(),
    };
    let mut facts = remarks(plan, style);
    for (en, zh, value) in [
        ("Cluster", "集群", plan.cluster.clone()),
        ("System", "系统", words::system(plan.system())),
        ("Site", "站点", plan.site.clone()),
        ("Plan", "计划", plan.id.clone()),
        ("Planned at", "计划时间", style.time(plan.planned_at_ms)),
        ("Spec version", "规格版本", version),
        ("Steps", "步骤数", all(plan).count().to_string()),
        ("Expected to take", "预计耗时", style.about(expected_ms(plan))),
        ("Maintenance window", "维护窗口", plan.window.map(|w| w.to_string()).unwrap_or_default()),
        ("Hosts that are taken for dead", "视为已死的主机", plan.dead_hosts.join(", ")),
        ("Pause for writers, expected", "预计写入暂停", expected_pause(plan, style)),
        ("Point of no return", "不可回退点", point(plan, style)),
    ] {
        facts.push((style.say(en, zh).to_owned(), value));
    }
    paper.add(Block::Facts(facts));
    paper.text(style.say(
        "Durations are estimates, no promise. When the plan is applied, the hosts are asked again; if they lead to \
         another plan, nothing is done.",
        "耗时均为估计，不是承诺。执行时会再次询问各主机；若由此得出不同的计划，则什么也不做。",
    ));
}

/// The span in which nobody can write; empty: there is none.
pub(super) fn expected_pause(plan: &Plan, style: &Style) -> String {
    plan.write_pause.map_or_else(String::new, |pause| {
        format!("{} – {}", style.duration(pause.at_least_ms), style.duration(pause.at_most_ms))
    })
}

/// Ticket and note, and the operation that it comes after.
pub(super) fn remarks(plan: &Plan, style: &Style) -> Vec<(String, String)> {
    let said = plan.remarks.clone().unwrap_or_default();
    vec![
        (style.say("Ticket", "变更单").to_owned(), said.ticket),
        (style.say("Note", "说明").to_owned(), said.note),
        (style.say("Planned anew after", "重新计划自").to_owned(), plan.again.clone()),
    ]
}

/// The point of no return in a sentence.
pub(super) fn point(plan: &Plan, style: &Style) -> String {
    let number = plan.point_of_no_return;
    match all(plan).find(|step| step.number == number) {
        Some(step) => {
            let title = told(style.lang, &step.title);
            match style.lang {
                Lang::En => format!("step {number} ({title}): from there on there is only forward"),
                Lang::Zh => format!("第 {number} 步（{title}）：从那里起只能向前"),
            }
        }
        None => style.say("none; every step can be taken back", "无；每一步都可以撤回").to_owned(),
    }
}

fn topology(paper: &mut Document, plan: &Plan, style: &Style) {
    paper.heading(style.say("Topology", "拓扑"));
    paper.add(Block::Topology(Topology {
        titles: [style.say("Before", "变更前").to_owned(), style.say("After", "变更后").to_owned()],
        before: plan.before.clone(),
        after: plan.after.clone(),
    }));
}

/// Members as a table.
pub(super) fn members(lang: Lang, views: &[MemberView]) -> Table {
    let head = [
        lang.say("Node", "节点"),
        lang.say("Host", "主机"),
        lang.say("Role", "角色"),
        lang.say("State", "状态"),
        lang.say("Detail", "详情"),
    ];
    let row = |view: &MemberView| {
        let mark = if view.healthy { Mark::Plain } else { Mark::Bad };
        Row::new(mark, [&view.node, &view.host, &view.role, &view.state, &view.detail])
    };
    let rows = match views {
        [] => vec![Row::new(Mark::Plain, [lang.say("none", "无"), "", "", "", ""])],
        views => views.iter().map(row).collect(),
    };
    Table { head: head.iter().map(|cell| (*cell).to_owned()).collect(), rows }
}

fn notes(paper: &mut Document, plan: &Plan, style: &Style) {
    paper.heading(style.say("Impact, risk and data", "影响、风险与数据"));
    let kinds = [
        (NoteKind::Impact, "Impact", "影响"),
        (NoteKind::Risk, "Risk", "风险"),
        (NoteKind::Data, "Data", "数据"),
        (NoteKind::Guard, "Allowed, and worth a word", "允许，但值得一提"),
        (NoteKind::Unspecified, "Other", "其他"),
    ];
    for (kind, en, zh) in kinds {
        let of_kind = plan.notes.iter().filter(|note| note.kind() == kind);
        let texts: Vec<String> = of_kind.map(|note| told(style.lang, &note.text)).collect();
        if !texts.is_empty() {
            paper.add(Block::Subheading(style.say(en, zh).to_owned()));
            paper.add(Block::List(texts));
        }
    }
    if plan.notes.is_empty() {
        paper.text(style.say("Nothing to tell.", "无。"));
    }
}

fn guards(paper: &mut Document, plan: &Plan, style: &Style) {
    paper.heading(style.say("Guards and what they saw", "守卫及其所见"));
    paper.text(style.say(
        "All guards held when this was planned; these have a value to show. They are judged again when the plan is \
         applied. bellows explain CODE gives the reason of each.",
        "制定计划时所有守卫都通过；下面列出有数值可看的。执行时会再次判断。bellows explain CODE 给出每条的理由。",
    ));
    let rows = plan.guards.iter().map(|guard| {
        Row::new(Mark::Plain, [&guard.code, &told(style.lang, &guard.rule), &guard.value])
    });
    let head = [style.say("Code", "编号"), style.say("Guard", "守卫"), style.say("Seen", "所见")];
    paper.table(&head, rows.collect());
}

fn overview(paper: &mut Document, plan: &Plan, style: &Style) {
    paper.heading(style.say("Steps", "步骤"));
    let row = |step: &Step| {
        let host = steps::host(step);
        let (number, title) = (step.number.to_string(), told(style.lang, &step.title));
        let kind = steps::kind(step, style.lang);
        let expected = style.about(step.expected_ms);
        let way_back = steps::way_back(plan, step, style.lang);
        Row::new(Mark::Plain, [&number, kind, &title, host, &expected, way_back])
    };
    let head = [
        "#",
        style.say("Kind", "种类"),
        style.say("Step", "步骤"),
        style.say("Host", "主机"),
        style.say("Expected", "预计"),
        style.say("Way back", "退路"),
    ];
    paper.table(&head, all(plan).map(row).collect());
    paper.text(style.say(
        "Before every step and during waits these must hold, else the operation is held: the same primary, the same \
         members, the same versions. At the end the cluster is compared with what was predicted.",
        "每一步之前和等待期间都必须成立，否则操作挂起：主节点不变、成员不变、版本不变。结束时会把集群与预测相比较。",
    ));
}

fn back(paper: &mut Document, plan: &Plan, style: &Style) {
    paper.heading(style.say("Going back", "回退"));
    paper.text(format!(
        "{}: {}",
        style.say("Point of no return", "不可回退点"),
        point(plan, style)
    ));
    paper.text(style.say(
        "While it runs: bellows op cancel ID ends the running job and takes everything back. While it is held: \
         bellows op undo ID. Steps are taken back one by one, the last first.",
        "运行中：bellows op cancel ID 结束正在运行的作业并撤回一切。挂起时：bellows op undo ID。从最后一步开始，逐步撤回。",
    ));
    let mut rows = Vec::new();
    let steps: Vec<&Step> = all(plan).collect();
    for step in steps.into_iter().rev() {
        let Some(Kind::Act(act)) = &step.kind else { continue };
        let (number, title) = (step.number.to_string(), told(style.lang, &step.title));
        if steps::is_past(plan, step) || act.undo.is_empty() {
            let way = steps::way_back(plan, step, style.lang);
            rows.push(Row::new(Mark::Plain, [&number, &title, "", way]));
        } else {
            for undo in &act.undo {
                let what = told(style.lang, &undo.summary);
                rows.push(Row::new(Mark::Plain, [&number, &title, &undo.host, &what]));
            }
        }
    }
    let head = [
        "#",
        style.say("Step", "步骤"),
        style.say("Host", "主机"),
        style.say("How it is taken back", "如何撤回"),
    ];
    paper.table(&head, rows);
}

/// Lines for signatures.
fn agreed(paper: &mut Document, style: &Style) {
    paper.heading(style.say("Agreed", "审批"));
    let row = |en, zh| Row::new(Mark::Plain, [style.say(en, zh), " ", " ", " "]);
    let head =
        ["", style.say("Name", "姓名"), style.say("Date", "日期"), style.say("Signature", "签字")];
    paper.table(
        &head,
        vec![row("Prepared", "编制"), row("Reviewed", "复核"), row("Approved", "批准")],
    );
}
