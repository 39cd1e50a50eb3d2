//! What to do by hand, should Bellows itself die in the middle.

use bellows_proto::v1::{Act, Plan, Step};

use super::{
    Block, Document, Lang, Style,
    sentences::told,
    steps::{self, acts},
};

/// `operation`: its id where there is one, else the word ID.
pub(super) fn manual(paper: &mut Document, plan: &Plan, style: &Style, operation: &str) {
    paper.heading(style.say("If Bellows itself dies in the middle", "万一 Bellows 自身中途失效"));
    first(paper, style, operation);
    on_hosts(paper, plan, style, operation);
    paper.add(Block::Subheading(style.say("Each step by hand", "手工执行每一步").to_owned()));
    paper.text(style.say(
        "Only when coordinator and store are gone for good. Find the last step that had its effect (look at the system \
         itself, not at the list), then go forward from there, or back from there with the last step first. A step \
         that is not listed only asks or waits, or concerns a record of Bellows alone.",
        "仅当协调器和存储都已永久丢失时使用。先确定最后一个生效的步骤（看系统本身，而不是看清单），然后从那里向前做完，\
         或从最后一步开始逐步退回。未列出的步骤只是询问或等待，或者只涉及 Bellows 自己的记录。",
    ));
    for (step, act) in acts(plan) {
        one(paper, plan, step, act, style);
    }
}

fn first(paper: &mut Document, style: &Style, operation: &str) {
    paper.add(Block::List(
        [
            (
                "A job that runs at a host outlives both the agent and the coordinator. Nothing begins by itself \
                 while the coordinator is away, and no lease ends.",
                "主机上正在运行的作业不依赖 agent 和协调器。协调器不在时不会自行开始任何事，也没有会过期的租约。",
            ),
            (
                "Start the coordinator again: it reads its journal, asks the hosts, and goes on or holds. This is all \
                 that is needed in most cases.",
                "重新启动协调器：它会读取日志、询问主机，然后继续或挂起。多数情况下这就够了。",
            ),
            (
                "A lost store is made anew from a backup (bellows store restore) or from what the agents keep \
                 (bellows recover --from-agents).",
                "丢失的存储可以从备份重建（bellows store restore），或由各 agent 保存的内容重建（bellows recover --from-agents）。",
            ),
        ]
        .map(|(en, zh)| style.say(en, zh).to_owned())
        .to_vec(),
    ));
    let note = |en: &str, zh: &str| format!("# {}", style.say(en, zh));
    paper.add(Block::Commands(vec![
        note("at the coordinator", "在协调器上"),
        "systemctl status bellows; journalctl -u bellows -n 100".to_owned(),
        "systemctl restart bellows".to_owned(),
        "bellows op list".to_owned(),
        format!("bellows op show {operation}"),
    ]));
}

fn on_hosts(paper: &mut Document, plan: &Plan, style: &Style, operation: &str) {
    let hosts = steps::hosts(plan).join(", ");
    paper.text(match style.lang {
        Lang::En => format!("At each host ({hosts}), as root, without the coordinator:"),
        Lang::Zh => format!("在每台主机上（{hosts}），以 root 身份，不需要协调器："),
    });
    let note = |en: &str, zh: &str| format!("# {}", style.say(en, zh));
    paper.add(Block::Commands(vec![
        note("what ran here, and how it ended", "这里运行过什么，结果如何"),
        "bellows-agent job list".to_owned(),
        "bellows-agent job logs JOB".to_owned(),
        note("end a job that must not go on", "结束不应继续的作业"),
        "bellows-agent job cancel JOB".to_owned(),
        note(
            "later, with a coordinator again: fences and records of an operation that nobody goes on with",
            "之后，协调器恢复时：清除不再继续的操作留下的栅栏和记录",
        ),
        format!("bellows job settle HOST {operation}"),
    ]));
    paper.text(style.say(
        "A tombstone of a node that has left stays at its host: its services do not start again until it is lifted. \
         After work by hand look for what a step may have left: replication slots, records of members, access rules, \
         units that are enabled.",
        "已离开节点的墓碑留在其主机上：在解除之前，它的服务不会再启动。手工处理之后，请检查步骤可能留下的东西：\
         复制槽、成员记录、访问规则、已启用的单元。",
    ));
}

fn one(paper: &mut Document, plan: &Plan, step: &Step, act: &Act, style: &Style) {
    let undo = || act.undo.iter().filter(|undo| !undo.by_hand.is_empty());
    if act.by_hand.is_empty() && undo().next().is_none() {
        return;
    }
    let title = told(style.lang, &step.title);
    paper.add(Block::Text(format!("{}. {title}", step.number)));
    let mut lines = vec![at(style, "forward", "向前", &act.host)];
    lines.extend(act.by_hand.iter().cloned());
    if steps::is_past(plan, step) {
        lines.push(format!(
            "# {}",
            style.say("no way back: past the point of no return", "没有退路：已过不可回退点")
        ));
    } else {
        for undo in undo() {
            lines.push(at(style, "back", "退回", &undo.host));
            lines.extend(undo.by_hand.iter().cloned());
        }
    }
    paper.add(Block::Commands(lines));
}

fn at(style: &Style, en: &str, zh: &str, host: &str) -> String {
    match style.lang {
        Lang::En => format!("# {en}, at {host}:"),
        Lang::Zh => format!("# {zh}，在 {host}："),
    }
}
