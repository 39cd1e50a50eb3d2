//! The sentences of KWDB's planner that no other one says: looked at after the others. Where two forms fit
//! one sentence, the more special one stands first.

/// As in the table of all others.
pub(super) const TABLE: &[(&str, &str)] = &[
    // Titles of steps.
    ("make keys and requests for {} on {}", "在 {2} 上为 {1} 生成密钥和证书请求"),
    ("sign the certificates of {} on {}", "在 {2} 上签发 {1} 的证书"),
    ("put the certificates of {} in place on {}", "在 {2} 上放置 {1} 的证书"),
    ("write with what {} is started on {}", "在 {2} 上写入 {1} 的启动参数"),
    ("start {} on {}", "在 {2} 上启动 {1}"),
    ("wait until the members see {}", "等待所有成员看到 {1}"),
    ("wait until every range is whole with {}", "等待 {1} 加入后所有分区副本完整"),
    ("wait until the data are spread over {}", "等待数据分布到 {1}"),
    ("let data of time series move to new nodes", "允许时序数据迁移到新节点"),
    ("keep data of time series where they are", "让时序数据留在原处"),
    ("put the setting for rebalancing back", "恢复重分布设置"),
    // Reasons.
    ("keys are made where they are used, and never travel", "密钥在使用处生成，从不外传"),
    (
        "the members trust certificates of their own authority only",
        "成员只信任自己证书机构签发的证书",
    ),
    ("a node of a secure cluster shows who it is", "安全集群的节点要证明自己的身份"),
    (
        "the unit that the package brought starts it, in the cluster's start mode, with the members to join",
        "由安装包自带的服务单元启动，使用集群的启动模式和要加入的成员地址",
    ),
    ("it joins by itself and asks the cluster for its id", "节点自行加入，并由集群分配节点号"),
    (
        "a start that went well is no proof: a node is a member when those who were there say so",
        "启动成功不算证明：原有成员都看到它，才算成员",
    ),
    (
        "the next change waits until the cluster has taken this one in",
        "集群消化这次变更之后，才进行下一次",
    ),
    ("the administrator asks for it; it is restored in the end", "按管理员的要求设置，结束时恢复"),
    ("what was changed for a while is as it was before", "临时更改的设置恢复原样"),
    (
        "the new nodes take their share of the ranges; the cluster moves them by itself",
        "新节点分担分区；由集群自行迁移",
    ),
    (
        "every member is available and live for all others, takes SQL, and every range is whole",
        "每个成员在其他成员看来都可用且存活，接受 SQL，所有分区副本完整",
    ),
    // What acts do.
    ("claim directories, ports and the unit", "登记目录、端口和服务单元"),
    ("write with what the unit starts kwbase", "写入服务单元启动 kwbase 的参数"),
    ("remove with what the unit starts kwbase", "删除服务单元启动 kwbase 的参数"),
    ("make keys and requests", "生成密钥和证书请求"),
    ("sign with the cluster's ca.key", "用集群的 ca.key 签发"),
    ("forget what was signed", "删除签发记录"),
    ("put the certificates in place", "放置证书"),
    ("remove keys and certificates", "删除密钥和证书"),
    ("start and enable the node", "启动节点并设为开机自启"),
    ("kwbase quit, then stop and disable the node", "执行 kwbase quit，然后停止节点并取消开机自启"),
    ("stop and disable the node", "停止节点并取消开机自启"),
    ("stop and start the node", "停止并启动节点"),
    // Notes.
    (
        "{} on {}: data in {}, reached at {} port {}, http {}, brpc {}, run by {} as {}",
        "{2} 上的 {1}：数据在 {3}，地址 {4} 端口 {5}，http {6}，brpc {7}，由 {8} 以用户 {9} 运行",
    ),
    (
        "{} on {}: data in {}, reached at {} port {}, started by {}, node id {} now, in the container {}",
        "{2} 上的 {1}：数据在 {3}，地址 {4} 端口 {5}，由 {6} 启动，当前节点号 {7}，位于容器 {8}",
    ),
    (
        "{} on {}: data in {}, reached at {} port {}, started by {}, node id {} now",
        "{2} 上的 {1}：数据在 {3}，地址 {4} 端口 {5}，由 {6} 启动，当前节点号 {7}",
    ),
    ("a multi-replica cluster, {}", "多副本集群，{1}"),
    ("a single-replica cluster, {}", "单副本集群，{1}"),
    (
        "nothing of it is ever configured or removed by Bellows; it is stopped and started only by its unit",
        "Bellows 从不配置或删除其中任何内容；只通过其服务单元停止和启动它",
    ),
    (
        "a single-replica cluster may grow and be restarted, and lets no node go",
        "单副本集群可以扩容和重启，但不能移除节点",
    ),
    (
        "while data move, queries may for a short time give incomplete results; afterwards they are whole again",
        "数据迁移期间，查询结果可能短暂不完整；完成后恢复完整",
    ),
    (
        "while data move, statements on indexes of time series (CREATE INDEX, DROP INDEX) may time out: repeat them afterwards; other ALTER statements make it take longer",
        "数据迁移期间，时序索引语句（CREATE INDEX、DROP INDEX）可能超时：完成后重试；其他 ALTER 语句会延长迁移时间",
    ),
    (
        "while data move, more disk is used on all members; afterwards it goes back",
        "数据迁移期间，所有成员的磁盘使用量会增加；完成后恢复",
    ),
    ("do it when there is little load", "请在业务低峰期执行"),
    (
        "a change of schema runs now: {} {} ({}): {}",
        "当前有表结构变更正在运行：{1} {2}（{3}）：{4}",
    ),
    ("{} of schema run now", "另有表结构变更正在运行：{1}"),
    (
        "kv.allocator.ts_consider_rebalance.enabled is true now: it is false meanwhile, and true again in the end; from then on data of time series move",
        "kv.allocator.ts_consider_rebalance.enabled 当前为 true：期间改为 false，结束时恢复为 true；此后时序数据开始迁移",
    ),
    (
        "kv.allocator.ts_consider_rebalance.enabled is false now: it is true meanwhile, and false again in the end",
        "kv.allocator.ts_consider_rebalance.enabled 当前为 false：期间改为 true，结束时恢复为 false",
    ),
    (
        "kv.allocator.ts_consider_rebalance.enabled is false: data of time series stay where they are",
        "kv.allocator.ts_consider_rebalance.enabled 为 false：时序数据留在原处",
    ),
    (
        "each store sends at most {} a second for rebalancing",
        "每个存储用于重分布的发送速度最多每秒 {1}",
    ),
    (
        "this is a single-replica cluster: data that are there stay where they are; only new tables use the new nodes",
        "这是单副本集群：已有数据留在原处；只有新建的表使用新节点",
    ),
    (
        "a single-replica cluster lets no node go: once the first new node is started there is no way back",
        "单副本集群不能移除节点：第一个新节点启动之后无法撤销",
    ),
    (
        "{} has no effect: a single-replica cluster moves no data",
        "{1} 不起作用：单副本集群不迁移数据",
    ),
    (
        "deploy.sh join cannot be repeated and has no way back: nodes join by kwbase",
        "deploy.sh join 不能重复执行，也没有退路：节点由 kwbase 加入",
    ),
    (
        "{} on {} holds a copy of the authority's key or may: whoever reads it makes certificates for anybody; remove it by hand",
        "{2} 上的 {1} 含有或可能含有证书机构密钥的副本：读到它的人可以为任何人签发证书；请手动删除",
    ),
    (
        "ca.key is on {} too: one copy at the host that signs is enough",
        "{1} 上也有 ca.key：只需在签发的主机上保留一份",
    ),
    // Names of guards.
    ("what Bellows does for KWDB", "Bellows 对 KWDB 的支持范围"),
    ("kwbase is installed", "已安装 kwbase"),
    ("clocks agree within 500 ms", "时钟相差不超过 500 毫秒"),
    ("equal versions", "版本一致"),
    ("a build that scales", "支持扩缩容的版本"),
    ("all members available and live", "所有成员可用且存活"),
    ("no range unavailable or under-replicated", "没有不可用或副本不足的分区"),
    ("nobody else leaves or upgrades", "没有其他节点正在退役或升级"),
    ("every node that the cluster lists is a member here", "集群列出的每个节点都是登记的成员"),
    ("start mode and security as they were", "启动模式和安全模式未变"),
    ("no certificates of TLCP", "不使用 TLCP 证书"),
    ("no new node in a container", "新节点不在容器中"),
    ("directories absent or empty, and the unit free", "目录不存在或为空，服务单元空闲"),
    ("ports free", "端口空闲"),
    ("address not listed by the cluster", "集群未列出该地址"),
    ("somebody who can sign", "有可签发证书的主机"),
    ("certificates that fit, or none", "证书匹配，或没有证书"),
    ("deploy.sh where it is the front end", "以 deploy.sh 为前端时主机上有它"),
    ("a node to adopt on each host", "每台主机上有一个要接管的节点"),
    ("a node that can be read", "节点可读取"),
    ("a cluster, not a single node", "是集群，不是单节点"),
    ("a host that can take and stop a node", "主机可以接纳并停止节点"),
    ("a cluster that lets nodes go", "允许移除节点的集群"),
    ("every zone satisfiable without the leaving node", "移除该节点后每个区域仍可满足"),
    ("room for its data at those who stay", "留下的成员有空间容纳其数据"),
    ("nobody waits for a decommission", "没有等待退役完成的进程"),
    ("a node that is named dead is not live", "声明已失效的节点没有存活"),
    ("the id of the node is known", "节点号已知"),
    ("an emptied data directory", "数据目录已清空"),
    ("a start that leads to the cluster", "启动参数指向该集群"),
    // Nodes that leave, are replaced, come back, are restarted.
    (
        "decommission {}, at a member that stays: {} on {}",
        "让 {1} 退役，在留下的成员上执行：{3} 上的 {2}",
    ),
    ("decommission {}, by deploy.sh: {} on {}", "用 deploy.sh 让 {1} 退役：{3} 上的 {2}"),
    ("wait until no range has a replica at {}", "等待没有分区在 {1} 上有副本"),
    ("count the replicas at {} once more, at two members", "在两个成员上再数一次 {1} 的副本"),
    ("stop and disable the node {} on {}", "停止 {2} 上的节点 {1} 并取消开机自启"),
    ("start and enable the node {} on {}", "启动 {2} 上的节点 {1} 并设为开机自启"),
    ("restart the node {} on {}", "重启 {2} 上的节点 {1}"),
    ("wait until no survivor lists {}", "等待留下的成员都不再列出 {1}"),
    (
        "check that the cluster is healthy and can do without them",
        "检查集群健康，并且没有它们也可以",
    ),
    (
        "wait until all members are healthy and every range has its replicas",
        "等待所有成员健康、每个分区副本完整",
    ),
    ("check again that the cluster can do without {}", "再次检查集群没有 {1} 也可以"),
    ("wait until the cluster is healthy with {}", "等待集群连同 {1} 一起健康"),
    (
        "check that the others are healthy and that {} may come back",
        "检查其他成员健康，并且 {1} 可以回来",
    ),
    ("wait until all members are healthy", "等待所有成员健康"),
    ("take away with what {} on {} was started", "去掉 {2} 上 {1} 原来的启动参数"),
    ("write with what {} on {} is started", "写入 {2} 上 {1} 的启动参数"),
    (
        "wait until every other member sees {} available and live",
        "等待其他成员都看到 {1} 可用且存活",
    ),
    ("wait until {} is back and every range has its replicas", "等待 {1} 回来、每个分区副本完整"),
    ("wait until all members name the same members", "等待所有成员列出相同的成员"),
    (
        "from now on its replicas move to the others; it goes on serving clients meanwhile",
        "从现在起它的副本迁到其他节点；期间它继续服务客户端",
    ),
    (
        "by the descriptors of the ranges, which are exact; what a node says of itself may be a minute old",
        "按分区描述符计数，这是准确的；节点自己报告的可能是一分钟前的",
    ),
    (
        "what is stopped with a replica on it takes a copy of data with it",
        "带着副本停止，就会带走一份数据",
    ),
    (
        "it ends in its own time: clients are let finish, leases go to the others",
        "它按自己的节奏结束：让客户端完成，租约交给其他节点",
    ),
    (
        "a node that is listed counts: it would be found as a ghost later",
        "仍被列出的节点就算在内：以后会成为幽灵节点",
    ),
    (
        "the tool checks nothing: a decommission that finds no place for a replica never ends",
        "工具不做任何检查：副本无处可去的退役永远不会结束",
    ),
    (
        "the next one leaves a cluster that has taken in all of the one before",
        "集群完全接收了前一个节点的数据，下一个才离开",
    ),
    (
        "the one before has changed where replicas are and what is free",
        "前一个节点的离开改变了副本的位置和剩余空间",
    ),
    (
        "the old one leaves a cluster that has taken in all of the new one",
        "集群完全接纳了新节点，旧节点才离开",
    ),
    (
        "two readings: its agent is silent, and no survivor sees it live",
        "两个读数：其代理没有回应，留下的成员都看不到它存活",
    ),
    (
        "it brings nothing that the others do not have: they must have everything",
        "它不带来其他成员没有的东西：其他成员必须拥有全部数据",
    ),
    (
        "with it there are enough to take what its old id still has",
        "有了它，节点才足够接收旧节点号仍有的副本",
    ),
    (
        "it was decommissioned by hand: it is stopped when nothing is on it any more",
        "它是手工退役的：上面什么都没有了才停止",
    ),
    ("what it has is everywhere else already", "它有的数据别处都已经有了"),
    ("two ids at one address cannot be told apart", "同一地址的两个节点号无法区分"),
    (
        "with them it would come up as the node that has left",
        "带着这些数据，它会以已离开的节点启动",
    ),
    ("it names nobody who is a member now", "它不指向任何现有成员"),
    ("it joins members that are there now", "它加入现有的成员"),
    (
        "its directory is empty: it joins as a new node, with a new id",
        "目录为空：它作为新节点加入，得到新的节点号",
    ),
    (
        "that it was started proves nothing: it may listen before it has joined",
        "启动不能证明什么：它可能在加入之前就开始监听",
    ),
    (
        "a node is only stopped where the others can do without it",
        "只有其他节点没有它也可以时，才停止一个节点",
    ),
    (
        "it drains first: clients are let finish, leases go to the others",
        "先排空：让客户端完成，租约交给其他节点",
    ),
    (
        "available, live, not draining and taking SQL: one at a time, the next one only goes when nobody is missing",
        "可用、存活、不在排空、接受 SQL：一次一个，没有缺员才轮到下一个",
    ),
    (
        "options are those of a cluster that is as it is thought to be",
        "选项属于一个与预想相符的集群",
    ),
    (
        "clients that are connected to {} ({}) are cut off when it stops",
        "连接到 {1}（{2}）的客户端在它停止时断开",
    ),
    (
        "{} was adopted: its files stay as they are; {} on {} is stopped for good",
        "{1} 是接管的：其文件保持不变；{3} 上的 {2} 将永久停止",
    ),
    (
        "a cancel, at any time before the end, recommissions {} and starts again what was stopped: data move back by themselves",
        "结束之前随时可以取消：{1} 恢复服役，已停止的重新启动，数据自行迁回",
    ),
    (
        "there is no way back from step {} on, which removes data: until then a cancel recommissions {}, and data move back by themselves",
        "第 {1} 步删除数据，从该步起不能返回；在此之前取消会使 {2} 恢复服役，数据自行迁回",
    ),
    (
        "deploy.sh leaves a writer of its own behind that goes on until it has written 0 into decommission_progress; nothing here is decided by that file",
        "deploy.sh 会留下自己的写入进程，直到在 decommission_progress 中写入 0；这里不以该文件作任何判断",
    ),
    ("{} members stay: {}", "留下 {1} 个成员：{2}"),
    (
        "{} leave, in this order: the newest first, by the ids that the cluster gave them",
        "{1} 按此顺序离开：按集群分配的节点号，最新的在先",
    ),
    (
        "{} leaves, in this order: the newest first, by the ids that the cluster gave them",
        "{1} 离开：按集群分配的节点号，最新的在先",
    ),
    (
        "{} is named dead and is not asked for anything. Were it not off, {} would come back into the cluster in the middle of this. Say that it is off only when it is: power, or its port at the switch",
        "{1} 被声明已失效，不向它请求任何事。如果它没有关机，{2} 会在中途回到集群。只有确实关机（断电，或断开交换机端口）才能这样声明",
    ),
    (
        "{} is node {} of the cluster: its replicas are made anew from those of the others",
        "{1} 是集群的节点 {2}：它的副本由其他节点的副本重建",
    ),
    (
        "when {} comes back, its agent gets a tombstone for {} before anything else: its service is stopped and disabled. Until the coordinator reaches that agent the node may run for a moment; the cluster keeps it decommissioned",
        "{1} 回来时，其代理最先得到 {2} 的墓碑：服务被停止并取消开机自启。协调器联系到该代理之前，节点可能短暂运行；集群仍视它为已退役",
    ),
    (
        "{} was adopted: if agent.toml of {} does not name its unit, the agent there refuses the tombstone: disable {} by hand before that host is used again",
        "{1} 是接管的：如果 {2} 的 agent.toml 没有列出其服务单元，那里的代理会拒绝墓碑：再次使用该主机之前，手工禁用 {3}",
    ),
    (
        "there is no way back from step {} on: {} members stay, too few to take back what the new one takes",
        "从第 {1} 步起不能返回：留下 {2} 个成员，不足以收回新节点接收的副本",
    ),
    (
        "there is no way back from step {} on; until then a cancel recommissions {} and takes the new one out again",
        "从第 {1} 步起不能返回；在此之前取消会使 {2} 恢复服役，并把新节点移出",
    ),
    (
        "the data of {} are discarded: {} on {}; nothing is taken from them",
        "{1} 的数据被丢弃：{3} 上的 {2}；不从中取用任何内容",
    ),
    (
        "node {}, which {} was, was decommissioned already; it comes back with a new id",
        "{2} 原来的节点 {1} 已经退役；它以新的节点号回来",
    ),
    (
        "node {}, which {} was, is decommissioned first; it comes back with a new id",
        "{2} 原来的节点 {1} 先退役；它以新的节点号回来",
    ),
    (
        "node {}, which {} was, is decommissioned after it has come anew: there are too few others to take its replicas before; it comes back with a new id",
        "{2} 原来的节点 {1} 在它重新加入之后退役：此前其他节点太少，无法接收其副本；它以新的节点号回来",
    ),
    (
        "there is no way back from step {} on: what {} joins as is a member, and leaves by a shrink",
        "从第 {1} 步起不能返回：{2} 加入后即为成员，只能通过缩容离开",
    ),
    (
        "there is one replica of everything: what a node has cannot be read or written while it is away",
        "所有数据只有一份副本：节点不在时，其数据无法读写",
    ),
    (
        "one node at a time is away: one copy of its data fewer for that while",
        "一次只有一个节点不在：期间其数据少一份副本",
    ),
    (
        "replicas of a node that leaves are counted every {} s; until now: {} s",
        "离开节点的副本每 {1} 秒计数一次；此前为 {2} 秒",
    ),
    (
        "certificates of new nodes are signed at the first member that has ca.key",
        "新节点的证书在第一个有 ca.key 的成员上签发",
    ),
    ("certificates of new nodes are signed at {}", "新节点的证书在 {1} 上签发"),
    (
        "nodes leave by deploy.sh on their own hosts; they join by kwbase",
        "节点在自己的主机上用 deploy.sh 离开；加入用 kwbase",
    ),
    ("nodes join and leave by kwbase alone", "节点只通过 kwbase 加入和离开"),
    ("it never starts again, not even after a reboot", "它不会再启动，重启主机后也不会"),
];
