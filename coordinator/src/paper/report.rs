//! What became of a plan, on paper: expected against measured.

use bellows_proto::v1::{OperationDetail, OperationSummary, Outcome, Plan, Step, step::Kind};

use super::{
    Block, Document, Lang, Mark, Row, Style, Topology,
    manual::manual,
    plan::{expected_pause, remarks, subject},
    sentences::told,
    steps::{self, all},
    told::{Attempt, Ended, Told},
};
use crate::{cli::words, plan::expected_ms};

/// The report of an operation as a document; of one that is not over: how far it is.
pub fn report(detail: &OperationDetail, style: &Style) -> Document {
    let plan = detail.plan.clone().unwrap_or_default();
    let summary = detail.summary.clone().unwrap_or_default();
    let told = Told::of(&detail.events);
    let title = format!("{}{}", style.say("Report: ", "执行报告："), subject(&plan, style.lang));
    let mut paper = Document::new(style, title);
    head(&mut paper, &plan, &summary, &told, style);
    paper.heading(style.say("Topology", "拓扑"));
    paper.add(Block::Topology(Topology {
        titles: [
            style.say("Before", "变更前").to_owned(),
            style.say("After, as predicted", "变更后（预测）").to_owned(),
        ],
        before: plan.before.clone(),
        after: plan.after.clone(),
    }));
    end(&mut paper, &told, style);
    connections(&mut paper, &plan, &told, style);
    steps(&mut paper, &plan, &told, style);
    decisions(&mut paper, &told, style);
    holds(&mut paper, &told, style);
    jobs(&mut paper, &told, style);
    if told.outcome == Outcome::Unspecified {
        manual(&mut paper, &plan, style, &summary.operation);
    }
    paper
}

fn span(from_ms: i64, to_ms: i64) -> u64 {
    u64::try_from(to_ms.saturating_sub(from_ms)).unwrap_or(0)
}

fn head(paper: &mut Document, plan: &Plan, summary: &OperationSummary, told: &Told, style: &Style) {
    let proven = told.steps.values().filter(|step| step.ended == Ended::Proven).count();
    let took = match summary.ended_at_ms {
        0 => String::new(),
        ended => style.duration(span(summary.started_at_ms, ended)),
    };
    // The time of a group is that of its members.
    let single = all(plan).filter(|step| !matches!(step.kind, Some(Kind::Group(_))));
    let times = single.filter_map(|step| Some(told.steps.get(&step.number)?.worked_ms));
    let worked = times.fold(0, u64::saturating_add);
    let mut facts = remarks(plan, style);
    for (en, zh, value) in [
        ("Operation", "操作", summary.operation.clone()),
        ("State", "状态", words::state(summary)),
        ("Cluster", "集群", plan.cluster.clone()),
        ("System", "系统", words::system(plan.system())),
        ("Site", "站点", plan.site.clone()),
        ("Asked for by", "发起者", summary.principal.clone()),
        ("Planned at", "计划时间", style.time(plan.planned_at_ms)),
        ("Began", "开始", style.time(summary.started_at_ms)),
        ("Ended", "结束", style.time(summary.ended_at_ms)),
        ("Expected to take", "预计耗时", style.about(expected_ms(plan))),
        ("Took", "实际耗时", took),
        ("Maintenance window", "维护窗口", plan.window.map(|w| w.to_string()).unwrap_or_default()),
        ("Of that worked at steps", "其中执行步骤", style.duration(worked)),
        ("Pause for writers, expected", "预计写入暂停", expected_pause(plan, style)),
        ("Pause for writers, measured", "实测写入暂停", measured_pause(plan, told, style)),
        ("Steps proven", "已证实的步骤", format!("{proven} / {}", all(plan).count())),
        ("Spec version", "规格版本", spec_version(plan, told)),
    ] {
        facts.push((style.say(en, zh).to_owned(), value));
    }
    paper.add(Block::Facts(facts));
    if !summary.damage.is_empty() {
        paper.add(Block::Warning(summary.damage.clone()));
    }
}

/// By the coordinator's own clock alone: orders and proofs are its own events.
fn measured_pause(plan: &Plan, told: &Told, style: &Style) -> String {
    let Some(pause) = &plan.write_pause else { return String::new() };
    let Some(measured) = told.write_pause_ms(pause) else { return String::new() };
    let (from, to) = (pause.from_step, pause.to_step);
    match style.lang {
        Lang::En => format!(
            "at most {}: from the order of step {from} to the proof of step {to}",
            style.duration(measured)
        ),
        Lang::Zh => {
            format!("至多 {}：从步骤 {from} 下令到步骤 {to} 得到证实", style.duration(measured))
        }
    }
}

