//! The table of sentences. Where two forms fit one sentence, the more special one stands first.

/// English with `{}` for what is inserted, and Chinese with `{1}`, `{2}`, ... for the same.
pub(super) const TABLE: &[(&str, &str)] = &[
    // Titles of steps.
    ("check that the cluster is healthy", "检查集群是否健康"),
    ("claim the place of {} on {}", "在 {2} 上登记 {1} 的位置"),
    ("claim node id {} for {} at {}", "在 {3} 上为 {2} 登记节点号 {1}"),
    ("claim slot {} for {} at {}", "在 {3} 上为 {2} 登记复制槽 {1}"),
    ("claim slot {} of {} at {}", "在 {3} 上登记 {2} 的复制槽 {1}"),
    ("let the new nodes in at {} on {}", "在 {2} 的 {1} 上放行新节点"),
    ("let clients in by the new networks at {} on {}", "在 {2} 的 {1} 上按新网段放行客户端"),
    ("write the configuration of {} on {}", "在 {2} 上写入 {1} 的配置"),
    ("log in from {} to {}", "从 {1} 登录 {2}"),
    // Before the next one, which it would fit too.
    ("clone {} from {}", "从 {2} 克隆 {1}"),
    ("clone {} on {}", "在 {2} 上克隆 {1}"),
    ("start the server of {} on {}", "在 {2} 上启动 {1} 的服务器"),
    ("start repmgrd of {} on {}", "在 {2} 上启动 {1} 的 repmgrd"),
    ("stop and disable the server of {} on {}", "在 {2} 上停止并禁用 {1} 的服务器"),
    ("stop and disable repmgrd of {} on {}", "在 {2} 上停止并禁用 {1} 的 repmgrd"),
    // Before the next one, which it would fit too.
    ("wait until every standby streams from {} again", "等待每个备节点重新从 {1} 流复制"),
    ("wait until {} streams from {}", "等待 {1} 从 {2} 流复制"),
    ("wait until {} streams no more", "等待 {1} 停止流复制"),
    ("wait until every member knows {}", "等待所有成员都认识 {1}"),
    ("wait until every survivor has forgotten {}", "等待留下的成员都忘记 {1}"),
    ("wait until the whole cluster is healthy", "等待整个集群健康"),
    ("register {} as a standby with repmgr on {}", "在 {2} 上把 {1} 以备节点身份注册到 repmgr"),
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
    // Reasons and notes: options become others.
    (
        "any member may become primary: all of them let the same clients in",
        "任何成员都可能成为主节点：所有成员放行相同的客户端",
    ),
    (
        "who may log in is only changed where every member can be read",
        "只有能读取每个成员时才变更谁可以登录",
    ),
    (
        "base backups for members that come from now on: at most {} KiB/s each",
        "此后新成员的基础备份：每个最多 {1} KiB/s",
    ),
    (
        "base backups for members that come from now on: without a limit",
        "此后新成员的基础备份：不限速",
    ),
    (
        "clients in {} cannot log in any more; connections that they have stay until they end",
        "{1} 内的客户端不能再登录；已有的连接保留到其结束",
    ),
    (
        "from now on no operation leaves fewer than {} members; until now: {}",
        "此后任何操作都不会使成员少于 {1} 个；此前：{2} 个",
    ),
    (
        "{} was adopted, its rules are not written by Bellows: change {} by hand",
        "{1} 是接管来的，Bellows 不写它的访问规则：请手工修改 {2}",
    ),
    // Titles of steps: the primary's role moves.
    ("make the slot {} at {} on {}", "在 {3} 的 {2} 上建立复制槽 {1}"),
    ("pause repmgrd of {} on {}", "在 {2} 上暂停 {1} 的 repmgrd"),
    ("wait until {} has all that {} wrote", "等待 {1} 收到 {2} 写入的全部内容"),
    ("promote {} on {}", "在 {2} 上提升 {1}"),
    ("let {} on {} follow {}", "让 {2} 上的 {1} 跟随 {3}"),
    ("make {} on {} a standby of {}", "把 {2} 上的 {1} 变成 {3} 的备节点"),
    ("give the claim of {} at {} back", "收回 {2} 上对 {1} 的登记"),
    ("let repmgrd of {} on {} decide again", "让 {2} 上 {1} 的 repmgrd 重新作决定"),
    ("wait until repmgrd watches on every member", "等待每个成员上的 repmgrd 恢复监视"),
    // Titles of steps: a dead member is replaced.
    ("check that {} is dead and the others are healthy", "检查 {1} 确已宕机、其余成员健康"),
    ("let {} in and {} out at {} on {}", "在 {4} 的 {3} 上放行 {1}，不再放行 {2}"),
    // Titles of steps: servers are restarted.
    ("wait until {} streams and has replayed", "等待 {1} 流复制并完成回放"),
    ("wait until all members are healthy with {} back", "等待 {1} 恢复、所有成员健康"),
    // What stands in front.
    ("what stands in front of the cluster answers", "集群前端有回答"),
    ("what stands in front lists the members", "前端所列即成员"),
    ("lead no client to {} at {} on {}", "在 {3} 的 {2} 上不再把客户端引向 {1}"),
    (
        "lead clients to {} and no more to {} at {} on {}",
        "在 {4} 的 {3} 上把客户端引向 {1}，不再引向 {2}",
    ),
    (
        "lead clients to every member that is well at {} on {}",
        "在 {2} 的 {1} 上把客户端引向每个正常的成员",
    ),
    ("lead clients to {} at {} on {}", "在 {3} 的 {2} 上把客户端引向 {1}"),
    ("lead writers to {} at {} on {}", "在 {3} 的 {2} 上把写入引向 {1}"),
    ("list {} in the place of {} at {} on {}", "在 {4} 的 {3} 上用 {1} 取代 {2}"),
    ("take {} out of {} on {}", "从 {3} 的 {2} 中取出 {1}"),
    ("readers that are led there would be cut off in the middle", "引向那里的读取会中途断开"),
    (
        "its host is dead: clients that are led there wait",
        "它的主机已宕机：引向那里的客户端只能等待",
    ),
    ("it streams: readers may be led to it", "它在流复制：可以把读取引向它"),
    (
        "a front that did not see the role move leads writers to a standby",
        "没有察觉角色切换的前端会把写入引向备节点",
    ),
    (
        "a front may have taken a member that was away for dead, and keeps it out",
        "前端可能把离开过的成员当作已宕机，一直不予使用",
    ),
    (
        "an address that is given to another machine must get no clients",
        "分配给另一台机器的地址不得再收到客户端",
    ),
    ("make the front lead clients to other members", "让前端把客户端引向其他成员"),
    (
        "Pgpool-II {} on {} is restarted to forget {}, at the end, by step {}: every client that is connected through it is cut off and connects again",
        "Pgpool-II（{2} 的 {1}）会在最后由步骤 {4} 重启，以便忘记 {3}：经由它连接的所有客户端都会断开并重新连接",
    ),
    (
        "taking this back after step {} restarts Pgpool-II {} on {}: every client that is connected through it is cut off and connects again",
        "在步骤 {1} 之后撤回会重启 Pgpool-II（{3} 的 {2}）：经由它连接的所有客户端都会断开并重新连接",
    ),
    // Notes: clients.
    ("no client is connected to {} now", "目前没有客户端连接到 {1}"),
    (
        "connected to {} now, and cut off when it stops: {}",
        "目前连接到 {1}、它停止时会被断开的：{2}",
    ),
    ("who is connected to {} is not known: {}", "不知道谁连接到 {1}：{2}"),
    ("{} clients: {}; and {} more", "{1} 个客户端：{2}；另有 {3} 个"),
    ("{} clients: {}", "{1} 个客户端：{2}"),
    ("1 client: {}", "1 个客户端：{1}"),
    ("{} clients", "{1} 个客户端"),
    ("1 client", "1 个客户端"),
    ("the agent of {} is too old to read it", "{1} 的 agent 版本太旧，无法读取"),
    (
        "the repmgr role may not see {} of {}: GRANT pg_monitor TO repmgr",
        "repmgr 角色无权看到 {2} 的 {1}：GRANT pg_monitor TO repmgr",
    ),
    ("{} sessions", "{1} 个会话"),
    ("1 session", "1 个会话"),
    // Notes: a soft guard.
    (
        "{} ({}) says no and was accepted: {}. Reason given: {}",
        "{1}（{2}）不通过，但被接受：{3}。给出的理由：{4}",
    ),
    (
        "{} of {} would look for another server, and the others have {} connections left",
        "{2} 的 {1} 要另找服务器，而其他成员只剩 {3} 个连接",
    ),
    (
        "{} of {} would follow the primary's role to {}, which has {} connections left",
        "{2} 的 {1} 会随主节点角色转到 {3}，而它只剩 {4} 个连接",
    ),
    ("it is not known: {}", "无法得知：{1}"),
    // Before the next ones, which it would fit too.
    ("{}; not counted: {}", "{1}；未计入：{2}"),
    (
        "the last good backup is too old: {}; at most {} is allowed",
        "最近一次可用备份太旧：{1}；最多允许 {2}",
    ),
    ("{} ended {} ago by the clock of {}", "{1} 按 {3} 的时钟结束于 {2} 前"),
    ("there is no good backup of this cluster", "该集群没有可用的备份"),
    (
        "no host of the cluster says in its agent.toml where its backups are",
        "该集群没有哪台主机在 agent.toml 中说明备份在哪里",
    ),
    // Titles of steps: a cluster is adopted.
    ("record where {} is on {}", "在 {2} 上记录 {1} 的位置"),
    ("read {} by its record on {}", "按 {2} 上的记录读取 {1}"),
    ("check that the cluster is as it was found", "检查集群与发现时一致"),
    // Titles of steps: a member comes back.
    ("check that {} leads and that {} may come back", "检查 {1} 是主节点，且 {2} 可以回来"),
    ("discard the data of {} on {}", "在 {2} 上丢弃 {1} 的数据"),
    ("wait until {} follows and repmgrd watches it", "等待 {1} 跟随主节点且 repmgrd 在监视它"),
    // Reasons of steps.
    (
        "from now on it is read by its name; nothing of it becomes Bellows' own",
        "此后按名称读取它；它的任何东西都不归 Bellows 所有",
    ),
    ("only what can be read is taken into care", "只有读得到的才会被接管"),
    ("what is taken into care is what the plan has shown", "接管的正是计划所展示的"),
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
    (
        "the primary's role only moves where everybody follows",
        "只有所有成员都跟随主节点时，主节点角色才可以移交",
    ),
    (
        "whoever follows the next primary finds the WAL that it needs there",
        "跟随下一个主节点的成员能在那里找到所需的 WAL",
    ),
    (
        "it would take the stop of the primary for a failure and promote somebody",
        "否则它会把主节点的停止当作故障，并提升某个节点",
    ),
    ("its server is about to stop", "它的服务器即将停止"),
    (
        "writers pause from here on; disabled, because one that comes back by itself would be a second primary",
        "从这里起写入暂停；同时禁用，因为自行恢复的服务器会成为第二个主节点",
    ),
    (
        "what was committed at the old primary is at the new one before it takes over",
        "旧主节点上已提交的内容，在新主节点接管之前就已在新主节点上",
    ),
    ("writers go on at the new primary", "写入在新主节点上继续"),
    ("it still looks for the old primary", "它还在找旧主节点"),
    ("only what the new primary sends to counts as a copy", "只有新主节点发送到的才算副本"),
    (
        "it was shut down in order and the new primary has all of it: it can follow as it is",
        "它已正常关闭，新主节点拥有它的全部内容：可以原样跟随",
    ),
    ("it starts as a standby now", "它现在以备节点身份启动"),
    ("repmgr has it as a primary that is gone", "在 repmgr 的记录中它是已离开的主节点"),
    ("from now on it takes part in failover again", "从此它重新参与故障切换"),
    (
        "nobody reads it any more, and it would keep WAL until the disk is full",
        "已没有人读它，它会保留 WAL 直到磁盘写满",
    ),
    ("the slot is at the new primary now", "复制槽现在在新主节点上"),
    (
        "failover works only while it is not paused; started anew, because one that saw the old primary stop may still wait for it",
        "只有未暂停时故障切换才有效；重新启动它，因为看到旧主节点停止的 repmgrd 可能还在等它",
    ),
    (
        "read back from each server: one that stays paused is no failover",
        "从每台服务器读回确认：仍处于暂停的就没有故障切换",
    ),
    ("a record that stays would be found as a ghost later", "残留的记录以后会成为幽灵"),
    (
        "two readings: its agent is silent, and no survivor has a connection of it",
        "两个依据：它的 agent 没有应答，留下的成员都没有它的连接",
    ),
    (
        "any member may become primary; the dead one's address opens nothing any more",
        "任何成员都可能成为主节点；宕机节点的地址不再能进入任何数据库",
    ),
    (
        "from then on it is no member, and its host is owed a tombstone",
        "从此它不再是成员，它的主机还欠一块墓碑",
    ),
    ("it keeps WAL for a node that never comes for it", "它为一个再也不会来取的节点保留着 WAL"),
    (
        "a server is only stopped where the others can do without it",
        "只有其他成员少得了它，服务器才可以停止",
    ),
    ("it would report the stop of its server as a failure", "否则它会把自己服务器的停止报告为故障"),
    (
        "disabled until its start: nobody else starts it in between",
        "启动之前一直禁用：其间没有别的东西会启动它",
    ),
    ("this ends its restart", "它的重启到此完成"),
    ("it is a copy again before the next one is stopped", "它重新成为副本之后，才停止下一个"),
    (
        "one at a time: the next one only goes when nobody is missing",
        "一次一个：没有成员缺席时才轮到下一个",
    ),
    ("writers pause from here on, until it is started", "从这里起写入暂停，直到它启动"),
    ("only what the primary sends to counts as a copy", "只有主节点发送到的才算副本"),
    (
        "a member only gives way to a primary that took over from it",
        "成员只让位给从它手中接管的主节点",
    ),
    ("it decides nothing until its server follows", "在它的服务器跟随主节点之前，它不作任何决定"),
    (
        "a second primary takes writes that nobody else has; it never starts as a primary again",
        "第二个主节点会接受别处没有的写入；它不会再以主节点身份启动",
    ),
    ("from now on the primary keeps the WAL that it needs", "从此主节点为它保留所需的 WAL"),
    (
        "all that it has is in the primary's past: it can follow as it is",
        "它拥有的一切都在主节点的历史之中：可以原样跟随",
    ),
    (
        "they cannot follow: they go only while another primary of this cluster leads",
        "这些数据无法跟随：只有在本集群另有主节点时才会丢弃",
    ),
    (
        "the copy makes it anew: an old one may have lost WAL",
        "克隆会重新建立它：旧的复制槽可能已丢失 WAL",
    ),
    ("repmgr has it as something else, or as gone", "repmgr 的记录与它的身份不符，或记为已离开"),
    (
        "one primary, it streams, repmgrd runs, all name the same members",
        "一个主节点，它在流复制，repmgrd 在运行，所有成员名单一致",
    ),
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
    ("pause repmgrd", "暂停 repmgrd"),
    ("let repmgrd decide again", "让 repmgrd 重新作决定"),
    ("configure the stopped server as a standby", "把已停止的服务器配置为备节点"),
    // What to know: a cluster is adopted.
    (
        "nothing is changed on any host: the agents only record where the members are",
        "任何主机上都不作改变：代理只记录成员的位置",
    ),
    (
        "{} on {}: data in {}, settings {}, rules {}, {}, reached at {} port {}, node id {}, started by no unit",
        "{2} 上的 {1}：数据在 {3}，设置 {4}，访问规则 {5}，{6}，地址 {7} 端口 {8}，节点号 {9}，不由任何单元启动",
    ),
    (
        "{} on {}: data in {}, settings {}, rules {}, {}, reached at {} port {}, node id {}, started by {}",
        "{2} 上的 {1}：数据在 {3}，设置 {4}，访问规则 {5}，{6}，地址 {7} 端口 {8}，节点号 {9}，由 {10} 启动",
    ),
    (
        "nothing of it is ever configured or removed by Bellows; it is stopped and started only by what agent.toml of its host names",
        "Bellows 从不配置或移除它的任何东西；只通过其主机的 agent.toml 所指明的方式停止和启动它",
    ),
    (
        "{} on {} may be neither stopped nor moved from here: {}",
        "{2} 上的 {1} 不能从这里停止或移动：{3}",
    ),
    (
        "{} was adopted: its settings stay in {} too; its server and repmgrd are stopped for good, their units masked",
        "{1} 是接管来的：它的设置也留在 {2}；它的服务器和 repmgrd 永久停止，其单元被屏蔽",
    ),
    (
        "{} was adopted: if agent.toml of {} does not name its units, the agent there refuses the tombstone: mask them by hand before that host is used again",
        "{1} 是接管来的：如果 {2} 的 agent.toml 没有指明它的单元，那里的 agent 会拒绝墓碑：在再次使用该主机之前请手工屏蔽这些单元",
    ),
    (
        "slot {} at {} is no member's: it stays there, and {} has none of its name; whoever reads it must be told",
        "{2} 上的复制槽 {1} 不属于任何成员：它留在那里，{3} 上没有同名的槽；须告知读取它的一方",
    ),
    (
        "the witness {} is not led to {}: register it anew with repmgr on its host",
        "见证节点 {1} 不会被引向 {2}：请在它的主机上用 repmgr 重新注册",
    ),
    ("never fewer than {} members", "成员从不少于 {1} 个"),
    (
        "the witness {} stays as it is: it is no member and is not read",
        "见证节点 {1} 保持原样：它不是成员，也不被读取",
    ),
    ("{} streams from {}, a standby, and goes on so", "{1} 从备节点 {2} 流复制，并继续如此"),
    (
        "slot {} at {} is no member's: it is left alone, for ever",
        "{2} 上的复制槽 {1} 不属于任何成员：永远不动它",
    ),
    (
        "no failover: repmgrd of {} does not report to its server; the cluster may not grow before it does",
        "没有故障切换：{1} 的 repmgrd 没有向其服务器报告；在它报告之前集群不能扩容",
    ),
    ("the cluster may not grow as it is: {}", "集群目前不能扩容：{1}"),
    (
        "a clone writes the tablespaces {} to the same paths, and no undo removes them",
        "克隆会把表空间 {1} 写到相同的路径，撤销不会移除它们",
    ),
    (
        "{} was adopted: take the gone nodes out of {} on {} by hand",
        "{1} 是接管来的：请手工从 {3} 的 {2} 中去掉已离开的节点",
    ),
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
        "clients that are connected to {} ({} port {}) are cut off when its server stops",
        "连接在 {1}（{2} 端口 {3}）上的客户端会在它的服务器停止时断开",
    ),
    (
        "one standby at a time is away: one copy of the data fewer for that while",
        "每次有一个备节点不在：其间数据少一个副本",
    ),
    (
        "{} is the primary afterwards, {} a standby: the role does not move back by itself",
        "之后 {1} 是主节点，{2} 是备节点：角色不会自动转回",
    ),
    (
        "writers pause for as long as the restart of {} takes: from its stop, with a checkpoint before it, until it has started. Their connections to {} port {} end",
        "写入暂停的时间等于 {1} 重启的时间：从停止（之前先做一次检查点）到启动完成。客户端到 {2} 端口 {3} 的连接会断开",
    ),
    (
        "repmgrd is paused meanwhile: if {} does not start again, nobody takes its role over by itself",
        "其间 repmgrd 处于暂停：如果 {1} 没有重新启动，不会自动有谁接管它的角色",
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
    (
        "{} leaves: the last by name, in natural order, and never the primary ({})",
        "{1} 离开：按名称自然顺序排在最后，且绝不是主节点（{2}）",
    ),
    (
        "{} leave: the last by name, in natural order, and never the primary ({})",
        "{1} 离开：按名称自然顺序排在最后，且绝不是主节点（{2}）",
    ),
    (
        "{} is the first standby in natural order that streams and may take over",
        "{1} 是按自然顺序第一个正在流复制且可以接管的备节点",
    ),
    (
        "writers pause for some 1 to 5 seconds: from the stop of {} to the promotion of {}; a checkpoint goes before it. Their connections to {} ({} port {}) end; they find the primary at {} port {}",
        "写入暂停约 1 到 5 秒：从 {1} 停止到 {2} 被提升为止；之前先做一次检查点。客户端到 {3}（{4} 端口 {5}）的连接会断开；主节点改在 {6} 端口 {7}",
    ),
    (
        "repmgrd is paused meanwhile: a failure of the new primary in these seconds is not answered by itself",
        "其间 repmgrd 处于暂停：新主节点若在这几秒内出故障，不会自动切换",
    ),
    (
        "there is no way back from step {} on: then {} lacks what is written at {}",
        "从第 {1} 步起没有退路：此后 {2} 缺少在 {3} 上写入的内容",
    ),
    (
        "there is no way back from step {} on: {} streams by then, and once the slot of {} is dropped, WAL that it needs may be gone",
        "从第 {1} 步起没有退路：那时 {2} 已在流复制；{3} 的复制槽一旦删除，它所需的 WAL 可能已经没有了",
    ),
    (
        "there is no way back from step {} on: {} is forgotten, and {} has not been copied yet",
        "从第 {1} 步起没有退路：{2} 已被遗忘，而 {3} 尚未复制",
    ),
    (
        "no host needs ssh to another: each step runs through its own agent",
        "主机之间不需要 ssh：每一步都由各主机自己的 agent 执行",
    ),
    (
        "{} is named dead and is not asked for anything. Were it not off, {} would go on answering the clients that still reach it, with data that grow old; had it been primary, it might take writes that nobody else has, and those would be lost. Say that it is off only when it is: power, or its port at the switch",
        "{1} 被指明已宕机，不会向它询问任何事。如果它其实没有关机，{2} 会继续应答仍能连到它的客户端，数据越来越旧；如果它曾是主节点，还可能接受别处没有的写入，而这些写入会丢失。只有确实关机（断电，或关闭交换机端口）时才可确认",
    ),
    (
        "when {} comes back, its agent gets a tombstone for {} before anything else: its services are stopped, disabled and masked. Until the coordinator reaches that agent its server may run for a moment",
        "{1} 恢复后，它的 agent 最先得到 {2} 的墓碑：服务会被停止、禁用并屏蔽。在协调器联系上该 agent 之前，它的服务器可能会短暂运行",
    ),
    (
        "clients that are connected to {} ({} port {}) are cut off: what they wrote there since {} took over is nowhere else",
        "连接在 {1}（{2} 端口 {3}）上的客户端会被断开：自 {4} 接管以来它们在那里写入的内容别处没有",
    ),
    (
        "{} keeps its data: {} on {}; the primary has all of them",
        "{1} 保留它的数据：{3} 上的 {2}；主节点拥有其全部内容",
    ),
    (
        "there is no way back from step {} on: {} is a standby from then on, which is what it is to be",
        "从第 {1} 步起没有退路：此后 {2} 就是备节点，而这正是目的",
    ),
    ("{} ails too: it is left as it is, and is not waited for", "{1} 也有问题：保持原样，不等待它"),
    (
        "the data of {} could follow as they are: without --discard-data it takes seconds",
        "{1} 的数据可以原样跟随：不用 --discard-data 只需数秒",
    ),
    (
        "{} bytes of WAL of {} are nowhere else and are lost: what was committed in them too",
        "{2} 有 {1} 字节的 WAL 别处没有，会丢失：其中提交的内容也会丢失",
    ),
    (
        "what exists only in the data of {} is lost; how much that is cannot be known",
        "只存在于 {1} 数据中的内容会丢失；有多少无法得知",
    ),
    ("the data of {} are discarded: {} on {}", "{1} 的数据会被丢弃：{3} 上的 {2}"),
    (
        "a base backup of about {} to read from {} on {} and to send over the network, {}",
        "约 {1} 的基础备份，从 {3} 的 {2} 读取并经网络发送，{4}",
    ),
    (
        "there is no way back from step {} on: the data of {} are gone, and it has not been copied yet",
        "从第 {1} 步起没有退路：{2} 的数据已不在，而它尚未重新复制",
    ),
    // Parts of sentences.
    ("without a limit", "不限速"),
    ("at most {} KiB/s", "至多 {1} KiB/s"),
    ("with the limit of its repmgr.conf", "按其 repmgr.conf 的限速"),
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
    ("age of the last good backup", "最近一次可用备份的年龄"),
    ("room for clients at those who stay", "留下的成员容得下客户端"),
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
    ("no standby below the leaving node", "离开的节点下面没有备节点"),
    ("not the primary", "不是主节点"),
    ("one node of a cluster per host", "每台主机至多一个集群节点"),
    ("no tombstone of that name on the host", "主机上没有同名墓碑"),
    ("same login file on all hosts", "所有主机的登录文件一致"),
    ("managed files as Bellows left them", "受管文件与 Bellows 留下的一致"),
    ("cluster known", "集群已知"),
    (
        "the leaving node follows the primary, and has a slot nowhere else",
        "离开的节点跟随主节点，别处没有它的复制槽",
    ),
    ("a standby that can take over", "有可以接管的备节点"),
    ("every standby follows the primary", "所有备节点都跟随主节点"),
    ("a host that is named dead does not answer", "被指明已宕机的主机没有应答"),
    ("a node that is named dead is not connected", "被指明已宕机的节点没有连接"),
    ("one server to adopt on each host", "每台主机有一个要接管的服务器"),
    ("a server that can be read and cloned", "可以读取和克隆的服务器"),
    ("adoption allowed by the host's root", "主机的 root 允许接管"),
    ("one cluster, of which all say the same", "同一个集群，各成员说法一致"),
    ("every member's host is named", "每个成员的主机都已指明"),
    ("adopted members let the new ones in", "接管来的成员放行新成员"),
    ("adopted members that may be stopped", "可以停止的接管来的成员"),
    ("what stays somebody else's", "始终属于别人的东西"),
    ("data that can follow the primary", "数据可以跟随主节点"),
    ("the primary comes after the returning node", "主节点在回来的节点之后接管"),
    ("nobody follows the returning node", "没有成员跟随回来的节点"),
    ("data that Bellows put there", "数据由 Bellows 放入"),
];
