//! Sentences that planners make, in the other language. Planners write English; what stands here is
//! told in the reader's language, everything else stays as it was written. A missing sentence is no
//! error: the docs say so.

use super::Lang;

/// English with `{}` for what is inserted, and Chinese with `{1}`, `{2}`, ... for the same.
const TABLE: &[(&str, &str)] = &[
    // Titles of steps.
    ("check that the cluster is healthy", "检查集群是否健康"),
    ("claim the place of {} on {}", "在 {2} 上登记 {1} 的位置"),
    ("claim node id {} for {} at {}", "在 {3} 上为 {2} 登记节点号 {1}"),
    ("claim slot {} for {} at {}", "在 {3} 上为 {2} 登记复制槽 {1}"),
    ("claim slot {} of {} at {}", "在 {3} 上登记 {2} 的复制槽 {1}"),
    ("let the new nodes in at {} on {}", "在 {2} 的 {1} 上放行新节点"),
    ("write the configuration of {} on {}", "在 {2} 上写入 {1} 的配置"),
    ("log in from {} to {}", "从 {1} 登录 {2}"),
    // Before the next one, which it would fit too.
    ("clone {} from {}", "从 {2} 克隆 {1}"),
    ("clone {} on {}", "在 {2} 上克隆 {1}"),
    ("start the server of {} on {}", "在 {2} 上启动 {1} 的服务器"),
    ("start repmgrd of {} on {}", "在 {2} 上启动 {1} 的 repmgrd"),
    ("stop and disable the server of {} on {}", "在 {2} 上停止并禁用 {1} 的服务器"),
    ("stop and disable repmgrd of {} on {}", "在 {2} 上停止并禁用 {1} 的 repmgrd"),
    ("wait until {} streams from {}", "等待 {1} 从 {2} 流复制"),
    ("wait until {} streams no more", "等待 {1} 停止流复制"),
    ("wait until every member knows {}", "等待所有成员都认识 {1}"),
    ("wait until every survivor has forgotten {}", "等待留下的成员都忘记 {1}"),
    ("wait until the whole cluster is healthy", "等待整个集群健康"),
    ("register {} with repmgr on {} as primary", "在 {2} 上把 {1} 以主节点身份注册到 repmgr"),
    ("register {} with repmgr on {}", "在 {2} 上把 {1} 注册到 repmgr"),
    ("unregister {} at {} on {}", "在 {3} 的 {2} 上注销 {1}"),
    ("drop the slot {} at {} on {}", "在 {3} 的 {2} 上删除复制槽 {1}"),
    ("put a tombstone for {} on {}", "在 {2} 上为 {1} 立墓碑"),
    (
        "take the gone nodes out of the rules of {} on {}",
        "从 {2} 的 {1} 的访问规则中去掉已离开的节点",
    ),
    ("initialise the database of {} on {}", "在 {2} 上初始化 {1} 的数据库"),
    ("create the repmgr database of {} on {}", "在 {2} 上创建 {1} 的 repmgr 数据库"),
    // Reasons of steps.
    ("a cluster that is not healthy is not made busier", "不健康的集群不应再增加负担"),
    ("a member only leaves a cluster that can do without it", "只有集群少得了它，成员才可以离开"),
    (
        "what is made later is known to be ours, and what was there before",
        "之后建立的东西可以确认是我们的，也知道之前有什么",
    ),
    (
        "only what is claimed there is ever taken back or dropped",
        "只有在那里登记过的东西才会被收回或删除",
    ),
    (
        "any member may become primary and must then let the new nodes in",
        "任何成员都可能成为主节点，届时必须放行新节点",
    ),
    (
        "server and repmgr find their settings outside of the data directory, and all members are let in",
        "服务器和 repmgr 的配置放在数据目录之外，并放行所有成员",
    ),
    (
        "the login file on the new host and the primary's rules let the clone in",
        "确认新主机上的登录文件和主节点的规则允许克隆",
    ),
    (
        "each new standby begins as a base backup of the primary",
        "每个新备节点都从主节点的基础备份开始",
    ),
    (
        "a base backup of the primary, with a slot that keeps the WAL it will need",
        "主节点的基础备份，并用复制槽保留它需要的 WAL",
    ),
    ("the copy becomes a standby that follows the primary", "副本成为跟随主节点的备节点"),
    (
        "repmgr registers a standby that does not stream without a word",
        "repmgr 会不声不响地注册一个并未流复制的备节点",
    ),
    ("repmgrd only knows registered members", "repmgrd 只认识注册过的成员"),
    ("from now on the member takes part in failover", "从此该成员参与故障切换"),
    (
        "a member is one when all the others say so and its services run",
        "其他成员都承认它、它的服务都在运行，才算是成员",
    ),
    (
        "one primary, every standby streams, repmgrd runs, all name the same members",
        "一个主节点，备节点都在流复制，repmgrd 在运行，所有成员名单一致",
    ),
    ("it must not start a failover while its server stops", "它的服务器停止时不得触发故障切换"),
    (
        "a member that is forgotten while it runs goes on streaming",
        "运行中被遗忘的成员会继续流复制",
    ),
    ("the primary itself says that nobody reads that slot", "由主节点自己确认没有人在读这个复制槽"),
    ("the others must not count on it in a failover", "故障切换时其他成员不得再指望它"),
    (
        "repmgr never drops it, and it would keep WAL until the primary's disk is full",
        "repmgr 从不删除它，它会保留 WAL 直到主节点磁盘写满",
    ),
    (
        "a record or a slot that stays would be found as a ghost later, and keeps WAL",
        "残留的记录或复制槽以后会成为幽灵，并保留 WAL",
    ),
    (
        "its services never start again, not even after a reboot",
        "它的服务不再启动，重启主机后也不会",
    ),
    (
        "an address that is given to another machine must not open the database to it",
        "地址以后给了别的机器，也不得因此能进入数据库",
    ),
    (
        "a new database system with checksums and scram-sha-256 logins",
        "新的数据库系统，带校验和与 scram-sha-256 登录",
    ),
    ("everything else is copied from this server", "其余节点都从这台服务器复制"),
    ("repmgr keeps its records in a database of its own", "repmgr 把记录放在自己的数据库里"),
    ("standbys are registered below it", "备节点注册在它之下"),
    ("repmgrd watches the server", "repmgrd 监视服务器"),
    // What acts do.
    ("claim directories, port and services", "登记目录、端口和服务"),
    ("give the node's claim back", "收回节点的登记"),
    ("claim {}", "登记 {1}"),
    ("give {} back", "收回 {1} 的登记"),
    ("tombstone, remove the data", "立墓碑，删除数据"),
    ("tombstone, keep the data", "立墓碑，保留数据"),
    ("take the tombstone back", "撤销墓碑"),
    ("write configuration and services", "写入配置和服务"),
    ("remove configuration and services", "移除配置和服务"),
    ("write pg_hba.conf, reload", "写入 pg_hba.conf 并重新加载"),
    ("create the repmgr database", "创建 repmgr 数据库"),
    ("create the replication slot", "创建复制槽"),
    ("drop the replication slot", "删除复制槽"),
    ("start and enable the server", "启动并启用服务器"),
    ("start and enable repmgrd", "启动并启用 repmgrd"),
    ("stop and disable the server", "停止并禁用服务器"),
    ("stop and disable repmgrd", "停止并禁用 repmgrd"),
    ("empty the data directory", "清空数据目录"),
    // What to know.
    (
        "{} keeps WAL for each new standby from its clone on until it has caught up",
        "从克隆开始到追上为止，{1} 会为每个新备节点保留 WAL",
    ),
    (
        "redundancy stays as it is until the first new standby streams; failover by repmgrd stays on and would hold this operation",
        "第一个新备节点开始流复制之前，冗余不变；repmgrd 的故障切换保持开启，一旦发生，本操作会挂起",
    ),
    (
        "no data yet: clones take seconds; repmgrd promotes a standby by itself when the primary fails",
        "尚无数据：克隆只需数秒；主节点故障时 repmgrd 会自动提升备节点",
    ),
    (
        "clients that are connected to {} ({} port {}) are cut off",
        "连接在 {1}（{2} 端口 {3}）上的客户端会被断开",
    ),
    ("the data directory of {} is removed: {} on {}", "{1} 的数据目录会被删除：{3} 上的 {2}"),
    ("the data directory of {} is kept: {} on {}", "{1} 的数据目录会保留：{3} 上的 {2}"),
    (
        "{} stay: {}; fewer copies of the data from the first stop on",
        "留下 {1}：{2}；从第一次停止起，数据的副本变少",
    ),
    (
        "there is no way back from step {} on: once its slot is dropped, WAL that a leaving standby needs may be gone",
        "从第 {1} 步起没有退路：复制槽一旦删除，离开的备节点所需的 WAL 可能已经没有了",
    ),
    (
        "{} on {}: data in {}, reached at {} port {}, node id {}",
        "{2} 上的 {1}：数据在 {3}，地址 {4} 端口 {5}，节点号 {6}",
    ),
    ("{} on {}: data in {}, reached at {} port {}", "{2} 上的 {1}：数据在 {3}，地址 {4} 端口 {5}"),
    (
        "{} of about {} each to read from {} on {} and to send over the network, {} at once, {}",
        "{1}，每个约 {2}，从 {4} 的 {3} 读取并经网络发送，同时 {5} 个，{6}",
    ),
    // Parts of sentences.
    ("{} members", "{1} 个成员"),
    ("1 member", "1 个成员"),
    ("{} base backups", "{1} 个基础备份"),
    ("1 base backup", "1 个基础备份"),
    ("at most {} KiB/s each", "每个至多 {1} KiB/s"),
    (
        "without a limit (--option clone_rate_kib=N sets one)",
        "不限速（可用 --option clone_rate_kib=N 限速）",
    ),
    // Guards.
    ("known system", "系统已知"),
    ("valid intent", "意图有效"),
    ("hosts answer", "主机有应答"),
    ("everything needed was read", "所需信息都已读到"),
    ("exactly one primary", "恰好一个主节点"),
    ("all members healthy", "所有成员健康"),
    ("equal server versions", "服务器版本一致"),
    ("equal architecture", "体系结构一致"),
    ("equal C library", "C 库一致"),
    ("equal collation versions", "排序规则版本一致"),
    ("settings that repmgr needs", "repmgr 所需设置"),
    ("WAL sender head-room", "WAL 发送进程余量"),
    ("replication slot head-room", "复制槽余量"),
    ("free disk", "磁盘空间"),
    ("directories absent or empty", "目录不存在或为空"),
    ("port free", "端口空闲"),
    ("node name not taken", "节点名未被占用"),
    ("place not claimed", "位置未被登记"),
    ("clocks agree within 2 s", "时钟相差不超过 2 秒"),
    ("minimum members", "最少成员数"),
    ("synchronous_standby_names satisfiable", "synchronous_standby_names 可满足"),
    ("no leftover slots", "没有残留的复制槽"),
    ("allowed on the host", "主机允许"),
    ("tools are installed", "工具已安装"),
];