fn spec_version(plan: &Plan, told: &Told) -> String {
    match told.spec_version {
        0 => plan.spec_version.to_string(),
        after => format!("{} → {after}", plan.spec_version),
    }
}

/// What was predicted and what was seen in the end.
fn end(paper: &mut Document, told: &Told, style: &Style) {
    paper.heading(style.say("Prediction and end", "预测与结果"));
    match told.outcome {
        Outcome::Done => paper.text(style.say(
            "The end was compared with the prediction: nothing differs.",
            "结束时与预测相比较：没有差异。",
        )),
        Outcome::Undone | Outcome::Cancelled => {
            paper.text(style.say("It was taken back.", "已撤回。"));
        }
        Outcome::Abandoned => paper.add(Block::Warning(
            style.say("It was abandoned where it stood.", "已在中途放弃。").to_owned(),
        )),
        Outcome::Unspecified => {
            paper.add(Block::Warning(style.say("It is not over.", "尚未结束。").to_owned()));
        }
    }
    if !told.end.is_empty() {
        paper.text(told.end.clone());
    }
    let drifts: Vec<String> = told
        .drifts()
        .map(|(at_ms, held)| format!("{}: {}", style.time(*at_ms), held.text))
        .collect();
    if !drifts.is_empty() {
        paper.text(style.say("Drift that was seen on the way:", "途中发现的偏差："));
        paper.add(Block::List(drifts));
    }
    if !told.left.is_empty() {
        paper.text(style.say("Left behind:", "遗留："));
        paper.add(Block::List(told.left.clone()));
    }
}

/// How clients reach the cluster now.
fn connections(paper: &mut Document, plan: &Plan, told: &Told, style: &Style) {
    if told.outcome != Outcome::Done || plan.connections.is_empty() {
        return;
    }
    paper.heading(style.say("Connection strings", "连接串"));
    let lines = plan.connections.iter().map(|one| format!("{}: {}", one.what, one.text));
    paper.add(Block::Commands(lines.collect()));
}

fn steps(paper: &mut Document, plan: &Plan, told_of: &Told, style: &Style) {
    paper.heading(style.say("Expected and measured", "预计与实际"));
    paper.text(style.say(
        "Measured is the time that was worked at a step, without the time that the operation was held.",
        "实际指执行该步骤所用的时间，不含操作挂起的时间。",
    ));
    let row = |step: &Step| {
        let known = told_of.steps.get(&step.number);
        let (mark, result) =
            known.map_or((Mark::Plain, style.say("not begun", "未开始")), |known| {
                match known.ended {
                    Ended::UnderWay => (Mark::Plain, style.say("under way", "进行中")),
                    Ended::Proven => (Mark::Plain, style.say("proven", "已证实")),
                    Ended::Failed => (Mark::Bad, style.say("failed", "失败")),
                    Ended::Skipped => (Mark::Bad, style.say("skipped", "已跳过")),
                    Ended::TakenBack => (Mark::Plain, style.say("taken back", "已撤回")),
                }
            });
        let measured = known.map_or(String::new(), |known| style.duration(known.worked_ms));
        let begun = known.map_or(String::new(), |known| known.begun.to_string());
        let host = steps::host(step);
        let (number, title) = (step.number.to_string(), told(style.lang, &step.title));
        let seen = known.map(|known| known.text.as_str()).filter(|text| *text != step.title);
        Row::new(
            mark,
            [
                &number,
                &title,
                host,
                &style.about(step.expected_ms),
                &measured,
                &begun,
                result,
                seen.unwrap_or_default(),
            ],
        )
    };
    let head = [
        "#",
        style.say("Step", "步骤"),
        style.say("Host", "主机"),
        style.say("Expected", "预计"),
        style.say("Measured", "实际"),
        style.say("Begun", "次数"),
        style.say("Result", "结果"),
        style.say("Seen", "所见"),
    ];
    paper.table(&head, all(plan).map(row).collect());
}