/// The sentence in a language; as it is where there is no translation.
pub(super) fn told(lang: Lang, sentence: &str) -> String {
    match lang {
        Lang::En => sentence.to_owned(),
        Lang::Zh => translated(sentence).unwrap_or_else(|| sentence.to_owned()),
    }
}

/// The Chinese of a planner's sentence; `None`: it has none yet.
fn translated(sentence: &str) -> Option<String> {
    TABLE.iter().find_map(|(english, chinese)| {
        let inserted: Vec<String> = fits(english, sentence)?
            .into_iter()
            .map(|part| match part.len() < sentence.len() {
                true => translated(part).unwrap_or_else(|| part.to_owned()),
                false => part.to_owned(),
            })
            .collect();
        Some(filled(chinese, &inserted))
    })
}

/// What stands at each `{}` of a form, if the text has it. Each takes as little as it can.
fn fits<'a>(form: &str, text: &'a str) -> Option<Vec<&'a str>> {
    let mut pieces = form.split("{}");
    let mut rest = text.strip_prefix(pieces.next()?)?;
    let mut inserted = Vec::new();
    let mut pieces = pieces.peekable();
    while let Some(piece) = pieces.next() {
        let last = pieces.peek().is_none();
        let (before, after) = match (piece.is_empty(), last) {
            (true, true) => (rest, ""),
            (false, true) => (rest.strip_suffix(piece)?, ""),
            (true, false) => return None,
            (false, false) => rest.split_once(piece)?,
        };
        if before.is_empty() {
            return None;
        }
        inserted.push(before);
        rest = after;
    }
    rest.is_empty().then_some(inserted)
}

/// A form with what is inserted at `{1}`, `{2}`, ...: in one pass, so that inserted text is never a form.
fn filled(form: &str, inserted: &[String]) -> String {
    let mut out = String::new();
    let mut rest = form;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let Some((number, after)) = after.split_once('}') else { break };
        let at = number.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        out.push_str(at.and_then(|at| inserted.get(at)).map_or("", String::as_str));
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_keep_what_was_inserted() {
        assert_eq!(told(Lang::Zh, "clone pg4 on h4"), "在 h4 上克隆 pg4");
        assert_eq!(
            told(Lang::Zh, "register pg1 with repmgr on h1 as primary"),
            "在 h1 上把 pg1 以主节点身份注册到 repmgr"
        );
        assert_eq!(told(Lang::En, "clone pg4 on h4"), "clone pg4 on h4");
        assert_eq!(told(Lang::Zh, "something new"), "something new");
        assert_eq!(filled("{1}{2}{9}", &["{2}".to_owned(), "b".to_owned()]), "{2}b");
    }

    #[test]
    fn every_form_is_filled_whole() {
        for (english, chinese) in TABLE {
            let wanted = english.matches("{}").count();
            for number in 1..=wanted {
                assert!(chinese.contains(&format!("{{{number}}}")), "{english}: {number}");
            }
            assert!(!chinese.contains(&format!("{{{}}}", wanted + 1)), "{english}");
        }
    }
}