fn decisions(paper: &mut Document, told: &Told, style: &Style) {
    paper.heading(style.say("Who decided what", "谁作了什么决定"));
    let rows = told.turns.iter().map(|turn| {
        let who = if turn.who.is_empty() { "Bellows" } else { turn.who.as_str() };
        Row::new(Mark::Plain, [&style.time(turn.at_ms), who, &turn.what])
    });
    let head = [style.say("When", "时间"), style.say("Who", "谁"), style.say("What", "决定")];
    paper.table(&head, rows.collect());
}

fn holds(paper: &mut Document, told: &Told, style: &Style) {
    if told.holds.is_empty() {
        return;
    }
    paper.heading(style.say("Holds", "挂起"));
    let rows = told.holds.iter().map(|(at_ms, held)| {
        let tool = held.fault.as_ref().map(|fault| {
            let command = fault.command.join(" ");
            format!("{} {command} {}", fault.message, fault.stderr_tail.trim_end())
        });
        let (cause, step) = (words::cause(held.cause()), held.step.to_string());
        let tool = tool.unwrap_or_default();
        Row::new(Mark::Bad, [&style.time(*at_ms), &cause, &step, &held.text, tool.trim()])
    });
    let head = [
        style.say("When", "时间"),
        style.say("Cause", "原因"),
        "#",
        style.say("Seen", "所见"),
        style.say("The tool said", "工具输出"),
    ];
    paper.table(&head, rows.collect());
}

fn jobs(paper: &mut Document, told: &Told, style: &Style) {
    paper.heading(style.say("Jobs", "作业"));
    if told.attempts.is_empty() {
        paper.text(style.say("No job was asked for.", "没有请求任何作业。"));
        return;
    }
    let rows = told.attempts.iter().map(|attempt| job(attempt, style));
    let head = [
        "#",
        style.say("Host", "主机"),
        style.say("Does", "内容"),
        style.say("Attempt", "次"),
        style.say("Began", "开始"),
        style.say("Took", "耗时"),
        style.say("Tools", "工具数"),
        style.say("Exit status", "退出码"),
        style.say("Judged by the probe", "探测结论"),
    ];
    paper.table(&head, rows.collect());
    paper.text(style.say(
        "An exit status decides nothing: what counts is what the probe read from the system afterwards.",
        "退出码不作数：以事后从系统读到的探测结论为准。",
    ));
}

fn job(attempt: &Attempt, style: &Style) -> Row {
    let seen = &attempt.evidence;
    let ran = seen.job_started_at_ms > 0;
    let took = match (ran, seen.job_ended_at_ms) {
        (true, ended) if ended > 0 => style.duration(span(seen.job_started_at_ms, ended)),
        (true | false, _) => String::new(),
    };
    let exit = match &seen.fault {
        Some(fault) => fault.exit_status.map_or("–".to_owned(), |status| status.to_string()),
        None if ran => "0".to_owned(),
        None => String::new(),
    };
    let (mark, verdict) = match attempt.verdict {
        _ if attempt.never => {
            (Mark::Plain, style.say("never reached its host", "未到达主机").to_owned())
        }
        None => (Mark::Plain, style.say("not told yet", "尚无结论").to_owned()),
        Some(verdict) => judged(verdict, style.lang),
    };
    let does = told(style.lang, &attempt.act.summary);
    let does =
        if attempt.undo { format!("{}{does}", style.say("undo: ", "撤回：")) } else { does };
    let tools = if ran { seen.tool_runs.to_string() } else { String::new() };
    let verdict = if seen.text.is_empty() { verdict } else { format!("{verdict}: {}", seen.text) };
    let (step, number) = (attempt.step.to_string(), attempt.attempt.to_string());
    let began = style.time(seen.job_started_at_ms);
    Row::new(
        mark,
        [&step, &attempt.act.host, &does, &number, &began, &took, &tools, &exit, &verdict],
    )
}

fn judged(verdict: bellows_proto::v1::ProbeVerdict, lang: Lang) -> (Mark, String) {
    use bellows_proto::v1::ProbeVerdict;
    let (mark, en, zh) = match verdict {
        ProbeVerdict::Done => (Mark::Plain, "done", "已完成"),
        ProbeVerdict::NotDone => (Mark::Bad, "not done", "未完成"),
        ProbeVerdict::Partial => (Mark::Bad, "partial", "部分完成"),
        ProbeVerdict::Unknown => (Mark::Bad, "unknown", "未知"),
        ProbeVerdict::Unspecified => (Mark::Bad, "?", "?"),
    };
    (mark, lang.say(en, zh).to_owned())
}
